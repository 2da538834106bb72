"""``streamad config``: a file to start from, its schema, the merged file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Start, check the schema of, and show configurations.", no_args_is_help=True)

STARTS = {
    "parquet": "type: parquet                # a file, a folder or a pattern\n  path: data.parquet",
    "csv": "type: csv                    # a file, a folder or a pattern\n  path: data.csv",
}
_START = """\
version: 1
pipeline: my-pipeline          # names alerts and the state folder

source:
  {source}
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


@app.command("init", epilog="Example: streamad config init csv > pipeline.yaml")
def init_command(
    source: Annotated[str, typer.Argument(help="parquet or csv")] = "parquet",
) -> None:
    """Print a configuration to start from."""
    from streamad.core.errors import ConfigError

    if source not in STARTS:
        raise ConfigError(f"there is a start for {' and '.join(STARTS)}, got {source!r}")
    typer.echo(_START.format(source=STARTS[source]), nl=False)


@app.command("schema", epilog="Example: streamad config schema > streamad.schema.json")
def schema_command() -> None:
    """Print the JSON Schema of configuration files, for editors."""
    import json

    from streamad.config import Config

    typer.echo(json.dumps(Config.model_json_schema(by_alias=True), indent=2))


@app.command("show", epilog="Example: streamad config show base.yaml mine.yaml")
def show_command(
    config: Annotated[list[Path], typer.Argument(help="Configuration files; later ones win.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="a.b.0.c=value")] = None,
) -> None:
    """Print the merged configuration with every default, secrets removed."""
    from streamad.config import load_config, to_yaml

    typer.echo(to_yaml(load_config(*config, overrides=set_ or [])), nl=False)
