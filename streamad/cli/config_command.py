"""``streamad config``: a file to start from, its schema, the merged file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamad.cli.console import print_json
from streamad.cli.help import command, group
from streamad.cli.options import Configs, Overrides

app = group(
    "Start, check the schema of, and show configurations.",
    "streamad config init csv > pipeline.yaml",
    "streamad config show base.yaml mine.yaml",
)

SOURCES = {"file": "parquet", "parquet": "parquet", "csv": "csv"}

START = """\
# Editors complete and check this file with `streamad config schema > streamad.schema.json`.
# yaml-language-server: $schema=./streamad.schema.json
version: 1
pipeline: my-pipeline          # names alerts and folders

source:
  type: {type:<23}# parquet or csv
  path: data.{type:<18}# a file, a folder or a pattern
  time: time                   # time column
  # key: machine               # column that names the series; without it all rows are one series
  # values: [flow, pressure]   # channels; without it all numeric columns

window:
  # period: 10m                # declared step: gaps are seen and filled
  # allowed_lateness: 5m       # rows may come out of order by so much
  missing: {{fill: nan, max_share: 0.5}}

output: causal                 # causal = at once; final = more accurate, late by the detector's lag

detectors:
  - type: fusion               # `streamad detectors list` shows all
    threshold: {{type: spot, risk: 1e-4}}

alerts:
  open: {{ratio: 1.0, for: 1}}   # rows, or a duration such as 5m
  close: {{ratio: 0.7, for: 5}}
  severity:
    - {{level: critical, when: {{ratio: 3.0}}}}
    - {{level: warning}}
"""


@command(
    app,
    "init",
    "streamad config init csv > pipeline.yaml",
    "streamad config init data/flow.parquet > pipeline.yaml",
)
def init_command(
    source: Annotated[
        str, typer.Argument(help="file, parquet or csv; or a file or folder to look into.")
    ] = "file",
) -> None:
    """Print a configuration to start from."""
    from streamad.cli.guess import guess_config
    from streamad.core.errors import ConfigError

    if source in SOURCES:
        typer.echo(START.format(type=SOURCES[source]), nl=False)
    elif Path(source).exists():
        typer.echo(guess_config(source)[1], nl=False)
    else:
        raise ConfigError(
            f"there is a start for {', '.join(SOURCES)} and for files that exist, got {source!r}"
        )


@command(
    app,
    "schema",
    "streamad config schema > streamad.schema.json",
    "streamad config schema | jq '.properties | keys'",
)
def schema_command() -> None:
    """Print the JSON Schema, for editors."""
    from streamad.config.schema import json_schema

    print_json(json_schema())


@command(
    app,
    "show",
    "streamad config show pipeline.yaml",
    "streamad config show base.yaml mine.yaml --set alerts.open.for=5m",
)
def show_command(config: Configs, set_: Overrides = None) -> None:
    """Print what a run would use.

    All files merged, every default filled in, secrets removed.
    """
    from streamad.config import load_config, to_yaml

    typer.echo(to_yaml(load_config(*config, overrides=set_ or [])), nl=False)
