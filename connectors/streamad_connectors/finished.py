"""Finished files in the order of their times; formats differ in their :class:`.columns.Table`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from streamad.core.data import Schema
from streamad_connectors.columns import Options, Table, make_layout
from streamad_connectors.feed import Found
from streamad_connectors.merge import Stream, merge
from streamad_connectors.pieces import Piece
from streamad_connectors.rows import RowReader
from streamad_connectors.times import END_NS, SECOND_NS

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


class FinishedFiles:
    """Rows of finished files in the order of their times, as a :class:`.feed.Feed`.

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
    not overlap in time are read one after the other and skipped as a whole; within a single file
    row groups are. Only files that overlap are merged, see :func:`.merge.merge`.
    """

    def __init__(
        self, tables: Sequence[Table], options: Options, default_series: str, decimal: str = "."
    ) -> None:
        self._tables = tuple(tables)
        self._layout = make_layout(options, tables, default_series)
        self.schema = Schema(self._layout.channels)
        self.invalid: Counter[str] = Counter()
        names = self._layout.names or (None,) * len(tables)
        self._readers = [
            RowReader(self._layout, self.schema, table, name, decimal, self.invalid)
            for table, name in zip(tables, names, strict=True)
        ]
        wanted = [self._layout.time.name] if self._layout.time else []
        wanted += [self._layout.key] if self._layout.key else []
        self._columns = (*wanted, *self._layout.values)
        self._groups = self._make_groups()
        self.total_rows: int | None = 0
        for group in self._groups:
            self.total_rows = _sum(self.total_rows, group.n_rows)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name, size and time of change of every file."""
        files = [table.file for table in self._tables]
        return {"files": [[Path(f.path).name, f.size, f.mtime_ns] for f in files]}

    def lag(self, offset: int) -> int | None:
        """Rows behind an offset; None where the format does not say."""
        return None if self.total_rows is None else max(0, self.total_rows - offset)

    def recall(self, identity: Mapping[str, Any]) -> None:
        """Finished files are what they are."""

    def forget(self, offset: int) -> None:
        """Finished files can be read again from anywhere."""

    def close(self) -> None:
        """Files are open only while they are read."""

    def read_from(self, offset: int) -> Generator[Found, None, None]:
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
