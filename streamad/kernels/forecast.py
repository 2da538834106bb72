"""One-step forecasts, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints

LARGEST = 1e100
"""Larger values count as missing, like NaN: their squares would overflow."""


@kernel
def ewma_pass(
    codes: Codes,
    x: Floats,
    mean: Floats,
    variance: Floats,
    seen: Ints,
    rows: Ints,
    alpha: float,
    alpha_scale: float,
    clip: float,
    warm_up: int,
    work: int,
    causal: Floats,
    shares: NDArray[np.float32],
    expected: Floats,
) -> None:
    """Score (work & 1) and learn (work & 2) rows by an exponentially weighted mean.

    Parameters
    ----------
    codes : int32 (n,)
    x : float64 (n, C)
        NaN, infinite or beyond 1e100 = missing.
    mean, variance : float64 (slots, C)
        Forecast and error variance; updated when learning.
    seen : int64 (slots, C)
        Finite values learned; updated when learning.
    rows : int64 (slots,)
        Rows learned that hold a value; updated when learning.
    alpha, alpha_scale, clip : float
    warm_up : int
        Rows that are not judged.
    work : int
        1 = score, 2 = learn, 3 = both.
    causal : float64 (n,)
        Out when scoring: root mean square of the channel z-scores, NaN = not judged.
    shares : float32 (n, C) or (0, C)
        Out when scoring: squared z-scores, rows normalised to 1.
    expected : float64 (n, C) or (0, C)
        Out when scoring: the forecast.
    """
    n_channels = x.shape[1]
    parts = np.empty(n_channels)
    explain = shares.shape[0] > 0
    for i in range(codes.shape[0]):
        s = codes[i]
        if work & 1:
            total = 0.0
            judged = 0
            for c in range(n_channels):
                z2 = 0.0
                if abs(x[i, c]) < LARGEST and seen[s, c] > 1:
                    e = x[i, c] - mean[s, c]
                    floor = 1e-18 * (mean[s, c] * mean[s, c]) + 1e-30
                    z2 = e * e / (variance[s, c] + floor)
                    total += z2
                    judged += 1
                parts[c] = z2
                expected[i, c] = mean[s, c] if seen[s, c] > 0 else np.nan
            if explain:
                for c in range(n_channels):
                    shares[i, c] = parts[c] / total if total > 0 else 1.0 / n_channels
            ready = rows[s] >= warm_up and judged > 0
            causal[i] = np.sqrt(total / judged) if ready else np.nan
        if work & 2:
            present = 0
            for c in range(n_channels):
                value = x[i, c]
                if not abs(value) < LARGEST:
                    continue
                present = 1
                k = seen[s, c]
                seen[s, c] = k + 1
                if k == 0:
                    mean[s, c] = value
                    continue
                e = value - mean[s, c]
                rate = max(alpha_scale, 1.0 / k)
                if k >= 8:
                    limit = clip * np.sqrt(variance[s, c])
                    if limit > 0.0:
                        e = min(max(e, -limit), limit)
                mean[s, c] += alpha * e
                variance[s, c] += rate * (e * e - variance[s, c])
            rows[s] += present
