"""What is left of a row after its mean and covariance: streaming Mahalanobis distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints

LARGEST = 1e100
"""Larger values count as missing, like NaN: their squares would overflow."""

LEARNED, SKIPPED, JUDGED = range(3)
"""Columns of ``counters``."""

TYPICAL, LIMIT = range(2)
"""Columns of ``gate``: running mean and running quantile of the scores."""


@kernel
def mahalanobis_pass(
    codes: Codes,
    x: Floats,
    counters: Ints,
    gate: Floats,
    mean: Floats,
    factor: Floats,
    horizon: int,
    ridge: float,
    warm_up: int,
    quantile: float,
    max_skipped: int,
    work: int,
    causal: Floats,
    shares: NDArray[np.float32],
) -> None:
    """Score (work & 1) and learn (work & 2) vectors by a forgetting mean and covariance.

    With delta = x - mean and w = 1 / min(rows + 1, horizon) a learned row does::

        S    <- (1 - w) S + w (1 - w) delta delta',   mean <- mean + w delta
        S_jj <- S_jj + min(1, d w) (ridge S_jj + floor_j)     for one j, the next one each row
        S_jj <- S_jj + w S_jj                                 for every missing j (delta_j = 0)

    of which only the Cholesky factor is kept: U'U = S. A coordinate that gets its first value after
    the warm-up has no covariance with the others: the warm-up begins anew with that row.

    Parameters
    ----------
    codes : int32 (n,)
    x : float64 (n, d)
        NaN, infinite or beyond 1e100 = missing; a vector without any value is neither judged nor
        learned.
    counters : int64 (slots, 3)
    gate : float64 (slots, 2)
    mean : float64 (slots, d)
        NaN until the first value.
    factor : float64 (slots, d, d)
        Upper triangle: sums of products during the warm-up, U afterwards.
    horizon : int
        Rows over which the past is forgotten.
    ridge : float
        Share of its variance that is added to each coordinate, so that S stays regular.
    warm_up : int
        Rows that are learned unconditionally and not judged.
    quantile : float
        Rows that score above this running quantile are not learned ...
    max_skipped : int
        ... at most so many times in a row: after that they are the new normal.
    work : int
        1 = score, 2 = learn, 3 = both.
    causal : float64 (n,)
        Out when scoring: sqrt(delta' S^-1 delta / values present), NaN = not judged.
    shares : float32 (n, C) or (0, C)
        Out when scoring: max(0, delta_j (S^-1 delta)_j) by channel j mod C, normalised to 1.
    """
    d = x.shape[1]
    delta, y = np.empty(d), np.empty(d)
    explain = shares.shape[0] > 0
    for i in range(codes.shape[0]):
        s = codes[i]
        present = _deviation(x[i], mean[s], delta)
        learned = counters[s, LEARNED]
        if work & 1:
            causal[i] = np.nan
            for c in range(shares.shape[1] if explain else 0):
                shares[i, c] = 1.0 / shares.shape[1]
            if learned >= warm_up and present > 0:
                causal[i] = np.sqrt(_solve_lower(factor[s], delta, y) / present)
                if explain:
                    _solve_upper(factor[s], y)
                    _blame(delta, y, shares[i])
        if work & 2 and present > 0:
            if learned >= warm_up and _has_newcomer(x[i], mean[s]):
                _forget_all(delta, mean[s], factor[s])
                learned = counters[s, LEARNED] = 0
            if learned < warm_up:
                _gather(x[i], delta, learned + 1, mean[s], factor[s])
                counters[s, LEARNED] += 1
                if learned + 1 == warm_up:
                    _factorise(factor[s], mean[s], warm_up, ridge)
            else:
                if _admit(causal[i], gate[s, LIMIT], max_skipped, counters[s]):
                    counters[s, LEARNED] += 1
                    w = 1.0 / min(learned + 1, horizon)
                    _forget_and_add(x[i], delta, w, learned % d, ridge, mean[s], factor[s], y)
                _track(causal[i], quantile, gate[s], counters[s])


@kernel
def _has_newcomer(x: Floats, mean: Floats) -> bool:
    """True if a coordinate that never had a value has one now."""
    for j in range(x.shape[0]):
        if np.isnan(mean[j]) and abs(x[j]) < LARGEST:
            return True
    return False


@kernel
def _forget_all(delta: Floats, mean: Floats, S: Floats) -> None:
    """Begin the warm-up anew."""
    for j in range(mean.shape[0]):
        delta[j], mean[j] = 0.0, np.nan
        for k in range(mean.shape[0]):
            S[j, k] = 0.0


@kernel
def _deviation(x: Floats, mean: Floats, delta: Floats) -> int:
    """Difference to the mean, 0 where missing or never seen; how many values there are."""
    present = 0
    for j in range(x.shape[0]):
        delta[j] = 0.0
        if abs(x[j]) < LARGEST:
            present += 1
            if not np.isnan(mean[j]):
                delta[j] = x[j] - mean[j]
    return present


@kernel
def _solve_lower(U: Floats, b: Floats, y: Floats) -> float:
    """Solve U'y = b, along the rows of U; gives y'y."""
    total = 0.0
    for k in range(b.shape[0]):
        y[k] = b[k]
    for k in range(b.shape[0]):
        pivot = y[k] / U[k, k]
        y[k] = pivot
        total += pivot * pivot
        for j in range(k + 1, b.shape[0]):
            y[j] -= U[k, j] * pivot
    return total


@kernel
def _solve_upper(U: Floats, y: Floats) -> None:
    """Solve U z = y in place, along the rows of U."""
    for k in range(y.shape[0] - 1, -1, -1):
        total = y[k]
        for j in range(k + 1, y.shape[0]):
            total -= U[k, j] * y[j]
        y[k] = total / U[k, k]


@kernel
def _blame(delta: Floats, z: Floats, out: NDArray[np.float32]) -> None:
    """Each channel's part of delta'z; overwrites z."""
    whole = 0.0
    for j in range(delta.shape[0]):
        z[j] = max(delta[j] * z[j], 0.0)
        whole += z[j]
    for c in range(out.shape[0]):
        part = 0.0
        for j in range(c, delta.shape[0], out.shape[0]):
            part += z[j]
        out[c] = part / whole if whole > 0 else 1.0 / out.shape[0]


@kernel
def _gather(x: Floats, delta: Floats, n: int, mean: Floats, S: Floats) -> None:
    """Take row number ``n`` into mean and sums of products (Welford)."""
    for j in range(delta.shape[0]):
        if np.isnan(mean[j]) and abs(x[j]) < LARGEST:
            mean[j] = x[j]
        mean[j] += delta[j] / n
        for k in range(j, delta.shape[0]):
            S[j, k] += delta[j] * delta[k] * ((n - 1) / n)


@kernel
def _floor(mean: float) -> float:
    """Least variance of a coordinate, far below anything that is not constant."""
    return 0.0 if np.isnan(mean) else 1e-18 * mean * mean + 1e-30


@kernel
def _factorise(S: Floats, mean: Floats, n: int, ridge: float) -> None:
    """Replace the upper triangle of sums by the Cholesky factor of the ridged covariance."""
    d = mean.shape[0]
    for j in range(d):
        for k in range(j, d):
            S[j, k] /= n
        S[j, j] += ridge * S[j, j] + _floor(mean[j])
    for k in range(d):
        S[k, k] = np.sqrt(max(S[k, k], 1e-30))
        for j in range(k + 1, d):
            S[k, j] /= S[k, k]
        for i in range(k + 1, d):
            for j in range(i, d):
                S[i, j] -= S[k, i] * S[k, j]


@kernel
def _forget_and_add(
    x: Floats,
    delta: Floats,
    w: float,
    turn: int,
    ridge: float,
    mean: Floats,
    U: Floats,
    v: Floats,
) -> None:
    """One learned row; ``v`` is scratch."""
    d = delta.shape[0]
    for j in range(d):
        v[j] = np.sqrt(w * (1.0 - w)) * delta[j]
    variance = _variance(U, turn)
    _rotate(U, v, 0, np.sqrt(1.0 - w))  # leaves zeros in v
    for j in range(d):
        if not abs(x[j]) < LARGEST:
            v[j] = np.sqrt(w / (1.0 - w) * _variance(U, j))
            _rotate(U, v, j, 1.0)
        elif np.isnan(mean[j]):
            mean[j] = x[j]
        mean[j] += w * delta[j]
    v[turn] = np.sqrt(min(1.0, d * w) * (ridge * variance + _floor(mean[turn])))
    _rotate(U, v, turn, 1.0)


@kernel
def _variance(U: Floats, j: int) -> float:
    """Diagonal element j of U'U."""
    total = 0.0
    for k in range(j + 1):
        total += U[k, j] * U[k, j]
    return total


@kernel
def _rotate(U: Floats, v: Floats, start: int, shrink: float) -> None:
    """Make U'U into shrink^2 U'U + vv' by Givens rotations, and v, zero before start, into 0."""
    d = v.shape[0]
    for k in range(start, d):
        a, b = shrink * U[k, k], v[k]
        r = np.sqrt(a * a + b * b)
        cosine, sine = a / r, b / r
        U[k, k], v[k] = r, 0.0
        for j in range(k + 1, d):
            u = shrink * U[k, j]
            U[k, j] = cosine * u + sine * v[j]
            v[j] = cosine * v[j] - sine * u


@kernel
def _admit(score: float, limit: float, max_skipped: int, counters: Ints) -> bool:
    """True unless the score is too high, which counts only so many times in a row."""
    if score > limit:
        counters[SKIPPED] += 1
        return bool(counters[SKIPPED] > max_skipped)
    counters[SKIPPED] = 0
    return True


@kernel
def _track(score: float, quantile: float, gate: Floats, counters: Ints) -> None:
    """Move the running mean and the running quantile of the scores, in steps of the mean."""
    if np.isnan(score):
        return
    counters[JUDGED] += 1
    rate = max(0.01, 1.0 / counters[JUDGED])
    gate[TYPICAL] += rate * (score - gate[TYPICAL])
    if counters[JUDGED] == 1:
        gate[LIMIT] = 2.0 * score
    above = 1.0 if score > gate[LIMIT] else 0.0
    gate[LIMIT] += rate * gate[TYPICAL] * (above - (1.0 - quantile))
