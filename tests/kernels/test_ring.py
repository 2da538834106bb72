"""Rings and windows with missing and infinite values."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference.streams import part, window_rows
from reference.windows import windows_of

from streamad.kernels.ring import mark_ends, push_gather

lengths = st.sampled_from([1, 3, 8])


def one_pass(rows, length, most_missing, center, scale):
    """Windows at every row, (n, L, C), on fresh state."""
    n, c = rows.values.shape
    out = np.empty((n, length * c))
    push_gather(
        rows.slots,
        rows.values,
        rows.fresh,
        0,
        n,
        np.arange(n),
        center,
        scale,
        most_missing,
        np.full((3, length * c), np.nan),
        np.zeros(3, np.int32),
        np.full(3, length * c, np.int32),
        np.empty(c),
        out,
    )
    return out.reshape(n, length, c)


def with_infinity(rows):
    rows.values[::5] = np.inf
    return rows


@given(window_rows().map(with_infinity), lengths, st.integers(0, 16))
def test_raw_windows_are_the_last_rows(rows, length, most_missing):
    c = rows.values.shape[1]
    windows = one_pass(rows, length, most_missing, np.empty((0, c)), np.empty((0, c)))
    for slot in range(3):
        own = part(rows, rows.slots == slot)
        share = most_missing / (length * c)
        expected = windows_of(own.values, own.fresh, length, 1, share, "none")
        for (_, window, _, _), came in zip(expected, windows[rows.slots == slot], strict=True):
            np.testing.assert_array_equal(came, window)


@given(window_rows(n_channels=1).map(with_infinity) | window_rows(n_channels=3), lengths)
def test_scaled_windows_are_raw_ones_less_the_centre_over_the_scale(rows, length):
    n, c = rows.values.shape
    rng = np.random.default_rng(0)
    center, scale = rng.normal(size=(n, c)), rng.uniform(0.1, 9.0, (n, c))
    raw = one_pass(rows, length, length * c, center[:0], scale[:0])
    scaled = one_pass(rows, length, length * c, center, scale)
    np.testing.assert_allclose(
        scaled, (raw - center[:, None]) / scale[:, None], rtol=1e-14, atol=1e-14
    )


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.integers(1, 4))
def test_every_hop_th_row_of_a_series_is_an_end(slots, hop):
    expected = [i for i, s in enumerate(slots) if slots[: i + 1].count(s) % hop == 0]
    ends = np.empty(len(slots), np.int64)
    stop, found = mark_ends(np.array(slots, np.int32), 0, hop, np.zeros(3, np.int32), ends)
    assert (len(slots), expected) == (stop, ends[:found].tolist())


def test_marking_stops_where_the_ends_have_no_room():
    ends = np.empty(2, np.int64)
    assert mark_ends(np.zeros(9, np.int32), 0, 3, np.zeros(1, np.int32), ends) == (6, 2)
