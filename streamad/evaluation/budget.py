"""Recall and delay at a false-alarm budget: the operator's view of a ROC curve, without labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from streamad.core.data import Flags, Floats, Ints
from streamad.core.errors import ConfigError, ShapeError
from streamad.evaluation.events import (
    DAY_NS,
    EventScore,
    SeriesRun,
    Tolerance,
    durations,
    event_score,
    intervals,
)


@dataclass(frozen=True, slots=True)
class BudgetScore:
    """What is left when false alarms are rationed.

    Attributes
    ----------
    budget_per_day : float
        False alarms a series and day that were allowed on the calibration stretch.
    threshold : float
        The lowest that kept to it there; inf where no finite score was seen.
    calibration_days : float
        Series-days it was calibrated on.
    events : EventScore
        On the rows behind the calibration stretch.
    """

    budget_per_day: float
    threshold: float
    calibration_days: float
    events: EventScore


def alarm_spans(times: Ints, scores: Floats, threshold: float, merge_rows: int = 0) -> Ints:
    """Alarms of a fixed threshold.

    Parameters
    ----------
    times : int64 (n,)
    scores : float64 (n,)
        NaN = not judged: neither in alarm nor out of it, so it counts as a row of a pause.
    threshold : float
        A row at or above it is in alarm.
    merge_rows : int
        Pauses of up to so many rows do not end an alarm.

    Returns
    -------
    int64 (m, 2)
        Time of the first row of each alarm and of the row behind its last.

    Examples
    --------
    >>> alarm_spans(np.arange(6) * 10, np.array([0., 2., 0., 2., 0., 0.]), 1.0, merge_rows=1)
    array([[10, 40]])
    """
    rows = intervals(scores >= threshold)
    if merge_rows and len(rows):
        apart = rows[1:, 0] - rows[:-1, 1] > merge_rows
        rows = np.column_stack((rows[np.append(True, apart), 0], rows[np.append(apart, True), 1]))
    if len(rows) == 0:
        return np.empty((0, 2), np.int64)
    usual = int(durations(times)[-1])
    ends = np.append(times, times[-1] + max(usual, 1))
    return np.column_stack((times[rows[:, 0]], ends[rows[:, 1]]))


def budget_threshold(scores: Sequence[Floats], allowed: float, merge_rows: int = 0) -> float:
    """The lowest threshold down to which alarms stay within a number.

    Parameters
    ----------
    scores : sequence of float64 (n,)
        Of one normal stretch each; NaN = not judged.
    allowed : float
        Alarms over all stretches together.
    merge_rows : int
        As in :func:`alarm_spans`.

    Returns
    -------
    float
        Just above the first score, from the highest down, at which there are more; inf where there
        is no finite score.

    Notes
    -----
    O(n log n): row i opens an alarm at exactly the thresholds in (highest score of the
    ``merge_rows`` + 1 rows before it, own score], so the number at every threshold is a running
    sum over the sorted bounds of these ranges.

    Examples
    --------
    >>> budget_threshold([np.array([0., 3., 0., 2., 0., 1.])], allowed=2.0)
    1.0000000000000002
    """
    bounds, steps = [], []
    for one in scores:
        given = np.where(np.isnan(one), -np.inf, one)
        padded = np.concatenate((np.full(merge_rows + 1, -np.inf), given))
        before = sliding_window_view(padded, merge_rows + 1)[:-1].max(axis=1)
        opens = given > before
        bounds += [given[opens], before[opens]]
        steps += [np.ones(int(opens.sum())), -np.ones(int(opens.sum()))]
    at = np.concatenate([*bounds, np.empty(0)])
    if not np.isfinite(at).any():
        return math.inf
    levels, group = np.unique(at, return_inverse=True)
    change = np.bincount(group, np.concatenate(steps), len(levels))
    above = np.cumsum(change[::-1])[::-1]
    over = np.flatnonzero(np.isfinite(levels) & (above > allowed))
    if len(over):
        return float(np.nextafter(levels[over[-1]], np.inf))
    lowest = np.concatenate([one[np.isfinite(one)] for one in scores])
    return float(lowest.min())


def budget_score(
    series: Sequence[SeriesRun],
    scores: Sequence[Floats],
    calibration: Sequence[Flags],
    budget_per_day: float,
    *,
    merge_rows: int = 0,
    tolerance: Tolerance = Tolerance(),  # noqa: B008  (frozen)
) -> BudgetScore:
    """Recall and delay at a threshold that kept a false-alarm budget on normal data before.

    Parameters
    ----------
    series : sequence of SeriesRun
        Their alarms are not used.
    scores : sequence of float64 (n,)
        Of the same scale in all series; NaN = not judged.
    calibration : sequence of bool (n,)
        Rows of a normal stretch; only what comes behind it is evaluated.
    budget_per_day : float
        False alarms a series and day.
    merge_rows : int
        As in :func:`alarm_spans`.
    tolerance : Tolerance

    Returns
    -------
    BudgetScore

    Raises
    ------
    ShapeError
        If the sequences differ in length.
    ConfigError
        If the budget is not positive.

    Notes
    -----
    No label of the evaluated rows enters the threshold. O(n log n).
    """
    if not len(series) == len(scores) == len(calibration):
        raise ShapeError(
            "scores and calibration rows are needed for every series, got "
            f"{len(scores)} and {len(calibration)} for {len(series)}"
        )
    if not budget_per_day > 0.0:
        raise ConfigError(f"a false-alarm budget must be positive, got {budget_per_day!r} a day")
    days, stretches, later = 0.0, [], []
    for one, values, rows in zip(series, scores, calibration, strict=True):
        days += int((durations(one.times) * (rows & one.scored)).sum()) / DAY_NS
        stretches.append(values[rows])
    threshold = budget_threshold(stretches, budget_per_day * days, merge_rows)
    for one, values, rows in zip(series, scores, calibration, strict=True):
        first = int(np.flatnonzero(rows)[-1]) + 1 if rows.any() else 0
        if first == len(one.times):
            continue
        times, begin = one.times[first:], int(one.times[first])
        later.append(
            SeriesRun(
                times,
                one.scored[first:],
                one.events[one.events[:, 1] >= begin],
                alarm_spans(times, values[first:], threshold, merge_rows),
            )
        )
    return BudgetScore(budget_per_day, threshold, days, event_score(later, tolerance))
