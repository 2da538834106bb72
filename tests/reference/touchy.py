"""A detector that raises on some windows, half way through what it was given."""

from __future__ import annotations

import numpy as np

from streamad.core.data import WindowSpec
from streamad.detectors.registry import make_detector


class Touchy:
    """Another detector, until a value is above ``limit``: then it learns the rows before, again
    and again, and raises.
    """

    def __init__(self, limit, detector="ewma", **params):
        self.limit = limit
        self.inner = make_detector(detector, params)
        self.window: WindowSpec = self.inner.window
        self.lag, self.explains = self.inner.lag, self.inner.explains

    def step(self, windows):
        bad = np.flatnonzero((np.nan_to_num(windows.values) > self.limit).any(axis=(1, 2)))
        if len(bad):
            self.inner.step(windows.take(slice(0, int(bad[0]) + 1)))
            raise ZeroDivisionError(f"cannot take {self.limit}")
        return self.inner.step(windows)

    def __getattr__(self, name):
        return getattr(self.inner, name)
