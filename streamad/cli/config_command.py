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
    "streamad config init kafka > pipeline.yaml",
    "streamad config show base.yaml mine.yaml",
)

_EDITORS = """\
# Editors complete and check this file with `streamad config schema > streamad.schema.json`.
# yaml-language-server: $schema=./streamad.schema.json
"""

_FILES = """\
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

LIVE = """\
version: 1
pipeline: plant-a                # names alerts, snapshots and metrics

source:
  type: kafka
  brokers: ["${KAFKA_BROKERS:-localhost:9092}"]
  topics: [sensors]
  group: streamad-plant-a
  start: latest                  # latest, earliest, a time; for partitions without a snapshot
  on_gap: resume                 # rows that retention took before they were read: go on, or stop
  security: &login
    protocol: SASL_SSL           # PLAINTEXT (the default) needs nothing else
    mechanism: SCRAM-SHA-512
    username: streamad
    password_file: /run/secrets/kafka_password
    ca_file: /etc/ssl/certs/ca-certificates.crt
  format:
    type: json                   # json, csv, avro (extra avro), arrow
    key: $.asset                 # or {header: asset}, or {message_key: true}
    time: {path: $.ts, unit: iso8601}
    values: [$.values.flow, $.values.heat]
  contract:                      # what values may be; outside = missing, or a dead letter if strict
    flow: {range: [0, 500], unit: l/s}
    strict: false
  dead_letter:
    type: kafka
    brokers: ["${KAFKA_BROKERS:-localhost:9092}"]
    topic: sensors.dead
    security: *login             # whatever speaks to Kafka has a block of its own

detectors:
  - type: fusion
    params: {preset: small, warm_up: 1d}

sinks:
  - {type: jsonl, path: "out/alerts-{partition}.jsonl"}
  - {type: alertmanager, urls: ["http://alertmanager:9093"], dead_letter: out/refused.jsonl}

state: {dir: /var/lib/streamad, every: 10s, on_lost: stop}
shutdown: {timeout: 30s}
"""

STARTS = {
    "file": _EDITORS + _FILES.format(type="parquet"),
    "parquet": _EDITORS + _FILES.format(type="parquet"),
    "csv": _EDITORS + _FILES.format(type="csv"),
    "kafka": _EDITORS + LIVE,
}


@command(
    app,
    "init",
    "streamad config init csv > pipeline.yaml",
    "streamad config init data/flow.parquet > pipeline.yaml",
)
def init_command(
    source: Annotated[
        str, typer.Argument(help="file, parquet, csv or kafka; or a file or folder to look into.")
    ] = "file",
) -> None:
    """Print a configuration to start from."""
    from streamad.cli.guess import guess_config
    from streamad.core.errors import ConfigError

    if source in STARTS:
        typer.echo(STARTS[source], nl=False)
    elif Path(source).exists():
        typer.echo(guess_config(source)[1], nl=False)
    else:
        raise ConfigError(
            f"there is a start for {', '.join(STARTS)} and for files that exist, got {source!r}"
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
