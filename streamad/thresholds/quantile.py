"""A running quantile of the scores, with forgetting."""

from __future__ import annotations

import math

import numpy as np

from streamad.core.data import Codes, Floats
from streamad.core.slab import Layout
from streamad.thresholds.base import SlabThreshold, require, require_count


class Quantile(SlabThreshold):
    """A multiple of a running quantile of the series' scores, with forgetting.

    Parameters
    ----------
    q : float
        Share of the scores below the quantile, in (0, 1).
    factor : float
        The line is so many quantiles; at least 1.
    window : int
        Scores that count: one that is so many scores old has a weight of 1/e.
    init : int
        First scores, which get no line.

    Notes
    -----
    The weights of the scores are kept in 16 buckets an octave, so the state does not grow with the
    window, the cost does not either, and the quantile is exact but for its rounding up to the next
    bucket edge, by 6 % at most. Ties and constant scores are no special case: the line lies above
    them. A score over the line is learned as one just above the quantile. So a long anomaly lifts
    the line by one bucket for every ``(1 - q) * window`` of its rows, whatever its height, while
    scores that rose for good stop being alarms in the end.

    Cost: 15 ns a row. State: 12 kB a series. Thread rule: one thread at a time.

    Examples
    --------
    >>> import numpy as np
    >>> line = Quantile(q=0.9, factor=2.0, init=100)
    >>> line.admit(np.array([0], np.int32))
    >>> lines = line.step(np.zeros(200, np.int32), np.tile(np.arange(10.0), 20))
    >>> lines[[0, -1]]
    array([nan, 17.])
    """

    def __init__(
        self,
        q: float = 0.99,
        factor: float = 2.0,
        window: int = 10_000,
        init: int = 256,
    ) -> None:
        require("quantile", "q", q, "between 0 and 1", above=0.0, below=1.0)
        least = math.nextafter(1.0, 0.0)
        require("quantile", "factor", factor, "a finite number of at least 1", above=least)
        require_count("quantile", "window", window, 2)
        require_count("quantile", "init", init, 1)
        self.q = q
        self.factor = factor
        self.window = window
        self.init = init

    def _layout(self) -> Layout:
        from streamad.kernels.quantile import N_BUCKETS

        return {
            "seen": ((), np.int64, 0),
            "at": ((), np.int64, 0),
            "unit": ((), np.float64, 1.0),
            "total": ((), np.float64, 0.0),
            "above": ((), np.float64, 0.0),
            "line": ((), np.float64, np.nan),
            "weights": ((N_BUCKETS,), np.float64, 0.0),
        }

    def _pass(self, slots: Codes, scores: Floats, lines: Floats) -> None:
        from streamad.kernels.quantile import quantile_pass

        slab = self._slab
        quantile_pass(
            slots,
            scores,
            self.q,
            math.exp(1.0 / self.window),
            self.factor,
            self.init,
            slab["seen"],
            slab["at"],
            slab["unit"],
            slab["total"],
            slab["above"],
            slab["line"],
            slab["weights"],
            lines,
        )
