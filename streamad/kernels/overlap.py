"""The fixed-lag score: each row gets the mean of the scores of all windows that cover it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints


@kernel
def overlap_mean(codes: Codes, causal: Floats, recent: Floats, count: Ints, final: Floats) -> None:
    """Fixed-lag score: the mean of the ``m`` scores from a window end on.

    Parameters
    ----------
    codes : int32 (n,)
        Slot of each score.
    causal : float64 (n,)
        New scores, NaN = not judged.
    recent : float64 (slots, m)
        Ring of the latest scores of a slot; updated.
    count : int64 (slots,)
        Scores pushed so far; updated.
    final : float64 (n,)
        Out: mean of the judged scores among the latest m, belonging to the oldest of them; NaN
        where the oldest was not judged or fewer than m exist.
    """
    m = recent.shape[1]
    for i in range(codes.shape[0]):
        s = codes[i]
        recent[s, count[s] % m] = causal[i]
        count[s] += 1
        final[i] = np.nan
        if count[s] >= m:
            final[i] = _mean_from(recent[s], count[s], count[s] - m)


@kernel
def overlap_tail(recent: Floats, count: int, out: Floats) -> int:
    """Finals still owed at the end of a series, oldest first.

    Parameters
    ----------
    recent : float64 (m,)
        Ring of the latest scores.
    count : int
        Scores pushed so far.
    out : float64 (m - 1,)
        Out: each row's mean over the windows that do cover it.

    Returns
    -------
    int
        How many entries of ``out`` were written.
    """
    first = max(0, count - (recent.shape[0] - 1))
    for start in range(first, count):
        out[start - first] = _mean_from(recent, count, start)
    written: int = count - first
    return written


@kernel
def _mean_from(recent: Floats, count: int, start: int) -> float:
    """Mean of the judged scores ``start..count-1``, NaN if the one at ``start`` is NaN."""
    m = recent.shape[0]
    at = start % m
    if np.isnan(recent[at]):
        return np.nan
    total = 0.0
    judged = 0
    for _ in range(start, count):
        x = recent[at]
        if not np.isnan(x):
            total += x
            judged += 1
        at = at + 1 if at + 1 < m else 0
    return total / judged
