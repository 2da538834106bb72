"""Waking channels: novelty of channels that stood still while the series warmed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streamad.kernels._jit import kernel

if TYPE_CHECKING:
    from streamad.core.data import Floats, Ints

    Reals = NDArray[np.float32]
    Bits = NDArray[np.int32]

SPLIT, LENGTH, WATCHED, HELD, STILL = range(5)
"""Head of a block: rows of the prefix, rows of a window, channels that are watched, latest score,
spread of a window without motion. Then for each channel watched: ``CHANNEL``, ``MOVED``,
``NOVELTY`` and, in float32, the levels and spreads of the ``MEMORY`` latest windows (two rings)."""

HEAD = 5

CHANNEL, MOVED, NOVELTY = range(3)
"""Number of the channel, 1 once it moved, its distance in the latest window."""

MEMORY = 256
EARLY = 8
"""Windows of the prefix that are remembered."""

PER_CHANNEL = 3 + MEMORY
"""Numbers (float64) of a watched channel."""

LEAST_SPREAD = 0.05
HOPS_PER_WINDOW = 8

FAR = np.float32(1e30)
"""Squared distance to a window that does not exist."""

LARGEST_BITS = np.int32(2**31 - 1)


@kernel
def waking_pass(
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
    distance: Reals,
    bits: Bits,
    scores: Floats,
    shares: Reals,
) -> None:
    """Score new rows of the series ``lo`` to ``hi - 1`` and remember their windows.

    Parameters
    ----------
    pool, pool32 : float64, float32
        The arena, twice: blocks as ``SPLIT`` says.
    counts, first, seen, own, past, capacity, filled : int64 (G,)
        As in ``Call``.
    distance, bits : float32 (MEMORY + EARLY,), int32
        Scratch, the same memory twice.
    scores : float64 (1, N)
        Out: largest novelty of the watched channels in the latest window.
    shares : float32 (N, C) or (0, C)
        Out: squared novelty, 0 for a channel that is not watched.
    """
    for g in range(lo, hi):
        head = pool[own[g] : own[g] + HEAD]
        length, watched = int(head[LENGTH]), int(head[WATCHED])
        hop = max(1, length // HOPS_PER_WINDOW)
        for i in range(counts[g]):
            row = seen[g] + i
            if watched > 0 and row % hop == 0:
                head[HELD] = 0.0
                for k in range(watched):
                    at = own[g] + HEAD + k * PER_CHANNEL
                    channel = pool[at : at + PER_CHANNEL]
                    rings = pool32[2 * (at + 3) : 2 * (at + PER_CHANNEL)]
                    here = past[g] + filled[g] - counts[g] + i + int(channel[CHANNEL]) * capacity[g]
                    z = pool32[here - length + 1 : here + 1]
                    _watch(head, channel, rings, z, row, hop, distance, bits)
                    head[HELD] = max(head[HELD], channel[NOVELTY])
            scores[0, first[g] + i] = head[HELD]
            if shares.shape[0] > 0:
                shares[first[g] + i, :] = 0.0
                for k in range(watched):
                    at = own[g] + HEAD + k * PER_CHANNEL
                    novelty = pool[at + NOVELTY]
                    shares[first[g] + i, int(pool[at + CHANNEL])] = novelty * novelty


@kernel
def _watch(
    head: Floats,
    channel: Floats,
    rings: Reals,
    z: Reals,
    row: int,
    hop: int,
    distance: Reals,
    bits: Bits,
) -> None:
    """Compare the window ``z`` that ends at a row with those before, then remember it."""
    split, length = int(head[SPLIT]), z.shape[0]
    total = squares = 0.0
    for t in range(length):
        total += z[t]
        squares += float(z[t]) * float(z[t])
    if squares > 0.0:
        channel[MOVED] = 1.0
    if channel[MOVED] == 0.0:
        return
    mean = total / length
    deviation = np.sqrt(max(squares / length - mean * mean, 0.0))
    level, spread = np.float32(mean), np.float32(0.5 * np.log(deviation + LEAST_SPREAD))
    number = row // hop - (split + hop - 1) // hop
    levels, spreads = rings[:MEMORY], rings[MEMORY:]
    for slot in range(MEMORY):
        u, v = level - levels[slot], spread - spreads[slot]
        distance[slot] = u * u + v * v
    for slot in range(number, MEMORY):
        distance[slot] = FAR
    for age in range(1, (length + hop - 1) // hop):
        distance[(number - age) % MEMORY] = FAR
    v = spread - np.float32(head[STILL])
    for j in range(EARLY):
        end = length - 1 + int((split - length) * (j + 0.5) / EARLY)
        distance[MEMORY + j] = level * level + v * v if row - end >= length else FAR
    channel[NOVELTY] = _two_nearest(distance, bits)
    levels[number % MEMORY], spreads[number % MEMORY] = level, spread


@kernel
def _two_nearest(distance: Reals, bits: Bits) -> float:
    """Mean of the roots of the two least numbers, found by their bits: these sort like them."""
    least = second = LARGEST_BITS
    for i in range(bits.shape[0]):
        least = min(least, bits[i])
    n = 0
    for i in range(bits.shape[0]):
        n += bits[i] == least
        second = min(second, bits[i] if bits[i] > least else LARGEST_BITS)
    bits[0], bits[1] = least, least if n > 1 else second
    total = 0.0
    for i in range(2):
        total += np.sqrt(float(distance[i])) if distance[i] < FAR else 0.0
    return total / 2.0
