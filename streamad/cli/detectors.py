"""``streamad detectors``: the catalogue."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from streamad.cli.console import print_json, print_table
from streamad.cli.help import command, group
from streamad.cli.options import Json

app = group(
    "List detectors and show their parameters.",
    "streamad detectors list",
    "streamad detectors show knn",
)


@command(app, "list", "streamad detectors list", "streamad detectors list --json | jq '.[].name'")
def list_command(as_json: Json = False) -> None:
    """All detectors with cost and state."""
    from streamad.detectors.registry import RIVER_PREFIX, detector_class, detector_names

    found = [_about(name, detector_class(name)) for name in detector_names()]
    if as_json:
        print_json(found)
        return
    rows = [
        [
            about["name"],
            about["kind"] or "-",
            "-" if about["cost_us"] is None else f"{about['cost_us']:g}",
            _size(about["state_bytes"]),
            "yes" if about["explains"] else "no",
            about["extra"] or "-",
            about["summary"],
        ]
        for about in found
    ]
    rows.append([f"{RIVER_PREFIX}<Class>", "river", "-", "-", "-", "-", "as river.anomaly.<Class>"])
    print_table(["name", "kind", "µs/row", "state/key", "explains", "extra", "finds strange"], rows)


@command(app, "show", "streamad detectors show knn", "streamad detectors show ewma --json")
def show_command(
    name: Annotated[str, typer.Argument(help="As `streamad detectors list` prints it.")],
    as_json: Json = False,
) -> None:
    """One detector and its parameters."""
    import inspect

    from streamad.detectors.registry import RIVER_PREFIX, detector_class, make_detector

    river = name.startswith(RIVER_PREFIX)
    cls = type(make_detector(name)) if river else detector_class(name)
    about = _about(name, cls)
    if as_json:
        print_json(about)
        return
    typer.echo(f"{name}: {about['summary']}")
    if about["cost_us"] is not None:
        typer.echo(
            f"{about['cost_us']:g} µs per row, {_size(about['state_bytes'])} of state per series "
            "(one channel, defaults)"
        )
    typer.echo(f"\n{inspect.cleandoc(cls.__doc__ or '')}")
    shown = ", ".join(f"{key}={value!r}" for key, value in about["params"].items())
    typer.echo(f"\nDefaults: {shown}")


def _about(name: str, cls: type[Any]) -> dict[str, Any]:
    """What the catalogue says about a detector, as JSON types; None = it does not say."""
    import inspect

    from streamad.detectors.registry import parameters

    info = getattr(cls, "info", None)
    params = {
        key: "(required)" if default is inspect.Parameter.empty else default
        for key, default in parameters(cls).items()
    }
    measure = None if "(required)" in params.values() else getattr(cls(), "state_bytes", None)
    return {
        "name": name,
        "kind": getattr(info, "kind", None),
        "summary": getattr(info, "summary", (cls.__doc__ or "").partition("\n")[0]),
        "cost_us": getattr(info, "cost_us", None),
        "state_bytes": measure(1) if measure else None,
        "explains": getattr(info, "explains", False),
        "extra": getattr(info, "extra", None),
        "params": params,
    }


def _size(n_bytes: int | None) -> str:
    return "-" if n_bytes is None else f"{n_bytes / 1000:.1f} kB"
