"""The ranking metrics of one series, and of a random score beside them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from streamad.evaluation.checks import checked_labels
from streamad.evaluation.ranking import auc_pr, auc_roc, best_f1
from streamad.evaluation.vus import vus


class Ranking(NamedTuple):
    """Threshold-free metrics of one series, and the oracle F1.

    Attributes
    ----------
    vus_pr, vus_roc, auc_pr, auc_roc : float
        As :func:`~streamad.evaluation.vus.vus` and :mod:`~streamad.evaluation.ranking` give them.
    f1_best : float
        Oracle: the threshold is chosen with the labels.
    """

    vus_pr: float
    vus_roc: float
    auc_pr: float
    auc_roc: float
    f1_best: float


def rank(labels: ArrayLike, scores: ArrayLike, window: int) -> Ranking:
    """All ranking metrics of a series.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    scores : array_like (n,)
        Higher is stranger; NaN counts as the lowest score.
    window : int
        Widest buffer of VUS, in rows.

    Returns
    -------
    Ranking
        NaN where a metric is not defined.

    Raises
    ------
    ShapeError
        Wrong shapes or labels.
    ConfigError
        A negative window.
    """
    volumes = vus(labels, scores, window)
    return Ranking(
        volumes.pr,
        volumes.roc,
        auc_pr(labels, scores),
        auc_roc(labels, scores),
        best_f1(labels, scores),
    )


def random_baseline(labels: ArrayLike, window: int, seed: int) -> Ranking:
    """What a score without any knowledge gets on these labels.

    Parameters
    ----------
    labels : array_like (n,)
        0 or 1 a row.
    window : int
        Widest buffer of VUS, in rows.
    seed : int
        Of the uniform scores; the same seed and length give the same scores everywhere.

    Returns
    -------
    Ranking
        Stand it beside every table: VUS-ROC of a random score is about 0.7, AUC-PR and VUS-PR grow
        with the share of anomalous rows.

    Raises
    ------
    ShapeError
        Wrong labels.
    ConfigError
        A negative window.

    Examples
    --------
    >>> labels = np.zeros(2000, int)
    >>> labels[700:900] = 1
    >>> random_baseline(labels, 50, seed=0).auc_roc
    0.5
    """
    truth = checked_labels(labels)
    return rank(truth, np.random.default_rng(seed).random(len(truth)), window)
