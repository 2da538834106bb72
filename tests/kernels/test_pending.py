"""Waiting rows carry whatever they hold."""

from __future__ import annotations

import numpy as np
import pytest
from reference.windows import released

from streamad.kernels.pending import Given, Rings, release_all, wait_pass


def rings(depth, strongest=False):
    return Rings(
        np.zeros(2 * depth, np.int64),
        np.empty((2 * depth, 2)),
        np.empty((2 * depth, 1), np.float32),
        np.zeros(2 * depth if strongest else 0, np.int32),
        np.zeros(2, np.int32),
        np.zeros(2, np.int32),
    )


def room(n):
    return Given(
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        np.empty((n, 2)),
        np.empty((n, 1), np.float32),
        np.empty(n),
        np.empty((n, 2)),
        np.empty((n, 1), np.float32),
    )


def rows(n):
    """Slots, times, payload, details, final and lag of n rows, infinities and NaN among them."""
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
    slots, times, payload, details, final, lag = rows(n)
    out = room(n + depth)
    stop, n_out = wait_pass(0, slots, times, payload, details, final, lag, depth, rings(depth), out)
    expected, _ = released(depth, list(zip(slots, times, final, lag, strict=True)))
    assert stop == n
    np.testing.assert_array_equal(out.slots[:n_out], [slot for slot, _, _ in expected])
    np.testing.assert_array_equal(out.times[:n_out], [time for _, time, _ in expected])
    np.testing.assert_array_equal(out.final[:n_out], [value for _, _, value in expected])
    np.testing.assert_array_equal(out.payload[:n_out], payload[out.times[:n_out]])
    np.testing.assert_array_equal(out.details[:n_out], details[out.times[:n_out]])


def test_the_pass_stops_before_the_room_may_not_be_enough():
    slots, times, payload, details, final, lag = rows(60)
    stop, n_out = wait_pass(
        0, slots, times, payload, details, final, lag * 0, 3, rings(3), room(10)
    )
    assert (stop, n_out) == (8, 8)


def test_all_that_waits_comes_back_with_the_finals_of_the_newest():
    depth = 3
    held = rings(depth)
    slots, times, payload, details, final, lag = rows(4)
    wait_pass(0, slots * 0, times, payload, details, final, lag * 0 - 1, depth, held, room(20))
    out = room(2)
    release_all(
        np.array([1, 0], np.int32),
        np.zeros(1, np.int32),
        np.array([np.inf]),
        depth,
        held,
        np.zeros(2, np.int64),
        out,
    )
    assert out.times.tolist() == [2, 3]
    np.testing.assert_array_equal(out.payload, payload[2:])
    np.testing.assert_array_equal(out.final, [np.nan, np.inf])


@pytest.mark.parametrize("depth", [2, 3, 9])
def test_the_strongest_row_is_the_largest_that_came_up_to_the_release(depth):
    n = 200
    slots, times, payload, details, final, lag = rows(n)
    payload[:, 0] = np.random.default_rng(1).integers(0, 5, n)
    payload[::6, 0] = np.nan
    held, out = rings(depth, strongest=True), room(n + depth)
    lag = np.minimum(lag, depth - 1).astype(np.int32)
    pushed = []
    for i in range(n):
        one = slice(i, i + 1)
        _, n_out = wait_pass(
            0, slots[one], times[one], payload[one], details[one], final[one], lag[one], depth,
            held, out,
        )  # fmt: skip
        pushed.append(i)
        for at in range(n_out):
            row = int(out.times[at])
            after = [k for k in pushed if k >= row and slots[k] == slots[row]]
            heights = np.nan_to_num(payload[after, 0], nan=-1.0)
            best = after[int(np.argmax(heights))] if heights.max() >= 0 else after[-1]
            np.testing.assert_array_equal(out.strongest_payload[at], payload[best])
            np.testing.assert_array_equal(out.strongest_details[at], details[best])
            np.testing.assert_array_equal(out.payload[at], payload[row])
