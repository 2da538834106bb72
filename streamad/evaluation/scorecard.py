"""All numbers of a run against its labels, the ones that matter to operators first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from streamad.core.data import Ints
from streamad.core.errors import ConfigError
from streamad.evaluation.budget import alarm_spans, budget_score
from streamad.evaluation.care import CareDataset, CareScore, care_score
from streamad.evaluation.care_rules import PRESETS, CareRules
from streamad.evaluation.events import Tolerance, event_score, intervals
from streamad.evaluation.labels import Labels
from streamad.evaluation.nab import PROFILES, NabFile, nab_score
from streamad.evaluation.run_rows import LabelledSeries, RunRows, split_run
from streamad.evaluation.severity import episode_scores, severity_score


@dataclass(frozen=True, slots=True)
class ScorecardOptions:
    """What a scorecard may be told.

    Attributes
    ----------
    rules : CareRules
    tolerance : Tolerance
        How far from an event an alarm still belongs to it.
    windows : mapping of str to int
        Widest VUS buffer of a series, in rows.
    window : int
        Of the other series.
    budget_per_day : float
        False alarms a series and day.
    calibration_share : float
        First share of the judged rows of a series, up to its first event, on which the threshold of
        the budget is calibrated.
    merge_rows : int
        Pauses of up to so many rows do not end an alarm at the budget.
    seed : int
        Of the random baseline.
    """

    rules: CareRules = PRESETS["efd"]
    tolerance: Tolerance = field(default_factory=Tolerance)
    windows: Mapping[str, int] = field(default_factory=dict)
    window: int = 100
    budget_per_day: float = 1.0 / 7.0
    calibration_share: float = 0.25
    merge_rows: int = 0
    seed: int = 0


def scorecard(
    rows: RunRows,
    alarms: Mapping[str, Ints],
    labels: Labels,
    options: ScorecardOptions = ScorecardOptions(),
    *,
    care: CareScore | None = None,
) -> dict[str, Any]:
    """Everything that is measured, in the order in which it should be read.

    Parameters
    ----------
    rows : RunRows
    alarms : mapping of str to int64 (m, 2)
        As :func:`~streamad.evaluation.run_rows.alarms_of` gives them; a series without is silent.
    labels : Labels
        As the file gives them; laid onto the run here.
    options : ScorecardOptions
    care : CareScore, optional
        The score of the CARE protocol proper; None = each series is a data set, its event window
        that of its only event, its predictions the rows at or over the alarm line.

    Returns
    -------
    dict
        ``data``, ``care``, ``events``, ``at_budget``, ``ranking`` (by output, with the random
        score and the share of positive rows), ``severity`` (where labels have levels), ``legacy``,
        ``random`` (the same parts for the same ratios at random places).
        JSON types; None = not defined, with the reason under ``why`` where a whole part is.

    Raises
    ------
    ConfigError
        If the run is empty, or labels do not fit it.

    Notes
    -----
    Ranking metrics are means over the series that have both kinds of rows; what is marked
    ``oracle`` picks a threshold on the labels and is an upper bound.
    """
    series, labels = split_run(rows, alarms, labels)
    runs = [one.run for one in series]
    card: dict[str, Any] = {
        "data": _data(series, labels),
        "care": _care(series, options.rules) if care is None else _care_part(care),
        "events": asdict(event_score(runs, options.tolerance)),
        "at_budget": _at_budget(series, options),
        "ranking": _ranking(series, options),
    }
    if labels.severity:
        card["severity"] = _severity(series)
    card["legacy"] = {"nab": _nab(series), "point_adjusted_f1": _point_adjusted(series, options)}
    shuffled = [_shuffled(one, options.seed) for one in series]
    card["random"] = {
        "care": _care(shuffled, options.rules),
        "events": asdict(event_score([one.run for one in shuffled], options.tolerance)),
        "at_budget": _at_budget(shuffled, options),
        "nab": _nab(shuffled),
    }
    if labels.severity:
        card["random"]["severity"] = _severity(shuffled)
    plain: dict[str, Any] = _plain(card)
    return plain


def _shuffled(one: LabelledSeries, seed: int) -> LabelledSeries:
    """The same judged ratios at random places, with an alarm wherever one is over the line."""
    ratio = one.ratio.copy()
    judged = ~np.isnan(ratio)
    ratio[judged] = np.random.default_rng(seed).permutation(ratio[judged])
    run = replace(one.run, alarms=alarm_spans(one.run.times, ratio, 1.0))
    return replace(one, run=run, ratio=ratio)


def _data(series: Sequence[LabelledSeries], labels: Labels) -> dict[str, Any]:
    truth = np.concatenate([one.truth for one in series])
    scored = np.concatenate([one.run.scored for one in series])
    return {
        "n_series": len(series),
        "n_rows": len(truth),
        "judged_share": scored.mean(),
        "positive_share": truth.mean(),
        "n_events": sum(len(one.run.events) for one in series),
        "n_labels_outside": labels.n_outside,
    }


def _care(series: Sequence[LabelledSeries], rules: CareRules) -> dict[str, Any]:
    several = sum(len(one.run.events) > 1 for one in series)
    if several:
        return {"why": f"CARE takes one event a series; series with more: {several}"}
    datasets = []
    for one in series:
        events, times = one.run.events, one.run.times
        start, end = events[0] if len(events) else (times[0], times[-1])
        datasets.append(
            CareDataset(
                one.name,
                len(events) > 0,
                times,
                one.ratio >= 1.0,
                int(start),
                int(end),
                one.run.scored,
            )
        )
    try:
        return _care_part(care_score(datasets, rules))
    except ConfigError as error:
        return {"why": str(error)}


def _care_part(score: CareScore) -> dict[str, Any]:
    part = asdict(score)
    part["datasets"] = {one.pop("name"): one for one in part["datasets"]}
    return part


def _at_budget(series: Sequence[LabelledSeries], options: ScorecardOptions) -> dict[str, Any]:
    calibration = []
    for one in series:
        scored, events = one.run.scored, one.run.events
        early = np.cumsum(scored) <= options.calibration_share * scored.sum()
        if len(events):
            early &= one.run.times < events[0, 0] - options.tolerance.lead_ns
        calibration.append(early)
    score = budget_score(
        [one.run for one in series],
        [one.ratio for one in series],
        calibration,
        options.budget_per_day,
        merge_rows=options.merge_rows,
        tolerance=options.tolerance,
    )
    return asdict(score)


def _ranking(series: Sequence[LabelledSeries], options: ScorecardOptions) -> dict[str, Any]:
    from streamad.evaluation.baseline import random_baseline, rank

    mixed = [one for one in series if one.truth.any() and not one.truth.all()]
    if not mixed:
        return {"why": "no series has both normal and anomalous rows"}
    windows = [options.windows.get(one.name, options.window) for one in mixed]
    part: dict[str, Any] = {
        "n_series": len(mixed),
        "positive_share": np.mean([one.truth.mean() for one in mixed]),
        "mean_window": np.mean(windows),
        "random": _mean_ranking(
            [
                random_baseline(one.truth, window, options.seed)._asdict()
                for one, window in zip(mixed, windows, strict=True)
            ]
        ),
    }
    for output in ("causal", "final"):
        if all(np.isnan(one.scores[output]).all() for one in mixed):
            continue
        part[output] = _mean_ranking(
            [
                rank(one.truth, one.scores[output], window)._asdict()
                for one, window in zip(mixed, windows, strict=True)
            ]
        )
    return part


def _mean_ranking(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over series, the oracle under its name."""
    means = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    return {("oracle_f1" if name == "f1_best" else name): mean for name, mean in means.items()}


def _severity(series: Sequence[LabelledSeries]) -> dict[str, Any]:
    """Per point, and per episode beside normal stretches of the usual length of an episode."""
    known = [one for one in series if one.severity is not None]
    spans = [_event_rows(one) for one in known]
    lengths = np.concatenate([rows[:, 1] - rows[:, 0] for rows in spans])
    usual = max(int(np.median(lengths)), 1) if len(lengths) else 1
    points, levels, scores = [], [], []
    for one, rows in zip(known, spans, strict=True):
        level = np.zeros(len(one.ratio))
        own = np.zeros(0) if one.severity is None else one.severity
        for (start, stop), worse in zip(rows.tolist(), own.tolist(), strict=True):
            level[start:stop] = worse
        points.append(level)
        quiet = [
            (at, min(at + usual, stop))
            for start, stop in intervals(~one.truth).tolist()
            for at in range(start, stop, usual)
        ]
        both = np.concatenate((rows, np.array(quiet, np.int64).reshape(-1, 2)))
        levels.append(np.concatenate((own, np.zeros(len(quiet)))))
        scores.append(episode_scores(one.ratio, both))
    ratios = np.concatenate([one.ratio for one in known])
    return {
        "per_point": asdict(severity_score(np.concatenate(points), ratios)),
        "per_episode": asdict(severity_score(np.concatenate(levels), np.concatenate(scores))),
    }


def _event_rows(one: LabelledSeries) -> Ints:
    """First row of each event and the row behind its last; empty where it has none."""
    events = one.run.events
    begin = np.searchsorted(one.run.times, events[:, 0], "left")
    end = np.searchsorted(one.run.times, events[:, 1], "right")
    return np.column_stack((begin, end))


def _nab(series: Sequence[LabelledSeries]) -> dict[str, Any]:
    """At the alarm line, and at the best threshold."""
    files = []
    for one in series:
        rows = _event_rows(one)
        rows = rows[rows[:, 1] > rows[:, 0]]
        files.append(NabFile(one.ratio, rows - np.array([0, 1])))
    try:
        return {
            name: {
                "normalised": nab_score(files, profile, 1.0).normalised,
                "oracle_normalised": nab_score(files, profile).normalised,
            }
            for name, profile in PROFILES.items()
        }
    except ConfigError as error:
        return {"why": str(error)}


def _point_adjusted(series: Sequence[LabelledSeries], options: ScorecardOptions) -> dict[str, Any]:
    from streamad.evaluation.legacy import best_point_adjusted_f1, point_adjusted_f1

    mixed = [one for one in series if one.truth.any() and not one.truth.all()]
    if not mixed:
        return {"why": "no series has both normal and anomalous rows"}
    random = [np.random.default_rng(options.seed).random(len(one.truth)) for one in mixed]
    both = list(zip(mixed, random, strict=True))
    return {
        "fixed": np.mean([point_adjusted_f1(one.truth, one.ratio >= 1.0) for one in mixed]),
        "oracle": np.mean([best_point_adjusted_f1(one.truth, one.ratio) for one in mixed]),
        "oracle_random": np.mean([best_point_adjusted_f1(one.truth, noise) for one, noise in both]),
    }


def _plain(value: Any) -> Any:
    """JSON types; what is not finite is None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
