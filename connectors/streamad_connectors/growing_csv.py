"""CSV files that are appended to, rotated, and joined by new ones."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from streamad.core.errors import DecodeError
from streamad_connectors.columns import Layout, Options, make_layout
from streamad_connectors.csv_lines import CsvLines, NamedColumns
from streamad_connectors.csv_text import cut_names
from streamad_connectors.files import present_files, stem_of
from streamad_connectors.following import TAIL_BYTES, Block, Following, digest, stat_of
from streamad_connectors.ledger import Part, Tracked
from streamad_connectors.open_files import OpenFiles
from streamad_connectors.rows import RowReader
from streamad_connectors.times import TimeColumn

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv")
BLOCK_BYTES = 1 << 18
MAX_LINE_BYTES = 1 << 20
QUIET_S = 10.0
"""A last line without an end counts as complete when its file has lost its name for so long."""

_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class _Look:
    """What the last look at a file found."""

    stamp: tuple[int, int]
    device: int
    since_s: float
    end: int | None = None


@dataclass(frozen=True, slots=True)
class _Cutter:
    """How the lines of one file become rows."""

    lines: CsvLines
    reader: RowReader
    width: int
    data_begins: int


class GrowingCsv(Following):
    """Rows that are appended to CSV files.

    Parameters
    ----------
    path : str
    options : Options
    delimiter : str or None
    header : bool
        Every file begins with a header line.
    decimal : str

    Notes
    -----
    A line is read when its end is there. A file is known by its inode, and by the kilobyte before
    the position: a file under the same name that does not hold it there is another one, or was
    truncated. One that was renamed in its folder is read to its end; a file that goes away while
    rows of it may be unread is a gap.
    """

    def __init__(
        self, path: str, options: Options, *, delimiter: str | None, header: bool, decimal: str
    ) -> None:
        super().__init__(path, options)
        self._delimiter = delimiter
        self._header = header
        self._decimal = decimal
        self._open = OpenFiles()
        self._looks: dict[int, _Look] = {}
        self._cutters: dict[int, _Cutter] = {}

    def lag(self, offset: int) -> int:
        """Rows behind an offset that are there: those in hand, and an estimate from the bytes."""
        ledger, left = self._ledger, 0.0
        for part in ledger.ahead:
            file = ledger.files.get(part.number)
            if file is not None:
                left += max(1.0, (part.end - file.position) * file.rows / max(1, file.position))
        return max(0, ledger.at - offset) + round(left)

    def close(self) -> None:
        """Close the files."""
        self._open.close_all()
        self._looks.clear()
        self._cutters.clear()

    def _mistrust(self, file: Tracked) -> None:
        self._looks.pop(file.number, None)
        self._open.close(file)

    def _review(self) -> list[Part]:
        gaps = [self._gap_of(file) for file in list(self._ledger.files.values())]
        return [Part(0, 0, gap) for gap in gaps if gap]

    def _gap_of(self, file: Tracked) -> str:
        """Look at a file; what is to be said if rows of it are lost, and nothing else."""
        found = stat_of(file.path)
        if found is not None and found.st_ino == file.inode:
            return self._look(file, found)
        renamed = self._renamed(file)
        if renamed is not None:
            log.info("%s was renamed to %s: it is read to its end", file.path, renamed)
            file.path, file.rotated = renamed, True
            self._follow_missed(file)
            return self._look_again(file)
        if found is not None and self._is_copy(file):
            log.info("%s was replaced by a copy of itself: reading goes on", file.path)
            self._mistrust(file)
            file.inode = found.st_ino
            return self._look(file, found)
        return self._gone(file)

    def _look_again(self, file: Tracked) -> str:
        """Note size and time of a file under its new name, if that still holds."""
        found = stat_of(file.path)
        if found is None or found.st_ino != file.inode:
            return ""
        return self._look(file, found)

    def _look(self, file: Tracked, found: os.stat_result) -> str:
        """Note size and time of a file that is where it was; a gap if it was cut."""
        stamp = (found.st_size, found.st_mtime_ns)
        seen = self._looks.get(file.number)
        if seen is not None and seen.stamp == stamp:
            return ""
        self._looks[file.number] = _Look(stamp, found.st_dev, time.monotonic())
        if self._tail(file, file.position) != file.tail:
            size, unread = found.st_size, file.position
            self._forget(file)
            return (
                f"{file.path} was read up to byte {unread} and does not hold that any more (it has "
                f"{size} bytes): truncated or written anew; it is read from its start"
            )
        taken, file.size = file.size - found.st_size, found.st_size
        if taken > 0:
            return f"{file.path}: {taken} bytes that were not read yet were taken back"
        return ""

    def _gone(self, file: Tracked) -> str:
        """A file has no name any more that is known; rows of it may be unread."""
        held = self._open.stat(file)
        if held is not None:
            file.rotated = True
            gap = self._look(file, held)
            if gap or file.size > file.position:
                return gap
        known = held is not None or file.number != self._ledger.last
        self._forget(file)
        if file.size <= file.position and (known or file.position == 0):
            log.info("%s is gone; it was read to its end", file.path)
            return ""
        return (
            f"{file.path} was read up to byte {file.position} and is gone: what it held behind "
            "that cannot be known"
        )

    def _forget(self, file: Tracked) -> None:
        self._mistrust(file)
        self._cutters.pop(file.number, None)
        self._ledger.drop(file.number)

    def _is_copy(self, file: Tracked) -> bool:
        """Whether what has the name of a file now holds the rows that were read of it."""
        if file.rows == 0 or file.rotated:
            return False
        start = max(0, file.position - TAIL_BYTES)
        try:
            with open(file.path, "rb") as copy:
                copy.seek(start)
                return bool(digest(copy.read(file.position - start)) == file.tail)
        except OSError:
            return False

    def _renamed(self, file: Tracked) -> str | None:
        """Where in its folder a file is now."""
        for name, inode, _ in _entries(Path(file.path).parent):
            if inode == file.inode:
                if self._open.stat(file) is not None:
                    return name
                if self._tail(replace(file, path=name), file.position) == file.tail:
                    return name
                self._open.close(file)
        return None

    def _follow_missed(self, renamed: Tracked) -> None:
        """Follow what had the name between a file that lost it and the one that has it now."""
        path, known = Path(self._path), {file.inode for file in self._ledger.files.values()}
        since = stat_of(renamed.path)
        if since is None or renamed.origin != self._path:
            return
        missed = [
            (mtime_ns, name, inode)
            for name, inode, mtime_ns in _entries(path.parent)
            if Path(name).name.startswith((f"{path.name}.", f"{path.name}-"))
            and not name.endswith(_PACKED)
            and inode not in known
            and mtime_ns >= since.st_mtime_ns
        ]
        for _, name, inode in sorted(missed):
            file = self._ledger.add(self._path, inode, {})
            file.path, file.rotated = name, True
            log.info("following %s, which had the name %s meanwhile", name, self._path)
            self._look_again(file)

    def _discover(self) -> None:
        known = {
            (self._looks[number].device, file.inode)
            for number, file in self._ledger.files.items()
            if number in self._looks
        }
        for found in present_files(self._path, SUFFIXES):
            now = stat_of(found.path)
            if now is not None and (now.st_dev, now.st_ino) not in known:
                known.add((now.st_dev, now.st_ino))
                file = self._ledger.add(found.path, now.st_ino, found.partitions)
                log.info("following %s", found.path)
                self._look(file, now)

    def _end(self, file: Tracked) -> int:
        """Behind the last line that is complete."""
        look = self._looks.get(file.number)
        if look is None:
            return file.position
        if look.end is None:
            look.end = self._last_line_end(file)
        quiet = file.rotated and time.monotonic() - look.since_s >= QUIET_S
        return file.size if quiet else look.end

    def _last_line_end(self, file: Tracked) -> int:
        stop = file.size
        while stop > file.position:
            start = max(file.position, stop - BLOCK_BYTES)
            at = self._open.read(file, start, stop - start).rfind(b"\n")
            if at >= 0:
                return start + at + 1
            stop = start
        if file.size - file.position > MAX_LINE_BYTES:
            raise DecodeError(
                f"{file.path}: {file.size - file.position} bytes behind byte {file.position} hold "
                f"no end of a line, expected one within {MAX_LINE_BYTES}: is it a CSV file?"
            )
        return file.position

    def _blocks(self, file: Tracked, end: int) -> Generator[Block, None, None]:
        if self._tail(file, file.position) != file.tail:
            return
        while file.position < end:
            data = self._complete_lines(file, end)
            if not data:
                return
            cutter = self._cutter(file, data)
            if cutter is None:
                return
            skipped = max(0, cutter.data_begins - file.position)
            piece, n_rows = cutter.lines.piece(
                data[skipped:], file.rows, cutter.reader, cutter.width
            )
            position = file.position + len(data)
            yield piece, position, file.rows + n_rows, self._tail(file, position)

    def _complete_lines(self, file: Tracked, end: int) -> bytes:
        """The next lines, or nothing if the file is shorter than it was."""
        size = BLOCK_BYTES
        while True:
            stop = min(file.position + size, end)
            data = self._open.read(file, file.position, stop - file.position)
            if len(data) < stop - file.position:
                return b""
            if stop == end:
                return data
            cut = data.rfind(b"\n") + 1
            if cut:
                return data[:cut]
            size *= 2

    def _tail(self, file: Tracked, position: int) -> str:
        """Digest of what stands right before a position; nothing at the start."""
        if position == 0:
            return ""
        start = max(0, position - TAIL_BYTES)
        return digest(self._open.read(file, start, position - start))

    def _cutter(self, file: Tracked, data: bytes) -> _Cutter | None:
        """How to cut a file, found out from its first line; None if that is not there any more."""
        found = self._cutters.get(file.number)
        if found is not None:
            return found
        first = self._open.read(file, 0, MAX_LINE_BYTES)
        if first.startswith(_GZIP):
            raise DecodeError(f"{file.path} is gzip, which cannot be followed: unpack it")
        line, ended, _ = first.partition(b"\n")
        if len(first) < min(file.position + len(data), MAX_LINE_BYTES):
            return None
        begins = len(line) + len(ended) if self._header else 0
        text = line.removeprefix(_BOM).removesuffix(b"\r")
        if not self._header and first.startswith(_BOM):
            begins = len(_BOM)
        try:
            delimiter, names = cut_names(text.decode(), self._delimiter, header=self._header)
        except (UnicodeDecodeError, StopIteration) as error:
            raise DecodeError(
                f"{file.path} should begin with a line of column names in UTF-8, it begins with "
                f"{text[:80]!r}: mend the file or move it away"
            ) from error
        table = NamedColumns(file, names, self._options, self._decimal)
        first_cells = CsvLines(file.path, delimiter, names, names).first_cells
        layout = self._settle(table, first_cells, data[max(0, begins - file.position) :])
        name = (layout.names or (None,))[0]
        reader = RowReader(layout, self._names, table, name, self._decimal, self.invalid)
        lines = CsvLines(file.path, delimiter, names, self._layout_names(layout))
        cutter = _Cutter(lines, reader, layout.width, begins)
        if "time" in self._ledger.extra:
            self._cutters[file.number] = cutter
        return cutter

    def _settle(
        self,
        table: NamedColumns,
        first_cells: Callable[[bytes], pa.RecordBatch | None],
        rows: bytes,
    ) -> Layout:
        """Columns of a file; how times are written is settled once, by the first rows of all."""
        kept = self._ledger.extra.get("time")
        if kept is None:
            table.see(first_cells(rows))
        layout = make_layout(self._options, [table], stem_of(self._path))
        if kept is None and layout.time is not None and table.has_seen:
            kept = [layout.time.family, layout.time.unit, layout.time.first_ns]
            self._ledger.extra["time"] = kept
        if kept is None:
            return layout
        family, unit, first_ns = kept
        column = TimeColumn(
            str(self._options.time), family, unit, self._options.timezone,
            self._options.time_format, first_ns,
        )  # fmt: skip
        return replace(layout, time=column)


def _entries(folder: Path) -> list[tuple[str, int, int]]:
    """Path, inode and time of change of the files in a folder."""
    try:
        return [
            (entry.path, entry.inode(), entry.stat().st_mtime_ns)
            for entry in os.scandir(folder)
            if entry.is_file(follow_symlinks=False)
        ]
    except OSError:
        return []
