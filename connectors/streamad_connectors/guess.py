"""What the columns of files are, guessed, so that a first run needs no configuration."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamad.core.data import Ints
from streamad_connectors.cells import floats, is_number, is_text
from streamad_connectors.columns import FILE_KEY, Table, missing_column
from streamad_connectors.csv_file import SUFFIXES as CSV_SUFFIXES
from streamad_connectors.csv_file import CsvTable
from streamad_connectors.files import PinnedFile, find_files
from streamad_connectors.parquet_table import SUFFIXES as PARQUET_SUFFIXES
from streamad_connectors.parquet_table import ParquetTable
from streamad_connectors.times import TimeColumn, family_of, likely_units, make_time_column

LOOKED_AT = 20
"""Files that are looked into."""

TAIL_BYTES = 1 << 16

FORMATS = (
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
)

_TIME_NAME = re.compile(r"time|date|epoch|^(ts|ds|t|index|step)$", re.IGNORECASE)
_INDEX_NAME = re.compile(r"(time|timestamp|date|datetime|ts|ds|t|index|step)$", re.IGNORECASE)
_KEY_NAME = re.compile(
    r"^(id|key|series|name|sensor|device|asset|machine|host|unit|station|turbine|pump|item|tag|"
    r"metric|entity)(_?(id|name|key|no|nr))?$|_id$|^id_",
    re.IGNORECASE,
)
_LABEL_NAME = re.compile(
    r"^(is_?)?(labels?|anomal(y|ies)|class|target|outlier|attack)$", re.IGNORECASE
)


def guess(
    path: str,
    *,
    time: str | None = None,
    key: str | None = None,
    values: list[str] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Options of a source that would read these files.

    Parameters
    ----------
    path : str
        A file, a folder or a glob pattern.
    time, key, values
        What is known already.

    Returns
    -------
    dict
        ``type`` (``parquet`` or ``csv``) and the arguments of that source.
    list of str
        One line for each guess and for each column that was left out, and why. Columns named like
        labels are left out: they hold the answer.

    Raises
    ------
    ConfigError
        If there is nothing to read, or a given column is missing.
    DecodeError
        If a file cannot be read.

    Notes
    -----
    Looks at the first rows of at most 20 files.
    """
    files = find_files(path, PARQUET_SUFFIXES + CSV_SUFFIXES)
    kind = "parquet" if any(map(_is_parquet, files)) else "csv"
    alike = [file for file in files if _is_parquet(file) == (kind == "parquet")]
    found = _Guess({"type": kind, "path": path})
    if len(alike) < len(files):
        found.notes.append(f"ignored: {len(files) - len(alike)} files that are no Parquet")
    tables = _tables(alike[:LOOKED_AT], found)
    first = tables[0]
    for name in (time, key, *(values or ())):
        if name is not None and name != FILE_KEY and name not in first.types:
            if name in first.file.partitions:
                continue
            raise missing_column("wanted", name, first)
    column = _guess_time(first, time, found)
    _guess_key(tables, column, key, found, n_files=len(alike))
    _guess_values(tables, values, found)
    return found.options, found.notes


@dataclass(slots=True)
class _Guess:
    """Options so far, and why."""

    options: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    def settle(self, option: str, value: Any, why: str) -> None:
        """Fix an option."""
        if value is not None:
            self.options[option] = value
        self.notes.append(f"{option}: {why}")


def _is_parquet(file: PinnedFile) -> bool:
    if file.path.lower().endswith(PARQUET_SUFFIXES):
        return True
    with open(file.path, "rb") as opened:
        return opened.read(4) == b"PAR1"


def _tables(files: Sequence[PinnedFile], found: _Guess) -> Sequence[Table]:
    if found.options["type"] == "parquet":
        return [ParquetTable(file, None, None) for file in files]
    first = CsvTable(files[0], None, header=True, decimal=".", text=())
    header = not any(_is_value(name) for name in first.types)
    decimal = "," if first.delimiter != "," and _has_commas(first) else "."
    found.options.update(delimiter=first.delimiter, header=header, decimal=decimal)
    return [
        CsvTable(file, first.delimiter, header=header, decimal=decimal, text=()) for file in files
    ]


def _is_value(name: str) -> bool:
    """True for a header cell that is a number or a time."""
    return bool(re.fullmatch(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?|\d{4}-\d\d-\d\d.*", name.strip()))


def _has_commas(table: CsvTable) -> bool:
    """True if some column holds numbers with a decimal comma."""
    for name, kind in table.types.items():
        texts = table.head(name).drop_null()
        if is_text(kind) and len(texts):
            share = pc.mean(
                pc.match_substring_regex(texts, r"^\s*-?\d+,\d+\s*$").cast(pa.float64())
            )
            if share.as_py() > 0.5:
                return True
    return False


def _guess_time(table: Table, given: str | None, found: _Guess) -> TimeColumn | None:
    """The time column and how to read it."""
    names = [given] if given is not None else list(table.types)
    best: tuple[int, TimeColumn, str | None] | None = None
    for name in names:
        rated = _rate_time(table, name, found)
        if rated is not None and (best is None or rated[0] > best[0]):
            best = rated
    if best is None:
        found.settle(
            "time",
            given,
            "no column found, rows are one second apart" if given is None else "as given",
        )
        return None
    _, column, time_format = best
    found.settle("time", column.name, f"{column.name!r} holds {table.types[column.name]}")
    if column.family == "number":
        unit = column.unit if likely_units(_median(table.head(column.name))) else "index"
        found.settle("time_unit", unit, "by magnitude" if unit != "index" else "small numbers")
    if time_format is not None:
        found.settle("time_format", time_format, "fits all of the first rows")
    return column


def _rate_time(table: Table, name: str, found: _Guess) -> tuple[int, TimeColumn, str | None] | None:
    """How well a column serves as time, and how to read it; None = not at all."""
    kind, head = table.types[name], table.head(name)
    family = family_of(kind, head)
    if family is None or head.null_count == len(head):
        return None
    named = bool(_TIME_NAME.search(name))
    if family == "number":
        middle = _median(head)
        if middle < 0:
            return None
        column = make_time_column(name, family, head, unit=None, timezone=None)
        steady = _rises(column.read(head)[0])
        if likely_units(middle) and (named or steady):
            return 3 + named, column, None
        first = name == next(iter(table.types))
        if _is_whole(head) and (_INDEX_NAME.match(name) or (steady and (named or first))):
            return 1 + steady, column, None
        return None
    if not is_text(kind):
        return 5 + named, make_time_column(name, family, head, unit=None, timezone=None), None
    for time_format in (None, *(FORMATS if found.options["type"] == "csv" else ())):
        column = make_time_column(
            name, family, head, unit=None, timezone=None, time_format=time_format
        )
        if _fits(column, head):
            return 5 + named, column, time_format
    return None


def _fits(column: TimeColumn, head: pa.Array) -> bool:
    _, bad = column.read(head.drop_null())
    return bad is None or float(bad.mean()) < 0.1


def _guess_key(
    tables: Sequence[Table],
    time: TimeColumn | None,
    given: str | None,
    found: _Guess,
    n_files: int,
) -> None:
    """The column with the series, or whether each file is one."""
    if given is not None:
        found.settle("key", given, "as given")
        return
    table = tables[0]
    times = None if time is None else time.read(table.head(time.name))[0]
    long = times is not None and not _rises(times)
    overlap = n_files > 1 and (time is None or _files_overlap(tables, time))
    best: tuple[tuple[bool, int], str] | None = None
    for name, texts in _categories(tables, time).items():
        n_distinct = len(pc.unique(texts))
        folder = name in table.file.partitions
        named = overlap if folder else bool(_KEY_NAME.search(name))
        if (named or (long and not folder)) and n_distinct <= max(1, len(texts) // 2):
            rank = (named, n_distinct), name
            best = rank if best is None or rank[0] > best[0] else best
    if best is not None:
        found.settle("key", best[1], f"{best[1]!r} repeats, {best[0][1]} values in the first rows")
    elif n_files > 1 and len({frozenset(table.types) for table in tables}) > 1:
        found.settle(
            "key", FILE_KEY, f"the columns of the {n_files} files differ, each is a series"
        )
    elif overlap:
        found.settle("key", FILE_KEY, f"the times of the {n_files} files overlap, each is a series")
    elif n_files > 1:
        found.notes.append(f"key: none, the {n_files} files follow each other in time")


def _categories(tables: Sequence[Table], time: TimeColumn | None) -> dict[str, pa.Array]:
    """First values of the columns that may tell series apart."""
    found: dict[str, pa.Array] = {}
    for name in tables[0].file.partitions:
        folders = [table.file.partitions.get(name) for table in tables for _ in range(2)]
        if len(set(folders)) > 1:
            found[name] = pa.array(folders, pa.string())
    for name, kind in tables[0].types.items():
        inner = kind.value_type if pa.types.is_dictionary(kind) else kind
        if (time is not None and name == time.name) or _LABEL_NAME.match(name):
            continue
        head = tables[0].head(name).drop_null()
        numbered = is_number(inner) and _KEY_NAME.search(name) and _is_whole(head)
        if len(head) and (is_text(inner) or numbered):
            found[name] = head
    return found


def _files_overlap(tables: Sequence[Table], time: TimeColumn) -> bool:
    spans = sorted(filter(None, (_span(table, time) for table in tables)))
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def _span(table: Table, time: TimeColumn) -> tuple[int, int] | None:
    """First and last time of a file, as far as they can be had without reading it."""
    if time.name not in table.types:
        return None
    bounds = None
    if isinstance(table, ParquetTable):
        bounds = ParquetTable(table.file, time.name, None).bounds(time.name)
    if bounds is None:
        head = table.head(time.name).drop_null()
        last = _last_cell(table, time.name) if isinstance(table, CsvTable) else None
        bounds = (
            pa.concat_arrays([head, pa.array([last or head[-1].as_py()], head.type)])
            if len(head)
            else head
        )
    times, bad = time.read(bounds)
    good = times if bad is None else times[~bad]
    return (int(good.min()), int(good.max())) if len(good) else None


def _last_cell(table: CsvTable, column: str) -> str | None:
    """A cell of the last line of a file that is not packed."""
    if table.file.path.endswith(".gz"):
        return None
    with open(table.file.path, "rb") as file:
        file.seek(max(0, table.file.size - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    rows = list(csv.reader(lines[-1:], delimiter=table.delimiter))
    at = list(table.types).index(column)
    return rows[0][at] if rows and len(rows[0]) == len(table.types) else None


def _guess_values(tables: Sequence[Table], given: list[str] | None, found: _Guess) -> None:
    """The columns with numbers; what is left out is named."""
    if given is not None:
        found.settle("values", list(given), "as given")
        return
    types: Mapping[str, pa.DataType] = {
        name: kind for table in reversed(tables) for name, kind in table.types.items()
    }
    taken = {found.options.get("time"), found.options.get("key")}
    values = []
    for name, kind in types.items():
        if name in taken:
            continue
        if _LABEL_NAME.match(name):
            found.notes.append(f"ignored: {name!r} looks like a label, which holds the answer")
        elif is_number(kind):
            values.append(name)
        else:
            found.notes.append(f"ignored: {name!r} holds {kind}, no numbers")
    found.settle("values", values, f"{len(values)} columns with numbers")


def _numbers(head: pa.Array) -> Any:
    return floats(head.drop_null())[0]


def _median(head: pa.Array) -> float:
    """Median of the numbers; -1 where there is none."""
    numbers = _numbers(head)
    known = numbers[np.isfinite(numbers)]
    return float(np.median(known)) if len(known) else -1.0


def _is_whole(head: pa.Array) -> bool:
    numbers = _numbers(head)
    return bool(np.all(numbers == np.floor(numbers)))


def _rises(times: Ints) -> bool:
    return bool(np.all(np.diff(times) > 0))
