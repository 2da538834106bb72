"""Rows and alarms of a run, laid beside its labels, series by series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Alert, Codes, Flags, Floats, Ints
from streamad.core.errors import ConfigError
from streamad.evaluation.events import SeriesRun, durations, inside
from streamad.evaluation.labels import Labels, align

_NO_ALARMS: Ints = np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class RunRows:
    """Rows of one detector of a run.

    Attributes
    ----------
    series : sequence of str
        Names; ``codes`` indexes them.
    codes : int32 (n,)
    times : int64 (n,)
        Nanoseconds; any order.
    ratio, score, score_final : float64 (n,)
        Score over its alarm line, causal and fixed-lag score; NaN = not judged.
    """

    series: Sequence[str]
    codes: Codes
    times: Ints
    ratio: Floats
    score: Floats
    score_final: Floats

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class LabelledSeries:
    """One series of a run in time order, with its labels.

    Attributes
    ----------
    name : str
    run : SeriesRun
    truth : bool (n,)
        Rows of an event.
    ratio : float64 (n,)
        Score over its alarm line; NaN = not judged.
    scores : dict of str to float64 (n,)
        ``causal`` and ``final``.
    severity : float64 (k,) or None
        Of each event.
    """

    name: str
    run: SeriesRun
    truth: Flags
    ratio: Floats
    scores: dict[str, Floats]
    severity: Floats | None


def alarms_of(alerts: Iterable[Alert]) -> dict[str, Ints]:
    """When alarms were on, from the events of their episodes.

    Parameters
    ----------
    alerts : iterable of Alert
        Of one detector.

    Returns
    -------
    dict of str to int64 (m, 2)
        For each series the event times at which every episode was opened and resolved; one that was
        not resolved stays on for good.
    """
    opened: dict[str, tuple[str, int]] = {}
    closed: dict[str, int] = {}
    for alert in alerts:
        if alert.event == "open":
            opened.setdefault(alert.id, (alert.series, alert.detected_ns))
        elif alert.event == "resolve":
            closed[alert.id] = alert.detected_ns
    spans: dict[str, list[tuple[int, int]]] = {}
    for key, (series, at) in opened.items():
        spans.setdefault(series, []).append((at, closed.get(key, np.iinfo(np.int64).max)))
    return {series: np.array(sorted(own), np.int64) for series, own in spans.items()}


def split_run(
    rows: RunRows, alarms: Mapping[str, Ints], labels: Labels
) -> tuple[list[LabelledSeries], Labels]:
    """Series of a run, each in time order, with the labels and alarms that are its own.

    Parameters
    ----------
    rows : RunRows
    alarms : mapping of str to int64 (m, 2)
        When alarms of each series were on.
    labels : Labels
        As the file gives them.

    Returns
    -------
    series : list of LabelledSeries
    labels : Labels
        Laid onto the run.

    Raises
    ------
    ConfigError
        If the run is empty, or labels do not fit it.
    """
    order = np.lexsort((rows.times, rows.codes))
    if len(order) == 0:
        raise ConfigError("the run has no scores to evaluate: was its source empty?")
    parts = np.split(order, np.flatnonzero(np.diff(rows.codes[order])) + 1)
    by_name = {rows.series[int(rows.codes[part[0]])]: part for part in parts}
    ends = {
        name: (int(rows.times[part[0]]), int(rows.times[part[-1]]))
        for name, part in by_name.items()
    }
    labels = align(labels, ends)
    series = []
    for name, part in by_name.items():
        times, ratio, events = rows.times[part], rows.ratio[part], labels.of(name)
        scores = {"causal": rows.score[part], "final": rows.score_final[part]}
        beyond = int(times[-1]) + max(int(durations(times)[-1]), 1)
        spans = np.minimum(alarms.get(name, _NO_ALARMS), beyond)
        run = SeriesRun(times, ~np.isnan(ratio), events, spans)
        truth = inside(times, events)
        series.append(LabelledSeries(name, run, truth, ratio, scores, labels.severity.get(name)))
    return series, labels
