"""What a group has committed: an answer is waited for, and None is one."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("kafka")

from kafka import TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata
from streamad_connectors.kafka import member as members
from streamad_connectors.kafka import transactions
from streamad_connectors.kafka.member import Member, MemberOptions

from streamad.core.errors import Disconnected, Refused

OPTIONS = MemberOptions(
    client="kafka-python",
    topics=("t",),
    group="g",
    start="latest",
    stop_on_gap=False,
    instance_id=None,
    assignor="cooperative",
    isolation="read_committed",
    fetch_bytes=1_048_576,
    session_s=30.0,
    poll_interval_s=300.0,
    metadata_s=30.0,
    connect_s=10.0,
    rights_s=60.0,
    commit_s=3.0,
)
SLOW = kafka_errors.KafkaTimeoutError("no answer")
UNSTABLE = kafka_errors.UnstableOffsetCommitError()


class Coordinator:
    """A consumer whose coordinator answers as the test says; it is its membership, too."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.closed = False

    def committed(self, partition, timeout_ms, *, metadata=False):
        self.asked.append((partition, timeout_ms))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return OffsetAndMetadata(answer, "", -1) if metadata and answer is not None else answer

    def close(self):
        self.closed = True


@pytest.fixture
def make(monkeypatch):
    def make_member(coordinator, **options):
        monkeypatch.setattr(members, "look_up", lambda *_: {})
        monkeypatch.setattr(members, "_open", lambda *_: (coordinator, coordinator))
        return Member({}, dataclasses.replace(OPTIONS, **options))

    return make_member


def test_a_coordinator_that_is_slow_is_asked_again(make):
    coordinator = Coordinator(SLOW, UNSTABLE, 450)
    assert make(coordinator).committed("t/3") == 450
    assert coordinator.asked == [(TopicPartition("t", 3), 3000)] * 3


def test_nothing_is_an_answer(make):
    coordinator = Coordinator(None)
    assert make(coordinator).committed("t/3") is None
    assert len(coordinator.asked) == 1


def test_no_answer_is_not_nothing(make):
    with pytest.raises(Disconnected, match="the group 'g'"):
        make(Coordinator(*[SLOW] * 9), connect_s=0.5).committed("t/3")


def test_what_is_refused_is_not_asked_again(make):
    coordinator = Coordinator(kafka_errors.GroupAuthorizationFailedError("g"))
    with pytest.raises(Refused, match="ACL"):
        make(coordinator).committed("t/3")
    assert len(coordinator.asked) == 1


def confluent_group(monkeypatch, consumer, **options):
    pytest.importorskip("confluent_kafka")
    from streamad_connectors.kafka import confluent_group as groups

    monkeypatch.setattr(groups.confluent_kafka, "Consumer", lambda *_, **__: consumer)
    monkeypatch.setattr(groups, "Asker", lambda *_: None)
    options = dataclasses.replace(OPTIONS, client="confluent", **options)
    settings = {"bootstrap_servers": ["a:1"], "client_id": "me"}
    return groups.ConfluentGroup(settings, options)


def test_confluent_is_called_back_while_an_answer_is_waited_for(monkeypatch, make):
    """A token is renewed in there, without which there never is an answer."""
    pytest.importorskip("confluent_kafka")
    from confluent_kafka import KafkaError, KafkaException

    class Consumer:
        def __init__(self):
            self.calls = []

        def subscribe(self, *_, **__):
            pass

        def consume(self, *_):
            self.calls.append("consume")
            return []

        def committed(self, partitions, _timeout_s):
            self.calls.append("committed")
            if len(self.calls) < 4:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            partitions[0].offset = 7
            return partitions

    consumer = Consumer()
    group = confluent_group(monkeypatch, consumer)
    assert make(group).committed("t/0") == 7
    assert consumer.calls == ["consume", "committed"] * 2


@pytest.fixture
def asked(monkeypatch):
    """Consumers that transactions make to ask, each with its answers."""
    made = []

    def connect(_kind, settings, _timeout_s):
        made.append(Coordinator(*answers))
        made[-1].settings = settings
        return made[-1]

    answers = []
    monkeypatch.setattr(transactions, "connect", connect)
    monkeypatch.setattr(transactions.Transactions, "_connected", lambda _: None)
    return made, answers


def test_one_consumer_asks_for_all_partitions(asked):
    made, answers = asked
    answers += [5, None]
    found = transactions.Transactions({}, "alerts", "id", 10.0, 15.0).committed("g", ["t/0", "t/1"])
    assert found == {"t/0": 5, "t/1": None}
    (consumer,) = made
    assert consumer.closed
    assert consumer.settings["isolation_level"] == "read_committed"


def test_all_partitions_together_are_waited_for_as_long_as_one(asked, monkeypatch):
    made, answers = asked
    answers += [5, 6, 7]
    times = iter([100.0, 100.0, 115.0, 130.0])
    monkeypatch.setattr(transactions.time, "monotonic", lambda: next(times))
    names = ["t/0", "t/1", "t/2"]
    transactions.Transactions({}, "alerts", "id", 10.0, 15.0).committed("g", names)
    assert [wait_ms for _, wait_ms in made[0].asked] == [25_000, 10_000, 0]
