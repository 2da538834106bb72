"""Errors of the protocol, answered by the mock cluster of librdkafka: none of them is seen.

No Java is needed. The mock has no topic ids, rights and transactions, and lets a group of several
members fail (a follower that comes after its leader is refused), so those are tested elsewhere.
"""

from __future__ import annotations

import itertools
import json
import threading
import time

import pytest
from reference.kafka_rows import FORMAT, Reader, records, wait_until
from reference.mock_cluster import (
    COORDINATOR_NOT_AVAILABLE,
    FETCH,
    FIND_COORDINATOR,
    NOT_COORDINATOR,
    NOT_LEADER,
    OFFSET_COMMIT,
    PRODUCE,
    REBALANCE_IN_PROGRESS,
    SPEAKS,
    TIMED_OUT,
    UNKNOWN_TOPIC,
    MockCluster,
    is_there,
)

from streamad.core.data import Alert
from streamad.core.errors import ConnectorError, Disconnected
from streamad.core.protocols import CommitResult, DataGap

pytestmark = pytest.mark.skipif(
    not is_there(), reason="confluent-kafka with its library is missing"
)
PARTITIONS = 3
_number = itertools.count()


@pytest.fixture(scope="module")
def cluster():
    with MockCluster(3) as made:
        yield made


@pytest.fixture
def topic(cluster):
    """A topic whose partitions are led by the brokers 1, 2, 3."""
    name = cluster.create_topic(f"rows-{next(_number)}", PARTITIONS, 3)
    for partition in range(PARTITIONS):
        cluster.lead(name, partition, partition + 1)
    yield name
    cluster.recover()


@pytest.fixture
def settings(cluster, monkeypatch):
    """Settings of clients that know how old the mock is; what we make has them, too."""
    from streamad_connectors.kafka import kafka_sink, source

    for module in (kafka_sink, source):
        whole = module.client_settings
        monkeypatch.setattr(
            module,
            "client_settings",
            lambda *args, whole=whole: whole(*args) | {"api_version": SPEAKS},
        )
    return {"bootstrap_servers": cluster.bootstrap.split(","), "api_version": SPEAKS}


@pytest.fixture
def produce(settings):
    """Writes rows of these numbers into a partition, each time by another producer.

    One of kafka-python 3.0.12 that has records for a broker which then leaves the cluster asks for
    that broker for ever.
    """
    from kafka import KafkaProducer

    def write(topic, numbers, partition=None):
        keys = itertools.cycle([b"a", b"b", b"c", b"d"])
        with KafkaProducer(**settings, retry_backoff_ms=50) as producer:
            sent = [
                producer.send(topic, value, key, partition=partition)
                for value, key in zip(records(numbers), keys, strict=False)
            ]
            for one in sent:
                one.get(20)

    return write


@pytest.fixture
def read(settings):
    """A reader of a topic, of a group of its own unless given."""
    from streamad_connectors.kafka.source import KafkaSource

    made = []

    def make(topic, state=None, **options):
        given = {
            "brokers": settings["bootstrap_servers"],
            "topics": [topic],
            "group": f"group-{topic}",
            "format": FORMAT,
            "start": "earliest",
            "session_timeout": "6s",
            "metadata_age": "1s",
        }
        made.append(KafkaSource(**given | options))
        return Reader(made[-1], state)

    yield make
    for source in made:
        source.close()


@pytest.fixture
def sink(settings, tmp_path):
    """Sinks into a topic."""
    from streamad_connectors.kafka.kafka_sink import KafkaSink

    made = []

    def make(topic):
        made.append(
            KafkaSink(
                brokers=settings["bootstrap_servers"],
                topic=topic,
                dead_letter=str(tmp_path / "refused.jsonl"),
                spool=str(tmp_path / "spool"),
                timeout="2s",
                longest_wait="200ms",
            )
        )
        made[-1].open("p", None)
        return made[-1]

    yield make
    for one in made:
        one.close()


def alert(number):
    return Alert(
        "open", f"alt_{number:016x}", 1, "plant", "pump-7", "fast", "ewma", "warning",
        0, None, 60_000_000_000, 7.6, 2.0, 3.8, 0, 7.6, 3.8,
    )  # fmt: skip


def sent_ids(cluster, topic):
    return sorted(json.loads(value)["id"] for value in cluster.values(topic, PARTITIONS))


def test_fetches_that_are_refused_cost_nothing(cluster, topic, produce, read):
    produce(topic, range(300))
    reader = read(topic)
    reader.until(lambda: len(reader.rows) == 300)
    cluster.fail(FETCH, NOT_LEADER, UNKNOWN_TOPIC, NOT_LEADER, TIMED_OUT)
    produce(topic, range(300, 600))
    reader.until(lambda: len(reader.rows) >= 600 and cluster.n_requests(FETCH) > 4)
    assert sorted(reader.values()) == list(range(600))
    assert not reader.rejects


def test_a_leader_that_dies_is_followed_to_its_successor(cluster, topic, produce, read):
    """The group is led by another broker: the mock gives no group to the next one by itself."""
    cluster.coordinate(f"group-{topic}", 1)
    produce(topic, range(300))
    reader = read(topic)
    reader.until(lambda: len(reader.rows) == 300)
    cluster.down(2)
    cluster.lead(topic, 1, 3)
    produce(topic, range(300, 600))
    reader.until(lambda: len(reader.rows) >= 600)
    cluster.up(2)
    cluster.lead(topic, 1, 2)
    produce(topic, range(600, 900))
    reader.until(lambda: len(reader.rows) >= 900)
    assert sorted(reader.values()) == list(range(900))


@pytest.mark.parametrize("error", [COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, TIMED_OUT])
def test_a_commit_that_is_refused_is_made_up_for(cluster, topic, produce, read, error):
    produce(topic, range(30))
    reader = read(topic)
    reader.until(lambda: len(reader.rows) == 30)
    cluster.fail(OFFSET_COMMIT, error, error)
    results = []
    reader.until(lambda: results.append(reader.checkpoint()) or results[-1] is CommitResult.OK)
    assert set(results) <= {CommitResult.OK, CommitResult.REBALANCING}
    assert cluster.n_requests(OFFSET_COMMIT) == 3
    produce(topic, range(30, 60))
    reader.until(lambda: len(reader.rows) == 60)


def test_a_commit_while_the_group_moves_is_none_and_no_error(
    cluster, topic, produce, read, monkeypatch
):
    """The broker says so, or the client knows it before it asks."""
    produce(topic, range(30))
    reader = read(topic)
    reader.until(lambda: len(reader.rows) == 30)

    kafka_errors = pytest.importorskip("kafka.errors")

    def refuse(*_args, **_options):
        raise kafka_errors.RebalanceInProgressError

    with monkeypatch.context() as patch:
        patch.setattr(reader.source._member._consumer, "commit", refuse)
        assert reader.checkpoint() is CommitResult.REBALANCING
    cluster.fail(OFFSET_COMMIT, REBALANCE_IN_PROGRESS)
    assert reader.checkpoint() is CommitResult.REBALANCING
    reader.until(lambda: reader.checkpoint() is CommitResult.OK)


def test_a_coordinator_that_moves_is_found_again(cluster, topic, produce, read):
    cluster.coordinate(f"group-{topic}", 1)
    produce(topic, range(30), partition=1)
    reader = read(topic)
    reader.until(lambda: len(reader.rows) == 30)
    cluster.fail(FIND_COORDINATOR, COORDINATOR_NOT_AVAILABLE, COORDINATOR_NOT_AVAILABLE)
    cluster.coordinate(f"group-{topic}", 3)
    cluster.lead(topic, 0, 2)
    cluster.down(1)
    reader.until(lambda: reader.checkpoint() is CommitResult.OK)
    assert cluster.n_requests(FIND_COORDINATOR) > 2
    produce(topic, range(30, 60), partition=1)
    reader.until(lambda: len(set(reader.rows)) == 60)
    reader.until(lambda: reader.checkpoint() is CommitResult.OK)


def test_a_far_broker_is_slow_and_nothing_else(cluster, topic, produce, read):
    produce(topic, range(300))
    for broker in (1, 2, 3):
        cluster.delay(broker, 400)
    reader = read(topic)
    reader.until(lambda: len(reader.rows) >= 300)
    assert sorted(reader.values()) == list(range(300))
    assert reader.checkpoint() is CommitResult.OK


def test_records_deleted_while_it_reads_are_a_gap(cluster, topic, produce, read):
    produce(topic, range(100), partition=0)
    reader = read(topic)
    reader.until(lambda: len(reader.rows) == 100)
    reader.source.pause([f"{topic}/0"])
    for first in range(100, 300, 20):
        produce(topic, range(first, first + 20), partition=0)
    cluster.delete_records(topic, 0, 200)
    reader.source.resume([f"{topic}/0"])
    reader.until(lambda: reader.own[f"{topic}/0"] == 300)
    gaps = [event for event in reader.heard if isinstance(event, DataGap)]
    read_offsets = [offset for _, offset, _ in reader.rows]
    missing = set(range(300)) - set(read_offsets)
    told = {n for gap in gaps for n in range(gap.from_offset, gap.to_offset)}
    assert missing == told
    assert missing
    assert missing <= set(range(100, 200))


def test_partitions_that_were_paused_among_unread_records_go_on(topic, produce, read):
    """Some of their records are in the client then, the others are still at the broker."""
    for partition in range(PARTITIONS):
        produce(topic, range(100 * partition, 100 * partition + 100), partition=partition)
    reader = read(topic)
    reader.until(lambda: len(reader.own) == PARTITIONS)
    names = sorted(reader.own)
    while len(reader.rows) < 300:
        before = len(reader.rows)
        for _ in range(100):
            if reader.turn(0.1, 7):
                break
        assert len(reader.rows) > before, "nothing comes any more"
        reader.source.pause(names[:2])
        for _ in range(5):
            reader.turn(0.05, 7)
        reader.source.resume(names[:2])
    assert sorted(reader.values()) == list(range(300))


def test_a_snapshot_before_the_start_of_the_log_is_a_gap(cluster, topic, produce, read):
    produce(topic, range(100), partition=0)
    cluster.delete_records(topic, 0, 100)
    produce(topic, range(100, 120), partition=0)
    reader = read(topic, {f"{topic}/0": 40})
    reader.until(lambda: reader.own.get(f"{topic}/0") == 120)
    (gap,) = [event for event in reader.heard if isinstance(event, DataGap)]
    assert (gap.from_offset, gap.to_offset) == (40, 100)
    assert reader.values() == list(range(100, 120))


def test_a_snapshot_behind_the_end_of_the_log_is_refused(topic, produce, read):
    produce(topic, range(10), partition=0)
    reader = read(topic, {f"{topic}/0": 40})
    with pytest.raises(ConnectorError, match="the log ends at offset 10, but the state has read"):
        reader.until(lambda: False)


def test_alerts_that_are_refused_for_a_moment_arrive_once(cluster, topic, sink):
    out = sink(topic)
    cluster.fail(PRODUCE, NOT_LEADER, NOT_LEADER, TIMED_OUT)
    out.write("p", [], [alert(number) for number in range(50)])
    until_delivered(out, 50)
    assert cluster.n_requests(PRODUCE) > 3
    assert sent_ids(cluster, topic) == [alert(number).id for number in range(50)]


def test_alerts_wait_for_a_cluster_that_is_down(cluster, topic, sink):
    out = sink(topic)
    out.write("p", [], [alert(0)])
    until_delivered(out, 1)
    for broker in (1, 2, 3):
        cluster.down(broker)
    out.write("p", [], [alert(number) for number in range(1, 20)])
    time.sleep(1.0)
    assert out.counts["waiting"] == 19
    out.flush("p", 0)
    for broker in (1, 2, 3):
        cluster.up(broker)
    until_delivered(out, 20)
    assert sorted(set(sent_ids(cluster, topic))) == [alert(number).id for number in range(20)]


def test_a_sender_says_when_nobody_answers(cluster, topic, settings):
    from streamad_connectors.kafka.records import Record
    from streamad_connectors.kafka.sender import Sender

    for broker in (1, 2, 3):
        cluster.down(broker)
    sender = Sender(settings, topic, 1.0)
    with pytest.raises(Disconnected):
        sender.send([Record(b"k", b"v")])
    for broker in (1, 2, 3):
        cluster.up(broker)
    assert sender.send([Record(b"k", b"v")]) == {}
    assert cluster.values(topic, PARTITIONS) == [b"v"]
    sender.close()


def test_a_sender_that_gives_up_leaves_no_thread_behind(cluster, topic, settings):
    from streamad_connectors.kafka.records import Record
    from streamad_connectors.kafka.sender import Sender

    before = set(threading.enumerate())
    sender = Sender(settings, topic, 1.0)
    assert sender.send([Record(b"k", b"v")]) == {}
    assert set(threading.enumerate()) > before
    for broker in (1, 2, 3):
        cluster.down(broker)
    with pytest.raises(Disconnected):
        sender.send([Record(b"k", b"v")])
    wait_until(lambda: set(threading.enumerate()) <= before, "its thread has ended")
    sender.close()


def until_delivered(sink, n, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while sink.counts["delivered"] < n:
        assert time.monotonic() < deadline, sink.counts
        time.sleep(0.02)
