"""The data that flows: columns of many series, windows, scores, alerts, rejected rows.

Times are int64 nanoseconds since 1970-01-01 UTC. NaN means missing in values and "not judged" in
scores. Nothing here is copied unless it says so. Longer than other files: all that flows, on one
page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Flags = NDArray[np.bool_]
Arrays = dict[str, NDArray[Any]]
"""A snapshot: named arrays, owned by whoever holds the dictionary."""


class Schema:
    """Channel names, and series names that are only ever appended to.

    Parameters
    ----------
    channels : sequence of str
        Names of the value columns, in column order.
    series : sequence of str
        Names already known; the index of a name is its code.

    Examples
    --------
    >>> schema = Schema(["flow"])
    >>> schema.code("pump-1"), schema.code("pump-2"), schema.code("pump-1")
    (0, 1, 0)
    >>> schema.series[1]
    'pump-2'
    """

    __slots__ = ("_code_of", "channels", "series")

    def __init__(self, channels: Sequence[str], series: Sequence[str] = ()) -> None:
        self.channels: tuple[str, ...] = tuple(channels)
        self.series: list[str] = list(series)
        self._code_of: dict[str, int] = {name: code for code, name in enumerate(self.series)}

    def code(self, name: str) -> int:
        """Code of a series, appended if it is new."""
        found = self._code_of.get(name)
        if found is None:
            found = self._code_of[name] = len(self.series)
            self.series.append(name)
        return found

    def codes(self, names: Sequence[str]) -> Codes:
        """Codes of several series, appended where new."""
        return np.fromiter((self.code(name) for name in names), np.int32, len(names))

    def __repr__(self) -> str:
        return f"Schema(channels={self.channels!r}, {len(self.series)} series)"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of many series as columns, in the order of their partition.

    Attributes
    ----------
    schema : Schema
    codes : int32 (n,)
        Index into ``schema.series``.
    times : int64 (n,)
        Nanoseconds, UTC.
    values : float64 (n, C)
        NaN = missing; never infinite.
    partition : str
    next_offset : int
        Position in the partition right behind the last row.
    offsets : int64 (n,), optional
        Position of each row; None = consecutive up to ``next_offset``.
    """

    schema: Schema
    codes: Codes
    times: Ints
    values: Floats
    partition: str
    next_offset: int
    offsets: Ints | None = None

    def __post_init__(self) -> None:
        n = len(self.times)
        expected = (n, len(self.schema.channels))
        if self.codes.shape != (n,) or self.values.shape != expected:
            raise ShapeError(
                f"a batch of {n} times needs codes of shape ({n},) and values of shape {expected}, "
                f"got {self.codes.shape} and {self.values.shape}"
            )

    def __len__(self) -> int:
        return len(self.times)

    def offset(self, row: int) -> int:
        """Position of one row in the partition."""
        if self.offsets is not None:
            return int(self.offsets[row])
        return self.next_offset - len(self) + row


@dataclass(frozen=True, slots=True)
class Rows:
    """Accepted rows of one partition, in the order in which they are processed.

    Attributes
    ----------
    slots : int32 (n,)
        State slot of each row's series.
    times : int64 (n,)
        Nanoseconds, UTC; never decreasing within a slot.
    values : float64 (n, C)
        NaN = missing.
    filled : bool (n,)
        True where the row did not come but stands for a gap; it is never judged.
    fresh : bool (n,)
        True where windows start anew: the series' first row, or the first after a gap too long to
        fill.
    """

    slots: Codes
    times: Ints
    values: Floats
    filled: Flags
    fresh: Flags

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Segment:
    """A step of the ordering stage: series that leave, series that come, then rows.

    Attributes
    ----------
    evicted : int32 (k,)
        Slots whose series are forgotten before anything else happens.
    admitted : int32 (m,)
        Slots to start afresh (after the evictions).
    names : sequence of str
        Series names of ``admitted``.
    rows : Rows
    rejects : sequence of Reject
        Rows of the batch that were not accepted.
    """

    evicted: Codes
    admitted: Codes
    names: Sequence[str]
    rows: Rows
    rejects: Sequence[Reject] = ()


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """What a detector wants to see.

    Attributes
    ----------
    length : int
        Rows of a window, L.
    hop : int
        Rows of one series between two window ends.
    scaling : str
        ``none`` (raw values), ``robust`` (running median and MAD) or ``ew`` (exponentially
        weighted mean and standard deviation), always causal and per series and channel.
    """

    length: int = 1
    hop: int = 1
    scaling: str = "none"


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of many series, in row order; a series may occur any number of times.

    Attributes
    ----------
    values : float64 (n, L, C)
        Oldest row first, scaled as ``(x - center) / scale``; NaN = missing. Read only.
    codes : int32 (n,)
        State slot of the series.
    ends : int64 (n,)
        Time of the last row, nanoseconds.
    center, scale : float64 (n, C), optional
        The running statistics used; None where the windows hold raw values.
    """

    values: Floats
    codes: Codes
    ends: Ints
    center: Floats | None = None
    scale: Floats | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: slice | NDArray[Any]) -> Windows:
        """The windows at these positions (views where ``rows`` is a slice)."""
        return Windows(
            self.values[rows],
            self.codes[rows],
            self.ends[rows],
            None if self.center is None else self.center[rows],
            None if self.scale is None else self.scale[rows],
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of windows; higher is stranger, NaN = not judged.

    Attributes
    ----------
    causal : float64 (n,)
        Score of each window end, from rows up to it.
    final : float64 (n,), optional
        ``final[i]`` is the fixed-lag score of the window end that lies ``lag[i]`` window ends of
        the same series earlier; NaN where there is none. None when scoring alone (pure) was asked.
    lag : int32 (n,), optional
        Lag of ``final`` in window ends; None = the detector's ``lag`` for every row.
    shares : float32 (n, C), optional
        Each channel's part of the causal score, rows sum to 1.
    expected : float64 (n, C), optional
        What the detector forecast for the last row, in the units of the window's values.
    parts : float32 (n, m), optional
        Standardised score of each member of the causal score, in the order of the detector's
        ``part_names``; 0 = ordinary, never negative, NaN = did not judge.
    """

    causal: Floats
    final: Floats | None = None
    lag: Codes | None = None
    shares: NDArray[np.float32] | None = None
    expected: Floats | None = None
    parts: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.causal)


@dataclass(frozen=True, slots=True)
class Members:
    """The members of a detector, in the order of the columns of ``Scores.parts``.

    Attributes
    ----------
    names : tuple of str
        Empty for a detector without members.
    reasons : mapping of str to str
        One plain clause a member, as it stands in a sentence after the ratio: ``like nothing in the
        last 4 096 rows``. A member without one is called by its name.
    weights : tuple of float
        Weight of each member's square in the fused score; empty = all the same.

    Raises
    ------
    ShapeError
        If there are weights, but not one a member.
    """

    names: tuple[str, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.weights and len(self.weights) != len(self.names):
            raise ShapeError(
                f"the members {self.names} need a weight each, or none at all, got {self.weights}"
            )

    def __len__(self) -> int:
        return len(self.names)


NO_MEMBERS = Members()


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows with the score that drives the alerts, as the episode machine takes them.

    Attributes
    ----------
    slots : int32 (n,)
    times : int64 (n,)
    score, threshold, ratio : float64 (n,)
        NaN = not judged; ``ratio`` = score / threshold, 1.0 is the alarm line.
    shares : float32 (n, C) or (0, C)
        Each channel's part of the score; no rows where the detector does not attribute.
    values : float64 (n, C)
        What came.
    expected : float64 (n, C) or (0, C)
        What was forecast, in the units of ``values``; no rows where there is no forecast.
    parts : float32 (n, m), optional
        Standardised score of each member; None for detectors without members.
    causal : float64 (n,), optional
        Causal score to which shares, values, forecasts and parts belong, where another score drives
        the alerts; judged wherever that is. None = ``score`` is the causal one.
    """

    slots: Codes
    times: Ints
    score: Floats
    threshold: Floats
    ratio: Floats
    shares: NDArray[np.float32]
    values: Floats
    expected: Floats
    parts: NDArray[np.float32] | None = None
    causal: Floats | None = None

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """Finished rows of the score table of one detector.

    Attributes
    ----------
    detector : str
    series : list of str
        Names; ``codes`` indexes them.
    codes : int32 (n,)
    times : int64 (n,)
    score, score_final, threshold, ratio : float64 (n,)
        Causal and final score; threshold and ratio of the one that drives the alerts.
    shares : float32 (n, C), optional
    channels : tuple of str
    """

    detector: str
    series: Sequence[str]
    codes: Codes
    times: Ints
    score: Floats
    score_final: Floats
    threshold: Floats
    ratio: Floats
    shares: NDArray[np.float32] | None
    channels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Contribution:
    """One channel's part in an alert.

    Attributes
    ----------
    channel : str
    share : float
        0 to 1.
    actual, expected : float or None
        Value seen and forecast; None where there is none.
    direction : str or None
        ``above`` or ``below`` the expected value.
    """

    channel: str
    share: float
    actual: float | None = None
    expected: float | None = None
    direction: str | None = None


@dataclass(frozen=True, slots=True)
class MemberPart:
    """One member's part in an alert.

    Attributes
    ----------
    name : str
    score : float
        In standard deviations above what is ordinary for the member.
    share : float
        Of the fused score, 0 to 1.
    reason : str
        What the member finds strange, one plain clause; may be empty.
    """

    name: str
    score: float
    share: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """One event of an episode (schema ``streamad.alert/1``).

    All fields are a pure function of the records; delivery fields are added by sinks.

    Attributes
    ----------
    event : str
        ``open``, ``update`` or ``resolve``.
    id : str
        The same for every event of one episode.
    seq : int
        1 = open; the highest is the latest.
    pipeline, series, detector, detector_type : str
    severity : str
    start_ns : int
        First row over the line.
    end_ns : int or None
        Last row over the line; set on resolve.
    detected_ns : int
        Event time of the row that caused this event.
    score, threshold, ratio : float
        At the row that caused this event.
    peak_ns : int
    peak_score, peak_ratio : float
    contributions : tuple of Contribution
        Largest share first, at most ten: at the peak, or for detectors with members at the largest
        causal score among the rows that the episode's scores rest on.
    reason : str
        ``open``, ``severity``, ``periodic``, ``recovered``, ``timeout``, ``no_data``,
        ``end_of_stream``, ``detector_failing``, ``data_gap``.
    suppressed : str or None
        ``cool_down`` when notifying sinks should stay silent.
    labels : mapping
    summary : str
        One plain sentence.
    members : tuple of MemberPart
        At the row of the contributions, largest share first, at most five; empty for detectors
        without members.
    """

    event: str
    id: str
    seq: int
    pipeline: str
    series: str
    detector: str
    detector_type: str
    severity: str
    start_ns: int
    end_ns: int | None
    detected_ns: int
    score: float
    threshold: float
    ratio: float
    peak_ns: int
    peak_score: float
    peak_ratio: float
    contributions: tuple[Contribution, ...] = ()
    reason: str = "open"
    suppressed: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""
    members: tuple[MemberPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was not processed; it is counted and kept, never silently dropped.

    Attributes
    ----------
    partition : str
    offset : int or None
        Position in the partition, where known.
    reason : str
        ``late``, ``duplicate``, ``time``, ``decode``, ``type``, ``key``, ``too_many_keys``,
        ``value`` (against a contract), ``size``, ``detector`` (a detector raised on it), ``crash``
        (the process died on it).
    detail : str
        What was expected and what came.
    row : mapping
        The row as far as it was understood (JSON types).
    raw : bytes or None
        The record as it came, cut at 64 kB; None where the source does not keep it.
    headers : mapping of str to str
        Headers of the record, as far as they are text.
    """

    partition: str
    offset: int | None
    reason: str
    detail: str
    row: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State and position of one partition, saved together.

    Attributes
    ----------
    partition : str
    next_offset : int
        First position that the state has not seen.
    fingerprint : str
        Of the configuration parts that touch state.
    arrays : dict of str to ndarray
        Owned arrays; never pickles.
    meta : mapping
        JSON document: sink positions, counters.
    """

    partition: str
    next_offset: int
    fingerprint: str
    arrays: Arrays
    meta: Mapping[str, Any]


def alarm_ratio(scores: Floats, lines: Floats) -> Floats:
    """Scores in units of their alarm line: 1.0 is the line, whatever the detector.

    Parameters
    ----------
    scores, lines : float64 (n,)
        NaN = not judged, no line yet.

    Returns
    -------
    float64 (n,)
        NaN where either is NaN. A line that is not positive counts as the smallest positive
        number, so that any positive score is over it.
    """
    return scores / np.maximum(lines, _SMALLEST_LINE)


_SMALLEST_LINE = 1e-12
