"""Labels, and how they are laid onto a run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.core.errors import ConfigError
from streamad.evaluation.labels import UNNAMED, align, from_intervals, from_nab, from_points

HOUR = 3600 * 10**9
DAY = (0, 24 * HOUR)


def labels(*spans, name="pump-1"):
    both = np.array(spans, np.int64).reshape(-1, 2) * HOUR
    return from_intervals([name] * len(both), both[:, 0], both[:, 1])


def hours(spans):
    return (spans // HOUR).tolist()


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.randoms())
def test_points_in_any_order_give_the_runs_of_ones(flags, random):
    rows = list(enumerate(flags))
    random.shuffle(rows)
    times, mixed = (np.array(column) for column in zip(*rows, strict=True))
    found = from_points(["a"] * len(rows), times, mixed)
    marked = {t for first, last in found.of("a").tolist() for t in range(first, last + 1)}
    assert marked == {t for t, flag in enumerate(flags) if flag}


def test_intervals_are_put_in_order():
    assert hours(labels((5, 6), (1, 2)).of("pump-1")) == [[1, 2], [5, 6]]


def test_severities_follow_their_intervals():
    found = from_intervals(["a"] * 2, np.array([5, 1]), np.array([6, 2]), np.array([3.0, 1.0]))
    assert found.severity["a"].tolist() == [1.0, 3.0]


def test_a_reversed_interval_is_refused():
    with pytest.raises(ConfigError, match="before it starts at 1970-01-01T06:00"):
        labels((6, 5))


def test_overlapping_intervals_are_refused():
    with pytest.raises(ConfigError, match="of series 'pump-1' overlap"):
        labels((1, 3), (2, 4))


def test_a_label_other_than_0_and_1_is_refused():
    with pytest.raises(ConfigError, match=r"must be 0 or 1, got .*2.* in row 2"):
        from_points(["a"] * 2, np.arange(2), np.array([0, 2]))


def test_nab_windows_are_intervals_of_files():
    found = from_nab({"x/a.csv": [["1970-01-01 01:00:00.000000", "1970-01-01 02:00:00"]]})
    assert hours(found.of("x/a.csv")) == [[1, 2]]


@pytest.mark.parametrize("document", [{"a": 3}, {"a": [["1970-01-01"]]}])
def test_other_documents_are_no_nab_windows(document):
    with pytest.raises(ConfigError, match="a list of"):
        from_nab(document)


def test_nab_times_have_to_be_iso():
    with pytest.raises(ConfigError, match="ISO times, got 'noon'"):
        from_nab({"a": [["noon", "1970-01-01"]]})


def test_labels_fit_names_without_folder_and_ending():
    assert hours(align(labels((1, 2), name="real/a.csv"), {"a": DAY}).of("a")) == [[1, 2]]


def test_labels_without_a_series_are_about_the_only_one():
    assert hours(align(labels((1, 2), name=UNNAMED), {"a": DAY}).of("a")) == [[1, 2]]


def test_labels_without_a_series_do_not_fit_a_run_of_several():
    with pytest.raises(ConfigError, match="name no series, but the run has 2"):
        align(labels((1, 2), name=UNNAMED), {"a": DAY, "b": DAY})


def test_an_unknown_series_is_refused_with_near_names():
    with pytest.raises(ConfigError, match=r"'pump-1' is not in the run: did you mean 'pump-11'"):
        align(labels((1, 2)), {"pump-11": DAY, "fan": DAY})


def test_files_of_nab_that_the_run_does_not_have_are_no_mistake():
    windows = [["1970-01-01 01:00:00", "1970-01-01 02:00:00"]]
    found = align(from_nab({"a.csv": windows, "b.csv": windows}), {"a": DAY})
    assert list(found.spans) == ["a"]


def test_nab_windows_none_of_which_is_in_the_run_are_refused():
    with pytest.raises(ConfigError, match="not in the run"):
        align(from_nab({"b.csv": []}), {"a": DAY})


def test_one_series_under_two_names_is_refused():
    both = from_intervals(["a", "x/a.csv"], np.array([1, 5]), np.array([2, 6]))
    with pytest.raises(ConfigError, match="labelled under two names"):
        align(both, {"a": DAY})


def test_a_name_that_may_be_several_series_is_refused():
    with pytest.raises(ConfigError, match="may be any of 'x/a', 'y/a'"):
        align(labels((1, 2), name="a"), {"x/a": DAY, "y/a": DAY})


def test_intervals_that_the_run_does_not_reach_are_counted_and_left_out():
    found = align(labels((1, 2), (30, 31)), {"pump-1": DAY})
    assert (hours(found.of("pump-1")), found.n_outside) == ([[1, 2]], 1)


def test_labels_none_of_which_the_run_reaches_are_refused():
    with pytest.raises(ConfigError, match="no label lies in the time of the run") as caught:
        align(labels((900, 901)), {"pump-1": DAY})
    assert "timezone" not in str(caught.value)


def test_a_shift_that_would_mend_it_is_named():
    with pytest.raises(ConfigError, match=r"All would with -3 h added: name the zone"):
        align(labels((25, 27)), {"pump-1": DAY})


def test_labels_of_every_row_in_another_zone_are_refused():
    times = np.arange(25) * HOUR + 2 * HOUR
    found = from_points(["a"] * 25, times, np.arange(25) == 5)
    with pytest.raises(ConfigError, match=r"shifted by -2 h: they look like times of another"):
        align(found, {"a": DAY})


def test_labels_of_every_row_fit_their_run():
    found = from_points(["a"] * 25, np.arange(25) * HOUR, np.arange(25) == 5)
    assert hours(align(found, {"a": DAY}).of("a")) == [[5, 5]]


def test_no_labels_at_all_are_labels():
    assert align(labels(), {"a": DAY}).of("a").shape == (0, 2)
