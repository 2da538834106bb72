from __future__ import annotations

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
    box = make(n_at_once=2)
    box.put("p", [{"n": n} for n in range(7)])
    box.flush("p")
    assert other.taken == list(range(7))


def test_a_flush_does_not_wait_for_other_partitions(make, other, monkeypatch):
    monkeypatch.setattr(module, "FLUSH_S", 60)
    other.may_answer.clear()
    box = make()
    box.put("q", [{"n": 1}])
    box.flush("p")
    assert len(box) == 1


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
    box = make()
    box.put("p", [{"n": 1}])
    for _ in range(2):
        with pytest.raises(ConnectorError, match="wrong password"):
            box.flush("p")
    with pytest.raises(ConnectorError, match="wrong password"):
        box.put("p", [{"n": 2}])


def test_a_bug_of_the_delivery_reaches_the_engine(make, other):
    other.faults = [ZeroDivisionError("oops")]
    box = make()
    box.put("p", [{"n": 1}])
    with pytest.raises(ConnectorError, match=r"delivery to the other broke: ZeroDivisionError"):
        box.flush("p")


def test_an_entry_dropped_on_its_way_is_no_error(make, other):
    other.may_answer.clear()
    box = make()
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
