"""From where a partition is read: the wish of a snapshot against the log as it is now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kafka import TopicPartition

from streamad.core.errors import ConfigError, DataLost, Refused
from streamad.core.protocols import DataGap

SETTLE_S = 2.0
"""For so long an end of the log before what was read already is not believed."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin where nothing was read yet.

    Attributes
    ----------
    place : {"latest", "earliest", "time"}
    time_ms : int
        Milliseconds since 1970, for ``time``.
    """

    place: str
    time_ms: int = 0

    @classmethod
    def parse(cls, text: str) -> Start:
        """From ``latest``, ``earliest`` or an ISO 8601 time with its zone.

        Raises
        ------
        ConfigError
            If it is none of them.

        Examples
        --------
        >>> Start.parse("2026-11-24T06:00:00Z").time_ms
        1795500000000
        """
        if text in {"latest", "earliest"}:
            return cls(text)
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise ConfigError(
                "start must be latest, earliest or an ISO 8601 time with its zone "
                f"(2026-11-24T06:00:00Z), got {text!r}"
            )
        return cls("time", round(1000 * found.timestamp()))


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read on, and what that means.

    Attributes
    ----------
    offset : int
    gap : DataGap or None
        What was lost in between.
    """

    offset: int
    gap: DataGap | None = None


def partition_name(partition: TopicPartition) -> str:
    """Name of a partition for everybody but Kafka.

    Examples
    --------
    >>> partition_name(TopicPartition("sensors", 3))
    'sensors/3'
    """
    return f"{partition.topic}/{partition.partition}"


def parse_partition(name: str) -> TopicPartition:
    """The partition of a name.

    Raises
    ------
    ConfigError
        If it is not the name of one.
    """
    topic, _, number = name.rpartition("/")
    if not topic or not number.isdecimal():
        raise ConfigError(f"a partition of Kafka is named TOPIC/NUMBER, got {name!r}")
    return TopicPartition(topic, int(number))


def find_places(
    consumer: Any,
    wishes: Mapping[TopicPartition, int | None],
    starts: Mapping[TopicPartition, Start],
    *,
    stop_on_gap: bool,
    timeout_s: float,
) -> dict[TopicPartition, Place]:
    """Compare wishes with the logs.

    Parameters
    ----------
    consumer : kafka.KafkaConsumer
    wishes : mapping of TopicPartition to int or None
        None = nothing was read yet.
    starts : mapping of TopicPartition to Start
        For the partitions of which nothing was read yet.
    stop_on_gap : bool
        Whether lost rows are an error.
    timeout_s : float

    Raises
    ------
    ConnectorError
        If an offset lies behind the end of the log, or rows were lost and that is an error.
    kafka.errors.KafkaError
        If the broker does not answer.
    """
    timeout_ms = round(1000 * timeout_s)
    partitions = list(wishes)
    first = consumer.beginning_offsets(partitions, timeout_ms=timeout_ms)
    end = _ends(consumer, wishes, timeout_ms)
    timed = {
        partition: starts[partition].time_ms
        for partition, wish in wishes.items()
        if wish is None and starts[partition].place == "time"
    }
    found = consumer.offsets_for_times(timed, timeout_ms=timeout_ms) if timed else {}
    places = {}
    for partition, wish in wishes.items():
        if wish is None:
            at = {"earliest": first[partition], "latest": end[partition]}
            later = found.get(partition)
            at["time"] = end[partition] if later is None else later.offset
            places[partition] = Place(at[starts[partition].place])
        else:
            places[partition] = _compare(
                partition, wish, first[partition], end[partition], stop_on_gap=stop_on_gap
            )
    return places


def _ends(
    consumer: Any, wishes: Mapping[TopicPartition, int | None], timeout_ms: int
) -> dict[TopicPartition, int]:
    """Ends of the logs; a broker that leads a partition since a moment may tell less at first."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        end: dict[TopicPartition, int] = consumer.end_offsets(list(wishes), timeout_ms=timeout_ms)
        behind = [p for p, wish in wishes.items() if wish is not None and wish > end[p]]
        if not behind or time.monotonic() > deadline:
            return end
        time.sleep(0.2)


def _compare(
    partition: TopicPartition, wish: int, first: int, end: int, *, stop_on_gap: bool
) -> Place:
    name = partition_name(partition)
    if wish > end:
        raise Refused(
            f"partition {name}: the log ends at offset {end}, but the state has read up to {wish}: "
            "the log was cut or the topic was made again; move its snapshots away and "
            "set state.on_lost: rebuild"
        )
    if wish >= first:
        return Place(wish)
    detail = (
        f"the broker has deleted the records from offset {wish} to {first} before they were read "
        "(retention)"
    )
    if stop_on_gap:
        raise DataLost(
            f"partition {name}: {detail}, and source.on_gap is stop; to go on behind the gap, set "
            "it to resume"
        )
    return Place(first, gap=DataGap(name, wish, first, detail))


def names_of(partitions: Iterable[TopicPartition]) -> tuple[str, ...]:
    """Names of partitions, in their order."""
    return tuple(partition_name(partition) for partition in partitions)
