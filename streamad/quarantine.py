"""A detector that raises on a window harms that series at most, and three times at most."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Alert, Arrays, Codes, Ints, Scores, Windows
from streamad.core.errors import (
    ConfigError,
    DetectorError,
    MissingExtraError,
    NotFittedError,
    StateError,
)
from streamad.core.protocols import Detector

MAX_FAILURES = 3
"""Windows on which a detector may raise before it does not see the series any more."""

_NOT_OF_THE_ROW = (ConfigError, MissingExtraError, NotFittedError, StateError, MemoryError)
"""Errors that the next row would meet as well: they are passed on."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A window on which a detector raised; it was neither judged nor learned, and has no score.

    Attributes
    ----------
    detector : str
        Name of the stage.
    series : str
    time_ns : int
        Of the row that ends the window.
    error : str
        Type of the error.
    detail : str
        What it said.
    count : int
        Windows of this series on which the detector has raised.
    """

    detector: str
    series: str
    time_ns: int
    error: str
    detail: str
    count: int

    @property
    def quarantined(self) -> bool:
        """True for the last one: from now on the detector does not see the series."""
        return self.count >= MAX_FAILURES


@dataclass(frozen=True, slots=True)
class Step:
    """Some windows of a chunk, all with the same fate.

    Attributes
    ----------
    positions : int64 (n,)
        Within the chunk, ascending.
    scores : Scores or None
        None = the detector raised on the only one.
    error : Exception or None
        What it raised.
    """

    positions: Ints
    scores: Scores | None = None
    error: Exception | None = None


class Guard:
    """Steps a detector, and finds the windows on which it raises.

    Parameters
    ----------
    name : str
        Of the stage.
    detector : Detector

    Notes
    -----
    A detector that raises may have taken in half of its windows. So the first error raises
    :class:`.DetectorError`: whoever drives the pipeline goes back to a snapshot, sets ``careful``
    and replays. Then the state is copied before every chunk, a chunk on which the detector raises
    is halved until the window is found, and only that window is left out. A detector that has
    raised in a series that lives is stepped carefully ever after, at the cost of a copy of its
    state a chunk. Which windows are left out depends on the rows alone, so a replay agrees.
    """

    def __init__(self, name: str, detector: Detector) -> None:
        self.careful = False
        self._name = name
        self._detector = detector
        self._counts: dict[int, int] = {}
        self._since: dict[int, int] = {}

    def forget(self, slots: Codes) -> None:
        """The series of these slots have ended."""
        if self._counts:
            for slot in slots.tolist():
                self._counts.pop(slot, None)
                self._since.pop(slot, None)

    def step(self, windows: Windows) -> Iterator[Step]:
        """The fate of the windows that the detector sees, in parts and in order.

        Raises
        ------
        DetectorError
            At the first error of a detector that was trusted until then.
        """
        if self.careful or self._counts:
            yield from self._search(windows)
            return
        try:
            scores = self._detector.step(windows)
        except _NOT_OF_THE_ROW:
            raise
        except Exception as error:
            raise DetectorError(
                f"detector {self._name!r} raised {type(error).__name__}: {error}; its state is "
                "undefined: go back to a snapshot and step it carefully",
                self._name,
            ) from error
        yield Step(np.arange(len(windows)), scores)

    def failed(self, slot: int, time_ns: int) -> int:
        """Count a window on which the detector raised; how many of the series there are."""
        count = self._counts[slot] = self._counts.get(slot, 0) + 1
        if count == MAX_FAILURES:
            self._since[slot] = time_ns
        return count

    def quarantined(self) -> dict[int, int]:
        """Slots that the detector does not see any more, and since which event time."""
        return dict(self._since)

    def snapshot(self) -> Arrays:
        """Owned arrays; none where no detector of a living series has raised."""
        if not self._counts:
            return {}
        slots = sorted(self._counts)
        return {
            "slots": np.array(slots, np.int32),
            "counts": np.array([self._counts[slot] for slot in slots], np.int64),
            "since": np.array([self._since.get(slot, 0) for slot in slots], np.int64),
        }

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        if not snapshot:
            self._counts, self._since = {}, {}
            return
        slots, counts, since = (snapshot[name].tolist() for name in ("slots", "counts", "since"))
        self._counts = dict(zip(slots, counts, strict=True))
        times = zip(slots, since, strict=True)
        self._since = {slot: at for slot, at in times if self._counts[slot] >= MAX_FAILURES}

    def _search(self, windows: Windows) -> Iterator[Step]:
        """Halve a chunk until every window on which the detector raises stands alone.

        Whoever takes a step with an error counts it before asking for the next one.
        """
        saved: Arrays | None = None
        todo: list[Ints] = [np.arange(len(windows))]
        while todo:
            positions = self._visible(todo.pop(), windows.codes)
            if len(positions) == 0:
                continue
            if saved is None:
                saved = self._detector.snapshot()
            try:
                scores = self._detector.step(windows.take(positions))
            except _NOT_OF_THE_ROW:
                raise
            except Exception as error:  # noqa: BLE001  (whatever a plug-in raises)
                self._detector.restore(saved)
                if len(positions) == 1:
                    yield Step(positions, error=error)
                    continue
                middle = len(positions) // 2
                todo += [positions[middle:], positions[:middle]]
                continue
            saved = None
            yield Step(positions, scores)

    def _visible(self, positions: Ints, codes: Codes) -> Ints:
        """Positions without those of quarantined series."""
        if not self._since:
            return positions
        return positions[~np.isin(codes[positions], list(self._since))]


def failing_alert(
    event: str,
    reason: str,
    pipeline: str,
    failure: Failure,
    *,
    detector_type: str,
    labels: Mapping[str, str],
) -> Alert:
    """The alert that a detector does not judge a series any more, or that the series has ended.

    Parameters
    ----------
    event : str
        ``open`` when the series is quarantined, ``resolve`` when it is forgotten.
    reason : str
    pipeline : str
    failure : Failure
        The last one; all times are its time, since no later row of the series was looked at.
    detector_type : str
    labels : mapping
    """
    start_ns, series, detector = failure.time_ns, failure.series, failure.detector
    text = "\u241f".join((pipeline, series, detector, "detector_failing", str(start_ns)))
    told = f"{series}: the detector {detector} raised an error {failure.count} times"
    told += ", it judges this series no more" if event == "open" else "; the series has ended"
    return Alert(
        event=event,
        id="alt_" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        seq=1 if event == "open" else 2,
        pipeline=pipeline,
        series=series,
        detector=detector,
        detector_type=detector_type,
        severity="critical",
        start_ns=start_ns,
        end_ns=None if event == "open" else start_ns,
        detected_ns=start_ns,
        score=math.nan,
        threshold=math.nan,
        ratio=math.nan,
        peak_ns=start_ns,
        peak_score=math.nan,
        peak_ratio=math.nan,
        reason=reason,
        labels=labels,
        summary=told,
    )
