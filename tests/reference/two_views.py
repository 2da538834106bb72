"""A detector with two members, in plain numpy: what a fusion tells of itself, without one."""

from __future__ import annotations

import numpy as np

from streamad.core.data import Scores, WindowSpec
from streamad.detectors.base import DetectorInfo, SlabDetector

REASONS = {"level": "far from its mean", "jump": "a sudden step"}


class TwoViews(SlabDetector):
    """Distance of the last row from the mean of its window, and its step; in units of ``scale``."""

    info = DetectorInfo("toy", "two views of a window", 1.0, explains=True)
    part_names = ("level", "jump")
    reasons = REASONS

    def __init__(self, length=6, scale=0.5):
        self.length = length
        self.scale = scale
        self.window = WindowSpec(length)

    def _layout(self, n_channels):
        return {}

    def _pass(self, windows, work, causal):
        values = np.where(np.isfinite(windows.values), windows.values, np.nan)
        mean = values.mean(axis=1)
        with np.errstate(over="ignore"):
            far = np.minimum(np.abs(values[:, -1] - mean) / self.scale, 1e6)
            step = np.minimum(np.abs(values[:, -1] - values[:, -2]) / self.scale, 1e6)
        squares = far**2 + step**2
        whole = squares.sum(axis=1, keepdims=True)
        even = np.full(squares.shape, 1.0 / squares.shape[1])
        shares = np.divide(squares, whole, out=even, where=whole > 0)
        parts = np.sqrt(np.stack(((far**2).mean(axis=1), (step**2).mean(axis=1)), axis=1))
        if work & 1:
            causal[:] = np.sqrt((parts**2).mean(axis=1))
        return Scores(causal, None, None, shares.astype(np.float32), mean, parts.astype(np.float32))
