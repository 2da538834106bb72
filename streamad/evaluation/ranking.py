"""How well scores rank anomalous rows above the others: AUC-PR, AUC-ROC and point F1.

All are pure functions of labels and scores over all rows of a series. They are invariant to any
strictly increasing map of the scores; a NaN score counts as the lowest of the series.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from streamad.core.data import Flags, Floats
from streamad.evaluation.checks import checked, checked_flags, checked_labels

_F1_EPSILON = 1e-5
"""In the denominator of the benchmark's oracle F1: a perfect detector gets 0.999995."""


def positive_share(labels: ArrayLike) -> float:
    """Share of anomalous rows, which is the AUC-PR to expect of a random score.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.

    Returns
    -------
    float

    Raises
    ------
    ShapeError
        Not flat, empty, or a value other than 0 and 1.
    """
    return float(checked_labels(labels).mean())


def auc_pr(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall steps (average precision), without interpolation.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.

    Returns
    -------
    float
        0 without an anomalous row and 1 if all rows are, as scikit-learn has it.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.

    Notes
    -----
    Cost O(n log n).

    Examples
    --------
    >>> auc_pr([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7])
    0.8333333
    """
    hits, flagged = _curve(*checked(labels, scores))
    if hits[-1] == 0:
        return 0.0
    return float(np.diff(hits, prepend=0.0) @ (hits / flagged) / hits[-1])


def auc_roc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Chance that an anomalous row scores above a normal one, ties counted half.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.

    Returns
    -------
    float
        NaN without an anomalous row, or without a normal one.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.

    Notes
    -----
    Cost O(n log n). Flattering where anomalies are rare.

    Examples
    --------
    >>> auc_roc([0, 1, 0, 1], [0.1, 0.9, 0.8, 0.7])
    0.75
    """
    hits, flagged = _curve(*checked(labels, scores))
    misfires = flagged - hits
    if hits[-1] == 0 or misfires[-1] == 0:
        return np.nan
    mean_hits = 0.5 * (hits + np.concatenate(([0.0], hits[:-1])))
    return float(np.diff(misfires, prepend=0.0) @ mean_hits / (hits[-1] * misfires[-1]))


def best_f1(labels: ArrayLike, scores: ArrayLike) -> float:
    """Oracle: the highest point F1 over all thresholds, chosen with the labels.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.

    Returns
    -------
    float
        An upper bound, no performance that can be deployed; 0 without an anomalous row.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.

    References
    ----------
    TSB-AD 1.5, ``metric_PointF1``: ``2 P R / (P + R + 1e-5)``, so that perfect is 0.999995.
    """
    hits, flagged = _curve(*checked(labels, scores))
    if hits[-1] == 0:
        return 0.0
    precision, recall = hits / flagged, hits / hits[-1]
    return float(np.max(2 * precision * recall / (precision + recall + _F1_EPSILON)))


def fixed_f1(labels: ArrayLike, flags: ArrayLike) -> float:
    """Point F1 of given flags.

    Parameters
    ----------
    labels, flags : array_like (n,)
        0 or 1 a row.

    Returns
    -------
    float
        0 where nothing is anomalous and nothing flagged.

    Raises
    ------
    ShapeError
        Wrong shapes, or values other than 0 and 1.

    Examples
    --------
    >>> fixed_f1([0, 1, 1, 0], [0, 1, 0, 1])
    0.5
    """
    truth, alarms = checked_flags(labels, flags)
    both = np.count_nonzero(truth) + np.count_nonzero(alarms)
    return float(2.0 * np.count_nonzero(truth & alarms) / both) if both else 0.0


def _curve(labels: Flags, scores: Floats) -> tuple[Floats, Floats]:
    """Anomalous rows and all rows at or above each distinct score, from the highest down."""
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    hits = np.cumsum(labels[order], dtype=np.float64)[last_of_ties]
    return hits, last_of_ties + 1.0
