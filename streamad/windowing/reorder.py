"""Rows that wait to be sorted by time, behind a watermark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Batch, Codes, Ints, Schema
from streamad.core.errors import StateError
from streamad.core.slab import Slab, nest, pack_names, unnest, unpack_names

_CARRIED = ("keys", "times", "values", "offsets")
_ARRIVED, _HELD = 3, 4  # places in the kernel's book


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Rows in processing order, some of them refused already.

    Attributes
    ----------
    batch : Batch
    verdict : uint8 (n,)
        0, or why the row was refused.
    compared : int64 (n,)
        The time that a refused row was measured against.
    """

    batch: Batch
    verdict: NDArray[np.uint8]
    compared: Ints


class Reorder:
    """Rows of one partition sorted by (time, arrival), as far as the watermark has come.

    Parameters
    ----------
    lateness_ns : int
        The watermark is the largest accepted time less this; rows before it are late.
    max_jump_ns : int
        Rows further ahead of the largest accepted time are refused; the largest int64 = no limit.
    max_rows : int
        Rows held back at most; one more lets the oldest go and lifts the watermark to it.
    n_channels : int

    Notes
    -----
    O(log held) a row. State: the rows held back.
    """

    def __init__(self, lateness_ns: int, max_jump_ns: int, max_rows: int, n_channels: int) -> None:
        self.lateness_ns = lateness_ns
        self.max_jump_ns = max_jump_ns
        self.max_rows = max_rows
        self._cells = Slab(
            {
                "keys": ((), np.int32, -1),
                "times": ((), np.int64, 0),
                "values": ((n_channels,), np.float64, np.nan),
                "offsets": ((), np.int64, 0),
                "arrivals": ((), np.int64, 0),
                "heap": ((), np.int32, 0),
            }
        )
        self._book = np.zeros(5, np.int64)
        self._partition = ""

    @property
    def n_held(self) -> int:
        """Rows held back now."""
        return int(self._book[_HELD])

    def push(self, batch: Batch) -> Arrivals:
        """Take a batch in; rows that the watermark has passed, and refused ones, come out."""
        from streamad.kernels.reorder import reorder_pass

        n, held = len(batch), self.n_held
        self._partition = batch.partition
        self._grow(min(held + n, self.max_rows + 1))
        offsets = batch.offsets
        if offsets is None:
            offsets = np.arange(batch.next_offset - n, batch.next_offset)
        keys = np.empty(held + n, np.int32)
        times, placed, compared = np.empty((3, held + n), np.int64)
        values = np.empty((held + n, batch.values.shape[1]))
        verdict = np.empty(held + n, np.uint8)
        cells = self._cells
        n_out = reorder_pass(
            batch.codes,
            batch.times,
            batch.values,
            np.require(offsets, np.int64, ["C", "W"]),
            self.lateness_ns,
            self.max_jump_ns,
            self.max_rows,
            self._book,
            cells["heap"],
            cells["keys"],
            cells["times"],
            cells["values"],
            cells["offsets"],
            cells["arrivals"],
            keys,
            times,
            values,
            placed,
            verdict,
            compared,
        )
        out = slice(n_out)
        released = Batch(
            batch.schema,
            keys[out],
            times[out],
            values[out],
            batch.partition,
            batch.next_offset,
            placed[out],
        )
        return Arrivals(released, verdict[out], compared[out])

    def drain(self, schema: Schema) -> Arrivals:
        """Everything held back, in order."""
        held = self._sorted()
        n = len(held["times"])
        self._book[_HELD] = 0
        batch = Batch(
            schema,
            held["keys"],
            held["times"],
            held["values"],
            self._partition,
            int(held["offsets"].max(initial=-1)) + 1,
            held["offsets"],
        )
        return Arrivals(batch, np.zeros(n, np.uint8), np.empty(n, np.int64))

    def keys(self) -> Codes:
        """Keys of the rows held back, in no particular order."""
        keys: Codes = self._cells["keys"][self._cells["heap"][: self.n_held]]
        return keys

    def rename(self, keys: Codes) -> None:
        """Give the rows held back new keys, in the order of :meth:`keys`."""
        self._cells["keys"][self._cells["heap"][: self.n_held]] = keys

    def snapshot(self) -> Arrays:
        """Owned arrays: the rows held back, sorted, and the watermark."""
        return {
            **self._sorted(),
            "book": self._book.copy(),
            **nest("partition", pack_names([self._partition])),
        }

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot.

        Raises
        ------
        StateError
            If the snapshot was made without lateness or with other channels.
        """
        width = self._cells["values"].shape[1:]
        came = snapshot.get("values")
        if came is None or came.shape[1:] != width:
            raise StateError(
                f"rows held back should have values of shape (rows, {width[0]}), got "
                f"{'none' if came is None else came.shape}; the snapshot belongs to other options"
            )
        self._book = snapshot["book"].copy()
        n = self.n_held
        self._grow(n)
        for name in _CARRIED:
            self._cells[name][:n] = snapshot[name]
        self._cells["heap"][: len(self._cells)] = np.arange(len(self._cells))
        self._cells["arrivals"][:n] = np.arange(n) + (self._book[_ARRIVED] - n)
        (self._partition,) = unpack_names(unnest("partition", snapshot))

    def _sorted(self) -> Arrays:
        cells = self._cells["heap"][: self.n_held]
        order = np.lexsort((self._cells["arrivals"][cells], self._cells["times"][cells]))
        return {name: self._cells[name][cells[order]] for name in _CARRIED}

    def _grow(self, n_cells: int) -> None:
        new = np.arange(len(self._cells), n_cells, dtype=np.int32)
        self._cells.admit(new)
        self._cells["heap"][new] = new
