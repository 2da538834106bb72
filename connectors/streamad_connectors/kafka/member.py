"""One member of a consumer group: joined, placed, fetched, committed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata

from streamad.core.errors import ConfigError, Refused
from streamad.core.protocols import CommitResult, SourceEvent
from streamad_connectors.kafka.connect import connect
from streamad_connectors.kafka.errors import translate
from streamad_connectors.kafka.group import ASSIGNORS, Group
from streamad_connectors.kafka.ownership import Ownership
from streamad_connectors.kafka.patience import Patience
from streamad_connectors.kafka.positions import (
    Start,
    find_places,
    parse_partition,
    partition_name,
)
from streamad_connectors.kafka.topics import look_up

if TYPE_CHECKING:
    from streamad_connectors.kafka.confluent_group import ConfluentGroup

log = logging.getLogger(__name__)

_STEP_S = 1.0
"""Longest step of a join."""
_SETTLE_S = 2.0
"""How long a fetch stays with a group that is not settled, at least."""
_GLANCE_S = 0.1
"""Between two looks at the group while there is nothing to read."""


@dataclass(frozen=True, slots=True)
class MemberOptions:
    """Settings of a member; times in seconds. See :class:`.source.KafkaSource`."""

    client: str
    topics: tuple[str, ...]
    group: str
    start: str
    stop_on_gap: bool
    instance_id: str | None
    assignor: str
    isolation: str
    fetch_bytes: int
    session_s: float
    poll_interval_s: float
    metadata_s: float
    connect_s: float
    rights_s: float
    commit_s: float


class Member:
    """The client side of the Kafka source.

    Parameters
    ----------
    settings : mapping
        See :func:`.security.client_settings`.
    options : MemberOptions

    Raises
    ------
    ConnectorError, ConfigError
        If the broker cannot be reached or refuses us.
    """

    def __init__(self, settings: Mapping[str, Any], options: MemberOptions) -> None:
        self._options = options
        self._start = Start.parse(options.start)
        self.topics = look_up(settings, options.topics, options.connect_s)
        self._consumer, self._group = _open(settings, options)
        self._owned = Ownership(self._group, self._forget)
        doing = f"reading {', '.join(options.topics)} as the group {options.group!r}"
        self._patience = Patience(doing, options.connect_s, options.rights_s)
        self._wishes: dict[TopicPartition, int | None] = {}
        self._next: dict[TopicPartition, int] = {}
        self._from_first: set[TopicPartition] = set()
        self._begun: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._committed: dict[TopicPartition, int] = {}
        self._committed_at = time.monotonic()
        self._joined = False

    @property
    def n_failures(self) -> int:
        """Calls of the client that failed and were waited out."""
        return self._patience.n_failures

    @property
    def settled(self) -> bool:
        """True while the group has given us our partitions, be it none."""
        return self._joined and self._group.settled

    @property
    def silent_s(self) -> float:
        """Seconds since a broker said something, the answer to a heartbeat included."""
        return time.monotonic() - self._group.heard_at

    def events(self) -> list[SourceEvent]:
        """Events since the last call; the first call joins the group."""
        if not self._joined:
            self._settle(time.monotonic() + self._options.connect_s)
        return self._owned.take_events()

    def committed(self, name: str) -> int | None:
        """Offset that the group has committed; None = nothing.

        No answer is not nothing: who took it for that would skip what was read and is lost.
        """
        partition = parse_partition(name)
        wait_ms = round(1000 * self._options.commit_s)
        offset: int | None = self._patience.insist(
            lambda: self._consumer.committed(partition, timeout_ms=wait_ms),
            self._options.connect_s,
        )
        return offset

    def seek(self, name: str, offset: int | None, *, first: bool = False) -> None:
        """Wish to read on at an offset; None = where ``start`` says, or at the first record."""
        partition = parse_partition(name)
        if partition.topic not in self.topics or (offset is not None and offset < 0):
            raise ConfigError(
                f"offsets from 0 of partitions of {', '.join(self.topics)} can be sought, got "
                f"{offset} of {name!r}"
            )
        if partition in self._owned.held:
            self._wishes[partition] = offset
            (self._from_first.add if first else self._from_first.discard)(partition)

    def begun(self) -> dict[str, int]:
        """Where partitions without a snapshot begin, once."""
        found, self._begun = self._begun, {}
        return {partition_name(partition): offset for partition, offset in found.items()}

    def fetch(self, deadline: float, max_records: int) -> Mapping[str, Sequence[Any]]:
        """Records by partition; none while there are events or beginnings to hear first.

        Raises
        ------
        ConnectorError, ConfigError
            If reading cannot go on.
        """
        if self._owned.events:
            return {}
        self._refuse_new_topics()
        if forbidden := self._group.forbidden():
            # The client says nothing and reads nothing then.
            self._patience.bear(kafka_errors.TopicAuthorizationFailedError(forbidden))
            return {}
        if not self._settle(max(deadline, time.monotonic() + _SETTLE_S)) or not self._place():
            return {}
        self._prove_membership()
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            found = self._fetch_once(min(left_s, _GLANCE_S), max_records)
            if found or left_s == 0 or self._owned.events or not self._group.settled:
                break
        return {
            partition_name(partition): records
            for partition, records in found.items()
            if partition in self._next
        }

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Commit what is ours, or was until the next join; see :meth:`.Source.commit`."""
        wanted = {parse_partition(name): offset for name, offset in offsets.items()}
        ours = self._owned.held | self._owned.leaving
        mine = {partition: offset for partition, offset in wanted.items() if partition in ours}
        if not mine:
            return CommitResult.LOST if wanted else CommitResult.OK
        result = self._commit(mine)
        if result is not CommitResult.OK:
            return result
        self._committed |= {p: n for p, n in mine.items() if p in self._owned.held}
        return CommitResult.OK if len(mine) == len(wanted) else CommitResult.LOST

    def pause(self, names: Iterable[str]) -> None:
        """Fetch nothing of these, now and if they come again."""
        partitions = {parse_partition(name) for name in names}
        self._paused |= partitions
        self._consumer.pause(*partitions.intersection(self._next))

    def resume(self, names: Iterable[str]) -> None:
        """Fetch these again."""
        partitions = {parse_partition(name) for name in names}
        self._paused -= partitions
        self._consumer.resume(*partitions.intersection(self._next))

    def lag(self) -> dict[str, int | None]:
        """Offsets between us and the end as of the last fetch, by partition."""
        return {partition_name(partition): self._lag(partition) for partition in self._owned.held}

    def group_metadata(self) -> Any:
        """Membership as a transactional producer of kafka-python needs it."""
        return self._consumer.group_metadata()

    def close(self) -> None:
        """Leave the group and close the connections."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=round(1000 * self._options.commit_s))
        except kafka_errors.KafkaError as error:
            log.warning("%s", translate(error, "leaving the group"))

    def _settle(self, deadline: float) -> bool:
        """Join until this member has its partitions; False if there is something to hear first."""
        while not self._group.settled:
            if self._owned.announce():
                return False
            self._patience.attempt(lambda: self._group.join(_STEP_S))
            self._owned.follow()
            if self._owned.events or time.monotonic() > deadline:
                return False
        self._joined = True
        self._patience.succeeded()
        return True

    def _place(self) -> bool:
        """Go where it was wished; False if there is something to hear, or no answer yet."""
        if not self._wishes:
            return True
        wishes = dict(self._wishes)
        starts = {partition: self._start_of(partition) for partition in wishes}
        places = self._patience.attempt(
            lambda: find_places(
                self._consumer,
                wishes,
                starts,
                stop_on_gap=self._options.stop_on_gap,
                timeout_s=self._options.commit_s,
            )
        )
        for partition, place in (places or {}).items():
            del self._wishes[partition]
            self._consumer.seek(partition, place.offset)
            self._next[partition] = place.offset
            if partition not in self._paused:
                self._consumer.resume(partition)
            if place.gap is not None:
                log.warning("partition %s: %s", place.gap.partition, place.gap.detail)
                self._owned.events.append(place.gap)
            if wishes[partition] is None:
                self._begun[partition] = place.offset
        return places is not None and not self._begun and not self._owned.events

    def _start_of(self, partition: TopicPartition) -> Start:
        """Partitions that were added since we began are read from their first record on."""
        added = partition.partition >= self.topics[partition.topic].n_partitions
        return Start("earliest") if added or partition in self._from_first else self._start

    def _fetch_once(
        self, timeout_s: float, max_records: int
    ) -> Mapping[TopicPartition, Sequence[Any]]:
        self._group.release_parked()
        try:
            found: Mapping[TopicPartition, Sequence[Any]] = self._consumer.poll(
                timeout_ms=1000 * timeout_s, max_records=max_records
            )
        except kafka_errors.OffsetOutOfRangeError as error:
            self._wishes |= {
                partition: offset
                for partition, offset in error.args[0].items()
                if partition in self._next
            }
            self._place()
            found = {}
        except kafka_errors.KafkaError as error:
            self._patience.bear(error)
            found = {}
        self._owned.follow()
        for partition, records in found.items():
            if partition in self._next:
                self._next[partition] = records[-1].offset + 1
        return found

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> CommitResult:
        self._committed_at = time.monotonic()
        try:
            self._consumer.commit(
                {partition: OffsetAndMetadata(offset) for partition, offset in offsets.items()},
                timeout_ms=round(1000 * self._options.commit_s),
            )
        except (kafka_errors.CommitFailedError, kafka_errors.RebalanceInProgressError):
            return CommitResult.LOST if self._group.generation < 0 else CommitResult.REBALANCING
        except kafka_errors.KafkaError as error:
            self._patience.bear(error)
            return CommitResult.REBALANCING
        return CommitResult.OK

    def _prove_membership(self) -> None:
        """Commit again what was committed: only so a static member hears that it has a double."""
        quiet_s = time.monotonic() - self._committed_at
        if self._options.instance_id and self._committed and quiet_s > self._options.session_s:
            self._commit(dict(self._committed))

    def _refuse_new_topics(self) -> None:
        for topic in self.topics.values():
            now = self._group.topic_id(topic.name)
            if topic.id and now is not None and now != topic.id:
                raise Refused(
                    f"the topic {topic.name!r} was deleted and made again while it was read (its "
                    f"id is {now}, it was {topic.id}): its offsets mean other records now; "
                    "move the snapshots away and set state.on_lost: rebuild"
                )

    def _lag(self, partition: TopicPartition) -> int | None:
        if partition not in self._next:
            return None
        try:
            end = self._consumer.highwater(partition)
            at = self._consumer.position(partition, timeout_ms=0)
        except kafka_errors.KafkaError:
            return None
        return None if end is None or at is None else max(0, end - at)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            self._wishes.pop(partition, None)
            for kept in (self._next, self._begun, self._committed):
                kept.pop(partition, None)


def _open(
    settings: Mapping[str, Any], options: MemberOptions
) -> tuple[Any, Group | ConfluentGroup]:
    """The consumer of the client that was chosen, and its membership."""
    if options.client == "confluent":
        from streamad_connectors.kafka.confluent_group import ConfluentGroup

        both = ConfluentGroup(settings, options)
        return both, both
    consumer = _make_consumer(settings, options)
    return consumer, Group(consumer, options.topics, eager=options.assignor == "range")


def _make_consumer(settings: Mapping[str, Any], options: MemberOptions) -> Any:
    try:
        import crc32c  # noqa: F401
    except ImportError:
        log.warning(
            "the package crc32c is missing: reading takes three times the work; "
            "pip install 'streamad-engine[kafka]'"
        )
    return connect(
        KafkaConsumer,
        {
            **settings,
            "group_id": options.group,
            "group_instance_id": options.instance_id,
            "partition_assignment_strategy": [ASSIGNORS[options.assignor]],
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "allow_auto_create_topics": False,
            "isolation_level": options.isolation,
            "max_partition_fetch_bytes": options.fetch_bytes,
            "session_timeout_ms": round(1000 * options.session_s),
            "heartbeat_interval_ms": round(1000 * min(1.0, options.session_s / 6)),
            "max_poll_interval_ms": round(1000 * options.poll_interval_s),
            "metadata_max_age_ms": round(1000 * options.metadata_s),
            "reconnect_backoff_max_ms": 2000,
            "metrics_enabled": False,
        },
        options.connect_s,
    )
