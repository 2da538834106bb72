"""A file that only grows, cut to the length that its checkpoint knows."""

from __future__ import annotations

import os
from pathlib import Path

MAX_WAITING = 1 << 20


class AppendFile:
    """Bytes for the end of a file: kept here until there are many of them, or they are flushed.

    Parameters
    ----------
    path : Path
        Made if it is missing.

    Raises
    ------
    OSError
        From every method that touches the file.

    Notes
    -----
    What waits is never written by closing the file, so whoever has to give it up writes nothing
    behind its new owner's back. Thread rule: one thread at a time.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._waiting: list[bytes] = []
        self._n_waiting = 0

    @property
    def size(self) -> int:
        """Bytes in the file, without those that wait."""
        return os.fstat(self._file).st_size

    def cut(self, length: int) -> None:
        """Forget everything behind this length."""
        os.ftruncate(self._file, length)

    def write(self, data: bytes) -> None:
        """Take bytes; after an error they were not taken."""
        if self._n_waiting + len(data) > MAX_WAITING:
            self._write_out()
        self._waiting.append(data)
        self._n_waiting += len(data)

    def flush(self) -> int:
        """Return when everything is on the disk, with the length of the file."""
        self._write_out()
        os.fsync(self._file)
        return self.size

    def close(self) -> None:
        """Close the file; what waits is forgotten."""
        self._waiting.clear()
        os.close(self._file)

    def _write_out(self) -> None:
        """Write what waits; what could not be written waits on, from the very byte."""
        left = memoryview(b"".join(self._waiting))
        try:
            while left:
                left = left[os.write(self._file, left) :]
        finally:
            self._waiting = [bytes(left)] if left else []
            self._n_waiting = len(left)
