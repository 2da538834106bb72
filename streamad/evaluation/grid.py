"""Evenly spaced thresholds, nested: one number a row says at which of them it is flagged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Flags, Floats, Ints
from streamad.evaluation.checks import check_n_thresholds

Levels = NDArray[np.int16]
"""How many thresholds lie below the score of each row."""

GRID = 100
"""Thresholds of an oracle search, as the TSB-AD benchmark takes them."""


def levels(scores: Floats, n_thresholds: int) -> Levels:
    """How many of the evenly spaced thresholds lie below each score.

    Parameters
    ----------
    scores : float64 (n,)
        Without NaN.
    n_thresholds : int
        From the lowest finite score to the highest, both included.

    Returns
    -------
    int16 (n,)
        Row i is flagged (``score > threshold``) at the thresholds ``0 .. level[i] - 1``.

    Raises
    ------
    ConfigError
        Fewer than 2 or more than 30 000 thresholds.
    """
    check_n_thresholds(n_thresholds)
    finite = scores[np.isfinite(scores)]
    if not finite.size:
        finite = np.zeros(1)
    grid = np.linspace(finite.min(), finite.max(), n_thresholds)
    return np.searchsorted(grid, scores).astype(np.int16)


def flagged_at(level: Levels, n_thresholds: int, weights: Floats | None = None) -> Floats:
    """Rows (or their weights) flagged at each threshold.

    Parameters
    ----------
    level : int (m,)
        Level of each row or of each range.
    n_thresholds : int
        K, the number of thresholds.
    weights : float64 (m,)
        What each counts; 1 if left out.

    Returns
    -------
    float64 (K,)
        Entry k sums over ``level > k``.
    """
    bins = np.bincount(level, weights, minlength=n_thresholds + 1).astype(np.float64)
    return bins[:0:-1].cumsum()[::-1]


def highest_level(level: Levels, starts: Ints, stops: Ints) -> Levels:
    """Highest level in each range ``[start, stop)``; 0 in an empty one.

    Parameters
    ----------
    level : int16 (n,)
    starts, stops : int64 (A,)
        In order, disjoint.

    Returns
    -------
    int16 (A,)
    """
    highest = np.zeros(len(starts), np.int16)
    filled = stops > starts
    if filled.any():
        edges = np.column_stack((starts[filled], stops[filled])).ravel()
        padded = np.append(level, np.int16(0))
        highest[filled] = np.maximum.reduceat(padded, edges)[::2]
    return highest


def flags_as_levels(flags: Flags) -> Levels:
    """Given flags as the levels of a single threshold."""
    return flags.astype(np.int16)
