"""Record batches of one file as pieces: codes, times, values, faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from streamad.core.data import Codes, Flags, Floats, Ints, Schema
from streamad.core.errors import DecodeError
from streamad_connectors.cells import cell, floats, row_of
from streamad_connectors.columns import Layout, Table
from streamad_connectors.names import Names
from streamad_connectors.pieces import Fault, Piece
from streamad_connectors.times import SECOND_NS

BLOCK = 2048
"""Rows that are transposed at once: small enough to stay in the cache."""


class RowReader:
    """Turns the record batches of one file into pieces.

    Parameters
    ----------
    layout : Layout
    names : Schema or Names
        Series are appended as they come.
    table : Table
    name : str or None
        Series of the file where there is no key column.
    decimal : str
        Decimal mark of numbers that come as text.
    invalid : Counter
        Takes the values that count as missing: infinite ones (``inf``), and those that the
        contract does not allow (``range``).
    """

    def __init__(
        self,
        layout: Layout,
        names: Schema | Names,
        table: Table,
        name: str | None,
        decimal: str,
        invalid: Counter[str],
    ) -> None:
        self._layout = layout
        self._names = names
        self._table = table
        self._decimal = decimal
        self._name = name
        self._invalid = invalid

    @property
    def n_channels(self) -> int:
        """Channels of a piece."""
        return len(self._layout.channels)

    def piece(self, batch: pa.RecordBatch, row: int) -> Piece:
        """Rows of a batch that begins at this row of the file.

        Raises
        ------
        DecodeError
            If a key is not UTF-8.
        """
        columns = {name: batch.column(i) for i, name in enumerate(batch.schema.names)}
        n, width = batch.num_rows, self._layout.width
        why: dict[int, tuple[str, str]] = {}
        times = self._times(columns, row, n, why)
        try:
            codes = self._codes(columns, row, n, why)
        except UnicodeDecodeError as error:
            raise DecodeError(
                f"{self._table.place(row)}: key {self._layout.key!r} is not UTF-8 ({error.reason}) "
                f"within {n} rows from here: convert the file"
            ) from error
        values = self._values(columns, row, n, why)
        faults = {
            at: Fault(reason, detail, row_of(batch, at))
            for at, (reason, detail) in sorted(why.items())
        }
        if self._layout.spread:
            times, values = np.repeat(times, width), values.reshape(-1, 1)
            faults = {at * width + i: fault for at, fault in faults.items() for i in range(width)}
        if self._layout.contract is not None:
            for at, (reason, detail) in self._layout.contract.check(values, self._invalid).items():
                told = f"{self._table.place(row + at // width)}: {detail}"
                faults.setdefault(at, Fault(reason, told, row_of(batch, at // width)))
        return Piece(codes, times, values, faults)

    def _times(
        self, columns: Mapping[str, pa.Array], row: int, n: int, why: dict[int, tuple[str, str]]
    ) -> Ints:
        time = self._layout.time
        if time is None:
            return np.arange(row, row + n, dtype=np.int64) * SECOND_NS
        column = columns[time.name]
        times, bad = time.read(column)
        for at in _positions(bad):
            why[at] = "time", f"{self._table.place(row + at)}: {time.explain(column, at)}"
        return times

    def _codes(
        self, columns: Mapping[str, pa.Array], row: int, n: int, why: dict[int, tuple[str, str]]
    ) -> Codes:
        """Codes of the rows, one for each value column where those are series."""
        key, width = self._layout.key, self._layout.width
        if key is not None:
            codes, missing = self._key_codes(columns[key], row)
            what = f"key {key!r} is missing"
        elif self._name is not None:
            return np.tile(self._series([self._name]), n)
        else:
            codes, missing = np.zeros((n, width), np.int32), np.ones(n, np.bool_)
            what = "the key is missing in the names of the folders"
        for at in _positions(missing):
            detail = f"{self._table.place(row + at)}: {what}, expected the series of the row"
            why.setdefault(at, ("key", detail))
        return codes.ravel()

    def _key_codes(self, column: pa.Array, row: int) -> tuple[Codes, Flags | None]:
        """Codes (n, width), and where the key is missing (None = nowhere)."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        names = column.dictionary.to_pylist()
        known = [i for i, name in enumerate(names) if name is not None]
        at = column.indices.cast(pa.int32()).fill_null(len(names)).to_numpy()
        if len(at) and not 0 <= at.min() <= at.max() <= len(names):
            raise DecodeError(
                f"{self._table.place(row)}: key {self._layout.key!r} is damaged within "
                f"{len(at)} rows from here: write or copy the file again"
            )
        codes = np.zeros((len(names) + 1, self._layout.width), np.int32)
        codes[known] = self._series([names[i] for i in known]).reshape(len(known), -1)
        if len(known) == len(names) and column.null_count == 0:
            return codes[at], None
        return codes[at], ~np.isin(at, known)

    def _series(self, keys: Sequence[object]) -> Codes:
        """Codes of the series of these keys, those of one key together."""
        if not self._layout.spread:
            return self._names.codes([str(key) for key in keys])
        return self._names.codes(
            [f"{key}/{name}" if key != "" else name for key in keys for name in self._layout.values]
        )

    def _values(
        self, columns: Mapping[str, pa.Array], row: int, n: int, why: dict[int, tuple[str, str]]
    ) -> Floats:
        names = self._layout.values
        found: list[Floats | None] = []
        for name in names:
            column = columns.get(name)
            if column is None or pa.types.is_null(column.type):
                found.append(None)
                continue
            numbers, bad = floats(column, self._decimal)
            found.append(numbers)
            for at in _positions(bad):
                detail = f"{name!r} should be a number, got {cell(column, at)!r}"
                why.setdefault(at, ("type", f"{self._table.place(row + at)}: {detail}"))
        out = np.empty((n, len(names)))
        for start in range(0, n, BLOCK):
            block = out[start : start + BLOCK]
            for i, channel in enumerate(found):
                block[:, i] = np.nan if channel is None else channel[start : start + BLOCK]
            infinite = np.isinf(block)
            if infinite.any():
                self._invalid["inf"] += int(np.count_nonzero(infinite))
                block[infinite] = np.nan
        return out


def _positions(flags: Flags | None) -> list[int]:
    return [] if flags is None else np.flatnonzero(flags).tolist()
