"""``streamad evaluate``: numbers of a run against labels, and bounds that fail a build."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

STREAMAD = Path(sys.executable).with_name("streamad")
SPIKES = (1500, 1700)


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(STREAMAD), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run over two days of one pump with two short faults, and its labels."""
    folder = tmp_path_factory.mktemp("run")
    flow = np.sin(np.arange(2000) * 0.05) + 0.1 * np.random.default_rng(0).normal(size=2000)
    for at in SPIKES:
        flow[at : at + 5] += 9.0
    seconds = 1_700_000_000 + np.arange(2000) * 60
    table = pa.table({"ts": pa.array(seconds * 10**9, pa.timestamp("ns", "UTC")), "flow": flow})
    pq.write_table(table, folder / "flow.parquet")
    settings = ["--set", "detectors.0.threshold={type: fixed, value: 8.0}"]
    done = run("backtest", "--data", "flow.parquet", "--detector", "ewma", "--out", "out",
               *settings, cwd=folder)  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = ["start,end"]
    for at in SPIKES:
        first, last = (np.datetime64(int(seconds[i]), "s") for i in (at, at + 4))
        lines.append(f"{first}Z,{last}Z")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_all_numbers_come_as_json_and_are_kept_in_the_run(folder):
    done = run("evaluate", "out", "--labels", "labels.csv", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)["ewma"]
    assert (card["events"]["n_found"], card["events"]["n_events"]) == (2, 2)
    assert card["ranking"]["causal"]["vus_pr"] > 3 * card["ranking"]["random"]["vus_pr"]
    assert json.loads((folder / "out" / "metrics.json").read_text())["evaluation"]["ewma"] == card


def test_the_table_prints_the_random_score_and_the_positive_share(folder):
    shown = run("evaluate", "out", "--labels", "labels.csv", cwd=folder).stdout
    for title in ("VUS-PR causal", "VUS-PR random", "AUC-PR random", "positive share"):
        assert title in shown


@pytest.mark.parametrize(
    ("bound", "code"),
    [
        (["--fail-under", "events.recall=0.9"], 0),
        (["--fail-over", "false_alarms_per_day=0.5"], 0),
        (["--fail-under", "vus_pr=0.9999"], 3),
        (["--fail-over", "events.n_found=1"], 3),
        (["--fail-under", "care=0.5"], 3),
    ],
)
def test_bounds_decide_about_the_exit_code(folder, bound, code):
    done = run("evaluate", "out", "--labels", "labels.csv", "--no-report", *bound, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("FAIL" in done.stderr) == (code == 3)


@pytest.mark.parametrize(
    ("labels", "part"),
    [
        (
            "start,end\n1999-01-01T00:00:00Z,1999-01-01T01:00:00Z\n",
            "no label lies in the time of the run",
        ),
        ("series,start,end\nother,2023-11-15T00:00:00Z,2023-11-15T01:00:00Z\n", "other"),
        ("start,end\n2023-11-15T01:00:00Z,2023-11-15T00:00:00Z\n", "before it starts"),
        ("when,what\n1,2\n", "start and end, or time and label"),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_a_reason(folder, tmp_path, labels, part):
    (tmp_path / "labels.csv").write_text(labels)
    done = run("evaluate", folder / "out", "--labels", "labels.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_metric_or_bound_is_refused(folder):
    unknown = run("evaluate", "out", "--labels", "labels.csv", "--fail-under", "caer=1", cwd=folder)
    assert unknown.returncode == 2
    assert "care" in unknown.stderr
    wrong = run("evaluate", "out", "--labels", "labels.csv", "--fail-under", "care", cwd=folder)
    assert wrong.returncode == 2
    assert "metric=number" in wrong.stderr


def test_an_unfinished_run_is_refused(folder, tmp_path):
    done = run("evaluate", tmp_path, "--labels", folder / "labels.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert "not a finished run folder" in done.stderr
