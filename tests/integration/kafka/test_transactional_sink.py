from __future__ import annotations

import json
import signal
import time
from dataclasses import replace

import pytest
from kafka import KafkaConsumer
from reference.kafka_records import read_topic
from streamad_connectors.kafka.transactional_sink import KafkaTransactionalSink
from streamad_connectors.kafka.transactions import Transactions

from streamad.core.errors import ConfigError, ConnectorError
from streamad.core.protocols import CommitResult
from streamad.testing.sinks import example_output

pytestmark = pytest.mark.kafka

ALERT = replace(example_output(1)[1][0], id="alt_0123456789abcdef", event="open", end_ns=None)

BROKER_GIVES_UP_S = 3.0
"""The broker looks every now and then for transactions that take too long."""


def alert_of(row):
    """Every row of the source gives one alert."""
    return replace(ALERT, id=f"alt_{row:016x}")


class GroupSource:
    """A member of a group that reads one partition, as plain as can be."""

    def __init__(self, broker, topic, group):
        self.consumer = KafkaConsumer(
            topic,
            bootstrap_servers=broker.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,
            heartbeat_interval_ms=300,
            metadata_max_age_ms=500,
        )
        while not self.consumer.assignment():
            self.consumer.poll(timeout_ms=200)

    def group_metadata(self):
        return self.consumer.group_metadata()


class World:
    """A topic of rows, a topic of alerts, and processes that come and go."""

    def __init__(self, broker, folder):
        self.broker = broker
        self.rows = broker.create_topic("rows")
        self.alerts = broker.create_topic("alerts", 2)
        self.group = f"group-{self.rows}"
        self.partition = f"{self.rows}/0"
        self.folder = folder
        self.made = []

    def process(self, **options):
        source = GroupSource(self.broker, self.rows, self.group)
        sink = self.sink(source, **options)
        self.made += [source.consumer, sink]
        return sink

    def sink(self, source, **options):
        options = {
            "brokers": [self.broker.bootstrap],
            "topic": self.alerts,
            "dead_letter": str(self.folder / "dead.jsonl"),
            "transactional_id": f"id-{self.rows}",
            "timeout": "3s",
            "transaction_timeout": "5s",
        } | options
        sink = KafkaTransactionalSink(**options)
        sink.bind(source)
        sink.open(self.partition, None)
        return sink

    def work(self, sink, rows):
        """Judge some rows and flush, as before a snapshot."""
        for row in rows:
            sink.write(self.partition, [], [alert_of(row)])
        sink.flush(self.partition, rows.stop)

    def commit(self, sink, offset):
        return sink.commit({self.partition: offset})

    def leave(self, sink):
        """Its consumer leaves the group; nothing else of the process is tidied up."""
        sink._source.consumer.close()

    def seen(self, **options):
        records = read_topic(self.broker, self.alerts, **options)
        return sorted(int(json.loads(record.value)["id"][4:], 16) for record in records)


@pytest.fixture
def world(broker, tmp_path):
    made = World(broker, tmp_path)
    yield made
    broker.recover()
    for client in made.made:
        client.close()


def test_alerts_and_offsets_are_committed_together(world):
    sink = world.process()
    assert sink.committed([world.partition]) == {world.partition: None}
    world.work(sink, range(10))
    assert world.seen() == []
    assert world.commit(sink, 10) is CommitResult.OK
    assert world.seen() == list(range(10))
    assert sink.committed([world.partition]) == {world.partition: 10}
    assert sink.counts == {"delivered": 10, "dead_lettered": 0, "waiting": 0}


def test_what_was_written_after_the_flush_belongs_to_the_next_commit(world):
    sink = world.process()
    world.work(sink, range(3))
    sink.write(world.partition, [], [alert_of(3)])
    world.commit(sink, 3)
    assert world.seen() == [0, 1, 2]
    sink.flush(world.partition, 4)
    world.commit(sink, 4)
    assert world.seen() == [0, 1, 2, 3]


def test_a_crash_before_the_commit_leaves_nothing(world):
    sink = world.process()
    world.work(sink, range(3))
    world.commit(sink, 3)
    world.work(sink, range(3, 6))
    sink.close()
    world.leave(sink)
    again = world.process()
    assert again.committed([world.partition]) == {world.partition: 3}
    world.work(again, range(3, 7))
    world.commit(again, 7)
    assert world.seen() == list(range(7))


def test_a_crash_inside_the_transaction_leaves_nothing_and_frees_readers_at_once(world):
    sink = world.process()
    world.work(sink, range(3))
    producer = sink._ready()._connected()
    producer.begin_transaction()
    for record in sink._staged[world.partition]:
        producer.send(world.alerts, record.value, record.key)
    producer.flush(5)
    world.leave(sink)
    again = world.process()
    started = time.monotonic()
    assert again.committed([world.partition]) == {world.partition: None}
    assert time.monotonic() - started < 4
    world.work(again, range(4))
    world.commit(again, 4)
    assert world.seen() == [0, 1, 2, 3]
    assert len(world.seen(committed=False)) == 7


@pytest.mark.parametrize("before", [None, 3])
def test_a_commit_whose_answer_got_lost_is_not_sent_twice(world, monkeypatch, before):
    """Even where the offset is that of the commit before."""
    sink = world.process()
    if before is not None:
        assert world.commit(sink, before) is CommitResult.OK
    world.work(sink, range(3))
    transactions = sink._ready()
    finish, calls = type(transactions)._finish, []

    def lose_the_answer(self, producer, begin):
        finish(self, producer, begin)
        calls.append(begin)
        if len(calls) == 2:
            from kafka.errors import KafkaTimeoutError

            raise KafkaTimeoutError("the answer got lost")

    monkeypatch.setattr(type(transactions), "_finish", lose_the_answer)
    assert world.commit(sink, 3) is CommitResult.REBALANCING
    world.work(sink, range(3, 5))
    assert world.commit(sink, 5) is CommitResult.OK
    assert world.seen() == [0, 1, 2, 3, 4]
    assert sink.counts["delivered"] == 5


class Stale:
    """A member that does not know yet that its group has moved on."""

    def __init__(self, metadata):
        self.metadata = metadata._replace(generation_id=metadata.generation_id - 1)

    def group_metadata(self):
        return self.metadata


def test_a_transaction_that_the_broker_gave_up_while_we_stood_still_is_done_again(
    world, monkeypatch
):
    sink = world.process(transaction_timeout="1s")
    world.work(sink, range(10))
    send_offsets = Transactions._send_offsets
    with monkeypatch.context() as frozen:
        frozen.setattr(
            Transactions,
            "_send_offsets",
            lambda *args: (send_offsets(*args), time.sleep(BROKER_GIVES_UP_S)),
        )
        assert world.commit(sink, 10) is CommitResult.REBALANCING
    assert world.commit(sink, 10) is CommitResult.OK
    assert world.seen() == list(range(10))


def test_a_member_that_the_group_has_left_behind_commits_nothing(world):
    sink = world.process()
    world.work(sink, range(3))

    real = sink._source
    sink.bind(Stale(real.group_metadata()))
    assert world.commit(sink, 3) is CommitResult.REBALANCING
    assert world.seen() == []
    sink.bind(real)
    assert world.commit(sink, 3) is CommitResult.OK
    assert world.seen() == [0, 1, 2]


def test_offsets_that_were_refused_do_not_come_with_the_next_transaction(world):
    """Somebody else may have taken their partition much further by then."""
    sink = world.process()
    world.work(sink, range(3))
    real, other = sink._source, f"{world.alerts}/0"
    sink.bind(Stale(real.group_metadata()))
    assert world.commit(sink, 3) is CommitResult.REBALANCING
    sink.drop(world.partition)
    sink.bind(real)
    sink.open(other, None)
    assert sink.commit({other: 7}) is CommitResult.OK
    assert sink.committed([world.partition, other]) == {world.partition: None, other: 7}


def test_a_lost_partition_is_silent(world):
    sink = world.process()
    world.work(sink, range(3))
    sink.drop(world.partition)
    sink.open(world.partition, None)
    world.work(sink, range(3, 4))
    world.commit(sink, 4)
    assert world.seen() == [3]


def test_a_second_process_with_the_same_id_ends_the_first(world):
    first = world.process()
    world.work(first, range(3))
    world.commit(first, 3)
    second = world.sink(first._source)
    world.made.append(second)
    second.committed([world.partition])
    world.work(first, range(3, 5))
    with pytest.raises(ConnectorError, match="transactional id"):
        world.commit(first, 5)
    world.work(second, range(3, 6))
    assert world.commit(second, 6) is CommitResult.OK
    assert world.seen() == list(range(6))


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_broker_that_is_away_for_a_while_loses_and_repeats_nothing(world, how):
    sink = world.process(timeout="1s")
    world.work(sink, range(3))
    world.commit(sink, 3)
    if how == "killed":
        world.broker.stop(signal.SIGKILL)
    else:
        world.broker.freeze()
    world.work(sink, range(3, 5))
    started = time.monotonic()
    assert world.commit(sink, 5) is CommitResult.REBALANCING
    assert time.monotonic() - started < 10
    world.broker.recover()
    world.work(sink, range(5, 8))
    deadline = time.monotonic() + 40
    while world.commit(sink, 8) is not CommitResult.OK:
        assert time.monotonic() < deadline
        sink._source.consumer.poll(timeout_ms=200)
    assert world.seen() == list(range(8))


def test_a_record_that_is_too_large_is_put_aside_before_it_does_harm(world):
    sink = world.process(max_record_bytes=5000)
    sink.write(world.partition, [], [replace(alert_of(0), summary="x" * 6000), alert_of(1)])
    sink.flush(world.partition, 2)
    assert world.commit(sink, 2) is CommitResult.OK
    assert world.seen() == [1]
    (line,) = (world.folder / "dead.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "size"


def test_a_limit_larger_than_that_of_the_topic_is_an_error_that_says_so(world):
    world.alerts = world.broker.create_topic("small", max_message_bytes="2000")
    sink = world.process()
    sink.write(world.partition, [], [replace(alert_of(0), summary="x" * 6000)])
    sink.flush(world.partition, 1)
    with pytest.raises(ConnectorError, match=r"more than its max\.message\.bytes"):
        world.commit(sink, 1)


def test_a_source_without_a_group_is_an_error(tmp_path):
    sink = KafkaTransactionalSink(brokers=["h:1"], topic="t", dead_letter=str(tmp_path / "d"))
    with pytest.raises(ConfigError, match="needs a source of type kafka, got object"):
        sink.bind(object())
