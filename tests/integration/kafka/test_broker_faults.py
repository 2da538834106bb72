"""The broker dies, freezes, comes late: no row is lost, nothing is raised while it may return."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from reference.kafka_rows import Reader, records

from streamad.core.errors import Disconnected
from streamad.core.protocols import CommitResult, Lost

pytestmark = pytest.mark.kafka


def test_a_broker_that_is_killed_costs_nothing(broker, open_source):
    topic = broker.create_topic("killed")
    broker.produce(topic, records(range(10)))
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 10)
    broker.stop(signal.SIGKILL)
    for _ in range(10):
        reader.turn()
    assert reader.source.commit({f"{topic}/0": 10}) is CommitResult.REBALANCING
    broker.start()
    broker.produce(topic, records(range(10, 20)))
    reader.until(lambda: len(set(reader.rows)) == 20)
    reader.until(lambda: reader.checkpoint() is CommitResult.OK)
    assert sorted(set(reader.values())) == list(range(20))


def test_a_broker_that_freezes_for_less_than_the_session_is_not_noticed(broker, open_source):
    topic = broker.create_topic("frozen")
    broker.produce(topic, records(range(10)))
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 10)
    broker.freeze()
    until = time.monotonic() + 3
    while time.monotonic() < until:
        reader.turn()
    broker.thaw()
    broker.produce(topic, records(range(10, 20)))
    reader.until(lambda: len(reader.rows) == 20)
    assert reader.values() == list(range(20))


def test_a_broker_that_freezes_for_longer_gives_the_partitions_again(broker, open_source):
    topic = broker.create_topic("deep-frozen")
    broker.produce(topic, records(range(10)))
    reader = Reader(open_source(topic, session_timeout="2s"))
    reader.until(lambda: len(reader.rows) == 10)
    reader.checkpoint()
    broker.freeze()
    until = time.monotonic() + 6
    while time.monotonic() < until:
        reader.turn()
    broker.thaw()
    broker.produce(topic, records(range(10, 20)))
    reader.until(lambda: len(reader.rows) >= 20)
    assert sorted(set(reader.values())) == list(range(20))


def test_a_member_that_does_not_poll_loses_its_partitions_and_hears_it(broker, open_source):
    topic = broker.create_topic("slow")
    broker.produce(topic, records(range(10)))
    reader = Reader(open_source(topic, max_poll_interval="2s", session_timeout="2s"))
    reader.until(lambda: len(reader.rows) == 10)
    time.sleep(5)
    assert reader.checkpoint() is CommitResult.LOST
    reader.state.clear()
    reader.until(lambda: len(reader.rows) == 20)
    assert any(isinstance(event, Lost) for event in reader.heard)


def test_a_broker_that_comes_late_is_waited_for(broker, open_source):
    topic = broker.create_topic("late")
    broker.produce(topic, records(range(3)))
    broker.stop(signal.SIGKILL)
    threading.Timer(1.0, broker.start).start()
    reader = Reader(open_source(topic))
    reader.until(lambda: len(reader.rows) == 3)


def test_no_broker_is_said_in_time(broker, open_source):
    topic = broker.create_topic("nobody")
    broker.stop(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(Disconnected, match=r"within 3 s: nothing listens there"):
        open_source(topic, connect_timeout="3s")
    assert time.monotonic() - began < 5


def test_a_frozen_broker_at_the_start_is_said_in_time(broker, open_source):
    topic = broker.create_topic("stiff")
    broker.freeze()
    began = time.monotonic()
    with pytest.raises(Disconnected, match=r"cannot be reached within 3 s"):
        open_source(topic, connect_timeout="3s")
    assert time.monotonic() - began < 6
