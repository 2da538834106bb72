"""``streamad inspect``: look into data, snapshots and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamad.cli.exits import CHECK_FAILED

app = typer.Typer(help="Look into data, snapshots and run folders.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@app.command("data", epilog="Example: streamad inspect data flow.parquet")
def data_command(path: str, as_json: Json = False) -> None:
    """What a source over this path would look like."""
    from streamad.config.plugins import load_plugin

    options, notes = load_plugin("streamad.guess", "files")(path)
    kind = options["type"]
    arguments = {key: value for key, value in options.items() if key != "type"}
    source = load_plugin("streamad.sources", kind)(**arguments)
    document = {
        "source": options,
        "channels": list(source.schema.channels),
        "rows": source.total_rows,
        "notes": list(notes),
    }
    source.close()
    _print(document, as_json)


@app.command("checkpoint", epilog="Example: streamad inspect checkpoint runs/first/state")
def checkpoint_command(folder: Path, as_json: Json = False) -> None:
    """Snapshots of a state folder and whether they are intact; exit code 3 if one is not."""
    from streamad.core.errors import ConfigError, StateError
    from streamad.runtime.checkpoints import list_checkpoints, read_checkpoint

    if not folder.is_dir():
        raise ConfigError(f"{folder} should be a state folder, but is not a folder")
    rows = []
    for path, partition, offset, fingerprint in list_checkpoints(folder):
        try:
            read_checkpoint(path)
            intact = "ok"
        except StateError as error:
            intact = f"BAD: {error}"
        rows.append(
            {
                "partition": partition,
                "next_offset": offset,
                "bytes": path.stat().st_size,
                "config": fingerprint,
                "sums": intact,
            }
        )
    _print(rows, as_json)
    if any(row["sums"] != "ok" for row in rows):
        raise typer.Exit(CHECK_FAILED)


@app.command("alerts", epilog="Example: streamad inspect alerts runs/first")
def alerts_command(run: Path, as_json: Json = False) -> None:
    """Episodes of a run, the latest event of each."""
    import orjson

    from streamad.core.errors import ConfigError

    path = run / "alerts.jsonl" if run.is_dir() else run
    if not path.exists():
        raise ConfigError(f"{path} does not exist: give a run folder or an alerts.jsonl")
    latest: dict[str, Any] = {}
    for line in path.read_bytes().splitlines():
        event = orjson.loads(line)
        latest[event["id"]] = event
    if as_json:
        _print(list(latest.values()), as_json)
        return
    for event in latest.values():
        end = event["end"] or "open"
        typer.echo(f"{event['start']}  {end:24}  {event['severity']:8}  {event['summary']}")


@app.command("run", epilog="Example: streamad inspect run runs/first")
def run_command(run: Path, as_json: Json = False) -> None:
    """Counts, speed and versions of a finished run."""
    import json

    from streamad.core.errors import ConfigError

    path = run / "metrics.json"
    if not path.exists():
        unfinished = (run / "state").exists()
        raise ConfigError(
            f"{run} holds an unfinished run: go on with the same backtest command"
            if unfinished
            else f"{run} is not a run folder: it has no metrics.json"
        )
    _print(json.loads(path.read_text()), as_json)


def _print(document: Any, as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(document, indent=2, default=str))
        return
    for row in document if isinstance(document, list) else [document]:
        for key, value in row.items():
            typer.echo(f"{key:12} {value}")
        if isinstance(document, list):
            typer.echo("")
