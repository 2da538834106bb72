"""``streamad run``: a process that goes on where it was, drains, and says how it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from streamad.cli.run import _without_workers
from streamad.config.plugins import _offered

ROWS = 3000


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The package ``endless``, installed for this process and for those that it starts."""
    folder = tmp_path / "site"
    info = folder / "endless-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("endless.py"), folder)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: endless\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[streamad.sources]\nendless = endless:EndlessSource\n"
        "[streamad.sinks]\nstuck = endless:StuckSink\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    _offered.cache_clear()
    yield folder
    _offered.cache_clear()


@pytest.fixture
def plant(site, tmp_path):
    """Write a configuration with changed sections."""

    def put(name="plant.yaml", **sections):
        tree = {
            "version": 1,
            "pipeline": "plant",
            "source": {"type": "endless", "rows": ROWS},
            "detectors": [{"type": "ewma", "threshold": {"type": "fixed", "value": 8.0}}],
            "sinks": [{"type": "jsonl", "path": "out/{partition}.jsonl"}],
            "state": {"dir": "state", "every": "100ms"},
            "runtime": {"batch_rows": 50},
            "web": {"port": 0},
            **sections,
        }
        path = tmp_path / name
        with path.open("w") as file:
            YAML().dump(tree, file)
        return path

    return put


def offsets(folder, pipeline="plant"):
    """Newest snapshot of each partition."""
    found = {}
    for path in (folder / "state" / pipeline).glob("*.ckpt"):
        name, _, rest = path.name.partition("@")
        found[name] = max(found.get(name, 0), int(rest[:20]))
    return found


def wait_for(condition, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def done(folder):
    return offsets(folder).values() == {ROWS} or list(offsets(folder).values()) == [ROWS, ROWS]


def read(folder):
    return {path.name: path.read_text() for path in sorted((folder / "out").iterdir())}


@pytest.fixture
def calm(plant, process, tmp_path):
    """Output of a run that is stopped when it has read everything."""
    with process("run", plant()) as running:
        wait_for(lambda: done(tmp_path))
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    assert "sinks flushed, snapshots written, offsets committed" in told
    output = read(tmp_path)
    shutil.rmtree(tmp_path / "out")
    shutil.rmtree(tmp_path / "state")
    return output


def test_kills_and_stops_do_not_show(calm, plant, process, tmp_path):
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        before = sum(offsets(tmp_path).values()) if (tmp_path / "state").exists() else 0
        with process("run", plant()) as running:
            wait_for(lambda before=before: sum(offsets(tmp_path).values()) > before)
            running.send_signal(number)
            running.communicate(timeout=60)
        assert running.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    with process("run", plant()) as running:
        wait_for(lambda: done(tmp_path))
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert read(tmp_path) == calm
    assert all('"event":"open"' in text for text in calm.values())


def test_a_drain_that_takes_too_long_ends_with_six(plant, process, tmp_path):
    config = plant(sinks=[{"type": "stuck"}], shutdown={"timeout": "1s"})
    with process("run", config) as running:
        wait_for(lambda: (tmp_path / "state" / "plant").exists())
        time.sleep(1.0)
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 6
    assert "not everything was handed over" in told or "the time to drain is over" in told
    assert offsets(tmp_path) == {}


def test_two_workers_share_a_state_folder_and_drain_together(plant, process, tmp_path):
    config = plant(source={"type": "endless", "rows": ROWS, "group": "g"})
    with process("run", config, "--workers", "2") as running:
        wait_for(lambda: done(tmp_path))
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 0, told
    assert told.count("sinks flushed, snapshots written") == 2


def test_when_one_worker_dies_all_stop(plant, process, tmp_path):
    config = plant(source={"type": "endless", "rows": ROWS, "group": "g"})
    with process("run", config, "--workers", "2") as running:
        wait_for(lambda: done(tmp_path))
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        workers = [int(pid) for pid in children.read_text().split()]
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGKILL
    assert "worker 2 of 2 has ended (signal 9): stopping all" in told
    assert not Path(f"/proc/{workers[0]}").exists()


def test_it_tells_where_it_stands_and_reads_the_logging_section_again(plant, process, tmp_path):
    with process("run", plant()) as running:
        wait_for(lambda: done(tmp_path))
        running.send_signal(signal.SIGUSR1)
        plant(logging={"level": "debug"}, window={"allowed_lateness": "1m"})
        time.sleep(0.5)
        running.send_signal(signal.SIGHUP)
        time.sleep(2.0)
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 0
    standing = json.loads(next(line for line in told.splitlines() if line.startswith('{"rows"')))
    assert standing["rows"] == 2 * ROWS
    assert standing["lag"].keys() == {"t/0", "t/1"}
    assert list(standing["largest_series"].values()) == [50]
    assert "Thread MainThread (most recent call last):" in told
    assert "logging is applied; window changed too and needs a restart" in told


def test_a_process_that_is_asked_all_the_time_where_it_stands_goes_on(plant, process, tmp_path):
    with process("run", plant()) as running:
        wait_for(lambda: (tmp_path / "state" / "plant" / "lock").exists())
        for _ in range(8):
            running.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
        wait_for(lambda: done(tmp_path))
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 0
    assert told.count("Thread MainThread") > 1


def test_without_a_state_folder_it_does_not_start(streamad, plant):
    ended = streamad("run", plant(state={}))
    assert ended.code == 2
    assert "--set state.dir=FOLDER" in ended.err


def test_a_source_that_is_not_there_ends_with_four_if_asked_to(streamad, plant):
    ended = streamad("run", plant(source={"type": "endless", "down": True}), "--fail-fast")
    assert ended.code == 4
    assert "nobody answers" in ended.err


def test_a_folder_of_another_process_ends_with_five(streamad, plant, process, tmp_path):
    config = plant()
    with process("run", config) as running:
        wait_for(lambda: (tmp_path / "state" / "plant" / "lock").exists())
        ended = streamad("run", config)
        running.terminate()
        running.communicate(timeout=60)
    assert ended.code == 5
    assert f"is locked by process {running.pid}" in ended.err


def test_workers_need_a_group(streamad, plant):
    ended = streamad("run", plant(), "--workers", 2)
    assert ended.code == 2
    assert "needs a source whose partitions a group shares" in ended.err


def test_snapshots_of_another_configuration_end_with_five(streamad, plant, tmp_path):
    config = plant(source={"type": "parquet", "path": "gone.parquet"})
    assert streamad("run", config).code == 2
    other = tmp_path / "state" / "plant" / f"files@{5:020d}-{'0' * 12}.ckpt"
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes(b"")
    rows = plant()
    (other.parent / f"t%2F0@{5:020d}-{'0' * 12}.ckpt").write_bytes(b"")
    ended = streamad("run", rows)
    assert ended.code == 5
    assert "were made by the configuration" in ended.err


def flow(tmp_path, n_rows=300):
    path = tmp_path / "flow.csv"
    rows = "".join(f"{1_700_000_000 + k},{k % 7}\n" for k in range(n_rows))
    path.write_text("t,flow\n" + rows)
    return {"type": "csv", "path": str(path), "time": "t", "values": ["flow"]}


def test_files_that_are_not_followed_are_read_to_their_end(streamad, plant, tmp_path):
    config = plant(source=flow(tmp_path))
    ended = streamad("run", config)
    assert ended.code == 0
    assert "300 rows in" in ended.err
    assert streamad("run", config).code == 0
    assert offsets(tmp_path) == {"files": 300}
    flow(tmp_path, 301)
    again = streamad("run", config)
    assert again.code == 5
    assert "the source has changed since the snapshot" in again.err


@pytest.mark.parametrize("strict", [False, True])
def test_rows_outside_of_the_contract_are_refused_as_in_a_backtest(
    streamad, plant, tmp_path, strict
):
    ranges = {"flow": {"range": [None, 0.5], "unit": "l/s"}, "strict": strict}
    config = plant(source={**flow(tmp_path), "contract": ranges}, sinks=[])
    assert streamad("run", config).code == 0
    assert streamad("backtest", config, "--out", "out", "--no-report").code == 0
    live = (tmp_path / "state" / "plant" / "rejects-files.jsonl").read_text()
    assert live == (tmp_path / "out" / "rejects.jsonl").read_text()
    refused = [json.loads(line) for line in live.splitlines()]
    assert refused
    assert {one["reason"] for one in refused} == {"value"}
    assert all(float(one["row"]["flow"]) > 0.5 for one in refused)


def test_rows_that_were_lost_end_with_four_where_the_configuration_says_so(
    streamad, plant, process, tmp_path
):
    source = {**flow(tmp_path), "follow": True}
    with process("run", plant(source=source)) as running:
        wait_for(lambda: offsets(tmp_path) == {"files": 300})
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
    assert running.returncode == 0
    flow(tmp_path, 100)
    ended = streamad("run", plant(source={**source, "on_gap": "stop"}))
    assert ended.code == 4
    assert "truncated or written anew" in ended.err
    assert "set on_gap: resume to go on behind them" in ended.err


def test_a_backtest_does_not_follow(streamad, plant, tmp_path):
    ended = streamad("backtest", plant(source={**flow(tmp_path), "follow": True}))
    assert ended.code == 2
    assert "source.follow: a backtest reads to the end of its data" in ended.err


@pytest.mark.parametrize(
    "arguments", [["run", "a", "--workers", "3", "-x"], ["run", "a", "--workers=3", "-x"]]
)
def test_workers_do_not_start_workers(arguments):
    assert _without_workers(arguments) == ["run", "a", "-x"]
