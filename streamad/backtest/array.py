"""Score one array, prequentially."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamad.core.data import Floats
from streamad.core.errors import ShapeError
from streamad.core.protocols import Detector


@dataclass(frozen=True, slots=True)
class ScoredSeries:
    """Scores of one array, row by row; higher is stranger, NaN = not judged.

    Attributes
    ----------
    causal : float64 (n,)
        From rows up to each row.
    final : float64 (n,)
        From rows up to ``lag`` window ends later; more accurate.
    lag : int
        Largest lag of ``final``, in window ends.
    shares : float32 (n, C) or None
        Each channel's part of the causal score, rows sum to 1.
    detector : Detector
        With the state it has after the last row.
    """

    causal: Floats
    final: Floats
    lag: int
    shares: NDArray[np.float32] | None
    detector: Detector


def score(
    values: ArrayLike,
    detector: str = "fusion",
    *,
    channels: Sequence[str] | None = None,
    name: str = "series",
    **params: Any,
) -> ScoredSeries:
    """Score an array prequentially: each row is scored before it is learned.

    Parameters
    ----------
    values : float (n,) or (n, C)
        One row a time step; NaN = missing, infinite counts as missing.
    detector : str
        Name of an installed detector.
    channels : sequence of str, optional
        Names of the columns.
    name : str
        Name of the series; seeds whatever is random.
    **params
        Parameters of the detector.

    Returns
    -------
    ScoredSeries

    Raises
    ------
    ConfigError
        Unknown detector or parameter.
    ShapeError
        If ``values`` has not one or two axes, or ``channels`` another length than its columns.

    Examples
    --------
    >>> import numpy as np, streamad
    >>> flow = np.sin(np.arange(600) * 0.2)
    >>> flow[500:505] = 0.9
    >>> scored = streamad.score(flow, detector="knn")
    >>> 500 <= int(np.nanargmax(scored.causal)) < 540
    True
    """
    from streamad.faces.one_series import OneSeries

    array = np.asarray(values, np.float64)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ShapeError(f"values should have shape (n,) or (n, C), got {array.shape}")
    n, c = array.shape
    names = list(channels) if channels is not None else [f"c{i}" for i in range(c)]
    if len(names) != c:
        raise ShapeError(f"{c} columns need {c} channel names, got {len(names)}")
    series = OneSeries(detector, params, names, name)
    made = series.detector
    causal, final = np.full(n, np.nan), np.full(n, np.nan)
    shares = np.full((n, c), np.nan, np.float32) if made.explains and c > 1 else None
    ends, before = np.arange(made.window.hop - 1, n, made.window.hop), 0
    for positions, scores in series.steps(array):
        causal[positions] = scores.causal
        if shares is not None and scores.shares is not None:
            shares[positions] = scores.shares
        if scores.final is not None:
            lag = scores.lag if scores.lag is not None else np.full(len(scores), made.lag)
            target = before + np.arange(len(scores)) - lag
            known = (lag >= 0) & (target >= 0)
            final[ends[target[known]]] = scores.final[known]
        before += len(scores)
    _, owed = made.close(np.zeros(1, np.int32))
    if len(owed):
        final[ends[-len(owed) :]] = owed
    final[np.isnan(causal)] = np.nan
    return ScoredSeries(causal, final, made.lag, shares, made)
