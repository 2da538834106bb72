"""Which alerts a commit takes along when flushing, snapshots and commits part ways."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

pytest.importorskip("kafka")

from reference.live import MARK, Live, batches
from streamad_connectors.kafka.transactional_sink import KafkaTransactionalSink
from streamad_connectors.kafka.transactions import StaleMemberError

from streamad.core.errors import Backpressure, Disconnected, StateError
from streamad.core.protocols import CommitResult
from streamad.runtime.checkpoints import FileStateStore
from streamad.testing.fakes import ListSink, LiveSource
from streamad.testing.sinks import example_output

ALERT = replace(example_output(1)[1][0], event="open", end_ns=None)
OK, REBALANCING = CommitResult.OK, CommitResult.REBALANCING


class Broker:
    """Carries transactions out, or not, and answers, or not."""

    def __init__(self):
        self.visible = []
        self.offsets = {}
        self.marks = {}
        self.failures = []

    def run(self, records, offsets, group, mark):
        failure = self.failures.pop(0) if self.failures else None
        if failure == "stale":
            raise StaleMemberError("the group has moved on")
        if failure == "away":
            raise Disconnected("the broker is away")
        self.visible += [json.loads(record.value) for record in records]
        self.offsets.update(offsets)
        self.marks.update(dict.fromkeys(offsets, mark))
        if failure == "answer lost":
            raise Disconnected("the broker does not answer")

    def committed(self, group, partitions):
        return {name: self.offsets.get(name) for name in partitions}

    def done(self, group, partitions, mark):
        return {name for name in partitions if self.marks.get(name) == mark}

    def close(self):
        """Nothing is open."""


class Group:
    group_id = "group"

    def group_metadata(self):
        return self


class Topic:
    def check_first(self):
        """It is there."""


def connected(broker, folder):
    sink = KafkaTransactionalSink(brokers=["h:1"], topic="t", dead_letter=str(folder / "d.jsonl"))
    sink._transactions, sink._target = broker, Topic()
    sink.bind(Group())
    return sink


class World:
    def __init__(self, folder):
        self.broker = Broker()
        self.sink = connected(self.broker, folder)
        self.sink.open("p", None)

    def work(self, rows):
        """Every row gives an alert; flush behind them, as before a snapshot."""
        self.sink.write("p", [], [replace(ALERT, id=f"{row}") for row in rows])
        self.sink.flush("p", rows.stop)

    def commit(self, offset):
        return self.sink.commit({"p": offset})

    def seen(self):
        return [int(document["id"]) for document in self.broker.visible]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_alerts_beyond_the_snapshot_are_not_committed_with_its_offset(world):
    world.work(range(3))
    assert world.commit(3) is OK
    world.work(range(3, 6))
    world.work(range(6, 8))
    assert world.commit(3) is OK
    assert world.seen() == [0, 1, 2]
    assert world.commit(8) is OK
    assert world.seen() == list(range(8))
    assert world.sink.counts == {"delivered": 8, "dead_lettered": 0, "waiting": 0}


def test_a_snapshot_that_was_not_committed_takes_its_alerts_along_later(world):
    world.work(range(3))
    world.broker.failures = ["stale"]
    assert world.commit(3) is REBALANCING
    world.work(range(3, 6))
    assert world.commit(3) is OK
    assert world.seen() == [0, 1, 2]
    assert world.commit(6) is OK
    assert world.seen() == list(range(6))


def test_flushes_beyond_the_commit_are_remembered_behind_it(world):
    world.work(range(3))
    world.work(range(3, 5))
    world.work(range(5, 9))
    for offset in (3, 5):
        assert world.commit(offset) is OK
        assert world.seen() == list(range(offset))
    assert world.sink.counts["waiting"] == 4


def test_an_outage_at_an_offset_that_is_committed_loses_nothing(world):
    world.work(range(3))
    world.commit(3)
    world.work(range(3, 6))
    world.broker.failures = ["away"]
    assert world.commit(3) is REBALANCING
    assert world.commit(6) is OK
    assert world.seen() == list(range(6))


@pytest.mark.parametrize("failure", ["away", "answer lost"])
def test_a_notice_at_an_offset_that_is_committed_is_sent_once(world, failure):
    """That the state was lost is told at the offset that the group has committed before."""
    world.broker.offsets["p"] = 3
    world.work(range(2, 3))
    world.broker.failures = [failure]
    assert world.commit(3) is REBALANCING
    world.work(range(3, 4))
    assert world.commit(4) is OK
    assert world.seen() == [2, 3]
    assert world.sink.counts["delivered"] == 2


def test_commits_without_an_answer_one_after_another_are_told_apart(world):
    world.work(range(3))
    world.broker.failures = ["answer lost", "away", "answer lost"]
    for _ in range(3):
        assert world.commit(3) is REBALANCING
    assert world.commit(3) is OK
    assert world.seen() == [0, 1, 2]
    assert world.sink.counts["delivered"] == 3


def test_flushes_without_alerts_are_not_remembered(world):
    for offset in range(1000):
        world.sink.flush("p", offset)
    world.work(range(1000, 1002))
    for offset in range(1002, 2000):
        world.sink.flush("p", offset)
    assert len(world.sink._points["p"]) == 1


class Away(ListSink):
    """Takes everything, but cannot flush for some checkpoints."""

    def __init__(self, flushes):
        super().__init__()
        self.flushes = list(flushes)

    def flush(self, partition, next_offset):
        if self.flushes and self.flushes.pop(0):
            raise Backpressure("the receiver is away", 1.0)
        return super().flush(partition, next_offset)


class Full(FileStateStore):
    """Has room for so many snapshots."""

    room = 10**9

    def save(self, checkpoint):
        if self.room == 0:
            raise StateError("the disk is full")
        self.room -= 1
        super().save(checkpoint)


class Member(Group, LiveSource):
    """Rows in memory, read by a member of a group."""


class Plant:
    """An engine with the sink, killed and started again over the same state folder."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Full(folder / "state", MARK, exclusive=False)
        self.broker = Broker()

    def run(self, *others, polls=40, killed=False):
        sinks = [connected(self.broker, self.folder), *others]
        settings = {"checkpoint_every_s": 1.0, "max_failed_checkpoints": 99}
        source = Member(batches(("p",)))
        run = Live(self.folder, self.store, source, sinks, polls=polls, settings=settings)
        if killed:
            run.engine._drain = lambda: None
        run.run()

    def events(self):
        return [(one["id"], one["seq"], one["event"]) for one in self.broker.visible]


@pytest.fixture
def plant(tmp_path):
    made = []

    def make(name):
        (tmp_path / name).mkdir()
        made.append(Plant(tmp_path / name))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


@pytest.fixture
def expected(plant):
    calm = plant("calm")
    calm.run()
    assert len(calm.events()) > 4
    return calm.events()


@pytest.mark.parametrize("flushed", [1, 4, 9])
def test_another_sink_that_is_away_until_the_process_dies_doubles_nothing(plant, expected, flushed):
    tried = plant("tried")
    tried.run(Away([False] * flushed + [True] * 99), polls=14, killed=True)
    tried.run(ListSink())
    assert tried.events() == expected


@pytest.mark.parametrize("room", [1, 4, 9])
def test_snapshots_that_fail_until_the_process_dies_double_nothing(plant, expected, room):
    tried = plant("tried")
    tried.store.room = room
    tried.run(polls=14, killed=True)
    tried.store.room = 10**9
    tried.run()
    assert tried.events() == expected


@pytest.mark.parametrize("n", [2, 4, 7])
def test_a_broker_that_is_away_while_another_sink_is_loses_nothing(plant, expected, n):
    tried = plant("tried")
    tried.broker.failures = [""] * n + ["away"]
    tried.run(Away([False] * n + [True] * 2))
    assert tried.events() == expected
