"""Nearest neighbours of a window among a bounded memory of past windows of the same series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Floats, Ints

LARGEST = 1e100
"""Larger values count as missing, like NaN: their squares would overflow."""

RAW, LEVEL, SHAPE = 0, 1, 2
"""Representations: block means; mean and log-spread; softly normalised block means with both."""

WINDOWS, LEARNED, STORED, SKIPPED, JUDGED = range(5)
"""Columns of ``counters``."""

COUNT, CENTER, SQUARES, LOW, HIGH, SCALE, REFERENCE = range(7)
"""Last axis of ``spread``: the values of a channel since it first moved, then its scale (0 = not
yet known, negative = provisional) and the center that goes with it."""

TYPICAL, LIMIT = range(2)
"""Columns of ``gate``: running mean and running quantile of the scores."""


@kernel
def knn_pass(
    codes: Codes,
    order: Ints,
    x: Floats,
    counters: Ints,
    spread: Floats,
    gate: Floats,
    memory: NDArray[np.float32],
    age: Ints,
    features: int,
    points: int,
    k: int,
    every: int,
    zone: int,
    keep: int,
    warm_up: int,
    quantile: float,
    max_skipped: int,
    work: int,
    causal: Floats,
    shares: NDArray[np.float32],
) -> None:
    """Score (work & 1) and learn (work & 2) windows by their distance to past windows.

    Parameters
    ----------
    codes : int32 (n,)
    order : int64 (n,)
        Positions grouped by code, oldest first: keeps one memory in the cache at a time.
    x : float64 (n, L, C)
        NaN, infinite or beyond 1e100 = missing; a window without any value is neither judged nor
        learned.
    counters : int64 (slots, 5)
    spread : float64 (slots, C, 7)
    gate : float64 (slots, 2)
    memory : float32 (slots, D, M)
        One column a stored window, NaN = missing; zeros where there is none yet.
    age : int64 (slots, M)
        Number of the window in a column, -1 = empty.
    features, points : int
        Representation and its block means per channel.
    k : int
        Neighbours whose distances are averaged.
    every : int
        Windows between two that are offered to the memory.
    zone : int
        Stored windows less than this many windows old share rows with the query: not compared.
    keep : int
        The first so many columns are never overwritten; the others are a ring.
    warm_up : int
        Windows that are not judged; half as many values of a channel, from where it first moves,
        give its center and scale. One that stood still in them has the least scale until then;
        one that did not come counts as missing.
    quantile : float
        Windows that score above this running quantile are not stored ...
    max_skipped : int
        ... at most so many times in a row: after that they are the new normal.
    work : int
        1 = score, 2 = learn, 3 = both.
    causal : float64 (n,)
        Out when scoring: mean distance to the k nearest, NaN = not judged.
    shares : float32 (n, C) or (0, C)
        Out when scoring: squared differences by channel, rows normalised to 1.
    """
    query = np.empty(memory.shape[1], np.float32)
    sums = np.empty((5, x.shape[2]))
    present = np.empty(memory.shape[1], np.int64)
    distance = np.empty(memory.shape[2], np.float32)
    best = np.empty(k, np.float32)
    where = np.zeros(k, np.int64)
    explain = shares.shape[0] > 0
    for i in order:
        s = codes[i]
        now = counters[s, WINDOWS]
        blank = _is_blank(x[i])
        ready = counters[s, LEARNED] >= warm_up // 2 and not blank
        offered = work & 2 and now % every == 0
        if ready and (work & 1 or offered):
            _represent(x[i], spread[s], features, points, sums, query)
        if work & 1:
            causal[i] = np.nan
            for c in range(shares.shape[1] if explain else 0):
                shares[i, c] = 1.0 / shares.shape[1]
            if ready and counters[s, LEARNED] >= warm_up:
                _distances(query, memory[s], present, distance)
                _nearest(distance, age[s], now - zone, best, where)
                if best[k - 1] < np.inf:
                    causal[i] = _mean_root(best)
                    if explain:
                        _blame(query, memory[s], where, shares[i])
        if work & 2:
            counters[s, WINDOWS] += 0 if blank and now == 0 else 1
            if blank:
                continue
            counters[s, LEARNED] += 1
            _measure(x[i, -1], spread[s], warm_up // 2, memory[s])
            if counters[s, LEARNED] == warm_up // 2:
                _hold_constants(spread[s])
            if ready and offered and _admit(causal[i], gate[s, LIMIT], max_skipped, counters[s]):
                stored = counters[s, STORED]
                m = stored
                if stored >= keep:
                    m = keep + (stored - keep) % (memory.shape[2] - keep)
                for j in range(query.shape[0]):
                    memory[s, j, m] = query[j]
                age[s, m] = now
                counters[s, STORED] += 1
            _track(causal[i], quantile, gate[s], counters[s])


@kernel
def _is_blank(window: Floats) -> bool:
    """True if no value is there."""
    for t in range(window.shape[0] - 1, -1, -1):
        for c in range(window.shape[1]):
            if abs(window[t, c]) < LARGEST:
                return False
    return True


@kernel
def _measure(row: Floats, spread: Floats, needed: int, memory: NDArray[np.float32]) -> None:
    """Fix the scale of each channel once it has given ``needed`` values since it first moved.

    What the memory holds of it in a provisional scale is forgotten then.
    """
    size = memory.shape[0] // row.shape[0]
    for c in range(row.shape[0]):
        value, about = row[c], spread[c]
        if about[SCALE] > 0 or not abs(value) < LARGEST:
            continue
        if about[COUNT] == 0 or (about[LOW] == value and about[HIGH] == value):
            about[COUNT], about[CENTER] = 1.0, value
            about[LOW], about[HIGH] = value, value
            continue
        about[COUNT] += 1.0
        step = value - about[CENTER]
        about[CENTER] += step / about[COUNT]
        about[SQUARES] += step * (value - about[CENTER])
        about[LOW], about[HIGH] = min(about[LOW], value), max(about[HIGH], value)
        if about[COUNT] >= needed:
            for j in range(c * size, (c + 1) * size if about[SCALE] < 0 else 0):
                for m in range(memory.shape[1]):
                    memory[j, m] = np.nan
            sd = np.sqrt(about[SQUARES] / about[COUNT])
            about[SCALE] = max(sd, (about[HIGH] - about[LOW]) / 4, _least_scale(about[CENTER]))
            about[REFERENCE] = about[CENTER]


@kernel
def _hold_constants(spread: Floats) -> None:
    """Give channels that stood still so far the least scale: a first move is loud."""
    for c in range(spread.shape[0]):
        about = spread[c]
        if about[SCALE] == 0 and about[COUNT] > 0 and about[LOW] == about[HIGH]:
            about[SCALE] = -_least_scale(about[CENTER])
            about[REFERENCE] = about[CENTER]


@kernel
def _least_scale(center: float) -> float:
    """Far below anything that is not constant."""
    return 1e-9 * abs(center) + 1e-12


@kernel
def _represent(
    window: Floats,
    spread: Floats,
    features: int,
    points: int,
    sums: Floats,
    out: NDArray[np.float32],
) -> None:
    """Write the representation, channel by channel; ``sums`` (5, C) is scratch.

    A channel without a scale counts as missing.
    """
    length, n_channels = window.shape
    per_channel = out.shape[0] // n_channels
    sums[:] = 0.0
    total, squares, seen, part, n = sums[0], sums[1], sums[2], sums[3], sums[4]
    for b in range(points):
        for t in range(b * length // points, (b + 1) * length // points):
            for c in range(n_channels):
                if abs(window[t, c]) < LARGEST and spread[c, SCALE] != 0:
                    z = (window[t, c] - spread[c, REFERENCE]) / abs(spread[c, SCALE])
                    if abs(z) > 8.0:
                        z = np.copysign(8.0 + 8.0 * np.log(abs(z) / 8.0), z)
                    part[c] += z
                    squares[c] += z * z
                    n[c] += 1.0
        for c in range(n_channels):
            total[c] += part[c]
            seen[c] += n[c]
            if features != LEVEL:
                out[c * per_channel + b] = part[c] / n[c] if n[c] > 0 else np.nan
            part[c] = n[c] = 0.0
    if features == RAW:
        return
    for c in range(n_channels):
        first, last = c * per_channel, (c + 1) * per_channel
        mean, variance = np.nan, np.nan
        if seen[c] > 0:
            mean = total[c] / seen[c]
            variance = max(squares[c] / seen[c] - mean * mean, 0.0)
        weight = 1.0
        if features == SHAPE:
            weight = np.sqrt(points)
            soft = 1.0 / np.sqrt(variance + 0.25)
            for j in range(first, last - 2):
                out[j] = (out[j] - mean) * soft
        out[last - 2] = weight * mean
        out[last - 1] = weight * np.log(np.sqrt(variance) + 0.05)


@kernel
def _distances(
    query: NDArray[np.float32],
    memory: NDArray[np.float32],
    present: Ints,
    out: NDArray[np.float32],
) -> None:
    """Mean squared difference to every column over what both have; inf where there is nothing."""
    n = 0
    for j in range(query.shape[0]):
        if not np.isnan(query[j]):
            present[n] = j
            n += 1
    out[:] = 0.0
    whole = n // 4 * 4
    for p in range(0, whole, 4):
        j0, j1, j2, j3 = present[p], present[p + 1], present[p + 2], present[p + 3]
        q0, q1, q2, q3 = query[j0], query[j1], query[j2], query[j3]
        for m in range(out.shape[0]):
            e0 = memory[j0, m] - q0
            e1 = memory[j1, m] - q1
            e2 = memory[j2, m] - q2
            e3 = memory[j3, m] - q3
            out[m] += (e0 * e0 + e1 * e1) + (e2 * e2 + e3 * e3)
    for p in range(whole, n):
        j = present[p]
        for m in range(out.shape[0]):
            e = memory[j, m] - query[j]
            out[m] += e * e
    for m in range(out.shape[0]):
        if not np.isnan(out[m]):
            out[m] /= np.float32(n)
            continue
        total, both = np.float32(0.0), 0
        for p in range(n):
            e = memory[present[p], m] - query[present[p]]
            if not np.isnan(e):
                total += e * e
                both += 1
        out[m] = total / np.float32(both) if both > 0 else np.inf


@kernel
def _nearest(
    distance: NDArray[np.float32],
    age: Ints,
    latest: int,
    best: NDArray[np.float32],
    where: Ints,
) -> None:
    """The smallest distances among windows up to number ``latest``, sorted; inf = too few."""
    k = best.shape[0]
    best[:] = np.inf
    for m in range(distance.shape[0]):
        d = distance[m]
        if d < best[k - 1] and 0 <= age[m] <= latest:
            j = k - 1
            while j > 0 and best[j - 1] > d:
                best[j], where[j] = best[j - 1], where[j - 1]
                j -= 1
            best[j], where[j] = d, m


@kernel
def _mean_root(squares: NDArray[np.float32]) -> float:
    """Mean of the square roots."""
    total = 0.0
    for square in squares:
        total += np.sqrt(square)
    return float(total / squares.shape[0])


@kernel
def _blame(
    query: NDArray[np.float32], memory: NDArray[np.float32], where: Ints, out: NDArray[np.float32]
) -> None:
    """Each channel's part of the squared differences to the neighbours."""
    per_channel = query.shape[0] // out.shape[0]
    whole = 0.0
    for c in range(out.shape[0]):
        part = 0.0
        for j in range(c * per_channel, (c + 1) * per_channel):
            for m in where:
                e = memory[j, m] - query[j]
                if not np.isnan(e):
                    part += e * e
        out[c] = part
        whole += part
    for c in range(out.shape[0]):
        out[c] = out[c] / whole if whole > 0 else 1.0 / out.shape[0]


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
