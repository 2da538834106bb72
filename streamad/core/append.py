"""A file that grows from the length that its checkpoint knows, whoever has written behind it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

MAX_WAITING = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class NoRoom(OSError):  # noqa: N818  (says what happened, like the others)
    """The disk or the quota is full: what was not written waits, and can be written later."""


class AppendFile:
    """Bytes for a file: kept here until there are many of them, or they are flushed.

    Parameters
    ----------
    path : Path
        Made if it is missing.
    length : int, optional
        Where to go on; None = behind what is there.

    Attributes
    ----------
    length : int
        Bytes up to the end of what was written out by this object.

    Raises
    ------
    OSError
        From every method that touches the file.
    NoRoom
        From :meth:`write` and :meth:`flush`, which can be called again.

    Notes
    -----
    Whoever goes on from a checkpoint writes the same bytes again as were written behind it. So
    those are kept and written over: a process that was frozen, lost the file unawares and has just
    covered them by a checkpoint of its own is right, too. The file is cut where something else
    comes. What waits is never written by closing the file. Thread rule: one thread at a time.
    """

    def __init__(self, path: Path, length: int | None = None) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self.length = self.size if length is None else length
        self._waiting: list[bytes] = []
        self._n_waiting = 0

    @property
    def size(self) -> int:
        """Bytes in the file, without those that wait."""
        return os.fstat(self._file).st_size

    def cut(self, length: int) -> None:
        """Forget everything behind this length, and go on there."""
        os.ftruncate(self._file, length)
        self.length = length

    def write(self, data: bytes) -> None:
        """Take bytes; after an error they were not taken."""
        if self._n_waiting + len(data) > MAX_WAITING:
            self._write_out()
        self._waiting.append(data)
        self._n_waiting += len(data)

    def flush(self) -> int:
        """Return when everything is on the disk, with the length up to there."""
        self._write_out()
        os.fsync(self._file)
        return self.length

    def close(self) -> None:
        """Close the file; what waits is forgotten."""
        self._waiting.clear()
        os.close(self._file)

    def _write_out(self) -> None:
        """Write what waits; what could not be written waits on, from the very byte."""
        data = b"".join(self._waiting)
        there = os.pread(self._file, len(data), self.length)
        if not data.startswith(there):
            os.ftruncate(self._file, self.length)
        left = memoryview(data)
        try:
            while left:
                n = os.pwrite(self._file, left, self.length)
                self.length += n
                left = left[n:]
        except OSError as error:
            if error.errno in _FULL:
                raise NoRoom(*error.args) from error
            raise
        finally:
            self._waiting = [bytes(left)] if left else []
            self._n_waiting = len(left)
