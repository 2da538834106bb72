"""From errors of restored patches to scores: each patch against its own ordinary error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Flags, Floats, Ints

_FLOOR = 0.02
"""Smallest ordinary error, in units of the compressed windows."""


@kernel
def restoration_pass(
    codes: Codes,
    ready: Flags,
    error: NDArray[np.float32],
    typical: Floats,
    recent: Floats,
    count: Ints,
    patch: int,
    hop: int,
    rate: float,
    clip: float,
    work: int,
    causal: Floats,
    final: Floats,
    shares: NDArray[np.float32],
) -> None:
    """Score (work & 1) and learn (work & 2) windows by the errors of their patches.

    Parameters
    ----------
    codes : int32 (n,)
    ready : bool (n,)
        False = the window is not judged.
    error : float32 (n, P, C)
        Mean absolute error of each patch, oldest first.
    typical : float64 (slots, P, C)
        Running ordinary error of a patch position; updated when learning.
    recent : float64 (slots, m, P)
        Ring of the patch ratios of the latest m windows, NaN = not judged; updated when learning.
    count : int64 (slots,)
        Windows pushed; updated when learning.
    patch, hop : int
        Rows of a patch, and between the ends of two windows.
    rate, clip : float
        Weight of the newest error; errors enter clipped at so many times the ordinary one.
    work : int
        1 = score, 2 = learn, 3 = both.
    causal : float64 (n,)
        Out when scoring: root mean square of the patch ratios, NaN = not judged.
    final : float64 (n,)
        Out when learning: mean ratio, over the latest m windows, of the patch with the last row of
        the oldest of them; NaN where that one was not judged or fewer than m came.
    shares : float32 (n, C) or (0, C)
        Out when scoring: each channel's part of the squared ratios.
    """
    n_patches, n_channels = error.shape[1], error.shape[2]
    m = recent.shape[1]
    ratios = np.empty(n_patches)
    for i in range(codes.shape[0]):
        s = codes[i]
        _ratios(error[i], typical[s], ready[i], ratios)
        if work & 1:
            total = 0.0
            for p in range(n_patches):
                total += ratios[p] * ratios[p]
            causal[i] = np.sqrt(total / n_patches)
            if shares.shape[0] > 0:
                _blame(error[i], typical[s], shares[i])
        if work & 2:
            for p in range(n_patches):
                recent[s, count[s] % m, p] = ratios[p]
            count[s] += 1
            final[i] = np.nan
            if count[s] >= m:
                final[i] = _covering_mean(recent[s], count[s], count[s] - m, patch, hop)
            if ready[i]:
                for p in range(n_patches):
                    for c in range(n_channels):
                        ordinary = max(typical[s, p, c], _FLOOR)
                        typical[s, p, c] += rate * (min(error[i, p, c], clip * ordinary) - ordinary)


@kernel
def covering_mean(recent: Floats, count: int, start: int, patch: int, hop: int) -> float:
    """Mean ratio of the patches that hold the last row of window ``start``, NaN if unjudged.

    Parameters
    ----------
    recent : float64 (m, P)
    count, start : int
        Windows pushed, and the number of the window; at most m before ``count``.
    patch, hop : int

    Returns
    -------
    float
    """
    return _covering_mean(recent, count, start, patch, hop)


@kernel
def _covering_mean(recent: Floats, count: int, start: int, patch: int, hop: int) -> float:
    """See :func:`covering_mean`."""
    m, n_patches = recent.shape
    if np.isnan(recent[start % m, n_patches - 1]):
        return np.nan
    total, judged = 0.0, 0
    for k in range(start, count):
        p = n_patches - 1 - (k - start) * hop // patch
        if p >= 0 and not np.isnan(recent[k % m, p]):
            total += recent[k % m, p]
            judged += 1
    return total / judged


@kernel
def _ratios(error: NDArray[np.float32], typical: Floats, ready: bool, out: Floats) -> None:
    """Mean over the channels of error / ordinary error, per patch; NaN where not judged."""
    for p in range(error.shape[0]):
        total = 0.0 if ready else np.nan
        for c in range(error.shape[1]):
            total += error[p, c] / max(typical[p, c], _FLOOR)
        out[p] = total / error.shape[1]


@kernel
def _blame(error: NDArray[np.float32], typical: Floats, out: NDArray[np.float32]) -> None:
    """Each channel's part of the squared ratios, summed over the patches."""
    whole = 0.0
    for c in range(error.shape[1]):
        part = 0.0
        for p in range(error.shape[0]):
            ratio = error[p, c] / max(typical[p, c], _FLOOR)
            part += ratio * ratio
        out[c] = part
        whole += part
    for c in range(error.shape[1]):
        out[c] = out[c] / whole if whole > 0 else 1.0 / error.shape[1]
