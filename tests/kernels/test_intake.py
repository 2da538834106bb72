"""Rows on their way into the members."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from reference import intake as reference

from streamad.detectors.recipe.prepare import prepare
from streamad.kernels import intake

ROOM, KEPT = 24, 8


def stream(n, c, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, c)) * 10.0 ** rng.integers(-3, 9, c)
    values[rng.random((n, c)) < 0.1] = np.nan
    values[rng.random((n, c)) < 0.02] = np.inf
    values[: n // 2, -1] = 3.0
    return values


def take_in(values, split, cuts):
    """Scaled rows from ``split`` on, as they stand in the buffer after each piece."""
    prepared = prepare(values[:split])
    c = values.shape[1]
    pool = np.zeros(4 * c + (c * ROOM + 1) // 2)
    pool[: 4 * c] = prepared.scale.ravel()
    pool32, past = pool.view(np.float32), 8 * c
    filled, blank = np.zeros(1, np.int64), np.zeros(ROOM, bool)
    z, blanks = [], []
    for a, b in itertools.pairwise(cuts):
        one = [np.array([k]) for k in (b - a, 0, 0, past, ROOM)]
        intake.intake(
            values,
            np.arange(len(values)),
            np.array([a]),
            *one,
            filled,
            pool,
            pool32,
            ROOM - KEPT,
            0,
            1,
            blank,
        )
        buffer = pool32[past : past + c * ROOM].reshape(c, ROOM)
        z.append(buffer[:, filled[0] - (b - a) : filled[0]].T.copy())
        blanks.append(blank[: b - a].copy())
    return np.concatenate(z), np.concatenate(blanks), buffer[:, : filled[0]].T


@given(st.integers(0, 999), st.integers(1, 3), st.lists(st.integers(1, 16), min_size=1, max_size=9))
@example(0, 1, [1, 16, 16])
def test_rows_are_filled_and_scaled_like_whole_arrays(seed, c, sizes):
    split = 40
    cuts = np.cumsum([split, *sizes]).tolist()
    values = stream(cuts[-1], c, seed)
    z, blank, last = take_in(values, split, cuts)
    expected = reference.scaled(values, split)[split:]
    np.testing.assert_allclose(z, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(blank, ~np.isfinite(values[split:]).any(axis=1))
    kept = min(len(last), len(z), KEPT)
    np.testing.assert_array_equal(last[len(last) - kept :], z[len(z) - kept :])


def collected(times, values, *, most_rows=100, least_rows=2, most_ns=0, room=100):
    n, c = values.shape
    rows, split, began, done, state = np.zeros((5, 1), np.int64)
    pool = np.zeros(room * c)
    intake.collect(
        values,
        times,
        np.arange(n),
        np.array([n]),
        np.zeros(1, np.int64),
        done,
        pool,
        np.zeros(1, np.int64),
        np.array([len(pool)]),
        rows,
        split,
        began,
        most_rows,
        least_rows,
        most_ns,
        state,
    )
    return pool.reshape(-1, c)[: rows[0]], int(done[0]), int(state[0])


def test_a_warm_up_ends_at_its_count():
    values = np.arange(10.0)[:, None]
    rows, done, state = collected(np.arange(10), values, most_rows=4)
    assert (rows.ravel().tolist(), done, state) == ([0, 1, 2, 3], 4, intake.READY)


def test_a_warm_up_ends_at_the_first_row_beyond_its_duration():
    values = np.arange(10.0)[:, None]
    rows, done, state = collected(10 * np.arange(10), values, most_ns=35)
    assert (rows.ravel().tolist(), done, state) == ([0, 1, 2, 3], 4, intake.READY)


def test_a_duration_waits_for_the_least_rows():
    values = np.arange(10.0)[:, None]
    rows, _, state = collected(10 * np.arange(10), values, most_ns=5, least_rows=6)
    assert (len(rows), state) == (6, intake.READY)


def test_rows_before_the_first_value_are_passed_over():
    values = np.full((6, 2), np.nan)
    values[3, 1] = 5.0
    rows, done, state = collected(np.arange(6), values)
    assert (len(rows), done, state) == (3, 6, intake.TAKEN)


def test_a_full_block_asks_for_room_before_the_next_row():
    values = np.arange(10.0)[:, None]
    _, done, state = collected(np.arange(10), values, room=7)
    assert (done, state) == (7, intake.FULL)
