"""``streamad inspect``: data, snapshots and runs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from streamad.core.data import Alert, Checkpoint, MemberPart
from streamad.core.event import alert_document
from streamad.runtime.checkpoints import FileStateStore


def test_data_are_described(streamad, flow):
    found = json.loads(streamad("inspect", "data", flow, "--json").out)
    assert found["source"]["key"] == "pump"
    assert (found["channels"], found["rows"]) == (["flow"], 2000)
    assert "key            pump" in streamad("inspect", "data", flow).out


@pytest.fixture
def state(tmp_path):
    folder = tmp_path / "state"
    store = FileStateStore(folder, "ab" * 32)
    for offset in (5, 9):
        store.save(Checkpoint("files", offset, "ab" * 32, {"x": np.arange(3.0)}, {}))
    store.close()
    return folder


def test_snapshots_are_listed(streamad, state):
    ended = streamad("inspect", "checkpoint", state, "--json")
    assert ended.code == 0
    assert [(row["next_offset"], row["sums"]) for row in json.loads(ended.out)] == [
        (5, "ok"),
        (9, "ok"),
    ]


def test_a_damaged_snapshot_ends_with_three(streamad, state):
    newest = sorted(state.glob("*.ckpt"))[-1]
    newest.write_bytes(newest.read_bytes()[:-1] + b"x")
    ended = streamad("inspect", "checkpoint", state)
    assert ended.code == 3
    assert "BAD" in ended.out


def test_a_run_is_described(streamad, pumps):
    streamad("backtest", pumps(), "--out", "out", "--no-report")
    assert json.loads(streamad("inspect", "run", "out", "--json").out)["rows"] == 2000
    assert "episodes       2" in streamad("inspect", "run", "out").out


def test_episodes_are_one_a_line(streamad, pumps):
    streamad("backtest", pumps(), "--out", "out", "--no-report")
    lines = streamad("inspect", "alerts", "out").out.splitlines()
    assert len(lines) == 2
    assert all("critical" in line and "pump-" in line for line in lines)


def test_episodes_tell_the_members_that_found_them(streamad, tmp_path):
    alert = Alert(
        *("open", "alt_5c0f2f6d1c9e4b7a", 1, "plant", "pump-7", "all", "fusion", "critical"),
        *(0, None, 0, 7.6, 2.0, 3.8, 0, 7.6, 3.8),
        summary="pump-7: 3.8 × the line, like nothing before",
        members=(
            MemberPart("shape", 6.0, 0.9, "like nothing before"),
            MemberPart("level", 2.0, 0.1),
        ),
    )
    (tmp_path / "alerts.jsonl").write_text(json.dumps(alert_document(alert)) + "\n")
    told = streamad("inspect", "alerts", "alerts.jsonl").out
    assert told.endswith("like nothing before  (found by shape 90 %, level 10 %)\n")


def test_a_torn_line_is_named(streamad, tmp_path):
    (tmp_path / "alerts.jsonl").write_text('{"id": "a"}\n{"id')
    ended = streamad("inspect", "alerts", "alerts.jsonl", "--json")
    assert ended.code == 1
    assert "alerts.jsonl, line 2: an alert event is expected" in ended.err


def test_an_unfinished_run_is_told_apart(streamad, state):
    ended = streamad("inspect", "run", state.parent)
    assert ended.code == 2
    assert "holds an unfinished run" in ended.err
