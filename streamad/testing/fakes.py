"""Source, sink and clock without files, brokers or waiting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from streamad.core.data import Alert, Batch, Reject, Schema, ScoreRows
from streamad.core.protocols import Assigned, CommitResult, Lost, Revoked, SourceEvent


class FakeClock:
    """A clock that stands still until it is told to go on.

    Parameters
    ----------
    now_s : float

    Examples
    --------
    >>> clock = FakeClock()
    >>> clock.advance(2.5)
    >>> clock()
    2.5
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        """Seconds now."""
        return self.now_s

    def advance(self, seconds: float) -> None:
        """Let this much time pass."""
        self.now_s += seconds


class ListSource:
    """A source over batches held in memory.

    Parameters
    ----------
    batches : sequence of Batch
        All of one schema, in the order of their partitions, with consecutive offsets from 0.

    Attributes
    ----------
    committed : dict of str to int
        The latest offset committed per partition.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = tuple(batches)
        self.committed: dict[str, int] = {}
        self._schema = batches[0].schema if batches else Schema([])
        self._next = {batch.partition: 0 for batch in batches}
        self._end = {batch.partition: batch.next_offset for batch in batches}
        self._paused: set[str] = set()
        self._announced = False

    @property
    def schema(self) -> Schema:
        """Channels and series of every batch."""
        return self._schema

    @property
    def identity(self) -> Mapping[str, Any]:
        """Nothing has to stay."""
        return {}

    @property
    def total_rows(self) -> int | None:
        """Rows in all."""
        return sum(self._end.values())

    def events(self) -> Sequence[SourceEvent]:
        """All partitions, at the first call."""
        if self._announced:
            return []
        self._announced = True
        return [Assigned(tuple(self._next))]

    def poll(self, timeout_s: float, max_rows: int) -> Sequence[Batch]:  # noqa: ARG002
        """The next rows of every partition; it never waits."""
        found = []
        for partition in self._next:
            batch = None if partition in self._paused else self._cut(partition, max_rows)
            if batch is not None:
                self._next[partition] = batch.next_offset
                found.append(batch)
        return found

    def rejects(self) -> Sequence[Reject]:
        """Nothing is refused."""
        return []

    def seek(self, partition: str, offset: int) -> None:
        """Go on at this offset."""
        self._next[partition] = offset

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Remember the offsets in ``committed``."""
        self.committed.update(offsets)
        return CommitResult.OK

    def pause(self, partitions: Iterable[str]) -> None:
        """Keep these partitions silent."""
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[str]) -> None:
        """Let these partitions speak again."""
        self._paused.difference_update(partitions)

    def lag(self) -> Mapping[str, int | None]:
        """Rows not yet polled."""
        return {name: self._end[name] - position for name, position in self._next.items()}

    def exhausted(self) -> bool:
        """True when all rows were polled."""
        return all(lag == 0 for lag in self.lag().values())

    def close(self) -> None:
        """Nothing to release."""

    def _cut(self, partition: str, max_rows: int) -> Batch | None:
        """The next rows within the batch that holds them, as a batch of their own."""
        start = self._next[partition]
        for batch in self.batches:
            first = batch.next_offset - len(batch)
            if batch.partition == partition and first <= start < batch.next_offset:
                rows = slice(start - first, min(start - first + max_rows, len(batch)))
                return Batch(
                    batch.schema,
                    batch.codes[rows],
                    batch.times[rows],
                    batch.values[rows],
                    partition,
                    first + rows.stop,
                )
        return None


class LiveSource(ListSource):
    """Batches in memory without an end: partitions come and go as the test says.

    Parameters
    ----------
    batches : sequence of Batch
        As for :class:`ListSource`.
    assigned : sequence of str, optional
        Partitions of the first assignment; None = all.
    script : mapping of int to sequence, optional
        By number of a poll, from 1: source events that are told after it, and exceptions that it
        raises.

    Attributes
    ----------
    answers : list of CommitResult
        Of the next commits; OK when it is empty.
    polls : int
        How many there were.
    calls : list of tuple
        ``("seek", partition, offset)``, ``("commit", offsets)`` and ``("close",)``, in order.
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        assigned: Sequence[str] | None = None,
        script: Mapping[int, Sequence[SourceEvent | Exception]] | None = None,
    ) -> None:
        super().__init__(batches)
        self.answers: list[CommitResult] = []
        self.polls = 0
        self.calls: list[tuple[Any, ...]] = []
        self._script = dict(script or {})
        first = tuple(self._next) if assigned is None else tuple(assigned)
        self._told: list[SourceEvent] = [Assigned(first)]
        self._owned: set[str] = set()

    @property
    def total_rows(self) -> int | None:
        """Unknown: it never ends."""
        return None

    def events(self) -> Sequence[SourceEvent]:
        """What the script told since the last call."""
        told, self._told = self._told, []
        for event in told:
            if isinstance(event, Assigned):
                self._owned |= set(event.partitions)
            elif isinstance(event, Revoked | Lost):
                self._owned -= set(event.partitions)
        return told

    def poll(self, timeout_s: float, max_rows: int) -> Sequence[Batch]:
        """The next rows of the partitions that are owned; it never waits."""
        self.polls += 1
        for step in self._script.get(self.polls, ()):
            if isinstance(step, Exception):
                raise step
            self._told.append(step)
        return [b for b in super().poll(timeout_s, max_rows) if b.partition in self._owned]

    def seek(self, partition: str, offset: int) -> None:
        """Go on at this offset."""
        self.calls.append(("seek", partition, offset))
        super().seek(partition, offset)

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """The next of ``answers``; offsets are remembered where it is OK."""
        self.calls.append(("commit", dict(offsets)))
        answer = self.answers.pop(0) if self.answers else CommitResult.OK
        return super().commit(offsets) if answer is CommitResult.OK else answer

    def lag(self) -> Mapping[str, int | None]:
        """Rows not yet polled, of the partitions that are owned."""
        return {name: lag for name, lag in super().lag().items() if name in self._owned}

    def exhausted(self) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Note it."""
        self.calls.append(("close",))


class ListSink:
    """A sink that collects; opened at a position it forgets what came after it.

    Attributes
    ----------
    scores : dict of str to list of ScoreRows
        Per partition.
    alerts : dict of str to list of Alert
        Per partition.
    finished : set of str
        Partitions that have ended.
    """

    def __init__(self) -> None:
        self.scores: dict[str, list[ScoreRows]] = {}
        self.alerts: dict[str, list[Alert]] = {}
        self.finished: set[str] = set()
        self._flushed: dict[str, Mapping[str, Any]] = {}

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Keep what the position covers."""
        kept = self._flushed[partition] = position or {"scores": 0, "alerts": 0}
        self.scores[partition] = self.scores.get(partition, [])[: kept["scores"]]
        self.alerts[partition] = self.alerts.get(partition, [])[: kept["alerts"]]

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:
        """Collect."""
        self.scores[partition].extend(scores)
        self.alerts[partition].extend(alerts)

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:  # noqa: ARG002
        """How much was collected."""
        self._flushed[partition] = {
            "scores": len(self.scores[partition]),
            "alerts": len(self.alerts[partition]),
        }
        return self._flushed[partition]

    def drop(self, partition: str) -> None:
        """Keep what was flushed."""
        if partition in self._flushed:
            self.open(partition, self._flushed[partition])

    def finish(self, partition: str) -> None:
        """Remember that the partition has ended."""
        self.finished.add(partition)

    def close(self) -> None:
        """Nothing to release."""
