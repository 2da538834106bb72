"""Metrics of whole anomalies: event F-beta and range F1, of given flags or over thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from streamad.core.data import Flags, Floats
from streamad.evaluation.checks import checked, checked_flags, segments
from streamad.evaluation.grid import (
    GRID,
    Levels,
    flagged_at,
    flags_as_levels,
    highest_level,
    levels,
)

_EPSILON = 1e-15
_EXISTENCE = 0.2
"""Weight of being touched at all in the range recall, as the TSB-AD benchmark sets it."""


def event_f(labels: ArrayLike, flags: ArrayLike, *, beta: float = 1.0) -> float:
    """F-beta of the share of anomalies hit and the precision of the flagged rows.

    Parameters
    ----------
    labels, flags : array_like (n,)
        0 or 1 a row.
    beta : float
        Weight of the recall: 0.5 puts precision first, as the CARE score does.

    Returns
    -------
    float
        NaN without an anomaly; 0 where nothing is flagged.

    Raises
    ------
    ShapeError
        Wrong shapes, or values other than 0 and 1.

    Notes
    -----
    The last row of a series does not count as a hit, as in the reference.

    References
    ----------
    TSB-AD 1.5, ``metric_EventF1PA``.

    Examples
    --------
    >>> event_f([0, 1, 1, 0, 1, 0], [0, 1, 0, 1, 0, 0])
    0.5
    """
    truth, alarms = checked_flags(labels, flags)
    return float(_event_f(truth, flags_as_levels(alarms), 1, beta)[0])


def best_event_f(
    labels: ArrayLike, scores: ArrayLike, *, beta: float = 1.0, n_thresholds: int = GRID
) -> float:
    """Oracle: the highest :func:`event_f` over evenly spaced thresholds.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.
    beta : float
        Weight of the recall.
    n_thresholds : int
        From the lowest to the highest finite score.

    Returns
    -------
    float
        An upper bound, chosen with the labels; NaN without an anomaly.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.
    ConfigError
        A number of thresholds out of range.

    Notes
    -----
    One look-up a row and the highest score of each anomaly serve all thresholds.
    """
    truth, numbers = checked(labels, scores)
    return float(_event_f(truth, levels(numbers, n_thresholds), n_thresholds, beta).max())


def range_f1(labels: ArrayLike, flags: ArrayLike) -> float:
    """F1 of range recall and range precision, with flat bias.

    Parameters
    ----------
    labels, flags : array_like (n,)
        0 or 1 a row.

    Returns
    -------
    float
        0 without an anomaly, without a flag, or where all rows are flagged (or anomalous): the
        reference sees no range in a series without an edge.

    Raises
    ------
    ShapeError
        Wrong shapes, or values other than 0 and 1.

    Notes
    -----
    Recall: mean over the anomalies of 0.2 for being touched and 0.8 times the covered share
    divided by the number of flagged ranges that cover it. Precision: the same with the roles
    swapped and no reward for being touched.

    References
    ----------
    Tatbul et al. (2018), "Precision and Recall for Time Series", eq. 2 to 6; TSB-AD 1.5,
    ``metric_RF1``.

    Examples
    --------
    >>> range_f1([0, 1, 1, 1, 1, 0], [0, 1, 1, 0, 0, 0])
    0.75
    """
    truth, alarms = checked_flags(labels, flags)
    return float(_range_f1(truth, flags_as_levels(alarms), 1)[0])


def best_range_f1(labels: ArrayLike, scores: ArrayLike, *, n_thresholds: int = GRID) -> float:
    """Oracle: the highest :func:`range_f1` over evenly spaced thresholds.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.
    n_thresholds : int
        From the lowest to the highest finite score.

    Returns
    -------
    float
        An upper bound, chosen with the labels.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.
    ConfigError
        A number of thresholds out of range.
    """
    truth, numbers = checked(labels, scores)
    return float(_range_f1(truth, levels(numbers, n_thresholds), n_thresholds).max())


def _event_f(labels: Flags, level: Levels, n_thresholds: int, beta: float) -> Floats:
    """Event F-beta at each threshold."""
    starts, stops = segments(labels)
    if not len(starts):
        return np.full(n_thresholds, np.nan)
    counted = np.minimum(stops, len(labels) - 1)
    recall = flagged_at(highest_level(level, starts, counted), n_thresholds) / len(starts)
    flagged = flagged_at(level, n_thresholds)
    precision = flagged_at(level[labels], n_thresholds) / np.maximum(flagged, 1.0)
    weight = beta * beta
    return (1 + weight) * recall * precision / (recall + weight * precision + _EPSILON)


def _range_f1(labels: Flags, level: Levels, n_thresholds: int) -> Floats:
    """Range F1 at each threshold."""
    from streamad.kernels.intervals import range_reward, runs_above

    values = np.zeros(n_thresholds)
    starts, stops = segments(labels)
    if labels.all():
        return values
    run_starts, run_stops = (np.empty(len(level) // 2 + 1, np.int64) for _ in range(2))
    for k in range(n_thresholds):
        count = runs_above(level, k, run_starts, run_stops)
        flagged = run_starts[:count], run_stops[:count]
        if count == 1 and run_stops[0] - run_starts[0] == len(level):
            continue
        recall = range_reward(starts, stops, *flagged, _EXISTENCE)
        precision = range_reward(*flagged, starts, stops, 0.0)
        if recall + precision > 0:
            values[k] = 2 * recall * precision / (recall + precision)
    return values
