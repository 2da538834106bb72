"""A single consumer on a real broker: where it begins, what it says, what it refuses."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from reference.kafka_rows import BEGIN_MS, Reader, records, write_in_transactions

from streamad.core.errors import ConfigError, ConnectorError
from streamad.core.protocols import Assigned, CommitResult, DataGap, Source

pytestmark = pytest.mark.kafka
SITE = [("site", b"north")]


def committed(broker, group):
    found = broker.admin.list_group_offsets([group])[group]
    return {f"{p.topic}/{p.partition}": at.offset for p, at in found.items()}


def test_rows_come_with_series_time_value_and_offset(broker, open_source):
    topic = broker.create_topic("rows")
    broker.produce(topic, records(range(5)))
    source = open_source(topic)
    assert isinstance(source, Source)
    assert list(source.events()) == [Assigned((f"{topic}/0",))]
    source.seek(f"{topic}/0", 2)
    (batch,) = source.poll(5.0, 100)
    assert batch.values.tolist() == [[2.0], [3.0], [4.0]]
    assert batch.times.tolist() == [10**6 * (BEGIN_MS + 1000 * n) for n in (2, 3, 4)]
    assert [batch.schema.series[code] for code in batch.codes] == ["pump"] * 3
    assert (batch.offset(0), batch.next_offset) == (2, 5)


@pytest.mark.any_broker
def test_nothing_is_read_before_it_is_sought(broker, open_source):
    topic = broker.create_topic("unsought")
    broker.produce(topic, records(range(5)))
    source = open_source(topic)
    assert len(source.events()) == 1
    assert list(source.poll(1.0, 100)) == []


def test_latest_tells_its_offset_and_reads_what_comes(broker, open_source):
    topic = broker.create_topic("latest")
    broker.produce(topic, records(range(5)))
    source = open_source(topic, start="latest")
    source.events()
    source.begin(f"{topic}/0")
    (batch,) = source.poll(1.0, 100)
    assert (len(batch), batch.next_offset) == (0, 5)
    broker.produce(topic, records([5]))
    (batch,) = source.poll(5.0, 100)
    assert batch.values.tolist() == [[5.0]]


def test_a_time_begins_at_the_first_record_that_is_not_older(broker, open_source):
    topic = broker.create_topic("time")
    stamps = [BEGIN_MS + 1000 * n for n in range(5)]
    broker.produce(topic, records(range(5)), timestamps_ms=stamps)
    at = datetime.fromtimestamp(BEGIN_MS / 1000 + 2.5, UTC).isoformat()
    reader = Reader(open_source(topic, start=at))
    reader.until(lambda: len(reader.rows) == 2)
    assert reader.values() == [3.0, 4.0]


def test_a_snapshot_beats_the_start(broker, open_source):
    topic = broker.create_topic("snapshot")
    broker.produce(topic, records(range(5)))
    reader = Reader(open_source(topic, start="latest"), {f"{topic}/0": 3})
    reader.until(lambda: len(reader.rows) == 2)
    assert reader.values() == [3.0, 4.0]


@pytest.mark.any_broker
def test_a_paused_partition_is_silent_until_it_is_resumed(broker, open_source):
    topic = broker.create_topic("pause", 2)
    for partition in range(2):
        broker.produce(topic, records(range(3)), partition=partition)
    reader = Reader(open_source(topic))
    reader.source.pause([f"{topic}/0"])
    reader.until(lambda: len(reader.rows) == 3)
    for _ in range(5):
        assert reader.turn() == 0
    assert {name for name, _, _ in reader.rows} == {f"{topic}/1"}
    reader.source.resume([f"{topic}/0"])
    reader.until(lambda: len(reader.rows) == 6)


@pytest.mark.any_broker
def test_a_commit_is_seen_by_others_and_refused_for_what_is_not_ours(broker, open_source):
    topic = broker.create_topic("commit")
    broker.produce(topic, records(range(5)))
    reader = Reader(open_source(topic, group=f"{topic}-group"))
    reader.until(lambda: len(reader.rows) == 5)
    assert reader.checkpoint() is CommitResult.OK
    assert committed(broker, f"{topic}-group") == {f"{topic}/0": 5}
    assert reader.source.commit({f"{topic}/7": 3}) is CommitResult.LOST
    assert reader.source.commit({}) is CommitResult.OK


def test_what_the_group_has_committed_is_told(broker, open_source):
    topic = broker.create_topic("told", 2)
    broker.produce(topic, records(range(5)))
    reader = Reader(open_source(topic, group=f"{topic}-group"))
    reader.until(lambda: len(reader.rows) == 5)
    assert reader.source.committed_offset(f"{topic}/0") is None
    reader.checkpoint([f"{topic}/0"])
    assert reader.source.committed_offset(f"{topic}/0") == 5
    assert reader.source.committed_offset(f"{topic}/1") is None


def test_a_partition_may_be_read_from_its_first_record_whatever_start_says(broker, open_source):
    topic = broker.create_topic("first")
    broker.produce(topic, records(range(5)))
    source = open_source(topic, start="latest")
    source.events()
    source.begin(f"{topic}/0", first=True)
    (batch,) = source.poll(1.0, 100)
    assert (len(batch), batch.next_offset) == (0, 0)


def test_the_lag_is_what_was_not_polled(broker, open_source):
    topic = broker.create_topic("lag")
    broker.produce(topic, records(range(10)))
    reader = Reader(open_source(topic))
    assert reader.source.lag() == {}
    while not reader.rows:
        reader.turn(max_rows=4)
    assert reader.source.lag() == {f"{topic}/0": 6}


@pytest.mark.any_broker
def test_a_record_that_cannot_be_read_is_refused_with_its_bytes(broker, open_source):
    topic = broker.create_topic("refused")
    good = records(range(2))
    broker.produce(topic, [good[0], b"{broken", None, good[1]], keys=[b"k"] * 4, headers=SITE)
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 2 and len(reader.rejects) == 2)
    broken, tombstone = reader.rejects
    assert (broken.partition, broken.offset, broken.raw) == (f"{topic}/0", 1, b"{broken")
    assert broken.headers == {"site": "north"}
    assert (tombstone.reason, tombstone.offset) == ("tombstone", 2)
    assert reader.own == {f"{topic}/0": 4}


def test_a_value_outside_of_its_contract_is_refused_with_its_record(broker, open_source):
    topic = broker.create_topic("contract")
    broker.produce(topic, records([1, 600, 2]))
    contract = {"flow": {"range": [0, 500], "unit": "l/s"}, "strict": True}
    reader = Reader(open_source(topic, contract=contract))
    reader.until(lambda: len(reader.rows) == 2 and len(reader.rejects) == 1)
    (outside,) = reader.rejects
    assert (outside.offset, outside.reason, outside.raw) == (1, "value", records([600])[0])
    assert "600.0 l/s, expected 0.0 to 500.0 l/s" in outside.detail


def test_failed_transactions_are_not_seen(broker, open_source):
    topic = broker.create_topic("transactions")
    write_in_transactions(broker, topic, (([1], "commit"), ([2], "abort"), ([3], "commit")))
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 2)
    assert reader.values() == [1.0, 3.0]


def test_rows_that_retention_took_are_a_gap(broker, open_source):
    topic = broker.create_topic("gap")
    broker.produce(topic, records(range(8)))
    broker.delete_records(topic, 0, 5)
    reader = Reader(open_source(topic), {f"{topic}/0": 2})
    reader.until(lambda: len(reader.rows) == 3)
    (gap,) = [event for event in reader.heard if isinstance(event, DataGap)]
    assert (gap.partition, gap.from_offset, gap.to_offset) == (f"{topic}/0", 2, 5)
    assert "retention" in gap.detail
    assert reader.values() == [5.0, 6.0, 7.0]


def test_an_empty_partition_tells_where_it_begins(broker, open_source):
    source = open_source(topic := broker.create_topic("empty"), start="latest")
    source.events()
    source.begin(f"{topic}/0")
    (batch,) = source.poll(1.0, 100)
    assert (len(batch), batch.next_offset) == (0, 0)


@pytest.mark.any_broker
def test_a_snapshot_of_nothing_is_a_snapshot(broker, open_source):
    topic = broker.create_topic("nothing-yet")
    broker.produce(topic, records(range(3)))
    reader = Reader(open_source(topic, start="latest"), {f"{topic}/0": 0})
    reader.until(lambda: len(reader.rows) == 3)


def test_a_partition_that_begins_late_is_no_gap_to_who_never_read_it(broker, open_source):
    topic = broker.create_topic("late-start")
    broker.produce(topic, records(range(8)))
    broker.delete_records(topic, 0, 5)
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 3)
    assert not any(isinstance(event, DataGap) for event in reader.heard)


def test_retention_that_overtakes_a_reader_is_a_gap(broker, open_source):
    topic = broker.create_topic("overtaken")
    broker.produce(topic, records(range(8)))
    reader = Reader(open_source(topic), {f"{topic}/0": 1})
    reader.source.pause([f"{topic}/0"])
    for _ in range(5):
        reader.turn()
    broker.delete_records(topic, 0, 6)
    reader.source.resume([f"{topic}/0"])
    reader.until(lambda: len(reader.rows) == 2)
    (gap,) = [event for event in reader.heard if isinstance(event, DataGap)]
    assert (gap.from_offset, gap.to_offset) == (1, 6)


def test_a_gap_stops_where_that_is_asked_for(broker, open_source):
    topic = broker.create_topic("gap-stop")
    broker.produce(topic, records(range(8)))
    broker.delete_records(topic, 0, 5)
    reader = Reader(open_source(topic, on_gap="stop"), {f"{topic}/0": 2})
    with pytest.raises(ConnectorError, match=r"from offset 2 to 5 .*on_gap is stop"):
        reader.until(lambda: False)


def test_a_snapshot_behind_the_end_of_the_log_stops(broker, open_source):
    topic = broker.create_topic("cut")
    broker.produce(topic, records(range(3)))
    reader = Reader(open_source(topic), {f"{topic}/0": 7})
    with pytest.raises(ConnectorError, match="ends at offset 3, but the state has read up to 7"):
        reader.until(lambda: False)


def test_a_topic_made_again_stops_and_has_another_identity(broker, open_source):
    topic = broker.create_topic("again")
    broker.produce(topic, records(range(3)))
    source = open_source(topic)
    reader = Reader(source)
    reader.until(lambda: len(reader.rows) == 3)
    broker.recreate_topic(topic)
    broker.produce(topic, records(range(10)))
    with pytest.raises(ConnectorError, match="deleted and made again"):
        reader.until(lambda: False)
    assert open_source(topic, group="another").identity != source.identity


def test_a_topic_that_is_not_there_is_said_at_once(open_source):
    began = time.monotonic()
    with pytest.raises(ConnectorError, match="there is no topic 'nowhere'"):
        open_source("nowhere")
    assert time.monotonic() - began < 5


def test_added_partitions_are_read_from_their_first_record(broker, open_source):
    topic = broker.create_topic("added")
    reader = Reader(open_source(topic, start="latest"))
    reader.turn()
    broker.add_partitions(topic, 3)
    for partition in range(1, 3):
        broker.produce(topic, records([partition]), partition=partition)
    reader.until(lambda: len(reader.rows) == 2)
    assert sorted(reader.values()) == [1.0, 2.0]
    assert set(reader.own) == {f"{topic}/{n}" for n in range(3)}


def test_a_double_of_a_static_member_is_found_by_its_commit(broker, open_source):
    topic = broker.create_topic("double")
    broker.produce(topic, records(range(3)))
    first = Reader(open_source(topic, instance_id="one"))
    first.until(lambda: len(first.rows) == 3)
    second = Reader(open_source(topic, instance_id="one"))
    second.until(lambda: len(second.rows) == 3)
    with pytest.raises(ConnectorError, match="same instance_id"):
        first.until(lambda: first.checkpoint() is None)


def test_the_fetch_of_an_odd_offset_is_refused(broker, open_source):
    topic = broker.create_topic("odd")
    source = open_source(topic)
    for name, offset in ((f"{topic}/0", -1), ("other/0", 3), ("files", 0)):
        with pytest.raises(ConfigError, match="partition"):
            source.seek(name, offset)


@pytest.mark.any_broker
def test_a_closed_source_is_silent(broker, open_source):
    topic = broker.create_topic("closed")
    broker.produce(topic, records(range(3)))
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 3)
    reader.source.close()
    reader.source.close()
    assert list(reader.source.poll(0.1, 10)) == []
    assert list(reader.source.events()) == []
    assert reader.source.lag() == {}


def test_it_tells_how_much_came_and_hears_when_the_broker_is_silent(broker, open_source):
    topic = broker.create_topic("standing")
    told = records(range(5))
    broker.produce(topic, told, headers=[("traceparent", b"00-a-b-01")])
    source = open_source(topic)
    reader = Reader(source)
    assert not source.standing().joined
    parents = []
    read = source.poll

    def poll(timeout_s, max_rows):
        found = read(timeout_s, max_rows)
        parents.extend(source.traceparents())
        return found

    source.poll = poll
    reader.until(lambda: len(reader.values()) == 5)
    assert source.standing().joined
    assert source.standing().n_bytes == sum(map(len, told))
    assert parents[0] == "00-a-b-01"
    assert source.standing().silent_s < 2.0
    broker.freeze()
    time.sleep(3.0)
    assert source.standing().silent_s > 2.0
