"""``streamad backtest``: replay stored data into a run folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamad.cli.care import print_care
from streamad.cli.console import configure_logs, note, printable, settings
from streamad.cli.drain import drain_on_signal
from streamad.cli.options import Overrides
from streamad.cli.progress import ProgressLine
from streamad.cli.secrets import keep_secret
from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.backtest import RunResult
    from streamad.config import Config

EXAMPLES = (
    "streamad backtest --data flow.parquet --time ts --key pump --detector knn",
    "streamad backtest pipeline.yaml --out runs/first --set alerts.open.for=5m",
    "streamad backtest pipeline.yaml --output final",
    "streamad backtest --care care-to-compare --detector fusion --detector ewma",
)

_MAX_ROWS_WITH_VALUES = 20_000_000


def backtest_command(
    config: Annotated[
        list[Path] | None, typer.Argument(help="Configuration files; later ones win.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="File, folder or pattern, instead of a configuration.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="Time column of --data.")] = None,
    key: Annotated[str | None, typer.Option(help="Column of --data that names the series.")] = None,
    value: Annotated[list[str] | None, typer.Option(help="Value column of --data; repeat.")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="Detector to run; repeat.")] = None,
    output: Annotated[
        str | None, typer.Option(help="Which score alerts: causal, at once, or final, later.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is in the run folder.")
    ] = False,
    set_: Overrides = None,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
    care: Annotated[
        Path | None, typer.Option(help="Folder of CARE data sets: run that protocol instead.")
    ] = None,
) -> None:
    """Replay stored data into a run folder.

    With --data and no configuration the columns are guessed, and the guess is printed as a
    configuration. A run that was stopped or killed goes on with the same command and the same
    --out.
    """
    from streamad.backtest import backtest

    if care is not None:
        if config or data is not None:
            raise ConfigError("--care takes neither a configuration nor --data")
        print_care(care, detector or ["fusion"], [*_output(output), *(set_ or [])])
        return
    overrides = [*_detectors(detector or []), *_output(output), *(set_ or [])]
    if data is not None and not config:
        made = _guessed(data, time, key, value, overrides)
    else:
        made = _loaded(
            config or [], data, {"--time": time, "--key": key, "--value": value}, overrides
        )
    keep_secret(made)
    configure_logs("warning" if settings().quiet else made.logging.level, made.logging.format)
    folder = out or Path("runs") / _stamp(made.pipeline)
    if report and not overwrite and lacks_report(made, folder):
        write_run_report(made, folder, _rows_of(folder))
        note(f"{folder} held a finished run without its report: wrote report.html")
        return
    if out is None:
        note(f"# run folder {folder}")
    line = ProgressLine()
    with drain_on_signal(made.shutdown.timeout / 1e9) as stop:
        try:
            result = backtest(made, folder, overwrite=overwrite, progress=line, stop=stop)
        finally:
            line.close()
    if result.interrupted:
        note(f"stopped after {result.rows:,} rows; the same command with --out {folder} goes on")
        return
    if report:
        write_run_report(made, folder, result.rows)
    print_summary(result)


def write_run_report(config: Config, folder: Path, n_rows: int) -> Path:
    """The page of a finished run; raw values are read a second time unless there are too many."""
    from streamad.backtest import read_batches
    from streamad.config import make_source
    from streamad.reporting.report import write_report

    if n_rows > _MAX_ROWS_WITH_VALUES:
        return write_report(folder)
    source = make_source(config)
    try:
        return write_report(folder, read_batches(source, config.runtime.batch_rows))
    finally:
        source.close()


def lacks_report(config: Config, folder: Path) -> bool:
    """True if this configuration has finished here, but was stopped before its page was written."""
    from streamad.config import fingerprint

    if not (folder / "metrics.json").exists() or (folder / "report.html").exists():
        return False
    found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return bool(found.get("fingerprint") == fingerprint(config))


def _rows_of(folder: Path) -> int:
    return int(json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["rows"])


def print_summary(result: RunResult) -> None:
    """What the run did, on standard error, and its folder on standard output."""
    levels = ", ".join(f"{n} {level}" for level, n in sorted(result.by_severity.items()))
    again = f", gone on at row {result.resumed_at:,}" if result.resumed_at else ""
    note(
        f"rows       {result.rows:,} of {result.series:,} series in {result.seconds:.1f} s, "
        f"{result.rows_per_s:,.0f} rows/s{again}"
    )
    note(f"alerts     {result.episodes} episodes" + (f" ({levels})" if levels else ""))
    if result.rejects:
        reasons = ", ".join(f"{n:,} {reason}" for reason, n in sorted(result.rejects.items()))
        note(f"rejected   {reasons}: kept in {result.folder / 'rejects.jsonl'}")
    names = sorted(path.name for path in result.folder.iterdir() if path.is_file())
    note(f"wrote      {'  '.join(names)}")
    typer.echo(printable(str(result.folder)))


def _detectors(names: list[str]) -> list[str]:
    """The detectors of the command line as a setting."""
    from streamad.detectors.registry import RIVER_PREFIX, detector_class

    for name in names:
        if not name.startswith(RIVER_PREFIX):
            detector_class(name)
    return ["detectors=" + json.dumps([{"type": name} for name in names])] if names else []


def _output(wanted: str | None) -> list[str]:
    """The output of the command line as a setting."""
    if wanted not in (None, "causal", "final"):
        raise ConfigError(f"--output should be causal or final, got {wanted!r}")
    return [] if wanted is None else [f"output={wanted}"]


def _loaded(
    paths: list[Path], data: str | None, of_data: dict[str, Any], overrides: list[str]
) -> Config:
    from streamad.config import load_config

    if data is not None:
        raise ConfigError("give either a configuration or --data, not both")
    if not paths:
        raise ConfigError(
            "nothing to replay: give a configuration file, or --data with a file or folder"
        )
    for name, given in of_data.items():
        if given:
            raise ConfigError(f"{name} goes with --data; with a configuration use --set")
    return load_config(*paths, overrides=overrides)


def _guessed(
    data: str, time: str | None, key: str | None, values: list[str] | None, overrides: list[str]
) -> Config:
    """A configuration from what the files look like, shown before it runs."""
    from streamad.cli.guess import guess_config
    from streamad.config import config_from

    tree, text = guess_config(data, time=time, key=key, values=values or None)
    note(f"# guessed from the data; save it as pipeline.yaml to change it\n{text}")
    return config_from(tree, overrides)


def _stamp(pipeline: str) -> str:
    from datetime import UTC, datetime
    from urllib.parse import quote

    return f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}_{quote(pipeline, safe='')}"
