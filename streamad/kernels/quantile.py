"""Running quantiles with forgetting, from weights in geometric buckets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints

LOWEST = -32
"""Numbers below ``2 ** LOWEST`` share the first bucket."""
PER_OCTAVE = 16
N_BUCKETS = 96 * PER_OCTAVE
_LARGEST = float(np.finfo(np.float64).max)
_HEAVY = 1e12


@kernel
def quantile_pass(
    slots: Codes,
    scores: Floats,
    q: float,
    growth: float,
    factor: float,
    init: int,
    seen: Ints,
    at: Ints,
    unit: Floats,
    total: Floats,
    above: Floats,
    line: Floats,
    weights: Floats,
    lines: Floats,
) -> None:
    """Alarm line of each score, then learn the score.

    Parameters
    ----------
    slots : int32 (n,)
    scores : float64 (n,)
        Not finite = not learned.
    q : float
        The line is ``factor`` times the upper edge of the lowest bucket that leaves at most a
        share 1 - q of the weight above it.
    growth : float
        Weight of a score relative to the one before it, above 1.
    factor : float
        At least 1.
    init : int
        Scores without a line.
    seen : int64 (slots,)
        Scores learned; updated.
    at : int64 (slots,)
        Bucket of the quantile; updated.
    unit, total, above : float64 (slots,)
        Weight of the next score, of all scores, of those above ``at``; updated.
    line : float64 (slots,)
        Present line, NaN = none yet; updated.
    weights : float64 (slots, N_BUCKETS)
        Updated.
    lines : float64 (n,)
        Out: the line before the score was learned.

    Notes
    -----
    A score over the line is learned as one just above the quantile: that it came counts, its size
    does not.
    """
    for i in range(slots.shape[0]):
        s = slots[i]
        lines[i] = line[s]
        x = scores[i]
        if not np.isfinite(x):
            continue
        bucket = _bucket(x)
        if x >= line[s]:
            bucket = min(bucket, at[s] + 1)
        weights[s, bucket] += unit[s]
        total[s] += unit[s]
        if bucket > at[s]:
            above[s] += unit[s]
        before = at[s]
        allowed = (1.0 - q) * total[s]
        while above[s] > allowed and at[s] < N_BUCKETS - 1:
            at[s] += 1
            above[s] -= weights[s, at[s]]
        while at[s] > 0 and above[s] + weights[s, at[s]] <= allowed:
            above[s] += weights[s, at[s]]
            at[s] -= 1
        seen[s] += 1
        if seen[s] == init or (seen[s] > init and at[s] != before):
            line[s] = min(factor * _upper_edge(at[s]), _LARGEST)
        unit[s] *= growth
        if unit[s] > _HEAVY:
            total[s] = above[s] = 0.0
            for k in range(N_BUCKETS):
                weights[s, k] /= unit[s]
                total[s] += weights[s, k]
                if k > at[s]:
                    above[s] += weights[s, k]
            unit[s] = 1.0


@kernel
def _bucket(x: float) -> int:
    """Bucket of a number: ``PER_OCTAVE`` equal ones between two powers of two."""
    if x < 2.0**LOWEST:
        return 0
    mantissa, exponent = math.frexp(x)
    place = (exponent - 1 - LOWEST) * PER_OCTAVE + int((2.0 * mantissa - 1.0) * PER_OCTAVE)
    return min(place, N_BUCKETS - 1)


@kernel
def _upper_edge(bucket: int) -> float:
    """Smallest number above a bucket; the last one holds everything."""
    if bucket == N_BUCKETS - 1:
        return _LARGEST
    octave = bucket // PER_OCTAVE
    step = bucket - octave * PER_OCTAVE + 1
    return math.ldexp(1.0 + step / PER_OCTAVE, int(LOWEST + octave))
