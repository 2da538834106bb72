"""Event time: rows of many series in processing order, with slots, limits, gaps and lateness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Batch, Codes, Rows, Schema, Segment
from streamad.core.errors import ConfigError, NotFittedError, StateError
from streamad.core.recode import Recoder, grown
from streamad.core.slab import Slab, nest, pack_names, unnest, unpack_names
from streamad.windowing.gaps import fill_gaps
from streamad.windowing.rejects import Refusal, refuse
from streamad.windowing.reorder import Arrivals, Reorder

NO_LIMIT = np.iinfo(np.int64).max
GAP_PERIODS = 64
MOST_FILLED = 100_000
"""Largest gap that may be filled, in rows."""
FILLED_A_SEGMENT = 65_536
"""A segment ends early when so many filled rows are in it."""
NAMES_BETWEEN = 1024
"""New names, at least, between two looks for those that can be forgotten."""


class EventTime:
    """Rows of one partition in processing order, each with the slot of its series.

    Parameters
    ----------
    period_ns : int or None
        Time between rows of a series, nanoseconds; None = series have no declared period and gaps
        are not filled.
    lateness_ns : int
        How long rows wait to be sorted by time, nanoseconds of event time. Rows later than that
        are rejected as ``late``. With 0 every row that is not older than the last of its series
        goes straight through.
    fill : {"nan", "hold"}
        What stands in filled rows: nothing, or the latest known value of each channel.
    max_gap_ns : int or None
        Longer gaps are not filled and windows start anew after them. None = 64 periods; no limit
        where there is no period.
    duplicates : {"drop", "keep"}
        ``drop`` rejects a row with the time of the series' last one as ``duplicate``.
    max_keys : int
        Series at most; one more makes the least recently seen one leave.
    ttl_ns : int or None
        A series leaves when the time of the partition has gone on by more than this since it was
        seen last, nanoseconds.
    max_jump_ns : int or None
        A row further ahead of the partition's time than this is rejected as ``time``, nanoseconds.
        The first row of a partition is always accepted.
    max_held_rows : int
        Rows held back for sorting at most; one more lets the oldest go.

    Raises
    ------
    ConfigError
        A value out of its range, or a gap limit that would fill more than 100 000 rows.

    Notes
    -----
    The time of the partition is the largest time processed. Everything is decided row by row, so
    that the cut into batches never shows; rejected rows count as not seen. A row k periods
    (rounded) after the last of its series gets k - 1 filled rows before it, on the grid of that
    last row; times off the grid are taken as they are.

    Cost: about 10 ns a row for one series, 15 to 30 ns for 10 000, 130 ns where rows wait to be
    sorted. State: about 30 bytes a series, and what is held back; names of at most twice as many
    series as are live or held back, besides those of one batch and of 1024 more. Where nothing is
    rejected, filled or sorted, ``values`` and ``times`` of the rows are views of the batch. A
    snapshot depends on the rows alone: not on their cut into batches, nor on when a source begins
    a new schema. Thread rule: one thread at a time.

    Examples
    --------
    >>> import numpy as np
    >>> from streamad.core.data import Batch, Schema
    >>> schema = Schema(["flow"], ["pump-1"])
    >>> times = np.array([10, 20, 20, 50])
    >>> values = np.array([[1.0], [2.0], [2.5], [3.0]])
    >>> ordering = EventTime(period_ns=10, fill="hold")
    >>> ordering.open(schema.channels)
    >>> batch = Batch(schema, np.zeros(4, np.int32), times, values, "0", 4)
    >>> segment, = ordering.push(batch)
    >>> segment.rows.times.tolist(), segment.rows.values[:, 0].tolist()
    ([10, 20, 30, 40, 50], [1.0, 2.0, 2.0, 2.0, 3.0])
    >>> [reject.reason for reject in segment.rejects]
    ['duplicate']
    """

    def __init__(
        self,
        *,
        period_ns: int | None = None,
        lateness_ns: int = 0,
        fill: Literal["nan", "hold"] = "nan",
        max_gap_ns: int | None = None,
        duplicates: Literal["drop", "keep"] = "drop",
        max_keys: int = 100_000,
        ttl_ns: int | None = None,
        max_jump_ns: int | None = 366 * 86_400 * 10**9,
        max_held_rows: int = 1_000_000,
    ) -> None:
        positive = {
            "period_ns": period_ns,
            "max_gap_ns": max_gap_ns,
            "max_keys": max_keys,
            "ttl_ns": ttl_ns,
            "max_jump_ns": max_jump_ns,
            "max_held_rows": max_held_rows,
        }
        for name, value in positive.items():
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be a positive integer, got {value!r}")
        if lateness_ns < 0:
            raise ConfigError(f"lateness_ns must be 0 or more, got {lateness_ns!r}")
        _one_of("fill", fill, ("nan", "hold"))
        _one_of("duplicates", duplicates, ("drop", "keep"))
        if max_gap_ns is None:
            max_gap_ns = NO_LIMIT if period_ns is None else GAP_PERIODS * period_ns
        elif period_ns is not None and max_gap_ns > MOST_FILLED * period_ns:
            raise ConfigError(
                f"max_gap_ns={max_gap_ns} with period_ns={period_ns} would fill gaps of "
                f"{max_gap_ns // period_ns} rows, the most is {MOST_FILLED}: lower max_gap_ns"
            )
        self.period_ns = period_ns
        self.lateness_ns = lateness_ns
        self.fill = fill
        self.max_gap_ns = max_gap_ns
        self.duplicates = duplicates
        self.max_keys = max_keys
        self.ttl_ns = ttl_ns
        self.max_jump_ns = max_jump_ns
        self.max_held_rows = max_held_rows
        self._reorder: Reorder | None = None
        self.open(())

    def open(self, channels: Sequence[str]) -> None:
        """Allocate for rows with these channels."""
        jump = NO_LIMIT if self.max_jump_ns is None else self.max_jump_ns
        if self.lateness_ns:
            self._reorder = Reorder(self.lateness_ns, jump, self.max_held_rows, len(channels))
            jump = NO_LIMIT
        self._rules = np.array(
            [
                self.max_keys,
                NO_LIMIT if self.ttl_ns is None else self.ttl_ns,
                jump,
                self.duplicates == "drop",
                self.period_ns or 0,
                self.max_gap_ns,
                FILLED_A_SEGMENT,
            ],
            np.int64,
        )
        hold = self.period_ns is not None and self.fill == "hold"
        self._slab = Slab(
            {
                "key": ((), np.int32, -1),
                "last": ((), np.int64, 0),
                "seen": ((), np.int64, 0),
                "older": ((), np.int32, -1),
                "newer": ((), np.int32, -1),
                "free": ((), np.int32, -1),
                **({"held": ((len(channels),), np.float64, np.nan)} if hold else {}),
            }
        )
        self._hold = hold
        self._book = np.array([0, 0, -1, -1, 0, 0, 0, 0, 0, 0, 0], np.int64)
        names = Schema(channels)
        self._recoder = Recoder(names)
        self._number(names)

    def push(self, batch: Batch) -> Iterator[Segment]:
        """Rows that are ready, in order; take all segments before the next call.

        A segment ends where a series has to leave; ``late``, ``duplicate`` and ``time`` rejects
        travel with the segment in which they were found.

        Raises
        ------
        NotFittedError
            Before :meth:`open`, or if the batch has other channels.
        """
        if batch.schema.channels != self._names.channels:
            raise NotFittedError(
                f"event time is open for the channels {self._names.channels}, the batch has "
                f"{batch.schema.channels}: call open with the channels of the source first"
            )
        values = np.require(batch.values, np.float64, ["C", "W"])
        times = np.require(batch.times, np.int64, ["C", "W"])
        keys = self._keys(batch)
        keyed = Batch(
            self._names,
            keys,
            times,
            values,
            batch.partition,
            batch.next_offset,
            batch.offsets,
        )
        if self._reorder is None:
            n = len(keyed)
            arrivals = Arrivals(keyed, np.zeros(n, np.uint8), np.empty(n, np.int64))
        else:
            arrivals = self._reorder.push(keyed)
        yield from self._segments(arrivals)

    def finish(self) -> Iterator[Segment]:
        """Release what was held back for sorting."""
        if self._reorder is not None:
            yield from self._segments(self._reorder.drain(self._names))

    def names(self, slots: Codes) -> list[str]:
        """Series names of live slots."""
        return [self._names.series[key] for key in self._slab["key"][slots]]

    def live(self) -> Codes:
        """Slots in use, ascending."""
        return np.flatnonzero(self._slab["key"] >= 0).astype(np.int32)

    @property
    def watermark_ns(self) -> int | None:
        """Largest time released; None before the first row."""
        now, started = self._book[:2]
        return int(now) if started else None

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state; series by name, rows held back included."""
        from streamad.kernels import ordering

        n_slots = self._book[ordering.USED]
        slots = {name: self._slab[name][:n_slots].copy() for name in self._slab.layout}
        held = {} if self._reorder is None else self._reorder.snapshot()
        used = self._used_keys(held.get("keys"))
        place = self._places(used)
        slots["key"] = place[slots["key"]]
        if held:
            held["keys"] = place[held["keys"]]
        arrays = nest("slots", slots) | nest("held", held)
        arrays |= nest("names", pack_names([self._names.series[key] for key in used]))
        arrays["book"] = self._book.copy()
        arrays["book"][ordering.EVICTED :] = 0
        return arrays

    def restore(self, snapshot: Arrays) -> None:
        """Behave as if never stopped since the snapshot; codes of later batches may differ.

        Raises
        ------
        StateError
            If the snapshot was made with other channels or other options.
        """
        book = snapshot.get("book")
        if book is None or book.shape != self._book.shape:
            came = "nothing" if book is None else f"shape {book.shape}"
            raise StateError(
                f"event time state 'book' should have shape {self._book.shape}, got {came}; the "
                "snapshot belongs to another version"
            )
        self._slab.restore(unnest("slots", snapshot))
        self._book = book.copy()
        names = Schema(self._names.channels, unpack_names(unnest("names", snapshot)))
        self._recoder = Recoder(names)
        self._number(names)
        if self._reorder is not None:
            self._reorder.restore(unnest("held", snapshot))

    def _keys(self, batch: Batch) -> Codes:
        """Own key of each row's series; only names that occur in rows are taken over."""
        if len(self._names.series) > self._most_names:
            self._forget_unused_names()
        known = len(self._names.series)
        keys = self._recoder.codes(batch.schema.series, batch.codes)
        if len(self._names.series) > known:
            self._make_room()
        return keys

    def _used_keys(self, held: Codes | None) -> list[int]:
        """Keys of live series by slot, then other keys of rows held back, as those come."""
        keys = self._slab["key"]
        keys = keys[keys >= 0]
        if held is not None:
            keys = np.concatenate((keys, held))
        first = np.full(len(self._names.series), len(keys))
        np.minimum.at(first, keys, np.arange(len(keys)))
        met = np.flatnonzero(first < len(keys))
        used: list[int] = met[np.argsort(first[met])].tolist()
        return used

    def _places(self, used: list[int]) -> Codes:
        """Place of each key among the used ones, at the index of the key; -1 stays -1."""
        place = np.full(len(self._names.series) + 1, -1, np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        return place

    def _forget_unused_names(self) -> None:
        """Start a new numbering of keys with those in use, if most are not."""
        held = None if self._reorder is None else self._reorder.keys()
        used = self._used_keys(held)
        if len(self._names.series) <= 2 * len(used):
            self._most_names = 2 * len(used) + NAMES_BETWEEN
            return
        place = self._places(used)
        self._slab["key"][:] = place[self._slab["key"]]
        if self._reorder is not None and held is not None:
            self._reorder.rename(place[held])
        names = Schema(self._names.channels, [self._names.series[key] for key in used])
        self._recoder.renumber(names, place)
        self._number(names)

    def _number(self, names: Schema) -> None:
        """Take names whose codes are the keys; all that holds keys has these already."""
        self._names = names
        self._most_names = 2 * len(names.series) + NAMES_BETWEEN
        self._slot_of_key: Codes = np.empty(0, np.int32)
        self._make_room()
        live = self.live()
        self._slot_of_key[self._slab["key"][live]] = live

    def _make_room(self) -> None:
        """Room for all keys."""
        n_keys = len(self._names.series)
        self._slab.admit(np.arange(len(self._slab), min(n_keys, self.max_keys), dtype=np.int32))
        self._slot_of_key = grown(self._slot_of_key, n_keys)

    def _segments(self, arrivals: Arrivals) -> Iterator[Segment]:
        from streamad.kernels import ordering

        batch, verdict, compared = arrivals.batch, arrivals.verdict, arrivals.compared
        n, slab, book = len(batch), self._slab, self._book
        slots = np.empty(n, np.int32)
        fresh = np.empty(n, np.bool_)
        filled = np.zeros(n, np.bool_)
        fills = np.empty(n if self.period_ns else 0, np.int32)
        admitted = np.empty(n, np.int32)
        start = 0
        while start < n:
            n_free = book[ordering.FREE]
            stop = ordering.order_pass(
                start,
                batch.codes,
                batch.times,
                verdict,
                compared,
                self._rules,
                book,
                self._slot_of_key,
                slab["key"],
                slab["last"],
                slab["seen"],
                slab["older"],
                slab["newer"],
                slab["free"],
                slots,
                fresh,
                fills,
                admitted,
            )
            came = admitted[: book[ordering.ADMITTED]].copy()
            left = slab["free"][n_free : n_free + book[ordering.EVICTED]].copy()
            part: slice | NDArray[np.int64] = slice(start, stop)
            rejects = []
            if book[ordering.REJECTED]:
                refused = start + np.flatnonzero(verdict[start:stop])
                part = start + np.flatnonzero(verdict[start:stop] == 0)
                rejects = [
                    refuse(batch, row, Refusal(verdict[row]), int(compared[row]))
                    for row in refused.tolist()
                ]
            rows = Rows(
                slots[part], batch.times[part], batch.values[part], filled[part], fresh[part]
            )
            if self._hold or book[ordering.FILLED]:
                held = slab["held"] if self._hold else np.empty((0, batch.values.shape[1]))
                rows = fill_gaps(rows, fills[part], compared[part], self.period_ns or 0, held)
            yield Segment(left, came, self.names(came), rows, rejects)
            start = stop


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
