"""Waiting rows carry whatever they hold."""

from __future__ import annotations

import numpy as np
from reference.windows import released

from streamad.kernels.pending import release_all, wait_pass


def state(depth):
    return (
        np.zeros(2 * depth, np.int64),
        np.empty((2 * depth, 2)),
        np.empty((2 * depth, 1), np.float32),
        np.zeros(2, np.int32),
        np.zeros(2, np.int32),
    )


def room(n):
    return (
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        np.empty((n, 2)),
        np.empty((n, 1), np.float32),
        np.empty(n),
    )


def rows(n):
    """Slots, times, payload, shares, final and lag of n rows, infinities and NaN among them."""
    rng = np.random.default_rng(4)
    payload = np.arange(2.0 * n).reshape(n, 2)
    payload[::3, 0], payload[1::3, 1] = np.nan, -np.inf
    final = np.where(np.arange(n) % 4 == 0, np.inf, np.arange(n))
    final[::7] = np.nan
    return (
        rng.integers(0, 2, n).astype(np.int32),
        np.arange(n),
        payload,
        payload[:, :1].astype(np.float32),
        final,
        rng.integers(-1, 3, n).astype(np.int32),
    )


def test_rows_come_back_as_they_went_with_their_final():
    n, depth = 60, 3
    slots, times, payload, shares, final, lag = rows(n)
    out = room(n + depth)
    stop, n_out = wait_pass(
        0, slots, times, payload, shares, final, lag, depth, *state(depth), *out
    )
    expected, _ = released(depth, list(zip(slots, times, final, lag, strict=True)))
    assert stop == n
    np.testing.assert_array_equal(out[0][:n_out], [slot for slot, _, _ in expected])
    np.testing.assert_array_equal(out[1][:n_out], [time for _, time, _ in expected])
    np.testing.assert_array_equal(out[4][:n_out], [value for _, _, value in expected])
    np.testing.assert_array_equal(out[2][:n_out], payload[out[1][:n_out]])
    np.testing.assert_array_equal(out[3][:n_out], shares[out[1][:n_out]])


def test_the_pass_stops_before_the_room_may_not_be_enough():
    slots, times, payload, shares, final, lag = rows(60)
    stop, n_out = wait_pass(
        0, slots, times, payload, shares, final, lag * 0, 3, *state(3), *room(10)
    )
    assert (stop, n_out) == (8, 8)


def test_all_that_waits_comes_back_with_the_finals_of_the_newest():
    depth = 3
    held = state(depth)
    slots, times, payload, shares, final, lag = rows(4)
    wait_pass(0, slots * 0, times, payload, shares, final, lag * 0 - 1, depth, *held, *room(20))
    out = room(2)
    release_all(
        np.array([1, 0], np.int32),
        np.zeros(1, np.int32),
        np.array([np.inf]),
        depth,
        *held,
        np.zeros(2, np.int64),
        *out,
    )
    assert out[1].tolist() == [2, 3]
    np.testing.assert_array_equal(out[2], payload[2:])
    np.testing.assert_array_equal(out[4], [np.nan, np.inf])
