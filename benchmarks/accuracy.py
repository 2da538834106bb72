"""Accuracy of detectors over a folder of labelled series.

python benchmarks/accuracy.py --data FOLDER --detector fusion,fusion:fast,knn --out accuracy.json

The folder holds a ``manifest.json`` (see ``series_folder.py``; ``datasets.py`` makes one from
downloads). Every series is scored row by row in one configuration, the default one or a preset
(``fusion:fast``); the result has two entries a series and detector, causal and final. ``norm`` and
``random`` are baselines. Entries that the output file already has are kept, so that an interrupted
run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import judge
import series_folder
import summary
import tables
from judge import Contender
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import streamad
from streamad.core.errors import ConfigError, StreamadError
from streamad.core.versions import versions

Results = list[dict[str, Any]]
Work = tuple[Path, series_folder.Entry, list[Contender]]


def main(arguments: list[str] | None = None) -> int:
    """Run the harness; 0 = all done, 1 = some series failed, 2 = wrong usage, 130 = interrupted."""
    given = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        return _run(given, console)
    except StreamadError as error:
        console.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print(f"interrupted; what is done is in {given.out}, the same command goes on")
        return 130


def _run(given: argparse.Namespace, console: Console) -> int:
    names = summary.ordered(name.strip() for name in given.detector.split(",") if name.strip())
    if not names:
        raise ConfigError("--detector needs at least one name, as in --detector fusion,knn")
    contenders = [judge.contender(name) for name in names]
    configurations = {one.label: judge.configuration(one) for one in contenders}
    folder, out = Path(given.data), Path(given.out)
    manifest = series_folder.read_manifest(folder)
    everything = series_folder.entries(manifest)
    chosen = series_folder.select(everything, given.series, given.max_rows)
    if not chosen:
        raise ConfigError(
            f"none of the {len(everything)} series matches {given.series!r} within the row limit: "
            "a pattern is compared with name, dataset/name and path"
        )
    document = read_results(out)
    before = document["environment"]
    code = source_digest()
    if before.get("code", code) != code:
        raise ConfigError(
            f"{out} holds results of other code ({before['code']}, this is {code}): write to "
            "another file, or delete it to start afresh"
        )
    environment = {
        **versions(),
        "code": code,
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "jobs": given.jobs,
        "data": folder.resolve().name,
        "series_in_manifest": len(everything),
        "detectors": {**before.get("detectors", {}), **configurations},
        "published": {
            dataset: {"source": found.source, "vus_pr": found.values}
            for dataset, found in series_folder.published(folder, manifest).items()
        },
    }
    order = {(entry.dataset, entry.name): i for i, entry in enumerate(everything)}
    results = complete(document["series"])
    failures: Results = []
    work = pending(folder, chosen, contenders, results)
    with _progress(console) as progress:
        bar = progress.add_task("series", total=len(chosen), completed=len(chosen) - len(work))
        for entry, found, failed in _judged(work, given.jobs):
            results += found
            failures += failed
            write_results(out, {**environment, "failures": failures}, results, order)
            progress.update(bar, advance=1, description=entry.dataset)
    wide = None if sys.stdout.isatty() else max(140, 60 + 20 * len(contenders))
    tables.show(read_results(out), Console(width=wide))
    for failure in failures:
        console.print(f"failed: {failure['name']} {failure['detector']}: {failure['error']}")
    return 1 if failures else 0


def source_digest() -> str:
    """Digest over the package's source: results of different code are never mixed."""
    root = Path(streamad.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def key(result: dict[str, Any]) -> tuple[str, str, str]:
    """What a result is about."""
    return result["dataset"], result["name"], result["detector"]


def complete(results: Results) -> Results:
    """Results that have both entries, causal and final."""
    count = Counter(key(result) for result in results)
    return [result for result in results if count[key(result)] == 2]


def pending(
    folder: Path,
    chosen: list[series_folder.Entry],
    contenders: list[Contender],
    results: Results,
) -> list[Work]:
    """Series with the detectors that have no entries yet, small series first."""
    have = {key(result) for result in results}
    work: list[Work] = []
    for entry in sorted(chosen, key=lambda entry: entry.rows * len(entry.columns)):
        missing = [one for one in contenders if (entry.dataset, entry.name, one.label) not in have]
        if missing:
            work.append((folder, entry, missing))
    return work


def one_series(
    folder: Path, entry: series_folder.Entry, contenders: list[Contender]
) -> tuple[Any, ...]:
    """Entries of one series, and its failures: one bad detector or file must not end a long run."""
    try:
        task = judge.prepare(*series_folder.load(folder, entry), entry)
    except ConfigError as error:
        return entry, [], [_failure(entry, one.label, error) for one in contenders]
    found: Results = []
    failed: Results = []
    for one in contenders:
        try:
            found += judge.judge(task, one)
        except Exception as error:  # noqa: BLE001 - whatever a foreign detector raises
            failed.append(_failure(entry, one.label, error))
    return entry, found, failed


def _failure(entry: series_folder.Entry, detector: str, error: Exception) -> dict[str, Any]:
    said = f"{type(error).__name__}: {error}"
    return {"dataset": entry.dataset, "name": entry.name, "detector": detector, "error": said}


def _judged(work: list[Work], jobs: int) -> Iterator[tuple[Any, ...]]:
    distinct = {one.label: one for _, _, missing in work for one in missing}
    contenders = list(distinct.values())
    if not work:
        return
    if jobs <= 1:
        judge.warm(contenders)
        for item in work:
            yield one_series(*item)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        jobs, mp_context=context, initializer=judge.warm, initargs=(contenders,)
    ) as pool:
        futures = [pool.submit(one_series, *item) for item in work]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def read_results(path: Path) -> dict[str, Any]:
    """What an output file holds; empty if there is none.

    Raises
    ------
    ConfigError
        If the file is something else.
    """
    if not path.exists():
        return {"environment": {}, "series": [], "overall": []}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} should hold accuracy results as JSON: {error}") from error
    if not isinstance(document, dict) or not {"environment", "series", "overall"} <= set(document):
        raise ConfigError(
            f"{path} should hold environment, series and overall: it is some other file, choose "
            "another --out"
        )
    return document


def write_results(
    path: Path,
    environment: dict[str, Any],
    results: Results,
    order: dict[tuple[str, str], int],
) -> None:
    """Replace the output file; the order of its entries does not depend on who finished first."""
    detectors = list(environment["detectors"])
    last = len(order)

    def place(result: dict[str, Any]) -> tuple[Any, ...]:
        series = (result["dataset"], result["name"])
        detector = detectors.index(result["detector"])
        return (order.get(series, last), series, detector, result["output"])

    results = sorted(results, key=place)
    parts = {
        "environment": json.dumps(environment, indent=1, allow_nan=False),
        "series": _lines(results),
        "overall": _lines(summary.overall(results)),
    }
    body = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in parts.items())
    series_folder.write_text(path, "{\n" + body + "\n}\n")


def _lines(results: Results) -> str:
    """A JSON list with one entry a line: short, and a change shows as the lines it touches."""
    texts = [json.dumps(one, allow_nan=False, separators=(",", ":")) for one in results]
    return "[\n" + ",\n".join(texts) + "\n]"


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive number, got {value}")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="accuracy.py",
        description="Accuracy of detectors over a folder of labelled series, causal and final.",
    )
    parser.add_argument("--data", required=True, help="folder with a manifest.json")
    parser.add_argument(
        "--detector",
        required=True,
        help="names, comma-separated, a preset after a colon; norm and random are baselines",
    )
    parser.add_argument("--series", default="*", help="only those whose name or path matches")
    parser.add_argument("--max-rows", type=_positive, help="leave longer series out")
    parser.add_argument("--jobs", type=_positive, default=1, help="processes")
    parser.add_argument("--out", required=True, help="JSON file; existing entries are kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
