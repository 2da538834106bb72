"""Sliding windows against plain numpy, whatever the cut, the company and the restart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.streams import CHANNELS, cuts, part, pieces, window_rows
from reference.windows import windows_of

from streamad.core.data import Rows, WindowSpec
from streamad.core.errors import ConfigError, NotFittedError
from streamad.core.protocols import Windowing
from streamad.windowing import sliding
from streamad.windowing.sliding import Sliding

specs = st.builds(
    WindowSpec,
    length=st.sampled_from([1, 2, 5]),
    hop=st.sampled_from([1, 2, 3]),
    scaling=st.sampled_from(["none", "robust", "ew"]),
)
shares = st.sampled_from([0.0, 0.5, 1.0])


def opened(spec, max_missing=0.5, channels=CHANNELS, n_slots=3):
    windowing = Sliding(spec, max_missing=max_missing)
    windowing.open(channels)
    windowing.admit(np.arange(n_slots, dtype=np.int32))
    return windowing


def run(windowing, parts):
    """Every window as ``(slot, time, values, center, scale)``."""
    found = []
    for rows in parts:
        for positions, windows in windowing.push(rows):
            assert np.array_equal(windows.ends, rows.times[positions])
            assert np.array_equal(windows.codes, rows.slots[positions])
            center = [None] * len(windows) if windows.center is None else windows.center.copy()
            scale = [None] * len(windows) if windows.scale is None else windows.scale.copy()
            found.extend(
                zip(
                    windows.codes.tolist(),
                    windows.ends.tolist(),
                    windows.values.copy(),
                    center,
                    scale,
                    strict=True,
                )
            )
    return found


def identical(one, other):
    """True if two lists of windows are equal bit for bit."""
    return len(one) == len(other) and all(
        a[:2] == b[:2] and all(map(_same, a[2:], b[2:])) for a, b in zip(one, other, strict=True)
    )


def _same(x, y):
    return x is y if x is None or y is None else np.array_equal(x, y, equal_nan=True)


def plain(*values):
    n = len(values)
    column = np.array(values, np.float64)[:, None]
    return Rows(
        np.zeros(n, np.int32), np.arange(n), column, np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    )


def values_of(rows, spec, max_missing=0.5):
    windows = run(opened(spec, max_missing, channels=("v",)), [rows])
    return [window[2][:, 0].tolist() for window in windows]


def test_it_is_a_windowing():
    assert isinstance(Sliding(WindowSpec()), Windowing)


@given(window_rows(), specs, shares)
def test_windows_are_those_of_plain_numpy(rows, spec, max_missing):
    found = run(opened(spec, max_missing), [rows])
    for slot in range(3):
        own = part(rows, rows.slots == slot)
        expected = windows_of(
            own.values, own.fresh, spec.length, spec.hop, max_missing, spec.scaling
        )
        actual = [window for window in found if window[0] == slot]
        assert [own.times[row] for row, *_ in expected] == [window[1] for window in actual]
        for (_, *wanted), (_, _, *came) in zip(expected, actual, strict=True):
            for x, y in zip(wanted, came, strict=True):
                assert (x is None) == (y is None)
                if x is not None:
                    np.testing.assert_allclose(y, x, rtol=1e-7, atol=1e-9)


@given(window_rows(), specs, shares, cuts)
def test_the_cut_does_not_show(rows, spec, max_missing, places):
    whole = run(opened(spec, max_missing), [rows])
    assert identical(whole, run(opened(spec, max_missing), pieces(rows, places)))


@given(window_rows(), specs, shares)
def test_company_does_not_show(rows, spec, max_missing):
    together = run(opened(spec, max_missing), [rows])
    for slot in range(3):
        alone = run(opened(spec, max_missing), [part(rows, rows.slots == slot)])
        assert identical(alone, [window for window in together if window[0] == slot])


@given(window_rows(), specs, st.integers(0, 60))
def test_a_restart_does_not_show(rows, spec, place):
    whole = run(opened(spec), [rows])
    before, after = opened(spec), Sliding(spec)
    first = run(before, [part(rows, slice(0, place))])
    after.open(CHANNELS)
    after.restore(before.snapshot())
    assert identical(whole, first + run(after, [part(rows, slice(place, None))]))


@given(window_rows(most=30), specs)
def test_chunks_do_not_show(rows, spec):
    whole = run(opened(spec), [rows])
    windowing = opened(spec)
    windowing._chunk = 4
    assert identical(whole, run(windowing, [rows]))


def test_rows_before_the_first_are_missing():
    assert values_of(plain(1.0, 2.0, 3.0), WindowSpec(2), 1.0)[1:] == [[1.0, 2.0], [2.0, 3.0]]
    assert np.isnan(values_of(plain(1.0), WindowSpec(2), 1.0)[0][0])


def test_every_hop_th_row_ends_a_window():
    assert values_of(plain(1.0, 2.0, 3.0, 4.0, 5.0), WindowSpec(2, 2)) == [[1.0, 2.0], [3.0, 4.0]]


def test_a_fresh_row_starts_anew_and_does_not_move_the_hop():
    rows = plain(1.0, 2.0, 3.0, 4.0)
    rows.fresh[2] = True
    (first, second) = values_of(rows, WindowSpec(3, 2), 1.0)
    np.testing.assert_array_equal(first, [np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(second, [np.nan, 3.0, 4.0])


def test_a_window_with_too_much_missing_is_all_missing():
    rows = plain(1.0, np.nan, np.nan, 4.0)
    assert np.isnan(values_of(rows, WindowSpec(4), 0.49)[3]).all()
    assert values_of(rows, WindowSpec(4), 0.5)[3][3] == 4.0


def test_a_single_row_with_too_many_missing_channels_is_all_missing():
    rows = plain(1.0, 2.0)
    wide = Rows(
        rows.slots,
        rows.times,
        np.array([[1.0, np.nan, np.nan], [1.0, 2.0, np.nan]]),
        *rows_flags(2),
    )
    found = run(opened(WindowSpec(1), 0.5, channels="abc"), [wide])
    np.testing.assert_array_equal(found[0][2], [[np.nan] * 3])
    np.testing.assert_array_equal(found[1][2], [[1.0, 2.0, np.nan]])


def rows_flags(n):
    return np.zeros(n, np.bool_), np.zeros(n, np.bool_)


def test_filled_rows_are_rows():
    rows = plain(1.0, 2.0, 3.0)
    rows.filled[1] = True
    assert values_of(rows, WindowSpec(3))[2] == [1.0, 2.0, 3.0]


def test_single_raw_rows_are_views():
    rows = plain(1.0, 2.0)
    ((_, windows),) = opened(WindowSpec(1), channels=("v",)).push(rows)
    assert np.shares_memory(windows.values, rows.values)


def test_the_last_row_does_not_enter_its_own_statistics():
    quiet = plain(*np.tile([1.0, 2.0, 3.0], 20), 1000.0)
    *_, last = run(opened(WindowSpec(1, 1, "robust"), channels=("v",)), [quiet])
    assert last[3].tolist() == [2.0]
    assert last[4].tolist() == [1.4826]


def test_a_constant_series_is_zero_whatever_its_level():
    windows = values_of(plain(*np.full(20, 1e6)), WindowSpec(1, 1, "robust"))
    assert [window[0] for window in windows[1:]] == [0.0] * 19


def test_a_new_series_in_a_used_slot_starts_empty():
    windowing = opened(WindowSpec(3, 2, "robust"), 1.0, channels=("v",))
    run(windowing, [plain(1.0, 2.0, 3.0)])
    windowing.admit(np.zeros(1, np.int32))
    again = run(windowing, [plain(7.0, 8.0)])
    assert identical(run(opened(WindowSpec(3, 2, "robust"), 1.0, ("v",)), [plain(7.0, 8.0)]), again)


def test_chunks_hold_about_four_megabytes():
    spec = WindowSpec(64)
    n = 20_000
    chunks = [
        windows.values.nbytes
        for _, windows in opened(spec, channels=("v",)).push(plain(*np.arange(float(n))))
    ]
    assert max(chunks) == sliding.CHUNK_BYTES


def test_state_does_not_grow_with_the_rows():
    def state_bytes(n):
        windowing = opened(WindowSpec(8, 2, "robust"), channels=("v",))
        run(windowing, [plain(*np.arange(float(n)))])
        return sum(array.nbytes for array in windowing.snapshot().values())

    assert state_bytes(100) == state_bytes(1000)


def test_rows_are_left_alone():
    rows = plain(1.0, np.nan, 3.0)
    before = rows.values.copy()
    run(opened(WindowSpec(2, 1, "robust"), channels=("v",)), [rows])
    np.testing.assert_array_equal(before, rows.values)


@pytest.mark.parametrize(
    ("spec", "max_missing", "words"),
    [
        (WindowSpec(0), 0.5, "length=0"),
        (WindowSpec(2, 0), 0.5, "hop=0"),
        (WindowSpec(2), 1.5, "max_missing must lie in"),
        (WindowSpec(2, 1, "zscore"), 0.5, "scaling must be one of none, robust, ew, got 'zscore'"),
    ],
)
def test_wrong_options_are_refused(spec, max_missing, words):
    with pytest.raises(ConfigError, match=words):
        Sliding(spec, max_missing=max_missing)


def test_rows_before_open_are_refused():
    with pytest.raises(NotFittedError, match="open"):
        Sliding(WindowSpec(2)).admit(np.zeros(1, np.int32))
