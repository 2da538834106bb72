"""Rows that wait for the score which later windows complete."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Codes, Floats, Ints
from streamad.core.errors import ConfigError
from streamad.core.protocols import Released
from streamad.core.slab import Slab


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
    pass through.

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

    def open(self, n_columns: int, n_shares: int) -> None:
        """Allocate for rows with so many payload columns and channel shares."""
        self._widths = (n_columns, n_shares)
        self._slab = Slab(
            {}
            if self.depth == 1
            else {
                "times": ((self.depth,), np.int64, 0),
                "payload": ((self.depth, n_columns), np.float64, np.nan),
                "shares": ((self.depth, n_shares), np.float32, np.nan),
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
        shares: NDArray[np.float32],
        final: Floats,
        lag: Codes,
    ) -> Released:
        """Add one row per window end; give back those whose final score has come, in order."""
        if self.depth == 1:
            now = lag == 0
            known = final if now.all() else np.where(now, final, np.nan)
            return Released(slots, times, payload, shares, known)
        from streamad.kernels.pending import wait_pass

        slab = self._slab
        parts = []
        start = 0
        while start < len(slots):
            out = self._room(len(slots) - start + self.depth)
            start, n_out = wait_pass(
                start,
                slots,
                times,
                np.ascontiguousarray(payload),
                np.ascontiguousarray(shares),
                final,
                lag,
                self.depth,
                *self._cells(),
                slab["head"],
                slab["waiting"],
                out.slots,
                out.times,
                out.payload,
                out.shares,
                out.final,
            )
            parts.append(_first(out, n_out))
        return parts[0] if len(parts) == 1 else _joined([*parts, self._room(0)])

    def close(self, slots: Codes, owed: Codes, finals: Floats) -> Released:
        """Give back everything that waits in these slots, slot by slot, oldest first."""
        if self.depth == 1:
            return self._room(0)
        from streamad.kernels.pending import release_all

        slab = self._slab
        out = self._room(int(slab["waiting"][slots].sum()))
        release_all(
            slots,
            owed,
            finals,
            self.depth,
            *self._cells(),
            slab["head"],
            slab["waiting"],
            slab["cursor"],
            out.slots,
            out.times,
            out.payload,
            out.shares,
            out.final,
        )
        return out

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        return self._slab.snapshot()

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        self._slab.restore(snapshot)

    def _cells(self) -> tuple[Ints, Floats, NDArray[np.float32]]:
        """Times, payload and shares of all rings, one behind the other."""
        n_columns, n_shares = self._widths
        slab = self._slab
        n_cells = self.depth * len(slab["times"])
        return (
            slab["times"].reshape(n_cells),
            slab["payload"].reshape(n_cells, n_columns),
            slab["shares"].reshape(n_cells, n_shares),
        )

    def _room(self, n: int) -> Released:
        """Space for n rows."""
        n_columns, n_shares = self._widths
        return Released(
            np.empty(n, np.int32),
            np.empty(n, np.int64),
            np.empty((n, n_columns)),
            np.empty((n, n_shares), np.float32),
            np.empty(n),
        )


def _first(rows: Released, n: int) -> Released:
    return Released(
        rows.slots[:n], rows.times[:n], rows.payload[:n], rows.shares[:n], rows.final[:n]
    )


def _joined(parts: list[Released]) -> Released:
    return Released(
        np.concatenate([part.slots for part in parts]),
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.payload for part in parts]),
        np.concatenate([part.shares for part in parts]),
        np.concatenate([part.final for part in parts]),
    )
