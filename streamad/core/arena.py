"""State of many series whose sizes differ: blocks of any length in one contiguous array."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from streamad.core.data import Arrays, Floats, Ints
from streamad.core.errors import StateError


class Arena:
    """One growing float64 array; a slot owns a block of it, or none.

    Notes
    -----
    :meth:`allocate` may move the pool: hold no view of it, and no ``pool`` or ``begin``, across a
    call. A freed block is used again for a block of the same length; when no block is left the
    pool is given back. Growth is by a quarter, in place where the system can move pages.

    Examples
    --------
    >>> arena = Arena()
    >>> arena.allocate(0, 3)[:] = 1.0
    >>> arena.allocate(5, 2)[:] = 2.0
    >>> arena.free(0)
    >>> arena.block(5), len(arena.block(0))
    (array([2., 2.]), 0)
    """

    def __init__(self) -> None:
        self.pool: Floats = np.zeros(0)
        self.begin: Ints = np.zeros(0, np.int64)
        self.size: Ints = np.zeros(0, np.int64)
        self._used = 0
        self._spare: defaultdict[int, list[int]] = defaultdict(list)

    @property
    def bytes_used(self) -> int:
        """Bytes in blocks."""
        return 8 * int(self.size.sum())

    def block(self, slot: int) -> Floats:
        """The block of a slot (a view; empty if it has none)."""
        if slot >= len(self.begin):
            return self.pool[:0]
        start = int(self.begin[slot])
        return self.pool[start : start + int(self.size[slot])]

    def allocate(self, slot: int, size: int) -> Floats:
        """Give a slot a block of zeros in place of what it had."""
        self.free(slot)
        if slot >= len(self.begin):
            more = max(slot + 1 - len(self.begin), len(self.begin))
            self.begin = np.concatenate((self.begin, np.zeros(more, np.int64)))
            self.size = np.concatenate((self.size, np.zeros(more, np.int64)))
        spare = self._spare.get(size)
        if spare:
            start = spare.pop()
        else:
            start = self._used
            self._used += size
            if self._used > len(self.pool):
                room = max(self._used, len(self.pool) + len(self.pool) // 4)
                self.pool.resize(room, refcheck=False)
        self.begin[slot], self.size[slot] = start, size
        block = self.pool[start : start + size]
        block[:] = 0.0
        return block

    def free(self, slot: int) -> None:
        """Take a slot's block back, if it has one."""
        if slot >= len(self.size) or self.size[slot] == 0:
            return
        self._spare[int(self.size[slot])].append(int(self.begin[slot]))
        self.size[slot] = 0
        if not self.size.any():
            self.pool = np.zeros(0)
            self._spare.clear()
            self._used = 0

    def snapshot(self, slots: int) -> Arrays:
        """Owned copies: the blocks of the slots below ``slots``, one behind the other."""
        size = np.zeros(slots, np.int64)
        known = min(slots, len(self.size))
        size[:known] = self.size[:known]
        held = np.flatnonzero(size)
        blocks = [self.block(int(slot)) for slot in held]
        return {"size": size, "blocks": np.concatenate(blocks) if blocks else np.zeros(0)}

    def restore(self, snapshot: Arrays) -> None:
        """Take over the blocks of a snapshot, copying them.

        Raises
        ------
        StateError
            If sizes and blocks do not fit.
        """
        size, blocks = snapshot.get("size"), snapshot.get("blocks")
        if (
            size is None
            or blocks is None
            or size.dtype != np.int64
            or blocks.dtype != np.float64
            or size.ndim != 1
            or blocks.shape != (int(size.sum()),)
            or bool((size < 0).any())
        ):
            raise StateError(
                "the blocks of an arena should be an int64 array of sizes and as many float64 "
                "numbers; the snapshot belongs to another version or is damaged"
            )
        self.pool, self.size = blocks.copy(), size.copy()
        self.begin = np.cumsum(size) - size
        self._used, self._spare = len(blocks), defaultdict(list)
