"""Affiliation: how near flagged rows are to anomalies, measured against chance in each zone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamad.core.data import Flags, Floats
from streamad.evaluation.checks import checked, checked_flags, segments
from streamad.evaluation.grid import GRID, Levels, flags_as_levels, levels

_EPSILON = 1e-15


class Affiliation(NamedTuple):
    """Affiliation of flagged rows with anomalies.

    Attributes
    ----------
    precision : float
        Mean over the zones that hold a flagged row; NaN where none does.
    recall : float
        Mean over all zones; 0 in a zone without a flagged row.
    f : float
        Their harmonic mean; 0 where nothing is flagged.
    """

    precision: float
    recall: float
    f: float


def affiliation(labels: ArrayLike, flags: ArrayLike) -> Affiliation:
    """Affiliation precision, recall and F of given flags.

    Parameters
    ----------
    labels, flags : array_like (n,)
        0 or 1 a row; row i stands for the interval [i, i + 1).

    Returns
    -------
    Affiliation
        All NaN without an anomaly. Where nothing is flagged the F is 0 (the reference gives NaN,
        which a mean over series would drop).

    Raises
    ------
    ShapeError
        Wrong shapes, or values other than 0 and 1.

    Notes
    -----
    Report it, never lead with it: a random score gets about 0.7. Cost O(n).

    References
    ----------
    Huet, Navarro and Rossi (2022), "Local Evaluation of Time Series Anomaly Detection
    Algorithms", section 3; TSB-AD 1.5, ``metric_Affiliation``.

    Examples
    --------
    >>> affiliation([0, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0])
    Affiliation(precision=0.75, recall=0.9167, f=0.825)
    """
    truth, alarms = checked_flags(labels, flags)
    precision, recall, f = _affiliations(truth, flags_as_levels(alarms), 1)[0]
    return Affiliation(float(precision), float(recall), float(f))


def best_affiliation(labels: ArrayLike, scores: ArrayLike, *, n_thresholds: int = GRID) -> float:
    """Oracle: the highest affiliation F over evenly spaced thresholds.

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
        An upper bound, chosen with the labels; NaN without an anomaly, 0 for a constant score.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.
    ConfigError
        A number of thresholds out of range.
    """
    truth, numbers = checked(labels, scores)
    return float(_affiliations(truth, levels(numbers, n_thresholds), n_thresholds)[:, 2].max())


def _affiliations(labels: Flags, level: Levels, n_thresholds: int) -> Floats:
    """Precision, recall and F at each threshold."""
    from streamad.kernels.intervals import affiliation_sums, runs_above

    values = np.full((n_thresholds, 3), np.nan)
    starts, stops = segments(labels)
    if not len(starts):
        return values
    run_starts, run_stops = (np.empty(len(level) // 2 + 1, np.int64) for _ in range(2))
    for k in range(n_thresholds):
        count = runs_above(level, k, run_starts, run_stops)
        precision, recall, zones = affiliation_sums(
            starts, stops, run_starts[:count], run_stops[:count], len(level)
        )
        if zones == 0:
            values[k] = np.nan, 0.0, 0.0
            continue
        precision, recall = precision / zones, recall / len(starts)
        f = 2 * precision * recall / (precision + recall + _EPSILON)
        values[k] = precision, recall, f
    return values
