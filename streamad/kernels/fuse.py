"""Scores of several detectors brought to one scale and joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints

COUNT, MEAN, VARIANCE, THIRD, SECOND, FIRST = range(6)
"""Last axis of ``stats``: moments, and the three largest scores of the warm-up."""

LARGEST = 1e100
"""Larger values count as missing, like NaN: their squares would overflow."""

MIN_COUNT = 32
"""Scores of a member before it has a say."""


@kernel
def fuse_pass(
    codes: Codes,
    x: Floats,
    causal: Floats,
    final: Floats,
    lags: Ints,
    rows: Ints,
    first: Ints,
    stats: Floats,
    waiting: Floats,
    warm_up: int,
    work: int,
    standard: Floats,
    fused: Floats,
    fused_final: Floats,
) -> None:
    """Standardise member scores, join them, and (work & 2) learn how they are distributed.

    Parameters
    ----------
    codes : int32 (n,)
    x : float64 (n, L, C)
        The windows; the warm-up begins with the first one that holds a value.
    causal : float64 (n, m)
        Causal scores of the m members, NaN = not judged.
    final : float64 (n, m)
        Their final scores, of the window end ``lags`` earlier; not read without work & 2.
    lags : int64 (m,)
    rows : int64 (slots,)
        Windows learned.
    first : int64 (slots,)
        Number of the window that began the warm-up, -1 = none yet.
    stats : float64 (slots, 2, m, 6)
        Count, mean and variance of the causal and of the final scores.
    waiting : float64 (slots, m, D)
        Standardised final scores of the latest window ends; D = largest lag + 1.
    warm_up : int
        Windows that are not judged.
    work : int
        1 = score, 3 = score and learn.
    standard : float64 (n, m)
        Out: standardised causal scores, 0 or more, NaN = not judged.
    fused : float64 (n,)
        Out: root mean square of ``standard`` over the members that judged.
    fused_final : float64 (n,)
        Out with work & 2: the same of the final scores, for the window end D - 1 earlier.
    """
    n_members = causal.shape[1]
    depth = waiting.shape[2]
    for i in range(codes.shape[0]):
        s = codes[i]
        now = rows[s]
        for j in range(n_members):
            standard[i, j] = _standardise(causal[i, j], stats[s, 0, j])
        ready = first[s] >= 0 and now - first[s] >= warm_up
        fused[i] = _root_mean_square(standard[i]) if ready else np.nan
        if work & 2:
            rows[s] += 1
            if first[s] < 0 and not _is_blank(x[i]):
                first[s] = now
            for j in range(n_members):
                _learn(causal[i, j], warm_up // 2, stats[s, 0, j])
                waiting[s, j, (now - lags[j]) % depth] = _standardise(final[i, j], stats[s, 1, j])
                _learn(final[i, j], warm_up // 2, stats[s, 1, j])
            end = now - (depth - 1)
            fused_final[i] = np.nan
            if first[s] >= 0 and end - first[s] >= warm_up:
                fused_final[i] = _root_mean_square(waiting[s, :, end % depth])


@kernel
def fuse_tail(
    owed: Floats,
    lags: Ints,
    now: int,
    first: int,
    stats: Floats,
    waiting: Floats,
    warm_up: int,
    out: Floats,
) -> None:
    """Fused finals still owed at the end of a series, oldest first.

    Parameters
    ----------
    owed : float64 (m, T)
        Final scores that the members still owe, newest last; row j is read in its last
        ``lags[j]`` places, the ends before them wait in ``waiting``.
    lags : int64 (m,)
    now : int
        Windows learned.
    first : int
        Number of the window that began the warm-up, -1 = none yet.
    stats : float64 (2, m, 6)
    waiting : float64 (m, D)
    warm_up : int
    out : float64 (T,)
        Out: fused finals of the last T window ends.
    """
    m, t = owed.shape
    column = np.empty(m)
    for k in range(t):
        end = now - t + k
        for j in range(m):
            if k >= t - lags[j]:
                column[j] = _standardise(owed[j, k], stats[1, j])
            else:
                column[j] = waiting[j, end % waiting.shape[1]]
        ready = first >= 0 and end - first >= warm_up
        out[k] = _root_mean_square(column) if ready else np.nan


@kernel
def _is_blank(window: Floats) -> bool:
    """True if no value is there."""
    for t in range(window.shape[0] - 1, -1, -1):
        for c in range(window.shape[1]):
            if abs(window[t, c]) < LARGEST:
                return False
    return True


@kernel
def _standardise(score: float, about: Floats) -> float:
    """Standard deviations above the mean, at least 0, logarithmic above 5.

    Where the third largest score of the warm-up lies more than 3 sd out, it is put at 3 sd: a
    member that often cries is believed less.
    """
    if not abs(score) < LARGEST or about[COUNT] < MIN_COUNT:
        return np.nan
    sd = np.sqrt(about[VARIANCE]) + 1e-9 + 0.001 * abs(about[MEAN])
    unit = max(sd, (about[THIRD] - about[MEAN]) / 3.0)
    z = max((score - about[MEAN]) / unit, 0.0)
    return float(z if z <= 5.0 else 5.0 + 5.0 * np.log(z / 5.0))


@kernel
def _learn(score: float, full: int, about: Floats) -> None:
    """Running moments: the first ``full`` scores weigh as they are, later ones little."""
    if not abs(score) < LARGEST:
        return
    about[COUNT] += 1
    n = about[COUNT]
    if n == 1:
        for k in range(THIRD, FIRST + 1):
            about[k] = score
    if n <= full:
        weight = n
        if n > MIN_COUNT:
            score = min(score, about[MEAN] + 8.0 * np.sqrt(about[VARIANCE]))
        for k in range(THIRD, FIRST + 1):
            if score > about[k]:
                if k > THIRD:
                    about[k - 1] = about[k]
                about[k] = score
    else:
        weight = n + 7.0 * full
        score = min(score, about[MEAN] + 2.0 * np.sqrt(about[VARIANCE]))
    step = score - about[MEAN]
    about[MEAN] += step / weight
    about[VARIANCE] += (step * (score - about[MEAN]) - about[VARIANCE]) / weight


@kernel
def _root_mean_square(values: Floats) -> float:
    """Over what is not NaN; NaN if nothing is."""
    total, n = 0.0, 0
    for value in values:
        if not np.isnan(value):
            total += value * value
            n += 1
    return np.sqrt(total / n) if n > 0 else np.nan
