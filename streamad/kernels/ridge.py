"""Ridge regression of every channel on the last rows of all channels, learned in blocks of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Floats, Ints

    Reals = NDArray[np.float32]

SPLIT, WEIGHT, UNITS = 0, 1, 2
"""Head of a block: rows of the prefix, weight of the rows learned; from ``UNITS`` on the inverse
residual deviation of each channel, then XX (lower triangle, row by row), XY (D numbers a channel)
and, in float32, the coefficients (a row a channel), filled up to whole numbers of ``TILE`` and
``LANES``. D = 4 C + 1: the last four rows of the first channel, of the second, ..., a constant."""

LAGS = 4
TILE = 4
"""Rows of a matrix that are worked on at once."""

LANES = 16
"""Numbers that are worked on side by side."""

BLOCK = 512
"""Rows after which it learns."""

KEEP = (1.0 - 1.0 / 20_000.0) ** BLOCK
"""Share of what was learned that a block leaves."""

SCORE, LEARN, BOTH = 1, 2, 3

PENALTY = 0.01
LARGEST = 10.0
"""Residual deviations that a residual counts at most."""


@kernel
def block_size(n_channels: int) -> int:
    """Numbers (float64) of a block."""
    return _block_size(n_channels)


@kernel
def _block_size(n_channels: int) -> int:
    """See :func:`block_size`."""
    d = LAGS * n_channels + 1
    n_weights = _up_to(n_channels, TILE) * _up_to(d, LANES)
    return UNITS + n_channels + d * (d + 1) // 2 + d * n_channels + n_weights // 2


@kernel
def _up_to(n: int, whole: int) -> int:
    return (n + whole - 1) // whole * whole


@kernel
def ridge_pass(
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
    work: int,
    scores: Floats,
    shares: Reals,
    expected: Reals,
) -> None:
    """Score new rows of the series ``lo`` to ``hi - 1``; learn whenever a block is complete.

    Parameters
    ----------
    pool, pool32 : float64, float32
        The arena, twice: blocks as ``UNITS`` says.
    counts, first, seen, own, past, capacity, filled : int64 (G,)
        As in ``Call``.
    work : int
        ``BOTH``; or ``LEARN`` all rows for good, without a score; or ``SCORE`` alone.
    scores : float64 (1, N)
        Out: root mean square of the residuals in units of their deviation.
    shares : float32 (N, C) or (0, C)
        Out: squared residuals in these units.
    expected : float32 (N, C)
        Out: forecasts.
    """
    size = _block_size(n_channels)
    for g in range(lo, hi):
        block, block32 = pool[own[g] : own[g] + size], pool32[2 * own[g] : 2 * (own[g] + size)]
        i = 0
        while i < counts[g]:
            done = (seen[g] + i - int(block[SPLIT])) % BLOCK
            n = min(BLOCK - done, counts[g] - i)
            at, out = past[g] + filled[g] - counts[g] + i, first[g] + i
            i += n
            if work & SCORE:
                _forecast(
                    block,
                    block32,
                    pool32,
                    at,
                    capacity[g],
                    n,
                    n_channels,
                    out,
                    scores,
                    shares,
                    expected,
                )
            if work == LEARN or (work == BOTH and done + n == BLOCK):
                keep = KEEP if work == BOTH else 1.0
                _learn(block, pool32, at - done, capacity[g], done + n, n_channels, keep)
                if work == BOTH or i == counts[g]:
                    _solve(block, block32, n_channels)


@kernel
def _forecast(
    block: Floats,
    block32: Reals,
    z: Reals,
    at: int,
    stride: int,
    n: int,
    n_channels: int,
    out: int,
    scores: Floats,
    shares: Reals,
    expected: Reals,
) -> None:
    """Forecast and score ``n`` rows, the first of which is at ``z[at + c * stride]``."""
    height, width = _up_to(n_channels, TILE), _up_to(LAGS * n_channels + 1, LANES)
    weights = block32[block32.shape[0] - height * width :]
    x, y, squared = np.empty(width, np.float32), np.empty(height, np.float32), np.empty(n_channels)
    for j in range(LAGS * n_channels, width):
        x[j] = 1.0 if j == LAGS * n_channels else 0.0
    for i in range(n):
        for c in range(n_channels):
            row = at + c * stride + i
            for lag in range(LAGS):
                x[LAGS * c + lag] = z[row - 1 - lag]
        _times(weights, x, y)
        squares = 0.0
        for c in range(n_channels):
            expected[out + i, c] = y[c]
            error = float(z[at + c * stride + i] - y[c]) * block[UNITS + c]
            error = min(abs(error), LARGEST)
            squared[c] = error * error
            squares += squared[c]
        scores[0, out + i] = np.sqrt(squares / n_channels)
        if shares.shape[0] > 0:
            for c in range(n_channels):
                shares[out + i, c] = squared[c]


@kernel
def _times(weights: Reals, x: Reals, y: Reals) -> None:
    """The product of a matrix, row by row, with a vector."""
    n = x.shape[0]
    for c in range(0, y.shape[0], TILE):
        w0, w1 = weights[c * n : (c + 1) * n], weights[(c + 1) * n : (c + 2) * n]
        w2, w3 = weights[(c + 2) * n : (c + 3) * n], weights[(c + 3) * n : (c + 4) * n]
        y0 = y1 = y2 = y3 = np.float32(0.0)
        for j in range(n):
            y0 += w0[j] * x[j]
            y1 += w1[j] * x[j]
            y2 += w2[j] * x[j]
            y3 += w3[j] * x[j]
        y[c], y[c + 1], y[c + 2], y[c + 3] = y0, y1, y2, y3


@kernel
def _learn(
    block: Floats, z: Reals, at: int, stride: int, n: int, n_channels: int, keep: float
) -> None:
    """Keep a share of what was learned and add the products of ``n`` rows with the rows before.

    Notes
    -----
    The product of channel a, ``l`` rows ago, and channel b, ``l + k`` rows ago, summed over the
    rows, differs from that of ``l = 0`` by what enters and leaves at the ends.
    """
    d = LAGS * n_channels + 1
    n_packed = d * (d + 1) // 2
    xx = block[UNITS + n_channels : UNITS + n_channels + n_packed + d * n_channels]
    xy = xx[n_packed:]
    for i in range(xx.shape[0]):
        xx[i] *= keep
    block[WEIGHT] = block[WEIGHT] * keep + n
    ones = xx[n_packed - d :]
    ones[d - 1] += n
    after, before = np.empty(LAGS + 1), np.empty(LAGS + 1)
    length = LAGS + n
    rows = np.empty(n_channels * length)
    for a in range(n_channels):
        for t in range(length):
            rows[a * length + t] = z[at + a * stride - LAGS + t]
    for a in range(n_channels):
        za = rows[a * length : (a + 1) * length]
        total = 0.0
        for t in range(LAGS, LAGS + n):
            total += za[t]
        xy[a * d + d - 1] += total
        for lag in range(1, LAGS + 1):
            total += za[LAGS - lag] - za[LAGS + n - lag]
            ones[LAGS * a + lag - 1] += total
        for b in range(a + 1):
            zb = rows[b * length : (b + 1) * length]
            _products(za, zb, n, after, before)
            for lag in range(1, LAGS + 1):
                xy[a * d + LAGS * b + lag - 1] += after[lag]
                if a > b:
                    xy[b * d + LAGS * a + lag - 1] += before[lag]
            for k in range(LAGS):
                late, early = after[k], before[k]
                for lag in range(1, LAGS + 1 - k):
                    enter, leave = LAGS - lag, LAGS + n - lag
                    late += za[enter] * zb[enter - k] - za[leave] * zb[leave - k]
                    early += zb[enter] * za[enter - k] - zb[leave] * za[leave - k]
                    i, j = LAGS * a + lag - 1, LAGS * b + lag - 1
                    if a > b:
                        xx[i * (i + 1) // 2 + j + k] += late
                    if a == b or k > 0:
                        xx[(i + k) * (i + k + 1) // 2 + j] += early


@kernel
def _products(x: Floats, y: Floats, n: int, after: Floats, before: Floats) -> None:
    """Sums of x y over ``n`` rows: y 0 to 4 rows earlier, and x 0 to 4 rows earlier."""
    s = a1 = a2 = a3 = a4 = b1 = b2 = b3 = b4 = 0.0
    for t in range(n):
        s += x[t + 4] * y[t + 4]
        a1 += x[t + 4] * y[t + 3]
        a2 += x[t + 4] * y[t + 2]
        a3 += x[t + 4] * y[t + 1]
        a4 += x[t + 4] * y[t]
        b1 += x[t + 3] * y[t + 4]
        b2 += x[t + 2] * y[t + 4]
        b3 += x[t + 1] * y[t + 4]
        b4 += x[t] * y[t + 4]
    after[0], after[1], after[2], after[3], after[4] = s, a1, a2, a3, a4
    before[0], before[1], before[2], before[3], before[4] = s, b1, b2, b3, b4


@kernel
def _solve(block: Floats, block32: Reals, n_channels: int) -> None:
    """Coefficients (XX + (.01 N + 1e-9) I)^-1 XY.

    Notes
    -----
    Cholesky, with XY as further rows of the matrix: what comes out there is the first of the two
    triangular systems solved.
    """
    d = LAGS * n_channels + 1
    height, width = _up_to(n_channels, TILE), _up_to(d, LANES)
    rows = _up_to(d + n_channels, TILE)
    lower, inverse = np.empty(rows * d), np.empty(d)
    packed = block[UNITS + n_channels :]
    for i in range(rows):
        for j in range(d):
            known = i * (i + 1) // 2 if i < d else d * (d + 1) // 2 + (i - d) * d
            lower[i * d + j] = packed[known + j] if j <= i < d + n_channels else 0.0
        if i < d:
            lower[i * d + i] += PENALTY * block[WEIGHT] + 1e-9
    for i in range(0, rows, TILE):
        r0, r1 = lower[i * d : (i + 1) * d], lower[(i + 1) * d : (i + 2) * d]
        r2, r3 = lower[(i + 2) * d : (i + 3) * d], lower[(i + 3) * d : (i + 4) * d]
        for j in range(min(i + TILE, d)):
            row = lower[j * d : j * d + j]
            s0, s1, s2, s3 = r0[j], r1[j], r2[j], r3[j]
            for k in range(j):
                s0 -= r0[k] * row[k]
                s1 -= r1[k] * row[k]
                s2 -= r2[k] * row[k]
                s3 -= r3[k] * row[k]
            r0[j], r1[j], r2[j], r3[j] = s0, s1, s2, s3
            if j >= i:
                inverse[j] = 1.0 / np.sqrt(lower[j * d + j])
            r0[j] *= inverse[j]
            r1[j] *= inverse[j]
            r2[j] *= inverse[j]
            r3[j] *= inverse[j]
    weights = block32[block32.shape[0] - height * width :]
    for c in range(n_channels):
        y = lower[(d + c) * d : (d + c + 1) * d]
        for j in range(d - 1, -1, -1):
            y[j] *= inverse[j]
            weights[c * width + j] = y[j]
            row = lower[j * d : j * d + j]
            for k in range(j):
                y[k] -= y[j] * row[k]
