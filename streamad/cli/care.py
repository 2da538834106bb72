"""The CARE protocol from the command line: one table over detectors, one over data sets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from streamad.cli.console import note, print_table

if TYPE_CHECKING:
    from streamad.evaluation.care import CareScore


_COLUMNS = (
    *("CARE", "coverage", "accuracy", "reliability", "earliness"),
    *("detected", "missed", "false"),
)


def print_care(folder: Path, detectors: list[str], overrides: list[str]) -> None:
    """Run the protocol for every detector and print the tables.

    Parameters
    ----------
    folder : Path
        With a manifest of converted data sets.
    detectors : list of str
    overrides : list of str
        Settings as of a configuration: ``detectors.0.params.warm_up=4000``, ``output=final``.
    """
    from streamad.backtest import care_backtest
    from streamad.config import config_from

    tree = {
        "pipeline": "care",
        "source": {"type": "parquet", "path": str(folder)},
        "detectors": [{"type": name, "threshold": {"type": "quantile"}} for name in detectors],
    }
    made = config_from(tree, overrides)
    results: dict[str, CareScore] = {}
    for wanted in made.detectors:
        results[wanted.name] = care_backtest(
            folder,
            wanted.type,
            wanted.params,
            threshold=wanted.threshold.type,
            threshold_params=wanted.threshold.options,
            output=wanted.output or made.output,
            progress=partial(_say, wanted.name),
        )
    print_table(
        ["", *_COLUMNS],
        [
            [name, *(f"{part:.3f}" for part in _parts(one)), *map(str, _counts(one))]
            for name, one in results.items()
        ],
    )
    for name, result in results.items():
        for one in result.datasets:
            label = "anomaly" if one.anomaly else "normal"
            verdict = "detected" if one.detected else "silent"
            typer.echo(
                f"{name}  {one.name}  {label}  {verdict}  accuracy {one.accuracy:.3f}  "
                f"criticality {one.criticality}"
            )


def _say(detector: str, done: int, total: int, at: str) -> None:
    note(f"{detector}  {done + 1}/{total}  {at}")


def _parts(result: CareScore) -> tuple[float, ...]:
    return (
        result.score,
        result.coverage,
        result.accuracy,
        result.reliability,
        result.earliness,
    )


def _counts(result: CareScore) -> tuple[int, ...]:
    return result.n_detected, result.n_missed, result.n_false_alarms
