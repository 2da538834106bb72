"""A folder of labelled series: one Parquet file a series, and ``manifest.json`` that lists them.

A Parquet file holds ``timestamp``, one column a channel, and ``label`` (0 or 1). The manifest is
``{"entries": [{"name", "path", "dataset", "rows", "dims", "columns", "split_index", ...}]}``;
``split_index`` is the length of the training prefix in rows.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.errors import ConfigError

MANIFEST = "manifest.json"
BOARD = re.compile(r"leaderboard_(?P<name>.+)_per_dataset\.csv")
COUNT = re.compile(r"\s*\(n=(\d+)\)\s*$")


@dataclass(frozen=True, slots=True)
class Entry:
    """One series of a folder.

    Attributes
    ----------
    name, dataset : str
    path : str
        Of the Parquet file, relative to the folder.
    columns : tuple of str
        The channels, in order.
    split_index : int
        Rows of the training prefix.
    rows : int
    """

    name: str
    dataset: str
    path: str
    columns: tuple[str, ...]
    split_index: int
    rows: int


@dataclass(frozen=True, slots=True)
class Published:
    """Published mean VUS-PR of a data set.

    Attributes
    ----------
    source : str
        Where the values come from, and on how many files they were taken if that is known.
    values : dict of str to float
        By algorithm.
    """

    source: str
    values: dict[str, float]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises
    ------
    ConfigError
        If there is none, or it is not one.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{folder} should hold a {MANIFEST}: {error.strerror}; benchmarks/datasets.py writes "
            "one from downloaded data"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} should be JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("entries"), list):
        raise ConfigError(f'{path} should be an object with a list "entries"')
    return document


def entries(manifest: Mapping[str, Any]) -> list[Entry]:
    """The series of a manifest, in its order.

    Raises
    ------
    ConfigError
        If an entry lacks a field, or two have one data set and name.
    """
    found: dict[tuple[str, str], Entry] = {}
    for number, raw in enumerate(manifest["entries"]):
        try:
            entry = Entry(
                raw["name"],
                raw["dataset"],
                raw["path"],
                tuple(raw["columns"]),
                int(raw["split_index"] or 0),
                int(raw["rows"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"entry {number} of the manifest needs name, dataset, path, columns, split_index "
                f"and rows: {error!r}"
            ) from error
        if (entry.dataset, entry.name) in found:
            raise ConfigError(f"the manifest lists {entry.dataset} {entry.name} twice")
        found[entry.dataset, entry.name] = entry
    return list(found.values())


def select(found: list[Entry], pattern: str, max_rows: int | None = None) -> list[Entry]:
    """Entries whose name, ``dataset/name`` or path matches the pattern, of at most so many rows."""
    return [
        entry
        for entry in found
        if any(
            fnmatch.fnmatchcase(text, pattern)
            for text in (entry.name, f"{entry.dataset}/{entry.name}", entry.path)
        )
        and (max_rows is None or entry.rows <= max_rows)
    ]


def load(folder: Path, entry: Entry) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values (n, C), NaN = missing, and labels (n,) of a series.

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks a column, or has another number of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(folder / entry.path, columns=[*entry.columns, "label"])
        values = np.stack(
            [table[column].to_numpy().astype(np.float64) for column in entry.columns], axis=1
        )
        labels = table["label"].to_numpy() != 0
    except (OSError, KeyError, ValueError, pa.ArrowInvalid) as error:
        raise ConfigError(
            f"{entry.path} should be a Parquet file with the manifest's columns and label: {error}"
        ) from error
    if len(values) != entry.rows:
        raise ConfigError(
            f"{entry.path} has {len(values)} rows, its manifest says {entry.rows}: convert it again"
        )
    return values, labels


def published(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Published]:
    """Published VUS-PR by data set of the manifest.

    Notes
    -----
    Read from ``published_vus_pr`` of the entries (algorithm to value; averaged over the files of a
    data set), else from ``published_vus_pr`` of the manifest (data set to algorithm to value),
    else from ``leaderboards/leaderboard_<benchmark>_per_dataset.csv``. A data set ``X`` takes the
    board's column ``X`` if it has no ``<benchmark>/X`` of its own; the board's files are then
    other files of the same collection.
    """
    found = _boards(folder / "leaderboards", manifest)
    for dataset, values in (manifest.get("published_vus_pr") or {}).items():
        found[dataset] = Published("the manifest", dict(values))
    given: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for raw in manifest["entries"]:
        for algorithm, value in (raw.get("published_vus_pr") or {}).items():
            given[raw["dataset"]][algorithm].append(float(value))
    for dataset, algorithms in given.items():
        means = {name: float(np.mean(values)) for name, values in algorithms.items()}
        found[dataset] = Published("the manifest, file by file", means)
    return found


def _boards(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Published]:
    kinds = {raw["dataset"]: "M" if int(raw["dims"]) > 1 else "U" for raw in manifest["entries"]}
    found: dict[str, Published] = {}
    for path in sorted(folder.glob("leaderboard_*_per_dataset.csv")):
        match = BOARD.fullmatch(path.name)
        if match is None:
            continue
        benchmark = match["name"]
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        for column in [name for name in (rows[0] if rows else ()) if name != "algorithm"]:
            plain = COUNT.sub("", column)
            count = COUNT.search(column)
            source = f"{benchmark} evaluation set" + (f", {count[1]} files" if count else "")
            values = {row["algorithm"]: float(row[column]) for row in rows if row[column]}
            for dataset, kind in kinds.items():
                exact = dataset == f"{benchmark}/{plain}"
                if exact or (dataset == plain and benchmark.endswith(f"-{kind}")):
                    found[dataset] = Published(source, values)
    return found


def write_text(path: Path, text: str) -> None:
    """Replace a file as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
