"""Parquet files that are added to a folder, each of them complete."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from dataclasses import dataclass

from streamad.core.errors import ConnectorError, DecodeError
from streamad_connectors.columns import Options, make_layout
from streamad_connectors.files import PinnedFile, present_files, stem_of
from streamad_connectors.following import TAIL_BYTES, Block, Following, digest, stat_of
from streamad_connectors.ledger import Part, Tracked
from streamad_connectors.parquet_table import SUFFIXES, ParquetTable
from streamad_connectors.rows import RowReader

log = logging.getLogger(__name__)

PIECE_ROWS = 65_536
INCOMPLETE_S = 60.0
"""A file that does not change and has no footer for so long is damaged."""

_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class _Waiting:
    """A file without a footer."""

    stamp: _Stamp
    since_s: float


class ArrivingParquet(Following):
    """Rows of Parquet files as they are added, those of one look in the order of their names.

    Parameters
    ----------
    path : str
    options : Options

    Notes
    -----
    A file without a readable footer is being written: it and those behind it are left for later.
    One that was read may go away, but must not change.
    """

    def __init__(self, path: str, options: Options) -> None:
        super().__init__(path, options)
        self._stamps: dict[int, _Stamp] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._tables: dict[int, ParquetTable] = {}

    def lag(self, offset: int) -> int:
        """Rows behind an offset that are there."""
        ledger = self._ledger
        width = len(self._options.values or ()) if self._options.layout == "series" else 1
        left = sum(
            part.end - ledger.files[part.number].position
            for part in ledger.ahead
            if part.number in ledger.files
        )
        return max(0, ledger.at - offset) + left * width

    def close(self) -> None:
        """Files are open only while they are read."""
        self._stamps.clear()
        self._tables.clear()

    def _mistrust(self, file: Tracked) -> None:
        self._stamps.pop(file.number, None)

    def _review(self) -> list[Part]:
        gaps = []
        for file in list(self._ledger.files.values()):
            found = stat_of(file.path)
            if found is None:
                self._ledger.drop(file.number)
                self._tables.pop(file.number, None)
                if file.position < file.size:
                    left = file.size - file.position
                    gaps.append(Part(0, 0, f"{file.path} is gone; {left} rows of it were not read"))
                continue
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if self._stamps.get(file.number) != stamp:
                if _tail(file.path) != file.tail:
                    raise ConnectorError(
                        f"{file.path} was changed after it was followed, expected files that stay "
                        "as they are: put it back, or write new rows to a new file"
                    )
                self._stamps[file.number] = stamp
                self._tables.pop(file.number, None)
        return gaps

    def _discover(self) -> None:
        known = {file.path for file in self._ledger.files.values()}
        for found in present_files(self._path, SUFFIXES):
            if found.path in known:
                continue
            table = self._complete(found)
            if table is None:
                return
            file = self._ledger.add(found.path, found.inode, found.partitions)
            file.size, file.tail = table.n_rows, _tail(found.path)
            self._stamps[file.number] = (found.inode, found.size, found.mtime_ns)
            log.info("following %s: %s rows", found.path, table.n_rows)

    def _complete(self, found: PinnedFile) -> ParquetTable | None:
        """A file that has its footer; None if that may still come."""
        try:
            table = self._open(found)
        except ConnectorError as error:
            stamp = (found.inode, found.size, found.mtime_ns)
            waiting = self._waiting.get(found.path)
            if waiting is None or waiting.stamp != stamp:
                self._waiting[found.path] = _Waiting(stamp, time.monotonic())
                if waiting is None:
                    log.info("%s has no footer yet: waiting for it", found.path)
            elif time.monotonic() - waiting.since_s >= INCOMPLETE_S:
                raise DecodeError(
                    f"{found.path} has had no readable footer for {INCOMPLETE_S:.0f} s: {error}, "
                    "or move it away; a file should be written under a name with a dot and renamed"
                ) from error
            return None
        self._waiting.pop(found.path, None)
        return table

    def _open(self, found: PinnedFile) -> ParquetTable:
        return ParquetTable(found, self._options.time, self._options.key)

    def _end(self, file: Tracked) -> int:
        return file.size

    def _blocks(self, file: Tracked, end: int) -> Generator[Block, None, None]:
        if _tail(file.path) != file.tail:
            return
        table = self._tables.get(file.number)
        found = stat_of(file.path)
        if table is None:
            if found is None:
                return
            pinned = PinnedFile(
                file.path, stem_of(file.path), found.st_size, found.st_mtime_ns, found.st_ino,
                file.partitions,
            )  # fmt: skip
            table = self._tables[file.number] = self._open(pinned)
        layout = make_layout(self._options, [table], stem_of(self._path))
        name = (layout.names or (None,))[0]
        reader = RowReader(layout, self._names, table, name, ".", self.invalid)
        batches = table.batches(self._layout_names(layout), file.position, PIECE_ROWS)
        try:
            for read in batches:
                batch = read.slice(0, end - file.position)
                piece = reader.piece(batch, file.position)
                row = file.position + batch.num_rows
                yield piece, row, row, file.tail
                if row == end:
                    return
        finally:
            batches.close()
            if file.position == file.size:
                self._tables.pop(file.number, None)


def _tail(path: str) -> str:
    """Digest of the end of a file, which holds its footer."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            return digest(file.read())
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConnectorError(f"{path} cannot be read: {error.strerror}") from error
