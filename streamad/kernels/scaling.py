"""Running centre and scale of each series and channel, from the rows before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamad.core.data import Codes, Floats, Ints

MEMORY = 256
"""Finite values that the robust statistics look back on."""

LARGEST = 1e100
"""Larger values count as missing: their squares would overflow."""

FEW = 8
"""With fewer values than this the spread is not trusted."""


@kernel
def robust_pass(
    slots: Codes,
    values: Floats,
    start: int,
    stop: int,
    ends: Ints,
    recent: Floats,
    order: NDArray[np.uint8],
    head: Codes,
    known: Codes,
    center: Floats,
    scale: Floats,
) -> None:
    """Median and 1.4826 MAD of the last 256 finite values before each end; then learn the rows.

    Parameters
    ----------
    slots, values : int32 (n,), float64 (n, C)
        Rows; values that are not finite are left out.
    start, stop : int
        Rows to learn.
    ends : int64 (k,)
        Positions of the rows to give statistics for, ascending, within start and stop.
    recent : float64 (slots, C, 256)
        Ring of the latest finite values, infinity where there is none yet; updated.
    order : uint8 (slots, C, 256)
        Places in ``recent`` by value, among equals the oldest first; updated.
    head, known : int32 (slots, C)
        Place to be written next, and values in the ring; updated.
    center, scale : float64 (k, C)
        Out: NaN where there is no value yet; ``scale`` is positive, see :func:`_bounded`.

    Notes
    -----
    Exact. Two binary searches a value, and a move of at most 255 bytes.
    """
    n_channels = values.shape[1]
    k = 0
    for i in range(start, stop):
        s = slots[i]
        wanted = k < ends.shape[0] and ends[k] == i
        for c in range(n_channels):
            ring, ranks, n = recent[s, c], order[s, c], known[s, c]
            if wanted:
                center[k, c], scale[k, c] = _median_mad(ring, ranks, n)
            x = values[i, c]
            if not abs(x) < LARGEST:
                continue
            if n == 0:
                for j in range(MEMORY):
                    ranks[j] = j
            h = head[s, c]
            gone, to = _places(ring, ranks, ring[h], x)
            if to > gone:
                to -= 1
                between = ranks[gone : to + 1]
                for j in range(between.shape[0] - 1):
                    between[j] = between[j + 1]
            else:
                between = ranks[to : gone + 1]
                for j in range(between.shape[0] - 1, 0, -1):
                    between[j] = between[j - 1]
            ranks[to] = h
            ring[h] = x
            head[s, c] = h + 1 if h + 1 < MEMORY else 0
            known[s, c] = min(n + 1, MEMORY)
        if wanted:
            k += 1


@kernel
def ew_pass(
    slots: Codes,
    values: Floats,
    start: int,
    stop: int,
    ends: Ints,
    alpha: float,
    mean: Floats,
    variance: Floats,
    known: Ints,
    center: Floats,
    scale: Floats,
) -> None:
    """Exponentially weighted mean and standard deviation before each end; then learn the rows.

    Parameters
    ----------
    slots, values, start, stop, ends, center, scale
        As in :func:`robust_pass`.
    alpha : float
        Weight of the newest value; the k-th value weighs 1/k while that is more, so the start is
        the plain mean and variance.
    mean, variance : float64 (slots, C)
        Updated.
    known : int64 (slots, C)
        Finite values learned; updated.
    """
    n_channels = values.shape[1]
    k = 0
    for i in range(start, stop):
        s = slots[i]
        wanted = k < ends.shape[0] and ends[k] == i
        for c in range(n_channels):
            n = known[s, c]
            if wanted:
                center[k, c] = mean[s, c] if n > 0 else np.nan
                scale[k, c] = _bounded(np.sqrt(variance[s, c]), mean[s, c], n)
            x = values[i, c]
            if abs(x) < LARGEST:
                known[s, c] = n + 1
                rate = max(alpha, 1.0 / (n + 1))
                error = x - mean[s, c]
                mean[s, c] += rate * error
                variance[s, c] = (1.0 - rate) * (variance[s, c] + rate * error * error)
        if wanted:
            k += 1


@kernel
def _bounded(spread: float, center: float, n: int) -> float:
    """A positive scale: the spread, or a share of the level where nothing has moved yet.

    The level itself while there are few values, later a thousandth of it; a level of 0 counts as
    1. NaN without any value.
    """
    if n == 0:
        return np.nan
    if spread > 1e-9 * abs(center):
        return spread
    level = abs(center) if center != 0.0 else 1.0
    return level if n < FEW else 1e-3 * level


@kernel
def _median_mad(ring: Floats, ranks: NDArray[np.uint8], n: int) -> tuple[float, float]:
    """Median and bounded scale of n sorted values.

    The scale is 1.4826 times the median of the distances from the median; the range stands in for
    it where there are few values or more than half of them are equal. The k values nearest to the
    median are neighbours in sorted order: ``low`` is the first of them.
    """
    if n == 0:
        return np.nan, np.nan
    middle = n // 2
    odd = n % 2 == 1
    median = ring[ranks[middle]]
    if not odd:
        median = (ring[ranks[middle - 1]] + median) / 2
    smallest, largest = ring[ranks[0]], ring[ranks[n - 1]]
    if n < FEW:
        return median, _bounded(largest - smallest, median, n)
    k = middle + 1 if odd else middle
    low, half = 0, MEMORY // 2
    while half > 1:
        half >>= 1
        low += half * _further(ring, ranks, median, low + half - 1, k)
    low += _further(ring, ranks, median, low, k)
    mad = max(median - ring[ranks[low]], ring[ranks[low + k - 1]] - median)
    if not odd:
        after = np.inf
        if low > 0:
            after = median - ring[ranks[low - 1]]
        if low + k < n:
            after = min(after, ring[ranks[low + k]] - median)
        mad = (mad + after) / 2
    spread = 1.4826 * mad
    if not spread > 1e-9 * abs(median):
        spread = largest - smallest
    return median, _bounded(spread, median, n)


@kernel
def _further(ring: Floats, ranks: NDArray[np.uint8], median: float, at: int, k: int) -> int:
    """1 if the value k places on is nearer to the median than the one here, else 0."""
    return int(ring[ranks[at + k]] - median < median - ring[ranks[at]])


@kernel
def _places(ring: Floats, ranks: NDArray[np.uint8], old: float, new: float) -> tuple[int, int]:
    """How many of the sorted values are less than old, and how many are not more than new.

    Two binary searches side by side, without branches that could be mispredicted.
    """
    less, no_more, half = 0, 0, MEMORY
    while half > 1:
        half >>= 1
        less += half * int(ring[ranks[less + half - 1]] < old)
        no_more += half * int(ring[ranks[no_more + half - 1]] <= new)
    less += int(ring[ranks[less]] < old)
    no_more += int(ring[ranks[no_more]] <= new)
    return less, no_more
