"""k nearest neighbours: how far a window lies from the windows of the past."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import numpy as np

from streamad.core.data import Floats, Scores, Windows, WindowSpec
from streamad.core.slab import Layout
from streamad.detectors.base import SCALINGS, DetectorInfo, SlabDetector, Work, require

Features = Literal["raw", "level", "shape+level"]
FEATURES: tuple[Features, ...] = get_args(Features)
"""In the order of the kernel's constants."""

MAX_SIZE = 128
"""Most block means of a window over all channels: wide series are seen more coarsely."""


class Knn(SlabDetector):
    """Mean distance of a window to its nearest neighbours among past windows of its series.

    Parameters
    ----------
    length : int
        Rows of a window.
    features : str
        ``raw``: the window as it is; ``level``: its mean and log-spread, two numbers a channel;
        ``shape+level``: the window after removing its mean and, softly, its spread, with both
        carried beside it at equal weight.
    points : int
        Block means that stand for a window, per channel.
    k : int
        Neighbours whose distances are averaged.
    memory : int
        Stored windows.
    keep : int
        The first so many stored windows stay for ever; the others are the latest ones.
    every : int
        Rows between two windows that are offered to the memory. An odd number walks through the
        phases of a period.
    warm_up : int
        Windows of a series that are learned but not judged. The first half of them sets, once, the
        center and scale of every channel; the memory starts with the second half.
    quantile : float
        Windows that score above this running quantile are not stored.
    max_skipped : int
        Most windows refused one after the other; what lasts longer is the new normal.
    scaling : str
        Scaling of the windows, see :class:`streamad.core.data.WindowSpec`. The detector's own,
        frozen scale makes any needless.

    Notes
    -----
    Score: root mean square difference of the representations, averaged over the k nearest windows
    that share no row with the judged one. Missing values are left out of the differences; a window
    without any value, or with fewer than k windows to compare with, is not judged. Values more
    than 8 scales out are compressed logarithmically.

    All distances of one window are computed side by side, one stored window a SIMD lane, which
    beats abandoning single distances early (about 15 times at 32 numbers a window and 512 windows).
    Cost: ``memory`` times the numbers of a representation. State: 4 bytes for each of them. Lag of
    the final score: ``length - 1``. Thread rule: one thread at a time.

    References
    ----------
    Ramaswamy, Rastogi and Shim (2000), "Efficient algorithms for mining outliers from large data
    sets"; exclusion zone as in Yeh et al. (2016), "Matrix profile I"; skipping strange windows as
    in Na, Kim and Yu (2018), "DILOF".

    Examples
    --------
    >>> import numpy as np, streamad
    >>> wave = np.sin(np.arange(1000) * 0.25)
    >>> wave[800:820] = wave[800]
    >>> found = int(np.nanargmax(streamad.score(wave, detector="knn").final))
    >>> 770 < found < 830
    True
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="neighbours",
        summary="a window unlike every window of the past",
        cost_us=2.0,
        explains=True,
    )

    def __init__(
        self,
        length: int = 96,
        features: Features = "shape+level",
        points: int = 24,
        k: int = 2,
        memory: int = 512,
        keep: int = 128,
        every: int = 3,
        warm_up: int = 256,
        quantile: float = 0.98,
        max_skipped: int = 64,
        scaling: str = "none",
    ) -> None:
        require(length >= 2, f"knn: length needs at least 2 rows, got {length!r}")
        require(
            features in FEATURES,
            f"knn: features must be one of {', '.join(FEATURES)}, got {features!r}",
        )
        require(points >= 1, f"knn: points must be at least 1, got {points!r}")
        require(k >= 1, f"knn: k must be at least 1, got {k!r}")
        require(
            0 <= keep < memory, f"knn: keep must lie in 0..memory-1 = {memory - 1}, got {keep!r}"
        )
        require(memory >= k, f"knn: memory must hold at least k = {k} windows, got {memory!r}")
        require(every >= 1, f"knn: every must be at least 1, got {every!r}")
        require(warm_up >= 16, f"knn: warm_up needs at least 16 windows, got {warm_up!r}")
        require(
            scaling in SCALINGS,
            f"knn: scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}",
        )
        require(0 < quantile <= 1, f"knn: quantile must lie in (0, 1], got {quantile!r}")
        require(max_skipped >= 0, f"knn: max_skipped must be 0 or more, got {max_skipped!r}")
        self.length = length
        self.features = features
        self.points = points
        self.k = k
        self.memory = memory
        self.keep = keep
        self.every = every
        self.warm_up = warm_up
        self.quantile = quantile
        self.max_skipped = max_skipped
        self.scaling = scaling
        self.window = WindowSpec(length=length, scaling=scaling)

    def _points(self, n_channels: int) -> int:
        return max(1, min(self.points, self.length, MAX_SIZE // n_channels))

    def _layout(self, n_channels: int) -> Layout:
        means = 0 if self.features == "level" else self._points(n_channels)
        size = n_channels * (means + (0 if self.features == "raw" else 2))
        return {
            "memory": ((size, self.memory), np.float32, 0.0),
            "age": ((self.memory,), np.int64, -1),
            "counters": ((5,), np.int64, 0),
            "spread": ((n_channels, 7), np.float64, 0.0),
            "gate": ((2,), np.float64, 0.0),
        }

    def _pass(self, windows: Windows, work: Work, causal: Floats) -> Scores:
        from streamad.kernels.neighbors import knn_pass

        n, c = len(windows), self.n_channels
        explain = c > 1 and Work.SCORE in work
        shares = np.empty((n, c) if explain else (0, c), np.float32)
        slab = self.slab
        knn_pass(
            windows.codes,
            np.argsort(windows.codes, kind="stable"),
            np.ascontiguousarray(windows.values),
            slab["counters"],
            slab["spread"],
            slab["gate"],
            slab["memory"],
            slab["age"],
            FEATURES.index(self.features),
            self._points(c),
            self.k,
            self.every,
            self.length,
            self.keep,
            self.warm_up,
            self.quantile,
            self.max_skipped,
            int(work),
            causal,
            shares,
        )
        return Scores(causal, None, None, shares if explain else None)
