"""The four stages as one object: batches in, scored rows and alerts out. No IO, no clock.

Longer than other files: the flow of a row through all stages on one page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import (
    Alert,
    Arrays,
    Batch,
    Codes,
    Floats,
    Ints,
    Judged,
    Members,
    Reject,
    Rows,
    ScoreRows,
    Scores,
    Segment,
    Windows,
    alarm_ratio,
)
from streamad.core.errors import ConfigError, NotFittedError
from streamad.core.protocols import (
    Detector,
    Episodes,
    Ordering,
    Pending,
    Released,
    Threshold,
    Windowing,
    members_of,
)
from streamad.core.slab import nest, unnest
from streamad.quarantine import MAX_FAILURES, Failure, Guard, failing_alert

Details = NDArray[np.float32]
"""What alerts tell of a row: shares of the channels, then scores of the members (n, S + m)."""


@dataclass(frozen=True, slots=True)
class Output:
    """What one call found.

    Attributes
    ----------
    scores : list of ScoreRows
        Rows whose causal and final scores are both known, in processing order per detector.
    alerts : list of Alert
        Events of episodes, per detector in row order.
    rejects : list of Reject
        Rows that were not accepted.
    failures : list of Failure
        Windows on which a detector raised.
    """

    scores: list[ScoreRows] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """One detector with everything that surrounds it.

    Attributes
    ----------
    name : str
        Name in scores and alerts.
    detector : Detector
    windowing : Windowing
        Made for ``detector.window``.
    pending : Pending
        Deep enough for ``detector.lag``.
    threshold : Threshold
    episodes : Episodes
    output : str
        Which score drives threshold and alerts: ``causal`` at once, ``final`` late by the lag.
    """

    name: str
    detector: Detector
    windowing: Windowing
    pending: Pending
    threshold: Threshold
    episodes: Episodes
    output: Literal["causal", "final"] = "causal"


class Pipeline:
    """Order, window, detect, threshold, alert: the rows of one partition through all stages.

    Parameters
    ----------
    name : str
        Enters the identity of alerts.
    ordering : Ordering
    stages : sequence of Stage
        At least one; names are unique.

    Raises
    ------
    ConfigError
        No stage, or two of one name.

    Attributes
    ----------
    n_evicted : int
        Series that this object has dropped; no part of its state.

    Notes
    -----
    What comes out is a function of the rows alone: the cut into batches and the other series do
    not change a bit of it. Thread rule: one thread at a time.
    """

    def __init__(self, name: str, ordering: Ordering, stages: Sequence[Stage]) -> None:
        names = [stage.name for stage in stages]
        if not stages or len(set(names)) != len(names):
            raise ConfigError(
                f"a pipeline needs at least one detector, each with its own name, got {names}"
            )
        self.name = name
        self.ordering = ordering
        self.stages = tuple(stages)
        self._channels: tuple[str, ...] = ()
        self._members: dict[str, Members] = {}
        self._guards = {stage.name: Guard(stage.name, stage.detector) for stage in stages}
        self._names: list[str] = []
        self._code_of_slot: Codes = np.empty(0, np.int32)
        self.n_evicted = 0

    def open(self, channels: Sequence[str]) -> None:
        """Allocate every stage for rows with these channels."""
        self._channels = tuple(channels)
        self.ordering.open(channels)
        for stage in self.stages:
            stage.detector.open(channels)
            stage.windowing.open(channels)
            self._members[stage.name] = members_of(stage.detector)
            told = stage.output == "final" and len(self._members[stage.name]) > 0
            stage.pending.open(*self._waiting_widths(stage), strongest=told)
            stage.episodes.open(channels, self._members[stage.name])

    def process(self, batch: Batch) -> Output:
        """Take a batch of the partition.

        Raises
        ------
        NotFittedError
            Before :meth:`open`, or if the batch has other channels.
        DetectorError
            If a detector raised on a window; the pipeline cannot be used any more. Restore another
            one from a snapshot, tell it to :meth:`be_careful`, and replay.
        """
        if batch.schema.channels != self._channels:
            raise NotFittedError(
                f"pipeline {self.name!r} is open for the channels {self._channels}, the batch has "
                f"{batch.schema.channels}: call open with the channels of the source first"
            )
        return self._take(self.ordering.push(batch))

    def finish(self) -> Output:
        """The stream has ended: release what waits and resolve open episodes."""
        out = self._take(self.ordering.finish())
        self._close(self.ordering.live(), "end_of_stream", out)
        return out

    def be_careful(self, detector: str) -> None:
        """Find the windows on which this detector raises and leave them out; see :class:`Guard`."""
        self._guards[detector].careful = True

    @property
    def watermark_ns(self) -> int | None:
        """Event time up to which rows were processed."""
        return self.ordering.watermark_ns

    def open_episodes(self) -> int:
        """Episodes open now, over all detectors."""
        return sum(stage.episodes.open_count() for stage in self.stages)

    def quarantined(self) -> int:
        """Series that a detector does not see any more, over all detectors."""
        return sum(len(guard.quarantined()) for guard in self._guards.values())

    def series_count(self) -> int:
        """Series that have state now."""
        return len(self.ordering.live())

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the state of all stages."""
        arrays = nest("ordering", self.ordering.snapshot())
        for stage in self.stages:
            for part, held in _parts(stage):
                arrays |= nest(f"{stage.name}/{part}", held.snapshot())
            arrays |= nest(f"{stage.name}/guard", self._guards[stage.name].snapshot())
        return arrays

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot.

        Raises
        ------
        StateError
            If the snapshot does not fit the stages.
        """
        self.ordering.restore(unnest("ordering", snapshot))
        for stage in self.stages:
            for part, held in _parts(stage):
                held.restore(unnest(f"{stage.name}/{part}", snapshot))
            self._guards[stage.name].restore(unnest(f"{stage.name}/guard", snapshot))
        slots = self.ordering.live()
        self._names, self._code_of_slot = [], np.empty(0, np.int32)
        self._name(slots, self.ordering.names(slots))

    def _take(self, segments: Iterable[Segment]) -> Output:
        out = Output()
        for segment in segments:
            out.rejects.extend(segment.rejects)
            if len(segment.evicted):
                self.n_evicted += len(segment.evicted)
                self._close(segment.evicted, "no_data", out)
            if len(segment.admitted):
                self._admit(segment.admitted, segment.names)
            if len(segment.rows):
                for stage in self.stages:
                    for positions, windows in stage.windowing.push(segment.rows):
                        self._guarded(stage, _pick(segment.rows, positions), windows, out)
        return out

    def _admit(self, slots: Codes, names: Sequence[str]) -> None:
        self._name(slots, names)
        for stage in self.stages:
            stage.windowing.admit(slots)
            stage.detector.admit(slots, names)
            stage.pending.admit(slots)
            stage.threshold.admit(slots)
            stage.episodes.admit(slots, names)

    def _name(self, slots: Codes, names: Sequence[str]) -> None:
        """Give slots their names; the list only grows, so rows already handed out stay right."""
        if len(slots) == 0:
            return
        size = max(len(self._code_of_slot), int(slots.max()) + 1)
        if size > len(self._code_of_slot):
            grown = np.full(max(size, 2 * len(self._code_of_slot)), -1, np.int32)
            grown[: len(self._code_of_slot)] = self._code_of_slot
            self._code_of_slot = grown
        if len(self._names) > 1024 + 2 * len(self._code_of_slot):
            used = np.flatnonzero(self._code_of_slot >= 0)
            self._names = [self._names[code] for code in self._code_of_slot[used]]
            self._code_of_slot[used] = np.arange(len(used), dtype=np.int32)
        first = len(self._names)
        self._names.extend(names)
        self._code_of_slot[slots] = np.arange(first, first + len(names), dtype=np.int32)

    def _close(self, slots: Codes, reason: str, out: Output) -> None:
        """Give back what waits in these slots and resolve their episodes."""
        for stage in self.stages:
            owed, finals = stage.detector.close(slots)
            released = stage.pending.close(slots, owed, finals)
            if len(released.slots):
                self._release(stage, released, out)
            out.alerts.extend(stage.episodes.close(slots, reason))
            self._close_failing(stage, slots, reason, out)
            self._guards[stage.name].forget(slots)

    def _guarded(self, stage: Stage, rows: Rows, windows: Windows, out: Output) -> None:
        """Step the windows of a chunk; those that the detector cannot take have no score."""
        for step in self._guards[stage.name].step(windows):
            chosen = _pick(rows, step.positions)
            if step.error is not None:
                self._failed(stage, chosen, step.error, out)
            elif step.scores is not None:
                whole = len(chosen) == len(windows)
                part = windows if whole else windows.take(step.positions)
                self._step(stage, chosen, part, step.scores, out)

    def _failed(self, stage: Stage, row: Rows, error: Exception, out: Output) -> None:
        """Report the row on which a detector raised; at the last one, give up the series."""
        slot, time_ns = int(row.slots[0]), int(row.times[0])
        count = self._guards[stage.name].failed(slot, time_ns)
        kind, detail = type(error).__name__, str(error)
        series = self._names[self._code_of_slot[slot]]
        failure = Failure(stage.name, series, time_ns, kind, detail, count)
        out.failures.append(failure)
        if failure.quarantined:
            out.alerts.extend(stage.episodes.close(row.slots, "detector_failing"))
            out.alerts.append(self._failing_alert(stage, failure, "open", None))

    def _close_failing(self, stage: Stage, slots: Codes, reason: str, out: Output) -> None:
        """Resolve the alerts of series that this detector has given up, in slot order."""
        given_up = self._guards[stage.name].quarantined()
        for slot in sorted(given_up.keys() & set(slots.tolist())) if given_up else ():
            series = self._names[self._code_of_slot[slot]]
            failure = Failure(stage.name, series, given_up[slot], "", "", MAX_FAILURES)
            out.alerts.append(self._failing_alert(stage, failure, "resolve", reason))

    def _failing_alert(
        self, stage: Stage, failure: Failure, event: str, reason: str | None
    ) -> Alert:
        return failing_alert(
            event,
            reason or "detector_failing",
            self.name,
            failure,
            detector_type=getattr(stage.episodes, "detector_type", ""),
            labels=getattr(stage.episodes, "labels", {}),
        )

    def _step(
        self, stage: Stage, rows: Rows, windows: Windows, scores: Scores, out: Output
    ) -> None:
        causal = scores.causal
        if rows.filled.any():
            causal = np.where(rows.filled, np.nan, causal)
        values, expected = rows.values, _in_units(scores, windows)
        n, details = len(rows), self._details(stage, scores)
        final = causal if scores.final is None else scores.final
        if stage.output == "causal":
            line, ratio = self._judge(stage, rows, causal, None, details, values, expected, out)
            if stage.detector.lag == 0:
                final = np.where(np.isnan(causal), np.nan, final) if final is not causal else final
                self._emit(stage, rows, causal, final, line, ratio, details, out)
                return
            payload = np.column_stack((causal, line, ratio))
            details = details[:, : self._share_width(stage)]
        else:
            if expected.shape[0] == 0:
                expected = np.full_like(values, np.nan)
            payload = np.column_stack((causal, values, expected))
        lag = scores.lag if scores.lag is not None else _constant(stage.detector.lag, n)
        released = stage.pending.step(rows.slots, rows.times, payload, details, final, lag)
        if len(released.slots):
            self._release(stage, released, out)

    def _release(self, stage: Stage, rows: Released, out: Output) -> None:
        """Rows with both scores: judge them where the final score drives, hand them out."""
        causal = rows.payload[:, 0]
        final = np.where(np.isnan(causal), np.nan, rows.final)
        if stage.output == "causal":
            line, ratio = rows.payload[:, 1], rows.payload[:, 2]
        else:
            c, told = len(self._channels), rows.strongest_payload
            values, expected = told[:, 1 : 1 + c], told[:, 1 + c :]
            if np.isnan(expected).all():
                expected = expected[:0]
            line, ratio = self._judge(
                stage, rows, final, told[:, 0], rows.strongest_details, values, expected, out
            )
        self._emit(stage, rows, causal, final, line, ratio, rows.details, out)

    def _judge(
        self,
        stage: Stage,
        rows: Rows | Released,
        score: Floats,
        causal: Floats | None,
        details: Details,
        values: Floats,
        expected: Floats,
        out: Output,
    ) -> tuple[Floats, Floats]:
        """Alarm line and ratio of each row; alerts go out."""
        line = stage.threshold.step(rows.slots, score)
        ratio = alarm_ratio(score, line)
        width = self._share_width(stage)
        shares = details[:, :width] if width else details[:0, :0]
        parts = details[:, width:] if len(self._members[stage.name]) else None
        judged = Judged(
            rows.slots, rows.times, score, line, ratio, shares, values, expected, parts, causal
        )
        out.alerts.extend(stage.episodes.step(judged))
        return line, ratio

    def _emit(
        self,
        stage: Stage,
        rows: Rows | Released,
        causal: Floats,
        final: Floats,
        line: Floats,
        ratio: Floats,
        details: Details,
        out: Output,
    ) -> None:
        width = self._share_width(stage)
        out.scores.append(
            ScoreRows(
                stage.name,
                self._names,
                self._code_of_slot[rows.slots],
                rows.times,
                causal,
                final,
                line,
                ratio,
                details[:, :width] if width else None,
                self._channels,
            )
        )

    def _details(self, stage: Stage, scores: Scores) -> Details:
        """Shares and parts side by side, NaN where a detector that gives some gave none."""
        n, m = len(scores), len(self._members[stage.name])
        width = self._share_width(stage)
        shares = scores.shares if width and scores.shares is not None else _none(n, width)
        if m == 0:
            return shares
        parts = scores.parts if scores.parts is not None else _none(n, m)
        return np.concatenate((shares, parts), axis=1)

    def _share_width(self, stage: Stage) -> int:
        c = len(self._channels)
        return c if c > 1 and stage.detector.explains else 0

    def _waiting_widths(self, stage: Stage) -> tuple[int, int]:
        """Columns of payload and details; parts wait only where alerts do."""
        if stage.output == "causal":
            return 3, self._share_width(stage)
        members = self._members[stage.name]
        return 1 + 2 * len(self._channels), self._share_width(stage) + len(members)


def _parts(
    stage: Stage,
) -> tuple[tuple[str, Detector | Windowing | Pending | Threshold | Episodes], ...]:
    return (
        ("windowing", stage.windowing),
        ("detector", stage.detector),
        ("pending", stage.pending),
        ("threshold", stage.threshold),
        ("episodes", stage.episodes),
    )


def _pick(rows: Rows, positions: Ints) -> Rows:
    """The rows at these positions; all of them without a copy."""
    if len(positions) == len(rows):
        return rows
    return Rows(
        rows.slots[positions],
        rows.times[positions],
        rows.values[positions],
        rows.filled[positions],
        rows.fresh[positions],
    )


def _in_units(scores: Scores, windows: Windows) -> Floats:
    """Forecasts in the units of the values; no rows where there is no forecast."""
    if scores.expected is None:
        return np.empty((0, windows.values.shape[2]))
    if windows.scale is None or windows.center is None:
        return scores.expected
    return scores.expected * windows.scale + windows.center


def _none(n: int, width: int) -> Details:
    return np.full((n, width), np.nan, np.float32)


def _constant(value: int, n: int) -> Codes:
    return np.full(n, value, np.int32)
