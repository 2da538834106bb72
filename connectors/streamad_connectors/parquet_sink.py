"""The score table of a run as one Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamad.core.data import Alert, Schema, ScoreRows
from streamad.core.durable import sync
from streamad.core.errors import ConnectorError, StateError
from streamad.core.recode import Recoder
from streamad_connectors.parquet_parts import (
    NOBODY,
    PACK,
    Part,
    chain_of,
    last_of,
    pack,
    parts_of,
    sweep,
)
from streamad_connectors.parquet_scores import (
    NUMBERS,
    PARTS_KEY,
    join,
    score_schema,
    score_writer,
)

GROUP_ROWS = 1 << 18
GROUP_CELLS = 1 << 22


class ParquetScoreSink:
    """Scores of all detectors in one Parquet file.

    Columns: ``series`` and ``detector`` (dictionary), ``time`` (UTC, nanoseconds), ``score``,
    ``score_final``, ``threshold``, ``ratio`` (float64, NaN = not judged), and ``share_<channel>``
    (float32) for the channels of all detectors that attribute, null in the rows of those that do
    not. Rows are in the order in which they were written.

    Parameters
    ----------
    path : str
        The file; it appears when all partitions are finished. Until then its rows are in the folder
        ``<path>.parts``, one file a checkpoint, old ones packed into fewer
        (:func:`.parquet_parts.pack`); :func:`.parquet_parts.parts_of` says which of them count.

    Raises
    ------
    ConnectorError
        When something cannot be written.
    StateError
        When parts that a checkpoint names are gone.

    Notes
    -----
    A part is named by its partition, its number, the writer of the part before it and its writer; a
    writer is one assignment of the partition. So two owners of a partition never touch the same
    file, and the position in a checkpoint, the number of parts and the writer of the last one,
    names them all. A part that no checkpoint names, left by a crash, stays beside them, of no
    account, for an hour or until the file is complete: whoever wrote it may be frozen, with a
    checkpoint in hand that names it.

    Finishing renames a single part and copies several, row group by row group. Memory: one row
    group, at most 262144 rows. Cost: about 100 ns a row. Thread rule: one thread at a time.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._folder = Path(f"{path}.parts")
        self._partitions: dict[str, _Partition] = {}

    def found(self, partition: str) -> Mapping[str, Any]:
        """The position behind the newest of the last parts that are there."""
        return last_of(self._path, partition)

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin a partition, or go on with the parts that a checkpoint names."""
        with _writing(self._path):
            if partition in self._partitions:
                self._partitions[partition].abandon()
            if position is None:
                self._path.unlink(missing_ok=True)
            n_parts = int(position["parts"]) if position else 0
            complete = _counts_in(self._path).get(partition) == n_parts
            parts = [] if complete else parts_of(self._path, partition, position)
            held = self._partitions[partition] = _Partition(self._folder, partition, position)
            held.complete = complete
            sweep(self._folder, "*.tmp")
            sweep(self._folder, f"{quote(partition, safe='')}-*.parquet", parts)

    def write(self, partition: str, scores: Sequence[ScoreRows], alerts: Sequence[Alert]) -> None:  # noqa: ARG002
        """Take score rows; alerts are not written."""
        with _writing(self._path):
            for rows in scores:
                if len(rows):
                    self._partitions[partition].add(rows)

    def flush(self, partition: str, next_offset: int) -> Mapping[str, Any]:  # noqa: ARG002
        """Return when all rows are on the disk, with the number of parts and the last writer."""
        with _writing(self._path):
            return self._partitions[partition].flush()

    def settle(self, partition: str, position: Mapping[str, Any]) -> None:
        """Nobody goes back behind this position: from time to time, pack old parts before it."""
        held = self._partitions[partition]
        if int(position["parts"]) >= held.packed_at + PACK // 2:
            held.packed_at = int(position["parts"])
            pack(self._path, partition, position)

    def drop(self, partition: str) -> None:
        """Forget the rows that wait, and the part that is being written."""
        held = self._partitions.pop(partition, None)
        if held is not None:
            held.abandon()

    def finish(self, partition: str) -> None:
        """Write the file, once all partitions have ended."""
        self.flush(partition, 0)
        self._partitions[partition].finished = True
        held = list(self._partitions.values())
        if all(part.finished for part in held):
            with _writing(self._path):
                if not all(part.complete for part in held):
                    self._combine()
                for path in self._folder.glob("*"):
                    path.unlink()
                if self._folder.is_dir():
                    self._folder.rmdir()

    def close(self) -> None:
        """Forget what was not flushed."""
        for held in self._partitions.values():
            held.abandon()
        self._partitions.clear()

    def _combine(self) -> None:
        """Make one file of all parts."""
        counts = {name: held.n_parts for name, held in self._partitions.items()}
        paths: list[Path] = []
        for name in sorted(counts):
            chain = chain_of(self._folder, name, self._partitions[name].position)
            if chain and chain[0].first:
                raise StateError(
                    f"all scores should become {self._path}, but the first {chain[0].first} parts "
                    f"of {name} are gone from {self._folder}: bring them back and go on"
                )
            paths += [self._folder / part.file_name for part in chain]
        if len(paths) == 1 and len(counts) == 1:
            os.replace(paths[0], self._path)
            sync(self._path.parent)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        join(paths, self._path, self._folder, counts)


class _Partition:
    """What is written of one partition, the part that is open, and the rows that wait."""

    def __init__(self, folder: Path, name: str, position: Mapping[str, Any] | None) -> None:
        self.n_parts = int(position["parts"]) if position else 0
        self.packed_at = self.n_parts - crc32(name.encode()) % (PACK // 2)
        """Not the same for all partitions, so that they are not packed in the same checkpoint."""
        self.finished = False
        self.complete = False
        self._last = str(position["writer"]) if self.n_parts and position else NOBODY
        self._folder = folder
        self._name = name
        self._writer_id = uuid4().hex[: len(NOBODY)]
        self._prefix = quote(name, safe="")
        self._shares: tuple[str, ...] = ()
        self._waiting: list[ScoreRows] = []
        self._n_waiting = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: ScoreRows) -> None:
        """Take rows; write a row group when there are enough."""
        self._waiting.append(rows)
        self._n_waiting += len(rows)
        self.complete = False
        if self._n_waiting >= min(GROUP_ROWS, GROUP_CELLS // (7 + len(rows.channels))):
            self._write_group()

    def flush(self) -> Mapping[str, Any]:
        """Close the part; the position behind it."""
        if self._waiting:
            self._write_group()
        self._end_part()
        return self.position

    @property
    def position(self) -> Mapping[str, Any]:
        """Behind the last part that is written."""
        return {"parts": self.n_parts, "writer": self._last}

    def abandon(self) -> None:
        """Forget the open part."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
            self._temporary().unlink(missing_ok=True)
            self._writer = None
        self._waiting.clear()

    def _part(self) -> Path:
        """The part that is open, under a name that no other owner of the partition gives."""
        number = self.n_parts
        part = Part(self._prefix, number, number, self._last, self._writer_id)
        return self._folder / part.file_name

    def _temporary(self) -> Path:
        return self._part().with_suffix(".tmp")

    def _write_group(self) -> None:
        waiting, self._waiting, self._n_waiting = self._waiting, [], 0
        shares = dict.fromkeys(
            channel for rows in waiting if rows.shares is not None for channel in rows.channels
        )
        wider = tuple(dict.fromkeys((*self._shares, *shares)))
        if wider != self._shares:
            self._end_part()
            self._shares = wider
        schema = score_schema(self._shares)
        if self._writer is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            counts = json.dumps({self._name: self.n_parts + 1})
            schema = schema.with_metadata({PARTS_KEY: counts})
            self._writer = score_writer(self._temporary(), schema)
        self._writer.write_table(self._table(waiting, schema))

    def _end_part(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        temporary, part = self._temporary(), self._part()
        sync(temporary)
        os.replace(temporary, part)
        sync(self._folder)
        self.n_parts += 1
        self._last = self._writer_id

    def _table(self, waiting: Sequence[ScoreRows], schema: pa.Schema) -> pa.Table:
        """Rows of one row group, with the names that occur in them and no others."""
        names, detector_names = Schema(()), Schema(())
        recoder = Recoder(names)
        series = np.concatenate([recoder.codes(rows.series, rows.codes) for rows in waiting])
        detectors = np.concatenate(
            [np.full(len(r), detector_names.code(r.detector), np.int32) for r in waiting]
        )
        times = schema.field("time").type
        return pa.Table.from_arrays(
            [
                _dictionary(series, names.series),
                pa.chunked_array([pa.array(rows.times).view(times) for rows in waiting]),
                _dictionary(detectors, detector_names.series),
                *(
                    pa.chunked_array([pa.array(getattr(rows, name)) for rows in waiting])
                    for name in NUMBERS
                ),
                *(pa.chunked_array([_share(rows, c) for rows in waiting]) for c in self._shares),
            ],
            schema=schema,
        )


def _dictionary(codes: NDArray[np.int32], names: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()), safe=False)


def _share(rows: ScoreRows, channel: str) -> pa.Array:
    if rows.shares is None or channel not in rows.channels:
        return pa.nulls(len(rows), pa.float32())
    return pa.array(np.ascontiguousarray(rows.shares[:, rows.channels.index(channel)]))


def _counts_in(path: Path) -> dict[str, int]:
    """How many parts of each partition a finished file holds; nothing if there is none."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return {}
    found: dict[str, int] = json.loads(metadata.get(PARTS_KEY, b"{}"))
    return found


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise ConnectorError(
            f"scores cannot be written to {path}: {getattr(error, 'strerror', None) or error}; "
            "make room or choose another path"
        ) from error
