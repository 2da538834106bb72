"""Mahalanobis distance of the last few rows of all channels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from streamad.core.data import Floats, Scores, Windows, WindowSpec
from streamad.core.slab import Layout
from streamad.detectors.base import SCALINGS, DetectorInfo, SlabDetector, Work, require


class Mahalanobis(SlabDetector):
    """How far the last rows lie from their running mean, measured by their running covariance.

    Parameters
    ----------
    rows : int
        Rows that are judged together; 1 sees only how channels relate to each other, more also see
        how a row follows from the rows before it.
    max_size : int
        Most numbers judged together; with so many channels that ``rows`` would exceed it, fewer
        rows are taken, but at least one.
    horizon : int
        Rows over which the past is forgotten.
    ridge : float
        Share of its own variance that is added to every number, so that relations that hold
        exactly do not make the distance infinite.
    warm_up : int
        Rows of a series that are learned but not judged.
    quantile : float
        Rows that score above this running quantile are not learned.
    max_skipped : int
        Most rows refused one after the other; what lasts longer is the new normal.
    scaling : str
        Scaling of the windows, see :class:`streamad.core.data.WindowSpec`. The distance itself does
        not depend on units.

    Notes
    -----
    Score: distance divided by the root of how many values are present, about 1 on ordinary rows. A
    missing value counts as the mean; a window without any value is not judged. State with
    d = rows times channels: d squared numbers; cost of a learned row: about 3 d squared
    multiplications. Lag of the final score: ``rows - 1``. Thread rule: one thread at a time.

    References
    ----------
    Gill, Golub, Murray and Saunders (1974), "Methods for modifying matrix factorizations", method
    C3 (Givens). The ridge that takes turns over the coordinates is our own.

    Examples
    --------
    >>> import numpy as np, streamad
    >>> t = np.arange(600)
    >>> x = np.stack([np.sin(t * 0.3), np.cos(t * 0.3)], axis=1)
    >>> x[500] = [0.9, 0.9]
    >>> int(np.nanargmax(streamad.score(x, detector="mahalanobis").causal)) in (500, 501, 502)
    True
    """

    info: ClassVar[DetectorInfo] = DetectorInfo(
        kind="covariance",
        summary="rows whose values do not go together as they used to",
        cost_us=0.2,
        explains=True,
    )

    def __init__(
        self,
        rows: int = 3,
        max_size: int = 64,
        horizon: int = 5000,
        ridge: float = 0.01,
        warm_up: int = 128,
        quantile: float = 0.98,
        max_skipped: int = 64,
        scaling: str = "none",
    ) -> None:
        require(rows >= 1, f"mahalanobis: rows must be at least 1, got {rows!r}")
        require(max_size >= 1, f"mahalanobis: max_size must be at least 1, got {max_size!r}")
        require(horizon >= 2, f"mahalanobis: horizon must be at least 2, got {horizon!r}")
        require(ridge > 0, f"mahalanobis: ridge must be positive, got {ridge!r}")
        require(warm_up >= 2, f"mahalanobis: warm_up needs at least 2 rows, got {warm_up!r}")
        require(
            scaling in SCALINGS,
            f"mahalanobis: scaling must be one of {', '.join(SCALINGS)}, got {scaling!r}",
        )
        require(0 < quantile <= 1, f"mahalanobis: quantile must lie in (0, 1], got {quantile!r}")
        require(max_skipped >= 0, f"mahalanobis: max_skipped must be >= 0, got {max_skipped!r}")
        self.rows = rows
        self.max_size = max_size
        self.horizon = horizon
        self.ridge = ridge
        self.warm_up = warm_up
        self.quantile = quantile
        self.max_skipped = max_skipped
        self.scaling = scaling
        self.window = WindowSpec(length=rows, scaling=scaling)

    def _size(self, n_channels: int) -> int:
        return n_channels * max(1, min(self.rows, self.max_size // n_channels))

    def _layout(self, n_channels: int) -> Layout:
        d = self._size(n_channels)
        return {
            "mean": ((d,), np.float64, np.nan),
            "factor": ((d, d), np.float64, 0.0),
            "counters": ((3,), np.int64, 0),
            "gate": ((2,), np.float64, 0.0),
        }

    def _pass(self, windows: Windows, work: Work, causal: Floats) -> Scores:
        from streamad.kernels.residual import mahalanobis_pass

        n, c = len(windows), self.n_channels
        explain = c > 1 and Work.SCORE in work
        shares = np.empty((n, c) if explain else (0, c), np.float32)
        rows = self._size(c) // c
        slab = self.slab
        mahalanobis_pass(
            windows.codes,
            np.ascontiguousarray(windows.values[:, -rows:, :]).reshape(n, rows * c),
            slab["counters"],
            slab["gate"],
            slab["mean"],
            slab["factor"],
            self.horizon,
            self.ridge,
            self.warm_up,
            self.quantile,
            self.max_skipped,
            int(work),
            causal,
            shares,
        )
        return Scores(causal, None, None, shares if explain else None)
