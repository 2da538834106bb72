"""Which rows of which files came in which order, as a document that is kept in snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streamad.core.errors import StateError

VERSION = 1


@dataclass(slots=True)
class Tracked:
    """A file that is followed.

    Attributes
    ----------
    number : int
        Of all files that were ever followed.
    origin : str
        Path under which it was found first; it names the series.
    path : str
        Where it is now.
    inode : int
    size : int
        At the last look: bytes of text, rows of Parquet.
    position : int
        How far it was read, in the same unit.
    rows : int
        Rows before the position, refused ones included.
    tail : str
        Digest of what stands right before the position, or at the end of a Parquet file.
    rotated : bool
        True once another file took its name, or it lost it.
    partitions : mapping of str to str or None
        Columns that the names of its folders give.
    """

    number: int
    origin: str
    path: str
    inode: int
    size: int = 0
    position: int = 0
    rows: int = 0
    tail: str = ""
    rotated: bool = False
    partitions: Mapping[str, str | None] = field(default_factory=dict)

    def document(self) -> list[Any]:
        """As JSON types."""
        return [
            self.number, self.origin, self.path, self.inode, self.size, self.position, self.rows,
            self.tail, self.rotated, dict(self.partitions),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """Rows to read: those of a file from where it was read to up to an end, or none.

    Attributes
    ----------
    number : int
        Of the file.
    end : int
        Bytes of text, rows of Parquet.
    gap : str
        What is to be said about rows that are gone, in place of rows.
    """

    number: int
    end: int
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """Rows that were read: where they began."""

    offset: int
    part: Part
    position: int
    rows: int
    tail: str


@dataclass(slots=True)
class Ledger:
    """What was read since the last commit, what is to be read next, and from which files.

    Attributes
    ----------
    at : int
        Offset of the next row that is read.
    last : int
        Number of the file that was read last; 0 = none.
    n_files : int
        Files that were ever followed.
    files : dict of int to Tracked
    marks : list of Mark
        Ascending; each reaches to the next one, the last one to ``at``.
    ahead : list of Part
        In the order in which they will be read.
    extra : dict
        What the format keeps beside it, as JSON types.
    """

    at: int = 0
    last: int = 0
    n_files: int = 0
    files: dict[int, Tracked] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    ahead: list[Part] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def add(self, path: str, inode: int, partitions: Mapping[str, str | None]) -> Tracked:
        """Follow a file."""
        self.n_files += 1
        file = Tracked(self.n_files, path, path, inode, partitions=partitions)
        self.files[file.number] = file
        return file

    def drop(self, number: int) -> None:
        """Follow a file no more; nothing of it is read any more."""
        del self.files[number]
        self.ahead = [part for part in self.ahead if part.number != number]

    def advance(self, n_rows: int, end: int, rows: int, tail: str) -> None:
        """So many rows of the first part ahead were read, up to this end of the file."""
        part = self.ahead[0]
        file = self.files[part.number]
        mark = Mark(self.at, Part(part.number, end), file.position, file.rows, file.tail)
        self.marks.append(mark)
        file.position, file.rows, file.tail = end, rows, tail
        self.at += n_rows
        self.last = part.number
        if end >= part.end:
            self.ahead.pop(0)

    def pass_gap(self) -> str:
        """What the gap that comes first says; an offset is left out for it."""
        part = self.ahead.pop(0)
        self.marks.append(Mark(self.at, part, 0, 0, ""))
        self.at += 1
        return part.gap

    def rewind(self, offset: int) -> int:
        """Go back, so that rows from here on are read again; rows to skip before the offset.

        Raises
        ------
        StateError
            If those rows were committed and where they stood is forgotten.
        """
        while self.at > offset:
            if not self.marks:
                raise StateError(
                    f"files are read from row {self.at} on, but row {offset} is asked for: start "
                    "from a snapshot, or in an empty state folder"
                )
            mark = self.marks.pop()
            self.at = mark.offset
            self.ahead.insert(0, mark.part)
            file = self.files.get(mark.part.number)
            if file is not None:
                file.position, file.rows, file.tail = mark.position, mark.rows, mark.tail
        return offset - self.at

    def forget(self, offset: int) -> None:
        """Nobody goes back behind this offset any more."""
        ends = [*(mark.offset for mark in self.marks), self.at][1:]
        self.marks = [m for m, end in zip(self.marks, ends, strict=True) if end > offset]

    def document(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "follow": VERSION,
            "at": self.at,
            "last": self.last,
            "n_files": self.n_files,
            "files": [file.document() for file in self.files.values()],
            "marks": [[m.offset, _part(m.part), m.position, m.rows, m.tail] for m in self.marks],
            "ahead": [_part(part) for part in self.ahead],
            "extra": self.extra,
        }


def read_ledger(document: Mapping[str, Any]) -> Ledger:
    """A ledger from its document.

    Raises
    ------
    StateError
        If it is none, or one of another version.
    """
    if document.get("follow") != VERSION:
        raise StateError(
            f"the snapshot should say how far files were followed (version {VERSION}), it says "
            f"{document.get('follow')!r}: start in an empty state folder"
        )
    files = [Tracked(*found) for found in document["files"]]
    return Ledger(
        document["at"],
        document["last"],
        document["n_files"],
        {file.number: file for file in files},
        [Mark(offset, Part(*part), *rest) for offset, part, *rest in document["marks"]],
        [Part(*part) for part in document["ahead"]],
        dict(document["extra"]),
    )


def _part(part: Part) -> list[Any]:
    return [part.number, part.end, part.gap]
