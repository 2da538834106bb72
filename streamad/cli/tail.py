"""Alert events of a file as they reach it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Tail:
    """Events of a JSONL file, each once.

    Parameters
    ----------
    path : Path
        It may be missing as yet.

    Notes
    -----
    A process that was killed writes the same events again at the same places, so what was read
    stays read.
    """

    path: Path
    _read: int = 0

    def news(self) -> Iterator[dict[str, Any]]:
        """Events since the last call; a line that is being written waits."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if line.endswith(b"\n"):
                        self._read += len(line)
                        yield json.loads(line)
