"""Rows of one file in columns, with those that must be refused marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamad.core.data import Codes, Floats, Ints


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is refused.

    Attributes
    ----------
    reason : str
        ``time``, ``type``, ``key``, ``value`` (outside of the contract) or ``cells``.
    detail : str
        What was expected and what came.
    row : mapping
        The row as it was read (JSON types).
    """

    reason: str
    detail: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows.

    Attributes
    ----------
    codes : int32 (n,)
    times : int64 (n,)
        Nanoseconds, UTC; of no meaning in a row with a fault.
    values : float64 (n, C)
        NaN = missing; never infinite.
    faults : mapping of int to Fault
        Rows to refuse, by position, ascending.
    """

    codes: Codes
    times: Ints
    values: Floats
    faults: Mapping[int, Fault] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, start: int, stop: int) -> Piece:
        """The rows from start to stop; arrays are views."""
        faults = {row - start: fault for row, fault in self.faults.items() if start <= row < stop}
        rows = slice(start, stop)
        return Piece(self.codes[rows], self.times[rows], self.values[rows], faults)

    def take(self, order: Ints) -> Piece:
        """The rows in this order, a permutation of all of them."""
        faults: dict[int, Fault] = {}
        if self.faults:
            place = np.empty(len(self), np.int64)
            place[order] = np.arange(len(self))
            moved = {int(place[row]): fault for row, fault in self.faults.items()}
            faults = dict(sorted(moved.items()))
        return Piece(self.codes[order], self.times[order], self.values[order], faults)

    def accepted(self) -> Ints | None:
        """Positions of the rows without a fault; None = all."""
        if not self.faults:
            return None
        good = np.ones(len(self), np.bool_)
        good[list(self.faults)] = False
        return np.flatnonzero(good)


def join(parts: Sequence[Piece]) -> Piece:
    """Pieces one behind the other, as one."""
    if len(parts) == 1:
        return parts[0]
    faults: dict[int, Fault] = {}
    start = 0
    for part in parts:
        faults.update({start + row: fault for row, fault in part.faults.items()})
        start += len(part)
    return Piece(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        faults,
    )


NO_ROWS = Piece(np.empty(0, np.int32), np.empty(0, np.int64), np.empty((0, 0)))
