"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", envvar="STREAMAD_SET", help="name.name=value over the configuration; repeat."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
Configs = Annotated[list[Path], typer.Argument(help="Configuration files; later ones win.")]
