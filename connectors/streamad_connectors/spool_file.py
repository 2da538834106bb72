"""A file of entries that belongs to one process, and to the next one once that is dead."""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from streamad.core.durable import sync

log = logging.getLogger(__name__)

FRESH, READY = ".new", ".jsonl"
UNFINISHED_S = 3600.0
"""Nobody takes so long to make a file: one that is older and has no other name is a dead man's."""


class SpoolFile:
    """Lines on the disk, under a lock that ends with the process.

    Parameters
    ----------
    folder : Path
    lines : iterable of bytes
        In the file, and on the disk, before the file has the name under which others look for it.

    Raises
    ------
    OSError
        From every method that writes; the file then is as it was before.
    """

    def __init__(self, folder: Path, lines: Iterable[bytes]) -> None:
        self._file, name = tempfile.mkstemp(prefix="spool-", suffix=FRESH, dir=folder)
        fresh = Path(name)
        self._path = fresh.with_suffix(READY)
        self.size = 0
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.append(lines)
            fresh.rename(self._path)
            sync(folder)
        except BaseException:
            os.close(self._file)
            fresh.unlink(missing_ok=True)
            raise

    def append(self, lines: Iterable[bytes]) -> None:
        """Return when the lines are on the disk."""
        data = b"".join(lines)
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    def remove(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)

    def close(self) -> None:
        """Leave the file to the next process."""
        os.close(self._file)


@contextmanager
def orphans(folder: Path) -> Iterator[list[dict[str, Any]]]:
    """Entries of files that no living process holds; the files are deleted at the end.

    They stay if the body of the ``with`` statement raises.
    """
    for path in folder.glob(f"spool-*{FRESH}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - UNFINISHED_S:
                path.unlink()
    locks: list[tuple[int, Path]] = []
    entries: list[dict[str, Any]] = []
    try:
        for path in sorted(folder.glob(f"spool-*{READY}")):
            lock = _take(path)
            if lock is not None:
                locks.append((lock, path))
                entries += _read(path)
        yield entries
        for _, path in locks:
            path.unlink(missing_ok=True)
    finally:
        for lock, _ in locks:
            os.close(lock)


def _take(path: Path) -> int | None:
    """The lock of a file, None where somebody holds it or it is gone.

    It is opened for writing since NFS gives no exclusive lock else.
    """
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:
            return lock
    os.close(lock)
    return None


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Entries of a file; a line that a crash tore was never relied on."""
    for line in path.read_bytes().split(b"\n"):
        if line:
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                log.warning("%s: a line that is no JSON is passed over (%s bytes)", path, len(line))
            else:
                yield entry
