"""The NAB score: early detections in anomaly windows earn, false ones cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Floats, Ints
from streamad.core.errors import ConfigError, ShapeError

PROBATION = 0.15
_PROBATION_ROWS = 5000
"""Files count as at most so long when the probation is measured."""
_NEVER = 1.1
"""The threshold that the reference gives a detector that had better stay silent."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What detections earn and cost.

    Attributes
    ----------
    tp, fn, fp : float
        Of a window hit at its left edge, of a missed window, and of a false detection far from any
        window.
    """

    tp: float
    fn: float
    fp: float


PROFILES: dict[str, Profile] = {
    "standard": Profile(1.0, 1.0, 0.11),
    "reward_low_FP_rate": Profile(1.0, 1.0, 0.22),
    "reward_low_FN_rate": Profile(1.0, 2.0, 0.11),
}


@dataclass(frozen=True, slots=True)
class NabFile:
    """One series.

    Attributes
    ----------
    scores : float64 (n,)
        NaN = not judged: never a detection, but a row of the file.
    windows : int64 (k, 2)
        First and last row of each anomaly window, both in it; in order, disjoint.
    """

    scores: Floats
    windows: Ints

    def __post_init__(self) -> None:
        windows = self.windows
        if self.scores.ndim != 1 or windows.ndim != 2 or windows.shape[1] != 2:
            raise ShapeError(
                "a file needs scores of shape (n,) and windows of shape (k, 2), got "
                f"{self.scores.shape} and {windows.shape}"
            )
        bounds = windows.ravel()
        if len(bounds) == 0:
            return
        ordered = (windows[:, 0] <= windows[:, 1]).all() and (
            windows[1:, 0] > windows[:-1, 1]
        ).all()
        if not ordered or bounds[0] < 0 or bounds[-1] >= len(self.scores):
            raise ConfigError(
                f"windows must be in order, disjoint and within 0 to {len(self.scores) - 1}, got "
                f"{windows.tolist()}"
            )


@dataclass(frozen=True, slots=True)
class NabScore:
    """The NAB score of one or many files at one threshold.

    Attributes
    ----------
    threshold : float
        A row whose score is at least this is a detection.
    optimised : bool
        Whether the threshold was picked on the labels: an upper bound, as on the leaderboard.
    raw : float
    normalised : float
        100 is every window hit at its left edge, 0 a silent detector; NaN without a window.
    null, perfect : float
        Raw scores of these two.
    tp, fp, fn, tn : int
        Rows behind the probation.
    """

    threshold: float
    optimised: bool
    raw: float
    normalised: float
    null: float
    perfect: float
    tp: int
    fp: int
    fn: int
    tn: int


def row_weights(n: int, windows: Ints, profile: Profile = PROFILES["standard"]) -> Floats:
    """What a detection at each row earns.

    Parameters
    ----------
    n : int
        Rows of the file.
    windows : int64 (k, 2)
        As in :class:`NabFile`.
    profile : Profile

    Returns
    -------
    float64 (n,)
        Positive in a window, falling from ``tp`` at its left edge; negative outside, falling to
        ``-fp`` three widths behind the latest window and before the first.

    Raises
    ------
    ConfigError
        If rows outside any window follow a window of a single row, behind which the reference
        divides by zero.

    Notes
    -----
    O(n). Only the previous window counts outside: right before a window a detection costs as much
    as its distance from the window before says.
    """
    weights = np.full(n, -profile.fp)
    best = _sigma(np.array([-1.0]))[0]
    stops = [*(windows[1:, 0].tolist()), n]
    for (first, last), stop in zip(windows.tolist(), stops, strict=False):
        width = last - first + 1
        inside = np.arange(first, last + 1)
        weights[first : last + 1] = profile.tp * _sigma(-(last - inside + 1) / width) / best
        if last + 1 == stop:
            continue
        if width == 1:
            raise ConfigError(
                f"the NAB score is not defined behind a window of a single row (row {first}): "
                "give every window two rows or more"
            )
        behind = np.arange(last + 1, stop)
        weights[last + 1 : stop] = profile.fp * _sigma((behind - last) / (width - 1))
    return weights


def nab_score(
    files: Sequence[NabFile],
    profile: Profile = PROFILES["standard"],
    threshold: float | None = None,
    *,
    probation: float = PROBATION,
) -> NabScore:
    """The NAB score of files that share one threshold.

    Parameters
    ----------
    files : sequence of NabFile
    profile : Profile
    threshold : float, optional
        None picks the best one on the labels of all files, the highest of equals.
    probation : float
        Share of each file that is not scored, counted over at most 5000 rows.

    Returns
    -------
    NabScore

    Raises
    ------
    ConfigError
        As :func:`row_weights`.

    Notes
    -----
    O(n log n). As in the reference: a window that lies in the probation altogether counts in the
    perfect score and can never be hit, so 100 is out of reach; where staying silent is best, the
    threshold is 1.1. Unlike there, a threshold below every score is no error: each row is a
    detection then.

    References
    ----------
    Lavin and Ahmad, Evaluating real-time anomaly detection algorithms, ICMLA 2015; numenta/NAB at
    ea702d75, ``nab/sweeper.py``.

    Examples
    --------
    >>> scores = np.zeros(400)
    >>> scores[120] = 0.9
    >>> one = NabFile(scores, np.array([[120, 159]]))
    >>> nab_score([one]).normalised, nab_score([one], threshold=0.95).normalised
    (100.0, 0.0)
    """
    sweep = _Sweep.of(files, profile, probation)
    ends = np.concatenate(([0], np.flatnonzero(np.diff(sweep.scores)) + 1, [len(sweep.scores)]))
    ends = np.unique(ends)
    if threshold is None:
        at = int(ends[np.argmax(sweep.raw[ends])])
        top = sweep.scores[0] if len(sweep.scores) else 0.0
        chosen = float(sweep.scores[at - 1]) if at else (_NEVER if top < _NEVER else math.inf)
    else:
        at, chosen = int(np.searchsorted(-sweep.scores, -threshold, "right")), float(threshold)
    raw, null = float(sweep.raw[at]), float(sweep.raw[0])
    perfect = profile.tp * sum(len(file.windows) for file in files)
    tp = int(sweep.n_hits[at])
    fp = at - tp
    return NabScore(
        chosen,
        threshold is None,
        raw,
        100.0 * (raw - null) / (perfect - null) if perfect != null else math.nan,
        null,
        perfect,
        tp,
        fp,
        sweep.n_inside - tp,
        sweep.n_outside - fp,
    )


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Judged rows of all files, highest score first, and the raw score of every prefix."""

    scores: Floats
    raw: Floats
    n_hits: Ints
    n_inside: int
    n_outside: int

    @classmethod
    def of(cls, files: Sequence[NabFile], profile: Profile, probation: float) -> _Sweep:
        n_inside = n_outside = n_windows = n_scored = 0
        all_scores, all_weights, all_windows = [np.empty(0)], [np.empty(0)], [np.empty(0, np.int64)]
        for file in files:
            n = len(file.scores)
            weights = row_weights(n, file.windows, profile)
            window = np.full(n, -1, np.int64)
            for number, (first, last) in enumerate(file.windows.tolist(), n_windows):
                window[first : last + 1] = number
            n_windows += len(file.windows)
            begin = math.ceil(min(math.floor(probation * n), probation * _PROBATION_ROWS))
            window, weights, scores = window[begin:], weights[begin:], file.scores[begin:]
            n_scored += len(np.unique(window[window >= 0]))
            n_inside += int((window >= 0).sum())
            n_outside += int((window < 0).sum())
            judged = ~np.isnan(scores)
            all_scores.append(scores[judged])
            all_weights.append(weights[judged])
            all_windows.append(window[judged])
        scores, weights = np.concatenate(all_scores), np.concatenate(all_weights)
        window = np.concatenate(all_windows)
        order = np.argsort(-scores, kind="stable")
        scores, weights, window = scores[order], weights[order], window[order]
        gains = np.where(window < 0, weights, _improvements(weights, window, profile.fn))
        raw = np.concatenate(([0.0], np.cumsum(gains))) - profile.fn * n_scored
        hits = np.concatenate(([0], np.cumsum(window >= 0)))
        return cls(scores, raw, hits, n_inside, n_outside)


def _improvements(weights: Floats, window: Ints, missed: float) -> Floats:
    """By how much each detection, in this order, lifts the best one of its window."""
    gains = np.zeros(len(weights))
    order = np.argsort(window, kind="stable")
    order = order[np.searchsorted(window[order], 0) :]
    if len(order) == 0:
        return gains
    for rows in np.split(order, np.flatnonzero(np.diff(window[order])) + 1):
        best = np.maximum.accumulate(np.concatenate(([-missed], weights[rows])))
        gains[rows] = np.diff(best)
    return gains


def _sigma(position: Floats) -> Floats:
    """Scaled sigmoid: near 1 at -1, 0 at 0, and -1 behind 3."""
    near = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1.0
    return np.where(position > 3.0, -1.0, near)
