"""The verbs of a source over files; what is read, and in which order, is up to its feed."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from streamad.core.data import Batch, Reject, Schema
from streamad.core.errors import ConfigError
from streamad.core.protocols import Assigned, CommitResult, DataGap, Settled, SourceEvent
from streamad_connectors.feed import Feed, Found, Gap, Order
from streamad_connectors.pieces import NO_ROWS, Piece

log = logging.getLogger(__name__)

PARTITION = "files"
FILE_OPTIONS = (
    "path", "time", "key", "values", "layout", "series", "time_unit", "timezone", "follow",
    "contract",
)  # fmt: skip
"""Options of every file source that decide what its rows are."""

MAX_REJECTS = 65_536
"""Refused rows that wait for :meth:`FileSource.rejects` before poll goes on."""

_WORDS = {"inf": "infinite values", "range": "values outside of the contract"}
LOOK_S = 0.1
"""Between two looks at files that grow, while a poll waits."""


class FileSource:
    """Rows of files, as one partition.

    Parameters
    ----------
    feed : Feed

    Notes
    -----
    The offset of a row is its index in reading order; refused rows have one too. What a feed has to
    say beside its rows becomes an event of a poll that gives none: all rows before it have been
    processed by then. Thread rule: one thread at a time.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._announced = self._paused = self._closed = False
        self._rejects: list[Reject] = []
        self._events: list[SourceEvent] = []
        self._found: Generator[Found, None, None] | None = None
        self._goto(0)

    @property
    def schema(self) -> Schema:
        """Channels and series of the rows that come now; another one now and then."""
        return self._feed.schema

    @property
    def identity(self) -> Mapping[str, Any]:
        """What must be the same when reading goes on; of growing files, how far they were read."""
        return self._feed.identity

    def recall(self, identity: Mapping[str, Any]) -> None:
        """Take on the identity of an earlier life, where it grows with what is read.

        Raises
        ------
        StateError
            If it is none of such a source.
        """
        self._stop_reading()
        self._feed.recall(identity)

    @property
    def total_rows(self) -> int | None:
        """Rows of all files, refused ones included; None where that is not known."""
        return self._feed.total_rows

    @property
    def n_infinite(self) -> int:
        """Infinite values read so far; they count as missing."""
        return self._feed.invalid.get("inf", 0)

    def events(self) -> Sequence[SourceEvent]:
        """The one partition, at the first call; then what was found between the rows."""
        found, self._events = self._events, []
        if self._announced:
            return found
        self._announced = True
        return [Assigned((PARTITION,)), *found]

    def poll(self, timeout_s: float, max_rows: int) -> Sequence[Batch]:
        """At most one batch: the rows asked for, or fewer where a piece of the file ends.

        Raises
        ------
        DecodeError
            If a file is damaged; the message names the place.
        ConnectorError
            If a file was changed or cannot be read.
        """
        if self._paused or self._closed or max_rows < 1 or self._tell():
            return []
        if not self._wait_for_row(time.monotonic() + timeout_s):
            return []
        first, schema = self._next, self._schema
        part = self._advance(min(max_rows, len(self._piece) - self._row))
        good = part.accepted()
        self._pass_refused()
        if good is None and self._next == first + len(part):
            return [Batch(schema, part.codes, part.times, part.values, PARTITION, self._next)]
        rows = slice(None) if good is None else good
        offsets = np.arange(first, first + len(part))[rows]
        return [
            Batch(
                schema,
                part.codes[rows],
                part.times[rows],
                part.values[rows],
                PARTITION,
                self._next,
                offsets,
            )
        ]

    def rejects(self) -> Sequence[Reject]:
        """Rows refused since the last call."""
        found, self._rejects = self._rejects, []
        return found

    def seek(self, partition: str, offset: int) -> None:
        """Go on reading at this offset.

        Raises
        ------
        ConfigError
            If there is no such partition or offset.
        """
        if partition != PARTITION or offset < 0:
            raise ConfigError(
                f"files are one partition {PARTITION!r} with offsets from 0, got {partition!r} "
                f"and {offset}"
            )
        self._goto(offset)

    def commit(self, offsets: Mapping[str, int]) -> CommitResult:
        """Files keep no position; what leads back behind these offsets is forgotten."""
        if PARTITION in offsets:
            self._feed.forget(offsets[PARTITION])
        return CommitResult.OK

    def pause(self, partitions: Iterable[str]) -> None:
        """Stop polling."""
        self._paused = self._paused or PARTITION in set(partitions)

    def resume(self, partitions: Iterable[str]) -> None:
        """Poll again."""
        self._paused = self._paused and PARTITION not in set(partitions)

    def lag(self) -> Mapping[str, int | None]:
        """Rows not yet polled; None where the format does not say."""
        return {PARTITION: self._feed.lag(self._next)}

    def exhausted(self) -> bool:
        """True when all rows were polled and no more will come."""
        return self._ended

    def close(self) -> None:
        """Close the files."""
        for kind, n in () if self._closed else self._feed.invalid.items():
            log.warning("%s %s counted as missing", n, _WORDS[kind])
        self._closed = True
        self._stop_reading()
        self._feed.close()

    def _goto(self, offset: int) -> None:
        self._stop_reading()
        self._rejects = []
        self._next = offset
        self._piece, self._schema = NO_ROWS, self._feed.schema
        self._row = 0
        self._ended = False
        self._notice: Order | Gap | None = None

    def _stop_reading(self) -> None:
        if self._found is not None:
            self._found.close()
            self._found = None

    def _tell(self) -> bool:
        """Make an event of what was found between the rows; False if it was nothing."""
        notice, self._notice = self._notice, None
        if isinstance(notice, Gap):
            self._events.append(DataGap(PARTITION, self._next, self._next + 1, notice.detail))
            self._next += 1
        elif notice is not None:
            self._events.append(Settled((PARTITION,)))
        return notice is not None

    def _wait_for_row(self, deadline: float) -> bool:
        """True as soon as there is a row that is accepted; False at the end or the deadline."""
        while not self._pass_refused():
            left = deadline - time.monotonic()
            if self._ended or self._notice is not None or self._rejects or left <= 0:
                return False
            time.sleep(min(left, LOOK_S))
        return True

    def _pass_refused(self) -> bool:
        """Move on to the next row that is accepted; False if there is none, or too many refused.

        So the position behind a batch covers the refused rows that follow it.
        """
        while len(self._rejects) < MAX_REJECTS:
            if self._row == len(self._piece):
                piece = self._next_piece()
                self._piece, self._row = piece or NO_ROWS, 0
                if piece is None:
                    return False
                continue
            stop = self._row
            while stop in self._piece.faults:
                stop += 1
            if stop == self._row:
                return True
            self._advance(stop - self._row)
        return False

    def _next_piece(self) -> Piece | None:
        """The next rows; None where there are none before something else.

        After an error the next call reads them again.
        """
        if self._ended or self._notice is not None:
            return None
        if self._found is None:
            self._found = self._feed.read_from(self._next)
        try:
            found = next(self._found)
        except StopIteration:
            self._ended = True
            return None
        except Exception:
            self._stop_reading()
            raise
        if isinstance(found, Order | Gap):
            self._notice = found
            return None
        self._schema = self._feed.schema
        return found

    def _advance(self, n_rows: int) -> Piece:
        """The next rows of the piece in hand; those refused are remembered."""
        part = self._piece.cut(self._row, self._row + n_rows)
        self._rejects += [
            Reject(PARTITION, self._next + at, fault.reason, fault.detail, fault.row)
            for at, fault in part.faults.items()
        ]
        self._row += n_rows
        self._next += n_rows
        return part
