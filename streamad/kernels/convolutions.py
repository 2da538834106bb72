"""Random convolutions of the rows of a series, and how unlike the ordinary their features are.

The same rows give the same bits in any cut, in a process that compiled this file and in one that
loaded it from the cache: wherever loops run along rows in one case and along features in the other,
each number is the same chain of operations. So sums move on through memory, one step a row, and a
factor of a loop is read from memory: what is computed before a loop may be drawn into it, where the
vectorised part rounds it otherwise than the rest.

Longer than other files: a kernel calls kernels of its own file only, and learning shares features
and factor with scoring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints

    Reals = NDArray[np.float32]
    Parts = tuple[int, int, int, int, int, int, int, int, int, int, int]

HEAD = 12
WINDOW, HOP, KERNELS, LEVELS, TERMS, MIXED, CHANNELS, FITTED, PER_ROW, PER_FEATURE, COUNT, HELD = (
    range(HEAD)
)
"""Head of a block: rows of the window and between features, sizes, rows of the prefix up to its
last features, 1 / window, 1 / (2 K); then what changes: weight of what was learned, last score."""

BIAS, CENTER, RATE, FACTOR, WEIGHT, PLACE, LEVEL, SPLIT, TOP, RECENT, SHARE = range(11)
"""Parts of a block in float32 (PLACE and LEVEL: int32), see :func:`layout`."""

BLOCK = 512
BLOCKS = 20
FORGET = 1.0 / 20_000.0
GATE = 0.98
"""Quantile of the scores of the latest BLOCKS and of the one that ends, above which a row is not
learned."""

RIDGE = 0.03
"""Part of the diagonal in the covariance."""

REFRESH = 10_000
"""Rows after which running sums are computed afresh."""

LAG_BITS = 9
LAGS = (1 << LAG_BITS) - 1
"""A place is ``channel << LAG_BITS | lag``."""

EXTRACT, FIT, SCORE = range(3)
"""What is to be done with rows: their features, learning all of them, or scoring and learning."""

FEW, WIDE = 16, 8
"""Rows, and feature rows, from which on vectors run along time."""

TILE = 64
CLIP, FLOOR = np.float32(8.0), np.float32(0.05)
ZERO = np.float32(0.0)


@kernel
def layout(head: Floats) -> tuple[Parts, int]:
    """Where the float32 parts of a block begin, and its size in float64.

    Parameters
    ----------
    head : float64 (HEAD,)
        With sizes set. Running sums, means and variances of the features follow it, float64 (d,)
        each, d = 2 K.

    Returns
    -------
    tuple
        Offsets in float32 of: biases (K); mean and reciprocal deviation of the features in the
        prefix (d); Cholesky factor by columns, with reciprocals on the diagonal (d (d + 1) / 2);
        weights, and places, of all terms, level by level; number of terms of each level; shares of
        the channels in the convolutions, beside the terms of the first levels; largest scores of
        each of the latest blocks; scores of the block under way; latest shares of the channels in
        the score, the first one below 0 if they were not wanted.
    """
    return _layout(head)


@kernel
def _layout(head: Floats) -> tuple[Parts, int]:
    """See :func:`layout`."""
    k, terms = int(head[KERNELS]), int(head[TERMS])
    rows = max(1, BLOCK // int(head[HOP]))
    n_top = int(np.ceil((1.0 - GATE) * ((BLOCKS + 1) * rows - 1))) + 2
    bias = 2 * (HEAD + 6 * k)
    factor = bias + 5 * k
    weight = factor + k * (2 * k + 1)
    level = weight + 2 * terms
    split = level + int(head[LEVELS])
    top = split + int(head[MIXED])
    recent = top + BLOCKS * n_top
    share = recent + rows
    size = (share + int(head[CHANNELS]) + 1) // 2
    return (
        bias, bias + k, bias + 3 * k, factor, weight, weight + terms, level, split, top, recent,
        share,
    ), size  # fmt: skip


@kernel
def convolution_pass(
    pool: Floats,
    reals: Reals,
    codes: Codes,
    counts: Ints,
    first: Ints,
    seen: Ints,
    own: Ints,
    past: Ints,
    capacity: Ints,
    filled: Ints,
    n_channels: int,
    lo: int,
    hi: int,
    task: int,
    work: Reals,
    bits: Codes,
    scores: Floats,
    shares: Reals,
) -> None:
    """Score new rows of the series ``lo`` to ``hi - 1``, and learn where blocks end.

    Parameters
    ----------
    pool, reals, codes : float64, float32, int32
        The arena, three times: blocks as :func:`layout` says.
    counts, first, seen, own, past, capacity, filled : int64 (G,)
        As in ``Call``. SCORE takes rows of the prefix, too, and does not learn them.
    n_channels : int
    task : int
        SCORE; or EXTRACT or FIT for one series with at most a block of rows.
    work, bits : float32, int32 (d * max(d, BLOCK),)
        Scratch, the same memory; d = 2 K.
        Out with EXTRACT: features (d, m).
    scores : float64 (N,)
        Out with SCORE: root of the squared Mahalanobis distance over d, held between features.
    shares : float32 (N * C,) or (0,)
        Out: parts of the channels in the squared distance, row by row, where wanted.
    """
    wanted = n_channels if shares.shape[0] > 0 else 0
    for g in range(lo, hi):
        at = own[g]
        parts, size = _layout(pool[at : at + HEAD])
        block = pool[at : at + size]
        real, code = reals[2 * at : 2 * (at + size)], codes[2 * at : 2 * (at + size)]
        z = reals[past[g] : past[g] + n_channels * capacity[g]]
        hop, fitted, d = int(block[HOP]), int(block[FITTED]), 2 * int(block[KERNELS])
        rows = max(1, BLOCK // hop)
        span = hop * rows
        recent, aside = real[parts[RECENT] : parts[SHARE]], np.empty(d)
        row, end = seen[g], seen[g] + counts[g]
        ahead, out = filled[g] - end, first[g] - seen[g]
        gate, ended, stale = np.inf, False, wanted > 0 and real[parts[SHARE]] < ZERO
        while row < end or ended:
            begin, into = row, (row - fitted) % span
            n = min(end - row, span - into, REFRESH - row % REFRESH)
            if ended:
                begin, n = row - span, span
            elif task != SCORE:
                n = end - row
            elif stale:
                begin, n = row // hop * hop - hop, hop
            m = (begin + n) // hop - begin // hop
            _extract(
                block, real, code, parts, z, capacity[g], begin, ahead + begin, n,
                ended or stale or begin % REFRESH == 0,
                aside if ended or stale else block[HEAD : HEAD + d], work, bits,
            )  # fmt: skip
            if ended or task == FIT:
                _learn(block, real, parts, m, gate, FORGET * hop if ended else 0.0, work)
            if task != SCORE:
                break
            if ended:
                ended = False
                continue
            scored, blame = np.empty(m, np.float32), np.zeros(wanted * m, np.float32)
            _measure(block, real, code, parts, work, wanted, scored, blame)
            if stale:
                for c in range(wanted):
                    real[parts[SHARE] + c] = max(blame[c], ZERO)
                stale = False
                continue
            for q in range(m):
                recent[into // hop + q] = scored[q]
            q = 0
            for r in range(row, row + n):
                if (r + 1) % hop == 0:
                    block[HELD] = scored[q]
                    real[parts[SHARE]] = -1.0
                    for c in range(wanted):
                        real[parts[SHARE] + c] = max(blame[c * m + q], ZERO)
                    q += 1
                scores[out + r] = block[HELD]
                for c in range(wanted):
                    shares[(out + r) * wanted + c] = real[parts[SHARE] + c]
            row += n
            if (row - fitted) % span == 0:
                known = min((row - span) // hop, BLOCKS * rows) + rows
                gate = _gate(code, parts, (row - fitted) // span, known, work, bits)
                ended = row > fitted


@kernel
def _extract(
    block: Floats,
    reals: Reals,
    codes: Codes,
    parts: Parts,
    z: Reals,
    capacity: int,
    row: int,
    column: int,
    n: int,
    fresh: bool,
    sums: Floats,
    work: Reals,
    bits: Codes,
) -> None:
    """Features of the windows that end with rows of ``row ... row + n - 1``.

    The mean of what exceeds the bias, and the logarithm of the root mean square plus .05; to the
    scale of the prefix, clipped, less their running means.

    Parameters
    ----------
    block, reals, codes : float64, float32, int32
        The block, three times.
    parts : tuple
        From :func:`layout`.
    z : float32 (C * capacity,)
        Row buffer of the series, with the rows at the columns ``column ...``.
    capacity, row, column, n : int
    fresh : bool
        Begin with new sums.
    sums : float64 (2 K,)
        Sums over the window, of excesses and of squares; they move on.
    work, bits : float32, int32 (2 K m or more,)
        Out: features (2 K, m), first all mean excesses. The same memory.

    References
    ----------
    Logarithms, which in libm do not vectorise: Moshier, Cephes, ``logf`` (to 1e-7).
    """
    k, w, hop = int(block[KERNELS]), int(block[WINDOW]), int(block[HOP])
    weights = reals[parts[WEIGHT] : parts[PLACE]]
    places = codes[parts[PLACE] : parts[LEVEL]]
    levels = codes[parts[LEVEL] : parts[SPLIT]]
    bias = reals[parts[BIAS] : parts[CENTER]]
    start, m = hop - 1 - row % hop, (row + n) // hop - row // hop
    size = max(k, n)
    above, squares, share = np.empty(size), np.empty(size), np.empty(size)
    y = np.empty(max(w + n, 2 * k), np.float32)
    if fresh or n >= FEW:
        for i in range(n):
            share[i] = 1.0 / min(row + i + 1, w)
        for j in range(k):
            _convolve(weights, places, levels, j, z, capacity, column - w, y[: w + n])
            new, b, total, energy = y[w:], bias[j], sums[j], sums[k + j]
            if fresh:
                total, energy = 0.0, 0.0
                for i in range(max(0, w - row), w):
                    total += max(y[i] - b, ZERO)
                    energy += y[i] * y[i]
            for i in range(n):
                above[i] = np.float64(max(new[i] - b, ZERO)) - max(y[i] - b, ZERO)
                squares[i] = np.float64(new[i] * new[i]) - y[i] * y[i]
            for i in range(min(n, w - row)):
                above[i] = max(new[i] - b, ZERO)
            for i in range(n):
                total += above[i]
                energy += squares[i]
                above[i], squares[i] = total, energy
            sums[j], sums[k + j] = total, energy
            mean, power = work[j * m : (j + 1) * m], work[(k + j) * m : (k + j + 1) * m]
            for q in range(m):
                mean[q] = above[start + q * hop] * share[start + q * hop]
                mean_square = np.float32(
                    max(squares[start + q * hop], 0.0) * share[start + q * hop]
                )
                power[q] = np.sqrt(mean_square) + FLOOR
    else:
        new, old = y[:k], y[k : 2 * k]
        for i in range(n):
            for j in range(2 * k):
                y[j] = ZERO
            start = 0
            for count in levels:
                for j in range(count):
                    place, weight = places[start + j], weights[start + j]
                    at = (place >> LAG_BITS) * capacity + column + i - (place & LAGS)
                    new[j] += weight * z[at]
                    old[j] += weight * z[at - w]
                start += count
            for j in range(k):
                above[j] = np.float64(max(new[j] - bias[j], ZERO)) - max(old[j] - bias[j], ZERO)
                squares[j] = np.float64(new[j] * new[j]) - old[j] * old[j]
            for j in range(k):
                sums[j] += above[j]
                sums[k + j] += squares[j]
            if (row + i + 1) % hop == 0:
                at = (row + i) // hop - row // hop
                for j in range(k):
                    work[at + j * m] = sums[j] * block[PER_ROW]
                    mean_square = np.float32(max(sums[k + j], 0.0) * block[PER_ROW])
                    work[at + (k + j) * m] = np.sqrt(mean_square) + FLOOR
    power, code = work[k * m : 2 * k * m], bits[k * m : 2 * k * m]
    exponent = np.empty(k * m, np.float32)
    for i in range(k * m):
        e = (code[i] - np.int32(0x3F3504F3)) >> np.int32(23)
        exponent[i] = e
        code[i] -= e << np.int32(23)
    for i in range(k * m):
        u = power[i] - np.float32(1.0)
        p = np.float32(7.0376836292e-2)
        p = p * u - np.float32(1.1514610310e-1)
        p = p * u + np.float32(1.1676998740e-1)
        p = p * u - np.float32(1.2420140846e-1)
        p = p * u + np.float32(1.4249322787e-1)
        p = p * u - np.float32(1.6668057665e-1)
        p = p * u + np.float32(2.0000714765e-1)
        p = p * u - np.float32(2.4999993993e-1)
        p = p * u + np.float32(3.3333331174e-1)
        p = p * u - np.float32(0.5)
        power[i] = exponent[i] * np.float32(0.693147181) + (p * u * u + u)
    for f in range(2 * k):
        x, middle = work[f * m : (f + 1) * m], np.float32(block[HEAD + 2 * k + f])
        center, rate = reals[parts[CENTER] + f], reals[parts[RATE] + f]
        for i in range(m):
            x[i] = min(max((x[i] - center) * rate, -CLIP), CLIP) - middle


@kernel
def convolve(
    weights: Reals,
    places: Codes,
    levels: Codes,
    j: int,
    z: Reals,
    capacity: int,
    column: int,
    y: Reals,
) -> None:
    """Convolution j at the columns ``column ...`` of a row buffer.

    Parameters
    ----------
    weights, places : float32, int32 (terms,)
    levels : int32 (LEVELS,)
    j : int
    z : float32 (C * capacity,)
    capacity, column : int
    y : float32 (n,)
        Out.
    """
    _convolve(weights, places, levels, j, z, capacity, column, y)


@kernel
def _convolve(
    weights: Reals,
    places: Codes,
    levels: Codes,
    j: int,
    z: Reals,
    capacity: int,
    column: int,
    y: Reals,
) -> None:
    """See :func:`convolve`."""
    n, start = y.shape[0], 0
    for i in range(n):
        y[i] = ZERO
    for count in levels:
        if j >= count:
            break
        weight, place = weights[start + j], places[start + j]
        at = (place >> LAG_BITS) * capacity + column - (place & LAGS)
        x = z[at : at + n]
        for i in range(n):
            y[i] += weight * x[i]
        start += count


@kernel
def _measure(
    block: Floats,
    reals: Reals,
    codes: Codes,
    parts: Parts,
    features: Reals,
    n_channels: int,
    distances: Reals,
    blame: Reals,
) -> None:
    """Distances (m,) of features (2 K, m), and parts (C, m) of n_channels in their squares.

    One column after the other, or ``TILE`` of them side by side: the same operations on the same
    numbers in the same order.
    """
    d, m = 2 * int(block[KERNELS]), distances.shape[0]
    factor = reals[parts[FACTOR] : parts[WEIGHT]]
    x, squares = np.empty(d * min(TILE, m), np.float32), np.empty(TILE)
    q = 0
    while q < m:
        width = min(TILE, m - q) if m - q >= WIDE else 1
        for f in range(d):
            for i in range(width):
                x[f * width + i] = features[f * m + q + i]
        if width > 1:
            _solve_tile(factor, d, width, x, squares)
        else:
            squares[0] = _solve(factor, d, x)
        for i in range(width):
            distances[q + i] = np.sqrt(squares[i] * block[PER_FEATURE])
        if n_channels > 0:
            for j in range(d - 1, -1, -1):
                solved, weight = x[j * width : (j + 1) * width], factor[j * d - j * (j - 1) // 2]
                for i in range(width):
                    solved[i] *= weight
                at, value = j, solved[0]
                for f in range(j):
                    if width == 1:
                        x[f] -= factor[at] * value
                    else:
                        rest, weight = x[f * width : (f + 1) * width], factor[at]
                        for i in range(width):
                            rest[i] -= weight * solved[i]
                    at += d - f - 1
            for f in range(d):
                for i in range(width):
                    x[f * width + i] *= features[f * m + q + i]
            half = d // 2 * width
            for i in range(half):
                x[i] += x[half + i]
            start = 0
            for count in codes[parts[LEVEL] : parts[SPLIT]]:
                if start == int(block[MIXED]):
                    break
                for j in range(count):
                    share = reals[parts[SPLIT] + start + j]
                    if share > ZERO:
                        at = (codes[parts[PLACE] + start + j] >> LAG_BITS) * m + q
                        part, into = x[j * width : (j + 1) * width], blame[at : at + width]
                        for i in range(width):
                            into[i] += share * part[i]
                start += count
        q += width


@kernel
def _solve(factor: Reals, d: int, x: Reals) -> float:
    """Replace x (d,) by L^-1 x; its squared length."""
    at, total = 0, 0.0
    for i in range(d):
        value = x[i] * factor[at]
        x[i] = value
        total += value * value
        rest, column = x[i + 1 : d], factor[at + 1 : at + d - i]
        for j in range(rest.shape[0]):
            rest[j] -= column[j] * value
        at += d - i
    return total


@kernel
def _solve_tile(factor: Reals, d: int, width: int, x: Reals, squares: Floats) -> None:
    """Replace x (d, width) by L^-1 x; squared lengths of its columns."""
    at = 0
    for q in range(width):
        squares[q] = 0.0
    for i in range(d):
        solved, weight = x[i * width : (i + 1) * width], factor[at]
        for q in range(width):
            value = solved[q] * weight
            solved[q] = value
            squares[q] += value * value
        for j in range(i + 1, d):
            rest, weight = x[j * width : (j + 1) * width], factor[at + j - i]
            for q in range(width):
                rest[q] -= weight * solved[q]
        at += d - i


@kernel
def _gate(codes: Codes, parts: Parts, blocks: int, known: int, work: Reals, bits: Codes) -> float:
    """Quantile of ``known`` scores: of the block that ends, which joins the others, and of those.

    Scores are compared by their bits, which are in the same order.
    """
    recent, ranked = codes[parts[RECENT] : parts[SHARE]], codes[parts[TOP] : parts[SHARE]]
    place = GATE * (known - 1)
    below = int(place)
    for above in range(2):
        bits[above] = _largest(ranked, max(1, known - below - above))
    n = (parts[RECENT] - parts[TOP]) // BLOCKS
    at, limit = parts[TOP] + (blocks - 1) % BLOCKS * n, _largest(recent, n)
    for i in range(n):
        codes[at + i] = limit
    for i in range(recent.shape[0]):
        if recent[i] > limit:
            codes[at] = recent[i]
            at += 1
    low, high = float(work[0]), float(work[1])
    return low + (place - below) * (high - low)


@kernel
def _largest(bits: Codes, rank: int) -> int:
    """Number of a rank, the largest has 1, among numbers of 0 or more; 0 if there are fewer."""
    low, high = 0, 0x7F800000
    while low < high:
        middle = (low + high + 1) // 2
        limit, count = np.int32(middle), np.int32(0)
        for i in range(bits.shape[0]):
            count += np.int32(bits[i] >= limit)
        if count >= rank:
            low = middle
        else:
            high = middle - 1
    return low


@kernel
def _learn(
    block: Floats,
    reals: Reals,
    parts: Parts,
    n: int,
    gate: float,
    forget: float,
    work: Reals,
) -> None:
    """New means, variances and factor, from the features (d, n) in ``work`` of rows up to the gate.

    The old covariance S is had from its factor: L L' = (1 - RIDGE) S + RIDGE D, D diagonal.
    """
    d, learned = 2 * int(block[KERNELS]), 0
    factor = reals[parts[FACTOR] : parts[WEIGHT]]
    mean, variance = block[HEAD + d : HEAD + 2 * d], block[HEAD + 2 * d : HEAD + 3 * d]
    square, shift = np.zeros(d * (d + 1) // 2), np.empty(d)
    for q in range(n):
        if reals[parts[RECENT] + q] <= gate:
            learned += 1
        else:
            for f in range(d):
                work[f * n + q] = ZERO
    kept = block[COUNT] * (1.0 - forget) ** learned
    total = kept + learned
    block[COUNT] = total
    for f in range(d):
        added = ZERO
        for q in range(f * n, f * n + n):
            added += work[q]
        shift[f] = added / total
        mean[f] += shift[f]
    for old in range(2):
        if old == 1:
            level, at = 0.0, 0
            for f in range(d):
                spread = (kept * variance[f] + square[at]) / total - shift[f] * shift[f]
                variance[f] = max(spread, 0.0)
                level += 0.05 * variance[f] * block[PER_FEATURE]
                at += d - f
            scale, n, at = np.sqrt(kept / (1.0 - RIDGE)), d, 0
            for j in range(d):
                work[j * d + j] = scale / factor[at]
                if j + 1 < d:
                    work[j * d + j + 1] = ZERO
                for i in range(j + 1, d):
                    work[i * d + j] = scale * factor[at + i - j]
                at += d - j
        for j in range(0, d, 2):
            at, stop = j * d - j * (j + 1) // 2, j + 2 if old == 1 else n
            u, v = work[j * n : j * n + stop], work[j * n + n : j * n + n + stop]
            for i in range(j, d, 2):
                a, b = work[i * n : i * n + stop], work[i * n + n : i * n + n + stop]
                au, bu, av, bv = ZERO, ZERO, ZERO, ZERO
                for t in range(stop):
                    au += a[t] * u[t]
                    bu += b[t] * u[t]
                    av += a[t] * v[t]
                    bv += b[t] * v[t]
                square[at + i] += au
                square[at + i + 1] += bu
                if i > j:
                    square[at + d - j - 1 + i] += av
                square[at + d - j + i] += bv
    at = 0
    for j in range(d):
        column = square[at : at + d - j]
        column[0] = (1.0 - RIDGE) * variance[j] + RIDGE * max(variance[j], level + 1e-6)
        for i in range(1, d - j):
            column[i] = (1.0 - RIDGE) * (column[i] / total - shift[j + i] * shift[j])
        at += d - j
    at = 0
    for k in range(d):
        column, to = square[at : at + d - k], at + d - k
        root = 1.0 / np.sqrt(column[0])
        factor[at] = root
        for i in range(1, d - k):
            column[i] *= root
            factor[at + i] = column[i]
        for j in range(1, d - k):
            weight, below, rest = column[j], column[j:], square[to : to + d - k - j]
            for i in range(rest.shape[0]):
                rest[i] -= weight * below[i]
            to += d - k - j
        at += d - k
