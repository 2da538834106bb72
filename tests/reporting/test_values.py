from __future__ import annotations

import numpy as np

from streamad.reporting.values import read_values

EDGES = np.array([0, 2**62])


def test_missing_values_are_counted_over_all_series(make_run):
    run = make_run(series=["a", "b"], channels=("flow", "level"))
    values = read_values(run.batches(), {}, {}, 8, 1000)
    assert values.missing.tolist() == [12, 0]
    assert values.n_rows == 1200


def test_the_channels_to_blame_are_drawn_first_and_in_their_own_order(make_run):
    run = make_run(channels=tuple("abcdefgh"))
    values = read_values(run.batches(), {"pump-1": EDGES}, {"pump-1": ["g", "c", "?"]}, 3, 1000)
    assert [values.channels[c] for c in values.drawn["pump-1"]] == ["a", "c", "g"]


def test_only_the_wanted_series_are_kept(make_run):
    run = make_run(series=["a", "b", "c"])
    values = read_values(run.batches(rows=77), {"b": EDGES}, {}, 8, 1000)
    assert {name: trace.n_rows for name, trace in values.traces.items()} == {"b": 600}


def test_a_source_without_rows_has_no_values():
    assert read_values(iter([]), {}, {}, 8, 1000) is None
