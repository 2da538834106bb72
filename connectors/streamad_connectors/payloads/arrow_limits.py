"""What an Arrow IPC stream would unpack to, read from its messages before anything is unpacked."""

from __future__ import annotations

import struct
from typing import Any

import pyarrow as pa

from streamad_connectors.payloads.parsed import Refused

_MAGIC = b"ARROW1\0\0"
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
"""Kinds of messages, by their number in Message.fbs of the Arrow format."""
MAX_MESSAGES = 1024


def open_stream(payload: bytes, max_bytes: int, max_rows: int) -> Any:
    """A reader of a stream or file that fits into the limits.

    Parameters
    ----------
    payload : bytes
    max_bytes, max_rows : int
        Of the whole record, unpacked.

    Raises
    ------
    Refused
        If it would be larger.
    Exception
        Whatever Arrow raises if it is neither.

    Notes
    -----
    A file is a stream between a magic and a footer; it is read as that, the footer is not used.
    Each packed buffer says its unpacked length, and Arrow unpacks no more than that.
    """
    data = pa.py_buffer(payload)
    if payload.startswith(_MAGIC):
        data = data.slice(len(_MAGIC))
    n_bytes = n_rows = 0
    for number, message in enumerate(pa.ipc.MessageReader.open_stream(data)):
        if number == MAX_MESSAGES:
            raise Refused("size", f"more than {MAX_MESSAGES} messages in a record")
        rows, unpacked = _cost(message)
        n_rows += rows
        n_bytes += unpacked
        if n_rows > max_rows or rows < 0:
            raise Refused("size", f"{n_rows} rows, expected at most {max_rows}")
        if n_bytes > max_bytes:
            raise Refused("size", f"{n_bytes} bytes unpacked, expected at most {max_bytes}")
    return pa.ipc.open_stream(data)


def _cost(message: Any) -> tuple[int, int]:
    """Rows of a message (0 for dictionaries) and bytes of its body, unpacked."""
    table = _Table.root(message.metadata.to_pybytes())
    kind = table.number("B", 1)
    if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return 0, 0
    batch = table.table(2)
    if kind == _DICTIONARY_BATCH and batch is not None:
        batch = batch.table(1)
    if batch is None:
        raise Refused("decode", "no Arrow IPC: a batch without a header")
    n_rows = batch.number("q", 0)
    body = message.body
    n_bytes = len(body)
    if batch.table(3) is not None:
        n_bytes = 0
        for offset, length in batch.structs("qq", 2):
            n_bytes += length
            if length >= 8 and 0 <= offset <= len(body) - 8:
                n_bytes += max(0, struct.unpack("<q", body.slice(offset, 8))[0])
    return (n_rows if kind == _RECORD_BATCH or n_rows < 0 else 0), n_bytes


class _Table:
    """A table of a flatbuffer."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._fields = at - self._unpack("i", at)

    @classmethod
    def root(cls, data: bytes) -> _Table:
        """The outermost table."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def number(self, kind: str, field: int) -> int:
        """A number; 0 where it is not there."""
        at = self._place(field)
        return 0 if at is None else self._unpack(kind, at)

    def table(self, field: int) -> _Table | None:
        """A table within."""
        at = self._place(field)
        return None if at is None else _Table(self._data, at + self._unpack("I", at))

    def structs(self, kind: str, field: int) -> list[tuple[int, ...]]:
        """Structs of numbers; none where they are not there."""
        at = self._place(field)
        if at is None:
            return []
        start = at + self._unpack("I", at)
        size = struct.calcsize(f"<{kind}") * self._unpack("I", start)
        return list(struct.iter_unpack(f"<{kind}", self._data[start + 4 : start + 4 + size]))

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry >= self._unpack("H", self._fields):
            return None
        offset = self._unpack("H", self._fields + entry)
        return self._at + offset if offset else None

    def _unpack(self, kind: str, at: int) -> int:
        if at < 0:
            raise struct.error("an offset before the beginning")
        found: int = struct.unpack_from(f"<{kind}", self._data, at)[0]
        return found
