"""Names that event time keeps: those of series alive, whatever the source has seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.event_time import EventTimeModel
from reference.streams import CHANNELS, batch_of, cut, cuts, event_rows, flatten

from streamad.core.data import Schema
from streamad.windowing import event_time
from streamad.windowing.event_time import EventTime

options = st.fixed_dictionaries(
    {},
    optional={
        "period_ns": st.sampled_from([2, 3]),
        "lateness_ns": st.sampled_from([1, 4, 20]),
        "max_keys": st.sampled_from([1, 2]),
        "ttl_ns": st.sampled_from([3, 8]),
    },
)


@pytest.fixture
def forgetful(monkeypatch):
    """Names are looked through as soon as half of them may be gone."""
    monkeypatch.setattr(event_time, "NAMES_BETWEEN", -1)


def opened(**given_options):
    ordering = EventTime(**{"max_jump_ns": None, **given_options})
    ordering.open(CHANNELS)
    return ordering


def taken(ordering, batches):
    return [segment for batch in batches for segment in ordering.push(batch)]


def renewed(rows, places, fresh):
    """Batches of the rows, with another schema wherever ``fresh`` says so."""
    schema, batches = Schema(CHANNELS, ["x", "s1"]), []
    for n, piece in enumerate(cut(rows, places)):
        if fresh[n % len(fresh)]:
            schema = Schema(CHANNELS)
        batches.append(batch_of(piece, schema))
    return batches


def sessions(n, first=0):
    """A row each of ever new series, and of one that stays."""
    rows = []
    for i in range(first, first + n):
        rows.append((f"session-{i}", i, (1.0, 2.0), 2 * i))
        rows.append(("stays", i, (float(i), 2.0), 2 * i + 1))
    return rows


@pytest.mark.usefixtures("forgetful")
@given(event_rows(), options, cuts, st.lists(st.booleans(), min_size=1, max_size=5))
def test_when_a_schema_is_renewed_shows_neither_in_rows_nor_in_the_state(
    rows, chosen, places, fresh
):
    one, other = opened(**chosen), opened(**chosen)
    expected = flatten(taken(one, [batch_of(rows)]), {})
    found = flatten(taken(other, renewed(rows, places, fresh)), {})
    assert repr(expected) == repr(found)
    state, again = one.snapshot(), other.snapshot()
    assert state.keys() == again.keys()
    for name, array in state.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)


@pytest.mark.usefixtures("forgetful")
@given(event_rows(), options, st.integers(0, 40), st.booleans())
def test_a_restored_state_is_the_state(rows, chosen, place, fresh):
    schema = Schema(CHANNELS)
    straight, before, after = opened(**chosen), opened(**chosen), opened(**chosen)
    taken(straight, [batch_of(rows, schema)])
    taken(before, [batch_of(rows[:place], schema)])
    after.restore(before.snapshot())
    taken(after, [batch_of(rows[place:], Schema(CHANNELS) if fresh else schema)])
    for name, array in straight.snapshot().items():
        np.testing.assert_array_equal(array, after.snapshot()[name], err_msg=name)


@pytest.mark.usefixtures("forgetful")
@given(event_rows(), options, cuts)
def test_names_forgotten_at_every_batch_leave_what_the_model_gives(rows, chosen, places):
    expected = EventTimeModel(**chosen).run(rows)
    ordering, schema = opened(**chosen), Schema(CHANNELS)
    segments = taken(ordering, [batch_of(piece, schema) for piece in cut(rows, places)])
    events, rejects = flatten([*segments, *ordering.finish()], {})
    assert repr(expected.events) == repr(events)
    assert expected.rejects == rejects


@pytest.mark.parametrize("limit", [{"max_keys": 10}, {"ttl_ns": 8}])
@pytest.mark.parametrize("lateness", [0, 50])
def test_names_of_series_gone_are_forgotten_even_if_the_source_keeps_them(limit, lateness):
    schema, ordering = Schema(CHANNELS), opened(lateness_ns=lateness, **limit)
    most = 0
    for first in range(0, 20_000, 250):
        taken(ordering, [batch_of(sessions(250, first), schema)])
        most = max(most, len(ordering._names.series))
    assert len(schema.series) == 20_001
    assert most <= 2 * (10 + lateness + 1) + event_time.NAMES_BETWEEN + 251
    assert len(ordering._slab) <= most
    assert "stays" in ordering.names(ordering.live())


def test_a_partition_takes_no_names_of_other_partitions():
    schema, ordering = Schema(CHANNELS, [f"elsewhere-{i}" for i in range(5000)]), opened()
    taken(ordering, [batch_of([("here", 0, (1.0, 2.0), 0)], schema)])
    assert ordering._names.series == ["here"]
