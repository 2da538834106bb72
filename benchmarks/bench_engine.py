"""Throughput of a backtest, Parquet to alerts with scores written, beside river on the same rows.

One core (the process pins itself). Every detector sees the same three layouts; river's
HalfSpaceTrees and a plain river learn/score loop see the same rows in the same run, fewer of them,
read from the same file. Kernels are compiled before the clock starts.

    python benchmarks/bench_engine.py [--rows N] [--detector NAME ...] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LAYOUTS = {"1ch x 1 series": (1, 1), "1ch x 1000 series": (1, 1000), "38ch x 28 series": (38, 28)}
ROWS = {"ewma": 6_000_000, "knn": 1_000_000, "mahalanobis": 1_000_000, "fusion": 500_000}
PER_SERIES = 2500
"""Least rows of a series: past every warm-up, with full memories for more than half of the run."""
RIVER_ROWS = 20_000
SEED = 20261124


def write_data(path: Path, n: int, channels: int, series: int) -> None:
    """Daily wave, noise and a few steps; rows of the series interleaved in time order."""
    rng = np.random.default_rng(SEED)
    step = np.arange(n) // series
    columns: dict[str, Any] = {
        "time": pa.array(
            1_700_000_000_000_000_000 + step * 60_000_000_000, pa.timestamp("ns", "UTC")
        )
    }
    if series > 1:
        names = pa.array([f"machine-{i:04d}" for i in range(series)])
        codes = pa.array((np.arange(n) % series).astype(np.int32))
        columns["series"] = pa.DictionaryArray.from_arrays(codes, names)
    for c in range(channels):
        wave = np.sin(step * (2 * np.pi / 1440) + c) + 0.1 * rng.standard_normal(n)
        wave[rng.integers(0, n, 5)] += 8
        columns[f"v{c:02d}"] = wave
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000, compression="zstd")


def run_streamad(data: Path, detector: str, key: str | None, folder: Path) -> tuple[float, float]:
    """Seconds from Parquet to alerts and scores on disk, and the share of rows that were judged."""
    from streamad.backtest import backtest
    from streamad.config import config_from

    source: dict[str, Any] = {"type": "parquet", "path": str(data), "time": "time"}
    if key:
        source["key"] = key
    config = config_from(
        {
            "version": 1,
            "pipeline": "bench",
            "source": source,
            "detectors": [{"name": detector, "type": detector}],
        }
    )
    shutil.rmtree(folder, ignore_errors=True)
    started = time.perf_counter()
    result = backtest(config, folder)
    seconds = time.perf_counter() - started
    if result.rejects:
        raise SystemExit(f"rows were rejected: {result.rejects}")
    scores = json.loads((folder / "metrics.json").read_text())["scores"]
    return seconds, scores["judged"] / scores["rows"]


def run_river(data: Path, series: int, model: str) -> float:
    """Rows per second of score_one then learn_one over dicts: the loop of river's documentation.

    As many whole series as fit into ``RIVER_ROWS``, interleaved; models are made before the clock.
    """
    from river import anomaly, compose, preprocessing, stats

    n_series = max(1, min(series, RIVER_ROWS // PER_SERIES))
    table = pq.read_table(data).slice(0, PER_SERIES * series)
    names = [c for c in table.column_names if c.startswith("v")]
    values = np.column_stack([table[name].to_numpy() for name in names])
    chosen = np.flatnonzero(np.arange(len(values)) % series < n_series)[:RIVER_ROWS]
    rows = [dict(zip(names, row, strict=True)) for row in values[chosen].tolist()]
    keys = (chosen % series).tolist()
    if model == "river HalfSpaceTrees":
        trees = [
            compose.Pipeline(preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=42))
            for _ in range(n_series)
        ]
        started = time.perf_counter()
        for row, k in zip(rows, keys, strict=True):
            trees[k].score_one(row)
            trees[k].learn_one(row)
    else:
        moments = [
            {name: (stats.EWMean(0.2), stats.EWVar(0.01)) for name in names}
            for _ in range(n_series)
        ]
        started = time.perf_counter()
        for row, k in zip(rows, keys, strict=True):
            for name, (mean, var) in moments[k].items():
                _ = (row[name] - mean.get()) ** 2 / (var.get() + 1e-12)
                mean.update(row[name])
                var.update(row[name])
    return len(rows) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="rows of every case instead of the defaults")
    parser.add_argument("--detector", action="append", help="only these")
    parser.add_argument("--repeat", type=int, default=3, help="runs of a case; the best counts")
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for layout, (channels, series) in LAYOUTS.items():
            key = "series" if series > 1 else None
            small = folder / "small.parquet"
            write_data(small, PER_SERIES * series, channels, series)
            rivals = {}
            for model in ("river HalfSpaceTrees", "river EW mean and variance loop"):
                rivals[model] = max(run_river(small, series, model) for _ in range(2))
                results.append(
                    {"layout": layout, "name": model, "rows_per_s": round(rivals[model])}
                )
            for detector in arguments.detector or list(ROWS):
                wanted = arguments.rows or ROWS[detector] // (1 if channels == 1 else 20)
                n = max(wanted, PER_SERIES * series)
                data = folder / "data.parquet"
                write_data(data, n, channels, series)
                run_streamad(small, detector, key, folder / "warm")
                runs = [
                    run_streamad(data, detector, key, folder / "run")
                    for _ in range(arguments.repeat)
                ]
                seconds, judged = min(runs)
                results.append(
                    {
                        "layout": layout,
                        "name": detector,
                        "rows": n,
                        "judged_share": round(judged, 3),
                        "seconds": round(seconds, 3),
                        "rows_per_s": round(n / seconds),
                        **{
                            f"times {rival}": round(n / seconds / r, 1)
                            for rival, r in rivals.items()
                        },
                    }
                )
    document = {"environment": environment(), "results": results}
    text = json.dumps(document, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


def environment() -> dict[str, Any]:
    from streamad.core.versions import versions

    return {"machine": platform.machine(), "cores_used": 1, "cores": os.cpu_count(), **versions()}


if __name__ == "__main__":
    main()
