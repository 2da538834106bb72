"""Peaks over threshold: SPOT and DSPOT."""

from __future__ import annotations

import math

import numpy as np

from streamad.core.data import Codes, Floats
from streamad.core.slab import Layout
from streamad.thresholds.base import SlabThreshold, require, require_count

FEWEST_PEAKS = 8
"""As ``kernels.evt.FEW``, which is behind numba."""


class Spot(SlabThreshold):
    """The score that one row in ``1 / risk`` passes, from a fitted tail (SPOT).

    Parameters
    ----------
    risk : float
        Probability that a row of an unchanged series is over the line; below ``1 - level``.
    init : int
        First scores, which set the level and get no line.
    level : float
        Share of them below the level over which a score counts as a peak.
    max_excesses : int
        Peaks that are kept; with a level of 0.95 they come from the latest ``20 * max_excesses``
        rows.

    Notes
    -----
    A generalised Pareto distribution is fitted by maximum likelihood to what the peaks exceed the
    level by; the line is its quantile. An alarm is not learned, except that the first of a run
    counts as "at least on the line" (a censored peak), which keeps the alarm rate near the risk in
    bounded state; a longer run teaches nothing. While fewer than 8 peaks are known, as for constant
    scores, the line is twice the level.

    Cost: 50 ns a row. State: 2 kB a series. Thread rule: one thread at a time.

    References
    ----------
    Siffer, Fouque, Termier and Largouët (2017), "Anomaly detection in streams with extreme value
    theory", algorithm 1; the differences are listed at ``kernels.evt.tail_pass``.

    Examples
    --------
    >>> import numpy as np
    >>> line = Spot(risk=1e-3)
    >>> line.admit(np.array([0], np.int32))
    >>> scores = np.random.default_rng(0).exponential(size=20_000)
    >>> lines = line.step(np.zeros(20_000, np.int32), scores)
    >>> bool(abs(np.median(lines[1000:]) - np.log(1000)) < 0.7)
    True
    """

    _name = "spot"

    def __init__(
        self,
        risk: float = 1e-4,
        init: int = 512,
        level: float = 0.95,
        max_excesses: int = 256,
    ) -> None:
        self._set(risk, init, level, max_excesses, 0)

    def _set(self, risk: float, init: int, level: float, max_excesses: int, depth: int) -> None:
        name = self._name
        require(name, "level", level, "between 0 and 1", above=0.0, below=1.0)
        require(name, "risk", risk, "above 0 and below 1 - level", above=0.0, below=1.0 - level)
        fewest = math.ceil(FEWEST_PEAKS / (1.0 - level))
        require_count(name, "init", init, fewest, f", for {FEWEST_PEAKS} peaks over the level")
        self._top = int((1.0 - level) * init) + 1
        why = ", the scores of init that set the level"
        require_count(name, "max_excesses", max_excesses, self._top, why)
        self.risk = risk
        self.init = init
        self.level = level
        self.max_excesses = max_excesses
        self.depth = depth

    def _layout(self) -> Layout:
        return {
            "rows": ((), np.int64, 0),
            "peaks": ((), np.int64, 0),
            "fitted": ((), np.int64, 0),
            "level": ((), np.float64, 0.0),
            "rate": ((), np.float64, 0.0),
            "tail": ((), np.float64, np.nan),
            "over": ((), np.bool_, False),
            "excesses": ((self.max_excesses,), np.float64, 0.0),
            "pushed": ((), np.int64, 0),
            "recent": ((self.depth,), np.float64, 0.0),
        }

    def _pass(self, slots: Codes, scores: Floats, lines: Floats) -> None:
        from streamad.kernels.evt import tail_pass

        slab = self._slab
        tail_pass(
            slots,
            scores,
            self.risk,
            self.init,
            self._top,
            int(self.max_excesses / (1.0 - self.level)),
            slab["rows"],
            slab["peaks"],
            slab["fitted"],
            slab["level"],
            slab["rate"],
            slab["tail"],
            slab["over"],
            slab["excesses"],
            slab["pushed"],
            slab["recent"],
            lines,
        )


class Dspot(Spot):
    """SPOT on what the scores differ from their moving mean, for scores that drift (DSPOT).

    Parameters
    ----------
    risk, init, level, max_excesses
        As :class:`Spot`.
    depth : int
        Rows of the moving mean; the first of a series come before ``init``. Alarms do not enter it.

    References
    ----------
    Siffer, Fouque, Termier and Largouët (2017), algorithm 2.
    """

    _name = "dspot"

    def __init__(
        self,
        risk: float = 1e-4,
        init: int = 512,
        level: float = 0.95,
        max_excesses: int = 256,
        depth: int = 64,
    ) -> None:
        require_count("dspot", "depth", depth, 1)
        self._set(risk, init, level, max_excesses, depth)
