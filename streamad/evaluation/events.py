"""Alert episodes against labelled events: found, missed, late, false, and what that costs.

All times are int64 nanoseconds. An event is ``[start, end]``, both in it; an alarm is on from the
row that opened it to the row that closed it, that one not in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Flags, Floats, Ints
from streamad.core.errors import ShapeError

DAY_NS = 86_400 * 10**9
_GAP_STEPS = 5
"""A step longer than so many usual ones is a gap, of which one usual step counts."""


@dataclass(frozen=True, slots=True)
class SeriesRun:
    """One series of a run, with its labels and its alarms.

    Attributes
    ----------
    times : int64 (n,)
        Increasing.
    scored : bool (n,)
        Rows that were judged; warm-up and missing rows are not.
    events : int64 (k, 2)
        First and last time of each; in order, disjoint.
    alarms : int64 (m, 2)
        Times at which each was opened and closed; in order.
    """

    times: Ints
    scored: Flags
    events: Ints
    alarms: Ints

    def __post_init__(self) -> None:
        pairs = self.events.shape[1:] == self.alarms.shape[1:] == (2,)
        if self.times.shape != self.scored.shape or not pairs:
            raise ShapeError(
                "a series needs times and scored of one shape and events and alarms of shape "
                f"(k, 2), got {self.times.shape}, {self.scored.shape}, {self.events.shape} and "
                f"{self.alarms.shape}"
            )


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far from an event an alarm still belongs to it.

    Attributes
    ----------
    lead_ns, lag_ns : int
        Before its start and behind its end.
    """

    lead_ns: int = 0
    lag_ns: int = 0


@dataclass(frozen=True, slots=True)
class EventScore:
    """What operators see; NaN where there is nothing to measure.

    Attributes
    ----------
    n_series, n_events, n_found, n_alarms, n_false : int
        An event is found when an alarm is on within its tolerance; an alarm is false when it
        belongs to no event.
    precision, recall, f05 : float
        Of alarms, of events, and both with precision counted double.
    delay_median_s, delay_p90_s : float
        From the start of the found events to the alarm; 0 where it was on already.
    missed_share : float
        Read it together with the delays, which leave out the missed.
    lead_median_s : float
        From the alarm to the start, over the events that had one before; at most the tolerance.
    n_early : int
        Such events.
    alarms_per_found : float
        1 = no duplicates.
    false_per_day : float
        False alarms a series and day of scored normal time.
    alarm_duty : float
        Share of the scored normal time in alarm.
    flaps_per_day : float
        Openings and closings a series and day of scored time.
    reset_median_s : float
        How long alarms stay on behind the end of the found events.
    scored_days, normal_days : float
        Series-days with a score, and those of them outside events and their tolerance.
    """

    n_series: int
    n_events: int
    n_found: int
    n_alarms: int
    n_false: int
    precision: float
    recall: float
    f05: float
    delay_median_s: float
    delay_p90_s: float
    missed_share: float
    lead_median_s: float
    n_early: int
    alarms_per_found: float
    false_per_day: float
    alarm_duty: float
    flaps_per_day: float
    reset_median_s: float
    scored_days: float
    normal_days: float


@dataclass(frozen=True, slots=True)
class Matched:
    """Events of one series with the alarms that belong to them.

    Attributes
    ----------
    found : bool (k,)
    delay_ns, lead_ns, reset_ns : int64 (k,)
        Of the found events; 0 elsewhere.
    n_alarms : int64 (k,)
        Alarms of each event.
    false : bool (m,)
        Alarms of no event.
    """

    found: Flags
    delay_ns: Ints
    lead_ns: Ints
    reset_ns: Ints
    n_alarms: Ints
    false: Flags


def intervals(flags: Flags) -> Ints:
    """Runs of true rows.

    Parameters
    ----------
    flags : bool or 0/1 (n,)

    Returns
    -------
    int64 (k, 2)
        First row of each run and the row behind its last.

    Examples
    --------
    >>> intervals(np.array([1, 1, 0, 1])).tolist()
    [[0, 2], [3, 4]]
    """
    edges = np.diff(np.concatenate(([0], np.asarray(flags) != 0, [0])).astype(np.int8))
    return np.column_stack((np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)))


def flags_of(rows: Ints, n: int) -> Flags:
    """Inverse of :func:`intervals`; intervals may overlap and reach beyond the ends.

    Examples
    --------
    >>> flags_of(np.array([[0, 2], [3, 9]]), 4).tolist()
    [True, True, False, True]
    """
    steps = np.zeros(n + 1, np.int64)
    np.add.at(steps, np.clip(rows[:, 0], 0, n), 1)
    np.add.at(steps, np.clip(rows[:, 1], 0, n), -1)
    return np.cumsum(steps[:-1]) > 0


def inside(times: Ints, spans: Ints, *, closed: bool = True) -> Flags:
    """Which times lie in a span.

    Parameters
    ----------
    times : int64 (n,)
        Increasing.
    spans : int64 (k, 2)
    closed : bool
        Whether the second bound lies in the span.
    """
    begin = np.searchsorted(times, spans[:, 0], "left")
    end = np.searchsorted(times, spans[:, 1], "right" if closed else "left")
    return flags_of(np.column_stack((begin, np.maximum(begin, end))), len(times))


def match(events: Ints, alarms: Ints, tolerance: Tolerance = Tolerance()) -> Matched:
    """Which alarms belong to which events.

    Parameters
    ----------
    events, alarms : int64 (k, 2), int64 (m, 2)
        As in :class:`SeriesRun`.
    tolerance : Tolerance

    Returns
    -------
    Matched

    Notes
    -----
    An alarm belongs to every event within whose tolerance it is on, so one that never ends finds
    all of them: precision, duty and reset time say so. O((k + m) log m + pairs).

    Examples
    --------
    >>> found = match(np.array([[10, 20], [50, 60]]), np.array([[14, 25], [30, 32]]))
    >>> found.found.tolist(), found.delay_ns.tolist(), found.false.tolist()
    ([True, False], [4, 0], [False, True])
    """
    delay, lead, reset, count = np.zeros((4, len(events)), np.int64)
    false = np.ones(len(alarms), np.bool_)
    opened = alarms[:, 0]
    last_on = np.maximum(alarms[:, 1] - 1, opened)
    for i, (start, end) in enumerate(events.tolist()):
        earliest, latest = start - tolerance.lead_ns, end + tolerance.lag_ns
        mine = np.flatnonzero((opened <= latest) & (last_on >= earliest))
        if len(mine) == 0:
            continue
        count[i], false[mine] = len(mine), False
        at = max(int(opened[mine[0]]), earliest)
        delay[i], lead[i] = max(at - start, 0), max(start - at, 0)
        over = mine[(opened[mine] <= end) & (last_on[mine] >= end)]
        reset[i] = int(alarms[over, 1].max()) - end if len(over) else 0
    return Matched(count > 0, delay, lead, reset, count, false)


def event_score(series: Sequence[SeriesRun], tolerance: Tolerance = Tolerance()) -> EventScore:
    """Everything operators ask of alarms, over all series.

    Parameters
    ----------
    series : sequence of SeriesRun
    tolerance : Tolerance

    Returns
    -------
    EventScore

    Notes
    -----
    Normal time is scored time outside all events and their tolerance; warm-up, gaps and rows that
    were not judged are in neither. O(n + pairs of events and alarms) a series.

    Examples
    --------
    >>> minute = 60 * 10**9
    >>> times = np.arange(1440) * minute
    >>> one = SeriesRun(times, np.ones(1440, np.bool_), np.array([[100, 200]]) * minute,
    ...                 np.array([[105, 190], [700, 710]]) * minute)
    >>> score = event_score([one])
    >>> score.recall, score.precision, score.delay_median_s, round(score.false_per_day, 2)
    (1.0, 0.5, 300.0, 1.08)
    """
    matched = [match(one.events, one.alarms, tolerance) for one in series]
    scored_ns = normal_ns = alarm_ns = 0
    for one in series:
        spent = durations(one.times) * one.scored
        wide = one.events + np.array([-tolerance.lead_ns, tolerance.lag_ns])
        normal = spent * ~inside(one.times, wide)
        scored_ns += int(spent.sum())
        normal_ns += int(normal.sum())
        alarm_ns += int((normal * inside(one.times, one.alarms, closed=False)).sum())
    n_events = sum(len(one.events) for one in series)
    n_found = sum(int(one.found.sum()) for one in matched)
    n_alarms = sum(len(one.false) for one in matched)
    n_false = sum(int(one.false.sum()) for one in matched)
    precision, recall = _share(n_alarms - n_false, n_alarms), _share(n_found, n_events)
    delays = _seconds([one.delay_ns[one.found] for one in matched])
    leads = _seconds([one.lead_ns[one.lead_ns > 0] for one in matched])
    resets = _seconds([one.reset_ns[one.found] for one in matched])
    return EventScore(
        len(series),
        n_events,
        n_found,
        n_alarms,
        n_false,
        precision,
        recall,
        _f05(precision, recall),
        _quantile(delays, 0.5),
        _quantile(delays, 0.9),
        _share(n_events - n_found, n_events),
        _quantile(leads, 0.5),
        len(leads),
        _share(sum(int(one.n_alarms.sum()) for one in matched), n_found),
        _share(n_false, normal_ns / DAY_NS),
        _share(alarm_ns, normal_ns),
        _share(2 * n_alarms, scored_ns / DAY_NS),
        _quantile(resets, 0.5),
        scored_ns / DAY_NS,
        normal_ns / DAY_NS,
    )


def durations(times: Ints) -> Ints:
    """Time that each row stands for: the step to the next one, without gaps.

    Parameters
    ----------
    times : int64 (n,)
        Increasing.

    Returns
    -------
    int64 (n,)
        The last row, and one before a gap of more than five usual steps, stand for the usual step,
        which is the median; 0 for a single row.

    Examples
    --------
    >>> durations(np.array([0, 10, 20, 100, 110])).tolist()
    [10, 10, 10, 10, 10]
    """
    if len(times) < 2:
        return np.zeros(len(times), np.int64)
    steps = np.diff(times)
    usual = int(np.median(steps))
    steps = np.where(steps > _GAP_STEPS * usual, usual, steps) if usual else steps
    return np.append(steps, usual)


def _f05(precision: float, recall: float) -> float:
    """F score of two shares; 0 without an alarm, NaN without an event."""
    if math.isnan(recall) or math.isnan(precision) or precision + recall == 0.0:
        return math.nan if math.isnan(recall) else 0.0
    return 1.25 * precision * recall / (0.25 * precision + recall)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _seconds(parts: Sequence[Ints]) -> Floats:
    return np.concatenate([*parts, np.empty(0, np.int64)]) / 1e9


def _quantile(values: Floats, q: float) -> float:
    """The smallest value that has at least a share ``q`` of them at or below it, or NaN."""
    return float(np.quantile(values, q, method="inverted_cdf")) if len(values) else math.nan
