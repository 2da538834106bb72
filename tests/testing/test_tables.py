from __future__ import annotations

import numpy as np
import pytest

from streamad.testing.tables import Table, join, same, same_arrays, scribble


def table(*values, codes=None):
    array = np.array(values, np.float64)
    rows = np.zeros(len(array), np.int32) if codes is None else np.array(codes, np.int32)
    return Table(rows, {"score": array})


def test_equal_tables_are_the_same_and_any_nan_equals_any_nan():
    negative_nan = -np.array([np.nan])
    same({"x": table(1.0, np.nan)}, {"x": table(1.0, negative_nan[0])}, "nothing")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (table(1.0, 3.0), r"1 of 2 values differ, the first at \(1,\): np.float64\(2.0\) became"),
        (table(1.0, np.nextafter(2.0, 3.0)), "1 of 2 values differ"),
        (table(1.0, np.nan), "1 of 2 values differ"),
        (table(1.0), "2 rows of 'x' became 1"),
        (table(1.0, 2.0, codes=[0, 1]), "series of 'x'"),
        (Table(np.zeros(2, np.int32), {"score": np.array([1, 2])}), r"float64 \(2,\) became int64"),
        (Table(np.zeros(2, np.int32), {}), r"the columns \['score'\] of 'x' became \[\]"),
    ],
)
def test_a_difference_is_told(other, message):
    with pytest.raises(AssertionError, match=f"a claim.*{message}"):
        same({"x": table(1.0, 2.0)}, {"x": other}, "a claim")


def test_the_sign_of_zero_counts():
    with pytest.raises(AssertionError):
        same({"x": table(0.0)}, {"x": table(-0.0)}, "a claim")


def test_a_kind_that_is_missing_counts_as_no_rows():
    same({"x": table()}, {}, "nothing")
    with pytest.raises(AssertionError, match="1 rows of 'x' became 0"):
        same({"x": table(1.0)}, {}, "a claim")


def test_snapshots_with_other_names_differ():
    with pytest.raises(AssertionError, match="the arrays"):
        same_arrays({"mean": np.zeros(1)}, {"count": np.zeros(1)}, "a claim")


def test_the_rows_of_one_series_get_code_zero():
    own = table(1.0, 2.0, 3.0, codes=[4, 1, 4]).of(4)
    assert own.codes.tolist() == [0, 0]
    assert own["score"].tolist() == [1.0, 3.0]


def test_joining_skips_tables_without_rows():
    assert join([table(), table(1.0), table(2.0)])["score"].tolist() == [1.0, 2.0]
    assert len(join([])) == 0


def test_scribbling_leaves_read_only_arrays_alone():
    fixed, free = np.zeros(2), np.zeros(2)
    fixed.setflags(write=False)
    scribble([fixed, free])
    assert fixed.tolist() == [0.0, 0.0]
    assert free.tolist() == [77.0, 77.0]
