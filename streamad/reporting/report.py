"""One self-contained HTML page from a finished run folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamad.core.data import Batch, Ints
from streamad.core.errors import ConfigError
from streamad.reporting.columns import Trace, bucket_edges, pack, pack_times
from streamad.reporting.episodes import Episode, Episodes, iter_episodes, read_episodes
from streamad.reporting.labels import Truth
from streamad.reporting.page import Facts, read_metrics, render
from streamad.reporting.scores import Survey, read_traces, survey
from streamad.reporting.values import Values, read_values
from streamad.reporting.words import Clock

MAX_SERIES = 12
MAX_CHANNELS = 8
MAX_POINTS = 4_000
MAX_BYTES = 4_200_000
"""Of the data in the page, as base64."""

KEPT_EPISODES = 2_000
_BYTES_A_NUMBER = 4 * 4 / 3


def write_report(run: str | os.PathLike[str], batches: Iterable[Batch] | None = None) -> Path:
    """Write ``report.html`` into a run folder.

    Parameters
    ----------
    run : path
        A folder with ``scores.parquet``; ``alerts.jsonl``, ``metrics.json``, ``rejects.jsonl`` and
        ``config.lock.yaml`` are shown where they are there, the scorecards and labels of an
        evaluation in the metrics too.
    batches : iterable of Batch, optional
        The rows of the source once more, for the raw values; without them only scores are drawn.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ConfigError
        If the folder is no finished run, or cannot be written.
    StateError
        If a file in it is damaged.

    Notes
    -----
    The page depends on the folder and the batches alone, loads nothing from anywhere, and stays
    below 5 MB: at most 12 series are drawn, each as the extremes of at most 4000 points, finer
    around its episodes. Memory does not grow with the rows. Cost: two passes over the scores and
    one over the batches.
    """
    folder = Path(run)
    table = folder / "scores.parquet"
    seen = survey(table)
    episodes = read_episodes(folder / "alerts.jsonl", KEPT_EPISODES)
    metrics = read_metrics(folder / "metrics.json")
    truth = Truth.of(metrics)
    chosen = _choose(seen, episodes, truth)
    limit = _points(len(chosen), len(seen.tallies))
    edges = {name: _edges(seen, code, episodes, limit) for code, name in chosen}
    traces = {
        (name, detector): Trace(2, edges[name], limit)
        for _, name in chosen
        for detector in seen.tallies
    }
    read_traces(table, traces)
    blamed = {name: _blamed(episodes.strongest, name) for _, name in chosen}
    values = None
    if batches is not None:
        values = read_values(batches, edges, blamed, MAX_CHANNELS, limit)
    charts = [_chart(name, seen, episodes, truth, traces, values) for _, name in chosen]
    start, end = seen.span() if seen.tallies else (0, 0)
    rows_each = max((int(tally.rows.max()) for tally in seen.tallies.values()), default=0)
    missed = (
        truth.missed(iter_episodes(folder / "alerts.jsonl"), list(seen.tallies)) if truth else []
    )
    clock = Clock.of(start, end, rows_each)
    page = render(
        Facts(folder, metrics, seen, episodes, truth, missed, values, charts, clock, start, end)
    )
    return _write(folder / "report.html", page)


def _choose(seen: Survey, episodes: Episodes, truth: Truth | None) -> list[tuple[int, str]]:
    """Codes and names of the series to draw: with episodes, then with labels, then by peak."""
    peaks = seen.peaks()
    labelled = truth.starts if truth else {}
    order = sorted(
        range(len(seen.series)),
        key=lambda code: (
            -episodes.peaks.get(seen.series[code], -1.0),
            seen.series[code] not in labelled,
            -peaks[code],
            code,
        ),
    )
    return [(code, seen.series[code]) for code in order[:MAX_SERIES]]


def _points(n_series: int, n_detectors: int) -> int:
    """Points of a chart, so that the page stays small: 8 bytes a time, 4 a value."""
    numbers = n_series * (2 + MAX_CHANNELS + 4 * n_detectors)
    return int(min(MAX_POINTS, MAX_BYTES / _BYTES_A_NUMBER / max(numbers, 1)))


def _edges(seen: Survey, code: int, episodes: Episodes, limit: int) -> Ints:
    start, end = seen.span(code)
    n_rows = max(int(tally.rows[code]) for tally in seen.tallies.values())
    spans = [
        (episode.start_ns, episode.end_ns)
        for episode in episodes.strongest
        if episode.series == seen.series[code]
    ]
    return bucket_edges(start, end, n_rows, spans, limit // 2)


def _blamed(episodes: Sequence[Episode], series: str) -> list[str]:
    """Channels of a series by their part in its episodes."""
    shares: Counter[str] = Counter()
    for episode in episodes:
        if episode.series == series:
            for part in episode.parts:
                shares[part.channel] += part.share  # type: ignore[assignment]
    return [channel for channel, _ in shares.most_common()]


def _chart(
    name: str,
    seen: Survey,
    episodes: Episodes,
    truth: Truth | None,
    traces: dict[tuple[str, str], Trace],
    values: Values | None,
) -> dict[str, Any]:
    """What the page needs to draw one series, as JSON types."""
    mine = [traces[name, detector] for detector in seen.tallies]
    exact = all(trace.exact for trace in mine)
    drawn = None
    if values is not None and name in values.traces:
        exact = exact and values.traces[name].exact
        times, columns = values.traces[name].points()
        drawn = {
            "time": pack_times(times),
            "channels": [
                {"name": values.channels[c], **pack(column)}
                for c, column in zip(values.drawn[name], columns.T, strict=True)
            ],
        }
    return {
        "name": name,
        "exact": exact,
        "rows": max(trace.n_rows for trace in mine),
        "values": drawn,
        "scores": [_scores(detector, traces[name, detector]) for detector in seen.tallies],
        "bands": [
            {
                "id": episode.id,
                "start": episode.start_ns / 1e9,
                "end": episode.end_ns / 1e9,
                "rank": episode.rank,
            }
            for episode in episodes.strongest
            if episode.series == name
        ],
        "labels": [
            {"start": start / 1e9, "end": end / 1e9}
            for start, end in (truth.spans(name) if truth else [])
        ],
    }


def _scores(detector: str, trace: Trace) -> dict[str, Any]:
    times, columns = trace.points()
    causal, final = columns.T
    same = np.array_equal(causal, final, equal_nan=True) or not np.isfinite(final).any()
    return {
        "detector": detector,
        "time": pack_times(times),
        "causal": pack(causal),
        "final": None if same else pack(final),
    }


def _write(path: Path, page: bytes) -> Path:
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(page)
        os.replace(temporary, path)
    except OSError as error:
        raise ConfigError(
            f"the report should go to {path}, which cannot be written: {error.strerror}"
        ) from error
    return path
