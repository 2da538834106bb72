from __future__ import annotations

import json
import os
import threading
import time

import pytest
from streamad_connectors import outbox as module
from streamad_connectors.outbox import Outbox
from streamad_connectors.spool import Spool

from streamad.core.errors import Backpressure, ConnectorError, Disconnected


class Other:
    """The other side: takes entries, or raises what it was told to raise."""

    def __init__(self):
        self.taken = []
        self.faults = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, entries):
        self.asked.set()
        self.may_answer.wait(10)
        if self.faults:
            raise self.faults.pop(0)
        self.taken += [entry.body["n"] for entry in entries]
        return len(entries)


class Clock:
    """Seconds that pass only while somebody waits."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s

    def wait_for(self, true, timeout_s):
        if not true():
            self.now_s += timeout_s
        return true()


def until(true, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def on_disk(folder):
    """What another process would find, if this one was gone."""
    texts = [path.read_text() for path in folder.glob("*.jsonl")]
    return [json.loads(line)["body"]["n"] for text in texts for line in text.splitlines()]


def leave(folder, *numbers):
    """A process keeps entries in the spool and goes."""
    spool = Spool(str(folder), 1 << 20)
    spool.adopt()
    spool.put("left", [{"n": n} for n in numbers])
    spool.save()
    spool.close()


@pytest.fixture
def other():
    return Other()


@pytest.fixture
def make(other, tmp_path):
    made = []

    def build(folder="spool", **options):
        spool = Spool(None if folder is None else str(tmp_path / folder), 1 << 20)
        made.append(Outbox("the other", other, spool, **{"longest_wait_s": 0.02} | options))
        made[-1].start()
        return made[-1]

    yield build
    other.may_answer.set()
    for box in made:
        box.close()


def test_entries_are_delivered_without_a_flush(make, other):
    box = make()
    box.put("p", [{"n": 1}])
    assert other.asked.wait(5)


def test_a_flush_returns_when_everything_is_delivered(make, other):
    box = make(folder=None, n_at_once=2)
    box.put("p", [{"n": n} for n in range(7)])
    box.flush("p")
    assert other.taken == list(range(7))


def test_a_flush_does_not_wait_for_other_partitions(make, other, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", 60)
    other.may_answer.clear()
    box = make(folder=None)
    box.put("q", [{"n": 1}])
    box.flush("p")
    assert len(box) == 1


def test_a_flush_into_a_spool_waits_for_nobody(make, other, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FLUSH_S", 60)
    other.may_answer.clear()
    box = make()
    for n in range(20):
        box.put(f"p{n}", [{"n": n}])
        box.flush(f"p{n}")
    assert on_disk(tmp_path / "spool") == list(range(20))
    other.may_answer.set()
    until(lambda: not len(box))
    assert other.taken == list(range(20))
    assert on_disk(tmp_path / "spool") == []


def test_flushes_without_a_spool_share_one_wait(make, other, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", 0.3)
    other.may_answer.clear()
    box = make(folder=None)
    started = time.monotonic()
    for n in range(20):
        box.put(f"p{n}", [{"n": n}])
        with pytest.raises(Backpressure, match=f"{n + 1} alerts wait for the other: it is too sl"):
            box.flush(f"p{n}")
    assert 0.3 <= time.monotonic() - started < 1.5


def test_the_wait_of_flushes_comes_back(make, other, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    other.may_answer.clear()
    box = make(folder=None)
    monkeypatch.setattr(box._changed, "wait_for", clock.wait_for)
    box.put("p", [{"n": 1}])
    waited = []
    for pause_s in (0.0, 0.0, 4.0, 1000.0):
        clock.now_s += pause_s
        began = clock.now_s
        with pytest.raises(Backpressure):
            box.flush("p")
        waited.append(clock.now_s - began)
    assert waited == [5.0, 0.0, 2.0, 5.0]


def test_an_outage_is_tried_through(make, other):
    other.faults = [Disconnected("away")] * 5
    box = make(folder=None)
    box.put("p", [{"n": 1}])
    deadline = time.monotonic() + 10
    while len(box):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert other.taken == [1]


def test_the_other_side_says_when_to_come_again(make, other):
    other.faults = [Backpressure("busy", 0.5)]
    box = make()
    started = time.monotonic()
    box.put("p", [{"n": 1}])
    while len(box):
        time.sleep(0.01)
    assert time.monotonic() - started >= 0.5


def test_there_being_no_hope_reaches_the_engine(make, other):
    other.faults = [ConnectorError("wrong password")]
    box = make(folder=None)
    box.put("p", [{"n": 1}])
    for _ in range(2):
        with pytest.raises(ConnectorError, match="wrong password"):
            box.flush("p")
    with pytest.raises(ConnectorError, match="wrong password"):
        box.put("p", [{"n": 2}])


def test_a_bug_of_the_delivery_reaches_the_engine(make, other):
    other.faults = [ZeroDivisionError("oops")]
    box = make(folder=None)
    box.put("p", [{"n": 1}])
    with pytest.raises(ConnectorError, match=r"delivery to the other broke: ZeroDivisionError"):
        box.flush("p")


def test_an_entry_dropped_on_its_way_is_no_error(make, other):
    other.may_answer.clear()
    box = make(folder=None)
    box.put("p", [{"n": 1}])
    assert other.asked.wait(5)
    box.drop("p")
    other.may_answer.set()
    box.put("p", [{"n": 2}])
    box.flush("p")
    assert other.taken[-1] == 2
    assert len(box) == 0


def test_an_entry_dropped_during_an_outage_is_never_sent(make, other):
    other.faults = [Disconnected("away")] * 3
    box = make(longest_wait_s=0.1)
    box.put("p", [{"n": 1}])
    assert other.asked.wait(5)
    box.drop("p")
    box.put("q", [{"n": 2}])
    while len(box):
        time.sleep(0.01)
    assert other.taken == [2]


def test_closing_does_not_wait_for_an_outage(make, other):
    other.faults = [Disconnected("away")] * 1000
    box = make(longest_wait_s=60.0)
    box.put("p", [{"n": 1}])
    assert other.asked.wait(5)
    started = time.monotonic()
    box.close()
    assert time.monotonic() - started < 4


def test_closing_waits_for_what_is_in_the_spool_while_the_other_side_answers(make, other):
    other.may_answer.clear()
    box = make()
    box.put("p", [{"n": n} for n in range(50)])
    box.flush("p")
    box.put("p", [{"n": 50}])
    other.may_answer.set()
    box.close()
    assert other.taken[:50] == list(range(50))


def test_closing_tells_what_it_leaves_behind(make, other, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "FLUSH_S", 0.1)
    monkeypatch.setattr(module, "JOIN_S", 0.1)
    other.may_answer.clear()
    box = make()
    box.put("p", [{"n": n} for n in range(3)])
    box.flush("p")
    box.close()
    assert "3 alerts for the other are left in the spool for another process: it is" in caplog.text
    assert on_disk(tmp_path / "spool") == [0, 1, 2]


def test_what_a_member_left_is_delivered_at_the_next_assignment(make, other, tmp_path, caplog):
    box = make()
    leave(tmp_path / "spool", 1, 2)
    with caplog.at_level("INFO"):
        box.start()
    until(lambda: not len(box))
    assert other.taken == [1, 2]
    assert f"took over 2 alerts that another process left in the spool {tmp_path}" in caplog.text


def test_what_a_member_left_counts_as_waiting(make, other, tmp_path):
    box = make()
    other.may_answer.clear()
    leave(tmp_path / "spool", 1, 2)
    box.start()
    assert len(box) == 2
    assert on_disk(tmp_path / "spool") == [1, 2]


def test_what_a_member_left_is_delivered_without_an_assignment(make, other, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ADOPT_EVERY_S", 0.05)
    box = make()
    leave(tmp_path / "spool", 1, 2)
    until(lambda: other.taken == [1, 2])
    until(lambda: not len(box))
    assert on_disk(tmp_path / "spool") == []


def test_what_a_living_member_of_the_same_process_has_stays_with_it(
    make, other, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "ADOPT_EVERY_S", 0.01)
    other.faults = [Backpressure("busy", 0.5)]
    first = make()
    first.put("p", [{"n": 1}])
    first.flush("p")
    until(lambda: not other.faults)
    second = make()
    for _ in range(20):
        second.start()
        assert len(second) == 0
        time.sleep(0.01)
    until(lambda: not len(first))
    assert other.taken == [1]


def test_two_that_look_all_the_time_take_everything_once(make, other, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ADOPT_EVERY_S", 0.001)
    boxes = [make() for _ in range(2)]
    for n in range(30):
        leave(tmp_path / "spool", n)
        for box in boxes:
            box.start()
    until(lambda: len(other.taken) >= 30)
    until(lambda: not any(map(len, boxes)))
    assert sorted(other.taken) == list(range(30))


def test_a_disk_that_refuses_leaves_it_to_the_next_time(make, other, tmp_path, monkeypatch, caplog):
    box = make()
    leave(tmp_path / "spool", 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        box.start()
    assert "No space left on device; what others left there waits" in caplog.text
    assert (len(box), on_disk(tmp_path / "spool")) == (0, [1, 2])
    box.start()
    until(lambda: other.taken == [1, 2])


def full(_):
    raise OSError(28, "No space left on device")
