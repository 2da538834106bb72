"""Rows that wait for the score which later windows complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Codes, Floats, Ints
from streamad.core.errors import ConfigError, ShapeError
from streamad.core.protocols import Released
from streamad.core.slab import Slab

if TYPE_CHECKING:
    from streamad.kernels.pending import Given, Rings


class FixedLag:
    """Joins rows with the final scores that come at most ``depth - 1`` rows of a series later.

    Parameters
    ----------
    depth : int
        The largest lag plus one; one row fewer of a series may wait from step to step.

    Raises
    ------
    ConfigError
        ``depth`` below 1.

    Notes
    -----
    A row is given back with NaN when a final score passes it by, or when ``depth - 1`` rows have
    come after it, so that no later row can reach it. With depth 1 nothing waits and the arrays
    pass through. The strongest rows are kept track of by pointers into the ring: of the rows that
    wait, a new one is compared with those that it exceeds, and one more.

    Cost: about 35 ns a row for 3 payload columns. State: ``depth`` rows a series. Thread rule: one
    thread at a time.

    Examples
    --------
    >>> import numpy as np
    >>> pending = FixedLag(depth=2)
    >>> pending.open(1, 0)
    >>> pending.admit(np.zeros(1, np.int32))
    >>> slots, none = np.zeros(3, np.int32), np.empty((3, 0), np.float32)
    >>> final = np.array([np.nan, 0.5, 0.7])
    >>> out = pending.step(slots, np.arange(3), np.ones((3, 1)), none, final, slots + 1)
    >>> out.times.tolist(), out.final.tolist()
    ([0, 1], [0.5, 0.7])
    >>> out = pending.close(slots[:1], slots[:1], np.array([0.9]))
    >>> out.times.tolist(), out.final.tolist()
    ([2], [0.9])
    """

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ConfigError(f"depth must be at least 1 (the largest lag plus one), got {depth!r}")
        self.depth = depth
        self.open(0, 0)

    def open(self, n_columns: int, n_details: int, *, strongest: bool = False) -> None:
        """Allocate for rows with so many columns of payload and of details."""
        self._widths = (n_columns, n_details)
        self._strongest = strongest and self.depth > 1
        self._slab = Slab(
            {}
            if self.depth == 1
            else {
                "times": ((self.depth,), np.int64, 0),
                "payload": ((self.depth, n_columns), np.float64, np.nan),
                "details": ((self.depth, n_details), np.float32, np.nan),
                "strongest": ((self.depth if strongest else 0,), np.int32, 0),
                "head": ((), np.int32, 0),
                "waiting": ((), np.int32, 0),
                "cursor": ((), np.int64, 0),
            }
        )

    def admit(self, slots: Codes) -> None:
        """Start these series with nothing waiting."""
        self._slab.admit(slots)

    def step(
        self,
        slots: Codes,
        times: Ints,
        payload: Floats,
        details: NDArray[np.float32],
        final: Floats,
        lag: Codes,
    ) -> Released:
        """Add one row per window end; give back those whose final score has come, in order.

        Raises
        ------
        ShapeError
            If the rows are wider or narrower than was said at :meth:`open`.
        """
        if (payload.shape[1], details.shape[1]) != self._widths:
            raise ShapeError(
                f"waiting rows have {self._widths} columns of payload and details, got "
                f"{(payload.shape[1], details.shape[1])}: open the stage for these"
            )
        if self.depth == 1:
            now = lag == 0
            known = final if now.all() else np.where(now, final, np.nan)
            return Released(slots, times, payload, details, known, payload, details)
        from streamad.kernels.pending import wait_pass

        given = np.ascontiguousarray(payload), np.ascontiguousarray(details)
        rings = self._rings()
        parts = []
        start = 0
        while start < len(slots):
            out = self._room(len(slots) - start + self.depth)
            start, n_out = wait_pass(
                start, slots, times, *given, final, lag, self.depth, rings, _given(out)
            )
            parts.append(_first(out, n_out))
        return parts[0] if len(parts) == 1 else _joined([*parts, self._room(0)])

    def close(self, slots: Codes, owed: Codes, finals: Floats) -> Released:
        """Give back everything that waits in these slots, slot by slot, oldest first."""
        if self.depth == 1:
            return self._room(0)
        from streamad.kernels.pending import release_all

        out = self._room(int(self._slab["waiting"][slots].sum()))
        release_all(
            slots, owed, finals, self.depth, self._rings(), self._slab["cursor"], _given(out)
        )
        return out

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        return self._slab.snapshot()

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        self._slab.restore(snapshot)

    def _rings(self) -> Rings:
        """The cells of all rings, one behind the other."""
        from streamad.kernels.pending import Rings

        n_columns, n_details = self._widths
        slab = self._slab
        n_cells = self.depth * len(slab["times"])
        return Rings(
            slab["times"].reshape(n_cells),
            slab["payload"].reshape(n_cells, n_columns),
            slab["details"].reshape(n_cells, n_details),
            slab["strongest"].reshape(-1),
            slab["head"],
            slab["waiting"],
        )

    def _room(self, n: int) -> Released:
        """Space for n rows."""
        payload, details = self._space(n)
        return Released(
            np.empty(n, np.int32),
            np.empty(n, np.int64),
            payload,
            details,
            np.empty(n),
            *(self._space(n) if self._strongest else (payload, details)),
        )

    def _space(self, n: int) -> tuple[Floats, NDArray[np.float32]]:
        n_columns, n_details = self._widths
        return np.empty((n, n_columns)), np.empty((n, n_details), np.float32)


def _given(rows: Released) -> Given:
    """The arrays of the rows as the kernels take them."""
    from streamad.kernels.pending import Given

    return Given(*_arrays(rows))


def _first(rows: Released, n: int) -> Released:
    return Released(*(array[:n] for array in _arrays(rows)))


def _joined(parts: list[Released]) -> Released:
    return Released(*map(np.concatenate, zip(*map(_arrays, parts), strict=True)))


def _arrays(rows: Released) -> tuple[NDArray[Any], ...]:
    return (
        rows.slots,
        rows.times,
        rows.payload,
        rows.details,
        rows.final,
        rows.strongest_payload,
        rows.strongest_details,
    )
