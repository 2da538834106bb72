"""Causal accuracy on ten NAB files, beside streaming detectors of other packages.

python benchmarks/accuracy_nab.py --data FOLDER [--detector NAMES] [--no-rivals] [--out FILE]

The first 15 % of a file are for warming up and for ranges, then every row is scored before it is
learned; VUS-PR is taken on the last 85 %, with the period of the whole file as its buffer. Labels
are NAB's combined windows. Slow detectors were published on the eight shorter files only, so both
means are shown. The data are those of ``accuracy.py``; published values are
``results/published_nab.json``.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import judge
import numpy as np
import rivals
import series_folder
from judge import Bools, Floats
from rich.console import Console
from rich.table import Table

from streamad.core.errors import ConfigError, StreamadError
from streamad.core.versions import versions

EIGHT = (
    "realKnownCause/ambient_temperature_system_failure",
    "realKnownCause/ec2_request_latency_system_failure",
    "realAWSCloudwatch/ec2_cpu_utilization_5f5533",
    "realAWSCloudwatch/rds_cpu_utilization_cc0c53",
    "realAWSCloudwatch/elb_request_count_8c0756",
    "realTraffic/occupancy_6005",
    "realTraffic/speed_7578",
    "artificialWithAnomaly/art_daily_jumpsup",
)
TEN = ("realKnownCause/machine_temperature_system_failure", "realKnownCause/nyc_taxi", *EIGHT)
OURS = "fusion,fusion:fast,fusion:small,knn,ewma,mahalanobis"
FIRST_SHARE = 0.15
LAGS = 10
PUBLISHED = Path(__file__).parent / "results" / "published_nab.json"


def main(arguments: list[str] | None = None) -> int:
    """Run all; 0 = done, 2 = wrong usage."""
    given = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        return _run(given, console)
    except StreamadError as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        return 2


def _run(given: argparse.Namespace, console: Console) -> int:
    texts = [text.strip() for text in given.detector.split(",") if text.strip()]
    contenders = [judge.contender(text) for text in texts]
    configurations = {one.label: judge.configuration(one) for one in contenders}
    folder = Path(given.data)
    series = read(folder)
    chance = means({one.name: random_score(one) for one in series})
    results: list[dict[str, Any]] = [{"detector": "random score", **chance}]
    for name, scorer in scorers(contenders, with_rivals=not given.no_rivals):
        found = means({one.name: rated(one, scorer) for one in series})
        results.append({"detector": name, **found})
        console.print(f"{name}: {found['ten_files']:.3f} / {found['eight_files']:.3f}")
    missing = rivals.rivals()[1]
    for line in missing:
        console.print(line)
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    document: dict[str, Any] = {
        "environment": {
            **versions(),
            "system": platform.system(),
            "machine": platform.machine(),
            "data": folder.resolve().name,
            "detectors": configurations,
            "left_out": missing,
            "published": published["source"],
        },
        "results": results,
        "ranking": ranking(results, published["rows"]),
    }
    if given.out:
        series_folder.write_text(Path(given.out), json.dumps(document, indent=1) + "\n")
    show(document["ranking"], Console(width=None if sys.stdout.isatty() else 100))
    return 0


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """One file.

    Attributes
    ----------
    name : str
    entry : Entry
        Its ``split_index`` is the number of first rows.
    values : float64 (n, 1)
    labels : bool (n,)
    window : int
        Buffer of VUS.
    """

    name: str
    entry: series_folder.Entry
    values: Floats
    labels: Bools
    window: int


Scorer = Callable[[Series], Floats]


def read(folder: Path) -> list[Series]:
    """The ten files.

    Raises
    ------
    ConfigError
        If the folder lacks one.
    """
    from streamad.evaluation.window import window_length

    entries = {
        entry.name: entry
        for entry in series_folder.entries(series_folder.read_manifest(folder))
        if entry.dataset == "NAB"
    }
    absent = [name for name in TEN if name not in entries]
    if absent:
        raise ConfigError(
            f"{folder} lacks the NAB files {', '.join(absent)}: make it from a checkout of NAB by "
            "benchmarks/datasets.py nab"
        )
    found = []
    for name in TEN:
        n_first = int(FIRST_SHARE * entries[name].rows)
        entry = dataclasses.replace(entries[name], split_index=n_first)
        values, labels = series_folder.load(folder, entry)
        found.append(Series(name, entry, values, labels, int(window_length(values))))
    return found


def scorers(
    contenders: list[judge.Contender], *, with_rivals: bool
) -> Iterator[tuple[str, Scorer]]:
    """Names, and functions from a series to its causal scores."""
    for one in contenders:
        yield one.label, partial(_judged, one)
    for n_lags in (1, LAGS):
        suffix = "" if n_lags == 1 else f", {n_lags} lags"
        yield f"running z-score{suffix}", partial(_running_z, n_lags)
        for rival in rivals.rivals()[0] if with_rivals else ():
            yield f"{rival.name}{suffix}", partial(_rival, rival, n_lags)


def _judged(contender: judge.Contender, series: Series) -> Floats:
    return judge.run(contender, series.values, series.entry).causal


def _running_z(n_lags: int, series: Series) -> Floats:
    return rivals.running_z(rivals.lagged(series.values[:, 0], n_lags))


def _rival(rival: rivals.Rival, n_lags: int, series: Series) -> Floats:
    return rival.scores(rivals.lagged(series.values[:, 0], n_lags), series.entry.split_index)


def rated(series: Series, scorer: Scorer) -> float:
    """VUS-PR of a detector on the last rows of a series."""
    from streamad.evaluation.vus import vus

    n_first = series.entry.split_index
    scores = judge.filled(scorer(series)[n_first:])
    return float(vus(series.labels[n_first:], scores, series.window).pr)


def random_score(series: Series) -> float:
    """Mean VUS-PR of random scores on the last rows."""
    labels = series.labels[series.entry.split_index :]
    return judge.random_vus_pr(labels, series.name, series.window) or 0.0


def means(files: dict[str, float]) -> dict[str, Any]:
    """Mean over the ten files, over the eight shorter ones, and every value."""
    return {
        "ten_files": float(np.mean([files[name] for name in TEN])),
        "eight_files": float(np.mean([files[name] for name in EIGHT])),
        "files": {name: round(value, judge.DIGITS) for name, value in files.items()},
    }


def ranking(
    results: list[dict[str, Any]], published: list[list[Any]]
) -> list[dict[str, str | float | None]]:
    """What ran here and what was published, best mean over the eight shorter files first."""
    lines: list[dict[str, str | float | None]] = [
        {"detector": one["detector"], "origin": "this run"}
        | {key: round(one[key], judge.DIGITS) for key in ("ten_files", "eight_files")}
        for one in results
    ]
    for name, *values in published:
        for suffix, ten, eight in (("", *values[:2]), (f", {LAGS} lags", *values[2:])):
            if eight is not None:
                lines.append(
                    {
                        "detector": f"{name}{suffix}",
                        "origin": "published",
                        "ten_files": ten,
                        "eight_files": eight,
                    }
                )
    return sorted(lines, key=lambda line: (-float(line["eight_files"] or 0), str(line["detector"])))


def show(lines: list[dict[str, Any]], console: Console) -> None:
    """The ranking as a table."""
    table = Table(title="VUS-PR, causal, on ten NAB files", title_justify="left")
    for column in ("detector", "from", "ten files", "the eight shorter ones"):
        table.add_column(column, justify="left" if column in ("detector", "from") else "right")
    for line in lines:
        values = (line["ten_files"], line["eight_files"])
        table.add_row(
            line["detector"],
            line["origin"],
            *("-" if value is None else f"{value:.3f}" for value in values),
            style="bold" if line["origin"] == "this run" else None,
        )
    console.print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="accuracy_nab.py",
        description="Causal accuracy on ten NAB files, beside streaming detectors of others.",
    )
    parser.add_argument("--data", required=True, help="folder with a manifest.json")
    parser.add_argument(
        "--detector", default=OURS, help=f"names, comma-separated; {OURS} if not given"
    )
    parser.add_argument("--no-rivals", action="store_true", help="only ours and the z-score")
    parser.add_argument("--out", help="write the JSON here")
    return parser


if __name__ == "__main__":
    sys.exit(main())
