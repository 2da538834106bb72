"""The same source on confluent-kafka: alone, in a group, and killed. See test_source, test_groups.

Its conformance is in test_source_conformance, passwords and certificates are in test_security.
"""

from __future__ import annotations

import time

import pytest

pytest.importorskip("confluent_kafka")

from reference.kafka_rows import MemberThread, Reader, records, wait_until, write_in_transactions
from reference.kafka_team import N_PARTITIONS, all_own, fill, rows_of, team_of
from reference.live_plant import Plant
from reference.live_scene import Scene
from streamad_connectors.kafka.transactional_sink import KafkaTransactionalSink

from streamad.core.errors import ConfigError, ConnectorError
from streamad.core.protocols import Assigned, CommitResult, DataGap, Lost, Revoked

pytestmark = pytest.mark.kafka


@pytest.fixture
def open_confluent(open_source):
    return lambda topic, **options: open_source(topic, client="confluent", **options)


@pytest.fixture(params=["cooperative", "range"])
def assignor(request):
    return request.param


@pytest.fixture
def team(broker, open_confluent, assignor):
    """Members of one group on a topic, with a shared state."""
    topic = broker.create_topic(f"confluent-{assignor}", N_PARTITIONS)
    with team_of(lambda: open_confluent(topic, assignor=assignor)) as (come, members, _):
        yield topic, come, members


def test_a_partition_is_checkpointed_before_it_is_handed_over_and_no_row_comes_twice(broker, team):
    topic, come, members = team
    first = come()
    wait_until(lambda: all_own(members), "the first")
    fill(broker, topic, 0, 200)
    second = come()
    wait_until(lambda: all_own(members), "the second")
    fill(broker, topic, 200, 100)
    wait_until(lambda: len(rows_of(members)) == 300 * N_PARTITIONS, "all rows")
    given = {name for event in first.heard(Revoked) for name in event.partitions}
    assert second.own <= given
    first.leave()
    wait_until(lambda: len(second.own) == N_PARTITIONS, "the second has all")
    fill(broker, topic, 300, 50)
    wait_until(lambda: len(rows_of(members)) == 350 * N_PARTITIONS, "all rows")
    assert max(rows_of(members).values()) == 1, "a row was read twice"
    assert not first.heard(Lost)
    assert not second.heard(Lost)


def test_a_partition_stays_ours_until_the_poll_after_it_was_revoked(
    broker, open_confluent, assignor
):
    topic = broker.create_topic("kept", 2)
    for partition in range(2):
        broker.produce(topic, records(range(5)), partition=partition)
    reader = Reader(open_confluent(topic, assignor=assignor))
    reader.until(lambda: len(reader.rows) == 10)
    other = MemberThread(lambda: open_confluent(topic, assignor=assignor), {})
    events = []
    for _ in range(20):  # the client hears of the other in a commit
        reader.checkpoint()
        time.sleep(0.05)
    while not any(isinstance(event, Revoked) for event in events):
        reader.source.poll(0.1, 10)
        events += reader.source.events()
    time.sleep(1.0)
    assert not other.own
    gone = next(event for event in events if isinstance(event, Revoked)).partitions
    assert reader.source.commit(dict.fromkeys(gone, 5)) is CommitResult.OK
    for name in gone:
        del reader.own[name]
    wait_until(lambda: reader.turn() or other.own, "the other has some")
    other.leave()


def test_members_of_both_clients_share_a_group(broker, open_source):
    topic = broker.create_topic("both", N_PARTITIONS)
    state = {}
    members = [
        MemberThread(lambda client=client: open_source(topic, client=client), state)
        for client in ("kafka-python", "confluent")
    ]
    wait_until(lambda: all_own(members), "both")
    fill(broker, topic, 0, 50)
    wait_until(lambda: len(rows_of(members)) == 50 * N_PARTITIONS, "all rows")
    for member in members:
        member.leave()
    assert max(rows_of(members).values()) == 1


def test_a_snapshot_is_gone_on_from_and_a_gap_is_told(broker, open_confluent):
    topic = broker.create_topic("confluent-gap")
    broker.produce(topic, records(range(8)))
    broker.delete_records(topic, 0, 5)
    reader = Reader(open_confluent(topic), {f"{topic}/0": 2})
    reader.until(lambda: len(reader.rows) == 3)
    (gap,) = [event for event in reader.heard if isinstance(event, DataGap)]
    assert (gap.from_offset, gap.to_offset) == (2, 5)


@pytest.mark.parametrize("assignor", ["cooperative", "range"])
def test_retention_that_overtakes_a_paused_reader_is_a_gap(broker, open_confluent, assignor):
    topic = broker.create_topic("confluent-overtaken")
    broker.produce(topic, records(range(8)))
    reader = Reader(open_confluent(topic, assignor=assignor))
    reader.until(lambda: len(reader.rows) == 8)
    reader.source.pause([f"{topic}/0"])
    broker.produce(topic, records(range(8, 20)))
    for _ in range(3):
        assert reader.turn() == 0
    broker.delete_records(topic, 0, 15)
    reader.source.resume([f"{topic}/0"])
    reader.until(lambda: len(reader.rows) == 13)
    (gap,) = [event for event in reader.heard if isinstance(event, DataGap)]
    assert (gap.from_offset, gap.to_offset) == (8, 15)


def test_offsets_may_have_holes_and_the_lag_ends_at_zero(broker, open_confluent):
    topic = broker.create_topic("confluent-holes")
    write_in_transactions(broker, topic, (([1], "commit"), ([2], "abort"), ([3], "commit")))
    reader = Reader(open_confluent(topic))
    reader.until(lambda: len(reader.rows) == 2)
    assert reader.values() == [1.0, 3.0]
    reader.until(lambda: reader.source.lag() == {f"{topic}/0": 0})


def test_a_topic_made_again_stops(broker, open_confluent):
    topic = broker.create_topic("confluent-again")
    broker.produce(topic, records(range(3)))
    reader = Reader(open_confluent(topic))
    reader.until(lambda: len(reader.rows) == 3)
    broker.recreate_topic(topic)
    broker.produce(topic, records(range(10)))
    with pytest.raises(ConnectorError, match="deleted and made again"):
        reader.until(lambda: False)


def test_added_partitions_are_read_from_their_first_record(broker, open_confluent):
    topic = broker.create_topic("confluent-added")
    reader = Reader(open_confluent(topic, start="latest"))
    reader.turn()
    broker.add_partitions(topic, 2)
    broker.produce(topic, records([7]), partition=1)
    reader.until(lambda: reader.values() == [7.0])


def test_a_commit_is_answered_and_seen_by_others(broker, open_confluent):
    topic = broker.create_topic("confluent-commit")
    broker.produce(topic, records(range(5)))
    reader = Reader(open_confluent(topic, group=topic))
    reader.until(lambda: len(reader.rows) == 5)
    assert reader.checkpoint() is CommitResult.OK
    ((_, at),) = broker.admin.list_group_offsets([topic])[topic].items()
    assert at.offset == 5
    assert reader.source.commit({f"{topic}/7": 3}) is CommitResult.LOST
    broker.freeze()
    assert reader.checkpoint() is CommitResult.REBALANCING


def test_a_member_that_does_not_poll_hears_that_it_lost(broker, open_confluent):
    topic = broker.create_topic("confluent-slow")
    broker.produce(topic, records(range(3)))
    reader = Reader(open_confluent(topic, max_poll_interval="2s", session_timeout="2s"))
    reader.until(lambda: len(reader.rows) == 3)
    time.sleep(3)
    assert reader.checkpoint() is CommitResult.LOST
    reader.state.clear()
    reader.until(lambda: len(reader.rows) == 6)
    kinds = [type(event) for event in reader.heard]
    assert kinds == [Assigned, Lost, Assigned]


def test_a_double_of_a_static_member_ends_the_first(broker, open_confluent):
    topic = broker.create_topic("confluent-double")
    broker.produce(topic, records(range(3)))
    first = Reader(open_confluent(topic, instance_id="one"))
    first.until(lambda: len(first.rows) == 3)
    second = Reader(open_confluent(topic, instance_id="one"))
    second.until(lambda: len(second.rows) == 3)
    with pytest.raises(ConnectorError, match="same instance_id"):
        first.until(lambda: False)


def test_the_transactional_sink_refuses_this_client(broker, open_confluent, tmp_path):
    topic = broker.create_topic("confluent-transactional")
    sink = KafkaTransactionalSink(
        brokers=[broker.bootstrap], topic=topic, dead_letter=str(tmp_path / "refused.jsonl")
    )
    with pytest.raises(ConfigError, match="client: kafka-python"):
        sink.bind(open_confluent(topic))


def test_a_kill_does_not_show(broker, tmp_path):
    scene = Scene(
        broker, tmp_path, Plant(n_steps=200), ("jsonl", "sqlite"),
        source__client="confluent", source__instance_id="a", runtime__batch_rows=100,
    )  # fmt: skip
    scene.fill(100)
    with scene.start(crash_at="after_flush:3") as process:
        assert process.wait() == -9, process.tail()
    scene.fill()
    scene.finish()
    scene.check()


def test_what_the_group_has_committed_is_told(broker, open_confluent):
    topic = broker.create_topic("confluent-told", 2)
    broker.produce(topic, records(range(5)))
    reader = Reader(open_confluent(topic, group=f"{topic}-group"))
    reader.until(lambda: len(reader.rows) == 5)
    assert reader.source.committed_offset(f"{topic}/0") is None
    reader.checkpoint([f"{topic}/0"])
    assert reader.source.committed_offset(f"{topic}/0") == 5
