"""Membership of a consumer group on confluent-kafka, with the face of the one on kafka-python.

:class:`ConfluentGroup` is for :class:`.member.Member` both what ``kafka.KafkaConsumer`` is and what
:class:`.group.Group` is. What has to be asked (ids of topics, ends of logs, offsets of times) a
consumer of kafka-python without a group asks, so the answers and the errors are the same.

librdkafka joins in the background and calls back inside ``consume()``. A rebalance that takes
partitions away goes on only once ``unassign`` was called; any other change of the assignment keeps
confluent-kafka from calling that by itself when the callback returns. So here a callback notes what
happens and leaves the group waiting: :meth:`ConfluentGroup.join` lets it go on, after the owner
of the partitions has saved what it has. Heartbeats go on meanwhile. Longer than other files: all
that librdkafka does in another way, on one page.
"""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message
from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors

from streamad.core.errors import ConfigError
from streamad_connectors.kafka.confluent_settings import LOG, as_kafka_error, confluent_settings
from streamad_connectors.kafka.connect import connect
from streamad_connectors.kafka.errors import translate
from streamad_connectors.kafka.group import Change

if TYPE_CHECKING:
    from streamad_connectors.kafka.member import MemberOptions

log = logging.getLogger(__name__)

_GLANCE_S = 0.05
_MOST = 10_000
"""Records from the client at once."""
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


class ConfluentGroup:
    """A member of a consumer group.

    Parameters
    ----------
    settings : mapping
        See :func:`.security.client_settings`.
    options : MemberOptions

    Raises
    ------
    ConnectorError, ConfigError
        If the broker cannot be reached or refuses us.

    Attributes
    ----------
    eager : bool
        False: no assignor takes partitions away without a callback.

    Notes
    -----
    A partition is given to librdkafka only when it was sought and resumed: before that nothing is
    fetched. Records that come while something else is waited for are kept for the next poll.
    """

    def __init__(self, settings: Mapping[str, Any], options: MemberOptions) -> None:
        self.eager = False
        self._cooperative = options.assignor == "cooperative"
        self._changes: deque[Change] = deque()
        self._joined = False
        self._closing = False
        self._leaving: tuple[TopicPartition, ...] | None = None
        self._at: dict[TopicPartition, int] = {}
        self._sought: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._kept: list[Message] = []
        self._beyond: dict[TopicPartition, int] = {}
        self._trouble: Exception | None = None
        self._refused: Exception | None = None
        self._heard_at = time.monotonic()
        self._replies: dict[frozenset[tuple[str, int, int]], KafkaError | None] = {}
        self._asker = _make_asker(settings, options)
        self._cluster = self._asker._cluster  # noqa: SLF001
        try:
            self._consumer = confluent_kafka.Consumer(
                confluent_settings(settings, options)
                | {
                    "error_cb": self._on_error,
                    "stats_cb": self._on_statistics,
                    "on_commit": self._on_commit,
                },
                logger=LOG,
            )
            self._consumer.subscribe(
                list(options.topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
        except KafkaException as error:
            self._asker.close()
            raise translate(as_kafka_error(error.args[0]), "the client confluent") from error

    # What Group is.

    @property
    def settled(self) -> bool:
        """True while this member has its partitions and none of them is to be given away."""
        return self._joined and self._leaving is None

    @property
    def generation(self) -> int:
        """Negative while it is not heard that the group gave us up; its number is not told."""
        return -1 if any(change.kind == "lost" for change in self._changes) else 0

    @property
    def heard_at(self) -> float:
        """Monotonic seconds of the last bytes that came from a broker, as of the last second."""
        return self._heard_at

    def join(self, timeout_s: float) -> None:
        """Let partitions go that were announced, and wait for those that come."""
        if self._leaving is not None:
            leaving, self._leaving = self._leaving, None
            with _translated():
                self._release(leaving)
        deadline = time.monotonic() + timeout_s
        while not self.settled and time.monotonic() < deadline:
            self._keep(1, _GLANCE_S)
            self._complain()

    def changes(self) -> list[Change]:
        """What happened since the last call, in order."""
        found = list(self._changes)
        self._changes.clear()
        return found

    def topic_id(self, topic: str) -> str | None:
        """Id of a topic as of the last look at the cluster; None = unknown now."""
        found = self._cluster.topic_id(topic)
        return None if found is None else str(found)

    def forbidden(self) -> set[str]:
        """Topics that we may not see any more, as of the last look at the cluster."""
        return set(self._cluster.unauthorized_topics)

    def release_parked(self) -> None:
        """Nothing: librdkafka fetches anew what was paused."""

    # What KafkaConsumer is.

    def beginning_offsets(self, partitions: Any, timeout_ms: float) -> Any:
        """First offsets of logs."""
        return self._asker.beginning_offsets(partitions, timeout_ms=timeout_ms)

    def end_offsets(self, partitions: Any, timeout_ms: float) -> Any:
        """Ends of logs."""
        return self._asker.end_offsets(partitions, timeout_ms=timeout_ms)

    def offsets_for_times(self, times: Any, timeout_ms: float) -> Any:
        """First offsets of times."""
        return self._asker.offsets_for_times(times, timeout_ms=timeout_ms)

    def poll(self, timeout_ms: float, max_records: int) -> dict[TopicPartition, list[Record]]:
        """Records of partitions that were sought and resumed.

        Raises
        ------
        kafka.errors.KafkaError
            If there are none, and the reason is known.
        """
        self._place()
        if not self._kept and not self._keep(max_records, 0) and self._keep(1, timeout_ms / 1000):
            self._keep(max_records - 1, 0)
        messages: dict[tuple[str, int], list[Message]] = {}
        for message in self._take(max_records):
            key = (message.topic() or "", message.partition() or 0)
            if message.error() is None:
                messages.setdefault(key, []).append(message)
            elif key in self._at:
                self._end(TopicPartition(*key), message, messages.get(key))
        found = {}
        for key, of_one in messages.items():
            if key in self._at:
                partition = TopicPartition(*key)
                found[partition] = [_record(message) for message in of_one]
                self._at[partition] = max(self._at[partition], found[partition][-1].offset + 1)
        if not found:
            self._complain()
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at this offset, at the next poll."""
        self._sought[partition] = offset
        self._drop_kept([partition])

    def pause(self, *partitions: TopicPartition) -> None:
        """Give nothing of these."""
        self._paused.update(partitions)
        self._tell(self._consumer.pause, partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Give these again."""
        self._paused.difference_update(partitions)
        self._tell(self._consumer.resume, partitions)

    def highwater(self, partition: TopicPartition) -> int | None:
        """End of the log as of the last fetch; None before the first."""
        with _translated():
            found = self._consumer.get_watermark_offsets(_theirs(partition), cached=True)
        return found[1] if found[1] >= 0 else None

    def position(self, partition: TopicPartition, timeout_ms: float) -> int | None:  # noqa: ARG002
        """Offset of the next record to come."""
        return self._sought.get(partition, self._at.get(partition))

    def committed(self, partition: TopicPartition, timeout_ms: float) -> int | None:
        """Offset that the group has committed; None = nothing yet."""
        asked = [_theirs(partition, -1001)]
        with _translated():
            (found,) = self._consumer.committed(asked, timeout_ms / 1000)
        if found.error is not None:
            raise as_kafka_error(found.error)
        return int(found.offset) if found.offset >= 0 else None

    def commit(self, offsets: Mapping[TopicPartition, Any], timeout_ms: float) -> None:
        """Commit and wait for the answer.

        Raises
        ------
        kafka.errors.KafkaError
            If it was refused, or did not come in time.
        """
        wanted = [_theirs(partition, at.offset) for partition, at in offsets.items()]
        name = frozenset((p.topic, p.partition, p.offset) for p in wanted)
        self._replies.clear()
        with _translated():
            self._consumer.commit(offsets=wanted, asynchronous=True)
        deadline = time.monotonic() + timeout_ms / 1000
        while name not in self._replies:
            if time.monotonic() > deadline:
                raise kafka_errors.KafkaTimeoutError("no answer to a commit")
            self._keep(1, _GLANCE_S)
        error = self._replies.pop(name)
        if error is not None:
            self._keep(_MOST, 0)  # what has become of us, if anything is known by now
            raise as_kafka_error(error)

    def group_metadata(self) -> Any:
        """Nothing that a producer of kafka-python can use.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            "the sink kafka_transactional needs a source with client: kafka-python, because a "
            "transaction and the membership it depends on must be of one client; got confluent"
        )

    def close(self, *, autocommit: bool, timeout_ms: float) -> None:  # noqa: ARG002
        """Leave the group and disconnect."""
        self._closing = True
        try:
            with _translated():
                if self._leaving is not None:
                    self._release(self._leaving)
                self._consumer.close()
        finally:
            self._asker.close(autocommit=False, timeout_ms=timeout_ms)

    # The callbacks; they run inside consume().

    def _on_assign(self, consumer: Any, partitions: Any) -> None:
        """Take what comes, and fetch nothing of it."""
        came = _ours(partitions)
        self._change_nothing(consumer)
        self._joined = True
        self._paused.update(came)
        self._note("assigned", came)

    def _on_revoke(self, consumer: Any, partitions: Any) -> None:
        """Fetch no more of what is to go, and keep it until :meth:`join`."""
        going = _ours(partitions)
        if self._closing or not going:
            self._release(going)
        else:
            self._leaving = going
            self._change_nothing(consumer)
        self._note("revoked", going)

    def _on_lost(self, _consumer: Any, partitions: Any) -> None:
        gone = _ours(partitions)
        self._leaving, self._joined = None, False
        self._release(gone)
        self._note("lost", gone)

    def _on_commit(self, error: KafkaError | None, partitions: Any) -> None:
        name = frozenset((p.topic, p.partition, p.offset) for p in partitions)
        self._replies[name] = error or next((p.error for p in partitions if p.error), None)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTHENTICATION:  # noqa: SLF001
            self._refused = as_kafka_error(error)
        elif error.code() in _TOLD:
            self._trouble = as_kafka_error(error)

    def _on_statistics(self, text: str) -> None:
        told = json.loads(text)
        brokers = told["brokers"].values()
        idle_us = [broker["rxidle"] for broker in brokers if broker["rxidle"] >= 0]
        if idle_us:
            self._heard_at = max(self._heard_at, (told["ts"] - min(idle_us)) / 1e6)
        if any(broker["state"] == "UP" for broker in brokers):
            self._refused = None

    # Inside.

    def _note(self, kind: str, partitions: tuple[TopicPartition, ...]) -> None:
        if partitions:
            self._changes.append(Change(kind, partitions, self.generation))

    def _change_nothing(self, consumer: Any) -> None:
        """An assignment that fetches nothing new; an eager one is given out anew as a whole."""
        if self._cooperative:
            consumer.incremental_assign([])
        else:
            consumer.assign([])
            self._forget(tuple(self._at))

    def _release(self, partitions: Collection[TopicPartition]) -> None:
        """Give partitions back; the group goes on."""
        fetched = [_theirs(partition) for partition in partitions if partition in self._at]
        self._forget(partitions)
        if self._cooperative:
            self._consumer.incremental_unassign(fetched)
        else:
            self._consumer.unassign()
            self._joined = False

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            for kept in (self._at, self._sought, self._beyond):
                kept.pop(partition, None)
        self._paused.difference_update(partitions)
        self._drop_kept(partitions)

    def _place(self) -> None:
        """Fetch partitions from where they were sought, once they are not paused."""
        ready = {p: at for p, at in self._sought.items() if p not in self._paused}
        if not ready:
            return
        with _translated():
            if self._cooperative:
                again = [_theirs(partition) for partition in ready if partition in self._at]
                if again:
                    self._consumer.incremental_unassign(again)
                self._consumer.incremental_assign([_theirs(p, at) for p, at in ready.items()])
            else:
                self._kept.clear()
                places = self._at | ready
                self._consumer.assign([_theirs(p, at) for p, at in places.items()])
                self._tell(self._consumer.pause, self._paused)
        self._at |= ready
        for partition in ready:
            del self._sought[partition]

    def _tell(self, order: Any, partitions: Iterable[TopicPartition]) -> None:
        """Pause or resume those that are fetched; the others are not given out before."""
        fetched = [_theirs(partition) for partition in partitions if partition in self._at]
        if fetched:
            with _translated():
                order(fetched)

    def _keep(self, n: int, timeout_s: float) -> bool:
        """Take up to ``n`` records from the client, and let it call back; whether some came."""
        if n < 1:
            return False
        with _translated():
            found = self._consumer.consume(min(n, _MOST), timeout_s)
        for message in found:
            error = message.error()
            if error is None or error.code() in _PLACES:
                self._kept.append(message)
            elif error.code() != KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001
                self._trouble = as_kafka_error(error)
        return bool(found)

    def _take(self, n: int) -> list[Message]:
        """The first ``n`` kept records of partitions that are not paused."""
        found: list[Message] = []
        left: list[Message] = []
        if not self._paused and len(self._kept) <= n:
            found, self._kept = self._kept, left
            return found
        for message in self._kept:
            open_ = (message.topic(), message.partition()) not in self._paused
            (found if open_ and len(found) < n else left).append(message)
        self._kept = left
        return found

    def _end(
        self, partition: TopicPartition, message: Message, before: list[Message] | None
    ) -> None:
        """The end of a log was reached, or what was sought is not in it."""
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            self._at[partition] = max(self._at[partition], message.offset() or 0)
        else:
            last = before[-1].offset() if before else None
            self._beyond[partition] = self._at[partition] if last is None else last + 1

    def _complain(self) -> None:
        if self._beyond:
            beyond, self._beyond = self._beyond, {}
            raise kafka_errors.OffsetOutOfRangeError(beyond)
        error, self._trouble = self._refused or self._trouble, None
        if error is not None:
            raise error

    def _drop_kept(self, partitions: Collection[TopicPartition]) -> None:
        if self._kept:
            gone = set(partitions)
            self._kept = [m for m in self._kept if (m.topic(), m.partition()) not in gone]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise as_kafka_error(error.args[0]) from error


def _record(message: Message) -> Record:
    return Record(
        message.offset() or 0,
        message.key(),
        message.value(),
        message.headers() or (),
        message.timestamp()[1],
    )


def _theirs(partition: TopicPartition, offset: int = -1001) -> confluent_kafka.TopicPartition:
    return confluent_kafka.TopicPartition(partition.topic, partition.partition, offset)


def _ours(partitions: Iterable[Any]) -> tuple[TopicPartition, ...]:
    return tuple(sorted(TopicPartition(p.topic, p.partition) for p in partitions))


def _make_asker(settings: Mapping[str, Any], options: MemberOptions) -> Any:
    """A consumer of kafka-python that is asked, and reads nothing."""
    asker = connect(
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
    asker.assign([TopicPartition(topic, 0) for topic in options.topics])
    return asker
