"""A replay from the command line: what it writes, says and refuses."""

from __future__ import annotations

import json
import os
import signal
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from streamad.config import load_config


def test_without_a_configuration_the_guess_is_printed_and_run(streamad, flow, tmp_path):
    ended = streamad("backtest", "--data", flow, "--out", "out")
    assert ended.code == 0
    assert ended.out == "out\n"
    assert "rows       2,000 of 2 series" in ended.err
    found = pq.read_table(tmp_path / "out" / "scores.parquet")
    assert found.num_rows == 2000
    for name in ("alerts.jsonl", "metrics.json", "report.html", "config.lock.yaml"):
        assert (tmp_path / "out" / name).exists()


def test_the_printed_guess_is_a_configuration(streamad, flow, tmp_path):
    ended = streamad("backtest", "--data", flow, "--key", "pump", "--out", "out", "--no-report")
    lines = [line for line in ended.err.splitlines() if not line.startswith(("rows", "al", "wr"))]
    path = tmp_path / "guessed.yaml"
    path.write_text("\n".join(lines))
    source = load_config(path).source.options
    assert (source["time"], source["key"], source["values"]) == ("ts", "pump", ["flow"])


def test_detectors_of_the_command_line_replace_those_of_the_configuration(
    streamad, pumps, tmp_path
):
    ended = streamad(
        "backtest", pumps(), "--detector", "knn", "--detector", "mahalanobis", "--out", "out",
        "--no-report",
    )  # fmt: skip
    assert ended.code == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["detectors"] == ["knn", "mahalanobis"]


def test_the_output_of_the_command_line_is_that_of_the_configuration(streamad, pumps, tmp_path):
    knn = {"type": "knn", "params": {"length": 8, "warm_up": 60}}
    knn["threshold"] = {"type": "fixed", "value": 1.5}
    causal, final = pumps(detectors=[knn]), pumps
    assert streamad("backtest", causal, "--output", "final", "--out", "a", "--no-report").code == 0
    assert streamad("backtest", final(detectors=[knn], output="final"), "--out", "b").code == 0
    written = [(tmp_path / run / "alerts.jsonl").read_bytes() for run in "ab"]
    assert written[0] == written[1] != b""


def test_an_unknown_output_is_refused(streamad, pumps):
    ended = streamad("backtest", pumps(), "--output", "last", "--out", "out")
    assert ended.code == 2
    assert "--output should be causal or final, got 'last'" in ended.err


def test_it_finds_the_spikes(streamad, pumps):
    assert streamad("backtest", pumps(), "--out", "out", "--no-report").code == 0
    episodes = json.loads(streamad("inspect", "alerts", "out", "--json").out)
    assert [(e["series"], e["severity"]) for e in episodes] == [
        ("pump-1", "critical"),
        ("pump-2", "critical"),
    ]


def test_alerts_on_standard_output_are_all_there_is_but_the_folder(streamad, pumps):
    path = pumps(sinks=[{"type": "stdout"}])
    ended = streamad("-q", "backtest", path, "--out", "out", "--no-report")
    *events, folder = ended.out.splitlines()
    assert folder == "out"
    assert {json.loads(line)["event"] for line in events} == {"open", "resolve"}
    assert ended.err == ""


def test_the_default_folder_names_time_and_pipeline(streamad, pumps, tmp_path):
    ended = streamad("backtest", pumps(pipeline="line 3/a"), "--no-report")
    (folder,) = (tmp_path / "runs").iterdir()
    assert ended.out == f"runs/{folder.name}\n"
    assert folder.name.endswith("_line%203%2Fa")


def test_a_finished_run_is_not_overwritten_by_accident(streamad, pumps):
    arguments = ["backtest", pumps(), "--out", "out", "--no-report"]
    assert streamad(*arguments).code == 0
    again = streamad(*arguments)
    assert again.code == 2
    assert "holds a finished run" in again.err
    assert streamad(*arguments, "--overwrite").code == 0


def test_a_wrong_option_starts_nothing(streamad, pumps, flow, tmp_path):
    path = pumps(source={"type": "parquet", "path": str(flow), "tiem": "ts"})
    ended = streamad("backtest", path, "--out", "out")
    assert ended.code == 2
    assert f"{path}:6:3: error: unknown option 'source.tiem'" in ended.err
    assert "did you mean 'time'?" in ended.err
    assert not (tmp_path / "out").exists()


def test_rejected_rows_are_counted(streamad, tmp_path):
    (tmp_path / "x.csv").write_text("ts,v\n" + "".join(f"{i},1.{i}\n" for i in [1, 2, 3, 2, 4]))
    ended = streamad("backtest", "--data", "x.csv", "--time", "ts", "--out", "out", "--no-report")
    assert ended.code == 0
    assert "rejected   1 " in ended.err
    assert "kept in out/rejects.jsonl" in ended.err


def test_a_file_where_the_folder_should_be_is_named(streamad, pumps, tmp_path):
    (tmp_path / "out").write_text("a file")
    ended = streamad("backtest", pumps(), "--out", "out")
    assert ended.code == 2
    assert "must be writable" in ended.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_named(streamad, pumps, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    ended = streamad("backtest", pumps(), "--out", "closed/out")
    assert ended.code == 2
    assert "must be writable" in ended.err


def test_a_password_goes_to_its_source_and_nowhere_else(streamad, flow, vault, tmp_path):
    (tmp_path / "secret.txt").write_text("hunter2-canary\n")
    source = {"type": "vault", "path": str(flow), "time": "ts"}
    texts = {
        "inline.yaml": {**source, "password": "hunter2-canary"},
        "file.yaml": {**source, "password": "${file:secret.txt}"},
        "wrong.yaml": {**source, "password": "hunter2-canary", "tme": "ts"},
    }
    for name, section in texts.items():
        with (tmp_path / name).open("w") as file:
            YAML().dump({"pipeline": "p", "source": section}, file)
    told = []
    for name, code in (("inline.yaml", 0), ("file.yaml", 0), ("wrong.yaml", 2)):
        for command in (["backtest", name, "--out", name + ".out"], ["validate", name],
                        ["config", "show", name]):  # fmt: skip
            ended = streamad("--log-level", "debug", *command)
            assert ended.code == code, ended.err
            told.append(ended.out + ended.err)
    settings = ["source.password: hunter2-canary", "x.password=hunter2-canary"]
    told += [streamad("config", "show", "file.yaml", "--set", one).err for one in settings]
    written = [
        path.read_bytes().decode(errors="replace")
        for path in tmp_path.rglob("*")
        if path.is_file() and ".out" in str(path)
    ]
    assert len(written) > 8
    assert [text for text in told + written if "hunter2" in text] == []


def long_file(folder, n=400_000):
    table = pa.table(
        {
            "ts": pa.array(
                1_700_000_000_000_000_000 + np.arange(n) * 10**9, pa.timestamp("ns", "UTC")
            ),
            "pump": pa.array(["p"] * n).dictionary_encode(),
            "flow": np.sin(np.arange(n) * 0.01),
        }
    )
    pq.write_table(table, folder / "long.parquet")
    return {"type": "parquet", "path": str(folder / "long.parquet"), "time": "ts", "key": "pump"}


def started_run(folder, process, path, *arguments):
    """A run that has begun to write."""
    command = ("backtest", path, "--out", "out", "--set", "runtime.batch_rows=2000",
               "--detector", "knn", "--no-report", *arguments)  # fmt: skip
    started = process(*command)
    while not (folder / "out" / "scores.parquet.parts").exists() and started.poll() is None:
        time.sleep(0.05)
    return started


def test_the_first_signal_drains_and_the_same_command_goes_on(process, pumps, tmp_path):
    path = pumps(source=long_file(tmp_path))
    with started_run(tmp_path, process, path) as started:
        started.send_signal(signal.SIGTERM)
        _, told = started.communicate(timeout=120)
    assert started.returncode == 0, told
    assert "stopping after this batch" in told
    assert "the same command with --out out goes on" in told
    assert not (tmp_path / "out" / "metrics.json").exists()
    with started_run(tmp_path, process, path) as again:
        _, told = again.communicate(timeout=120)
    assert again.returncode == 0, told
    assert "gone on at row" in told
    assert pq.read_metadata(tmp_path / "out" / "scores.parquet").num_rows == 400_000


def test_a_killed_run_of_another_configuration_is_refused(process, streamad, pumps):
    path = pumps()
    command = ["backtest", path, "--out", "out", "--set", "runtime.batch_rows=500"]
    crash = {"STREAMAD_CRASH_AT": "after_batch:2", "STREAMAD_TESTING": "1"}
    with process(*command, **crash) as started:
        started.communicate(timeout=120)
    assert started.returncode == -signal.SIGKILL
    other = streamad(*command, "--set", "output=final")
    assert other.code == 5
    assert "another configuration" in other.err
