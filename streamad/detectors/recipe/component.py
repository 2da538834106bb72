"""What a member of the fusion is: fitted on the first rows of a series, then fed row by row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Flags, Floats, Ints

Reals = NDArray[np.float32]
Groups = tuple[Ints, Ints, Ints, Ints, Ints, Ints, Ints]

BLOCK = 512
"""Rows after which members learn, and most rows of a series in one call."""

HOPS_PER_WINDOW = 16


@dataclass(frozen=True, slots=True)
class Prefix:
    """The warm-up rows of one series, prepared.

    Attributes
    ----------
    z : float32 (C, split)
        Scaled values, one contiguous row a channel; no NaN, within -8 and 8.
    constant : bool (C,)
        Channels that did not move.
    liveliness : float64 (C,)
        0 = one value all the time, towards 1 = spread over its range.
    period : int
        Rows, 0 = none found.
    window : int
        Rows of the window that members start from, 8 to 256.
    """

    z: Reals
    constant: Flags
    liveliness: Floats
    period: int
    window: int

    @property
    def split(self) -> int:
        """Rows of the prefix."""
        return int(self.z.shape[1])


@dataclass(frozen=True, slots=True)
class Fitted:
    """A component after the warm-up of one series.

    Attributes
    ----------
    block : float64 (k,)
        Its whole state, in a layout of its own; it lives in the arena from now on. A part of
        another dtype is stored through a view (``block[a:b].view(np.float32)``).
    scores : float64 (n_outputs, split)
        Raw causal scores of the prefix rows, 0 or more.
    lengths : int64 (n_outputs,)
        Rows whose mean is the final score of their first row (1 = the final score is the causal
        one). For an output with finals of its own: its lag + 1.
    finals : float64 (n_outputs, split)
        For outputs with finals of their own: final scores of the prefix rows ``[0, split - lag)``;
        the others come with the rows that complete them. Not read for other outputs.
    rank : int
        Of a subspace, for information.
    """

    block: Floats
    scores: Floats
    lengths: Ints
    finals: Floats = field(default_factory=lambda: np.empty((0, 0)))
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """New rows of several warm series, for one component.

    Group g is one series with ``counts[g]`` new rows, which stand in row-wise outputs at
    ``first[g] : first[g] + counts[g]``. Kernels work on the groups ``lo <= g < hi`` and touch
    nothing of other groups, so that ranges may run side by side.

    Attributes
    ----------
    pool : float64 (P,)
        State of all series and components; writable.
    counts, first : int64 (G,)
        ``counts`` is at most ``BLOCK``.
    seen : int64 (G,)
        Rows of the series before the new ones, prefix included: number of the first new row.
    own : int64 (G,)
        Where this component's block begins in ``pool``.
    past : int64 (G,)
        Where the row buffer of the series begins in ``pool.view(np.float32)``: float32
        (C, capacity), one contiguous row a channel.
    capacity : int64 (G,)
    filled : int64 (G,)
        Columns in use. The new rows are the last ``counts[g]`` of them; the ``BLOCK + 2 * W``
        rows before are there too, W = max(window, 64), zero before the series' first row.
    n_channels : int
    scores : float64 (n_outputs, N)
        Out: raw causal score of every new row.
    finals : float64 (n_outputs, N)
        Out, for outputs with finals of their own: final score of the row ``lengths - 1`` rows
        before each new row.
    shares : float32 (N, C) or (0, C)
        Out, if C > 1: parts of the channels in the score, 0 or more, in any unit; no rows where
        they are not wanted.
    expected : float32 (N, C)
        Out, for the component that forecasts: scaled forecast of every new row.
    """

    pool: Floats
    counts: Ints
    first: Ints
    seen: Ints
    own: Ints
    past: Ints
    capacity: Ints
    filled: Ints
    n_channels: int
    scores: Floats
    finals: Floats
    shares: NDArray[np.float32]
    expected: Reals

    @property
    def groups(self) -> Groups:
        """Counts, first, seen, own, past, capacity and filled: in this order kernels take them."""
        return (
            self.counts,
            self.first,
            self.seen,
            self.own,
            self.past,
            self.capacity,
            self.filled,
        )


class Component(ABC):
    """One or several member scores that come from one state.

    Attributes
    ----------
    outputs : tuple of str
        Names of its scores.
    own_finals : tuple of str
        Outputs whose final scores it writes itself; the others' are means over ``lengths`` rows.
    """

    outputs: tuple[str, ...]
    own_finals: tuple[str, ...] = ()

    @abstractmethod
    def fit(self, prefix: Prefix) -> Fitted:
        """State after the prefix, and the scores of its rows."""

    @abstractmethod
    def step(self, call: Call, lo: int, hi: int) -> None:
        """Score the new rows of the groups ``lo <= g < hi`` in order, learn, write ``call``."""

    def tail(self, block: Floats, rows: int, out: Floats) -> None:
        """Final scores of the last rows, from what there is (own finals only).

        Parameters
        ----------
        block : float64 (k,)
        rows : int
            Rows of the series so far.
        out : float64 (n_outputs, T)
            Out: finals of the rows ``rows - T`` to ``rows - 1``.
        """
        raise NotImplementedError


def hop_of(window: int, least: int) -> int:
    """Rows between two windows that are looked at: a sixteenth of one."""
    return max(least, window // HOPS_PER_WINDOW)
