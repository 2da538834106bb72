"""Left nearest neighbour: how far a window lies from the most similar one of the recent past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Floats, Ints

    Reals = NDArray[np.float32]

SAMPLES, KNOWN, SUM, SQUARES, PART, PART_ROWS, SHAPE, LEVEL, SCALE, PER, WIDTH, MEMORY = range(12)
"""Head of a block: samples of the sequence, of which so many are memory; running sums of the
window; the sample under way; scores of the last window; then what never changes: rows of a sample,
samples of a window, lags that are searched."""

HEAD = 12

SPAN = 256
"""Lags that are worked on side by side."""

REACH = 0.95
SOFT = 0.25
SHARPNESS = 0.5

REFRESH = 256
"""Samples after which running sums of squared differences are computed afresh."""


@kernel
def neighbor_pass(
    pool: Floats,
    pool32: Reals,
    rows: Reals,
    counts: Ints,
    first: Ints,
    own: Ints,
    new: Ints,
    lo: int,
    hi: int,
    shape: bool,
    spread: bool,
    scores: Floats,
    finals: Floats,
) -> None:
    """Score new rows of the series ``lo`` to ``hi - 1`` and take them into their memories.

    Each row gets the score of the last whole sample.

    Parameters
    ----------
    pool, pool32 : float64, float32
        The arena, twice: blocks as :func:`block_size` lays them out.
    rows : float32
        Scaled values.
    counts, first, own : int64 (G,)
        As in ``Call``.
    new : int64 (G,)
        Where the new rows begin in ``rows``.
    shape : bool
        Search by softly normalised distance, too.
    spread : bool
        Spread each centred distance over the rows of its window.
    scores : float64 (1 + shape, N)
        Out: normalised distance first, where wanted, then the centred one.
    finals : float64 (1 + shape, N) or (0, 0)
        Out with ``spread``, last row: root of the mean of what was given to the sample that leaves.
    """
    span = np.empty((2, SPAN), np.float32)
    part = np.empty(SPAN * 2)
    last = 1 if shape else 0
    for g in range(lo, hi):
        at = own[g]
        width, memory = int(pool[at + WIDTH]), int(pool[at + MEMORY])
        size = _size(width, memory, shape, spread)
        block, block32 = pool[at : at + size], pool32[2 * at : 2 * (at + size)]
        ring = memory + width + 1
        begin = 2 * HEAD + (4 * width if spread else 0)
        by_lag = block32[begin : begin + memory + 1]
        rings = block32[begin + memory + 1 :]
        per = block[PER]
        for i in range(counts[g]):
            block[PART] += rows[new[g] + i] / block[SCALE]
            block[PART_ROWS] += 1.0
            if block[PART_ROWS] == per:
                sample = np.float32(block[PART] / per)
                block[PART] = block[PART_ROWS] = 0.0
                _take(block, by_lag, rings, ring, sample, shape, spread, span, part)
            k = first[g] + i
            if shape:
                scores[0, k] = block[SHAPE]
            scores[last, k] = block[LEVEL]
            if spread:
                sample_out = int(block[SAMPLES]) - width
                finals[last, k] = 0.0
                if sample_out >= block[KNOWN]:
                    slot = HEAD + 2 * (sample_out % width)
                    finals[last, k] = np.sqrt(block[slot] / max(block[slot + 1], 1.0))


@kernel
def block_size(width: int, memory: int, shape: bool, spread: bool) -> int:
    """Numbers (float64) of a block: head, attributed sums and counts, then float32 arrays.

    These are the squared sums by lag (memory + 1), and rings of ``memory + width + 1`` samples:
    value, mean, reach; with ``shape`` inverse deviation and its reach.
    """
    return _size(width, memory, shape, spread)


@kernel
def _size(width: int, memory: int, shape: bool, spread: bool) -> int:
    """See :func:`block_size`."""
    ring = memory + width + 1
    reals = memory + 1 + ring * (5 if shape else 3)
    return HEAD + (2 * width if spread else 0) + (reals + 1) // 2


@kernel
def _take(
    block: Floats,
    by_lag: Reals,
    rings: Reals,
    ring: int,
    sample: np.float32,
    shape: bool,
    spread: bool,
    span: Reals,
    part: Floats,
) -> None:
    """One sample: bring all sums up to date, search, remember.

    The rings run backwards in time, so that the sample ``l`` earlier stands ``l`` places further.
    """
    t, width, memory = int(block[SAMPLES]), int(block[WIDTH]), int(block[MEMORY])
    known = int(block[KNOWN])
    here = (-t) % ring
    x, mean, reach = rings[:ring], rings[ring : 2 * ring], rings[2 * ring : 3 * ring]
    leaving = x[(here + width) % ring] if t >= width else np.float32(0.0)
    x[here] = sample
    block[SUM] += float(sample) - float(leaving)
    block[SQUARES] += float(sample) * float(sample) - float(leaving) * float(leaving)
    mu = block[SUM] / width
    variance = max(block[SQUARES] / width - mu * mu, 0.0)
    mean[here], reach[here] = mu, 0.0
    if shape:
        rings[3 * ring + here] = 1.0 / np.sqrt(variance + SOFT)
        rings[4 * ring + here] = 0.0
    block[SAMPLES] = t + 1.0
    if spread:
        slot = HEAD + 2 * (t % width)
        block[slot] = block[slot + 1] = 0.0
    if t < known or t < width:
        return
    furthest = min(memory, t - width + 1)
    if t == max(known, width) or t % REFRESH == 0:
        _compute(by_lag, x, here, ring, width, width, furthest + 1)
    else:
        until = min(memory, t - width) + 1
        _update(by_lag, x, here, ring, width, leaving, until)
        _compute(by_lag, x, here, ring, width, until, furthest + 1)
    own_copy = t - known < known
    near = min(furthest + 1, known - width + 1) if own_copy else furthest + 1
    far = max(width, known + width) if own_copy else furthest + 1
    best = np.full(2, 2**31 - 1, np.int64)
    where = np.full((2, 2), -1, np.int64)
    _search(by_lag, rings, here, ring, width, width, near, shape, span, best, where)
    _search(by_lag, rings, here, ring, width, far, furthest + 1, shape, span, best, where)
    if where[0, 0] < 0:
        return
    least = span[0, :1]
    if shape:
        least.view(np.int32)[0] = best[1]
        block[SHAPE] = np.sqrt(least[0])
        rings[4 * ring + here] = REACH * least[0]
    least.view(np.int32)[0] = best[0]
    score = float(least[0])
    block[LEVEL] = np.sqrt(score)
    reach[here] = REACH * least[0]
    if spread:
        lag = _nearest(by_lag, rings, here, ring, width, where[0])
        offset = mu - float(mean[(here + lag) % ring])
        _attribute(block, x, here, ring, width, lag, offset, score, part)


@kernel
def _compute(by_lag: Reals, x: Reals, here: int, ring: int, width: int, a: int, b: int) -> None:
    """Sums of squared differences at the lags ``a <= l < b``, from the samples."""
    for lag in range(a, b):
        by_lag[lag] = np.float32(0.0)
    for k in range(width):
        value = x[(here + k) % ring]
        lag = a
        while lag < b:
            there = (here + k + lag) % ring
            n = min(b - lag, ring - there)
            total, other = by_lag[lag : lag + n], x[there : there + n]
            for i in range(n):
                e = value - other[i]
                total[i] += e * e
            lag += n


@kernel
def _update(
    by_lag: Reals, x: Reals, here: int, ring: int, width: int, leaving: np.float32, b: int
) -> None:
    """Add the newest squared difference at the lags ``width <= l < b``, take the oldest away."""
    value = x[here]
    lag = width
    while lag < b:
        there, gone = (here + lag) % ring, (here + lag + width) % ring
        n = min(b - lag, ring - there, ring - gone)
        total, other, old = by_lag[lag : lag + n], x[there : there + n], x[gone : gone + n]
        for i in range(n):
            e, o = value - other[i], leaving - old[i]
            total[i] += e * e - o * o
        lag += n


@kernel
def _search(
    by_lag: Reals,
    rings: Reals,
    here: int,
    ring: int,
    width: int,
    a: int,
    b: int,
    shape: bool,
    span: Reals,
    best: Ints,
    where: Ints,
) -> None:
    """Least distance at the lags ``a <= l < b``, as the bits of a float: they sort like it.

    ``best`` (2,) and ``where`` (2, 2) keep, for centred and normalised distance, the least so far
    and first lag and number of lags of the span where it stands.
    """
    share = np.float32(1.0 / width)
    mu = rings[ring + here]
    one, soft = np.float32(1.0), np.float32(SOFT)
    inverse = rings[3 * ring + here] if shape else one
    variance = one / (inverse * inverse) - soft
    both = np.float32(2.0) - soft * inverse * inverse
    level, form = span[0], span[1]
    lag = a
    while lag < b:
        there = (here + lag) % ring
        n = min(b - lag, ring - there, SPAN)
        total = by_lag[lag : lag + n]
        mean = rings[ring + there : ring + there + n]
        for i in range(n):
            e = mu - mean[i]
            level[i] = total[i] * share - e * e
        if shape:
            other = rings[3 * ring + there : 3 * ring + there + n]
            reach = rings[4 * ring + there : 4 * ring + there + n]
            for i in range(n):
                like = (variance - soft - level[i]) * other[i] + one / other[i]
                form[i] = max(both - soft * other[i] * other[i] - inverse * like, reach[i])
            _least(form.view(np.int32), n, lag, 1, best, where)
        reach = rings[2 * ring + there : 2 * ring + there + n]
        for i in range(n):
            level[i] = max(level[i], reach[i])
        _least(level.view(np.int32), n, lag, 0, best, where)
        lag += n


@kernel
def _least(bits: NDArray[np.int32], n: int, lag: int, which: int, best: Ints, where: Ints) -> None:
    """Keep the least of the first ``n`` numbers and where its span begins."""
    least = np.int32(2**31 - 1)
    for i in range(n):
        least = min(least, bits[i])
    if least < best[which]:
        best[which], where[which, 0], where[which, 1] = least, lag, n


@kernel
def _nearest(by_lag: Reals, rings: Reals, here: int, ring: int, width: int, where: Ints) -> int:
    """Lag of the least centred distance among the ``where[1]`` lags from ``where[0]`` on."""
    share = np.float32(1.0 / width)
    mu = rings[ring + here]
    there = (here + where[0]) % ring
    found, least = where[0], np.float32(np.inf)
    for i in range(where[1]):
        e = mu - rings[ring + there + i]
        d = max(by_lag[where[0] + i] * share - e * e, rings[2 * ring + there + i])
        if d < least:
            found, least = where[0] + i, d
    return int(found)


@kernel
def _attribute(
    block: Floats,
    x: Reals,
    here: int,
    ring: int,
    width: int,
    lag: int,
    offset: float,
    score: float,
    part: Floats,
) -> None:
    """Give a distance to the samples of its window: evenly, or to those that make it up."""
    t = int(block[SAMPLES]) - 1
    total, fourth = 1e-12, 0.0
    for k in range(width):
        e = float(x[(here + k) % ring]) - float(x[(here + k + lag) % ring]) - offset
        part[k] = e * e
        total += e * e
        fourth += e * e * e * e
    peaked = (fourth / (total * total) * width - 3.0) / max(width - 3.0, 1.0)
    peaked = SHARPNESS * min(max(peaked, 0.0), 1.0)
    for k in range(width):
        slot = HEAD + 2 * ((t - k) % width)
        block[slot] += score * ((1.0 - peaked) + peaked * width / total * part[k])
        block[slot + 1] += 1.0
