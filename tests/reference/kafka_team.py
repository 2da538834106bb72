"""Members of one group on a topic of four partitions, which are filled alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from reference.broker import Broker
from reference.kafka_rows import MemberThread, records

N_PARTITIONS = 4

Come = Callable[[], MemberThread]


@contextmanager
def team_of(make: Callable[[], Any]) -> Iterator[tuple[Come, list[MemberThread], dict[str, int]]]:
    """What lets a member come, the members, and the state that they share; none may have failed.

    Parameters
    ----------
    make : callable
        Opens the source of a member.
    """
    members: list[MemberThread] = []
    state: dict[str, int] = {}

    def come() -> MemberThread:
        members.append(MemberThread(make, state))
        return members[-1]

    yield come, members, state
    for member in members:
        if member.is_alive():
            member.leave()
    assert [member.error for member in members] == [None] * len(members)


def fill(broker: Broker, topic: str, start: int, n: int) -> None:
    """Write ``n`` rows into each partition, told by their values from ``start`` on."""
    for partition in range(N_PARTITIONS):
        broker.produce(topic, records(range(start, start + n)), partition=partition)


def rows_of(members: Iterable[MemberThread]) -> Counter[tuple[str, int]]:
    """How often each row, a partition and an offset, was read."""
    return Counter(row[:2] for member in members for row in member.rows)


def all_own(members: Sequence[MemberThread]) -> bool:
    """Whether the members hold all partitions, and each of them some."""
    return sum(len(m.own) for m in members) == N_PARTITIONS and all(m.own for m in members)
