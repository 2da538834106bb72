"""``streamad validate``: fields, graph, environment; no data is processed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamad.cli.exits import CHECK_FAILED, OK, exit_code
from streamad.core.errors import StreamadError

if TYPE_CHECKING:
    from streamad.config import Config

_MANY_BYTES = 1 << 30


def validate_command(
    config: Annotated[list[Path], typer.Argument(help="Configuration files; later ones win.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="a.b.0.c=value")] = None,
    environment: Annotated[
        bool, typer.Option(help="Also open the source and check the folders.")
    ] = True,
    deny_warnings: Annotated[
        bool, typer.Option("--deny-warnings", help="Warnings end with exit code 3.")
    ] = False,
) -> None:
    """Check a configuration in three layers: fields, graph, environment."""
    from streamad.config import load_config, make_pipeline

    made = load_config(*config, overrides=set_ or [])
    typer.echo(str(config[-1]))
    typer.echo(f"  fields        ok     {len(made.detectors)} detectors, {len(made.sinks)} sinks")
    make_pipeline(made, ["value"])
    names = ", ".join(detector.name for detector in made.detectors)
    typer.echo(f"  graph         ok     {made.source.type} -> window -> {names} -> episodes")
    code, warnings = OK, _memory_warnings(made)
    if environment:
        code = _environment(made)
    for warning in warnings:
        typer.echo(f"  warning       {warning}")
    if code == OK and warnings and deny_warnings:
        code = CHECK_FAILED
    raise typer.Exit(code)


def _environment(config: Config) -> int:
    """Open the source; the exit code that a run would end with."""
    from streamad.config import make_source

    try:
        source = make_source(config)
    except StreamadError as error:
        typer.echo(f"  environment   FAIL   source: {error}")
        return exit_code(error)
    channels = ", ".join(source.schema.channels[:6])
    more = len(source.schema.channels) - 6
    source.close()
    typer.echo(
        f"  environment   ok     channels {channels}" + (f" and {more} more" if more > 0 else "")
    )
    return OK


def _memory_warnings(config: Config) -> list[str]:
    """Detectors whose state would take more than a gigabyte at the allowed number of series."""
    from streamad.detectors.registry import make_detector

    found = []
    for wanted in config.detectors:
        measure = getattr(make_detector(wanted.type, wanted.params), "state_bytes", None)
        per_key = measure(1) if measure else 0
        whole = per_key * config.state.max_keys
        if whole > _MANY_BYTES:
            found.append(
                f"{wanted.name}: {per_key / 1000:.1f} kB per series; {config.state.max_keys:,} "
                f"series (state.max_keys) would take {whole / 2**30:.1f} GiB"
            )
    return found
