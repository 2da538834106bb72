"""Volume under the surface (VUS): AUC that forgives a detector for being early or late."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamad.core.errors import ConfigError
from streamad.evaluation.checks import check_n_thresholds, checked, segments


class Vus(NamedTuple):
    """Volumes under the surface.

    Attributes
    ----------
    pr : float
        VUS-PR, the metric that the TSB-AD benchmark ranks by.
    roc : float
        VUS-ROC; a random score gets about 0.7, so never read it alone.
    """

    pr: float
    roc: float


def vus(labels: ArrayLike, scores: ArrayLike, window: int, *, n_thresholds: int = 250) -> Vus:
    """VUS-PR and VUS-ROC: areas under the curve averaged over buffers of 0 to ``window`` rows.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.
    window : int
        Widest buffer W, in rows: half before, half after each anomaly.
        :func:`~streamad.evaluation.window.window_length` gives the benchmark's.
    n_thresholds : int
        Thresholds, at evenly spaced ranks of the scores.

    Returns
    -------
    Vus
        NaN without an anomalous row, or without a normal one (the reference raises IndexError).

    Raises
    ------
    ShapeError
        Wrong shapes or labels.
    ConfigError
        A negative window, or a number of thresholds outside 2 to 30 000.

    Notes
    -----
    Each row is looked up once in the descending thresholds; the rest is cumulative sums over the
    thresholds. Cost O(n log n) for the sort and O(W (A W + K)) for A anomalies and K thresholds.

    References
    ----------
    Paparrizos et al. (2022), "Volume Under the Surface", VLDB 15(11); equal to TSB-AD 1.5,
    ``generate_curve(..., 'opt')``, within rounding.

    Examples
    --------
    >>> labels = np.zeros(400, int)
    >>> labels[200:220] = 1
    >>> late = np.roll(labels, 5)
    >>> vus(labels, labels, 20), vus(labels, late, 20)
    (Vus(pr=1.0, roc=1.0), Vus(pr=0.773, roc=0.917))
    """
    from streamad.kernels.vus import vus_areas

    if window < 0:
        raise ConfigError(f"window must be 0 or more rows, got {window!r}: see window_length")
    check_n_thresholds(n_thresholds)
    truth, numbers = checked(labels, scores)
    starts, stops = segments(truth)
    if not len(starts) or truth.all():
        return Vus(np.nan, np.nan)
    ascending = np.sort(numbers)
    ranks = np.linspace(0, len(ascending) - 1, n_thresholds).astype(np.int64)
    thresholds = ascending[::-1][ranks]
    n_flagged = len(ascending) - np.searchsorted(ascending, thresholds)
    area_pr, area_roc = np.empty(window + 1), np.empty(window + 1)
    vus_areas(truth, numbers, starts, stops, thresholds, n_flagged, area_pr, area_roc)
    return Vus(float(area_pr.mean()), float(area_roc.mean()))
