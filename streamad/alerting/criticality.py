"""Criticality: a leaky counter of rows over the line, as an alarm ratio."""

from __future__ import annotations

import numpy as np

from streamad.core.data import Arrays, Codes, Floats
from streamad.core.errors import ConfigError, NotFittedError, ShapeError
from streamad.core.slab import Slab


class Criticality:
    """A row at or over the line counts one up, a row below it one down to no less than 0.

    Parameters
    ----------
    rows : int
        The count that is the alarm line.
    cap : int
        The highest count: so many quiet rows at most empty the counter again.

    Raises
    ------
    ConfigError
        If ``rows`` is not positive, or ``cap`` below it.

    Notes
    -----
    Cost: O(1) a row. State: 8 bytes a series. Thread rule: one thread at a time. How a stream is
    cut into steps does not show.

    References
    ----------
    Gück et al., CARE to Compare, arXiv:2404.10320, Algorithm 1; the cap is that of
    energy-fault-detector 0.8.1.

    Examples
    --------
    >>> counter = Criticality(rows=2)
    >>> counter.admit(np.array([0], np.int32))
    >>> counter.step(np.zeros(5, np.int32), np.array([1.5, 1.0, np.nan, 0.2, 0.2]))
    array([0.5, 1. , 1. , 0.5, 0. ])
    """

    def __init__(self, rows: int = 72, cap: int = 1000) -> None:
        if not 1 <= rows <= cap:
            raise ConfigError(
                f"criticality: 1 <= rows <= cap is needed, got rows={rows!r} and cap={cap!r}"
            )
        self.rows = rows
        self.cap = cap
        self._slab = Slab({"count": ((), np.int64, 0)})

    def admit(self, slots: Codes) -> None:
        """Start these series at 0."""
        self._slab.admit(slots)

    def step(self, slots: Codes, over: Floats) -> Floats:
        """Alarm ratio after each row.

        Parameters
        ----------
        slots : int32 (n,)
        over : float64 (n,)
            Score in units of its line, so 1.0 and more count up; NaN (not judged, or not in normal
            operation) holds the count.

        Returns
        -------
        float64 (n,)
            Count in units of ``rows``: 1.0 is the alarm line.

        Raises
        ------
        ShapeError
            If there is not one ratio a slot.
        NotFittedError
            For a slot that was never admitted.
        """
        from streamad.kernels.criticality import criticality_pass

        if slots.shape != over.shape or slots.ndim != 1:
            raise ShapeError(
                f"criticality takes one ratio a slot, got {over.shape} ratios and {slots.shape} "
                "slots"
            )
        if len(slots) and int(slots.max()) >= len(self._slab):
            raise NotFittedError(
                f"slot {int(slots.max())} was never admitted ({len(self._slab)} are): call "
                "admit(slots) first"
            )
        counts = np.empty(len(slots), np.int64)
        criticality_pass(
            np.ascontiguousarray(slots),
            np.ascontiguousarray(over, np.float64),
            self.cap,
            self._slab["count"],
            counts,
        )
        return counts / self.rows

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        return self._slab.snapshot()

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        self._slab.restore(snapshot)
