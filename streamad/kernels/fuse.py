"""Member scores on their own ordinary scale, their final forms, and the two fused scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Codes, Flags, Floats, Ints

    Reals = NDArray[np.float32]

MEAN, VARIANCE, COUNT, TAIL = range(4)
"""A normaliser: what is ordinary, for how many scores that counts, and how far tails reach. While
the final scores of the prefix come in, ``VARIANCE`` holds their squared deviations."""

N_NORMALISER = 4
CAUSAL, FINAL, SUM, LENGTH, PLACE, N_TOP = 0, 4, 8, 9, 10, 11
"""What a block knows of an output: both normalisers; sum and number of the scores whose mean is the
final one; where its arrays begin (the scores of that mean, then the largest final scores of the
prefix), and the number of those largest. Behind the heads of all outputs stand the weighted squares
of the final scores that wait for others of their row, a ring of ``lag + 1``."""

HEAD = 12

PREFIX_WEIGHT = 8.0
CLIP_SD = 2.0
TAIL_SD = 3.0
SOFT = 5.0

PLAIN_FACTOR, PLAIN_SOFT = 20.0, 20.0
PLAIN = -1.0
"""``TAIL`` of an output without a normaliser: its score counts as it is, 20 times."""

WEIGHT, IN_CAUSAL, IN_FINAL, OWN_FINAL = range(4)
"""Columns of ``uses``."""


@kernel
def fuse_pass(
    pool: Floats,
    own: Ints,
    counts: Ints,
    first: Ints,
    seen: Ints,
    split: Ints,
    lag: Ints,
    place: Ints,
    blank: Flags,
    uses: Floats,
    scores: Floats,
    finals: Floats,
    shares: NDArray[np.float32],
    lo: int,
    hi: int,
    causal: Floats,
    final: Floats,
    final_lag: Codes,
    parts: NDArray[np.float32],
    channel_shares: NDArray[np.float32],
) -> None:
    """Standardise and fuse the member scores of new rows, then learn how they are distributed.

    Parameters
    ----------
    pool : float64 (P,)
    own, counts, first, seen, split, lag : int64 (G,)
        Block of the series in ``pool``; new rows; their place in ``scores``; rows before them;
        rows of the prefix; rows that the final score waits for.
    place : int64 (N,)
        Row of the outputs for each new row.
    blank : bool (N,)
        True = not judged.
    uses : float64 (m, 4)
        ``WEIGHT`` to ``OWN_FINAL`` of each output.
    scores : float64 (m, N)
    finals : float64 (m, N)
        In for outputs with ``OWN_FINAL``; out for the others: final score, not standardised, of
        the row ``LENGTH - 1`` rows before each new one.
    shares : float32 (m, N, C) or (0, 0, C)
        Parts of the channels in each score, in any unit.
    lo, hi : int
        Groups to work on.
    causal, final : float64 (n,)
        Out: fused scores; ``final`` is that of the row ``final_lag`` rows earlier.
    final_lag : int32 (n,)
        Out: -1 = none.
    parts : float32 (n, number with IN_CAUSAL)
        Out: standardised causal scores; NaN = not judged.
    channel_shares : float32 (n, C) or (0, C)
        Out: parts of the channels in the causal score, rows sum to 1.
    """
    m = uses.shape[0]
    z = np.zeros(m)
    causal_weight, final_weight = _weight(uses, IN_CAUSAL), _weight(uses, IN_FINAL)
    for g in range(lo, hi):
        at, depth = own[g], lag[g] + 1
        waiting = pool[at + HEAD * m : at + HEAD * m + depth]
        for i in range(counts[g]):
            k, row = first[g] + i, seen[g] + i
            out = place[k]
            for j in range(m):
                about = pool[at + HEAD * j : at + HEAD * (j + 1)]
                z[j] = _standardise(scores[j, k], about[CAUSAL : CAUSAL + N_NORMALISER])
                _learn(scores[j, k], about[CAUSAL : CAUSAL + N_NORMALISER])
                if uses[j, IN_FINAL] > 0:
                    recent, top = _arrays(pool[at:], about, uses[j])
                    if uses[j, OWN_FINAL] == 0:
                        finals[j, k] = _mean_ahead(scores[j, k], row, about, recent)
                    target = row - int(about[LENGTH]) + 1
                    value = _finish(finals[j, k], target, split[g], about, top)
                    waiting[target % depth] += uses[j, WEIGHT] * value * value
            oldest = (row - depth + 1) % depth
            known = row - depth + 1 >= split[g]
            final_lag[out] = depth - 1 if known else -1
            final[out] = np.sqrt(waiting[oldest] / final_weight) if known else np.nan
            waiting[oldest] = 0.0
            total, n = 0.0, 0
            for j in range(m):
                if uses[j, IN_CAUSAL] > 0:
                    total += uses[j, WEIGHT] * z[j] * np.sqrt(z[j])
                    parts[out, n] = np.nan if blank[k] else z[j]
                    n += 1
            causal[out] = np.nan if blank[k] else (total / causal_weight) ** (1.0 / 1.5)
            if channel_shares.shape[0] > 0:
                _join_shares(z, uses, shares, k, channel_shares[out])


@kernel
def fuse_tail(
    block: Floats, own: Floats, rows: int, split: int, depth: int, uses: Floats, out: Floats
) -> None:
    """Fused finals still owed at the end of a series, oldest first; spoils ``block``.

    Parameters
    ----------
    block : float64 (k,)
        A copy.
    own : float64 (m, D - 1)
        Finals of outputs with ``OWN_FINAL``, of the last rows.
    rows, split, depth : int
        Rows of the series; of its prefix; D, its lag + 1.
    uses : float64 (m, 4)
    out : float64 (T,)
        Out: finals of the last T rows, T at most D - 1.
    """
    m, t = uses.shape[0], out.shape[0]
    for i in range(t):
        out[i] = block[HEAD * m + (rows - t + i) % depth]
    for j in range(m):
        if uses[j, IN_FINAL] == 0:
            continue
        about = block[HEAD * j : HEAD * (j + 1)]
        length = int(about[LENGTH])
        recent, top = _arrays(block, about, uses[j])
        for target in range(rows - length + 1, rows):
            if uses[j, OWN_FINAL] > 0:
                value = own[j, own.shape[1] - rows + target]
            else:
                value = 0.0
                for k in range(target, rows):
                    value += recent[k % length]
                value /= rows - target
            value = _finish(value, target, split, about, top)
            if target >= rows - t:
                out[target - rows + t] += uses[j, WEIGHT] * value * value
    for i in range(t):
        out[i] = np.sqrt(out[i] / _weight(uses, IN_FINAL))


@kernel
def standardise(scores: Floats, about: Floats, out: Floats) -> None:
    """Standard deviations above the ordinary, 0 or more, logarithmic above 5.

    Parameters
    ----------
    scores : float64 (n,)
    about : float64 (4,)
        A normaliser.
    out : float64 (n,)
    """
    for i in range(scores.shape[0]):
        out[i] = _standardise(scores[i], about)


@kernel
def _standardise(score: float, about: Floats) -> float:
    """See :func:`standardise`."""
    if about[TAIL] == PLAIN:
        z, soft = PLAIN_FACTOR * score, PLAIN_SOFT
    else:
        sd = np.sqrt(about[VARIANCE]) + 1e-9 + 1e-3 * abs(about[MEAN])
        z, soft = (score - about[MEAN]) / (sd * about[TAIL]), SOFT
    z = max(z, 0.0)
    return float(z if z <= soft else soft * (1.0 + np.log(z / soft)))


@kernel
def _learn(score: float, about: Floats) -> None:
    """Take a score, clipped at 2 sd, into the running mean and variance."""
    if about[TAIL] == PLAIN:
        return
    sd = np.sqrt(about[VARIANCE]) + 1e-9 + 1e-3 * abs(about[MEAN])
    score = min(score, about[MEAN] + CLIP_SD * sd)
    about[COUNT] += 1.0
    d = score - about[MEAN]
    about[MEAN] += d / about[COUNT]
    about[VARIANCE] += (d * (score - about[MEAN]) - about[VARIANCE]) / about[COUNT]


@kernel
def collect_finals(scores: Floats, split: int, about: Floats, top: Floats) -> None:
    """Take final scores of the prefix, in order; the last one of all settles the normaliser.

    Parameters
    ----------
    scores : float64 (n,)
    split : int
        Final scores of the prefix in all.
    about : float64 (4,)
        A normaliser.
    top : float64 (h,)
        Largest scores so far, ascending; h reaches below the 99 % quantile, which is exact so.
    """
    for score in scores:
        _collect(score, split, about, top)


@kernel
def _collect(score: float, split: int, about: Floats, top: Floats) -> None:
    """See :func:`collect_finals`."""
    about[COUNT] += 1.0
    d = score - about[MEAN]
    about[MEAN] += d / about[COUNT]
    about[VARIANCE] += d * (score - about[MEAN])
    n = min(int(about[COUNT]), top.shape[0])
    at = n - 1
    if about[COUNT] > n:
        if score <= top[0]:
            at = -1
        for k in range(n - 1 if at > 0 else 0):
            if top[k + 1] < score:
                top[k] = top[k + 1]
            else:
                at = k
                break
    else:
        while at > 0 and top[at - 1] > score:
            top[at] = top[at - 1]
            at -= 1
    if at >= 0:
        top[at] = score
    if about[COUNT] == split:
        about[VARIANCE] /= split
        place = 0.99 * (split - 1)
        low = n - split + int(place)
        quantile = top[low]
        if low + 1 < n:
            quantile += (place - int(place)) * (top[low + 1] - top[low])
        unit = TAIL_SD * np.sqrt(about[VARIANCE]) + 1e-12
        about[TAIL] = max(1.0, (quantile - about[MEAN]) / unit)
        about[COUNT] = PREFIX_WEIGHT * split


@kernel
def _finish(score: float, target: int, split: int, about: Floats, top: Floats) -> float:
    """Standardised final score of row ``target``; those of the prefix are collected."""
    normaliser = about[FINAL : FINAL + N_NORMALISER]
    if target < split:
        if normaliser[TAIL] != PLAIN:
            _collect(score, split, normaliser, top)
        return 0.0
    z = _standardise(score, normaliser)
    _learn(score, normaliser)
    return z


@kernel
def _arrays(block: Floats, about: Floats, use: Floats) -> tuple[Floats, Floats]:
    """Scores of the mean, and largest final scores of the prefix."""
    length, start = int(about[LENGTH]), int(about[PLACE])
    top = start + (length if use[OWN_FINAL] == 0 and length > 1 else 0)
    return block[start:top], block[top : top + int(about[N_TOP])]


@kernel
def _mean_ahead(score: float, row: int, about: Floats, recent: Floats) -> float:
    """Mean of the last ``LENGTH`` scores, this one included."""
    length = recent.shape[0]
    if length == 0:
        return score
    at = row % length
    about[SUM] += score - recent[at]
    recent[at] = score
    return float(about[SUM] / length)


@kernel
def _weight(uses: Floats, which: int) -> float:
    """Weight of all outputs that take part in a fused score."""
    total = 0.0
    for j in range(uses.shape[0]):
        total += uses[j, WEIGHT] if uses[j, which] > 0 else 0.0
    return total


@kernel
def _join_shares(z: Floats, uses: Floats, shares: NDArray[np.float32], k: int, out: Reals) -> None:
    """Channel shares of the members, weighted by their squared scores; even where all are 0."""
    out[:] = 0.0
    for j in range(uses.shape[0]):
        weight = uses[j, WEIGHT] * z[j] * z[j] if uses[j, IN_CAUSAL] > 0 else 0.0
        total = 0.0
        for c in range(out.shape[0]):
            total += shares[j, k, c]
        if weight > 0 and total > 1e-12:
            for c in range(out.shape[0]):
                out[c] += weight / total * shares[j, k, c]
    whole = 0.0
    for c in range(out.shape[0]):
        whole += out[c]
    for c in range(out.shape[0]):
        out[c] = out[c] / whole if whole > 0 else 1.0 / out.shape[0]
