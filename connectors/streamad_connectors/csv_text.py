"""The text of a CSV file: checked as it streams by, and its first lines understood."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv as pa_csv

from streamad.core.errors import ConfigError, ConnectorError, DecodeError
from streamad_connectors.files import PinnedFile

HEAD_BYTES = 1 << 20
DELIMITERS = ",;\t|"
_BOMS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
_GZIP = b"\x1f\x8b"


class CheckedText(io.RawIOBase):
    """Bytes of a file, unpacked if they are gzip; damage is found as they stream by.

    Parameters
    ----------
    file : PinnedFile

    Attributes
    ----------
    has_blank_lines : bool
        True once an empty line was seen: then rows are not lines.

    Raises
    ------
    ConnectorError
        If the file was changed or cannot be opened.
    DecodeError
        From :meth:`read`: UTF-16, NUL bytes, bytes that are not UTF-8, damaged gzip; the message
        names the line.
    """

    def __init__(self, file: PinnedFile) -> None:
        super().__init__()
        self._file = file
        file.check()
        try:
            self._raw = open(file.path, "rb")  # noqa: SIM115  (closed by close)
        except OSError as error:
            raise ConnectorError(f"{file.path} cannot be read: {error.strerror}") from error
        start = self._raw.read(2)
        self._raw.seek(0)
        packed = start == _GZIP
        self._text = gzip.GzipFile(fileobj=self._raw) if packed else self._raw
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._line = 1
        self._last = b"\n"
        self.has_blank_lines = False

    @property
    def bytes_done(self) -> int:
        """Bytes of the file that were read."""
        return self._raw.tell() if not self._raw.closed else 0

    def readable(self) -> bool:
        """True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, checked."""
        self._file.check()
        try:
            data = self._text.read(size)
        except (EOFError, zlib.error, OSError) as error:
            raise DecodeError(
                f"{self._file.path}: gzip is damaged behind line {self._line} ({error}): copy the "
                "file again"
            ) from error
        self._check(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._text.close()
        self._raw.close()
        super().close()

    def _check(self, data: bytes) -> None:
        if self._line == 1 and data[:2] in _BOMS:
            raise DecodeError(
                f"{self._file.path} is UTF-16, expected UTF-8: convert it, for example with "
                "iconv -f UTF-16 -t UTF-8"
            )
        nul = data.find(b"\0")
        if nul >= 0:
            raise DecodeError(
                f"{self._file.path}:{self._line_at(data, nul)}: NUL byte, expected text in UTF-8: "
                "the file is damaged or binary"
            )
        try:
            self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            byte = error.object[error.start : error.start + 1].hex()
            line = self._line_at(data, max(0, error.start - len(error.object) + len(data)))
            raise DecodeError(
                f"{self._file.path}:{line}: byte 0x{byte} is not UTF-8: convert the file, for "
                "example with iconv -f LATIN1 -t UTF-8"
            ) from error
        if not self.has_blank_lines:
            seen = (self._last + data).replace(b"\r", b"") if b"\r" in data else self._last + data
            self.has_blank_lines = b"\n\n" in seen and bool(data)
        self._line += data.count(b"\n")
        self._last = data[-1:] or self._last

    def _line_at(self, data: bytes, position: int) -> int:
        return self._line + data.count(b"\n", 0, position)


@dataclass(frozen=True, slots=True)
class Head:
    """What the beginning of a CSV file says.

    Attributes
    ----------
    delimiter : str
    names : list of str
        As the file has them.
    rows : list of list of str
        The first rows, without those of another length.
    is_empty : bool
        True if no row follows the header.
    """

    delimiter: str
    names: list[str]
    rows: list[list[str]]
    is_empty: bool


def read_head(file: PinnedFile, delimiter: str | None, *, header: bool) -> Head:
    """The columns and first rows of a file.

    Parameters
    ----------
    file : PinnedFile
    delimiter : str or None
        None = the one of comma, semicolon, tab and bar that cuts the first lines most alike.
    header : bool
        False = columns are named ``c0``, ``c1`` and so on.

    Raises
    ------
    DecodeError
        If the file is empty or no text.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise ConfigError(f"delimiter must be one character, got {delimiter!r}")
    source = CheckedText(file)
    try:
        blob = b""
        while len(blob) < HEAD_BYTES and (data := source.read(HEAD_BYTES - len(blob))):
            blob += data
    finally:
        source.close()
    complete = len(blob) < HEAD_BYTES
    text = codecs.decode(blob, "utf-8-sig", "ignore")
    lines = [line for line in text.splitlines() if line]
    if not complete:
        lines = lines[:-1]
    if not lines:
        raise DecodeError(f"{file.path} is empty: expected a CSV file with a header line")
    cut = delimiter or _sniff(lines[:50])
    rows = list(csv.reader(lines, delimiter=cut))
    names = rows.pop(0) if header else [f"c{i}" for i in range(len(rows[0]))]
    fitting = [row for row in rows if len(row) == len(names)]
    return Head(cut, names, fitting, is_empty=complete and not rows)


def cut_names(line: str, delimiter: str | None, *, header: bool) -> tuple[str, list[str]]:
    """Delimiter and column names that the first line of a file gives; see :func:`read_head`."""
    cut = delimiter or _sniff([line])
    names = next(csv.reader([line], delimiter=cut))
    return cut, names if header else [f"c{i}" for i in range(len(names))]


def as_text(columns: Sequence[str]) -> pa_csv.ConvertOptions:
    """These columns, as they stand in the file, as text; an empty cell is null."""
    return pa_csv.ConvertOptions(
        check_utf8=False,
        include_columns=columns,
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )


def _sniff(lines: list[str]) -> str:
    """The delimiter that occurs equally often in most lines; of several the most frequent."""

    def quality(delimiter: str) -> tuple[int, int]:
        counts = [len(row) - 1 for row in csv.reader(lines, delimiter=delimiter)]
        return (sum(count == counts[0] for count in counts) if counts[0] else 0), counts[0]

    return max(DELIMITERS, key=quality)
