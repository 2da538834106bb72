"""Event time against a model with dictionaries, whatever the cut, the restart and the options."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reference.event_time import EventTimeModel
from reference.streams import CHANNELS, batch_of, cut, cuts, event_rows, flatten

from streamad.core.data import Batch, Schema
from streamad.core.errors import ConfigError, NotFittedError, StateError
from streamad.core.protocols import Ordering
from streamad.windowing.event_time import EventTime

options = st.fixed_dictionaries(
    {"duplicates": st.sampled_from(["drop", "keep"])},
    optional={
        "period_ns": st.sampled_from([2, 3]),
        "fill": st.sampled_from(["nan", "hold"]),
        "max_gap_ns": st.sampled_from([4, 9]),
        "lateness_ns": st.sampled_from([1, 4, 20]),
        "max_keys": st.sampled_from([1, 2]),
        "ttl_ns": st.sampled_from([3, 8]),
        "max_jump_ns": st.sampled_from([10, 50]),
        "max_held_rows": st.sampled_from([1, 3]),
    },
)


def opened(**given_options):
    ordering = EventTime(**{"max_jump_ns": None, **given_options})
    ordering.open(CHANNELS)
    return ordering


def run(ordering, batches, names=None):
    names = {} if names is None else names
    segments = [segment for batch in batches for segment in ordering.push(batch)]
    return flatten([*segments, *ordering.finish()], names)


def same(one, other):
    return repr(one) == repr(other)  # NaN equals NaN, and int differs from float


def rows_at(*times, name="s", value=1.0):
    return [(name, time, (value, value), offset) for offset, time in enumerate(times)]


def reasons(rows, **given_options):
    return run(opened(**given_options), [batch_of(rows)])[1]


def times_out(rows, **given_options):
    events, _ = run(opened(**given_options), [batch_of(rows)])
    return [event[2] for event in events if event[0] == "row"]


def test_it_is_an_ordering():
    assert isinstance(EventTime(), Ordering)


@given(event_rows(), options, cuts)
def test_any_cut_gives_what_the_model_gives(rows, chosen, places):
    expected = EventTimeModel(**chosen).run(rows)
    schema = Schema(CHANNELS)
    batches = [batch_of(piece, schema) for piece in cut(rows, places)]
    events, rejects = run(opened(**chosen), batches)
    assert same(expected.events, events)
    assert expected.rejects == rejects


@given(event_rows(), options, st.integers(0, 40))
@example([("s1", 0, (1.0, 0.5), 0), ("s0", 0, (1.0, 1.5), 1)], {"duplicates": "drop"}, 1)
def test_a_restart_with_another_numbering_of_series_does_not_show(rows, chosen, place):
    expected = EventTimeModel(**chosen).run(rows)
    before, after = opened(**chosen), opened(**chosen)
    names = {}
    segments = list(before.push(batch_of(rows[:place]))) if place else []
    events, rejects = flatten(segments, names)
    after.restore(before.snapshot())
    other = Schema(CHANNELS, ["unknown", "s2", "s0"])
    rest = [batch_of(rows[place:], other)] if place < len(rows) else []
    more_events, more_rejects = run(after, rest, names)
    assert same(expected.events, events + more_events)
    assert expected.rejects == rejects + more_rejects


@given(event_rows(), options)
def test_a_new_schema_object_every_batch_does_not_show(rows, chosen):
    expected = EventTimeModel(**chosen).run(rows)
    events, _ = run(opened(**chosen), [batch_of([row]) for row in rows])
    assert same(expected.events, events)


@given(event_rows(), st.integers(0, 2))
def test_company_does_not_show_where_keys_and_times_are_not_limited(rows, which):
    alone = [row for row in rows if row[0] == f"s{which}"]
    together, _ = run(opened(period_ns=2), [batch_of(rows)])
    by_itself, _ = run(opened(period_ns=2), [batch_of(alone)] if alone else [])
    assert same(by_itself, [event for event in together if event[1] == f"s{which}"])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_shuffled_within_the_lateness_equals_sorted(delays):
    order = sorted(range(len(delays)), key=lambda time: time + delays[time])
    events, rejects = run(opened(lateness_ns=5), [batch_of(rows_at(*order))])
    assert list(range(len(delays))) == [event[2] for event in events]
    assert rejects == []


def test_rows_older_than_the_last_of_their_series_are_late():
    assert reasons(rows_at(5, 4, 6)) == [(1, "late")]


def test_rows_older_than_another_series_are_in_order():
    rows = [*rows_at(5, name="x"), ("y", 3, (0.0, 0.0), 1)]
    assert reasons(rows) == []


def test_rows_older_than_the_watermark_are_late():
    assert reasons(rows_at(10, 5, 20, 14), lateness_ns=5) == [(3, "late")]


def test_of_two_rows_of_one_time_the_first_wins():
    rows = [("s", 1, (1.0, 1.0), 0), ("s", 1, (2.0, 2.0), 1)]
    events, rejects = run(opened(), [batch_of(rows)])
    assert [event[3] for event in events] == [(1.0, 1.0)]
    assert rejects == [(1, "duplicate")]


def test_duplicates_can_be_kept():
    assert times_out(rows_at(1, 1, 1), duplicates="keep") == [1, 1, 1]


def test_a_row_far_ahead_is_refused_and_does_not_move_the_clock():
    assert reasons(rows_at(0, 1000, 1, 50), max_jump_ns=100) == [(1, "time")]


def test_the_first_row_of_a_partition_is_accepted_wherever_it_lies():
    assert times_out(rows_at(10**18), max_jump_ns=1) == [10**18]


def test_a_late_row_is_described():
    ordering = opened()
    rows = [
        ("pump", 1_700_000_060_000_000_000, (1.0, np.nan), 7),
        ("pump", 1_700_000_000_500_000_000, (2.0, np.nan), 8),
    ]
    (segment,) = ordering.push(batch_of(rows))
    (reject,) = segment.rejects
    assert reject.row == {
        "series": "pump",
        "time": 1_700_000_000_500_000_000,
        "values": {"a": 2.0, "b": None},
    }
    assert (reject.partition, reject.offset) == ("p", 8)
    assert "2023-11-14T22:14:20Z" in reject.detail
    assert "2023-11-14T22:13:20.5Z (59.5 s earlier)" in reject.detail
    assert "lateness_ns" in reject.detail


def test_a_jump_is_described_with_its_bound_and_the_option():
    (segment,) = opened(max_jump_ns=10**9).push(batch_of(rows_at(0, 3 * 10**9)))
    assert "1970-01-01T00:00:01Z" in segment.rejects[0].detail
    assert "max_jump_ns" in segment.rejects[0].detail


def test_gaps_are_filled_on_the_grid_of_the_last_row():
    assert times_out(rows_at(3, 13, 34, 44), period_ns=10) == [3, 13, 23, 34, 44]


def test_a_gap_is_counted_in_rounded_periods():
    assert times_out(rows_at(0, 14), period_ns=10) == [0, 14]
    assert times_out(rows_at(0, 15), period_ns=10) == [0, 10, 15]


def test_filled_rows_hold_the_latest_known_value_of_each_channel():
    rows = [("s", 0, (1.0, 5.0), 0), ("s", 1, (2.0, np.nan), 1), ("s", 3, (9.0, 9.0), 2)]
    events, _ = run(opened(period_ns=1, fill="hold"), [batch_of(rows)])
    assert events[2] == ("row", "s", 2, (2.0, 5.0), True, False)


def test_a_gap_longer_than_the_limit_starts_anew():
    events, _ = run(opened(period_ns=1, max_gap_ns=4), [batch_of(rows_at(0, 4, 9))])
    assert [(event[2], event[5]) for event in events] == [
        (0, True),
        (1, False),
        (2, False),
        (3, False),
        (4, False),
        (9, True),
    ]


def test_without_a_limit_gaps_of_64_periods_are_filled_and_no_longer_ones():
    assert len(times_out(rows_at(0, 64), period_ns=1)) == 65
    assert len(times_out(rows_at(0, 65), period_ns=1)) == 2


def test_a_series_not_seen_for_its_time_to_live_is_forgotten():
    rows = [("x", 0, (1.0, 1.0), 0), ("y", 10, (1.0, 1.0), 1), ("y", 11, (1.0, 1.0), 2)]
    events, _ = run(opened(ttl_ns=10), [batch_of(rows)])
    assert [event[:3] for event in events] == [
        ("row", "x", 0),
        ("row", "y", 10),
        ("evict", "x"),
        ("row", "y", 11),
    ]


def test_one_key_too_many_makes_the_least_recently_seen_leave():
    names = ["x", "y", "x", "z"]
    rows = [(name, i, (1.0, 1.0), i) for i, name in enumerate(names)]
    ordering = opened(max_keys=2)
    events, _ = run(ordering, [batch_of(rows)])
    assert events[3] == ("evict", "y")
    assert sorted(ordering.names(ordering.live())) == ["x", "z"]


def test_slots_are_used_again():
    rows = [(f"s{i}", i, (1.0, 1.0), i) for i in range(50)]
    ordering = opened(max_keys=3)
    segments = list(ordering.push(batch_of(rows)))
    assert max(int(segment.rows.slots.max()) for segment in segments) == 2


def test_series_without_evictions_are_admitted_in_one_segment():
    rows = [(f"s{i % 7}", i, (1.0, 1.0), i) for i in range(50)]
    (segment,) = opened().push(batch_of(rows))
    assert list(segment.names) == [f"s{i}" for i in range(7)]


def test_accepted_batches_pass_on_their_own_arrays():
    batch = batch_of(rows_at(1, 2, 3))
    (segment,) = opened().push(batch)
    assert np.shares_memory(segment.rows.values, batch.values)
    assert np.shares_memory(segment.rows.times, batch.times)


def test_batches_of_read_only_and_strided_arrays_are_taken():
    batch = batch_of(rows_at(1, 2, 3))
    values = np.asfortranarray(batch.values)
    values.flags.writeable = False
    strided = Batch(batch.schema, batch.codes, batch.times, values, "p", 3)
    (segment,) = opened().push(strided)
    assert segment.rows.values.flags.c_contiguous


def test_offsets_follow_from_the_next_one_where_they_are_not_given():
    batch = batch_of(rows_at(5, 4))
    plain = Batch(batch.schema, batch.codes, batch.times, batch.values, "p", 100)
    (segment,) = opened().push(plain)
    assert segment.rejects[0].offset == 99


def test_offsets_survive_the_wait_for_the_watermark():
    rows = rows_at(5, 5, 5)
    ordering = opened(lateness_ns=10)
    assert list(ordering.push(batch_of(rows))) == []
    (segment,) = ordering.finish()
    assert [reject.offset for reject in segment.rejects] == [1, 2]


def test_rows_held_back_are_bounded():
    ordering = opened(lateness_ns=10**6, max_held_rows=100)
    rows = rows_at(*range(5000))
    list(ordering.push(batch_of(rows)))
    assert len(ordering.snapshot()["held/times"]) == 100


def test_state_does_not_grow_with_the_rows():
    rows = [(f"s{i % 5}", i, (1.0, 1.0), i) for i in range(5000)]

    def state_bytes(n):
        ordering = opened(lateness_ns=7, period_ns=1, fill="hold")
        list(ordering.push(batch_of(rows[:n])))
        return sum(array.nbytes for array in ordering.snapshot().values())

    assert state_bytes(500) == state_bytes(5000)


def test_state_does_not_grow_with_the_keys_beyond_their_maximum():
    rows = [(f"s{i:05}", i, (1.0, 1.0), i) for i in range(5000)]

    def state_bytes(n):
        ordering = opened(max_keys=20)
        list(ordering.push(batch_of(rows[:n])))
        return sum(array.nbytes for array in ordering.snapshot().values())

    assert state_bytes(500) == state_bytes(5000)


def test_ten_thousand_series_keep_their_own_slots():
    n = 10_000
    schema = Schema(["v"], [f"s{i}" for i in range(n)])
    codes = np.tile(np.arange(n, dtype=np.int32), 3)
    times = np.repeat(np.arange(3), n)
    batch = Batch(schema, codes, times, np.arange(3.0 * n)[:, None], "p", 3 * n)
    ordering = EventTime()
    ordering.open(["v"])
    (segment,) = ordering.push(batch)
    assert np.array_equal(segment.rows.slots, codes)
    assert ordering.names(np.array([17, 9999], np.int32)) == ["s17", "s9999"]


def test_inputs_are_left_alone():
    batch = batch_of(rows_at(0, 5, 3, 9))
    before = [batch.codes.copy(), batch.times.copy(), batch.values.copy()]
    run(opened(period_ns=1, fill="hold", lateness_ns=3), [batch])
    after = [batch.codes, batch.times, batch.values]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_watermark_is_the_largest_time_released():
    ordering = opened(lateness_ns=5)
    assert ordering.watermark_ns is None
    list(ordering.push(batch_of(rows_at(1, 4, 9))))
    assert ordering.watermark_ns == 4


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"period_ns": 0}, "period_ns must be a positive integer, got 0"),
        ({"lateness_ns": -1}, "lateness_ns must be 0 or more"),
        ({"fill": "zero"}, "fill must be one of nan, hold, got 'zero'"),
        ({"duplicates": "last"}, "duplicates must be one of drop, keep"),
        ({"period_ns": 1, "max_gap_ns": 10**6}, "lower max_gap_ns"),
    ],
)
def test_wrong_options_are_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        EventTime(**wrong)


def test_a_batch_before_open_is_refused():
    with pytest.raises(NotFittedError, match="call open"):
        list(EventTime().push(batch_of(rows_at(1))))


def test_a_snapshot_of_other_options_is_refused():
    with pytest.raises(StateError):
        opened(lateness_ns=5).restore(opened().snapshot())
    with pytest.raises(StateError, match="book"):
        opened().restore({})
