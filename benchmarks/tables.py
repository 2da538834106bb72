"""Accuracy results as tables on a terminal."""

from __future__ import annotations

from typing import Any

import reference_values
import summary
from rich.console import Console
from rich.table import Table


def show(document: dict[str, Any], console: Console) -> None:
    """Mean VUS-PR by data set, beside the reference, and inserted into published rankings."""
    by_dataset(document["series"], console)
    beside_reference(document, console)
    boards(document, console)


def by_dataset(results: list[dict[str, Any]], console: Console) -> None:
    """Final and causal VUS-PR of every detector."""
    finals, causals = (summary.by_dataset(results, form) for form in ("final", "causal"))
    detectors = summary.ordered(result["detector"] for result in results)
    table = _table("VUS-PR by data set, final / causal (mean over files)")
    for column in ("data set", "files", "positive", "chance", *detectors):
        table.add_column(column, justify="left" if column == "data set" else "right")
    for dataset, row in finals.items():
        files = [r for r in summary.rated(results) if r["dataset"] == dataset]
        table.add_row(
            dataset,
            str(len({r["name"] for r in files})),
            f"{summary.mean(files, 'positive_share') or 0:.3f}",
            text(summary.mean(files, "random_vus_pr")),
            *(f"{text(row.get(n))} / {text(causals[dataset].get(n))}" for n in detectors),
        )
    console.print(table)


def beside_reference(document: dict[str, Any], console: Console) -> None:
    """Each preset of the fusion beside the reference implementation; red = too low."""
    reference = reference_values.read()
    for preset, label in reference_values.PRESETS.items():
        lines = reference_values.compared(document["series"], preset, reference)
        if not lines:
            continue
        table = _table(f"{label}: ours / reference implementation, difference; ! = too low")
        for column in ("data set", "files", "chance", "published", "final", "causal"):
            table.add_column(column, justify="left" if column == "data set" else "right")
        for line in lines:
            best = best_published(document["environment"]["published"], line.dataset)
            table.add_row(
                line.title,
                f"{line.files} of {line.expected}",
                text(line.chance),
                best,
                *(_pair(line.pairs.get(output)) for output in reference_values.OUTPUTS),
            )
        console.print(table)


def boards(document: dict[str, Any], console: Console) -> None:
    """The published ranking of each data set with ours inserted."""
    finals = summary.by_dataset(document["series"], "final")
    for dataset, found in document["environment"]["published"].items():
        ours = {
            f"{name} (final)": value
            for name, value in finals.get(dataset, {}).items()
            if value is not None and name != "random"
        }
        if not ours:
            continue
        board = _table(f"{dataset}: published on the {found['source']}, ours inserted")
        for column in ("rank", "algorithm", "VUS-PR"):
            board.add_column(column)
        for rank, name, value, mine in summary.ranking(found["vus_pr"], ours):
            board.add_row(str(rank), name, f"{value:.3f}", style="bold" if mine else None)
        console.print(board)


def best_published(published: dict[str, Any], dataset: str) -> str:
    """The highest published value of a data set and whose it is, or a dash."""
    values = published.get(dataset, {}).get("vus_pr", {})
    if not values:
        return "-"
    name = max(values, key=values.__getitem__)
    return f"{values[name]:.3f} {name}"


def text(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def _pair(pair: reference_values.Pair | None) -> str:
    if pair is None:
        return "-"
    shown = f"{pair.ours:.3f} / {pair.reference:.3f} {pair.difference:+.3f}"
    return f"[red]{shown} ![/red]" if pair.below else f"{shown}  "


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left")
