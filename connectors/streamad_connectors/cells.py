"""Cells of Arrow columns as numbers, and as text for messages."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streamad.core.data import Flags, Floats

MISSING = pa.array(["", "na", "n/a", "#n/a", "<na>", "nan", "null", "none"])
"""Texts that stand for a missing number, in lower case."""


def is_text(kind: pa.DataType) -> bool:
    """True for strings of any layout."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_number(kind: pa.DataType) -> bool:
    """True for integers, floating point and decimals."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def lenient_cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """A column in another type, null where a cell cannot be converted.

    Notes
    -----
    Halves the column around each bad cell, so k of them in n rows cost about k log n casts.
    """
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        if len(column) == 1:
            return pa.nulls(1, kind)
    half = len(column) // 2
    return pa.concat_arrays([lenient_cast(column[:half], kind), lenient_cast(column[half:], kind)])


def kind_of_texts(cells: pa.Array, decimal: str) -> pa.DataType:
    """Type of most cells: numbers, text, or null where all are missing."""
    numbers, bad = parse_numbers(cells, pa.float64(), decimal)
    n_numbers = len(cells) - numbers.null_count
    n_texts = 0 if bad is None else int(bad.sum())
    if n_numbers == n_texts == 0:
        return pa.null()
    return pa.float64() if n_numbers > n_texts else pa.string()


def parse_numbers(
    column: pa.Array, kind: pa.DataType, decimal: str = "."
) -> tuple[pa.Array, Flags | None]:
    """Text as numbers.

    Parameters
    ----------
    column : string array
    kind : DataType
        The number type to make.
    decimal : str
        The decimal mark, ``.`` or ``,``.

    Returns
    -------
    array of ``kind``
        Null where a cell is missing or is no number.
    bool (n,) or None
        True where there is a text that is no number; None = nowhere.
    """
    if decimal == ",":
        column = pc.replace_substring(column, ",", ".")
    try:
        return column.cast(kind), None
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(column)
    missing = pc.is_in(pc.utf8_lower(text), MISSING)
    text = pc.if_else(missing, None, text)
    found = lenient_cast(text, kind)
    if found.null_count == text.null_count:
        return found, None
    return found, pc.and_(found.is_null(), text.is_valid()).to_numpy(zero_copy_only=False)


def floats(column: pa.Array, decimal: str = ".") -> tuple[Floats, Flags | None]:
    """A column as float64 with NaN for null, and where a text is no number (None = nowhere).

    The array may be a read-only view of the column.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    bad = None
    if is_text(column.type):
        column, bad = parse_numbers(column, pa.float64(), decimal)
    elif column.type != pa.float64():
        column = column.cast(pa.float64(), safe=False)
    return column.to_numpy(zero_copy_only=False), bad


def cell(column: pa.Array, row: int) -> Any:
    """One cell as a JSON type."""
    scalar = column[row]
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError):
        value = getattr(scalar, "value", "unreadable")
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, bytes)):
        return str(value)
    return value


def row_of(batch: pa.RecordBatch, row: int) -> dict[str, Any]:
    """One row as JSON types, by column name."""
    names = batch.schema.names
    return {name: cell(batch.column(i), row) for i, name in enumerate(names)}
