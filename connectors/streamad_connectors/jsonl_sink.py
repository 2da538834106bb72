"""Alerts as JSON, one event a line: into a file or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from streamad.core.append import AppendFile, NoRoom
from streamad.core.data import Alert, ScoreRows
from streamad.core.errors import ConfigError, ConnectorError, Disconnected
from streamad.core.event import alert_document

PLACEHOLDER = "{partition}"


class JsonlSink:
    """Alert events in a file, one JSON document (``streamad.alert/1``) a line.

    Parameters
    ----------
    path : str
        May hold ``{partition}``, which stands for the percent-encoded name of the partition; with
        several partitions it has to.

    Raises
    ------
    ConfigError
        From ``open``, when a second partition would write into the same file.
    ConnectorError
        When the file cannot be written, or is shorter than its checkpoint says.
    Disconnected
        From ``write`` and ``flush``, while the disk is full.

    Notes
    -----
    Scores are not written. The position in a checkpoint is the length of the file: going on from
    it writes over what comes behind, so every event is in the file once, also when a process that
    lost the partition unawares writes beside its new owner. Thread rule: one thread at a time.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._files: dict[str, AppendFile] = {}

    def found(self, partition: str) -> Mapping[str, Any]:
        """The position behind everything that is there, whoever wrote it."""
        path = self._file_of(partition)
        return {"bytes": path.stat().st_size if path.exists() else 0}

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin an empty file, or go on with one at the length of its checkpoint."""
        if PLACEHOLDER not in self._path and self._files.keys() - {partition}:
            raise ConfigError(
                f"{self._path} would take the alerts of several partitions ({partition!r} is the "
                f"second): put {PLACEHOLDER} into the path"
            )
        self._close(partition)
        path = self._file_of(partition)
        length = int(position["bytes"]) if position else 0
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = self._files[partition] = AppendFile(path, length)
            if file.size < length:
                raise ConnectorError(
                    f"{path} has {file.size} bytes but its checkpoint says {length}: it was "
                    "changed from outside, start the run afresh"
                )
            if not length:
                file.cut(0)

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Append alerts; durable after :meth:`flush`."""
        if alerts:
            with _writing(self._file_of(partition)):
                self._files[partition].write(b"".join(map(line_of, alerts)))

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Return when all alerts are on the disk, with the length of the file."""
        with _writing(self._file_of(partition)):
            return {"bytes": self._files[partition].flush()}

    def drop(self, partition: str) -> None:
        """Forget the events that wait; the next owner writes over those that were written."""
        self._close(partition)

    def finish(self, partition: str) -> None:
        """The file is complete."""
        with _writing(self._file_of(partition)):
            file = self._files[partition]
            file.cut(file.flush())

    def close(self) -> None:
        """Close the files; what was not flushed may be lost."""
        for partition in list(self._files):
            self._close(partition)

    def _close(self, partition: str) -> None:
        file = self._files.pop(partition, None)
        if file is not None:
            with suppress(OSError):
                file.close()

    def _file_of(self, partition: str) -> Path:
        return Path(self._path.replace(PLACEHOLDER, quote(partition, safe="")))


class StdoutSink:
    """Alert events on standard output, one JSON document (``streamad.alert/1``) a line.

    Raises
    ------
    ConnectorError
        When standard output is closed.

    Notes
    -----
    Each event is flushed at once. What was printed cannot be taken back: after a crash the events
    behind the last checkpoint are printed again, with the same ids.
    """

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Nothing to prepare."""

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Print alerts."""
        for alert in alerts:
            with _writing("standard output"):
                sys.stdout.write(line_of(alert).decode())
                sys.stdout.flush()

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Everything was printed; there is no position."""
        return {}

    def drop(self, partition: str) -> None:
        """What was printed cannot be taken back."""

    def finish(self, partition: str) -> None:
        """Nothing to complete."""

    def close(self) -> None:
        """Standard output stays open."""


def line_of(alert: Alert) -> bytes:
    """An alert as a line of JSON."""
    return orjson.dumps(alert_document(alert), option=orjson.OPT_APPEND_NEWLINE)


@contextmanager
def _writing(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        kind = Disconnected if isinstance(error, NoRoom) else ConnectorError
        raise kind(
            f"alerts cannot be written to {path}: {error.strerror}; make room or choose another "
            "path, nothing is skipped"
        ) from error
