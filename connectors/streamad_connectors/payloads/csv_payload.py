"""CSV: one or more lines a record, their columns named by the configuration or by a first line."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from streamad.core.data import Ints
from streamad.core.errors import ConfigError
from streamad_connectors.cells import floats
from streamad_connectors.payloads.options import CsvFormat, Fields, show_path
from streamad_connectors.payloads.parsed import Parsed, Refused, Why, no_infinity, shorten
from streamad_connectors.payloads.times import TimeField

MAX_CELL = 4096
"""Characters of a cell that is used."""


class CsvParser:
    """Rows of CSV text.

    Parameters
    ----------
    options : CsvFormat
    fields : Fields
    time : TimeField or None

    Raises
    ------
    ConfigError
        If a path has more than one name, or ``columns`` does not have it.

    Notes
    -----
    A cell that is no number is missing; a row is refused where no cell is a number and one is text.
    A row of another length than the names is refused.
    """

    def __init__(self, options: CsvFormat, fields: Fields, time: TimeField | None) -> None:
        self._options = options
        self._time = time
        self._key = fields.key
        self._names = column_names(fields)
        self._values = self._names[-len(fields.values) :]
        self._header: tuple[list[str], list[int | None]] | None = None
        if options.columns is not None:
            self._header = options.columns, self._places(options.columns)
            missing = [n for n, at in zip(self._names, self._header[1], strict=True) if at is None]
            if missing:
                raise ConfigError(
                    f"format.columns has no {missing[0]!r}, which key, time or values need: it has "
                    f"{', '.join(options.columns)}"
                )

    def parse(self, payloads: Sequence[bytes]) -> Parsed:
        """Rows of these payloads."""
        record: list[int] = []
        rows: list[list[str]] = []
        faults: dict[int, Why] = {}
        failed: dict[int, Why] = {}
        blank = [""] * len(self._names)
        for i, payload in enumerate(payloads):
            try:
                names, places, lines = self._lines(payload)
            except Refused as refused:
                failed[i] = refused.why
                continue
            for cells in lines:
                if len(cells) == len(names):
                    rows.append(["" if at is None else cells[at] for at in places])
                else:
                    detail = f"{len(cells)} cells, expected the {len(names)} of the columns"
                    faults[len(rows)] = "decode", detail
                    rows.append(blank)
                record.append(i)
        columns = [[row[at] for row in rows] for at in range(len(self._names))]
        return self._parsed(np.array(record, np.int64), columns, faults, failed)

    def _parsed(
        self,
        record: Ints,
        columns: list[list[str]],
        faults: dict[int, Why],
        failed: dict[int, Why],
    ) -> Parsed:
        """Columns of text as numbers and times."""
        n = len(record)
        values = np.empty((n, len(self._values)))
        text = np.zeros((n, len(self._values)), np.bool_)
        cells = columns[-len(self._values) :]
        for channel, column in enumerate(cells):
            short = [cell if len(cell) <= MAX_CELL else "too long" for cell in column]
            numbers, bad = floats(pa.array(short, pa.string()), self._options.decimal)
            values[:, channel] = numbers
            if bad is not None:
                text[:, channel] = bad
        missing = np.isnan(values)
        invalid: Counter[str] = Counter()
        for row in np.flatnonzero(missing.all(axis=1) & text.any(axis=1)).tolist():
            at = int(np.argmax(text[row]))
            detail = f"no channel has a number: {self._values[at]!r} is {shorten(cells[at][row])}"
            faults.setdefault(row, ("type", detail))
        invalid["text"] = int(np.count_nonzero(text))
        invalid["missing"] = int(np.count_nonzero(missing & ~text))
        no_infinity(values, invalid)
        times = None
        if self._time is not None:
            at = 0 if self._key is None else 1
            short = [cell if len(cell) <= MAX_CELL else "too long" for cell in columns[at]]
            times, untimed = self._time.read_column(pa.array(short, pa.string()))
            for row, detail in untimed.items():
                faults.setdefault(row, ("time", detail))
        keys = None if self._key is None else columns[0]
        return Parsed(record, keys, times, values, faults, failed, +invalid)

    def _lines(self, payload: bytes) -> tuple[list[str], list[int | None], list[list[str]]]:
        """Names, places of the wanted columns, and cells of a record."""
        try:
            text = payload.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Refused("decode", f"no UTF-8: {error.reason} at byte {error.start}") from error
        lines = self._cells(text)
        if self._options.columns is None and lines:
            names = lines.pop(0)
            if self._header is None or self._header[0] != names:
                self._header = names, self._places(names)
        if self._header is None or not lines:
            raise Refused("decode", "no rows, expected lines of CSV")
        if len(lines) > self._options.max_rows:
            raise Refused("size", f"{len(lines)} rows, expected at most {self._options.max_rows}")
        names, places = self._header
        self._check(names, places)
        return names, places, lines

    def _cells(self, text: str) -> list[list[str]]:
        delimiter = self._options.delimiter
        if '"' not in text:
            lines = text.replace("\r\n", "\n").split("\n")
            return [line.split(delimiter) for line in lines if line]
        try:
            rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True)
            return [row for row in rows if row]
        except csv.Error as error:
            raise Refused("decode", f"no CSV: {error}") from error

    def _places(self, names: list[str]) -> list[int | None]:
        """Where the wanted columns are."""
        at = {name: i for i, name in enumerate(names)}
        return [at.get(name) for name in self._names]

    def _check(self, names: list[str], places: list[int | None]) -> None:
        """Raise Refused if what a row needs is in no column."""
        if len(set(names)) != len(names):
            raise Refused("decode", "a column is named twice")
        if all(at is None for at in places[-len(self._values) :]):
            raise Refused("type", f"no column is a channel, expected {', '.join(self._values)}")


def column_names(fields: Fields) -> list[str]:
    """Names of key, time (where they are in the payload) and channels.

    Raises
    ------
    ConfigError
        If a path leads into an object: a table has none.
    """
    paths = [path for path in (fields.key, fields.time, *fields.values) if path is not None]
    for path in paths:
        if len(path) != 1:
            raise ConfigError(
                f"format: {show_path(path)} should be the name of one column, a table has no "
                "objects within it"
            )
    return [path[0] for path in paths]
