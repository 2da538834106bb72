"""``streamad inspect``: look into data, snapshots and runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from streamad.cli.console import print_json, print_table, printable
from streamad.cli.exits import CHECK_FAILED
from streamad.cli.help import command, group
from streamad.cli.options import Json

_MAX_MEMBERS = 3

app = group(
    "Look into data, snapshots and run folders.",
    "streamad inspect data flow.parquet",
    "streamad inspect alerts runs/first",
)


@command(app, "data", "streamad inspect data flow.parquet", "streamad inspect data data/ --json")
def data_command(
    path: Annotated[str, typer.Argument(help="File, folder or pattern.")], as_json: Json = False
) -> None:
    """What a source over these files would see."""
    from streamad.config.plugins import load_plugin

    options, notes = load_plugin("streamad.guess", "files")(path)
    arguments = {key: value for key, value in options.items() if key != "type"}
    source = load_plugin("streamad.sources", options["type"])(**arguments)
    try:
        document = {
            "source": options,
            "channels": list(source.schema.channels),
            "rows": source.total_rows,
            "notes": list(notes),
        }
    finally:
        source.close()
    _print(document, as_json)


@command(
    app,
    "checkpoint",
    "streamad inspect checkpoint runs/first/state",
    "streamad inspect checkpoint runs/first/state --json",
)
def checkpoint_command(
    folder: Annotated[Path, typer.Argument(help="State folder.")], as_json: Json = False
) -> None:
    """Snapshots and whether they are intact.

    Exit code 3 if one is not.
    """
    from streamad.core.errors import ConfigError, StateError
    from streamad.runtime.checkpoints import list_checkpoints, read_checkpoint

    if not folder.is_dir():
        raise ConfigError(f"{folder} should be a state folder, but is not a folder")
    found = []
    for path, partition, offset, fingerprint in list_checkpoints(folder):
        try:
            read_checkpoint(path)
            sums = "ok"
        except StateError as error:
            sums = f"BAD: {error}"
        status = path.stat()
        written = datetime.fromtimestamp(status.st_mtime, UTC)
        found.append(
            {
                "partition": partition,
                "next_offset": offset,
                "written": f"{written:%Y-%m-%dT%H:%M:%SZ}",
                "bytes": status.st_size,
                "config": fingerprint,
                "sums": sums,
            }
        )
    if as_json:
        print_json(found)
    else:
        columns = ["partition", "next_offset", "written", "bytes", "config", "sums"]
        print_table(columns, [[str(row[column]) for column in columns] for row in found])
    if any(row["sums"] != "ok" for row in found):
        raise typer.Exit(CHECK_FAILED)


@command(
    app,
    "alerts",
    "streamad inspect alerts runs/first",
    "streamad inspect alerts runs/first --json | jq '.[].series'",
)
def alerts_command(
    run: Annotated[Path, typer.Argument(help="Run folder, or an alerts.jsonl.")],
    as_json: Json = False,
) -> None:
    """Episodes of a run, the latest event of each."""
    import json

    from streamad.core.errors import ConfigError, DecodeError

    path = run / "alerts.jsonl" if run.is_dir() else run
    if not path.exists():
        raise ConfigError(f"{path} does not exist: give a run folder or an alerts.jsonl")
    latest: dict[str, Any] = {}
    with path.open("rb") as file:
        for n, line in enumerate(file, 1):
            try:
                event = json.loads(line)
                latest[event["id"]] = event
            except (ValueError, KeyError, TypeError) as error:
                raise DecodeError(
                    f"{path}, line {n}: an alert event is expected, got {line[:40]!r}"
                ) from error
    if as_json:
        print_json(list(latest.values()))
        return
    for event in latest.values():
        end = event["end"] or "open"
        row = f"{event['start']}  {end:24}  {event['severity']:8}  {event['summary']}"
        members = ", ".join(
            f"{member['name']} {100 * member['share']:.0f} %"
            for member in event.get("members", [])[:_MAX_MEMBERS]
        )
        typer.echo(printable(f"{row}  (found by {members})" if members else row))


@command(app, "run", "streamad inspect run runs/first", "streamad inspect run runs/first --json")
def run_command(
    run: Annotated[Path, typer.Argument(help="Run folder.")], as_json: Json = False
) -> None:
    """Counts, speed and versions of a finished run."""
    import json

    from streamad.core.errors import ConfigError

    path = run / "metrics.json"
    if not path.exists():
        raise ConfigError(
            f"{run} holds an unfinished run: go on with the same backtest command"
            if (run / "state").exists()
            else f"{run} is not a run folder: it has no metrics.json"
        )
    _print(json.loads(path.read_text()), as_json)


def _print(document: dict[str, Any], as_json: bool) -> None:
    """JSON, or one line a key with nested keys below it."""
    if as_json:
        print_json(document)
        return
    for key, value in document.items():
        if isinstance(value, dict):
            typer.echo(printable(key))
            for below, entry in value.items():
                typer.echo(printable(f"  {below:14} {entry}"))
        elif isinstance(value, list):
            typer.echo(printable(f"{key:16} {', '.join(map(str, value))}"))
        else:
            typer.echo(printable(f"{key:16} {value}"))
