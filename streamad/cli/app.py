"""Commands, global options, and how every command ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from streamad.cli import backtest, config_command, demo, detectors, inspect, validate
from streamad.cli.console import Settings, configure, fail
from streamad.cli.exits import OK, exit_code
from streamad.core.errors import StreamadError

app = typer.Typer(
    name="streamad",
    help="Streaming anomaly detection for time series: replay files, watch streams, get alerts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("backtest", epilog=backtest.EXAMPLES)(backtest.backtest_command)
app.command("demo", epilog="Example: streamad demo --out demo-out")(demo.demo_command)
app.command("validate", epilog="Example: streamad validate pipeline.yaml")(
    validate.validate_command
)
app.add_typer(detectors.app, name="detectors")
app.add_typer(config_command.app, name="config")
app.add_typer(inspect.app, name="inspect")


def _version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version
    from platform import python_version

    import streamad

    parts = [f"python {python_version()}"]
    for package in ("numpy", "numba", "scipy", "pyarrow", "river", "torch"):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    typer.echo(f"streamad {streamad.__version__} ({', '.join(parts)})")
    raise typer.Exit


@app.callback()
def _globals(
    log_level: Annotated[
        str, typer.Option(envvar="STREAMAD_LOG_LEVEL", help="debug, info, warning or error.")
    ] = "info",
    log_format: Annotated[
        str, typer.Option(envvar="STREAMAD_LOG_FORMAT", help="auto, text or json.")
    ] = "auto",
    color: Annotated[
        str, typer.Option(envvar="STREAMAD_COLOR", help="auto, always or never.")
    ] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    _show_version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Versions, then stop."),
    ] = False,
) -> None:
    configure(Settings(log_level, log_format, color, quiet))


def run() -> None:
    """Run the command line; errors become one message and an exit code."""
    code = OK
    try:
        app(standalone_mode=True)
    except StreamadError as error:
        fail(str(error))
        code = exit_code(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
