"""CSV files, folders and globs as a source."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv

from streamad.core.errors import ConfigError, DecodeError
from streamad_connectors.cells import kind_of_texts
from streamad_connectors.columns import Options, one_of_each
from streamad_connectors.csv_text import CheckedText, as_text, read_head
from streamad_connectors.feed import Feed
from streamad_connectors.file_source import FILE_OPTIONS, FileSource
from streamad_connectors.files import PinnedFile, find_files, stem_of
from streamad_connectors.finished import FinishedFiles
from streamad_connectors.growing_csv import GrowingCsv
from streamad_connectors.times import TimeUnit

SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
BLOCK_BYTES = 1 << 20
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)


class CsvSource(FileSource):
    """Rows of CSV files in the order of their times.

    Parameters
    ----------
    path : str
        A file, a folder (searched to any depth for ``.csv`` and ``.tsv``, also with ``.gz``), or a
        glob pattern. Folders named ``key=value`` give columns that can be the key.
    time : str or None
        Column with the time: ISO 8601, numbers, or text in ``time_format``. None = there is none
        and the row index counts seconds.
    key : str or None
        Column with the series of a row, or ``@file``: each file is a series, named by its stem.
        None = all rows are of one series.
    values : list of str or None
        Columns with numbers; None = all besides time and key in which most of the first cells are
        numbers.
    layout : {"channels", "series"}
        ``channels``: the value columns are channels of the row's series. ``series``: each value
        column is a series of its own, named by its column (``key/column`` with a key), with the one
        channel ``value``.
    series : str or None
        Name of the series where there is no key; None = stem of the file or name of the folder.
    time_unit : {"s", "ms", "us", "ns", "index"} or None
        Unit of a time column of numbers; ``index`` counts rows of one second. None = by magnitude.
    timezone : str or None
        Zone of times without one, as ``Europe/Berlin``; None = UTC. Of the hour that comes twice
        in autumn the first is meant.
    time_format : str or None
        ``strptime`` format of the time column; None = ISO 8601 or numbers.
    delimiter : str or None
        None = found out among comma, semicolon, tab and bar.
    header : bool
        False = there is no header line and columns are named ``c0``, ``c1`` and so on.
    decimal : {".", ","}
        Decimal mark.
    contract : dict or None
        What the values may be, by channel: ``range`` ([lowest, highest]) and ``unit``. A value
        outside is missing, and counted; with ``strict: true`` its row is refused.
    follow : bool
        Rows that come later are read as they come, for ``streamad run``: appended to files, or
        in new ones. Time and values must be named.
        There is no merge by time then, see :class:`.following.Following`.
    on_gap : {"resume", "stop"}
        What the engine does when rows of a file were gone before they were read.

    Raises
    ------
    ConfigError
        If a column is missing, has the wrong type or differs between files, or nothing is there.
    DecodeError
        If a file is empty or no text in UTF-8.

    Notes
    -----
    Files are read as a stream and unpacked if they are gzip; memory is a few megabytes a file that
    is open. A row with a text where a number should be is refused, with its line; a row with too
    few or too many cells is an error, because nobody knows what its cells are. Seek reads from the
    start of the file. Cost: about 250 ns a row with one channel.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = (
        *FILE_OPTIONS, "time_format", "delimiter", "header", "decimal",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        *,
        time: str | None = None,
        key: str | None = None,
        values: list[str] | None = None,
        layout: Literal["channels", "series"] = "channels",
        series: str | None = None,
        time_unit: TimeUnit | None = None,
        timezone: str | None = None,
        time_format: str | None = None,
        delimiter: str | None = None,
        header: bool = True,
        decimal: Literal[".", ","] = ".",
        contract: dict[str, Any] | None = None,
        follow: bool = False,
        on_gap: Literal["resume", "stop"] = "resume",  # noqa: ARG002  (for the engine)
    ) -> None:
        if decimal not in {".", ","}:
            raise ConfigError(f"decimal must be . or , but is {decimal!r}")
        options = Options(
            time, key, values, layout, series, time_unit, timezone, time_format, contract
        )
        self._csv_tables: list[CsvTable] = []
        feed: Feed
        if follow:
            feed = GrowingCsv(path, options, delimiter=delimiter, header=header, decimal=decimal)
        else:
            text = (time_format and time, key)
            self._csv_tables = [
                CsvTable(file, delimiter, header=header, decimal=decimal, text=text)
                for file in find_files(path, SUFFIXES)
            ]
            feed = FinishedFiles(self._csv_tables, options, stem_of(path), decimal)
        super().__init__(feed)

    @property
    def bytes_total(self) -> int:
        """Size of all files."""
        return sum(table.file.size for table in self._csv_tables)

    @property
    def bytes_done(self) -> int:
        """Bytes read so far, for progress."""
        return sum(table.bytes_done for table in self._csv_tables)


class CsvTable:
    """One CSV file as a :class:`.columns.Table`; every column is read as text.

    Its types are those that most of the first cells have.
    """

    def __init__(
        self,
        file: PinnedFile,
        delimiter: str | None,
        *,
        header: bool,
        decimal: str,
        text: Sequence[str | None],
    ) -> None:
        self.file = file
        self.bytes_done = 0
        self._header = header
        self._has_blank_lines = False
        head = read_head(file, delimiter, header=header)
        if decimal == head.delimiter == ",":
            raise ConfigError(
                f"{file.path}: comma is both delimiter and decimal mark: say which delimiter"
            )
        self.delimiter = head.delimiter
        self.n_rows = 0 if head.is_empty else None
        self._written = {name.strip(): name for name in head.names}
        one_of_each([name.strip() for name in head.names], file.path)
        columns = zip(*head.rows, strict=True) if head.rows else ((),) * len(head.names)
        self._head = {
            name: _texts(cells) for name, cells in zip(self._written, columns, strict=True)
        }
        self.types = {
            name: pa.string() if name in text else kind_of_texts(cells, decimal)
            for name, cells in self._head.items()
        }

    def head(self, column: str) -> pa.Array:
        """The first values of a column, as text."""
        return self._head[column]

    def bounds(self, column: str) -> None:  # noqa: ARG002
        """CSV does not say."""
        return

    def place(self, row: int) -> str:
        """File and line; file and row, counted from 0, where empty lines were seen."""
        if self._has_blank_lines:
            return f"{self.file.path}: row {row}"
        return f"{self.file.path}:{row + 1 + self._header}"

    def batches(
        self, columns: Sequence[str], row: int, n_rows: int
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows from a row on; those before it are parsed and dropped."""
        if self.n_rows == 0:
            return
        present = [name for name in columns if name in self.types]
        source = CheckedText(self.file)
        reader = None
        try:
            with self._ragged_rows(source):
                reader = self._open(source, present)
            while True:
                self.file.check()
                with self._ragged_rows(source):
                    batch = next(reader, None)
                if batch is None:
                    break
                self.bytes_done = max(self.bytes_done, source.bytes_done)
                self._has_blank_lines = source.has_blank_lines
                first, row = row, max(0, row - batch.num_rows)
                batch = batch.rename_columns(present)
                for start in range(first, batch.num_rows, n_rows):
                    yield batch.slice(start, n_rows)
            self.bytes_done = self.file.size
        finally:
            if reader is not None:
                reader.close()
            source.close()

    def _open(self, source: CheckedText, columns: Sequence[str]) -> pa_csv.CSVStreamingReader:
        written = [self._written[name] for name in columns]
        return pa_csv.open_csv(
            source,
            pa_csv.ReadOptions(
                use_threads=False,
                block_size=BLOCK_BYTES,
                column_names=None if self._header else list(self._written.values()),
            ),
            pa_csv.ParseOptions(delimiter=self.delimiter),
            as_text(written),
        )

    @contextmanager
    def _ragged_rows(self, source: CheckedText) -> Iterator[None]:
        """Map what Arrow raises while it cuts lines to cells."""
        try:
            yield
        except pa.ArrowInvalid as error:
            self._has_blank_lines = source.has_blank_lines
            found = _RAGGED.search(str(error))
            if found is None:
                why = " ".join(str(error).split())[:200]
                raise DecodeError(
                    f"{self.file.path} cannot be cut into cells ({why}): mend the file"
                ) from error
            number, expected, came, text = found.groups()
            place = self.place(int(number) - 1 - self._header)
            raise DecodeError(
                f"{place}: expected {expected} cells, got {came}: {text[:80]!r}; mend the line, or "
                f"say another delimiter than {self.delimiter!r}"
            ) from error


def _texts(cells: Sequence[str]) -> pa.Array:
    """Cells as text, null where there is none."""
    return pa.array([cell or None for cell in cells], pa.string())
