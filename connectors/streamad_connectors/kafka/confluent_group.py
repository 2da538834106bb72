"""Membership of a consumer group on confluent-kafka, with the face of the one on kafka-python.

:class:`ConfluentGroup` is for :class:`.member.Member` both what ``kafka.KafkaConsumer`` is and what
:class:`.group.Group` is. What has to be asked (ids of topics, ends of logs, offsets of times) a
consumer of kafka-python without a group asks, so the answers and the errors are the same.

librdkafka joins in the background and calls back inside ``consume()``. A rebalance that takes
partitions away goes on only once ``unassign`` was called; any other change of the assignment keeps
confluent-kafka from calling that by itself when the callback returns. So here a callback notes what
happens and leaves the group waiting: :meth:`ConfluentGroup.join` lets it go on, after the owner
of the partitions has saved what it has. Heartbeats go on meanwhile.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message
from kafka import TopicPartition
from kafka import errors as kafka_errors

from streamad.core.errors import ConfigError
from streamad_connectors.kafka.confluent_client import (
    Asker,
    Kept,
    Record,
    Troubles,
    ours,
    theirs,
)
from streamad_connectors.kafka.confluent_settings import (
    LOG,
    as_kafka_error,
    confluent_settings,
    translated,
)
from streamad_connectors.kafka.errors import translate
from streamad_connectors.kafka.group import Change

if TYPE_CHECKING:
    from streamad_connectors.kafka.member import MemberOptions

_GLANCE_S = 0.05
_MOST = 10_000
"""Records from the client at once."""


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
        self._troubles = Troubles()
        self._kept = Kept(self._troubles)
        self._replies: dict[frozenset[tuple[str, int, int]], KafkaError | None] = {}
        self._asker = Asker(settings, options)
        try:
            self._consumer = confluent_kafka.Consumer(
                confluent_settings(settings, options)
                | {
                    "error_cb": self._troubles.on_error,
                    "stats_cb": self._troubles.on_statistics,
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
            self._asker.consumer.close()
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
        return self._troubles.heard_at

    def join(self, timeout_s: float) -> None:
        """Let partitions go that were announced, and wait for those that come.

        Changes that nobody has taken yet come first.
        """
        if self._changes:
            return
        if self._leaving is not None:
            leaving, self._leaving = self._leaving, None
            with translated():
                self._release(leaving)
        deadline = time.monotonic() + timeout_s
        while not self.settled and time.monotonic() < deadline:
            self._keep(1, _GLANCE_S)
            self._troubles.complain()

    def changes(self) -> list[Change]:
        """What happened since the last call, in order."""
        found = list(self._changes)
        self._changes.clear()
        return found

    def topic_id(self, topic: str) -> str | None:
        """Id of a topic as of the last look at the cluster; None = unknown now."""
        return self._asker.topic_id(topic)

    def forbidden(self) -> set[str]:
        """Topics that we may not see any more, as of the last look at the cluster."""
        return self._asker.forbidden()

    def release_parked(self) -> None:
        """Nothing: librdkafka fetches anew what was paused."""

    # What KafkaConsumer is.

    def beginning_offsets(self, partitions: Any, timeout_ms: float) -> Any:
        """First offsets of logs."""
        return self._asker.consumer.beginning_offsets(partitions, timeout_ms=timeout_ms)

    def end_offsets(self, partitions: Any, timeout_ms: float) -> Any:
        """Ends of logs."""
        return self._asker.consumer.end_offsets(partitions, timeout_ms=timeout_ms)

    def offsets_for_times(self, times: Any, timeout_ms: float) -> Any:
        """First offsets of times."""
        return self._asker.consumer.offsets_for_times(times, timeout_ms=timeout_ms)

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
        for message in self._kept.take(max_records, self._paused):
            key = (message.topic() or "", message.partition() or 0)
            if message.error() is None:
                messages.setdefault(key, []).append(message)
            elif key in self._at:
                self._end(TopicPartition(*key), message, messages.get(key))
        found = {}
        for key, of_one in messages.items():
            if key in self._at:
                partition = TopicPartition(*key)
                found[partition] = [Record.of(message) for message in of_one]
                self._at[partition] = max(self._at[partition], found[partition][-1].offset + 1)
        if not found:
            self._troubles.complain()
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on at this offset, at the next poll."""
        self._sought[partition] = offset

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
        with translated():
            found = self._consumer.get_watermark_offsets(theirs(partition), cached=True)
        return found[1] if found[1] >= 0 else None

    def position(self, partition: TopicPartition, timeout_ms: float) -> int | None:  # noqa: ARG002
        """Offset of the next record to come."""
        return self._sought.get(partition, self._at.get(partition))

    def committed(self, partition: TopicPartition, timeout_ms: float) -> int | None:
        """Offset that the group has committed; None = nothing yet."""
        self._keep(1, 0)  # the client calls back in there only, as to renew a token
        with translated():
            (found,) = self._consumer.committed([theirs(partition)], timeout_ms / 1000)
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
        wanted = [theirs(partition, at.offset) for partition, at in offsets.items()]
        name = frozenset((p.topic, p.partition, p.offset) for p in wanted)
        self._replies.clear()
        with translated():
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
            with translated():
                if self._leaving is not None:
                    self._release(self._leaving)
                self._consumer.close()
        finally:
            self._asker.consumer.close(autocommit=False, timeout_ms=timeout_ms)

    # The callbacks; they run inside consume().

    def _on_assign(self, consumer: Any, partitions: Any) -> None:
        """Take what comes, and fetch nothing of it."""
        came = ours(partitions)
        self._change_nothing(consumer)
        self._joined = True
        self._paused.update(came)
        self._note("assigned", came)

    def _on_revoke(self, consumer: Any, partitions: Any) -> None:
        """Fetch no more of what is to go, and keep it until :meth:`join`."""
        going = ours(partitions)
        if self._closing or not going:
            self._release(going)
        else:
            self._leaving = going
            self._change_nothing(consumer)
        self._note("revoked", going)

    def _on_lost(self, _consumer: Any, partitions: Any) -> None:
        gone = ours(partitions)
        self._leaving, self._joined = None, False
        self._release(gone)
        self._note("lost", gone)

    def _on_commit(self, error: KafkaError | None, partitions: Any) -> None:
        name = frozenset((p.topic, p.partition, p.offset) for p in partitions)
        self._replies[name] = error or next((p.error for p in partitions if p.error), None)

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
        fetched = [theirs(partition) for partition in partitions if partition in self._at]
        self._forget(partitions)
        if self._cooperative:
            self._consumer.incremental_unassign(fetched)
        else:
            self._consumer.unassign()
            self._joined = False

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            for kept in (self._at, self._sought, self._troubles.beyond):
                kept.pop(partition, None)
        self._paused.difference_update(partitions)
        self._kept.drop(partitions)

    def _place(self) -> None:
        """Fetch partitions from where they were sought, once they are not paused."""
        ready = {p: at for p, at in self._sought.items() if p not in self._paused}
        if not ready:
            return
        with translated():
            if self._cooperative:
                again = [theirs(partition) for partition in ready if partition in self._at]
                if again:
                    self._keep(_MOST, 0)  # a rebalance that waits would take this for an answer
                    if self._changes:
                        return
                    self._consumer.incremental_unassign(again)
                self._consumer.incremental_assign([theirs(p, at) for p, at in ready.items()])
            else:
                self._kept.drop(self._at)
                places = self._at | ready
                self._consumer.assign([theirs(p, at) for p, at in places.items()])
                self._tell(self._consumer.pause, self._paused)
        self._at |= ready
        self._kept.drop(ready)
        for partition in ready:
            del self._sought[partition]
            self._troubles.beyond.pop(partition, None)

    def _tell(self, order: Any, partitions: Iterable[TopicPartition]) -> None:
        """Pause or resume those that are fetched; the others are not given out before."""
        fetched = [theirs(partition) for partition in partitions if partition in self._at]
        if fetched:
            with translated():
                order(fetched)

    def _keep(self, n: int, timeout_s: float) -> bool:
        """Take up to ``n`` records from the client, and let it call back; whether some came."""
        if n < 1:
            return False
        with translated():
            found = self._consumer.consume(min(n, _MOST), timeout_s)
        self._kept.add(found)
        return bool(found)

    def _end(
        self, partition: TopicPartition, message: Message, before: list[Message] | None
    ) -> None:
        """The end of a log was reached, or what was sought is not in it."""
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
            self._at[partition] = max(self._at[partition], message.offset() or 0)
        else:
            last = before[-1].offset() if before else None
            self._troubles.beyond[partition] = self._at[partition] if last is None else last + 1
