"""Score one series with one detector, row by row, and rate the scores against its labels."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from series_folder import Entry

from streamad.backtest import score
from streamad.core.errors import ConfigError
from streamad.detectors.base import series_rng
from streamad.detectors.registry import make_detector

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
METRICS = ("vus_pr", "vus_roc", "auc_pr", "f1_best")
RANDOM_SEEDS = (0, 1, 2)
DIGITS = 6
NORM_ROWS = 96
NORM_PREFIX = 1000


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


def run(detector: str, values: Floats, entry: Entry) -> Output:
    """Scores of a series by an installed detector, or by the baseline ``norm`` or ``random``.

    Notes
    -----
    Detectors run in their default configuration on every series. None is fitted: rows are scored
    before they are learned. A detector that judges every ``hop``-th row keeps its score until the
    next.
    """
    start = time.perf_counter()
    if detector == "random":
        scores = random_scores(entry.name, len(values), len(RANDOM_SEEDS))
        return Output(scores, scores, 0, time.perf_counter() - start)
    if detector == "norm":
        causal, final = window_norm(values, entry.split_index)
        return Output(causal, final, NORM_ROWS - 1, time.perf_counter() - start)
    scored = score(values, detector, channels=entry.columns, name=entry.name)
    seconds = time.perf_counter() - start
    hop = scored.detector.window.hop
    causal, final = scored.causal, scored.final
    if hop > 1:
        causal, final = held(causal), held(final)
    return Output(causal, final, scored.lag * hop, seconds)


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
        Buffer of VUS: the period of the whole first channel, as the TSB-AD benchmark takes it.
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

    window = int(window_length(values[:, 0]))
    return Task(entry, values, labels, window, random_vus_pr(labels, entry.name, window))


def judge(task: Task, detector: str) -> list[dict[str, Any]]:
    """Two entries, causal and final, of a detector on a series."""
    output = run(detector, task.values, task.entry)
    n, n_channels = task.values.shape
    return [
        {
            "name": task.entry.name,
            "dataset": task.entry.dataset,
            "rows": n,
            "dims": n_channels,
            "detector": detector,
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


def configuration(detector: str) -> dict[str, Any]:
    """Parameters that a detector runs with.

    Raises
    ------
    ConfigError
        If there is no such detector.
    """
    if detector == "norm":
        return {"length": NORM_ROWS}
    if detector == "random":
        return {"seed": len(RANDOM_SEEDS)}
    try:
        return dict(make_detector(detector).get_params())
    except ConfigError as error:
        raise ConfigError(f"{error}; the harness adds the baselines norm and random") from error


def warm(detectors: list[str]) -> None:
    """Compile what the detectors and metrics need, so that timings are those of the work."""
    from streamad.evaluation.vus import vus

    wave = np.sin(np.arange(1600) * 0.2)
    for detector in detectors:
        if detector not in ("norm", "random"):
            score(wave, detector)
    vus(wave > 0.9, wave, 10)


def _number(value: float) -> float | None:
    return round(float(value), DIGITS) if math.isfinite(value) else None
