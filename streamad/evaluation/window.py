"""The buffer length of VUS: the lag of the highest peak of the autocorrelation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from streamad.core.data import Floats
from streamad.core.errors import ShapeError

PREFIX_ROWS = 20_000
"""Rows that the rule looks at."""
_LAGS = 400
_SHORTEST = 3
_FALLBACK = 125


def window_length(values: ArrayLike) -> int:
    """Window W of a series by the rule of the TSB-AD benchmark (``find_length_rank``, rank 1).

    Parameters
    ----------
    values : array_like (n,) or (n, C)
        The series, in its own unit; of many channels the first counts. NaN (missing) counts as
        the mean.

    Returns
    -------
    int
        The lag, in rows, of the highest strict local maximum of the autocorrelation over lags 4
        to 399; 125 where that lies below lag 6 or above 303, or where there is none.

    Raises
    ------
    ShapeError
        Not of the shape (n,) or (n, C), or empty.

    Notes
    -----
    Autocorrelation of the first 20 000 rows, mean removed, biased, by FFT. The ends of the lags do
    not count as maxima. Equal maxima: the longest lag, as a stable sort would say.

    References
    ----------
    Liu and Paparrizos (2024), "The Elephant in the Room", TSB-AD 1.5, ``slidingWindows.py``.

    Examples
    --------
    >>> window_length(np.sin(np.arange(5000) * 2 * np.pi / 48))
    48
    """
    array = np.asarray(values, np.float64)
    if array.ndim not in (1, 2) or array.size == 0:
        raise ShapeError(
            f"values must have the shape (n,) or (n, C), got {array.shape}: "
            "pass one series, rows first"
        )
    channel = array if array.ndim == 1 else array[:, 0]
    curve = _autocorrelation(channel[:PREFIX_ROWS])[_SHORTEST:]
    inner = curve[1:-1]
    peaks = np.flatnonzero((inner > curve[:-2]) & (inner > curve[2:])) + 1
    if not peaks.size:
        return _FALLBACK
    best = int(peaks[np.argsort(curve[peaks], kind="stable")[-1]])
    return best + _SHORTEST if 3 <= best <= 300 else _FALLBACK


def _autocorrelation(x: Floats) -> Floats:
    """Autocorrelation at lags 0 to 400, or to the last lag there is; NaN for a constant."""
    present = np.isfinite(x)
    if not present.any():
        return np.full(min(_LAGS + 1, len(x)), np.nan)
    centred = np.where(present, x - x[present].mean(), 0.0)
    size = 1 << (2 * len(x) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[: _LAGS + 1][: len(x)]
    if not centred.any():
        return np.full(len(covariance), np.nan)
    return np.asarray(covariance / covariance[0], np.float64)
