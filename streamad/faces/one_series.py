"""A detector and its windows for one series: what every face is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from streamad.core.data import Arrays, Floats, Ints, Rows, Scores
from streamad.core.errors import ShapeError
from streamad.core.slab import nest, unnest
from streamad.detectors.registry import make_detector
from streamad.windowing.sliding import Sliding

_SLOT = np.zeros(1, np.int32)


class OneSeries:
    """A detector that is given the rows of one series instead of windows.

    Parameters
    ----------
    detector : str
        Name of an installed detector.
    params : mapping or None
        Its parameters, in rows where they could be durations: rows have no times here.
    channels : sequence of str
        Names of the columns.
    name : str
        Name of the series; seeds whatever is random.

    Attributes
    ----------
    detector : Detector
        With the state it has after the last row.
    n_rows : int
        Rows taken so far.

    Raises
    ------
    ConfigError
        Unknown detector or parameter, or a value out of range.

    Notes
    -----
    The cut of the rows into calls never shows in a score. State and cost: those of the detector
    and of its windows. A pickle holds the constructor arguments and the arrays of
    :meth:`snapshot`, never the detector itself. Thread rule: one thread at a time.

    Examples
    --------
    >>> series = OneSeries("ewma", {"warm_up": 4}, ["flow"])
    >>> series.step(np.array([[1.0], [1.1], [0.9], [1.0], [1.1]]))
    array([ nan,  nan,  nan,  nan, 1.14])
    >>> series.score(np.array([[5.0]])), series.n_rows
    (array([42.5]), 5)
    """

    def __init__(
        self,
        detector: str,
        params: Mapping[str, Any] | None,
        channels: Sequence[str],
        name: str = "series",
    ) -> None:
        self._made_of = (detector, dict(params or {}), tuple(channels), name)
        self.detector = make_detector(detector, params)
        self.detector.open(channels)
        self.detector.admit(_SLOT, [name])
        self._windowing = self._windows()
        self._windowing.admit(_SLOT)
        self.n_rows = 0

    def step(self, values: Floats) -> Floats:
        """Score then learn, row by row.

        Parameters
        ----------
        values : float64 (n, C)
            Rows that follow those taken before; NaN = missing, infinite counts as missing.

        Returns
        -------
        float64 (n,)
            Causal scores; NaN = not judged, or no window ends with the row.

        Raises
        ------
        ShapeError
            If there is not one column a channel.
        """
        causal = np.full(len(values), np.nan)
        for positions, scores in self.steps(values):
            causal[positions] = scores.causal
        return causal

    def steps(self, values: Floats) -> Iterator[tuple[Ints, Scores]]:
        """As :meth:`step`, with all that the detector says.

        Yields
        ------
        int64 (k,), Scores of k windows
            Rows of ``values`` that end a window, ascending, and their scores; to be asked for
            until none are left.
        """
        rows = self._rows(values)
        self.n_rows += len(rows)
        for positions, windows in self._windowing.push(rows):
            yield positions, self.detector.step(windows)

    def score(self, values: Floats) -> Floats:
        """What :meth:`step` would give, without taking the rows; pure.

        Notes
        -----
        Later rows are scored as if the earlier ones had been learned, on a copy. A single row needs
        a copy of the windows only.
        """
        if len(values) != 1:
            return self.copy().step(values)
        causal = np.full(1, np.nan)
        ahead = self._windows()
        ahead.restore(self._windowing.snapshot())
        for positions, windows in ahead.push(self._rows(values)):
            causal[positions] = self.detector.score(windows).causal
        return causal

    def copy(self) -> Self:
        """One that goes on from the same state, independently."""
        twin = type(self)(*self._made_of)
        twin.restore(self.snapshot())
        return twin

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        return {
            "n_rows": np.array(self.n_rows),
            **nest("windows", self._windowing.snapshot()),
            **nest("detector", self.detector.snapshot()),
        }

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot."""
        self._windowing.restore(unnest("windows", snapshot))
        self.detector.restore(unnest("detector", snapshot))
        self.n_rows = int(snapshot["n_rows"])

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self._made_of, self.snapshot())

    def _windows(self) -> Sliding:
        windowing = Sliding(self.detector.window)
        windowing.open(self._made_of[2])
        return windowing

    def _rows(self, values: Floats) -> Rows:
        """Rows of the one slot, timed by their number."""
        own = np.array(values, np.float64)
        n_channels = len(self._made_of[2])
        if own.ndim != 2 or own.shape[1] != n_channels:
            raise ShapeError(
                f"rows of {n_channels} channels are (n, {n_channels}), not {own.shape}"
            )
        own[np.isinf(own)] = np.nan
        n = len(own)
        numbers = np.arange(self.n_rows, self.n_rows + n)
        return Rows(np.zeros(n, np.int32), numbers, own, np.zeros(n, np.bool_), numbers == 0)


def _restored(cls: type[OneSeries], made_of: tuple[Any, ...], snapshot: Arrays) -> OneSeries:
    """Inverse of ``OneSeries.__reduce__``."""
    series = cls(*made_of)
    series.restore(snapshot)
    return series
