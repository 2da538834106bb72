"""One Parquet file as a table."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamad.core.errors import ConnectorError, DecodeError
from streamad_connectors.cells import is_text
from streamad_connectors.columns import one_of_each
from streamad_connectors.files import PinnedFile

SUFFIXES = (".parquet", ".pq")
HEAD_ROWS = 4096
READ_BYTES = 1 << 16
"""Read from a column at once, so that a row group of any size takes little memory."""

DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)
"""What Arrow raises on files that are damaged."""


class ParquetTable:
    """One Parquet file as a :class:`.columns.Table`; open only while it is read."""

    def __init__(self, file: PinnedFile, time: str | None, key: str | None) -> None:
        self.file = file
        self._dictionary: list[str] = []
        with self._open() as opened:
            schema = self._schema(opened)
            one_of_each(schema.names, file.path)
            metadata = opened.metadata
            self.types = dict(zip(schema.names, schema.types, strict=True))
            self._dictionary = [n for n, kind in self.types.items() if n == key and is_text(kind)]
            self._group_rows = [
                metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)
            ]
            self._bounds = _bounds(metadata, schema, time) if time in self.types else None

    @property
    def n_rows(self) -> int:
        """Rows of the file."""
        return sum(self._group_rows)

    def head(self, column: str) -> pa.Array:
        """The first values of a column."""
        batches = self.batches([column], 0, HEAD_ROWS)
        first = next(batches, None)
        batches.close()
        if first is None:
            return pa.nulls(0, self.types[column])
        values = first.column(0)
        return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values

    def bounds(self, column: str) -> pa.Array | None:  # noqa: ARG002
        """Smallest and largest time, where the statistics of all row groups are there."""
        return self._bounds

    def place(self, row: int) -> str:
        """File, row group and row, counted from 0."""
        group, first = 0, 0
        while group < len(self._group_rows) - 1 and row >= first + self._group_rows[group]:
            first += self._group_rows[group]
            group += 1
        return f"{self.file.path}: row {row} (row group {group})"

    def batches(
        self, columns: Sequence[str], row: int, n_rows: int
    ) -> Generator[pa.RecordBatch, None, None]:
        """Rows from a row on; row groups before it are not read."""
        present = [name for name in columns if name in self.types]
        opened = self._open()
        try:
            for first, last, skip in self._runs(row, n_rows):
                groups = _read(opened, range(first, last + 1), present, n_rows)
                while True:
                    self.file.check()
                    try:
                        batch = next(groups, None)
                    except DAMAGE as error:
                        group = self._damaged(opened, range(first, last + 1), present)
                        raise _unreadable(self.file, f"row group {group}", error) from error
                    if batch is None:
                        break
                    kept = batch.slice(min(skip, batch.num_rows))
                    skip -= batch.num_rows - kept.num_rows
                    if kept.num_rows:
                        yield kept
        finally:
            opened.close()

    def _open(self) -> pq.ParquetFile:
        self.file.check()
        try:
            return pq.ParquetFile(
                self.file.path,
                read_dictionary=self._dictionary,
                buffer_size=READ_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
            )
        except DAMAGE as error:
            raise _unreadable(self.file, "its footer", error) from error

    def _schema(self, opened: pq.ParquetFile) -> pa.Schema:
        try:
            return opened.schema_arrow
        except DAMAGE as error:
            raise _unreadable(self.file, "its schema", error) from error

    def _damaged(self, opened: pq.ParquetFile, groups: range, columns: Sequence[str]) -> int:
        """Which of several row groups cannot be read."""
        for group in groups[:-1]:
            try:
                for _ in _read(opened, [group], columns, HEAD_ROWS):
                    pass
            except DAMAGE:
                return group
        return groups[-1]

    def _runs(self, row: int, n_rows: int) -> Generator[tuple[int, int, int], None, None]:
        """Row groups to read together: first, last, rows to skip; small ones are joined."""
        first = 0
        while first < len(self._group_rows) and row >= self._group_rows[first]:
            row -= self._group_rows[first]
            first += 1
        while first < len(self._group_rows):
            last, n = first, self._group_rows[first]
            while last + 1 < len(self._group_rows) and n < n_rows:
                last += 1
                n += self._group_rows[last]
            yield first, last, row
            first, row = last + 1, 0


def _read(
    opened: pq.ParquetFile, groups: Sequence[int], columns: Sequence[str], n_rows: int
) -> Iterator[pa.RecordBatch]:
    """Record batches of some row groups, on this thread."""
    batches: Iterator[pa.RecordBatch] = opened.iter_batches(
        n_rows, row_groups=groups, columns=columns, use_threads=False
    )
    return batches


def _unreadable(file: PinnedFile, where: str, error: Exception) -> ConnectorError:
    """What Arrow raises on a damaged file, in one line that names the place."""
    if file.size == 0:
        return DecodeError(
            f"{file.path} is empty (0 bytes), expected a Parquet file: was it written to the end?"
        )
    if isinstance(error, PermissionError):
        return ConnectorError(f"{file.path} cannot be read: {error.strerror}")
    why = " ".join(str(error).split())[:200]
    return DecodeError(
        f"{file.path}: {where} cannot be read ({why}): the file is damaged or no Parquet, write or "
        "copy it again"
    )


def _bounds(metadata: Any, schema: pa.Schema, time: str | None) -> pa.Array | None:
    """Smallest and largest time over all row groups, as the column's type; None = not known."""
    kind = schema.field(time).type
    indices = [i for i in range(metadata.num_columns) if metadata.schema.column(i).path == time]
    signed = pa.types.is_timestamp(kind) or pa.types.is_signed_integer(kind)
    if not signed or len(indices) != 1:
        return None
    column = metadata.schema.column(indices[0])
    if pa.types.is_timestamp(kind):
        unit = json.loads(column.logical_type.to_json()).get("timeUnit")
        kind = {
            "milliseconds": pa.timestamp("ms", kind.tz),
            "microseconds": pa.timestamp("us", kind.tz),
            "nanoseconds": pa.timestamp("ns", kind.tz),
        }.get(unit)
    found: list[int] = []
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(indices[0])
        statistics = chunk.statistics
        if chunk.num_values == 0 or (
            statistics is not None and statistics.null_count == chunk.num_values
        ):
            continue
        if kind is None or statistics is None or not statistics.has_min_max:
            return None
        found += [statistics.min_raw, statistics.max_raw]
    if not found:
        return None
    return pa.array([min(found), max(found)], pa.int64()).cast(kind)
