"""Speed of the evaluation beside the reference programs, on the same data, and equality of values.

The script puts TSB-AD 1.5 and energy-fault-detector 0.8.1 into a virtual environment of its own
(network on the first run only), without their deep-learning dependencies: empty package roots
stand in for the ones that import them, the scoring modules run as shipped. Kernels are compiled
before the clock starts; seconds are the CPU seconds of one process, ours the best of five calls,
the rivals' one call.

    python benchmarks/bench_metrics.py [--long] [--venv FOLDER] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from streamad.evaluation import (
    best_affiliation,
    best_event_f,
    best_point_adjusted_f1,
    best_range_f1,
    vus,
)
from streamad.evaluation.care import CareDataset, care_score

REQUIREMENTS = ["numpy<2", "pandas==2.2.3", "scikit-learn==1.6.1"]
RIVALS = ["TSB-AD==1.5", "energy-fault-detector==0.8.1"]
SEED = 20261124
WINDOW = 100
EVENTS = 20
N_DATASETS, N_ROWS, N_ANOMALIES = 95, 8000, 45
EVENT = (5000, 6500)
"""First and last row of the event window of every CARE dataset."""
TOLERANCE = 1e-9
SLOW = {("affiliation", 1_000_000), ("pa_f1", 1_000_000)}
"""Rivals that need more than two minutes: run with ``--long`` only."""

RIVAL_SCRIPT = """
import json, sys, sysconfig, time, types, warnings
warnings.filterwarnings("ignore")
for name in ("energy_fault_detector", "energy_fault_detector.evaluation"):
    package = types.ModuleType(name)  # its __init__ imports TensorFlow
    package.__path__ = [sysconfig.get_path("purelib") + "/" + name.replace(".", "/")]
    sys.modules[name] = package
import numpy as np, pandas as pd
from TSB_AD.evaluation.basic_metrics import basic_metricor, generate_curve
from energy_fault_detector.evaluation.care_score import CAREScore

def care(data):
    judge = CAREScore()
    for i, (flags, normal) in enumerate(zip(data["flags"], data["normal"])):
        judge.evaluate_event(
            event_start=int(data["event"][0]), event_end=int(data["event"][1]),
            event_label="anomaly" if data["anomaly"][i] else "normal",
            predicted_anomalies=pd.Series(flags), normal_index=pd.Series(normal), event_id=i)
    return [float(judge.get_final_score())]

def vus(data):
    *_, roc, pr = generate_curve(data["labels"], data["scores"], int(data["window"]), "opt", 250)
    return [float(pr), float(roc)]

judge = basic_metricor()
CALLS = {
    "vus": vus,
    "affiliation": lambda d: [float(judge.metric_Affiliation(d["labels"], d["scores"]))],
    "pa_f1": lambda d: [float(judge.metric_PointF1PA(d["labels"], d["scores"]))],
    "event_f": lambda d: [float(judge.metric_EventF1PA(d["labels"], d["scores"]))],
    "range_f1": lambda d: [float(judge.metric_RF1(d["labels"], d["scores"]))],
    "care": care,
}
data = dict(np.load(sys.argv[2]))
start = time.process_time()
values = CALLS[sys.argv[1]](data)
print(json.dumps({"seconds": time.process_time() - start, "values": values}))
"""


def make_series(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels with 20 anomalies, 5 % of the rows, and a noisy score of them."""
    labels = np.zeros(n, np.int64)
    for k in range(EVENTS):
        start = n * k // EVENTS + n // 50
        labels[start : start + n // (20 * EVENTS)] = 1
    scores = np.abs(np.random.default_rng(SEED).standard_normal(n)) + labels
    return labels, scores


def make_care() -> dict[str, np.ndarray]:
    """Datasets whose detector sees two events in three, with false alarms and abnormal status."""
    rng = np.random.default_rng(SEED)
    flags = rng.random((N_DATASETS, N_ROWS)) < 0.05
    flags[:N_ANOMALIES:3, EVENT[0] + 300 : EVENT[1]] = True
    flags[1:N_ANOMALIES:3, EVENT[0] : EVENT[1] : 2] = True
    normal = rng.random((N_DATASETS, N_ROWS)) > 0.1
    anomaly = np.arange(N_DATASETS) < N_ANOMALIES
    return {"flags": flags, "normal": normal, "anomaly": anomaly, "event": np.array(EVENT)}


def our_care(data: dict[str, np.ndarray]) -> list[float]:
    """The CARE score of all datasets."""
    rows = np.arange(N_ROWS)
    columns = zip(data["anomaly"].tolist(), data["flags"], data["normal"], strict=True)
    datasets = [
        CareDataset(str(i), anomaly, rows, flags, *EVENT, normal)
        for i, (anomaly, flags, normal) in enumerate(columns)
    ]
    return [care_score(datasets).score]


def our_seconds(call: Callable[[], list[float]]) -> tuple[float, list[float]]:
    """CPU seconds of the best of five calls after one that compiles, and the values."""
    values, best = call(), np.inf
    for _ in range(5):
        start = time.process_time()
        call()
        best = min(best, time.process_time() - start)
    return best, values


def rival_python(folder: Path) -> Path:
    """The interpreter of the rivals' environment, made on the first run."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *REQUIREMENTS], check=True)
        subprocess.run([*pip, "--no-deps", *RIVALS], check=True)
        (folder / "ready").touch()
    return python


def rival_seconds(python: Path, name: str, data: dict[str, Any]) -> tuple[float, list[float]]:
    """CPU seconds and values of the reference program, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.npz")
        np.savez(path, **data)
        done = subprocess.run(
            [str(python), "-c", RIVAL_SCRIPT, name, str(path)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    answer = json.loads(done.stdout.splitlines()[-1])
    return answer["seconds"], answer["values"]


def compare(
    python: Path,
    name: str,
    n: int,
    data: dict[str, Any],
    call: Callable[[], list[float]],
    *,
    long: bool,
) -> dict[str, Any]:
    """One row of the result: both times, their ratio, and whether the values agree."""
    ours, values = our_seconds(call)
    row: dict[str, Any] = {"metric": name, "rows": n, "values": values, "streamad_s": ours}
    if (name, n) in SLOW and not long:
        return {**row, "reference_s": None, "note": "reference takes minutes: --long runs it"}
    theirs, expected = rival_seconds(python, name, data)
    if not np.allclose(values, expected, rtol=0, atol=TOLERANCE):
        raise SystemExit(f"{name} at {n} rows: {values} here, {expected} by the reference")
    return {**row, "reference_s": theirs, "ratio": theirs / ours, "equal_within": TOLERANCE}


def main() -> None:
    """Measure all and print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="run also rivals that take minutes")
    parser.add_argument("--venv", type=Path, default=Path("build/rivals"))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    python = rival_python(arguments.venv.resolve())
    rows = []
    for n in (10_000, 100_000, 1_000_000):
        labels, scores = make_series(n)
        data = {"labels": labels, "scores": scores, "window": WINDOW}
        calls = {
            "vus": lambda y=labels, s=scores: list(vus(y, s, WINDOW)),
            "affiliation": lambda y=labels, s=scores: [best_affiliation(y, s)],
            "pa_f1": lambda y=labels, s=scores: [best_point_adjusted_f1(y, s)],
        }
        if n < 1_000_000:
            calls["event_f"] = lambda y=labels, s=scores: [best_event_f(y, s)]
            calls["range_f1"] = lambda y=labels, s=scores: [best_range_f1(y, s)]
        for name, call in calls.items():
            rows.append(compare(python, name, n, data, call, long=arguments.long))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    data = make_care()
    rows.append(
        compare(
            python, "care", N_DATASETS * N_ROWS, data, lambda: our_care(data), long=arguments.long
        )
    )
    environment = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "rivals": RIVALS,
    }
    text = json.dumps({"environment": environment, "metrics": rows}, indent=2)
    print(text)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
