"""Files with the scores of a partition between two checkpoints, and which of them count."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from streamad.core.errors import StateError
from streamad_connectors.parquet_scores import join

log = logging.getLogger(__name__)

NOBODY = "0" * 12
"""The writer before the first part."""
PACK = 64
PACK_BYTES = 1 << 24
"""So many files of the same number of parts become one, unless it would be larger than this."""
PACK_ROWS = 1 << 18
"""Of a row group."""
_NAME = re.compile(
    r"(?P<prefix>.+)-(?P<last>\d{6,})-(?P<before>[0-9a-f]{12})-(?P<writer>[0-9a-f]{12})"
    r"(?:-from(?P<first>\d+))?\.parquet"
)
_FOREIGN_S = 3600.0


@dataclass(frozen=True, slots=True)
class Part:
    """A file of scores: one part, or several that were packed.

    Attributes
    ----------
    prefix : str
        The percent-encoded name of the partition.
    first, last : int
        Numbers of its parts.
    before : str
        Writer of the part before the first.
    writer : str
        Of the last part.
    """

    prefix: str
    first: int
    last: int
    before: str
    writer: str

    @property
    def file_name(self) -> str:
        """The name says all of it."""
        packed = f"-from{self.first}" if self.first < self.last else ""
        return f"{self.prefix}-{self.last:06d}-{self.before}-{self.writer}{packed}.parquet"

    @property
    def n_parts(self) -> int:
        """How many parts it holds."""
        return self.last + 1 - self.first


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
        If the last one is gone, or one behind another that is there. The oldest may be gone: they
        were taken away.
    """
    folder = Path(f"{path}.parts")
    return [folder / part.file_name for part in chain_of(folder, partition, position)]


def last_of(path: str | os.PathLike[str], partition: str) -> Mapping[str, Any]:
    """The position behind the newest of the last parts that are there.

    Parameters
    ----------
    path : path
        That of the sink.
    partition : str
    """
    folder = Path(f"{path}.parts")
    named = _parts_in(folder, quote(partition, safe="")).values()
    if not named:
        return {"parts": 0, "writer": NOBODY}
    last = max(part.last for part in named)
    newest = max(
        (part for part in named if part.last == last),
        key=lambda part: (folder / part.file_name).stat().st_mtime,
    )
    return {"parts": last + 1, "writer": newest.writer}


def pack(path: str | os.PathLike[str], partition: str, position: Mapping[str, Any]) -> None:
    """Make one file of many old ones before a checkpoint behind which nobody goes back.

    Parameters
    ----------
    path : path
        That of the sink.
    partition : str
    position : mapping
        Of the sink in the oldest checkpoint that is left.

    Notes
    -----
    :data:`PACK` files of one part each, or of equally many, become one, so that the number of files
    grows with the logarithm of their age, until a file has :data:`PACK_BYTES`. That takes less than
    half a second, and is done once a call, so that it holds up no checkpoint. A file younger than
    an hour stays as it is: whoever was frozen when it was the newest may have a checkpoint in hand
    that ends with it. The new file is there before the old ones go. What cannot be done is logged
    and tried again later.
    """
    folder = Path(f"{path}.parts")
    try:
        run = next(_runs(folder, chain_of(folder, partition, position)), None)
        if run is not None:
            first, last = run[0], run[-1]
            packed = Part(first.prefix, first.first, last.last, first.before, last.writer)
            old = [folder / part.file_name for part in run]
            counts = {partition: last.last + 1}
            join(old, folder / packed.file_name, folder, counts, PACK_ROWS)
            for file in old:
                file.unlink(missing_ok=True)
    except (OSError, StateError, pa.ArrowException) as error:
        log.warning("old scores of %s in %s are not packed: %s", partition, folder, error)


def sweep(folder: Path, pattern: str, keep: Sequence[Path] = ()) -> None:
    """Delete what dead processes have left; a young file may be that of a living one."""
    for left_over in {*folder.glob(pattern)}.difference(keep):
        with suppress(FileNotFoundError):
            if _is_old(left_over.stat()):
                left_over.unlink()


def chain_of(folder: Path, partition: str, position: Mapping[str, Any] | None) -> list[Part]:
    """The parts in a folder up to a position; as :func:`parts_of`."""
    n_parts = int(position["parts"]) if position else 0
    if position is None or n_parts == 0:
        return []
    named = _parts_in(folder, quote(partition, safe=""))
    found: list[Part] = []
    number, writer = n_parts - 1, str(position.get("writer"))
    while number >= 0:
        part = named.get((number, writer))
        if part is None and found and all(other.last > number for other in named.values()):
            break
        if part is None:
            raise StateError(
                f"the checkpoint has {n_parts} parts of scores, but number {number} of {writer} "
                f"is gone from {folder}: bring it back, or start the run afresh"
            )
        found.append(part)
        number, writer = part.first - 1, part.before
    return found[::-1]


def _parts_in(folder: Path, prefix: str) -> dict[tuple[int, str], Part]:
    """All parts of a partition by last number and writer; of two, the one that holds more."""
    named = [_NAME.fullmatch(path.name) for path in folder.glob(f"{prefix}-*.parquet")]
    found = [
        Part(prefix, int(m["first"] or m["last"]), int(m["last"]), m["before"], m["writer"])
        for m in named
        if m and m["prefix"] == prefix
    ]
    found.sort(key=lambda part: part.n_parts)
    return {(part.last, part.writer): part for part in found}


def _runs(folder: Path, chain: Sequence[Part]) -> Iterator[list[Part]]:
    """Neighbours that can be packed."""
    for _, group in groupby(chain, key=lambda part: part.n_parts):
        alike = list(group)
        for start in range(0, len(alike) - PACK + 1, PACK):
            run = alike[start : start + PACK]
            stats = [(folder / part.file_name).stat() for part in run]
            if all(map(_is_old, stats)) and sum(s.st_size for s in stats) <= PACK_BYTES:
                yield run


def _is_old(stat: os.stat_result) -> bool:
    return time.time() - stat.st_mtime > _FOREIGN_S
