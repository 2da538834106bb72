"""What waits to be delivered: in memory, and on the disk as soon as a checkpoint relies on it."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from streamad.core.errors import Backpressure, ConfigError, ConnectorError
from streamad_connectors.spool_file import SpoolFile, orphans

log = logging.getLogger(__name__)

RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Entry:
    """Something to deliver.

    Attributes
    ----------
    number : int
        Counts up.
    partition : str
    body : mapping
        JSON types.
    line : bytes
        The entry as a line of the file.
    since_s : float
        When it came, on the clock of the spool.
    saved : bool
        True once it is in the file.
    """

    number: int
    partition: str
    body: Mapping[str, Any]
    line: bytes
    since_s: float
    saved: bool = False


class Spool:
    """Entries in the order in which they came, up to a number of bytes.

    Parameters
    ----------
    folder : str or None
        Takes one file a process; None = nothing is kept on the disk.
    max_bytes : int
        Of what waits.
    clock : callable
        Monotonic seconds.

    Raises
    ------
    ConfigError
        If the limit is not positive.

    Notes
    -----
    The file only grows. It is written anew when more than half of it was delivered, and removed
    when nothing waits, so the disk holds at most twice the limit. What processes that are gone left
    in the folder is taken over by :meth:`adopt`. Thread rule: the caller locks.
    """

    def __init__(
        self,
        folder: str | None,
        max_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_bytes < 1:
            raise ConfigError(f"a spool needs a limit of at least one byte, got {max_bytes}")
        self._folder = None if folder is None else Path(folder)
        self._max_bytes = max_bytes
        self._clock = clock
        self._numbers = itertools.count()
        self._entries: dict[int, Entry] = {}
        self._of: Counter[str] = Counter()
        self._bytes = 0
        self._n_saved = 0
        self._file: SpoolFile | None = None

    @property
    def durable(self) -> bool:
        """True if what is saved survives a crash."""
        return self._folder is not None

    @property
    def n_saved(self) -> int:
        """Entries that wait and survive a crash."""
        return self._n_saved

    def __len__(self) -> int:
        return len(self._entries)

    def waits(self, partition: str) -> bool:
        """True if something of this partition was not delivered."""
        return self._of[partition] > 0

    def adopt(self) -> None:
        """Take over what processes that are gone left in the folder, if there is room.

        Raises
        ------
        ConnectorError
            If the folder cannot be used; what others left stays theirs.
        """
        if self._folder is None or self._bytes >= self._max_bytes:
            return
        taken: list[Entry] = []
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with orphans(self._folder) as found:
                for entry in found:
                    partition, body = entry["partition"], entry["body"]
                    taken.append(self._add(partition, body, _line(partition, body)))
                if taken:
                    self._save()
        except OSError as error:
            self.done(entry for entry in taken if not entry.saved)
            raise ConnectorError(
                f"the spool {self._folder} must be a folder that can be written: {error.strerror}"
            ) from error
        if taken:
            log.info(
                "took over %s alerts that another process left in the spool %s, %s wait now",
                len(taken),
                self._folder,
                len(self),
            )

    def put(self, partition: str, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Take entries, all of them or none.

        Raises
        ------
        Backpressure
            When the limit is reached. An empty spool takes anything: nothing is too large for ever.
        """
        lines = [_line(partition, body) for body in bodies]
        if self._entries and self._bytes + sum(map(len, lines)) > self._max_bytes:
            raise Backpressure(
                f"{len(self)} alerts wait to be delivered, the limit of {self._max_bytes} bytes is "
                "reached",
                RETRY_AFTER_S,
            )
        for body, line in zip(bodies, lines, strict=True):
            self._add(partition, body, line)

    def first(self, n: int) -> list[Entry]:
        """The ``n`` entries that wait longest."""
        return list(itertools.islice(self._entries.values(), n))

    def done(self, entries: Iterable[Entry]) -> None:
        """These were delivered; one that was forgotten meanwhile is no error."""
        for entry in entries:
            if self._entries.pop(entry.number, None) is not None:
                self._of[entry.partition] -= 1
                self._bytes -= len(entry.line)
                self._n_saved -= entry.saved
        if not self._entries and self._file is not None:
            with suppress(OSError):
                self._file.remove()
                self._file = None

    def forget(self, partition: str) -> None:
        """Forget what came for a partition since the last save."""
        self.done([e for e in self._entries.values() if e.partition == partition and not e.saved])

    def save(self) -> None:
        """Return when everything that waits survives a crash, if there is a folder.

        Raises
        ------
        Backpressure
            When the disk refuses; what was saved before stays saved.
        """
        try:
            self._save()
        except OSError as error:
            raise Backpressure(
                f"alerts that wait cannot be kept in {self._folder}: {error.strerror}; make room, "
                "nothing is skipped",
                RETRY_AFTER_S,
            ) from error

    def close(self) -> None:
        """Leave what was saved and not delivered to another process; forget the rest, and that."""
        self.done([entry for entry in self._entries.values() if not entry.saved])
        with suppress(OSError):
            self._save(whole=True)
        if self._file is not None:
            self._file.close()
            self._file = None
        self.done(list(self._entries.values()))

    def _add(self, partition: str, body: Mapping[str, Any], line: bytes) -> Entry:
        entry = Entry(next(self._numbers), partition, body, line, self._clock())
        self._entries[entry.number] = entry
        self._of[partition] += 1
        self._bytes += len(line)
        return entry

    def _save(self, *, whole: bool = False) -> None:
        before, waiting = self._file, list(self._entries.values())
        fresh = [entry for entry in waiting if not entry.saved]
        if self._folder is None:
            return
        if before is not None and waiting and not whole and before.size <= 2 * self._bytes:
            if fresh:
                before.append(entry.line for entry in fresh)
        elif waiting or before is not None:
            self._file = SpoolFile(self._folder, (e.line for e in waiting)) if waiting else None
            if before is not None:
                before.remove()
        for entry in fresh:
            entry.saved = True
        self._n_saved += len(fresh)


def _line(partition: str, body: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"partition": partition, "body": body}, option=orjson.OPT_APPEND_NEWLINE)
