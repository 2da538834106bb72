"""Contracts between the rooms. Verbs mean one thing: score is pure; learn, step, push mutate.

Longer than other files: whoever writes a stage or a connector reads all contracts on one page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import (
    NO_MEMBERS,
    Alert,
    Arrays,
    Batch,
    Checkpoint,
    Codes,
    Floats,
    Ints,
    Judged,
    Members,
    Reject,
    Rows,
    Schema,
    ScoreRows,
    Scores,
    Segment,
    Windows,
    WindowSpec,
)


@dataclass(frozen=True, slots=True)
class Released:
    """Rows that have their final score.

    Attributes
    ----------
    slots : int32 (n,)
    times : int64 (n,)
    payload : float64 (n, K)
    details : float32 (n, E)
        As they came: what alerts tell of a row beside its values.
    final : float64 (n,)
    strongest_payload, strongest_details : float64 (n, K), float32 (n, E)
        Payload and details of the row with the largest first number of payload, among a row and
        those that came up to its release; those of the row itself where that was not asked for.
    """

    slots: Codes
    times: Ints
    payload: Floats
    details: NDArray[np.float32]
    final: Floats
    strongest_payload: Floats
    strongest_details: NDArray[np.float32]


@runtime_checkable
class Ordering(Protocol):
    """Batches in, rows in processing order out: slots, lateness, gaps, limits.

    One instance serves one partition.
    """

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for rows with these channels."""
        ...

    def push(self, batch: Batch) -> Iterator[Segment]:
        """Rows that are ready, in order; the cut of the batches never shows in the rows."""
        ...

    def finish(self) -> Iterator[Segment]:
        """The stream has ended: release what was held back."""
        ...

    def names(self, slots: Codes) -> list[str]:
        """Series names of live slots."""
        ...

    def live(self) -> Codes:
        """Slots in use, ascending."""
        ...

    @property
    def watermark_ns(self) -> int | None:
        """Event time up to which rows were released; None before the first."""
        ...

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


@runtime_checkable
class Windowing(Protocol):
    """Rows in, windows out, for one :class:`WindowSpec`."""

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for rows with these channels."""
        ...

    def admit(self, slots: Codes) -> None:
        """Start these series with empty rings."""
        ...

    def push(self, rows: Rows) -> Iterator[tuple[Ints, Windows]]:
        """Push the rows and yield chunks of windows with the positions of their last rows.

        The arrays of a chunk are valid until the next one is asked for.
        """
        ...

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


@runtime_checkable
class Pending(Protocol):
    """Judged rows that wait for their final score."""

    def open(self, n_columns: int, n_details: int, *, strongest: bool = False) -> None:
        """Allocate for rows with so many columns of payload and of details.

        ``strongest`` asks for the strongest row beside each one that is released.
        """
        ...

    def admit(self, slots: Codes) -> None:
        """Start these series with nothing waiting."""
        ...

    def step(
        self,
        slots: Codes,
        times: Ints,
        payload: Floats,
        details: NDArray[np.float32],
        final: Floats,
        lag: Codes,
    ) -> Released:
        """Add one row per window end; give back those whose final score has come, in order.

        ``lag[i]`` says which earlier row of the same slot ``final[i]`` belongs to (0 = this one);
        negative = none yet. A row left behind by a later final is given back with NaN before it.
        """
        ...

    def close(self, slots: Codes, owed: Codes, finals: Floats) -> Released:
        """Give back everything that waits in ``slots`` (distinct), slot by slot, oldest first.

        ``owed`` (slots, repeated) and ``finals`` are what ``Detector.close`` returned: oldest first
        and aligned with the newest waiting rows of their slot; a row without one gets NaN.
        """
        ...

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Windows in, scores out; one series never influences another.

    Life: ``open`` once, ``admit`` for every new series, then ``step`` (or ``score`` then
    ``learn``) for ever. Order and cutting of the calls never change a score.

    A detector that fuses members may say more, so that alerts can name them (see
    :func:`members_of`): ``part_names``, the columns of ``Scores.parts``; ``reasons``, a clause by
    name; ``part_weights``. They are read after ``open`` and may depend on the channels.
    """

    @property
    def window(self) -> WindowSpec:
        """The windows this detector wants."""
        ...

    @property
    def lag(self) -> int:
        """Largest lag of the final score, in window ends."""
        ...

    @property
    def explains(self) -> bool:
        """True if scores of several channels come with shares."""
        ...

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for windows with these channels."""
        ...

    def admit(self, codes: Codes, names: Sequence[str]) -> None:
        """Start these series with fresh state (seeded by name where there is chance)."""
        ...

    def score(self, windows: Windows) -> Scores:
        """Causal scores against the present state; pure."""
        ...

    def learn(self, windows: Windows, scores: Scores) -> None:
        """Take windows and their scores into the state."""
        ...

    def step(self, windows: Windows) -> Scores:
        """Score then learn, window by window: causal and final scores."""
        ...

    def close(self, codes: Codes) -> tuple[Codes, Floats]:
        """Final scores still owed to these series, oldest first: (codes repeated, finals)."""
        ...

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


def members_of(detector: Detector) -> Members:
    """The members that an opened detector names; none where it has no such attributes."""
    return Members(
        tuple(getattr(detector, "part_names", ())),
        dict(getattr(detector, "reasons", {})),
        tuple(getattr(detector, "part_weights", ())),
    )


@runtime_checkable
class Threshold(Protocol):
    """Scores in, alarm lines out, row by row."""

    def admit(self, slots: Codes) -> None:
        """Start these series with fresh state."""
        ...

    def step(self, slots: Codes, scores: Floats) -> Floats:
        """Alarm line valid for each row, then learn the row; NaN while there is none."""
        ...

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


@runtime_checkable
class Episodes(Protocol):
    """Judged rows in, alert events out."""

    def open(self, channels: Sequence[str], members: Members = NO_MEMBERS) -> None:
        """Allocate for rows with these channels, scored by these members."""
        ...

    def admit(self, slots: Codes, names: Sequence[str]) -> None:
        """Start these series idle."""
        ...

    def step(self, rows: Judged) -> list[Alert]:
        """Events caused by these rows, in row order."""
        ...

    def close(self, slots: Codes, reason: str) -> list[Alert]:
        """Resolve what is open in these slots, in slot order."""
        ...

    def open_count(self) -> int:
        """Episodes open now."""
        ...

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        ...

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        ...


class CommitResult(Enum):
    """Answer of ``Source.commit``; rebalances are values, not exceptions."""

    OK = "ok"
    REBALANCING = "rebalancing"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Assigned:
    """Partitions that this process now owns; seek before polling."""

    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """Partitions to give back: checkpoint them, then forget."""

    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Partitions already owned by somebody else: drop, emit nothing."""

    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DataGap:
    """Rows between two offsets were lost to retention; the source already stands behind them."""

    partition: str
    from_offset: int
    to_offset: int
    detail: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What comes next was decided by what lay there just now, and stands in the identity.

    A checkpoint before the first row of it makes the same rows come after a crash.
    """

    partitions: tuple[str, ...]


SourceEvent = Assigned | Revoked | Lost | DataGap | Settled


@runtime_checkable
class Source(Protocol):
    """Rows of partitions, in a reproducible order.

    A source without an end may say more, by name: ``begin(partition)`` starts one that has no
    snapshot, in place of ``seek`` to 0; ``recall(identity)``, before ``seek``, takes on the
    identity of the snapshot, where it grows with what is read.
    """

    @property
    def schema(self) -> Schema:
        """Channels of every batch, and the series of those that come next."""
        ...

    def events(self) -> Sequence[SourceEvent]:
        """Assignment changes since the last call, in the engine's thread."""
        ...

    def poll(self, timeout_s: float, max_rows: int) -> Sequence[Batch]:
        """At most ``max_rows`` rows a partition; empty when nothing came in time."""
        ...

    def rejects(self) -> Sequence[Reject]:
        """Rows refused since the last call."""
        ...

    def seek(self, partition: str, offset: int) -> None:
        """Go on reading a partition at this offset."""
        ...

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Tell the origin how far the state has come; a hint, best effort."""
        ...

    def pause(self, partitions: Iterable[str]) -> None:
        """Stop polling these partitions."""
        ...

    def resume(self, partitions: Iterable[str]) -> None:
        """Poll these partitions again."""
        ...

    def lag(self) -> Mapping[str, int | None]:
        """Rows not yet polled, per partition; None = unknown."""
        ...

    @property
    def identity(self) -> Mapping[str, Any]:
        """What must be the same when reading goes on after a restart; JSON types, {} = nothing."""
        ...

    @property
    def total_rows(self) -> int | None:
        """Rows in all, where the origin knows; for progress only."""
        ...

    def exhausted(self) -> bool:
        """True when no further row can come (finished files); False for endless streams."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Takes what a pipeline found.

    Some have more, which the engine looks for by name. ``settle(partition, position)`` is called
    after old snapshots were deleted: nobody goes back behind this position any more.

    A sink whose output becomes visible together with the offsets of the source, one at most, has
    three methods. ``bind(source)`` is called once, before the first ``open``. ``commit(offsets)``
    stands in for that of the source, when the snapshots with these next offsets are written:
    everything that was flushed and the offsets become visible together, or neither, and what did
    not is kept for the next commit. ``committed(partitions)`` is asked before ``open``: the offsets
    up to which output is visible, None where nothing is; a newer snapshot is passed over.
    """

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin or go on with a partition at the position of its checkpoint (None = fresh)."""
        ...

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:
        """Take rows and alerts; may buffer, may raise Backpressure."""
        ...

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:
        """Return once everything is delivered, with the position to put into the checkpoint."""
        ...

    def drop(self, partition: str) -> None:
        """Forget what was written since the last flush of a partition that is somebody else's now.

        Nothing is sent. A partition that was never opened is no error; one that comes back is
        opened again.
        """
        ...

    def finish(self, partition: str) -> None:
        """The partition has ended: make the output complete."""
        ...

    def close(self) -> None:
        """Release files and connections; what was not flushed may be lost."""
        ...


@runtime_checkable
class DeadLetter(Protocol):
    """Takes rows that were not processed."""

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin or go on with a partition at the position of its checkpoint (None = fresh)."""
        ...

    def write(self, partition: str, rejects: Sequence[Reject]) -> None:
        """Take rejected rows; may buffer, may raise Backpressure before it took any."""
        ...

    def flush(self, partition: str) -> Mapping[str, Any]:
        """Return once everything is kept, with the position to put into the checkpoint."""
        ...

    def drop(self, partition: str) -> None:
        """Forget what was written since the last flush of a partition that is somebody else's now.

        As :meth:`Sink.drop`.
        """
        ...

    def close(self) -> None:
        """Release files and connections; what was not flushed may be lost."""
        ...


@runtime_checkable
class StateStore(Protocol):
    """Immutable snapshots per partition, named by next offset and fingerprint."""

    @property
    def fingerprint(self) -> str:
        """Digest of the configuration whose snapshots this store keeps."""
        ...

    def save(self, checkpoint: Checkpoint) -> None:
        """Write durably; on return the snapshot survives a crash."""
        ...

    def load(self, partition: str, at_most: int | None = None) -> Checkpoint | None:
        """Newest valid snapshot of this partition and fingerprint, or None.

        ``at_most`` leaves out those whose next offset is beyond it.
        """
        ...

    def prune(self, partition: str, keep: int) -> None:
        """Delete all but the newest ``keep`` snapshots."""
        ...

    def close(self) -> None:
        """Give the store free."""
        ...
