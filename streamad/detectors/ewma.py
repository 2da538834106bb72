"""EWMA: z-score of a one-step forecast by an exponentially weighted mean."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from streamad.core.data import Floats, Scores, Windows, WindowSpec
from streamad.core.slab import Layout
from streamad.detectors.base import DetectorInfo, SlabDetector, Work, require


class Ewma(SlabDetector):
    """How far each row lies from the exponentially weighted mean of the rows before it.

    Parameters
    ----------
    alpha : float
        Weight of the newest row in the forecast, 0 < alpha <= 1.
    alpha_scale : float
        Weight of the newest squared error in the error variance; slower than ``alpha``, so that
        one strange row does not hide the next.
    clip : float
        Errors enter mean and variance clipped to this many standard deviations, in sd.
    warm_up : int
        Rows of a series that are learned but not judged.

    Notes
    -----
    Score: root mean square over the channels of ``|x - forecast| / sd``; missing channels are left
    out, a row without any value is not judged. State: two numbers a channel. Lag of the final
    score: 0. Thread rule: one thread at a time.

    References
    ----------
    Roberts (1959), "Control chart tests based on geometric moving averages", eq. 1; the clipped
    update is the Huber form of Gelper, Fried and Croux (2010), "Robust forecasting with
    exponential and Holt-Winters smoothing".

    Examples
    --------
    >>> import numpy as np, streamad
    >>> calm = np.sin(np.arange(200) * 0.3)
    >>> calm[150] = 8.0
    >>> int(np.nanargmax(streamad.score(calm, detector="ewma").causal))
    150
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="forecast",
        summary="a value far from its one-step forecast",
        cost_us=0.03,
        explains=True,
    )

    def __init__(
        self,
        alpha: float = 0.2,
        alpha_scale: float = 0.01,
        clip: float = 4.0,
        warm_up: int = 64,
    ) -> None:
        require(0 < alpha <= 1, f"ewma: alpha must lie in (0, 1], got {alpha!r}")
        require(0 < alpha_scale <= 1, f"ewma: alpha_scale must lie in (0, 1], got {alpha_scale!r}")
        require(clip > 0, f"ewma: clip must be positive, got {clip!r}")
        require(warm_up >= 2, f"ewma: warm_up needs at least 2 rows, got {warm_up!r}")
        self.alpha = alpha
        self.alpha_scale = alpha_scale
        self.clip = clip
        self.warm_up = warm_up
        self.window = WindowSpec(length=1)

    def _layout(self, n_channels: int) -> Layout:
        return {
            "mean": ((n_channels,), np.float64, 0.0),
            "variance": ((n_channels,), np.float64, 0.0),
            "seen": ((n_channels,), np.int64, 0),
            "rows": ((), np.int64, 0),
        }

    def _pass(self, windows: Windows, work: Work, causal: Floats) -> Scores:
        from streamad.kernels.forecast import ewma_pass

        n, c = len(windows), self.n_channels
        judge = Work.SCORE in work
        explain = c > 1 and judge
        shares = np.empty((n, c) if explain else (0, c), np.float32)
        expected = np.empty((n, c) if judge else (0, c))
        slab = self.slab
        ewma_pass(
            windows.codes,
            windows.values[:, 0, :],
            slab["mean"],
            slab["variance"],
            slab["seen"],
            slab["rows"],
            self.alpha,
            self.alpha_scale,
            self.clip,
            self.warm_up,
            int(work),
            causal,
            shares,
            expected,
        )
        return Scores(causal, None, None, shares if explain else None, expected if judge else None)
