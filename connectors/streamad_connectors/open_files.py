"""Files that are kept open while they are followed, so that a rename does not take them away."""

from __future__ import annotations

import os
from contextlib import suppress

from streamad.core.errors import ConnectorError
from streamad_connectors.ledger import Tracked

MAX_OPEN = 64


class OpenFiles:
    """Reads followed files by position; the last ones stay open, whatever becomes of their names.

    Notes
    -----
    A file is opened by its path only if that is still the file that is meant, by its inode.
    """

    def __init__(self) -> None:
        self._handles: dict[int, int] = {}

    def stat(self, file: Tracked) -> os.stat_result | None:
        """Of a file that is open; None if it is not."""
        handle = self._handles.get(file.number)
        return None if handle is None else os.fstat(handle)

    def read(self, file: Tracked, start: int, n_bytes: int) -> bytes:
        """Bytes from a position on; fewer where the file ends or is not there any more.

        Raises
        ------
        ConnectorError
            If it must not be read.
        """
        handle = self._handles.pop(file.number, None)
        if handle is None:
            handle = self._open(file)
        if handle is None:
            return b""
        self._handles[file.number] = handle
        data = b""
        try:
            while len(data) < n_bytes and (more := os.pread(handle, n_bytes - len(data), start)):
                data += more
                start += len(more)
        except OSError as error:
            raise ConnectorError(f"{file.path} cannot be read: {error.strerror}") from error
        return data

    def close(self, file: Tracked) -> None:
        """Close one, if it is open."""
        handle = self._handles.pop(file.number, None)
        if handle is not None:
            os.close(handle)

    def close_all(self) -> None:
        """Close all."""
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()

    def _open(self, file: Tracked) -> int | None:
        try:
            handle = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConnectorError(f"{file.path} cannot be read: {error.strerror}") from error
        if os.fstat(handle).st_ino != file.inode:
            os.close(handle)
            return None
        while len(self._handles) >= MAX_OPEN:
            with suppress(OSError):
                os.close(self._handles.pop(next(iter(self._handles))))
        return handle
