"""Rows into a detector without an engine, and the series that cost is measured on."""

from __future__ import annotations

from typing import Any

import judge
import numpy as np
from judge import Contender, Floats

from streamad.core.data import Rows
from streamad.detectors.registry import make_detector
from streamad.windowing.sliding import Sliding

SEED = 20261124
NO_PERIOD = 280
"""A period too long for a window of one period."""


def waves(n: int, n_channels: int, period: int | None) -> Floats:
    """Noisy sines of one period and many phases, float64 (n, C)."""
    rng = np.random.default_rng(SEED)
    phases = rng.uniform(0, 2 * np.pi, n_channels)
    angle = 2 * np.pi * np.arange(n)[:, None] / (period or NO_PERIOD)
    return np.sin(angle + phases) + 0.2 * rng.normal(size=(n, n_channels))


class Feed:
    """A detector with the windowing in front of it, fed with rows of its series.

    Parameters
    ----------
    contender : Contender
    n_channels, n_series : int
    warm_up : int
        Rows of a series that a detector which is fitted on its first rows takes for it.
    """

    def __init__(self, contender: Contender, n_channels: int, n_series: int, warm_up: int) -> None:
        params = contender.params | ({"warm_up": warm_up} if contender.takes_prefix else {})
        channels = [f"v{c:02d}" for c in range(n_channels)]
        self.n_series = n_series
        self.detector: Any = make_detector(contender.detector, params)
        self._windowing = Sliding(self.detector.window)
        self._n_seen = 0
        codes = np.arange(n_series, dtype=np.int32)
        self.detector.open(channels)
        self.detector.admit(codes, [f"s{code:05d}" for code in codes])
        self._windowing.open(channels)
        self._windowing.admit(codes)

    def push(self, values: Floats) -> Floats:
        """Causal scores of the next rows, float64 (n, C): one row of every series, and again."""
        n = len(values)
        step = self._n_seen + np.arange(n)
        fresh = step < self.n_series
        codes = (step % self.n_series).astype(np.int32)
        rows = Rows(codes, step // self.n_series, values, np.zeros(n, np.bool_), fresh)
        self._n_seen += n
        causal = np.full(n, np.nan)
        for positions, windows in self._windowing.push(rows):
            causal[positions] = self.detector.step(windows).causal
        return causal

    def state_bytes(self) -> int:
        """Bytes of the state of all series, as a snapshot holds them."""
        return sum(array.nbytes for array in self.detector.snapshot().values())


def contenders(text: str) -> list[Contender]:
    """Contenders of a comma-separated list; refuses unknown ones."""
    found = [judge.contender(name.strip()) for name in text.split(",") if name.strip()]
    for one in found:
        judge.configuration(one)
    return found
