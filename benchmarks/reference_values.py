"""Our means beside those of the reference implementation, with the tolerance that is allowed.

The reference numbers are data, ``results/reference_accuracy.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import summary

PATH = Path(__file__).parent / "results" / "reference_accuracy.json"
PRESETS = {"default": "fusion", "small": "fusion small", "fast": "fusion fast"}
"""What results call each preset."""
OUTPUTS = ("final", "causal")
MEANS = {"files": "mean over files", "datasets": "mean of data set means"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One of our means and the reference number for it.

    Attributes
    ----------
    ours, reference : float
        VUS-PR.
    tolerance : float
        What ours may be lower.
    complete : bool
        False if ours is over other files than the reference: no verdict then.
    """

    ours: float
    reference: float
    tolerance: float
    complete: bool

    @property
    def difference(self) -> float:
        """Ours less the reference."""
        return self.ours - self.reference

    @property
    def below(self) -> bool:
        """True if ours is lower by more than the tolerance, and comparable."""
        return self.complete and round(self.difference + self.tolerance, 6) < 0


@dataclass(frozen=True, slots=True)
class Line:
    """A data set, or a mean over several.

    Attributes
    ----------
    title, dataset : str
        ``dataset`` is empty for a mean.
    files : int
        Rated files of ours.
    expected : int
        Files of the reference.
    chance : float or None
        Mean VUS-PR of random scores.
    pairs : dict of str to Pair
        By output; one that did not run is missing.
    """

    title: str
    dataset: str
    files: int
    expected: int
    chance: float | None
    pairs: dict[str, Pair]


def read() -> dict[str, Any]:
    """The reference numbers."""
    document: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return document


def compared(
    results: list[dict[str, Any]], preset: str, reference: Mapping[str, Any]
) -> list[Line]:
    """Every data set and mean of a preset that was run; empty if it was not.

    Parameters
    ----------
    results : list of dict
        Entries of the accuracy harness.
    preset : str
        One of ``PRESETS``.
    reference : mapping
        As :func:`read` gives it.
    """
    mine = [r for r in summary.rated(results) if r["detector"] == PRESETS[preset]]
    wide, narrow = reference["tolerance"], reference["tolerance_one_file"]
    lines: list[Line] = []
    for scope, means in reference["means"].items():
        part = [r for r in mine if summary.in_scope(r, scope) and r["dataset"] in _known(reference)]
        for dataset in summary.ordered(r["dataset"] for r in part):
            told = reference["datasets"][dataset]
            tolerance = narrow if told["files"] == 1 else wide
            chosen = [r for r in part if r["dataset"] == dataset]
            lines.append(_line(dataset, dataset, chosen, told, preset, tolerance, summary.mean))
        for kind, title in MEANS.items() if part else ():
            take = summary.mean if kind == "files" else summary.dataset_mean
            lines.append(_line(f"{scope}, {title}", "", part, means[kind], preset, wide, take))
    return lines


def _known(reference: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = reference["datasets"]
    return found


def _line(
    title: str,
    dataset: str,
    chosen: list[dict[str, Any]],
    told: Mapping[str, Any],
    preset: str,
    tolerance: float,
    take: Any,
) -> Line:
    files = len({(r["dataset"], r["name"]) for r in chosen})
    complete = files == told["files"]
    pairs: dict[str, Pair] = {}
    for output in OUTPUTS:
        ours = take([r for r in chosen if r["output"] == output], "vus_pr")
        if ours is not None:
            pairs[output] = Pair(ours, told[preset][output], tolerance, complete)
    return Line(title, dataset, files, told["files"], take(chosen, "random_vus_pr"), pairs)
