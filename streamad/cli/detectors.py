"""``streamad detectors``: the catalogue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(help="List detectors and show their parameters.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@app.command("list", epilog="Example: streamad detectors list --json")
def list_command(as_json: Json = False) -> None:
    """All installed detectors with cost, state and what they offer."""
    from streamad.detectors.registry import detector_names

    rows = [_about(name) for name in detector_names()]
    if as_json:
        _print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("name", "kind", "µs/row", "state/key", "explains", "extra", "finds"):
        table.add_column(column, no_wrap=column != "finds")
    for row in rows:
        table.add_row(
            row["name"],
            row["kind"],
            f"{row['cost_us']:g}",
            f"{row['state_bytes'] / 1000:.1f} kB",
            "yes" if row["explains"] else "no",
            row["extra"] or "-",
            row["summary"],
        )
    Console().print(table)
    typer.echo(
        "river:<Class> takes any anomaly detector of river, for instance river:HalfSpaceTrees"
    )


@app.command("show", epilog="Example: streamad detectors show knn")
def show_command(name: str, as_json: Json = False) -> None:
    """One detector: what it does, its parameters and their defaults."""
    import inspect

    from streamad.detectors.registry import detector_class, parameters

    cls = detector_class(name)
    if as_json:
        _print_json({**_about(name), "params": parameters(cls)})
        return
    about = _about(name)
    typer.echo(f"{name}: {about['summary']}")
    typer.echo(
        f"{about['cost_us']:g} µs per row and {about['state_bytes'] / 1000:.1f} kB per series at "
        "one channel\n"
    )
    typer.echo(inspect.cleandoc(cls.__doc__ or ""))
    typer.echo("\nDefaults: " + ", ".join(f"{k}={v!r}" for k, v in parameters(cls).items()))


def _about(name: str) -> dict[str, Any]:
    from streamad.detectors.registry import detector_class

    cls = detector_class(name)
    info = cls.info
    return {
        "name": name,
        "kind": info.kind,
        "summary": info.summary,
        "cost_us": info.cost_us,
        "state_bytes": cls().state_bytes(1),
        "explains": info.explains,
        "extra": info.extra,
    }


def _print_json(document: Any) -> None:
    import json

    typer.echo(json.dumps(document, indent=2, default=str))
