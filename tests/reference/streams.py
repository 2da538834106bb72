"""Streams for the tests of the windowing stages: made, cut, mixed and flattened."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from streamad.core.data import Batch, Rows, Schema

CHANNELS = ("a", "b")


def batch_of(rows, schema=None, first=0, partition="p"):
    """Batch of rows ``(name, time, values, offset)``."""
    schema = schema or Schema(CHANNELS)
    width = len(schema.channels)
    return Batch(
        schema,
        schema.codes([row[0] for row in rows]),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64).reshape(len(rows), width),
        partition,
        first + len(rows),
        np.array([row[3] for row in rows], np.int64),
    )


def cut(rows, places):
    """The rows in pieces, cut at these places."""
    edges = [0, *sorted({place for place in places if place < len(rows)}), len(rows)]
    return [rows[a:b] for a, b in pairwise(edges) if b > a]


def flatten(segments, names):
    """Events and rejects of segments, as the model gives them; ``names`` maps slots, updated."""
    events, rejects = [], []
    for segment in segments:
        events.extend(("evict", names.pop(slot)) for slot in segment.evicted.tolist())
        for slot, name in zip(segment.admitted.tolist(), segment.names, strict=True):
            assert slot not in names
            names[slot] = name
        rows = segment.rows
        events.extend(
            ("row", names[slot], time, tuple(values), filled, fresh)
            for slot, time, values, filled, fresh in zip(
                rows.slots.tolist(),
                rows.times.tolist(),
                rows.values.tolist(),
                rows.filled.tolist(),
                rows.fresh.tolist(),
                strict=True,
            )
        )
        rejects.extend((reject.offset, reject.reason) for reject in segment.rejects)
    return events, rejects


@st.composite
def event_rows(draw, n_series=3, latest=60):
    """Rows of a few series with times that mostly go on and sometimes jump or fall back."""
    n = draw(st.integers(1, 40))
    rows, now = [], 0
    for offset in range(n):
        now += draw(st.integers(0, 4)) if draw(st.booleans()) else 0
        time = now + draw(st.sampled_from([0, 0, 0, -1, -3, 5, latest]))
        value = draw(st.sampled_from([1.0, 2.0, 3.5, np.nan]))
        name = f"s{draw(st.integers(0, n_series - 1))}"
        rows.append((name, time, (value, offset + 0.5), offset))
    return rows


@st.composite
def window_rows(draw, n_slots=3, n_channels=2, most=60):
    """Rows of a few slots with missing values and fresh starts."""
    n = draw(st.integers(1, most))
    slots = np.array(draw(st.lists(st.integers(0, n_slots - 1), min_size=n, max_size=n)), np.int32)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = rng.normal(size=(n, n_channels)).round(draw(st.integers(0, 8)))
    values[rng.random(values.shape) < draw(st.sampled_from([0.0, 0.2, 0.7]))] = np.nan
    fresh = rng.random(n) < draw(st.sampled_from([0.0, 0.1]))
    return Rows(slots, np.arange(n), values, np.zeros(n, np.bool_), fresh)


def part(rows, which):
    """Some of the rows, copied."""
    return Rows(
        rows.slots[which].copy(),
        rows.times[which].copy(),
        rows.values[which].copy(),
        rows.filled[which].copy(),
        rows.fresh[which].copy(),
    )


def pieces(rows, places):
    """The rows cut at these places."""
    edges = [0, *sorted({place for place in places if place < len(rows)}), len(rows)]
    return [part(rows, slice(a, b)) for a, b in pairwise(edges) if b > a]


cuts = st.lists(st.integers(1, 60), max_size=6)
