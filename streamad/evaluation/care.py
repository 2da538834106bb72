"""The CARE score: coverage, accuracy, reliability and earliness of early fault detection."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamad.core.data import Flags, Ints
from streamad.core.errors import ConfigError, ShapeError
from streamad.evaluation.care_rules import PRESETS, CareRules

Cut = Literal["never", "always", "anomaly", "normal"]
_CUTS = ("never", "always", "anomaly", "normal")
_NO_CAP = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class CareDataset:
    """One prediction frame with its event window.

    Attributes
    ----------
    name : str
    anomaly : bool
        Whether the event is an anomaly; else every row of the frame is normal.
    times : int64 (n,)
        Any unit; rows out of order are sorted by it.
    flags : bool (n,)
        Predictions.
    start, end : int
        First and last time of the event window, both in it.
    normal : bool (n,), optional
        Rows of normal status; None = all. Other rows enter earliness only.
    cut : {"never", "always", "anomaly", "normal"}
        For which data sets the rows after ``end`` are left out altogether.
    cost : float
        Weight of the event in the means of coverage and earliness (equations 6 and 7).
    """

    name: str
    anomaly: bool
    times: Ints
    flags: Flags
    start: int
    end: int
    normal: Flags | None = None
    cut: Cut = "never"
    cost: float = 1.0

    def __post_init__(self) -> None:
        shape = (len(self.times),)
        if self.flags.shape != shape or (self.normal is not None and self.normal.shape != shape):
            status = "none" if self.normal is None else str(self.normal.shape)
            raise ShapeError(
                f"data set {self.name!r}: {shape[0]} times need as many flags and statuses, got "
                f"{self.flags.shape} and {status}"
            )
        if self.cut not in _CUTS:
            raise ConfigError(f"data set {self.name!r}: cut must be one of {', '.join(_CUTS)}")


@dataclass(frozen=True, slots=True)
class DatasetScore:
    """What one data set contributes.

    Attributes
    ----------
    name : str
    anomaly, detected : bool
    coverage, earliness : float
        NaN for a normal data set.
    accuracy : float
        NaN without a row of normal status.
    tp, fp, fn, tn : int
        Rows of normal status.
    criticality : int
        Highest count.
    first : int or None
        Time at which the counter of an anomaly reached its line.
    lead : int or None
        From ``first`` to the end of the event window, in units of the times.
    cost : float
    """

    name: str
    anomaly: bool
    detected: bool
    coverage: float
    earliness: float
    accuracy: float
    tp: int
    fp: int
    fn: int
    tn: int
    criticality: int
    first: int | None
    lead: int | None
    cost: float


@dataclass(frozen=True, slots=True)
class CareScore:
    """The CARE score of several data sets; read it together with its parts.

    Attributes
    ----------
    score, coverage, accuracy, reliability, earliness : float
        0 to 1.
    n_detected, n_missed : int
        Anomalies.
    n_false_alarms : int
        Normal data sets that count as detected.
    datasets : tuple of DatasetScore
    """

    score: float
    coverage: float
    accuracy: float
    reliability: float
    earliness: float
    n_detected: int
    n_missed: int
    n_false_alarms: int
    datasets: tuple[DatasetScore, ...]


def score_dataset(dataset: CareDataset, rules: CareRules = PRESETS["efd"]) -> DatasetScore:
    """Sub-scores of one data set.

    Parameters
    ----------
    dataset : CareDataset
    rules : CareRules

    Returns
    -------
    DatasetScore

    Raises
    ------
    ConfigError
        If no row lies in the event window.

    Notes
    -----
    O(n), one pass.
    """
    from streamad.kernels.criticality import care_pass

    times, flags, normal = _in_order(dataset)
    start = int(np.searchsorted(times, dataset.start, "left"))
    stop = int(np.searchsorted(times, dataset.end, "right"))
    if start >= stop:
        raise ConfigError(
            f"data set {dataset.name!r}: no row lies in its event window, {dataset.start} to "
            f"{dataset.end}; its rows go from {_ends(times)}"
        )
    if dataset.cut in ("always", "anomaly" if dataset.anomaly else "normal"):
        flags, normal = flags[:stop], normal[:stop]
    tp, fp, fn, tn, hit, total, top, first = care_pass(
        flags,
        normal,
        start,
        stop,
        len(flags) if rules.count_whole_frame else stop,
        dataset.anomaly,
        *rules.descent,
        rules.criticality_rows,
        _NO_CAP if rules.criticality_cap is None else rules.criticality_cap,
    )
    judged = tp + fp + fn + tn
    if rules.method == "criticality":
        detected = top >= rules.criticality_rows
    else:
        detected = judged > 0 and (tp + fp) / judged >= rules.min_fraction
    reached = int(times[first]) if dataset.anomaly and first >= 0 else None
    return DatasetScore(
        dataset.name,
        dataset.anomaly,
        detected,
        f_beta(tp, fp, fn, rules.coverage_beta) if dataset.anomaly else math.nan,
        hit / total if dataset.anomaly else math.nan,
        (tp + tn) / judged if judged else math.nan,
        tp,
        fp,
        fn,
        tn,
        top,
        reached,
        None if reached is None else dataset.end - reached,
        dataset.cost,
    )


def care_score(datasets: Sequence[CareDataset], rules: CareRules = PRESETS["efd"]) -> CareScore:
    """The CARE score of several data sets.

    Parameters
    ----------
    datasets : sequence of CareDataset
        At least one anomaly and one normal.
    rules : CareRules

    Returns
    -------
    CareScore

    Raises
    ------
    ConfigError
        If one of the two kinds is missing.

    Notes
    -----
    The rules are checked in this order: no data set detected, of either kind, gives 0; a mean
    accuracy of at most one half is the score itself; else the score is the weighted mean of the
    four parts. So the score jumps: one detection with clean normal data gives at least 0.4, and a
    coin flip about 0.5.

    References
    ----------
    Gück et al., CARE to Compare, arXiv:2404.10320, section 4; energy-fault-detector 0.8.1,
    ``CAREScore``. The paper prints Algorithm 1 with the status inverted; its text and the reference
    count in normal status, as here.

    Examples
    --------
    >>> times = np.arange(300)
    >>> alarm = (times >= 100) & (times <= 250)
    >>> silent = np.zeros(300, np.bool_)
    >>> result = care_score([CareDataset("a", True, times, alarm, 100, 250),
    ...                      CareDataset("b", False, times, silent, 100, 250)])
    >>> result.score, result.n_detected, result.datasets[0].first
    (1.0, 1, 171)
    """
    return combine([score_dataset(dataset, rules) for dataset in datasets], rules)


def combine(scored: Sequence[DatasetScore], rules: CareRules = PRESETS["efd"]) -> CareScore:
    """The CARE score of data sets that are scored already; as :func:`care_score`."""
    events = [one for one in scored if one.anomaly]
    quiet = [one for one in scored if not one.anomaly]
    if not events or not quiet:
        raise ConfigError(
            f"the CARE score needs anomalous and normal data sets, got {len(events)} and "
            f"{len(quiet)}: add some of the kind that is missing"
        )
    n_detected = sum(one.detected for one in events)
    n_false = sum(one.detected for one in quiet)
    n_missed = len(events) - n_detected
    costs = [one.cost for one in events]
    coverage = _mean([one.coverage for one in events], costs)
    earliness = _mean([one.earliness for one in events], costs)
    accuracies = [one.accuracy for one in quiet if not math.isnan(one.accuracy)]
    accuracy = _mean(accuracies, [1.0] * len(accuracies))
    reliability = f_beta(n_detected, n_false, n_missed, rules.reliability_beta)
    if n_detected + n_false == 0:
        score = 0.0
    elif accuracy < 0.5 or (accuracy == 0.5 and not rules.accept_half):
        score = accuracy
    else:
        score = _mean(
            [coverage, accuracy, earliness, reliability],
            [
                rules.coverage_weight,
                rules.accuracy_weight,
                rules.earliness_weight,
                rules.reliability_weight,
            ],
        )
    return CareScore(
        score,
        coverage,
        accuracy,
        reliability,
        earliness,
        n_detected,
        n_missed,
        n_false,
        tuple(scored),
    )


def f_beta(tp: int, fp: int, fn: int, beta: float = 0.5) -> float:
    """F score of counts; 0 where it is 0/0.

    Examples
    --------
    >>> f_beta(3, 1, 0, beta=0.5)
    0.789...
    """
    square = beta * beta
    total = (1.0 + square) * tp + square * fn + fp
    return (1.0 + square) * tp / total if tp else 0.0


def _in_order(dataset: CareDataset) -> tuple[Ints, Flags, Flags]:
    """Times, flags and status (empty = all normal) in time order."""
    times = np.ascontiguousarray(dataset.times, np.int64)
    flags = np.ascontiguousarray(dataset.flags, np.bool_)
    normal = np.empty(0, np.bool_)
    if dataset.normal is not None:
        normal = np.ascontiguousarray(dataset.normal, np.bool_)
    if (times[1:] >= times[:-1]).all():
        return times, flags, normal
    order = np.argsort(times, kind="stable")
    return times[order], flags[order], normal[order] if len(normal) else normal


def _mean(values: Sequence[float], weights: Sequence[float]) -> float:
    """Weighted mean; NaN without a weight."""
    total = math.fsum(weights)
    weighted = math.fsum(v * w for v, w in zip(values, weights, strict=True))
    return weighted / total if total else math.nan


def _ends(times: Ints) -> str:
    return f"{times[0]} to {times[-1]}" if len(times) else "nothing to nothing"
