"""Ranges of flagged rows against ranges of anomalous rows, by two pointers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Ints

    Levels = NDArray[np.int16]


@kernel
def runs_above(level: Levels, k: int, starts: Ints, stops: Ints) -> int:
    """Maximal runs of rows with ``level > k``, in order.

    Parameters
    ----------
    level : int16 (n,)
        Thresholds below the score of each row.
    k : int
        Index of the threshold.
    starts, stops : int64 (n // 2 + 1,)
        Out: runs ``[start, stop)``.

    Returns
    -------
    int
        How many runs were written.
    """
    count = 0
    inside = False
    for i in range(level.shape[0]):
        above = level[i] > k
        if above != inside:
            if above:
                starts[count] = i
            else:
                stops[count] = i
                count += 1
            inside = above
    if inside:
        stops[count] = level.shape[0]
        count += 1
    return count


@kernel
def range_reward(
    starts: Ints, stops: Ints, other_starts: Ints, other_stops: Ints, existence: float
) -> float:
    """Mean reward of ranges for being covered by other ranges (Tatbul et al., eq. 2 to 6).

    Parameters
    ----------
    starts, stops : int64 (a,)
        The ranges ``[start, stop)`` to be rewarded, in order.
    other_starts, other_stops : int64 (b,)
        The ranges that cover them, in order.
    existence : float
        Weight of being touched at all; the rest is the covered share divided by the number of
        ranges that cover it (flat bias, cardinality factor 1/x).

    Returns
    -------
    float
        In [0, 1]; 0 without ranges.
    """
    total = 0.0
    passed = 0
    for i in range(starts.shape[0]):
        while passed < other_starts.shape[0] and other_stops[passed] <= starts[i]:
            passed += 1
        covered = 0
        touching = 0
        j = passed
        while j < other_starts.shape[0] and other_starts[j] < stops[i]:
            covered += min(stops[i], other_stops[j]) - max(starts[i], other_starts[j])
            touching += 1
            j += 1
        if touching > 0:
            share = covered / (stops[i] - starts[i])
            total += existence + (1.0 - existence) * share / touching
    return total / starts.shape[0] if starts.shape[0] > 0 else 0.0


@kernel
def affiliation_sums(
    starts: Ints, stops: Ints, flagged_starts: Ints, flagged_stops: Ints, n: int
) -> tuple[float, float, int]:
    """Sums over the anomalies of affiliation precision and recall (Huet et al., section 3).

    Parameters
    ----------
    starts, stops : int64 (A,)
        Anomalies ``[start, stop)``, in order.
    flagged_starts, flagged_stops : int64 (r,)
        Flagged ranges, in order.
    n : int
        Rows of the series.

    Returns
    -------
    precision, recall : float
        Sums over the anomalies; divide by the third number, and by A.
    zones : int
        Anomalies with something flagged in their zone; the others have no precision and recall 0.

    Notes
    -----
    A zone E = [low, high] reaches to the midpoints between anomalies. Precision integrates
    P(dist(U, J) >= dist(x, J)) over the flagged x, recall P(|U - y| >= dist(y, flagged)) over
    the anomaly's y, U uniform in E; both integrands are linear by pieces, so no quadrature.
    """
    precision = recall = 0.0
    zones = passed = 0
    for z in range(starts.shape[0]):
        a, b = float(starts[z]), float(stops[z])
        low = 0.5 * (stops[z - 1] + a) if z > 0 else 0.0
        high = 0.5 * (b + starts[z + 1]) if z + 1 < starts.shape[0] else float(n)
        while passed < flagged_starts.shape[0] and flagged_stops[passed] <= low:
            passed += 1
        mass = gain = reached = before = 0.0
        j = passed
        while j < flagged_starts.shape[0] and flagged_starts[j] < high:
            left, right = max(flagged_starts[j], low), min(flagged_stops[j], high)
            mass += right - left
            gain += (high - low) * max(min(right, b) - max(left, a), 0.0)
            gain += _beyond(a - left, a, b, low, high) - _beyond(a - right, a, b, low, high)
            gain += _beyond(right - b, a, b, low, high) - _beyond(left - b, a, b, low, high)
            middle = a
            if j > passed:
                middle = min(max(0.5 * (before + left), a), b)
                reached += _after(before, max(a, before), middle, low, high)
            reached += _until(left, middle, min(b, left), low, high)
            reached += (high - low) * max(min(right, b) - max(left, a), 0.0)
            before = right
            j += 1
        if mass > 0.0:
            reached += _after(before, max(a, before), b, low, high)
            precision += gain / (mass * (high - low))
            recall += reached / ((b - a) * (high - low))
            zones += 1
    return precision, recall, zones


@kernel
def _beyond(distance: float, a: float, b: float, low: float, high: float) -> float:
    """Integral from 0 to the distance of the length of zone at least so far from [a, b]."""
    left = min(max(distance, 0.0), a - low)
    right = min(max(distance, 0.0), high - b)
    return (a - low - 0.5 * left) * left + (high - b - 0.5 * right) * right


@kernel
def _after(flagged: float, y0: float, y1: float, low: float, high: float) -> float:
    """Integral over y in [y0, y1] of the length of zone no nearer to y than ``flagged <= y0``."""
    if y1 <= y0:
        return 0.0
    far0, far1 = max(high + flagged - 2.0 * y0, 0.0), max(high + flagged - 2.0 * y1, 0.0)
    return (flagged - low) * (y1 - y0) + 0.25 * (far0 * far0 - far1 * far1)


@kernel
def _until(flagged: float, y0: float, y1: float, low: float, high: float) -> float:
    """Integral over y in [y0, y1] of the length of zone no nearer to y than ``flagged >= y1``."""
    return _after(-flagged, -y1, -y0, -high, -low)
