"""What a member on confluent-kafka is made of: records in hand, troubles heard, questions asked."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka
from confluent_kafka import KafkaError, Message
from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from streamad_connectors.kafka.confluent_settings import as_kafka_error
from streamad_connectors.kafka.connect import connect

if TYPE_CHECKING:
    from streamad_connectors.kafka.member import MemberOptions

_PLACES = {
    KafkaError._PARTITION_EOF,  # noqa: SLF001
    KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
}
"""What comes instead of a record and is about its place in the log."""
_TOLD = {
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
}
"""Troubles of connections that are told; a single broker that is away is none."""


class Record(NamedTuple):
    """What a record of kafka-python has, as far as it is used."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Any
    timestamp: int

    @classmethod
    def of(cls, message: Message) -> Record:
        """From a record of confluent-kafka."""
        return cls(
            message.offset() or 0,
            message.key(),
            message.value(),
            message.headers() or (),
            message.timestamp()[1],
        )


class Troubles:
    """What the client was told of brokers, until somebody asks.

    Attributes
    ----------
    heard_at : float
        Monotonic seconds of the last bytes that came from a broker, as of the last second.
    beyond : dict of TopicPartition to int
        Offsets that were not in their logs.
    """

    def __init__(self) -> None:
        self.heard_at = time.monotonic()
        self.beyond: dict[TopicPartition, int] = {}
        self._passing: Exception | None = None
        self._refused: Exception | None = None

    def on_error(self, error: KafkaError) -> None:
        """Callback: a broker is away, or does not let us in."""
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            self._refused = as_kafka_error(error)
        elif error.code() in _TOLD:
            self._passing = as_kafka_error(error)

    def on_statistics(self, text: str) -> None:
        """Callback: how the connections are; a refusal is over once one of them is up."""
        told = json.loads(text)
        brokers = told["brokers"].values()
        idle_us = [broker["rxidle"] for broker in brokers if broker["rxidle"] >= 0]
        if idle_us:
            self.heard_at = max(self.heard_at, (told["ts"] - min(idle_us)) / 1e6)
        if any(broker["state"] == "UP" for broker in brokers):
            self._refused = None

    def on_message(self, error: KafkaError) -> None:
        """An error came where records come."""
        if error.code() != KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001  (on_lost tells)
            self._passing = as_kafka_error(error)

    def complain(self) -> None:
        """Raise what there is.

        Raises
        ------
        kafka.errors.KafkaError
            An error as kafka-python would have raised it.
        """
        if self.beyond:
            beyond, self.beyond = self.beyond, {}
            raise kafka_errors.OffsetOutOfRangeError(beyond)
        error, self._passing = self._refused or self._passing, None
        if error is not None:
            raise error


class Kept:
    """Records that came and were not polled yet.

    Parameters
    ----------
    troubles : Troubles
        Hears of the errors among them.
    """

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._messages: list[Message] = []

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, messages: Iterable[Message]) -> None:
        """Keep records, and ends of logs."""
        for message in messages:
            error = message.error()
            if error is None or error.code() in _PLACES:
                self._messages.append(message)
            else:
                self._troubles.on_message(error)

    def take(self, n: int, paused: Collection[TopicPartition]) -> list[Message]:
        """The first ``n`` of partitions that are not paused."""
        found: list[Message] = []
        left: list[Message] = []
        if not paused and len(self._messages) <= n:
            found, self._messages = self._messages, left
            return found
        for message in self._messages:
            is_open = (message.topic(), message.partition()) not in paused
            (found if is_open and len(found) < n else left).append(message)
        self._messages = left
        return found

    def drop(self, partitions: Collection[TopicPartition]) -> None:
        """Those of these partitions will come again, or not to us."""
        if self._messages:
            self._messages = [
                message
                for message in self._messages
                if (message.topic(), message.partition()) not in partitions
            ]


class Asker:
    """A consumer of kafka-python without a group: it answers questions and reads nothing.

    Parameters
    ----------
    settings : mapping
    options : MemberOptions

    Raises
    ------
    ConnectorError
        If the broker cannot be reached or refuses us.
    """

    def __init__(self, settings: Mapping[str, Any], options: MemberOptions) -> None:
        self.consumer = connect(
            KafkaConsumer,
            {
                **settings,
                "group_id": None,
                "enable_auto_commit": False,
                "auto_offset_reset": "none",
                "allow_auto_create_topics": False,
                "isolation_level": options.isolation,
                "metadata_max_age_ms": round(1000 * options.metadata_s),
                "reconnect_backoff_max_ms": 2000,
                "metrics_enabled": False,
            },
            options.connect_s,
        )
        self.consumer.assign([TopicPartition(topic, 0) for topic in options.topics])
        self._cluster = self.consumer._cluster  # noqa: SLF001

    def topic_id(self, topic: str) -> str | None:
        """Id of a topic as of the last look at the cluster; None = unknown now."""
        found = self._cluster.topic_id(topic)
        return None if found is None else str(found)

    def forbidden(self) -> set[str]:
        """Topics that we may not see any more, as of the last look at the cluster."""
        return set(self._cluster.unauthorized_topics)


def theirs(partition: TopicPartition, offset: int = -1001) -> confluent_kafka.TopicPartition:
    """A partition for confluent-kafka; without an offset it says nothing of one."""
    return confluent_kafka.TopicPartition(partition.topic, partition.partition, offset)


def ours(partitions: Iterable[Any]) -> tuple[TopicPartition, ...]:
    """Partitions of confluent-kafka in their order."""
    return tuple(sorted(TopicPartition(p.topic, p.partition) for p in partitions))
