"""Score one series with one detector, row by row, and rate the scores against its labels."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from series_folder import Entry

from streamad.backtest import score
from streamad.core.errors import ConfigError
from streamad.detectors.base import series_rng
from streamad.detectors.registry import RIVER_PREFIX, detector_class, make_detector, parameters

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
METRICS = ("vus_pr", "vus_roc", "auc_pr", "f1_best")
RANDOM_SEEDS = (0, 1, 2)
DIGITS = 6
NORM_ROWS = 96
NORM_PREFIX = 1000
BASELINES = ("norm", "random")
LEAST_PREFIX = 32
"""A shorter training prefix is none: the series begins with a warm-up of its own."""
SELF_WARM_UP = 1000


@dataclass(frozen=True, slots=True)
class Contender:
    """A detector with the parameters that it runs with.

    Attributes
    ----------
    label : str
        What results call it.
    detector : str
        Name of an installed detector, or ``norm`` or ``random``.
    params : dict
    """

    label: str
    detector: str
    params: dict[str, Any] = field(default_factory=dict)

    @property
    def takes_prefix(self) -> bool:
        """True if it is fitted on first rows of any number and can tell their scores afterwards."""
        if self.detector in BASELINES or self.detector.startswith(RIVER_PREFIX):
            return False
        return "keep_prefix" in parameters(detector_class(self.detector))


def contender(text: str) -> Contender:
    """The contender that the command line means: ``name`` or ``name:preset``.

    ``fusion:fast`` is called ``fusion fast``; ``river:<Class>`` is a name as a whole.
    """
    name, _, preset = text.partition(":")
    if not preset or text.startswith(RIVER_PREFIX):
        return Contender(text, text)
    return Contender(f"{name} {preset}", name, {"preset": preset})


@dataclass(frozen=True, slots=True)
class Output:
    """Scores of every row of a series in both forms.

    Attributes
    ----------
    causal, final : float64 (n,)
        Higher is stranger, NaN = not judged.
    lag_rows : int
        Rows that ``final`` waits for.
    seconds : float
    """

    causal: Floats
    final: Floats
    lag_rows: int
    seconds: float


def random_scores(name: str, n: int, seed: int) -> Floats:
    """Uniform scores that depend on the name of the series and the seed alone."""
    return series_rng(seed, name).random(n)


def window_norm(values: Floats, split_index: int) -> tuple[Floats, Floats]:
    """Norm of the robustly scaled window, causal and averaged over the windows that cover a row.

    Parameters
    ----------
    values : float64 (n, C)
        NaN = missing.
    split_index : int
        Rows whose median and median absolute deviation scale every channel; 0 = there is no
        training prefix, the first rows are taken.

    Returns
    -------
    causal, final : float64 (n,)
        NaN in the rows that gave the scale.

    Notes
    -----
    The label-free baseline that needs no model; every detector worth its cost beats it.
    """
    n = len(values)
    prefix = split_index or min(NORM_PREFIX, n)
    scaled = robust_scaled(values, prefix)
    square = (scaled**2).sum(axis=1)
    ones = np.ones(NORM_ROWS)
    causal = np.sqrt(np.convolve(square, ones)[:n])
    covering = np.convolve(np.ones(n), ones)[NORM_ROWS - 1 :]
    final = np.convolve(causal, ones)[NORM_ROWS - 1 :] / covering
    causal[:prefix] = final[:prefix] = np.nan
    return causal, final


def robust_scaled(values: Floats, prefix: int) -> Floats:
    """Channels less the median of the prefix, over its deviation; missing values are 0."""
    scaled = np.zeros_like(values)
    for c, channel in enumerate(values.T):
        known = channel[:prefix][np.isfinite(channel[:prefix])]
        if not len(known):
            continue
        center = float(np.median(known))
        spread = 1.4826 * float(np.median(np.abs(known - center))) or float(known.std()) or 1.0
        scaled[:, c] = np.where(np.isfinite(channel), (channel - center) / spread, 0.0)
    return scaled


def held(scores: Floats) -> Floats:
    """The last judged score, held until the next one; NaN before the first."""
    at = np.maximum.accumulate(np.where(np.isnan(scores), -1, np.arange(len(scores))))
    return np.where(at >= 0, scores[np.maximum(at, 0)], np.nan)


def warm_up_rows(split_index: int, n: int) -> int:
    """Rows that a detector which is fitted on the training prefix takes as its warm-up."""
    return min(split_index if split_index >= LEAST_PREFIX else SELF_WARM_UP, n)


def run(contender: Contender, values: Floats, entry: Entry) -> Output:
    """Scores of a series by an installed detector, or by the baseline ``norm`` or ``random``.

    Notes
    -----
    Every series meets the same configuration. Rows are scored before they are learned; a detector
    that is fitted on its first rows takes the training prefix for it, and these rows have their
    scores against what they made of it. Such a detector is given the last value of a channel where
    one is missing, which is what it puts there itself, so that empty rows are judged too: those of
    the reference implementation are. A detector that hops holds its last score.
    """
    start = time.perf_counter()
    if contender.detector == "random":
        scores = random_scores(entry.name, len(values), len(RANDOM_SEEDS))
        return Output(scores, scores, 0, time.perf_counter() - start)
    if contender.detector == "norm":
        causal, final = window_norm(values, entry.split_index)
        return Output(causal, final, NORM_ROWS - 1, time.perf_counter() - start)
    params, fitted = dict(contender.params), contender.takes_prefix
    if fitted:
        warm_up = warm_up_rows(entry.split_index, len(values))
        params |= {"warm_up": warm_up, "keep_prefix": True}
        values = np.stack([np.nan_to_num(held(channel)) for channel in values.T], axis=1)
    scored = score(values, contender.detector, channels=entry.columns, name=entry.name, **params)
    seconds = time.perf_counter() - start
    made: Any = scored.detector
    causal, final, hop = scored.causal, scored.final, made.window.hop
    if fitted:
        for scores, first in zip((causal, final), made.prefix_scores(0), strict=True):
            scores[: len(first)] = first
    if fitted or hop > 1:
        causal, final = held(causal), held(final)
    lag_rows = made.plan(0)["lag"] if fitted else scored.lag * hop
    return Output(causal, final, lag_rows, seconds)


def filled(scores: Floats) -> Floats:
    """Scores with the lowest judged one where there is none; zeros if no row was judged."""
    judged = np.isfinite(scores)
    return np.where(judged, scores, scores[judged].min() if judged.any() else 0.0)


def rate(labels: Bools, scores: Floats, window: int) -> dict[str, float | None]:
    """Ranking metrics over all rows; None where they do not exist (no or only positive rows)."""
    from streamad.evaluation.ranking import auc_pr, best_f1
    from streamad.evaluation.vus import vus

    if not labels.any() or labels.all():
        return dict.fromkeys(METRICS)
    complete = filled(scores)
    both = vus(labels, complete, window)
    values = (both[0], both[1], auc_pr(labels, complete), best_f1(labels, complete))
    return {name: _number(value) for name, value in zip(METRICS, values, strict=True)}


def random_vus_pr(labels: Bools, name: str, window: int) -> float | None:
    """Mean VUS-PR of random scores, one for each seed."""
    from streamad.evaluation.vus import vus

    if not labels.any() or labels.all():
        return None
    runs = [vus(labels, random_scores(name, len(labels), seed), window)[0] for seed in RANDOM_SEEDS]
    return _number(np.mean(runs))


@dataclass(frozen=True, slots=True)
class Task:
    """A labelled series, and what its ratings need whatever the detector.

    Attributes
    ----------
    entry : Entry
    values : float64 (n, C)
    labels : bool (n,)
    window : int
        Buffer of VUS: the period of the whole first channel, as the TSB-AD benchmark takes it;
        a missing value counts as the one before it.
    chance : float or None
        VUS-PR of random scores.
    """

    entry: Entry
    values: Floats
    labels: Bools
    window: int
    chance: float | None


def prepare(values: Floats, labels: Bools, entry: Entry) -> Task:
    """The task that a series poses to every detector."""
    from streamad.evaluation.window import window_length

    window = int(window_length(np.nan_to_num(held(values[:, 0]))))
    return Task(entry, values, labels, window, random_vus_pr(labels, entry.name, window))


def judge(task: Task, contender: Contender) -> list[dict[str, Any]]:
    """Two entries, causal and final, of a detector on a series."""
    output = run(contender, task.values, task.entry)
    n, n_channels = task.values.shape
    return [
        {
            "name": task.entry.name,
            "dataset": task.entry.dataset,
            "rows": n,
            "dims": n_channels,
            "detector": contender.label,
            "output": form,
            "lag_rows": lag_rows,
            **rate(task.labels, scores, task.window),
            "random_vus_pr": task.chance,
            "positive_share": _number(task.labels.mean()),
            "judged_share": _number(np.isfinite(scores).mean()),
            "seconds": round(output.seconds, 4),
            "rows_per_s": round(n / max(output.seconds, 1e-9), 1),
        }
        for form, scores, lag_rows in (
            ("causal", output.causal, 0),
            ("final", output.final, output.lag_rows),
        )
    ]


def configuration(contender: Contender) -> dict[str, Any]:
    """Parameters that a contender runs with.

    Raises
    ------
    ConfigError
        If there is no such detector, or it has no presets or not this one.
    """
    if contender.detector == "norm":
        return {"length": NORM_ROWS}
    if contender.detector == "random":
        return {"seed": len(RANDOM_SEEDS)}
    try:
        known = dict(make_detector(contender.detector, contender.params).get_params())
        fitted = contender.takes_prefix
    except ConfigError as error:
        raise ConfigError(f"{error}; the harness adds the baselines norm and random") from error
    return known | {"warm_up": "training prefix", "keep_prefix": True} if fitted else known


def warm(contenders: list[Contender]) -> None:
    """Compile what the detectors and metrics need, so that timings are those of the work."""
    from streamad.evaluation.vus import vus

    wave = np.sin(np.arange(1600) * 0.2)
    for one in contenders:
        if one.detector not in BASELINES:
            score(wave, one.detector, **one.params)
    vus(wave > 0.9, wave, 10)


def _number(value: float) -> float | None:
    return round(float(value), DIGITS) if math.isfinite(value) else None
