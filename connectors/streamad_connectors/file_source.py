"""The verbs of a source over finished files; formats differ in their :class:`.columns.Table`."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from streamad.core.data import Batch, Reject, Schema
from streamad.core.errors import ConfigError
from streamad.core.protocols import Assigned, CommitResult, SourceEvent
from streamad_connectors.columns import Options, Table, make_layout
from streamad_connectors.merge import Stream, merge
from streamad_connectors.pieces import NO_ROWS, Piece
from streamad_connectors.rows import RowReader
from streamad_connectors.times import END_NS, SECOND_NS

log = logging.getLogger(__name__)

PARTITION = "files"
MAX_REJECTS = 65_536
"""Refused rows that wait for :meth:`FileSource.rejects` before poll goes on."""

PIECE_ROWS = 65_536
PIECE_CELLS = 1 << 20
MERGE_CELLS = 1 << 22
"""Numbers in hand: of a single file, and of all files that are merged."""


@dataclass(slots=True)
class _Group:
    """Files that overlap in time, by index; no other file does."""

    tables: list[int]
    starts: list[int]
    end_ns: int | None
    n_rows: int | None


class FileSource:
    """Rows of finished files in the order of their times, as one partition.

    Parameters
    ----------
    tables : sequence of Table
        In the order that decides between rows of the same time.
    options : Options
    default_series : str
        Name of the series where there is neither a key nor a name.
    decimal : str
        Decimal mark of numbers that come as text.

    Raises
    ------
    ConfigError
        If the columns do not fit.

    Notes
    -----
    The offset of a row is its index in the merged order; refused rows have one too. Files that do
    not overlap in time are read one after the other and skipped as a whole by seek; within a
    single file seek skips row groups. Only files that overlap are merged, see
    :func:`.merge.merge`. Thread rule: one thread at a time.
    """

    def __init__(
        self, tables: Sequence[Table], options: Options, default_series: str, decimal: str = "."
    ) -> None:
        self._tables = tuple(tables)
        self._layout = make_layout(options, tables, default_series)
        self._schema = Schema(self._layout.channels)
        names = self._layout.names or (None,) * len(tables)
        self._readers = [
            RowReader(self._layout, self._schema, table, name, decimal)
            for table, name in zip(tables, names, strict=True)
        ]
        wanted = [self._layout.time.name] if self._layout.time else []
        wanted += [self._layout.key] if self._layout.key else []
        self._columns = (*wanted, *self._layout.values)
        self._groups = self._make_groups()
        self._total_rows: int | None = 0
        for group in self._groups:
            self._total_rows = _sum(self._total_rows, group.n_rows)
        self._announced = self._paused = self._closed = False
        self._rejects: list[Reject] = []
        self._pieces: Generator[Piece, None, None] | None = None
        self._goto(0)

    @property
    def schema(self) -> Schema:
        """Channels and series of every batch; series are appended while reading."""
        return self._schema

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, size and time of change of every file."""
        files = [table.file for table in self._tables]
        return {"files": [[Path(f.path).name, f.size, f.mtime_ns] for f in files]}

    @property
    def total_rows(self) -> int | None:
        """Rows of all files, refused ones included; None where the format does not say."""
        return self._total_rows

    @property
    def n_infinite(self) -> int:
        """Infinite values read so far; they count as missing."""
        return sum(reader.n_infinite for reader in self._readers)

    def events(self) -> Sequence[SourceEvent]:
        """The one partition, at the first call."""
        if self._announced:
            return []
        self._announced = True
        return [Assigned((PARTITION,))]

    def poll(self, timeout_s: float, max_rows: int) -> Sequence[Batch]:  # noqa: ARG002
        """At most one batch: the rows asked for, or fewer where a piece of the file ends.

        Raises
        ------
        DecodeError
            If a file is damaged; the message names the place.
        ConnectorError
            If a file was changed or cannot be read.
        """
        if self._paused or self._closed or max_rows < 1:
            return []
        if not self._pass_refused():
            return []
        first = self._next
        part = self._advance(min(max_rows, len(self._piece) - self._row))
        good = part.accepted()
        self._pass_refused()
        if good is None and self._next == first + len(part):
            return [Batch(self._schema, part.codes, part.times, part.values, PARTITION, self._next)]
        rows = slice(None) if good is None else good
        offsets = np.arange(first, first + len(part))[rows]
        return [
            Batch(
                self._schema,
                part.codes[rows],
                part.times[rows],
                part.values[rows],
                PARTITION,
                self._next,
                offsets,
            )
        ]

    def rejects(self) -> Sequence[Reject]:
        """Rows refused since the last call."""
        found, self._rejects = self._rejects, []
        return found

    def seek(self, partition: str, offset: int) -> None:
        """Go on reading at this offset.

        Raises
        ------
        ConfigError
            If there is no such partition or offset.
        """
        if partition != PARTITION or offset < 0:
            raise ConfigError(
                f"files are one partition {PARTITION!r} with offsets from 0, got {partition!r} "
                f"and {offset}"
            )
        self._goto(offset)

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:  # noqa: ARG002
        """Files keep no position."""
        return CommitResult.OK

    def pause(self, partitions: Iterable[str]) -> None:
        """Stop polling."""
        self._paused = self._paused or PARTITION in set(partitions)

    def resume(self, partitions: Iterable[str]) -> None:
        """Poll again."""
        self._paused = self._paused and PARTITION not in set(partitions)

    def lag(self) -> Mapping[str, int | None]:
        """Rows not yet polled; None where the format does not say."""
        total = self.total_rows
        return {PARTITION: None if total is None else max(0, total - self._next)}

    def exhausted(self) -> bool:
        """True when all rows were polled."""
        return self._ended

    def close(self) -> None:
        """Close the files."""
        if self.n_infinite and not self._closed:
            log.warning("%s infinite values counted as missing", self.n_infinite)
        self._closed = True
        self._stop_reading()

    def _goto(self, offset: int) -> None:
        self._stop_reading()
        self._rejects = []
        self._next = offset
        self._piece = NO_ROWS
        self._row = 0
        self._ended = False

    def _stop_reading(self) -> None:
        if self._pieces is not None:
            self._pieces.close()
            self._pieces = None

    def _pass_refused(self) -> bool:
        """Move on to the next row that is accepted; False at the end, or if too many are refused.

        So the position behind a batch covers the refused rows that follow it.
        """
        while not self._ended and len(self._rejects) < MAX_REJECTS:
            if self._row == len(self._piece):
                piece = self._next_piece()
                self._ended = piece is None
                self._piece, self._row = piece or NO_ROWS, 0
                continue
            stop = self._row
            while stop in self._piece.faults:
                stop += 1
            if stop == self._row:
                return True
            self._advance(stop - self._row)
        return False

    def _next_piece(self) -> Piece | None:
        """The next rows; after an error the next call reads them again."""
        if self._pieces is None:
            self._pieces = self._read_from(self._next)
        try:
            return next(self._pieces, None)
        except Exception:
            self._stop_reading()
            raise

    def _advance(self, n_rows: int) -> Piece:
        """The next rows of the piece in hand; those refused are remembered."""
        part = self._piece.cut(self._row, self._row + n_rows)
        self._rejects += [
            Reject(PARTITION, self._next + at, fault.reason, fault.detail, fault.row)
            for at, fault in part.faults.items()
        ]
        self._row += n_rows
        self._next += n_rows
        return part

    def _read_from(self, offset: int) -> Generator[Piece, None, None]:
        """All pieces from an offset on."""
        left = offset
        for group in self._groups:
            if group.n_rows is not None and left >= group.n_rows:
                left -= group.n_rows
                continue
            piece_rows = self._piece_rows(len(group.tables))
            if len(group.tables) == 1:
                row, left = divmod(left, self._layout.width)
                pieces = self._read(group.tables[0], piece_rows, row)
            else:
                streams = [
                    Stream(start, partial(self._read, index, piece_rows))
                    for index, start in zip(group.tables, group.starts, strict=True)
                ]
                pieces = merge(streams, piece_rows * self._layout.width)
            try:
                for piece in pieces:
                    if left < len(piece):
                        yield piece.cut(left, len(piece)) if left else piece
                    left = max(0, left - len(piece))
            finally:
                pieces.close()

    def _read(self, index: int, piece_rows: int, row: int) -> Generator[Piece, None, None]:
        """Pieces of one file from a row on."""
        batches = self._tables[index].batches(self._columns, row, piece_rows)
        try:
            for batch in batches:
                yield self._readers[index].piece(batch, row)
                row += batch.num_rows
        finally:
            batches.close()

    def _piece_rows(self, n_files: int) -> int:
        width = len(self._layout.values) + 2
        cells = PIECE_CELLS if n_files == 1 else MERGE_CELLS // n_files
        return max(64, min(PIECE_ROWS, cells // width))

    def _make_groups(self) -> list[_Group]:
        """Files by the times that they cover."""
        spans = []
        for index, table in enumerate(self._tables):
            if table.n_rows != 0:
                start, end = self._span(table)
                spans.append((start, index, end))
        groups: list[_Group] = []
        for start, index, end in sorted(spans, key=lambda span: span[:2]):
            n = self._tables[index].n_rows
            rows = None if n is None else n * self._layout.width
            if groups and _overlaps(groups[-1], start, index):
                group = groups[-1]
                group.tables.append(index)
                group.starts.append(start)
                group.end_ns = _latest(group.end_ns, end)
                group.n_rows = _sum(group.n_rows, rows)
            else:
                groups.append(_Group([index], [start], end, rows))
        for group in groups:
            order = sorted(range(len(group.tables)), key=group.tables.__getitem__)
            group.tables, group.starts = (
                [found[i] for i in order] for found in (group.tables, group.starts)
            )
        return groups

    def _span(self, table: Table) -> tuple[int, int | None]:
        """Where the times of a file begin and end; None = unknown."""
        time = self._layout.time
        if time is None:
            return 0, None if table.n_rows is None else (table.n_rows - 1) * SECOND_NS
        bounds = table.bounds(time.name)
        if bounds is not None:
            times, bad = time.read(bounds)
            start, end = times.tolist()
            low, high = (False, False) if bad is None else bad.tolist()
            return (time.first_ns if low else start), (END_NS if high else end)
        times, bad = time.read(table.head(time.name))
        good = times if bad is None else times[~bad]
        return int(good.min()) if len(good) else time.first_ns, None


def _overlaps(group: _Group, start: int, index: int) -> bool:
    if group.end_ns is None or start < group.end_ns:
        return True
    return start == group.end_ns and index < max(group.tables)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _latest(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
