"""The warm-up rows of a series: scale, liveliness, period and window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Flags, Floats
from streamad.detectors.recipe.component import Prefix

CLIP = 8.0
"""Largest scaled value."""

RECENT = 20_000
"""Warm-up rows, at most, that period and liveliness look at."""

NO_PERIOD, SHORTEST, LONGEST = 64, 16, 256
"""Window of a series without a period; bounds of the window, in rows."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prefix and the scale that later rows get.

    Attributes
    ----------
    prefix : Prefix
    scale : float64 (C, 4)
        What is taken away and divided by (0 = waits for the first move), deviation that counts as
        a move, last value.
    """

    prefix: Prefix
    scale: Floats


def prepare(values: Floats) -> Prepared:
    """Scale and describe the warm-up rows of one series.

    Parameters
    ----------
    values : float64 (split, C)
        Raw rows; NaN = missing: the last value stands for it, 0 before the first.

    Returns
    -------
    Prepared

    Notes
    -----
    z = (x - mean) / max(sd, range / 4), within -8 and 8. A channel that is constant here gets its
    unit from its first move: a quarter of it.
    """
    filled = _fill(values)
    n_channels = filled.shape[1]
    scale = np.zeros((n_channels, 4))
    constant = np.zeros(n_channels, np.bool_)
    for c, channel in enumerate(filled.T):
        low, high = channel.min(), channel.max()
        tiny = 1e-9 * max(1.0, abs(high))
        constant[c] = high - low <= tiny
        center = channel[0] if constant[c] else channel.mean()
        unit = 0.0 if constant[c] else max(channel.std(), (high - low) / 4.0)
        scale[c] = center, unit, tiny, channel[-1]
    safe = np.where(constant, 1.0, scale[:, 1])
    z = np.clip((filled - scale[:, 0]) / safe, -CLIP, CLIP)
    z[:, constant] = 0.0
    period, window = find_window(filled)
    prefix = Prefix(
        np.ascontiguousarray(z.T, np.float32), constant, liveliness(filled), period, window
    )
    return Prepared(prefix, scale)


def liveliness(filled: Floats) -> Floats:
    """1 - share of the latest rows in the fullest of 50 bins over a channel's range (C,)."""
    recent = filled[-RECENT:]
    lively = np.zeros(filled.shape[1])
    for c, channel in enumerate(recent.T):
        low, high = channel.min(), channel.max()
        if high - low > 1e-9 * max(1.0, abs(high)):
            bins = np.minimum(((channel - low) / (high - low) * 50).astype(np.int64), 49)
            lively[c] = 1.0 - np.bincount(bins, minlength=50).max() / len(channel)
    return lively


def find_window(filled: Floats) -> tuple[int, int]:
    """Period of the series (0 = none) and the window that its members start from, in rows.

    Notes
    -----
    Of the twelve channels that use their range most evenly, the highest peak of the
    autocorrelation each; the period is the median of their lags, weighted by height.
    """
    recent = filled[-RECENT:]
    n_channels = recent.shape[1]
    spread = np.zeros(n_channels)
    for c, channel in enumerate(recent.T):
        distinct = len(np.unique(channel[:2000]))
        if distinct > (4 if n_channels > 1 else 1):
            spread[c] = channel.std() / (np.ptp(channel) + 1e-12)
    peaks = []
    for c in np.argsort(-spread, kind="stable")[:12]:
        lag, height = autocorrelation_peak(recent[:, c]) if spread[c] > 0 else (0, 0.0)
        if lag and height >= 0:
            peaks.append((lag, height))
    period = _weighted_median(peaks)
    if period > LONGEST:
        period = 0
    base = window = period or NO_PERIOD
    while window < SHORTEST:
        window += base
    return period, min(window, LONGEST, max(8, len(filled) // 4))


def autocorrelation_peak(channel: Floats) -> tuple[int, float]:
    """Lag and height of the highest local maximum at lags 3 to 400; (0, 0) if none is at 6..303.

    References
    ----------
    The window rule of the TSB-AD benchmark (``find_length_rank``).
    """
    n = len(channel)
    centered = channel - channel.mean()
    m = 1 << int(np.ceil(np.log2(max(2 * n, 2))))
    spectrum = np.fft.rfft(centered, m)
    product = np.fft.irfft(spectrum * np.conj(spectrum), m)[:401]
    if not product[0] > 0:
        return 0, 0.0
    height = (product / product[0])[3 : min(401, n)]
    peaks = np.flatnonzero((height[1:-1] > height[:-2]) & (height[1:-1] > height[2:])) + 1
    if len(peaks) == 0:
        return 0, 0.0
    best = peaks[np.argmax(height[peaks])]
    return (int(best + 3), float(height[best])) if 3 <= best <= 300 else (0, 0.0)


def _weighted_median(peaks: list[tuple[int, float]]) -> int:
    """First lag at which half of the weight is reached; 0 if there is none."""
    if not peaks:
        return 0
    lags, heights = np.array(peaks).T
    order = np.argsort(lags, kind="stable")
    weight = np.cumsum(heights[order])
    return int(lags[order][np.searchsorted(weight, weight[-1] / 2)])


def _fill(values: Floats) -> Floats:
    """The last value in place of a missing one, 0 before the first."""
    missing: Flags = ~(np.abs(values) < 1e100)
    if not missing.any():
        return values
    rows: NDArray[np.int64] = np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(missing, -1, rows), axis=0)
    known = np.take_along_axis(np.where(missing, 0.0, values), np.maximum(last, 0), 0)
    return np.where(last >= 0, known, 0.0)
