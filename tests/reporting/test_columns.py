from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.reporting.columns import Trace, bucket_edges, pack, pack_times


def filled(times, columns, edges, limit, cuts=()):
    trace = Trace(columns.shape[1], edges, limit)
    for low, high in zip([0, *cuts], [*cuts, len(times)], strict=True):
        trace.add(times[low:high], columns[low:high])
    return trace


def test_a_short_stretch_comes_back_row_by_row():
    times, columns = np.arange(10) * 7, np.random.default_rng(0).normal(size=(10, 2))
    trace = filled(times, columns, np.array([0, 30, 64]), limit=10)
    found_times, found = trace.points()
    assert trace.exact
    np.testing.assert_array_equal(times, found_times)
    np.testing.assert_array_equal(columns, found)


def test_a_spike_of_one_row_survives_among_a_million():
    columns = np.zeros((1_000_000, 1))
    columns[543_210] = 42.0
    times = np.arange(1_000_000)
    trace = filled(times, columns, bucket_edges(0, 999_999, 1_000_000, [], 500), limit=1000)
    found_times, found = trace.points()
    assert len(found_times) <= 1000
    assert abs(int(found_times[np.nanargmax(found[:, 0])]) - 543_210) <= 2000


def test_every_bucket_keeps_its_lowest_and_highest_value():
    rng = np.random.default_rng(1)
    times, columns = np.arange(1000), rng.normal(size=(1000, 1))
    found = filled(times, columns, np.arange(0, 1001, 100), limit=10).points()[1]
    for bucket in range(10):
        rows = columns[100 * bucket : 100 * (bucket + 1), 0]
        assert {rows.min(), rows.max()} == set(found[2 * bucket : 2 * bucket + 2, 0])


def test_the_two_points_of_a_bucket_stand_in_the_order_in_which_the_values_went():
    columns = np.concatenate([np.arange(50.0), np.arange(50.0, 0, -1)])[:, None]
    found = filled(np.arange(100), columns, np.array([0, 50, 100]), limit=10).points()[1]
    assert found[:, 0].tolist() == [0.0, 49.0, 50.0, 1.0]


@given(
    cuts=st.lists(st.integers(0, 400), max_size=6).map(sorted),
    limit=st.sampled_from([10, 100, 400]),
    seed=st.integers(0, 5),
)
def test_the_cut_of_the_pieces_does_not_show(cuts, limit, seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(0, 50, 400))
    columns = np.where(rng.random((400, 2)) < 0.3, np.nan, rng.normal(size=(400, 2)))
    edges = bucket_edges(int(times[0]), int(times[-1]), 400, [(300, 500)], 40)
    whole = filled(times, columns, edges, limit).points()
    pieces = filled(times, columns, edges, limit, cuts).points()
    np.testing.assert_array_equal(whole[0], pieces[0])
    np.testing.assert_array_equal(whole[1], pieces[1])


@pytest.mark.parametrize("limit", [10, 1000])
def test_no_line_crosses_a_gap(limit):
    times = np.concatenate([np.arange(300), 5_000 + np.arange(300)])
    edges = bucket_edges(0, 5_299, 600, [], 200)
    found_times, found = filled(times, np.ones((600, 1)), edges, limit).points()
    holes = found_times[np.isnan(found[:, 0])]
    assert holes.tolist() == [300]


def test_values_that_are_all_missing_stay_missing():
    found = filled(np.arange(100), np.full((100, 1), np.nan), np.array([0, 50, 100]), 10).points()
    assert np.isnan(found[1]).all()


def test_no_rows_give_no_points():
    times, columns = Trace(3, np.array([0, 1]), 10).points()
    assert times.shape == (0,)
    assert columns.shape == (0, 3)


def test_rows_out_of_order_are_put_in_order():
    order = np.random.default_rng(2).permutation(50)
    found = filled(order, order[:, None].astype(float), np.array([0, 50]), limit=100).points()
    assert list(range(50)) == found[0].tolist()


@given(
    start=st.integers(-(10**18), 10**18),
    length=st.integers(0, 10**17),
    n_rows=st.integers(1, 10**8),
    spans=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30),
)
def test_edges_ascend_and_hold_the_whole_series(start, length, n_rows, spans):
    inside = [(start + int(min(a, b) * length), start + int(max(a, b) * length)) for a, b in spans]
    edges = bucket_edges(start, start + length, n_rows, inside, 1000)
    assert (np.diff(edges) > 0).all()
    assert edges[0] == start
    assert edges[-1] == start + length + 1
    assert len(edges) <= 1000 + 40


def test_buckets_are_finer_around_an_episode():
    edges = bucket_edges(0, 10**9, 10**6, [(500_000_000, 500_010_000)], 1000)
    width = np.diff(edges)
    inside = (edges[:-1] > 499_950_000) & (edges[:-1] < 500_060_000)
    assert width[inside].max() * 100 < np.median(width)


def test_small_changes_of_large_values_are_kept():
    column = 1e9 + np.array([0.0, 0.001, 0.002, np.nan])
    packed = pack(column)
    back = np.frombuffer(base64.b64decode(packed["data"]), "<f4").astype(float) + packed["base"]
    np.testing.assert_allclose(back, column, atol=1e-6, rtol=0)


@pytest.mark.parametrize("column", [[], [np.nan], [np.inf, -np.inf], [1.7e308, -1.7e308]])
def test_any_column_can_be_packed(column):
    packed = pack(np.array(column))
    assert np.isfinite(packed["base"])


def test_times_are_seconds():
    packed = pack_times(np.array([1_500_000_000]))
    assert np.frombuffer(base64.b64decode(packed), "<f8")[0] == 1.5
