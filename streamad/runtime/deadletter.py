"""Rows that were not processed: counted, and kept where they can be read again."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from streamad.core.append import AppendFile
from streamad.core.data import Reject
from streamad.core.errors import ConfigError, ConnectorError


class DeadLetterFile:
    """Rejected rows as JSON lines, one file a partition; exactly once across restarts.

    Parameters
    ----------
    path : path
        May hold ``{partition}``. The file appears with the first rejected row.

    Raises
    ------
    ConnectorError
        When the file cannot be written.

    Notes
    -----
    :meth:`flush` returns the length of the file; a restart goes on at the length that the
    checkpoint holds, so a row that is refused again is written once. ``raw``, where the source
    keeps it, is in base64.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._pattern = os.fspath(path)
        self._files: dict[str, AppendFile] = {}
        self._opened: set[str] = set()

    def found(self, partition: str) -> Mapping[str, Any]:
        """The position behind everything that is there, whoever wrote it."""
        path = self._path(partition)
        return {"bytes": path.stat().st_size if path.exists() else 0}

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin or go on with a partition at the position of its checkpoint.

        Raises
        ------
        ConfigError
            If a second partition would write into the same file.
        ConnectorError
            If the file is shorter than the checkpoint says, or cannot be written.
        """
        path = self._path(partition)
        if any(other != partition and self._path(other) == path for other in self._opened):
            raise ConfigError(
                f"{path} would take rejected rows of several partitions: put {{partition}} into "
                "the name"
            )
        self._opened.add(partition)
        before = self._files.pop(partition, None)
        with _errors(path):
            if before is not None:
                before.close()
            length = int(position["bytes"]) if position else 0
            size = path.stat().st_size if path.exists() else 0
            if size < length:
                raise ConnectorError(
                    f"{path} has {size} bytes, the checkpoint covers {length}: restore the file, "
                    "or move the state away (on Kafka with state.on_lost: fresh or rebuild)"
                )
            if length:
                self._files[partition] = AppendFile(path, length)
            else:
                path.unlink(missing_ok=True)

    def write(self, partition: str, rejects: Sequence[Reject]) -> None:
        """Append rejected rows."""
        if not rejects:
            return
        path = self._path(partition)
        with _errors(path):
            if partition not in self._files:
                self._files[partition] = AppendFile(path)
            self._files[partition].write(b"".join(map(_line, rejects)))

    def flush(self, partition: str) -> Mapping[str, Any]:
        """Make durable; the position for the checkpoint."""
        file = self._files.get(partition)
        path = self._path(partition)
        with _errors(path):
            if file is not None:
                return {"bytes": file.flush()}
            return {"bytes": path.stat().st_size if path.exists() else 0}

    def drop(self, partition: str) -> None:
        """Forget the rows that wait; the next owner writes over those that were written."""
        self._opened.discard(partition)
        file = self._files.pop(partition, None)
        if file is not None:
            with suppress(OSError):
                file.close()

    def close(self) -> None:
        """Close the files; what was not flushed may be lost."""
        for file in self._files.values():
            with suppress(OSError):
                file.close()
        self._files.clear()

    def _path(self, partition: str) -> Path:
        return Path(self._pattern.replace("{partition}", quote(partition, safe="")))


def _line(reject: Reject) -> bytes:
    document: dict[str, Any] = {
        "reason": reject.reason,
        "detail": reject.detail,
        "partition": reject.partition,
        "offset": reject.offset,
        "row": dict(reject.row),
    }
    if reject.raw is not None:
        document["raw"] = base64.b64encode(reject.raw).decode()
    if reject.headers:
        document["headers"] = dict(reject.headers)
    return orjson.dumps(document, default=str, option=orjson.OPT_APPEND_NEWLINE)


class _errors:  # noqa: N801
    """Map an OSError to a ConnectorError that names the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise ConnectorError(
                f"cannot keep rejected rows in {self.path}: {error.strerror}; make room or choose "
                "another folder, nothing is skipped"
            ) from error
