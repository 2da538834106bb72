"""Commands, global options, and how every command ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from streamad.cli import (
    backtest,
    config_command,
    demo,
    detectors,
    evaluate,
    inspect,
    validate,
)
from streamad.cli.console import Settings, configure, fail
from streamad.cli.exits import OK, exit_code
from streamad.cli.help import command, group
from streamad.cli.run import EXAMPLES as RUN_EXAMPLES
from streamad.cli.run import run_command

app = group(
    "Streaming anomaly detection for time series: replay files, watch streams, get alerts.\n\n"
    "Every option can come from the environment: STREAMAD_LOG_LEVEL=debug, "
    "STREAMAD_BACKTEST_OUT=runs/first.",
    "streamad demo",
    "streamad backtest --data flow.parquet --time ts --key pump",
    name="streamad",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "STREAMAD",
    },
)
command(app, "demo", *demo.EXAMPLES)(demo.demo_command)
command(app, "backtest", *backtest.EXAMPLES)(backtest.backtest_command)
command(app, "run", *RUN_EXAMPLES)(run_command)
command(app, "evaluate", *evaluate.EXAMPLES)(evaluate.evaluate_command)
command(app, "validate", *validate.EXAMPLES)(validate.validate_command)
app.add_typer(detectors.app, name="detectors")
app.add_typer(config_command.app, name="config")
app.add_typer(inspect.app, name="inspect")


def _version(wanted: bool) -> None:
    """Versions from package metadata; none of the packages is imported."""
    if not wanted:
        return
    import streamad
    from streamad.core.versions import versions

    found = versions()
    found.pop("streamad-engine", None)
    parts = ", ".join(f"{name} {number}" for name, number in found.items())
    typer.echo(f"streamad {streamad.__version__} ({parts})")
    raise typer.Exit


@app.callback()
def _globals(
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, text or json.")] = None,
    color: Annotated[str, typer.Option(help="auto, always or never.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
    _show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Versions, then stop.",
        ),
    ] = False,
) -> None:
    configure(Settings(log_level, log_format, color, quiet))


def run() -> None:
    """Run the command line; errors become one message and an exit code."""
    code = OK
    try:
        app()
    except Exception as error:  # noqa: BLE001  (the end of the line: told, and turned into a code)
        code = exit_code(error)
        if code != OK:
            fail(error)
    except SystemExit as end:
        code = OK if isinstance(end.__context__, BrokenPipeError) else end.code  # type: ignore[assignment]
    _close_output()
    sys.exit(code)


def _close_output() -> None:
    """Flush what is left; a reader who has gone away is no error."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
