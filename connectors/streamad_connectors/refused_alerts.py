"""Alerts that could not be delivered, as lines of a file that a person reads."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from streamad.core.errors import Backpressure

RETRY_AFTER_S = 5.0


class RefusedAlerts:
    """The dead-letter file of a sink: an alert a line, with why it is there.

    Parameters
    ----------
    path : str
        Made, with the folders above it, for the first alert; several processes may share it.

    Attributes
    ----------
    n : int
        Alerts put aside by this process.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self.n = 0

    def keep(self, document: Mapping[str, Any], reason: str, detail: str) -> None:
        """Put an alert aside; on return it is on the disk.

        Raises
        ------
        Backpressure
            If the file cannot be written: the alert is not put aside then.
        """
        line = {
            "at": datetime.now(UTC).isoformat(),
            "reason": reason,
            "detail": detail,
            "alert": dict(document),
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                data = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
                if os.write(file, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise Backpressure(
                f"an alert that nobody takes cannot be kept in {self._path}: {error.strerror}; "
                "make room or choose another path, nothing is skipped",
                RETRY_AFTER_S,
            ) from error
        self.n += 1
