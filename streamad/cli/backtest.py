"""``streamad backtest``: replay stored data into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamad.cli.console import ProgressLine, drain_on_signal, note, settings
from streamad.core.errors import ConfigError

if TYPE_CHECKING:
    from streamad.backtest import RunResult
    from streamad.config import Config

EXAMPLES = (
    "Examples: streamad backtest pipeline.yaml --out runs/first · "
    "streamad backtest --data flow.parquet --time ts --key pump --detector knn"
)


def backtest_command(
    config: Annotated[
        list[Path] | None, typer.Argument(help="Configuration files; later ones win.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="File, folder or pattern, instead of a configuration.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="Time column of --data.")] = None,
    key: Annotated[str | None, typer.Option(help="Column that names the series of --data.")] = None,
    value: Annotated[
        list[str] | None, typer.Option(help="Value column of --data; repeat for several.")
    ] = None,
    detector: Annotated[
        list[str] | None, typer.Option(help="Detector to run; repeat for several.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is in the run folder.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="a.b.0.c=value over the configuration.")
    ] = None,
    report: Annotated[bool, typer.Option(help="Write report.html.")] = True,
) -> None:
    """Replay finished data through the pipeline; a killed run goes on with the same command."""
    from streamad.backtest import backtest

    overrides = set_ or []
    if data is not None:
        if config:
            raise ConfigError("give either a configuration or --data, not both")
        made = _guessed(data, time, key, value or [], detector or [], overrides)
    elif config:
        for name, given in (("--time", time), ("--key", key), ("--value", value)):
            if given:
                raise ConfigError(f"{name} goes with --data; with a configuration use --set")
        made = _loaded(config, detector or [], overrides)
    else:
        raise ConfigError(
            "nothing to replay: give a configuration file, or --data with a file or folder"
        )
    folder = out or Path("runs") / _stamp(made.pipeline)
    line = ProgressLine()
    with drain_on_signal() as stop:
        try:
            result = backtest(made, folder, overwrite=overwrite, progress=line, stop=stop)
        finally:
            line.close()
    if result.interrupted:
        note(f"stopped after {result.rows:,} rows; the same command with --out {folder} goes on")
        return
    if report:
        write_run_report(made, folder, result.rows)
    if not settings().quiet:
        print_summary(result)


_MAX_ROWS_WITH_VALUES = 20_000_000


def write_run_report(config: Config, folder: Path, n_rows: int) -> Path:
    """The page of a finished run; raw values are read a second time unless there are too many."""
    from streamad.config import make_source
    from streamad.reporting.report import write_report

    if n_rows > _MAX_ROWS_WITH_VALUES:
        return write_report(folder)
    source = make_source(config)
    try:
        return write_report(folder, _batches(source))
    finally:
        source.close()


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
    typer.echo(str(result.folder))


def _loaded(paths: list[Path], detectors: list[str], overrides: list[str]) -> Config:
    from streamad.config import config_from, load_config

    config = load_config(*paths, overrides=overrides)
    if not detectors:
        return config
    tree = config.model_dump(mode="json", by_alias=True)
    return config_from({**tree, "detectors": [{"type": name} for name in detectors]})


def _guessed(
    data: str,
    time: str | None,
    key: str | None,
    values: list[str],
    detectors: list[str],
    overrides: list[str],
) -> Config:
    """A configuration from what the files look like, shown before it runs."""
    from streamad.config import config_from, override
    from streamad.config.plugins import load_plugin

    source, notes = load_plugin("streamad.guess", "files")(
        data, time=time, key=key, values=values or None
    )
    tree: dict[str, Any] = {
        "version": 1,
        "pipeline": Path(data).stem.strip("*") or "backtest",
        "source": source,
        "detectors": [{"type": name} for name in detectors or ["fusion"]],
    }
    for text in overrides:
        override(tree, text)
    config = config_from(tree)
    if not settings().quiet:
        _show(tree, notes)
    return config


def _show(tree: dict[str, Any], notes: list[str]) -> None:
    import io

    from ruamel.yaml import YAML

    text = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.dump(tree, text)
    note("# guessed from the data; save it as pipeline.yaml to change it")
    for line in notes:
        note(f"# {line}")
    note(text.getvalue())


def _batches(source: Any) -> Any:
    """All batches of a source, in order."""
    source.events()
    while True:
        found = source.poll(0.0, 65_536)
        if not found and source.exhausted():
            return
        yield from found


def _stamp(pipeline: str) -> str:
    from datetime import UTC, datetime
    from urllib.parse import quote

    return f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}_{quote(pipeline, safe='')}"
