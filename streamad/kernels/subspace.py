"""Window PCA: what a window holds beside the directions that windows usually vary in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Floats, Ints

    Reals = NDArray[np.float32]
    Bits = NDArray[np.int32]

WINDOW, HOP, STEP, KNOWN, VECTORS, OUTSIDE, WEIGHT, HELD = range(8)
"""Head of a block: rows of a window, from window to window, from sample to sample; windows of the
prefix; basis vectors, and whether they span what is outside the subspace; weight of the mean; score
of the latest window."""

HEAD = 8

BLOCK = 512
"""Rows after which the mean learns."""

MEMORY = 20
"""Blocks before that a block is compared with."""

USUAL = 0.98
"""Share of windows that the mean learns."""

MOST_ROWS = 4000
"""Rows whose windows weigh in the mean at most, before a block is learned."""

NEAR = 0.02
"""Share of its squared length below which the rest of a window is not a mere difference of squares:
it would have lost too many digits."""

TILE = 4
"""Basis vectors that are worked on at once."""

LANES = 16
"""Numbers that are worked on side by side."""


@kernel
def sizes(head: Floats, n_channels: int) -> tuple[int, int, int, int, int]:
    """Sizes of the parts of a block, from its head.

    Returns
    -------
    n, width, height, per_block, n_top : int
        Numbers of a vector; the same and basis vectors, filled up to whole numbers of ``LANES`` and
        ``TILE``; windows of a block; its largest scores that are kept.

    Notes
    -----
    A block is the head, the mean (``n``), then float32: basis (``height`` rows of ``width``), share
    of each channel in the latest window, scores of the block under way (``per_block``), largest
    scores of blocks (``MEMORY + 1`` rows of ``n_top``; -1 = none).
    """
    return _sizes(head, n_channels)


@kernel
def _sizes(head: Floats, n_channels: int) -> tuple[int, int, int, int, int]:
    """See :func:`sizes`."""
    n = n_channels * ((int(head[WINDOW]) - 1) // int(head[STEP]) + 1)
    width = (n + LANES - 1) // LANES * LANES
    height = (int(head[VECTORS]) + TILE - 1) // TILE * TILE
    per_block = max(1, BLOCK // int(head[HOP]))
    n_top = int((1.0 - USUAL) * ((MEMORY + 1) * per_block - 1)) + 3
    return n, width, height, per_block, min(n_top, per_block)


@kernel
def subspace_pass(
    pool: Floats,
    pool32: Reals,
    bits: Bits,
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
    scores: Floats,
    shares: Reals,
) -> None:
    """Score new rows of the series ``lo`` to ``hi - 1``; learn their mean block by block.

    Parameters
    ----------
    pool, pool32, bits : float64, float32, int32
        The arena, thrice: blocks as :func:`sizes` says.
    counts, first, seen, own, past, capacity, filled : int64 (G,)
        As in ``Call``.
    scores : float64 (1, N)
        Out: norm of the latest window outside the subspace.
    shares : float32 (N, C) or (0, C)
        Out: its square by channels.
    """
    explain = shares.shape[0] > 0
    for g in range(lo, hi):
        head = pool[own[g] : own[g] + HEAD]
        n, width, height, per_block, n_top = _sizes(head, n_channels)
        at = own[g] + HEAD
        mean = pool[at : at + n]
        at = 2 * (at + n)
        basis = pool32[at : at + height * width]
        at += height * width
        parts = pool32[at : at + n_channels]
        at += n_channels
        recent, recent_bits = pool32[at : at + per_block], bits[at : at + per_block]
        at += per_block
        outside = head[OUTSIDE] > 0.0
        window, hop, step = int(head[WINDOW]), int(head[HOP]), int(head[STEP])
        x, inner = np.empty(width, np.float32), np.empty(height, np.float32)
        for k in range(n, width):
            x[k] = 0.0
        for i in range(counts[g]):
            number, late = divmod(seen[g] + i + 1 - window, hop)
            row, out = past[g] + filled[g] - counts[g] + i, first[g] + i
            if late == 0 or (explain and parts[0] < 0.0):
                _centred(pool32, row - late, capacity[g], step, n_channels, mean, x)
                _inner(basis, x, inner)
                total, inside = _squared(x), _squared(inner)
                squared = inside if outside else total - inside
                close = not outside and squared < NEAR * total
                if outside:
                    for k in range(n):
                        x[k] = 0.0
                if explain or close:
                    _take_away(basis, inner, x)
                if late == 0:
                    head[HELD] = np.sqrt(_squared(x) if close else squared)
                    parts[0] = -1.0
                if explain:
                    _squares(x, n // n_channels, parts)
            scores[0, out] = head[HELD]
            if explain:
                for c in range(n_channels):
                    shares[out, c] = parts[c]
            if late == 0:
                later = number - int(head[KNOWN])
                recent[later % per_block] = head[HELD]
                if (later + 1) % per_block == 0:
                    oldest = later // per_block % (MEMORY + 1) * n_top + at
                    _keep_largest(recent_bits, bits[oldest : oldest + n_top])
                    seen_scores = min(number + 1, (MEMORY + 1) * per_block)
                    position = USUAL * (seen_scores - 1)
                    below = int(position)
                    top = bits[at : at + (MEMORY + 1) * n_top]
                    low = pool32[at + _largest(top, seen_scores - below)]
                    high = pool32[at + _largest(top, seen_scores - below - 1)]
                    limit = low + (float(high) - low) * (position - below)
                    head[WEIGHT] = min(head[WEIGHT], MOST_ROWS / hop)
                    head[WEIGHT] += _learn(
                        pool32,
                        row,
                        capacity[g],
                        step,
                        hop,
                        n_channels,
                        recent,
                        limit,
                        head[WEIGHT],
                        mean,
                    )


@kernel
def _centred(
    z: Reals, row: int, stride: int, step: int, n_channels: int, mean: Floats, x: Reals
) -> None:
    """Every ``step``-th value of the window that ends at a row, channel by channel, less mean."""
    n = mean.shape[0] // n_channels
    for c in range(n_channels):
        oldest = row + c * stride - (n - 1) * step
        for k in range(n):
            x[c * n + k] = z[oldest + k * step] - np.float32(mean[c * n + k])


@kernel
def _inner(basis: Reals, x: Reals, inner: Reals) -> None:
    """Inner products with the basis vectors."""
    n = x.shape[0]
    for j in range(0, inner.shape[0], TILE):
        v0, v1 = basis[j * n : (j + 1) * n], basis[(j + 1) * n : (j + 2) * n]
        v2, v3 = basis[(j + 2) * n : (j + 3) * n], basis[(j + 3) * n : (j + 4) * n]
        s0 = s1 = s2 = s3 = np.float32(0.0)
        for k in range(n):
            s0 += v0[k] * x[k]
            s1 += v1[k] * x[k]
            s2 += v2[k] * x[k]
            s3 += v3[k] * x[k]
        inner[j], inner[j + 1], inner[j + 2], inner[j + 3] = s0, s1, s2, s3


@kernel
def _take_away(basis: Reals, inner: Reals, x: Reals) -> None:
    """Take a sum of basis vectors away."""
    n = x.shape[0]
    for j in range(0, inner.shape[0], TILE):
        v0, v1 = basis[j * n : (j + 1) * n], basis[(j + 1) * n : (j + 2) * n]
        v2, v3 = basis[(j + 2) * n : (j + 3) * n], basis[(j + 3) * n : (j + 4) * n]
        s0, s1, s2, s3 = inner[j], inner[j + 1], inner[j + 2], inner[j + 3]
        for k in range(n):
            x[k] -= (s0 * v0[k] + s1 * v1[k]) + (s2 * v2[k] + s3 * v3[k])


@kernel
def _squared(x: Reals) -> float:
    """Squared length."""
    total = np.float32(0.0)
    for k in range(x.shape[0]):
        total += x[k] * x[k]
    return float(total)


@kernel
def _squares(x: Reals, n: int, parts: Reals) -> None:
    """Sums of ``n`` squares each."""
    for c in range(parts.shape[0]):
        parts[c] = 0.0
        for k in range(n):
            parts[c] += x[c * n + k] * x[c * n + k]


@kernel
def _learn(
    z: Reals,
    row: int,
    stride: int,
    step: int,
    hop: int,
    n_channels: int,
    recent: Reals,
    limit: float,
    weight: float,
    mean: Floats,
) -> int:
    """Move the mean by the windows of a block that ends at a row; how many are learned."""
    n = mean.shape[0] // n_channels
    move = np.empty(mean.shape[0])
    for k in range(move.shape[0]):
        move[k] = 0.0
    learned = 0
    for j in range(recent.shape[0]):
        if recent[j] > limit:
            continue
        learned += 1
        oldest = row - (recent.shape[0] - 1 - j) * hop - (n - 1) * step
        for c in range(n_channels):
            for k in range(n):
                move[c * n + k] += z[oldest + c * stride + k * step]
    for k in range(mean.shape[0]):
        mean[k] += (move[k] - learned * mean[k]) / (weight + learned)
    return learned


@kernel
def keep_largest(bits: Bits, out: Bits) -> None:
    """Copy the largest numbers, in any order."""
    _keep_largest(bits, out)


@kernel
def _keep_largest(bits: Bits, out: Bits) -> None:
    """See :func:`keep_largest`."""
    least = bits[_largest(bits, out.shape[0])]
    n = 0
    for i in range(bits.shape[0]):
        if bits[i] > least:
            out[n] = bits[i]
            n += 1
    for i in range(n, out.shape[0]):
        out[i] = least


@kernel
def _largest(bits: Bits, rank: int) -> int:
    """Where the ``rank``-th largest number is, found bit by bit: floats of 0 or more sort so."""
    found = np.int32(0)
    for shift in range(30, -1, -1):
        trial = np.int32(found | (1 << shift))
        n = 0
        for i in range(bits.shape[0]):
            n += bits[i] >= trial
        if n >= rank:
            found = trial
    for i in range(bits.shape[0]):
        if bits[i] == found:
            return i
    return 0
