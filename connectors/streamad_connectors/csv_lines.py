"""Complete lines of a CSV file as pieces; a line that cannot be cut to cells is refused alone."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from streamad_connectors.cells import kind_of_texts
from streamad_connectors.columns import Options
from streamad_connectors.csv_text import as_text
from streamad_connectors.files import PinnedFile, stem_of
from streamad_connectors.ledger import Tracked
from streamad_connectors.pieces import NO_ROWS, Fault, Piece, join
from streamad_connectors.rows import RowReader

HEAD_LINES = 200
SHOWN_BYTES = 400
"""Of a refused line, in its dead letter."""


class CsvLines:
    """Cuts lines of one file.

    Parameters
    ----------
    path : str
        For messages.
    delimiter : str
    names : sequence of str
        All columns, as the file has them.
    columns : sequence of str
        Those to keep; a subset of the names without spaces around them.
    """

    def __init__(
        self, path: str, delimiter: str, names: Sequence[str], columns: Sequence[str]
    ) -> None:
        written = {name.strip(): name for name in names}
        self._path = path
        self._names = list(names)
        self._columns = [name for name in columns if name in written]
        self._parse = pa_csv.ParseOptions(delimiter=delimiter)
        self._convert = as_text([written[name] for name in self._columns])

    def first_cells(self, data: bytes) -> pa.RecordBatch | None:
        """The first lines that are whole, as columns of text; None if there are none."""
        lines = _lines(data)[:HEAD_LINES]
        whole = self._cells(lines) if lines else None
        if whole is not None:
            return whole
        good = [cells for line in lines if (cells := self._cells([line])) is not None]
        return pa.Table.from_batches(good).combine_chunks().to_batches()[0] if good else None

    def piece(self, data: bytes, row: int, reader: RowReader, width: int) -> tuple[Piece, int]:
        """Rows of complete lines, and how many lines they were.

        Parameters
        ----------
        data : bytes
        row : int
            Of the file, at which the lines begin.
        reader : RowReader
        width : int
            Rows that come of one line.
        """
        lines = _lines(data)
        parts = self._pieces(lines, row, reader, width)
        return (join(parts) if parts else NO_ROWS), len(lines)

    def _pieces(self, lines: list[bytes], row: int, reader: RowReader, width: int) -> list[Piece]:
        """Halves the lines around each bad one, so k of them in n cost about k log n parses."""
        if not lines:
            return []
        batch = self._cells(lines)
        if batch is not None:
            return [reader.piece(batch, row)]
        if len(lines) == 1:
            return [self._refused(lines[0], row, reader, width)]
        half = len(lines) // 2
        return [
            *self._pieces(lines[:half], row, reader, width),
            *self._pieces(lines[half:], row + half, reader, width),
        ]

    def _cells(self, lines: list[bytes]) -> pa.RecordBatch | None:
        data = b"\n".join(lines) + b"\n"
        try:
            data.decode()
            if b"\0" in data:
                return None
            table = pa_csv.read_csv(
                pa.BufferReader(data),
                pa_csv.ReadOptions(
                    use_threads=False, block_size=len(data) + 1, column_names=self._names
                ),
                self._parse,
                self._convert,
            )
        except (UnicodeDecodeError, pa.ArrowInvalid):
            return None
        if table.num_rows != len(lines):
            return None
        (batch,) = table.combine_chunks().to_batches()
        return batch.rename_columns(self._columns)

    def _refused(self, line: bytes, row: int, reader: RowReader, width: int) -> Piece:
        n_cells = len(self._names)
        detail = f"{self._path}: row {row} should be a line of UTF-8 text with {n_cells} cells"
        fault = Fault("cells", detail, {"line": line[:SHOWN_BYTES].decode(errors="replace")})
        return Piece(
            np.zeros(width, np.int32),
            np.zeros(width, np.int64),
            np.full((width, reader.n_channels), np.nan),
            dict.fromkeys(range(width), fault),
        )


class NamedColumns:
    """What a file says about its columns, as a :class:`.columns.Table` without rows."""

    n_rows = None

    def __init__(self, file: Tracked, names: Sequence[str], options: Options, decimal: str) -> None:
        stem = stem_of(file.origin)
        self.file = PinnedFile(file.origin, stem, file.size, 0, file.inode, file.partitions)
        self.types: dict[str, pa.DataType] = {
            name.strip(): pa.float64() if name.strip() in (options.values or ()) else pa.string()
            for name in names
        }
        self._options = options
        self._decimal = decimal
        self._time = pa.nulls(0, pa.string())

    @property
    def has_seen(self) -> bool:
        """True once times were shown."""
        return bool(self._time.null_count < len(self._time))

    def see(self, cells: pa.RecordBatch | None) -> None:
        """Show it the first rows, if there are any."""
        name = str(self._options.time)
        if cells is None or name not in cells.schema.names:
            return
        self._time = cells.column(cells.schema.get_field_index(name))
        if self._options.time_format is None:
            self.types[name] = kind_of_texts(self._time, self._decimal)

    def head(self, column: str) -> pa.Array:
        """The first times."""
        return self._time if column == self._options.time else pa.nulls(0, pa.string())

    def bounds(self, column: str) -> None:  # noqa: ARG002
        """It does not say."""
        return

    def batches(
        self,
        columns: Sequence[str],  # noqa: ARG002
        row: int,  # noqa: ARG002
        n_rows: int,  # noqa: ARG002
    ) -> Generator[pa.RecordBatch, None, None]:
        """None: lines are cut elsewhere."""
        yield from ()

    def place(self, row: int) -> str:
        """File and row, counted from 0."""
        return f"{self.file.path}: row {row}"


def _lines(data: bytes) -> list[bytes]:
    """Lines that are not empty, without their ends."""
    return [line for raw in data.split(b"\n") if (line := raw.removesuffix(b"\r"))]
