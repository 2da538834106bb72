"""Level: how far a value lies from the running mean of its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Floats, Ints

    Reals = NDArray[np.float32]

MEAN, SQUARES, FLOOR, USUAL, UNIT = range(5)
"""Parts of a block, one number a channel each: running mean, sum of squared deviations from it,
least standard deviation; then mean and standard deviation of the deviations of the prefix."""

PARTS = 5

LARGEST = 50.0
"""Standard deviations that a value counts at most."""

KNEE = 30.0
"""Standardised deviations above grow by their logarithm."""


@kernel
def level_pass(
    pool: Floats,
    pool32: Reals,
    counts: Ints,
    first: Ints,
    seen: Ints,
    own: Ints,
    past: Ints,
    capacity: Ints,
    filled: Ints,
    lo: int,
    hi: int,
    n_channels: int,
    scores: Floats,
    shares: Reals,
) -> None:
    """Score new rows of the series ``lo`` to ``hi - 1`` and take them into the running moments.

    Parameters
    ----------
    pool, pool32 : float64, float32
        The arena, twice.
    counts, first, seen, own, past, capacity, filled : int64 (G,)
        As in ``Call``.
    scores : float64 (1, N)
        Out: largest standardised deviation of the channels.
    shares : float32 (N, C) or (0, C)
        Out: squared standardised deviations.
    """
    odd = np.empty(n_channels)
    for g in range(lo, hi):
        block = pool[own[g] : own[g] + PARTS * n_channels].reshape(PARTS, n_channels)
        mean, squares, floor = block[MEAN], block[SQUARES], block[FLOOR]
        usual, unit = block[USUAL], block[UNIT]
        for i in range(counts[g]):
            rows = float(seen[g] + i)
            at = past[g] + filled[g] - counts[g] + i
            for c in range(n_channels):
                x = float(pool32[at + c * capacity[g]])
                deviation = x - mean[c]
                scale = max(np.sqrt(squares[c] / rows), floor[c])
                v = min(abs(deviation) / scale, LARGEST)
                odd[c] = max((v - usual[c]) / unit[c], 0.0)
                mean[c] += deviation / (rows + 1.0)
                squares[c] += deviation * (x - mean[c])
            largest = 0.0
            for c in range(n_channels):
                largest = max(largest, odd[c])
            scores[0, first[g] + i] = _soft(largest)
            if shares.shape[0] > 0:
                for c in range(n_channels):
                    u = _soft(odd[c])
                    shares[first[g] + i, c] = u * u


@kernel
def _soft(u: float) -> float:
    return KNEE * (1.0 + np.log(u / KNEE)) if u > KNEE else u
