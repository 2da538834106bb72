"""Legacy: the point-adjusted F1, kept for comparison with published tables and nothing else."""

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


def point_adjusted_f1(labels: ArrayLike, flags: ArrayLike) -> float:
    """Point F1 after every anomaly that is touched once counts as flagged throughout.

    Parameters
    ----------
    labels, flags : array_like (n,)
        0 or 1 a row.

    Returns
    -------
    float
        0 where nothing is anomalous or nothing flagged.

    Raises
    ------
    ShapeError
        Wrong shapes, or values other than 0 and 1.

    Notes
    -----
    Discredited: random scores reach the state of the art with it (Kim et al.). The first row of a
    series is never filled in, as in the reference.

    References
    ----------
    Kim et al. (2022), "Towards a Rigorous Evaluation of Time-Series Anomaly Detection", AAAI;
    TSB-AD 1.5, ``metric_PointF1PA``.

    Examples
    --------
    >>> point_adjusted_f1([0, 1, 1, 1, 0], [0, 0, 1, 0, 0])
    1.0
    """
    truth, alarms = checked_flags(labels, flags)
    return float(_adjusted_f1(truth, flags_as_levels(alarms), 1)[0])


def best_point_adjusted_f1(
    labels: ArrayLike, scores: ArrayLike, *, n_thresholds: int = GRID
) -> float:
    """Oracle: the highest :func:`point_adjusted_f1` over evenly spaced thresholds.

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
    return float(_adjusted_f1(truth, levels(numbers, n_thresholds), n_thresholds).max())


def _adjusted_f1(labels: Flags, level: Levels, n_thresholds: int) -> Floats:
    """Point-adjusted F1 at each threshold, from the highest level of each anomaly."""
    starts, stops = segments(labels)
    filled = highest_level(level, starts, stops)
    rows = (stops - np.maximum(starts, 1)).astype(np.float64)
    hits = flagged_at(filled, n_thresholds, rows)
    if labels[0]:
        hits += flagged_at(level[:1], n_thresholds)
    misfires = flagged_at(level[~labels], n_thresholds)
    both = hits + misfires + np.count_nonzero(labels)
    return np.asarray(2.0 * hits / np.maximum(both, 1.0), np.float64)
