"""Files merged in the order of time, with bounded memory and a bounded number of open files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Ints
from streamad_connectors.pieces import Piece, join

MAX_OPEN = 64
"""Files kept open at once; each further one is opened again for every piece."""

JUMP_NS = 366 * 86_400 * 10**9
"""A single row so far ahead of its neighbours does not hold its file back."""

_NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Stream:
    """One file to merge.

    Attributes
    ----------
    start_ns : int
        Where the file begins; an earlier time counts as this one.
    read : callable
        ``read(row)`` yields the pieces from a row on, none of them empty.
    """

    start_ns: int
    read: Callable[[int], Generator[Piece, None, None]]


def merge(streams: Sequence[Stream], piece_rows: int) -> Generator[Piece, None, None]:
    """All rows of all streams, in the order of their keys.

    The key of a row is the largest time of its file so far: rows of one file keep their order.
    Rows of the same key come in the order of the streams. A row that will be refused, or one that
    is a year ahead of both its neighbours, has the key of the row before it.

    Parameters
    ----------
    streams : sequence of Stream
    piece_rows : int
        A stream is read on when fewer rows of it are in hand.

    Yields
    ------
    Piece
        Never empty; the order of the rows does not depend on how the streams are cut.

    Notes
    -----
    A stream is opened when the merge comes to its start. Memory: about two pieces for each stream
    that overlaps with others. Cost: one stable sort of the rows that overlap.
    """
    waiting = sorted(range(len(streams)), key=lambda i: (streams[i].start_ns, i), reverse=True)
    hand = _Hand(piece_rows)
    try:
        while waiting or hand.heads:
            reach = hand.reach()
            while waiting and (
                reach is None or (streams[waiting[-1]].start_ns, waiting[-1]) <= reach
            ):
                index = waiting.pop()
                hand.add(index, streams[index])
                reach = hand.reach()
            if reach is not None:
                yield hand.take(reach)
            hand.fill()
    finally:
        hand.close()


def merge_keys(times: Ints, reached: int, *, ended: bool) -> Ints:
    """Merge keys of consecutive rows of one stream.

    Parameters
    ----------
    times : int64 (n,)
        The smallest int64 stands for rows that will be refused.
    reached : int
        Key of the row before.
    ended : bool
        True if no row follows.

    Returns
    -------
    int64 (m,)
        Fewer than n where the rest needs the next row to be judged.
    """
    keys = np.maximum.accumulate(np.maximum(times, reached))
    done, before = 0, reached
    while True:
        ahead = np.diff(keys[done:], prepend=before) > JUMP_NS
        if not ahead.any():
            return keys
        at = done + int(np.argmax(ahead))
        before = int(keys[at - 1]) if at else reached
        later = times[at + 1 :]
        known = np.flatnonzero(later != _NO_TIME)[:1]
        if len(known) == 0 and not ended:
            return keys[:at]
        if len(known) and later[known[0]] >= times[at] - JUMP_NS:
            before = int(times[at])
        keys[at] = before
        keys[at + 1 :] = np.maximum.accumulate(np.maximum(later, before))
        done = at + 1


class _Head:
    """The rows of a stream that are in hand: those with a key, and those that wait for one."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._pieces: Generator[Piece, None, None] | None = None
        self._n_read = 0
        self._reached = stream.start_ns
        self._keyed: Piece | None = None
        self._unkeyed: Piece | None = None
        self.keys: Ints = np.empty(0, np.int64)
        self.ended = False

    @property
    def is_open(self) -> bool:
        """True while the file is."""
        return self._pieces is not None

    def fill(self, n_rows: int) -> None:
        """Read on until so many rows have a key, or the stream ends."""
        while not self.ended and len(self.keys) < n_rows:
            if self._pieces is None:
                self._pieces = self._stream.read(self._n_read)
            piece = next(self._pieces, None)
            if piece is None:
                self.ended = True
                self.close()
            else:
                self._n_read += len(piece)
                self._unkeyed = _append(self._unkeyed, piece)
            self._give_keys()

    def take(self, key: int, *, through: bool) -> tuple[Piece, Ints] | None:
        """Remove the rows before a key, or through it."""
        n = int(np.searchsorted(self.keys, key, "right" if through else "left"))
        if self._keyed is None or n == 0:
            return None
        taken = self._keyed.cut(0, n), self.keys[:n]
        self._keyed = self._keyed.cut(n, len(self._keyed))
        self.keys = self.keys[n:]
        return taken

    def close(self) -> None:
        """Close the file; :meth:`fill` opens it again."""
        if self._pieces is not None:
            self._pieces.close()
            self._pieces = None

    def _give_keys(self) -> None:
        rows = self._unkeyed
        if rows is None:
            return
        times = rows.times
        if rows.faults:
            times = times.copy()
            times[list(rows.faults)] = _NO_TIME
        keys = merge_keys(times, self._reached, ended=self.ended)
        n = len(keys)
        if n == 0:
            return
        self._reached = int(keys[-1])
        self._keyed = _append(self._keyed, rows.cut(0, n))
        self.keys = np.concatenate((self.keys, keys))
        self._unkeyed = rows.cut(n, len(rows)) if n < len(rows) else None


def _append(before: Piece | None, piece: Piece) -> Piece:
    return piece if before is None or len(before) == 0 else join((before, piece))


class _Hand:
    """The streams that are being merged, by index."""

    def __init__(self, piece_rows: int) -> None:
        self.heads: dict[int, _Head] = {}
        self._piece_rows = piece_rows
        self._open: set[int] = set()

    def add(self, index: int, stream: Stream) -> None:
        """Open a stream and read its first rows."""
        self.heads[index] = _Head(stream)
        self._fill(index)

    def fill(self) -> None:
        """Read on in all streams of which few rows are left."""
        for index in sorted(self.heads):
            self._fill(index)

    def reach(self) -> tuple[int, int] | None:
        """Key and stream of the last row that can be given out: nothing unread comes before it."""
        ends = [(int(head.keys[-1]), i, head.ended) for i, head in self.heads.items()]
        going = [(key, i) for key, i, ended in ends if not ended]
        return min(going) if going else max(((key, i) for key, i, _ in ends), default=None)

    def take(self, reach: tuple[int, int]) -> Piece:
        """The rows up to the reach, in order."""
        taken = [self.heads[i].take(reach[0], through=i <= reach[1]) for i in sorted(self.heads)]
        parts = [part for part in taken if part is not None]
        rows = join([piece for piece, _ in parts])
        if len(parts) == 1:
            return rows
        return rows.take(np.argsort(np.concatenate([keys for _, keys in parts]), kind="stable"))

    def close(self) -> None:
        """Close all files."""
        for head in self.heads.values():
            head.close()

    def _fill(self, index: int) -> None:
        head = self.heads[index]
        head.fill(self._piece_rows)
        if len(head.keys) == 0:
            del self.heads[index]
        if not head.is_open:
            self._open.discard(index)
        elif index in self._open or len(self._open) < MAX_OPEN:
            self._open.add(index)
        else:
            head.close()
