"""Whether stranger scores go with worse anomalies: AUROC a level, Kendall's tau-b, C-index."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamad.core.data import Floats, Ints
from streamad.core.errors import ConfigError, ShapeError


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well scores order severities.

    Attributes
    ----------
    tau_b : float
        Kendall's tau-b, -1 to 1; NaN where all severities or all scores are equal.
    c_index : float
        Share of the pairs of different severity that the scores order rightly, equal scores
        counting one half; NaN where all severities are equal.
    """

    tau_b: float
    c_index: float


@dataclass(frozen=True, slots=True)
class SeverityScore:
    """Severity against scores, as MAD-Bench measures it.

    Attributes
    ----------
    auroc : dict of float to float
        Of level 0 against each level above it.
    auroc_all : float
        Of level 0 against all levels above it; NaN where one side is empty.
    overall : Agreement
        Over everything, so detection and ordering mixed.
    anomalies : Agreement
        Over the levels above 0.
    monotone : bool
        Whether the mean score does not fall from any level to the next.
    n : int
        Judged samples.
    """

    auroc: dict[float, float]
    auroc_all: float
    overall: Agreement
    anomalies: Agreement
    monotone: bool
    n: int


def severity_score(levels: Floats, scores: Floats) -> SeverityScore:
    """Severity against scores, a point or an episode a sample.

    Parameters
    ----------
    levels : float64 (n,)
        0 = normal, larger = worse.
    scores : float64 (n,)
        NaN = not judged: the sample is left out.

    Returns
    -------
    SeverityScore

    Raises
    ------
    ShapeError
        If the two differ in shape.
    ConfigError
        If a level is negative or NaN.

    Notes
    -----
    O(n log n) a level. Every measure depends on the order of the scores alone, but ``monotone``.

    References
    ----------
    Cao et al., MAD-Bench, arXiv:2411.14515, section 3.

    Examples
    --------
    >>> result = severity_score(np.array([0., 0., 1., 2.]), np.array([.1, .3, .2, .9]))
    >>> result.auroc, result.overall.c_index
    ({1.0: 0.5, 2.0: 1.0}, 0.8)
    """
    levels, scores = _judged(levels, scores)
    if not (levels >= 0.0).all():
        raise ConfigError(
            "severity levels must be 0 for normal or larger, got a negative one or NaN"
        )
    normal, worse = scores[levels == 0.0], levels > 0.0
    found = np.unique(levels)
    means = np.array([scores[levels == level].mean() for level in found])
    return SeverityScore(
        {float(one): _auroc(normal, scores[levels == one]) for one in found if one > 0.0},
        _auroc(normal, scores[worse]),
        agreement(levels, scores),
        agreement(levels[worse], scores[worse]),
        bool((means[1:] >= means[:-1]).all()),
        len(scores),
    )


def agreement(levels: Floats, scores: Floats) -> Agreement:
    """Kendall's tau-b and the C-index.

    Parameters
    ----------
    levels, scores : float64 (n,)
        Pairs with a NaN are left out.

    Returns
    -------
    Agreement

    Raises
    ------
    ShapeError
        If the two differ in shape.

    Notes
    -----
    O(n log n): the discordant pairs are the inversions of the scores once they are sorted by level
    (Knight 1966).

    Examples
    --------
    >>> agreement(np.array([0., 0., 1., 2.]), np.array([.1, .3, .2, .9]))
    Agreement(tau_b=0.547..., c_index=0.8)
    """
    from streamad.kernels.concordance import inversions

    levels, scores = _judged(levels, scores)
    order = np.lexsort((scores, levels))
    levels, scores = levels[order], np.ascontiguousarray(scores[order])
    pairs = _pairs(np.array([len(levels)], np.int64))
    same_both = _tied((levels[1:] != levels[:-1]) | (scores[1:] != scores[:-1]))
    same_level = _tied(levels[1:] != levels[:-1])
    discordant = int(inversions(scores, np.empty_like(scores)))
    same_score = _tied(scores[1:] != scores[:-1])
    concordant = pairs - discordant - same_level - same_score + same_both
    comparable, distinct = pairs - same_level, pairs - same_score
    scale = math.sqrt(comparable * distinct)
    return Agreement(
        (concordant - discordant) / scale if scale else math.nan,
        (concordant + 0.5 * (same_score - same_both)) / comparable if comparable else math.nan,
    )


def episode_scores(scores: Floats, episodes: Ints, how: Literal["max", "mean"] = "max") -> Floats:
    """One score an episode.

    Parameters
    ----------
    scores : float64 (n,)
        NaN = not judged: the row is left out.
    episodes : int64 (k, 2)
        First row of each episode and the row behind its last.
    how : {"max", "mean"}

    Returns
    -------
    float64 (k,)
        NaN where no row was judged.

    Examples
    --------
    >>> episode_scores(np.array([1., 3., np.nan, 5.]), np.array([[0, 3], [2, 3]]))
    array([ 3., nan])
    """
    if how not in ("max", "mean"):
        raise ConfigError(f"how must be max or mean, got {how!r}")
    out = np.full(len(episodes), np.nan)
    for i, (start, stop) in enumerate(episodes.tolist()):
        rows = scores[start:stop]
        rows = rows[~np.isnan(rows)]
        if len(rows):
            out[i] = rows.max() if how == "max" else rows.mean()
    return out


def _judged(levels: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """The pairs without a NaN score."""
    if levels.shape != scores.shape or levels.ndim != 1:
        raise ShapeError(f"one score a level is needed, got {scores.shape} and {levels.shape}")
    judged = ~np.isnan(scores)
    return levels[judged].astype(np.float64), scores[judged].astype(np.float64)


def _auroc(normal: Floats, worse: Floats) -> float:
    """Share of pairs in which the worse sample scores higher: the C-index of two levels."""
    levels = np.repeat([0.0, 1.0], [len(normal), len(worse)])
    return agreement(levels, np.concatenate((normal, worse))).c_index


def _tied(changes: Floats) -> int:
    """Pairs of equal elements of a sorted array, from where it changes."""
    edges = np.flatnonzero(changes) + 1
    return _pairs(np.diff(np.concatenate(([0], edges, [len(changes) + 1]))))


def _pairs(counts: Ints) -> int:
    """Pairs within groups of these sizes."""
    return int((counts * (counts - 1) // 2).sum())
