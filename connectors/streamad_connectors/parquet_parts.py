"""Files with the scores of a partition between two checkpoints, and which of them count."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from streamad.core.errors import StateError

NOBODY = "0" * 12
"""The writer before the first part."""
_NAME = re.compile(
    r"(?P<prefix>.+)-(?P<number>\d{6,})-(?P<before>[0-9a-f]{12})-(?P<writer>[0-9a-f]{12})\.parquet"
)
_FOREIGN_S = 3600.0


def parts_of(
    path: str | os.PathLike[str], partition: str, position: Mapping[str, Any] | None
) -> list[Path]:
    """Files with the rows of a partition up to a checkpoint, in order.

    Parameters
    ----------
    path : path
        That of the sink.
    partition : str
    position : mapping or None
        Of the sink in the checkpoint.

    Raises
    ------
    StateError
        If one of them is gone.
    """
    n_parts = int(position["parts"]) if position else 0
    if position is None or n_parts == 0:
        return []
    folder, prefix = Path(f"{path}.parts"), quote(partition, safe="")
    named = _parts_in(folder, prefix)
    found: list[Path] = []
    writer = str(position.get("writer"))
    for number in reversed(range(n_parts)):
        if (number, writer) not in named:
            raise StateError(
                f"the checkpoint has {n_parts} parts of scores, but number {number} of {writer} "
                f"is gone from {folder}: start the run afresh"
            )
        found.append(named[number, writer])
        writer = found[-1].stem.split("-")[-2]
    return found[::-1]


def last_of(path: str | os.PathLike[str], partition: str) -> Mapping[str, Any]:
    """The position behind the newest of the last parts that are there.

    Parameters
    ----------
    path : path
        That of the sink.
    partition : str
    """
    named = _parts_in(Path(f"{path}.parts"), quote(partition, safe=""))
    if not named:
        return {"parts": 0, "writer": NOBODY}
    last = max(number for number, _ in named)
    newest = max(
        (path for (number, _), path in named.items() if number == last),
        key=lambda path: path.stat().st_mtime,
    )
    return {"parts": last + 1, "writer": newest.stem.rpartition("-")[2]}


def part_name(prefix: str, number: int, before: str, writer: str) -> str:
    """Name of a part: its partition, number, predecessor's writer and own writer."""
    return f"{prefix}-{number:06d}-{before}-{writer}.parquet"


def _parts_in(folder: Path, prefix: str) -> dict[tuple[int, str], Path]:
    """All parts of a partition by number and writer."""
    named = [(path, _NAME.fullmatch(path.name)) for path in folder.glob(f"{prefix}-*.parquet")]
    return {
        (int(match["number"]), match["writer"]): path
        for path, match in named
        if match and match["prefix"] == prefix
    }


def sweep(folder: Path, pattern: str, keep: Sequence[Path] = ()) -> None:
    """Delete what dead processes have left; a young file may be that of a living one."""
    for left_over in {*folder.glob(pattern)}.difference(keep):
        with suppress(FileNotFoundError):
            if time.time() - left_over.stat().st_mtime > _FOREIGN_S:
                left_over.unlink()
