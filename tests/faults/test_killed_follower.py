"""``streamad run`` on a CSV file that grows and is rotated, killed again and again meanwhile."""

from __future__ import annotations

import json
import resource
import time

import numpy as np
import pytest
from reference.live_plant import ALERTS, EWMA, PIPELINE, Plant, final_states, score_rows
from reference.live_process import LiveProcess

from streamad.backtest import backtest
from streamad.config import load_config
from streamad.testing.crash import CRASH_POINTS, moments

POINTS = [f"{point}:2" for point in CRASH_POINTS if point != "after_finish"]
KILLS = 3
PLANT = Plant(n_series=6, n_steps=1500)
FILES = {"jsonl": "alerts.jsonl", "parquet": "scores.parquet"}
HEADER = b"id,t,flow\n"


def text_of(plant):
    """Its rows as CSV; two of them cannot be read."""
    rows = zip(plant.times_ms().tolist(), plant.values.tolist(), strict=True)
    lines = [
        f"{name},{time_ms},{value!r}\n"
        for time_ms, values in rows
        for name, value in zip(plant.names(), values, strict=True)
    ]
    lines[700] = "pump-1,yesterday,1.0\n"
    lines[5000] = "pump-2,1700000000000,broken\n"
    return "".join(lines).encode()


class Writer:
    """Appends to a file, with no regard to where its lines end."""

    def __init__(self, path, text):
        self.path, self.text, self.at = path, text, 0
        self.rng = np.random.default_rng(8)
        path.write_bytes(HEADER)

    def write(self, until):
        """Some bytes; False when it has come so far."""
        stop = min(until, self.at + int(self.rng.integers(500, 4000)))
        with self.path.open("ab") as file:
            file.write(self.text[self.at : stop])
        self.at = stop
        return stop < until

    def rotate(self):
        """Finish the line, and begin a new file."""
        self.write(self.text.index(b"\n", self.at) + 1)
        self.path.rename(self.path.with_name(self.path.name + ".1"))
        self.path.write_bytes(HEADER)


def config_of(folder, data, sinks=("jsonl", "parquet"), **source):
    tree = {
        "pipeline": PIPELINE,
        "source": {
            "type": "csv", "path": str(data), "time": "t", "key": "id", "values": ["flow"],
            **source,
        },
        "detectors": EWMA,
        "alerts": ALERTS,
        "sinks": [{"type": kind, "path": str(folder / FILES[kind])} for kind in sinks],
        "state": {"dir": str(folder / "state"), "every": "30ms"},
        "runtime": {"batch_rows": 100},
        "web": {"port": 0},
        "logging": {"level": "info", "format": "text"},
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plant.yaml"
    path.write_text(json.dumps(tree, indent=1))
    return path


def consumed(folder):
    found = [path.name for path in (folder / "state" / PIPELINE).glob("*.ckpt")]
    return max((int(name.partition("@")[2][:20]) for name in found), default=0)


def left_by(folder):
    rejects = (folder / "state" / PIPELINE / "rejects-files.jsonl").read_text().splitlines()
    reasons = [(json.loads(line)["offset"], json.loads(line)["reason"]) for line in rejects]
    return (folder / "alerts.jsonl").read_text(), score_rows(folder), reasons, final_states(folder)


def read_to_the_end(config, folder):
    with LiveProcess(config) as process:
        process.until(process.has_begun, "it begins")
        process.until(lambda: consumed(folder) == 6 * PLANT.n_steps, "all rows are consumed")
        process.stop()


@pytest.fixture(scope="module")
def text():
    return text_of(PLANT)


@pytest.fixture(scope="module")
def calm(tmp_path_factory, text):
    """What a run leaves that nobody troubles, over one file that is there from the start."""
    folder = tmp_path_factory.mktemp("calm")
    data = folder / "rows.csv"
    data.write_bytes(HEADER + text)
    read_to_the_end(config_of(folder, data, follow=True), folder)
    return folder


@pytest.mark.slow
def test_kills_do_not_show(tmp_path, calm, text):
    writer = Writer(tmp_path / "rows.csv", text)
    config = config_of(tmp_path / "run", writer.path, follow=True)
    stages = [*POINTS, *moments(KILLS, 5, 1.5)]
    for number, how in enumerate(stages, 1):
        until = len(text) * number // len(stages)
        if number in {4, 9}:
            writer.rotate()
        point = how if isinstance(how, str) else None
        with LiveProcess(config, crash_at=point) as process:
            process.until(process.has_begun, "it begins")
            end = time.monotonic() + (30 if point else how)
            while not process.ended and time.monotonic() < end:
                writer.write(until)
                time.sleep(0.01)
            assert process.ended == bool(point), f"{how}: {process.tail()}"
            process.kill()
    while writer.write(len(text)):
        pass
    read_to_the_end(config, tmp_path / "run")
    for tried, expected in zip(left_by(tmp_path / "run"), left_by(calm), strict=True):
        assert tried == expected


def test_a_full_disk_is_waited_for(tmp_path, calm, text):
    """A limit on the size of files stands in for a disk, and is lifted."""
    data = tmp_path / "rows.csv"
    data.write_bytes(HEADER)
    config = config_of(tmp_path / "run", data, sinks=["jsonl"], follow=True)
    with LiveProcess(config) as process:
        process.until(process.has_begun, "it begins")
        _, hard = resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (50_000, hard))
        data.write_bytes(HEADER + text)
        process.until(lambda: "jsonl: File too large; make room" in process.tail(), "it waits")
        assert consumed(tmp_path / "run") < 6 * PLANT.n_steps
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        process.until(lambda: consumed(tmp_path / "run") == 6 * PLANT.n_steps, "all is consumed")
        process.stop()
    assert (tmp_path / "run" / "alerts.jsonl").read_bytes() == (calm / "alerts.jsonl").read_bytes()
    assert final_states(tmp_path / "run") == final_states(calm)


def test_a_backtest_over_the_file_finds_the_same(tmp_path, calm):
    config = config_of(tmp_path, calm / "rows.csv")
    backtest(load_config(config, overrides=["sinks=[]"]), tmp_path / "out")
    events = (tmp_path / "out" / "alerts.jsonl").read_text()
    found = (calm / "alerts.jsonl").read_text()
    assert found.count('"event":"open"') > 50
    assert events.startswith(found)
    assert score_rows(tmp_path / "out") == score_rows(calm)
