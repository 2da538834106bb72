"""The series of one detector: their warm-up, their state in arenas, rounds of new rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.arena import Arena
from streamad.core.data import Arrays, Codes, Floats, Ints
from streamad.core.slab import Slab, nest, unnest
from streamad.detectors.recipe.component import BLOCK, Call, Component, Reals
from streamad.detectors.recipe.parallel import each, over_series
from streamad.detectors.recipe.series import LEAST_WARM_UP, Started, Use, start_series

STARTED_AT_ONCE = 64
"""Series whose warm-ups are fitted side by side."""


@dataclass(frozen=True, slots=True)
class Found:
    """What rows of one call were found to be, row by row.

    Attributes
    ----------
    causal, final : float64 (n,)
    lag : int32 (n,)
    parts : float32 (n, m)
    shares : float32 (n, C) or (0, C)
    expected : float64 (n, C) or (0, C)
        As in ``Scores``; no rows where there is none.
    """

    causal: Floats
    final: Floats
    lag: Codes
    parts: Reals
    shares: Reals
    expected: Floats


class Fleet:
    """State of all series, and what moves it.

    Parameters
    ----------
    components : sequence of Component
    uses : mapping of str to Use
        By output.
    n_channels : int
    rows, duration_ns : int
        Most rows of a warm-up; its duration, 0 = the rows count alone.
    keep_prefix : bool
        Keep what the warm-up rows themselves scored.
    """

    def __init__(
        self,
        components: Sequence[Component],
        uses: Mapping[str, Use],
        n_channels: int,
        rows: int,
        duration_ns: int,
        *,
        keep_prefix: bool,
    ) -> None:
        self.components = tuple(components)
        self.uses = uses
        self.outputs = tuple(uses)
        own = {name for one in components for name in one.own_finals}
        self.table = np.array(
            [(use.weight, use.causal, use.final, name in own) for name, use in uses.items()],
            np.float64,
        )
        self.n_parts = sum(use.causal for use in uses.values())
        self.kept: dict[int, Started] = {}
        self._n_channels = n_channels
        self._rows, self._ns = rows, duration_ns
        self._keep_prefix = keep_prefix
        self._warm, self._live = Arena(), Arena()
        self.slab = Slab(
            {
                "rows": ((), np.int64, 0),
                "split": ((), np.int64, 0),
                "began": ((), np.int64, 0),
                "filled": ((), np.int64, 0),
                "capacity": ((), np.int64, 0),
                "lag": ((), np.int64, 0),
                "parts": ((4 + len(components),), np.int64, 0),
            }
        )

    def forget(self, slots: Sequence[int]) -> None:
        """Take back what these series own."""
        for slot in slots:
            self._warm.free(slot)
            self._live.free(slot)
            self.kept.pop(slot, None)

    def save(self, slots: Ints) -> tuple[Arrays, list[tuple[Arena, int, Floats]]]:
        """Copies of the state of some series, for :meth:`load`."""
        rows = {name: self.slab[name][slots].copy() for name in self.slab.layout}
        arenas = (self._warm, self._live)
        return rows, [(a, slot, a.block(slot).copy()) for a in arenas for slot in slots.tolist()]

    def load(self, slots: Ints, saved: tuple[Arrays, list[tuple[Arena, int, Floats]]]) -> None:
        """Bring the series back to what was saved."""
        for name, rows in saved[0].items():
            self.slab[name][slots] = rows
        for arena, slot, block in saved[1]:
            if len(arena.block(slot)) != len(block):
                arena.free(slot)
                if len(block):
                    arena.allocate(slot, len(block))
            arena.block(slot)[:] = block

    def snapshot(self) -> Arrays:
        """Owned arrays that hold the whole state."""
        n = len(self.slab)
        return {
            **nest("series", self.slab.snapshot()),
            **nest("warm", self._warm.snapshot(n)),
            **nest("live", self._live.snapshot(n)),
        }

    def restore(self, snapshot: Arrays) -> None:
        """Take over the state of a snapshot."""
        self.slab.restore(unnest("series", snapshot))
        self._warm.restore(unnest("warm", snapshot))
        self._live.restore(unnest("live", snapshot))

    def started(self, values: Floats) -> Started:
        """A series whose warm-up rows are these."""
        return start_series(values, self.components, self.uses)

    def pieces(self, code: int) -> list[Floats]:
        """Parts of a live series' block: scales, row buffer, normalisers, components."""
        block, parts = self._live.block(code), self.slab["parts"][code].tolist()
        return [block[a:b] for a, b in itertools.pairwise(parts)]

    def warm_up(
        self, values: Floats, times: Ints, order: Ints, slots: Ints, done: Ints, stops: Ints
    ) -> None:
        """Collect rows of series that warm up, and start those that have enough."""
        from streamad.kernels import intake

        slab, c = self.slab, self._n_channels
        state = np.empty(len(slots), np.int64)
        for code in slots[(slab["split"][slots] == 0) & (slab["rows"][slots] == 0)].tolist():
            if len(self._warm.block(code)) == 0:
                self._warm.allocate(code, c * (1024 if self._ns else self._rows))
        while (slab["split"][slots] == 0).any():
            intake.collect(
                values,
                times,
                order,
                stops,
                slots,
                done,
                self._warm.pool,
                self._warm.begin,
                self._warm.size,
                slab["rows"],
                slab["split"],
                slab["began"],
                self._rows,
                LEAST_WARM_UP,
                self._ns,
                state,
            )
            for code in slots[state == intake.FULL].tolist():
                held = self._warm.block(code).copy()
                self._warm.allocate(code, 2 * len(held))[: len(held)] = held
            self._start(slots[state == intake.READY].tolist())
            if not (state == intake.FULL).any():
                return

    def _start(self, ready: Sequence[int]) -> None:
        """Fit what the warm-up of these series gave."""
        slab, c = self.slab, self._n_channels
        for begin in range(0, len(ready), STARTED_AT_ONCE):
            codes = ready[begin : begin + STARTED_AT_ONCE]
            prefixes = [
                self._warm.block(code)[: int(slab["rows"][code]) * c].reshape(-1, c).copy()
                for code in codes
            ]
            started = each(self.started, prefixes)
            for code, one in zip(codes, started, strict=True):
                self._warm.free(code)
                self._live.allocate(code, len(one.block))[:] = one.block
                slab["split"][code] = slab["rows"][code]
                slab["filled"][code], slab["capacity"][code] = one.columns, one.capacity
                slab["lag"][code], slab["parts"][code] = one.lag, one.parts
                if self._keep_prefix:
                    self.kept[code] = one

    def round(
        self, values: Floats, order: Ints, slots: Ints, done: Ints, counts: Ints, out: Found
    ) -> None:
        """At most ``BLOCK`` new rows of each of these warm series through all components."""
        from streamad.kernels import fuse, intake

        slab, c, m = self.slab, self._n_channels, len(self.outputs)
        first = np.cumsum(counts) - counts
        n = int(counts.sum())
        place = order[np.repeat(done - first, counts) + np.arange(n)]
        pool = self._live.pool
        pool32 = pool.view(np.float32)
        parts = self._live.begin[slots][:, None] + slab["parts"][slots]
        filled, capacity = slab["filled"][slots], slab["capacity"][slots]
        seen, split, lag = slab["rows"][slots], slab["split"][slots], slab["lag"][slots]
        scores, finals = np.zeros((m, n)), np.zeros((m, n))
        shares = np.zeros((m if c > 1 else 0, n, c), np.float32)
        expected = np.zeros((min(n, len(out.expected)), c), np.float32)
        blank = np.zeros(n, np.bool_)
        calls, j = [], 0
        for k, component in enumerate(self.components):
            rows = slice(j, j + len(component.outputs))
            calls.append(
                Call(
                    pool=pool,
                    counts=counts,
                    first=first,
                    seen=seen,
                    own=np.ascontiguousarray(parts[:, 3 + k]),
                    past=2 * parts[:, 1],
                    capacity=capacity,
                    filled=filled,
                    n_channels=c,
                    scores=scores[rows],
                    finals=finals[rows],
                    shares=shares[j] if c > 1 else np.empty((0, c), np.float32),
                    expected=expected,
                )
            )
            j = rows.stop
        scale, own, past = parts[:, 0].copy(), parts[:, 2].copy(), 2 * parts[:, 1]

        def work(lo: int, hi: int) -> None:
            intake.intake(
                values,
                order,
                done,
                counts,
                first,
                scale,
                past,
                capacity,
                filled,
                pool,
                pool32,
                BLOCK,
                lo,
                hi,
                blank,
            )
            for component, call in zip(self.components, calls, strict=True):
                component.step(call, lo, hi)
            fuse.fuse_pass(
                pool,
                own,
                counts,
                first,
                seen,
                split,
                lag,
                place,
                blank,
                self.table,
                scores,
                finals,
                shares,
                lo,
                hi,
                out.causal,
                out.final,
                out.lag,
                out.parts,
                out.shares,
            )

        over_series(work, counts)
        if len(out.expected):
            about = pool[scale[:, None] + np.arange(4 * c)].reshape(-1, c, 4)
            group = np.repeat(np.arange(len(slots)), counts)
            out.expected[place] = expected * about[group, :, 1] + about[group, :, 0]
        if self.kept:
            self._complete_prefix(slots, seen, counts, first, finals)
        slab["rows"][slots] = seen + counts
        slab["filled"][slots] = filled

    def _complete_prefix(
        self, slots: Ints, seen: Ints, counts: Ints, first: Ints, finals: Floats
    ) -> None:
        """Finals of kept prefixes that the new rows decide."""
        for g, code in enumerate(slots.tolist()):
            kept = self.kept.get(code)
            if kept is None:
                continue
            for j, length in enumerate(kept.lengths.tolist()):
                target = seen[g] - length + 1 + np.arange(counts[g])
                new = np.flatnonzero((target >= 0) & (target < kept.finals.shape[1]))
                kept.finals[j, target[new]] = finals[j, first[g] + new]

    def tail(self, slot: int) -> Floats:
        """Final scores still owed to a series, oldest first."""
        from streamad.kernels.fuse import fuse_tail

        rows, split = int(self.slab["rows"][slot]), int(self.slab["split"][slot])
        lag = int(self.slab["lag"][slot])
        out = np.empty(min(lag, rows - split) if split else 0)
        if len(out) == 0:
            return out
        pieces = self.pieces(slot)
        own = np.zeros((len(self.outputs), lag))
        j = 0
        for component, block in zip(self.components, pieces[3:], strict=True):
            if component.own_finals:
                component.tail(block, rows, own[j : j + len(component.outputs)])
            j += len(component.outputs)
        fuse_tail(pieces[2].copy(), own, rows, split, lag + 1, self.table, out)
        return out
