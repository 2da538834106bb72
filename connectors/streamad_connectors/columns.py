"""Which columns are time, key and values, settled over all files before the first row is read."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import pyarrow as pa

from streamad.core.errors import ConfigError
from streamad_connectors.cells import is_number, is_text
from streamad_connectors.contract import ChannelContract
from streamad_connectors.files import PinnedFile
from streamad_connectors.times import Family, TimeColumn, TimeUnit, family_of, make_time_column

log = logging.getLogger(__name__)

FILE_KEY = "@file"


class Table(Protocol):
    """One file as a table, whatever its format."""

    @property
    def file(self) -> PinnedFile:
        """The file."""
        ...

    @property
    def types(self) -> Mapping[str, pa.DataType]:
        """Its columns."""
        ...

    @property
    def n_rows(self) -> int | None:
        """Its rows, where the file says."""
        ...

    def head(self, column: str) -> pa.Array:
        """The first values of a column."""
        ...

    def bounds(self, column: str) -> pa.Array | None:
        """Smallest and largest value of a column, where the file says."""
        ...

    def batches(
        self, columns: Sequence[str], row: int, n_rows: int
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows from a row on, at most ``n_rows`` a batch, none empty."""
        ...

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """What the user said about columns; see :class:`.parquet_file.ParquetSource`."""

    time: str | None
    key: str | None
    values: Sequence[str] | None
    layout: Literal["channels", "series"]
    series: str | None
    time_unit: TimeUnit | None
    timezone: str | None
    time_format: str | None = None
    contract: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What becomes of the columns.

    Attributes
    ----------
    time : TimeColumn or None
        None = the row index in seconds.
    key : str or None
        Column with the series of a row.
    values : tuple of str
        Columns with numbers.
    spread : bool
        True where each value column is a series of its own.
    names : tuple of (str or None)
        Series of each file, where there is no key column; None = it is missing. Where spread,
        series are named ``name/column``, or ``column`` if the name is empty.
    contract : ChannelContract or None
        What the values may be.
    """

    time: TimeColumn | None
    key: str | None
    values: tuple[str, ...]
    spread: bool
    names: tuple[str | None, ...]
    contract: ChannelContract | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        """Channel names of the batches."""
        return ("value",) if self.spread else self.values

    @property
    def width(self) -> int:
        """Rows that come of one row of a file."""
        return len(self.values) if self.spread else 1


def make_layout(options: Options, tables: Sequence[Table], default: str) -> Layout:
    """Settle the columns.

    Parameters
    ----------
    options : Options
    tables : sequence of Table
    default : str
        Name of the series where there is neither a key nor ``series``.

    Raises
    ------
    ConfigError
        If a column is missing, has the wrong type, or differs between files.
    """
    if options.layout not in {"channels", "series"}:
        raise ConfigError(f"layout must be channels or series, got {options.layout!r}")
    time = _time_column(options, tables)
    key, names = _key(options, tables, default)
    values = _values(options, tables, {options.time, options.key})
    _warn_missing(values, tables)
    layout = Layout(time, key, values, options.layout == "series", names)
    if options.contract is None:
        return layout
    return replace(layout, contract=ChannelContract(layout.channels, options.contract))


def missing_column(what: str, name: str, table: Table) -> ConfigError:
    """The error for a column that a file does not have."""
    near = difflib.get_close_matches(name, table.types, 3, 0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return ConfigError(
        f"{table.file.path} has no {what} column {name!r}: {hint}it has {_listing(table.types)}"
    )


def one_of_each(names: Sequence[str], path: str) -> None:
    """Raise ConfigError if a column name occurs twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"{path} has several columns named {' and '.join(map(repr, twice))}: rename all but one"
        )


def _listing(names: Collection[str]) -> str:
    shown = ", ".join(map(repr, list(names)[:12]))
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _time_column(options: Options, tables: Sequence[Table]) -> TimeColumn | None:
    if options.time is None:
        if len(tables) > 1 and options.key != FILE_KEY:
            raise ConfigError(
                f"{len(tables)} files without a time column have no order: name the time column, "
                f"or say key={FILE_KEY!r} if each file is a series of its own"
            )
        return None
    first: tuple[Family, Table] | None = None
    for table in tables:
        if options.time not in table.types:
            raise missing_column("time", options.time, table)
        kind = table.types[options.time]
        if table.n_rows == 0 or pa.types.is_null(kind):
            continue
        head = table.head(options.time) if is_text(kind) else pa.nulls(0)
        family = family_of(kind, head)
        if family is None:
            raise ConfigError(
                f"{table.file.path}: the time column {options.time!r} holds {kind}, expected "
                "timestamps, dates, numbers or text"
            )
        first = first or (family, table)
        if family == first[0]:
            continue
        numbers = "number" in {family, first[0]}
        text = is_text(kind) or is_text(first[1].types[options.time])
        if options.timezone is None or numbers or text:
            raise ConfigError(
                f"the time column {options.time!r} holds {_WORDS[first[0]]} in "
                f"{first[1].file.path} but {_WORDS[family]} in {table.file.path}: write both alike"
                + ("" if numbers or text else ", or say timezone for the naive ones")
            )
    family, table = first or ("naive", tables[0])
    column = make_time_column(
        options.time,
        family,
        table.head(options.time),
        unit=options.time_unit,
        timezone=options.timezone,
        time_format=options.time_format,
    )
    for table in tables:
        if is_text(table.types[options.time]):
            column.check(table.head(options.time), table.file.path)
    return column


_WORDS = {
    "aware": "times with a zone (aware)",
    "naive": "times without a zone (naive)",
    "number": "numbers",
}


def _key(
    options: Options, tables: Sequence[Table], default: str
) -> tuple[str | None, tuple[str | None, ...]]:
    if options.key is None:
        name = options.series or ("" if options.layout == "series" else default)
        return None, (name,) * len(tables)
    if options.key == FILE_KEY:
        return None, tuple(table.file.stem for table in tables)
    if all(options.key in table.file.partitions for table in tables):
        return None, tuple(table.file.partitions[options.key] for table in tables)
    for table in tables:
        if options.key not in table.types:
            raise missing_column("key", options.key, table)
        kind = table.types[options.key]
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)):
            raise ConfigError(
                f"{table.file.path}: the key column {options.key!r} holds {kind}, expected text "
                "or integers"
            )
    return options.key, ()


def _values(options: Options, tables: Sequence[Table], taken: set[str | None]) -> tuple[str, ...]:
    if options.values is not None:
        names = list(options.values)
        one_of_each(names, "values")
        for name in names:
            if name in taken:
                raise ConfigError(f"{name!r} cannot be a value column: it is time or key already")
            if not any(name in table.types for table in tables):
                raise missing_column("value", name, tables[0])
    else:
        columns = {name: None for table in tables for name in table.types if name not in taken}
        names = [n for n in columns if any(_holds_numbers(t.types.get(n)) for t in tables)]
        if not names:
            names = [n for n in columns if n and all(_is_empty(t.types.get(n)) for t in tables)]
    if not names:
        raise ConfigError(
            f"{tables[0].file.path} has no numeric column besides time and key: it has "
            f"{_listing(tables[0].types)}; name the value columns"
        )
    for name in names:
        for table in tables:
            kind = table.types.get(name)
            if not (_holds_numbers(kind) or _is_empty(kind) or pa.types.is_boolean(kind)):
                raise ConfigError(
                    f"{table.file.path}: the value column {name!r} holds {kind}, expected numbers; "
                    "leave it out of values or convert it"
                )
    return tuple(names)


def _holds_numbers(kind: pa.DataType | None) -> bool:
    if kind is not None and pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind is not None and is_number(kind)


def _is_empty(kind: pa.DataType | None) -> bool:
    return kind is None or bool(pa.types.is_null(kind))


def _warn_missing(values: Sequence[str], tables: Sequence[Table]) -> None:
    for name in values:
        without = [table.file.path for table in tables if name not in table.types]
        if without:
            log.warning(
                "channel %s is missing in %s of %s files (first: %s): its values there are missing",
                name,
                len(without),
                len(tables),
                without[0],
            )
