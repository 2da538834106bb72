"""A finished run folder against labels."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamad.backtest.batches import read_batches
from streamad.core.data import Alert, Floats
from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.core.protocols import Source
    from streamad.evaluation.labels import Labels
    from streamad.evaluation.run_rows import RunRows
    from streamad.evaluation.scorecard import ScorecardOptions

_NUMBERS = ("ratio", "score", "score_final")
_COLUMNS = ("series", "time", "detector", *_NUMBERS)


def evaluate_run(
    run: str | os.PathLike[str], labels: Labels, options: ScorecardOptions | None = None
) -> dict[str, dict[str, Any]]:
    """Scorecard of every detector of a run; it is also kept in the run's ``metrics.json``.

    Parameters
    ----------
    run : path
        A finished run folder.
    labels : Labels
    options : ScorecardOptions, optional

    Returns
    -------
    dict of str to dict
        By detector: see :func:`streamad.evaluation.scorecard.scorecard`. The spans of the labels,
        as the run's series see them, are kept beside it for the report.

    Raises
    ------
    ConfigError
        If the folder is no finished run, or the labels do not fit it.
    """
    from streamad.evaluation.run_rows import alarms_of, split_run
    from streamad.evaluation.scorecard import ScorecardOptions, scorecard

    folder = Path(run)
    metrics = _metrics(folder)
    chosen = options or ScorecardOptions()
    alerts = _alerts(folder / "alerts.jsonl")
    cards: dict[str, dict[str, Any]] = {}
    spans: dict[str, list[list[int]]] = {}
    for detector, rows in _rows(folder / "scores.parquet"):
        alarms = alarms_of([alert for alert in alerts if alert.detector == detector])
        cards[detector] = scorecard(rows, alarms, labels, chosen)
        if not spans:
            _, fitted = split_run(rows, alarms, labels)
            spans = {name: own.tolist() for name, own in fitted.spans.items() if len(own)}
    metrics["evaluation"] = cards
    metrics["labels"] = spans
    temporary = folder / "metrics.json.tmp"
    temporary.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "metrics.json")
    return cards


def vus_windows(source: Source, most_series: int = 1000) -> dict[str, int]:
    """VUS buffer of every series by the rule of the benchmark: the period of its first channel.

    Parameters
    ----------
    source : Source
        At its start; it is read once.
    most_series : int
        Of further series nothing is kept.

    Returns
    -------
    dict of str to int
        Rows; see :func:`streamad.evaluation.window.window_length`.
    """
    from streamad.evaluation.window import PREFIX_ROWS, window_length

    first: dict[int, list[Floats]] = {}
    for batch in read_batches(source):
        for code in np.unique(batch.codes).tolist():
            held = first.setdefault(code, []) if len(first) < most_series else first.get(code)
            if held is not None and sum(map(len, held)) < PREFIX_ROWS:
                held.append(batch.values[batch.codes == code, 0])
    names = source.schema.series
    return {names[code]: window_length(np.concatenate(held)) for code, held in first.items()}


def _metrics(folder: Path) -> dict[str, Any]:
    path = folder / "metrics.json"
    for name in ("metrics.json", "scores.parquet", "alerts.jsonl"):
        if not (folder / name).exists():
            raise ConfigError(
                f"{folder} is not a finished run folder: it has no {name}; finish the backtest "
                "first"
            )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _rows(path: Path) -> Iterator[tuple[str, RunRows]]:
    """The score table, detector by detector."""
    import pyarrow.parquet as pq

    from streamad.evaluation.run_rows import RunRows

    table = pq.read_table(path, columns=list(_COLUMNS)).unify_dictionaries().combine_chunks()
    detector = table["detector"].combine_chunks()
    series = table["series"].combine_chunks()
    code = detector.indices.to_numpy()
    for number, label in enumerate(detector.dictionary.to_pylist()):
        own = np.flatnonzero(code == number)
        if len(own):
            ratio, score, final = (table[name].to_numpy()[own] for name in _NUMBERS)
            yield (
                label,
                RunRows(
                    series.dictionary.to_pylist(),
                    series.indices.to_numpy()[own].astype(np.int32),
                    table["time"].cast("int64").to_numpy()[own],
                    ratio,
                    score,
                    final,
                ),
            )


def _alerts(path: Path) -> list[Alert]:
    """Events of the run as alerts, with what evaluation needs of them."""
    import orjson

    return [_alert(orjson.loads(line)) for line in path.read_bytes().splitlines()]


def _alert(event: Mapping[str, Any]) -> Alert:
    number = float("nan")
    return Alert(
        event["event"],
        event["id"],
        event["seq"],
        event["pipeline"],
        event["series"],
        event["detector"],
        event["detector_type"],
        event["severity"],
        _ns(event["start"]),
        None if event["end"] is None else _ns(event["end"]),
        _ns(event["detected_at"]),
        number,
        number,
        number,
        _ns(event["peak"]["time"]),
        number,
        number,
        reason=event["reason"],
    )


def _ns(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))
