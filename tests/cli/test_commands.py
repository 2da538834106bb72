"""Commands as a user meets them: what goes where, exit codes, messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

STREAMAD = Path(sys.executable).with_name("streamad")


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(STREAMAD), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """2000 rows of two pumps with one spike each."""
    folder = tmp_path_factory.mktemp("data")
    n = 2000
    rng = np.random.default_rng(5)
    flow = np.sin(np.arange(n) * 0.05) + 0.1 * rng.normal(size=n)
    flow[[1500, 1701]] = 9.0
    times = 1_700_000_000_000_000_000 + np.arange(n) // 2 * 60_000_000_000
    table = pa.table(
        {
            "ts": pa.array(times, pa.timestamp("ns", "UTC")),
            "pump": ["pump-1", "pump-2"] * (n // 2),
            "flow": flow,
        }
    )
    pq.write_table(table, folder / "flow.parquet")
    return folder


def config(folder: Path, path: Path, **source) -> Path:
    tree = {
        "version": 1,
        "pipeline": "pumps",
        "source": {"type": "parquet", "path": str(path), "time": "ts", "key": "pump", **source},
        "detectors": [{"type": "ewma", "threshold": {"type": "fixed", "value": 8.0}}],
    }
    target = folder / "pipeline.yaml"
    with target.open("w") as file:
        YAML().dump(tree, file)
    return target


def test_a_backtest_with_no_configuration_prints_its_guess_and_runs(data, tmp_path):
    done = run("backtest", "--data", data / "flow.parquet", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out\n"
    assert "key: pump" in done.stderr
    assert "rows       2,000 of 2 series" in done.stderr
    found = pq.read_table(tmp_path / "out" / "scores.parquet")
    assert found.column_names == [
        "series", "time", "detector", "score", "score_final", "threshold", "ratio",
    ]  # fmt: skip
    assert found.num_rows == 2000
    for name in ("alerts.jsonl", "metrics.json", "report.html", "config.lock.yaml"):
        assert (tmp_path / "out" / name).exists()
    assert not (tmp_path / "out" / "state").exists()


def test_a_backtest_finds_the_spikes(data, tmp_path):
    path = config(tmp_path, data / "flow.parquet")
    done = run("backtest", path, "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = run("inspect", "alerts", "out", "--json", cwd=tmp_path)
    episodes = json.loads(shown.stdout)
    assert [(e["series"], e["severity"]) for e in episodes] == [
        ("pump-1", "critical"),
        ("pump-2", "critical"),
    ]


def test_a_finished_run_is_not_overwritten_by_accident(data, tmp_path):
    path = config(tmp_path, data / "flow.parquet")
    assert run("backtest", path, "--out", "out", cwd=tmp_path).returncode == 0
    again = run("backtest", path, "--out", "out", cwd=tmp_path)
    assert again.returncode == 2
    assert "holds a finished run" in again.stderr
    assert "--overwrite" in again.stderr
    assert run("backtest", path, "--out", "out", "--overwrite", cwd=tmp_path).returncode == 0


def test_an_unfinished_run_of_another_configuration_is_refused(data, tmp_path):
    path = config(tmp_path, data / "flow.parquet")
    stopped = run(
        "backtest", path, "--out", "out", "--set", "runtime.batch_rows=500", cwd=tmp_path,
        STREAMAD_CRASH_AT="after_batch:2", STREAMAD_TESTING="1",
    )  # fmt: skip
    assert stopped.returncode == -signal.SIGKILL
    other = run("backtest", path, "--out", "out", "--set", "output=final", cwd=tmp_path)
    assert other.returncode == 5
    assert "another configuration" in other.stderr


def test_the_first_signal_drains_and_the_same_command_goes_on(data, tmp_path):
    n = 400_000
    table = pa.table(
        {
            "ts": pa.array(1_700_000_000_000_000_000 + np.arange(n) * 10**9,
                           pa.timestamp("ns", "UTC")),
            "pump": pa.array(["p"] * n).dictionary_encode(),
            "flow": np.sin(np.arange(n) * 0.01),
        }
    )  # fmt: skip
    pq.write_table(table, tmp_path / "long.parquet")
    path = config(tmp_path, tmp_path / "long.parquet")
    command = [str(STREAMAD), "backtest", str(path), "--out", "out", "--detector", "knn",
               "--set", "runtime.batch_rows=2000"]  # fmt: skip
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / "out" / "scores.parquet.parts").exists():
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    assert "goes on" in told
    assert not (tmp_path / "out" / "metrics.json").exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "gone on at row" in again.stderr
    assert pq.read_metadata(tmp_path / "out" / "scores.parquet").num_rows == n


def test_a_wrong_option_is_an_error_with_its_place(data, tmp_path):
    path = config(tmp_path, data / "flow.parquet", tiem="x")
    done = run("backtest", path, "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "unknown option 'source.tiem'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["backtest"], "nothing to replay"),
        (["backtest", "a.yaml", "--data", "x.csv"], "not both"),
        (["backtest", "nowhere.yaml"], "nowhere.yaml"),
        (["backtest", "--data", "nowhere.parquet"], "nowhere.parquet"),
        (["config", "init", "kafkaesque"], "parquet and csv"),
        (["--log-level", "loud", "config", "init"], "--log-level should be one of"),
        (["detectors", "show", "ewna"], "did you mean 'ewma'"),
        (["backtest", "--no-such-option"], "No such option"),
    ],
)
def test_a_wrong_call_ends_with_two_and_says_why(arguments, part, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2), done.stderr
    assert part in done.stderr
    assert "Traceback" not in done.stderr


def test_the_start_of_a_configuration_validates(data, tmp_path):
    start = run("config", "init", cwd=tmp_path)
    text = start.stdout.replace("data.parquet", str(data / "flow.parquet"))
    (tmp_path / "mine.yaml").write_text(text.replace("time: time", "time: ts"))
    done = run("validate", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for layer in ("fields        ok", "graph         ok", "environment   ok"):
        assert layer in done.stdout


def test_validate_says_what_the_environment_lacks(tmp_path):
    path = config(tmp_path, tmp_path / "nowhere.parquet")
    done = run("validate", path, cwd=tmp_path)
    assert "environment   FAIL" in done.stdout
    assert done.returncode != 0
    assert run("validate", path, "--no-environment", cwd=tmp_path).returncode == 0


def test_the_catalogue_lists_every_detector_with_cost_and_state(tmp_path):
    rows = json.loads(run("detectors", "list", "--json", cwd=tmp_path).stdout)
    assert {row["name"] for row in rows} >= {"ewma", "knn", "mahalanobis", "fusion"}
    assert all(row["cost_us"] > 0 and row["state_bytes"] > 0 and row["summary"] for row in rows)
    table = run("detectors", "list", cwd=tmp_path).stdout
    assert "mahalanobis" in table


def test_the_shown_configuration_is_a_configuration(data, tmp_path):
    path = config(tmp_path, data / "flow.parquet")
    shown = run("config", "show", path, cwd=tmp_path)
    (tmp_path / "again.yaml").write_text(shown.stdout)
    assert run("config", "show", "again.yaml", cwd=tmp_path).stdout == shown.stdout


def test_the_schema_is_json(tmp_path):
    assert json.loads(run("config", "schema", cwd=tmp_path).stdout)["type"] == "object"


def test_damage_in_a_state_folder_ends_with_three(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / f"files@{5:020d}-{'a' * 12}.ckpt").write_bytes(b"torn")
    done = run("inspect", "checkpoint", "state", cwd=tmp_path)
    assert done.returncode == 3
    assert "BAD" in done.stdout


def test_a_closed_pipe_ends_quietly(tmp_path):
    done = subprocess.run(
        f"{STREAMAD} config schema | head -1", shell=True, cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "{\n"
    assert done.stderr == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_named(data, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    path = config(tmp_path, data / "flow.parquet")
    done = run("backtest", path, "--out", closed / "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "must be writable" in done.stderr


def test_a_file_where_the_run_folder_should_be_is_named(data, tmp_path):
    (tmp_path / "out").write_text("a file")
    done = run("backtest", config(tmp_path, data / "flow.parquet"), "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "must be writable" in done.stderr
