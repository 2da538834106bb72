"""``streamad evaluate``: a run against labels; it can fail a build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from streamad.cli.console import note, print_json, print_table
from streamad.cli.exits import CHECK_FAILED
from streamad.core.errors import ConfigError

EXAMPLES = (
    "streamad evaluate runs/first --labels events.csv",
    "streamad evaluate runs/first --labels events.csv --fail-under care=0.6",
)
_SHORT = {
    "care": "care.score",
    "false_alarms_per_day": "events.false_per_day",
    "vus_pr": "ranking.causal.vus_pr",
    "auc_pr": "ranking.causal.auc_pr",
}
_TABLE = (
    ("CARE", "care.score"),
    ("  coverage", "care.coverage"),
    ("  accuracy", "care.accuracy"),
    ("  reliability", "care.reliability"),
    ("  earliness", "care.earliness"),
    ("CARE of a random score", "random.care.score"),
    ("events found", "events.n_found"),
    ("events", "events.n_events"),
    ("event F0.5", "events.f05"),
    ("  of a random score", "random.events.f05"),
    ("recall", "events.recall"),
    ("  of a random score", "random.events.recall"),
    ("alert precision", "events.precision"),
    ("median delay, s", "events.delay_median_s"),
    ("p90 delay, s", "events.delay_p90_s"),
    ("false alarms / series-day", "events.false_per_day"),
    ("alarm duty", "events.alarm_duty"),
    ("recall at the budget", "at_budget.events.recall"),
    ("  of a random score", "random.at_budget.events.recall"),
    ("VUS buffer, rows", "ranking.mean_window"),
    ("VUS-PR causal", "ranking.causal.vus_pr"),
    ("VUS-PR final", "ranking.final.vus_pr"),
    ("VUS-PR random", "ranking.random.vus_pr"),
    ("AUC-PR causal", "ranking.causal.auc_pr"),
    ("AUC-PR final", "ranking.final.auc_pr"),
    ("AUC-PR random", "ranking.random.auc_pr"),
    ("positive share", "data.positive_share"),
    ("judged share", "data.judged_share"),
    ("legacy: NAB standard", "legacy.nab.standard.normalised"),
    ("legacy: PA-F1", "legacy.point_adjusted_f1.fixed"),
    ("legacy: PA-F1 random", "legacy.point_adjusted_f1.oracle_random"),
)

_KNOWN = {name for _, name in _TABLE} | set(_SHORT.values())
"""Metrics that may be undefined for a run, and then keep no bound."""


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    labels: Annotated[
        Path, typer.Option(help="CSV, Parquet or NAB json: intervals, or a 0/1 column.")
    ],
    series: Annotated[str | None, typer.Option(help="Series column of the labels.")] = None,
    time: Annotated[str | None, typer.Option(help="Time column of 0/1 labels.")] = None,
    label: Annotated[str | None, typer.Option(help="The 0/1 column.")] = None,
    start: Annotated[str | None, typer.Option(help="First time of intervals.")] = None,
    end: Annotated[str | None, typer.Option(help="Last time of intervals.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Zone of label times without one; UTC if left out.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(min=0, help="Widest VUS buffer, in rows; by autocorrelation if left out."),
    ] = None,
    fail_under: Annotated[
        list[str] | None, typer.Option(help="metric=value: below it the exit code is 3.")
    ] = None,
    fail_over: Annotated[
        list[str] | None, typer.Option(help="metric=value: above it the exit code is 3.")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write the numbers into report.html.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="All numbers as JSON.")] = False,
) -> None:
    """Measure a run against labels; the numbers also enter its metrics.json and its report."""
    from streamad.backtest import evaluate_run
    from streamad.evaluation.label_files import read_labels
    from streamad.evaluation.scorecard import ScorecardOptions

    bounds = [
        *(_bound(text, "under") for text in fail_under or []),
        *(_bound(text, "over") for text in fail_over or []),
    ]
    truth = read_labels(
        labels, series=series, time=time, label=label, start=start, end=end, timezone=timezone
    )
    windows = _windows(run) if window is None else {}
    options = ScorecardOptions(windows=windows, window=100 if window is None else window)
    cards = evaluate_run(run, truth, options)
    flat = {detector: dict(_flat(card)) for detector, card in cards.items()}
    if report:
        _renew_report(run)
    if as_json:
        print_json(cards)
    else:
        print_table(["", *flat], list(_rows(flat)))
    kept = [_holds(flat, *bound) for bound in bounds]
    if not all(kept):
        raise typer.Exit(CHECK_FAILED)


def _bound(text: str, side: str) -> tuple[str, str, float]:
    name, _, value = text.partition("=")
    try:
        return side, _SHORT.get(name, name), float(value)
    except ValueError as error:
        raise ConfigError(f"--fail-{side} expects metric=number, got {text!r}") from error


def _holds(flat: Mapping[str, Mapping[str, Any]], side: str, name: str, limit: float) -> bool:
    """Check one bound for every detector, and say how it went."""
    good = True
    for detector, numbers in flat.items():
        if name not in numbers and name not in _KNOWN:
            from difflib import get_close_matches

            near = get_close_matches(name, [*numbers, *_SHORT], 3, 0.4)
            raise ConfigError(f"unknown metric {name!r}: nearest are {', '.join(near) or 'none'}")
        value = numbers.get(name)
        kept = value is not None and (value >= limit if side == "under" else value <= limit)
        sign = "≥" if side == "under" else "≤"
        shown = "not defined" if value is None else f"{value:.4g}"
        note(f"{detector}: {name} {shown} {sign} {limit:g}  {'pass' if kept else 'FAIL'}")
        good = good and kept
    return good


def _flat(part: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested numbers under dotted names."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is None or isinstance(value, int | float):
            yield f"{prefix}{key}", value


def _rows(flat: Mapping[str, Mapping[str, Any]]) -> Iterator[list[str]]:
    """Lines of the table; what no detector has is left out."""
    for title, name in _TABLE:
        cells = [numbers.get(name) for numbers in flat.values()]
        if any(cell is not None for cell in cells):
            yield [title, *("-" if cell is None else f"{cell:.4g}" for cell in cells)]


def _windows(run: Path) -> dict[str, int]:
    """VUS buffers from the data of the run, where they can still be read."""
    from streamad.backtest import vus_windows
    from streamad.config import load_config, make_source
    from streamad.core.errors import StreamadError

    try:
        source = make_source(load_config(run / "config.lock.yaml"))
    except StreamadError as error:
        note(f"VUS buffers are 100 rows wide: the data cannot be read again ({error})")
        return {}
    try:
        return vus_windows(source)
    finally:
        source.close()


def _renew_report(run: Path) -> None:
    """Write the page anew from the run's own configuration."""
    import json

    from streamad.cli.backtest import write_run_report
    from streamad.config import load_config

    rows = json.loads((run / "metrics.json").read_text())["rows"]
    try:
        write_run_report(load_config(run / "config.lock.yaml"), run, rows)
    except ConfigError as error:
        note(f"the report keeps its charts of scores only: {error}")
        from streamad.reporting.report import write_report

        write_report(run)
