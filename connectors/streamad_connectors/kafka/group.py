"""Membership of a consumer group, moved on by the thread that polls and by nothing else.

kafka-python joins a group inside any ``poll()``, calls listeners on its own thread while the caller
waits, and forgets an answer that comes while nobody polls (the others then rebalance again). So
here a group is joined in :meth:`Group.join` alone, one step a call, and what happened is a list of
changes in the thread of the caller. All that is used of kafka-python beyond its documented
interface is in this file: ``poll`` and ``need_rejoin`` of ``consumer._coordinator``;
``partitions_for_topic``, ``topic_id`` and ``unauthorized_topics`` of ``consumer._cluster``; the
``_conns`` of ``consumer._manager``; ``_next_partition_records`` of ``consumer._fetcher``.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import MemberState

ASSIGNORS: dict[str, Any] = {
    "cooperative": CooperativeStickyAssignor,
    "range": RangePartitionAssignor,
}
_GLANCE_S = 0.005


@dataclass(frozen=True, slots=True)
class Change:
    """What the listener was told.

    Attributes
    ----------
    kind : {"assigned", "revoked", "lost"}
    partitions : tuple of TopicPartition
    generation : int
        Of the group at that moment; negative = none.
    """

    kind: str
    partitions: tuple[TopicPartition, ...]
    generation: int


class Group:
    """A consumer's membership.

    Parameters
    ----------
    consumer : kafka.KafkaConsumer
        Not subscribed yet.
    topics : sequence of str
    eager : bool
        Whether its assignor takes all partitions away at every rebalance.

    Notes
    -----
    ``consumer.poll`` never joins: while a join is due it gives nothing, as if it had timed out.
    """

    def __init__(self, consumer: Any, topics: Sequence[str], *, eager: bool) -> None:
        self._consumer = consumer
        self._coordinator = consumer._coordinator  # noqa: SLF001
        self._cluster = consumer._cluster  # noqa: SLF001
        self._connections = consumer._manager._conns  # noqa: SLF001
        self._heard_at = time.monotonic()
        self._fetcher = consumer._fetcher  # noqa: SLF001
        self._topics = tuple(topics)
        self._pictured = False
        self.eager = eager
        self._changes: deque[Change] = deque()
        self._join = self._coordinator.poll
        self._coordinator.poll = self._poll_unless_due
        consumer.subscribe(list(topics), listener=_Listener(consumer, self._changes))

    def release_parked(self) -> None:
        """Let records of resumed partitions come that were in the client when they were paused.

        kafka-python 3.0.12 puts them aside and takes them up again only where it has no records in
        hand, which one that was read to its end does not count as. They would never come, and while
        they wait nothing more of their partition is fetched. Call before every poll.
        """
        if not self._fetcher._next_partition_records:  # noqa: SLF001
            self._fetcher._next_partition_records = None  # noqa: SLF001

    @property
    def settled(self) -> bool:
        """True while this member has its partitions and nobody wants to change that."""
        stable: bool = self._consumer.group_metadata().state == MemberState.STABLE
        return stable and not self._coordinator.need_rejoin()

    @property
    def generation(self) -> int:
        """Number of the present assignment; negative once the group has given us up."""
        number: int = self._consumer.group_metadata().generation_id
        return number

    def join(self, timeout_s: float) -> None:
        """Go one step towards a settled group; may return before it is done.

        Nothing but further calls until :attr:`settled`, or all members begin again.
        """
        if not self._pictured and not self._wait_for_picture(timeout_s):
            return
        self._join(timeout_ms=1000 * timeout_s)

    def changes(self) -> list[Change]:
        """What happened since the last call, in order."""
        found = []
        while self._changes:
            found.append(self._changes.popleft())
        return found

    def topic_id(self, topic: str) -> str | None:
        """Id of a topic as of the last look at the cluster; None = unknown now."""
        found = self._cluster.topic_id(topic)
        return None if found is None else str(found)

    @property
    def heard_at(self) -> float:
        """Monotonic seconds of the last bytes that came from a broker."""
        for connection in list(self._connections.values()):
            transport = connection.transport  # the client's thread may take it away
            if transport is not None and connection.connected:
                self._heard_at = max(self._heard_at, transport.last_read)
        return self._heard_at

    def forbidden(self) -> set[str]:
        """Topics that we may not see any more, as of the last look at the cluster."""
        found: set[str] = set(self._cluster.unauthorized_topics)
        return found

    def _wait_for_picture(self, timeout_s: float) -> bool:
        """Whether the partitions are known: who leads a group before that gives out none."""
        deadline = time.monotonic() + timeout_s
        while not all(self._cluster.partitions_for_topic(topic) for topic in self._topics):
            if time.monotonic() > deadline:
                return False
            time.sleep(_GLANCE_S)
        self._pictured = True
        return True

    def _poll_unless_due(self, timeout_ms: float | None = None) -> bool:
        if not self.settled:
            time.sleep(_GLANCE_S if timeout_ms is None else min(_GLANCE_S, timeout_ms / 1000))
            return False
        done: bool = self._join(timeout_ms=timeout_ms)
        return done


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Runs on the thread of the client: notes what happens, and parks partitions that come.

    A parked partition is paused at a made-up position, so that nothing is read before somebody
    says from where.
    """

    def __init__(self, consumer: Any, changes: deque[Change]) -> None:
        self._consumer = consumer
        self._changes = changes

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        partitions = tuple(sorted(assigned))
        for partition in partitions:
            self._consumer.pause(partition)
            self._consumer.seek(partition, 0)
        self._note("assigned", partitions)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._note("revoked", revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._note("lost", lost)

    def _note(self, kind: str, partitions: Iterable[TopicPartition]) -> None:
        found = tuple(sorted(partitions))
        if found:
            generation = self._consumer.group_metadata().generation_id
            self._changes.append(Change(kind, found, generation))
