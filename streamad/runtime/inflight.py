"""Records on which the process dies, again and again: found one by one, then left out."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import numpy as np

from streamad.core.data import Batch, Reject
from streamad.core.event import iso_time

log = logging.getLogger(__name__)

CAREFUL_AFTER = 3
"""Deaths from the same position after which records are taken one by one."""
PROOFS = 2
"""Deaths with one and the same record in hand after which it is left out."""


@dataclass(slots=True)
class _Mark:
    """What a file says of a partition.

    Attributes
    ----------
    owner : str
        The process that has it, or had it when it died; empty = none did.
    position : int
        Where that one went on from its snapshot; -1 = it had none.
    deaths : int
        Processes that died before from this position.
    at : int
        First offset of what is in hand; -1 = nothing is.
    alone : bool
        True if that is one record, so that nothing else can be to blame.
    reach : int
        Offset up to which records are to be taken one by one.
    proofs, proven : int
        Processes that died with the record ``proven`` alone in hand.
    skip : list of int
        Offsets of records that are left out.
    """

    owner: str = ""
    position: int = -1
    deaths: int = 0
    at: int = -1
    alone: bool = False
    reach: int = -1
    proofs: int = 0
    proven: int = -1
    skip: list[int] = field(default_factory=list)

    def careful(self, offset: int) -> bool:
        """Whether the record at an offset, or one behind it, is under suspicion."""
        watched = self.deaths >= CAREFUL_AFTER and offset < self.reach
        return watched or any(left_out >= offset for left_out in self.skip)


class InFlight:
    """Remembers in files beside the snapshots what is in hand, once processes have died.

    Parameters
    ----------
    folder : Path or None
        Of the snapshots; None = nothing is remembered.

    Notes
    -----
    A file a partition is written when it comes, and deleted when it is given back or the process
    ends by itself: whoever finds one has a predecessor that died. After a death every batch is
    marked in it while it is processed. After three from the same position, records up to the end of
    the batch that was in hand are processed one by one. After two deaths with the same record in
    hand it is left out, and the file says so for ever: a replay from any snapshot leaves it out as
    well. A process that is killed while it waits has nothing in hand. Nothing is synced, since what
    was written outlives a process; a machine that dies may cost a repetition. Cost: nothing a batch
    without a death.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._owner = uuid4().hex
        self._marks: dict[str, _Mark] = {}

    def begin(self, name: str, position: int | None) -> None:
        """A partition goes on from its snapshot; None = it has none."""
        if self._folder is None or name in self._marks:
            return
        before = self._read(name)
        mark = _Mark(self._owner, -1 if position is None else position, skip=before.skip)
        if before.alone:
            again = before.at == before.proven
            mark.deaths, mark.reach = CAREFUL_AFTER, max(before.reach, before.at + 1)
            mark.proofs, mark.proven = (before.proofs if again else 0) + 1, before.at
            if mark.proofs >= PROOFS:
                mark.skip = sorted({*mark.skip, mark.proven})
        elif before.owner and before.position == mark.position:
            mark.deaths, mark.reach = before.deaths + 1, before.reach
            mark.proofs, mark.proven = before.proofs, before.proven
        if mark.deaths:
            log.warning("partition %s: a process has died in it (%s so far)", name, mark.deaths)
        self._marks[name] = mark
        self._write(name)

    def end(self, names: Iterable[str]) -> None:
        """Partitions are given back, or the process ends by itself."""
        for name in list(names):
            mark = self._marks.pop(name, None)
            if mark is not None and self._read(name).owner == self._owner:
                if mark.skip:
                    self._write(name, _Mark(skip=mark.skip))
                else:
                    self._remove(name)

    def end_all(self) -> None:
        """The process ends by itself."""
        self.end(self._marks)

    def pieces(self, batch: Batch) -> Iterator[Batch]:
        """The batch; one record after the other where one of them is under suspicion."""
        mark = self._marks.get(batch.partition)
        if mark is None or not len(batch) or not mark.careful(batch.offset(0)):
            yield batch
            return
        offsets = [batch.offset(row) for row in range(len(batch))]
        starts = [row for row in range(len(batch)) if row == 0 or offsets[row] > offsets[row - 1]]
        for start, stop in pairwise([*starts, len(batch)]):
            rows = slice(start, stop)
            yield Batch(
                batch.schema,
                batch.codes[rows],
                batch.times[rows],
                batch.values[rows],
                batch.partition,
                batch.next_offset if stop == len(batch) else offsets[start] + 1,
                np.array(offsets[rows], np.int64),
            )

    def take(self, batch: Batch) -> None:
        """A batch is about to be processed."""
        mark = self._marks.get(batch.partition)
        if mark is not None and mark.deaths and len(batch):
            mark.at = batch.offset(0)
            mark.alone = mark.deaths >= CAREFUL_AFTER and mark.at < mark.reach
            if not mark.alone:
                mark.reach = batch.next_offset
            self._write(batch.partition)

    def put_down(self, batch: Batch) -> None:
        """It is processed."""
        mark = self._marks.get(batch.partition)
        if mark is not None and mark.at >= 0:
            mark.at = -1
            if not mark.alone or batch.next_offset >= mark.reach:
                mark.reach = -1
                mark.deaths = min(mark.deaths, CAREFUL_AFTER - 1)
            mark.alone = False
            self._write(batch.partition)

    def left_out(self, name: str, offset: int) -> bool:
        """Whether the process has died on this record too often."""
        mark = self._marks.get(name)
        return mark is not None and offset in mark.skip

    def _path(self, name: str) -> Path:
        return Path(self._folder or "") / f"{quote(name, safe='')}.running"

    def _read(self, name: str) -> _Mark:
        try:
            found: dict[str, Any] = json.loads(self._path(name).read_bytes())
            return _Mark(**found)
        except FileNotFoundError:
            return _Mark()
        except (OSError, ValueError, TypeError) as error:
            log.warning("partition %s: %s tells nothing: %s", name, self._path(name), error)
            return _Mark()

    def _write(self, name: str, mark: _Mark | None = None) -> None:
        """Replace the file; a disk that takes nothing is told by the checkpoints."""
        path = self._path(name)
        fresh = path.with_name(f"{path.name}.{self._owner}.tmp")
        try:
            fresh.write_text(json.dumps(asdict(mark or self._marks[name])))
            os.replace(fresh, path)
        except OSError as error:
            log.warning("partition %s: %s cannot be written: %s", name, path, error.strerror)

    def _remove(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("partition %s: %s cannot be deleted: %s", name, path, error.strerror)


def crash_reject(batch: Batch) -> Reject:
    """A record that is left out because the process dies on it."""
    row = {
        "series": batch.schema.series[batch.codes[0]],
        "time": iso_time(int(batch.times[0])),
        "values": dict(zip(batch.schema.channels, batch.values[0].tolist(), strict=True)),
    }
    detail = f"the process died {PROOFS} times with this record alone in hand: it is left out"
    return Reject(batch.partition, batch.offset(0), "crash", detail, row)
