from __future__ import annotations

import numpy as np
import pytest

from streamad.core.data import Schema, WindowSpec
from streamad.testing.streams import (
    KINDS,
    Recipe,
    channel_names,
    disordered,
    make_batch,
    pieces,
    series_code,
    series_name,
    windows_of,
)
from streamad.testing.tables import Table, same

RECIPE = Recipe(6, KINDS, 2, 400, 0.1, 3)


def test_a_recipe_makes_the_same_stream_each_time():
    same({"rows": RECIPE.stream()}, {"rows": RECIPE.stream()}, "a recipe")


def test_a_stream_has_all_its_series_in_time_order_with_missing_values():
    stream = RECIPE.stream()
    assert set(stream.codes.tolist()) == set(range(len(KINDS)))
    assert np.all(np.diff(stream["times"]) > 0)
    assert 0.05 < np.isnan(stream["values"]).mean() < 0.15


@pytest.mark.parametrize("cuts", [1, 7, 400, 1000, (0.5,), (0.9, 0.1, 0.1, 1.0)])
def test_pieces_cover_every_row_once(cuts):
    rows = np.concatenate([np.arange(400)[piece] for piece in pieces(400, cuts)])
    assert rows.tolist() == list(range(400))


def test_disorder_moves_rows_within_its_reach_and_repeats_some():
    stream = RECIPE.stream()
    places = np.searchsorted(stream["times"], disordered(stream, 1, 5)["times"])
    assert 0 < np.abs(places - np.arange(400)).max() <= 5
    assert sorted(places.tolist()) == list(range(400))
    assert len(disordered(stream, 1, 5, repeats=4)) == 404


def test_a_batch_ends_at_the_offset_of_its_last_row():
    rows = RECIPE.stream().take(slice(10, 30))
    batch = make_batch(Schema(channel_names(2)), rows, 10)
    assert (batch.offset(0), batch.next_offset, len(batch)) == (10, 30, 20)


def test_names_lead_back_to_codes():
    assert [series_code(series_name(code)) for code in range(12)] == list(range(12))


@pytest.mark.parametrize("spec", [WindowSpec(), WindowSpec(4), WindowSpec(5, 3)])
def test_windows_hold_the_latest_rows_of_a_series(spec):
    stream = RECIPE.stream()
    windows = windows_of(stream, spec)
    seen = dict.fromkeys(range(len(KINDS)), 0)
    due = []
    for row, code in enumerate(stream.codes.tolist()):
        seen[code] += 1
        if seen[code] % spec.hop == 0:
            own = stream["values"][: row + 1][stream.codes[: row + 1] == code][-spec.length :]
            window = np.full((spec.length, 2), np.nan)
            window[spec.length - len(own) :] = own
            if np.isnan(window).mean() > 0.5:
                window[:] = np.nan
            due.append((code, stream["times"][row], window))
    assert windows.codes.tolist() == [code for code, _, _ in due]
    assert windows["ends"].tolist() == [end for _, end, _ in due]
    np.testing.assert_array_equal(windows["values"], [window for _, _, window in due])


def test_scaled_windows_use_the_rows_before_their_last_one():
    values = np.arange(1.0, 7.0)[:, None]
    times = np.arange(6, dtype=np.int64)
    stream = Table(np.zeros(6, np.int32), {"times": times, "values": values})
    windows = windows_of(stream, WindowSpec(2, 1, "robust"))
    assert windows["center"][4, 0] == pytest.approx(np.mean(values[:4]))
    assert windows["scale"][4, 0] == pytest.approx(np.std(values[:4]))
    assert windows["values"][4, 1, 0] == pytest.approx((5.0 - 2.5) / np.std(values[:4]))


def test_a_stream_without_rows_has_no_windows():
    windows = windows_of(RECIPE.stream().take(slice(0, 0)), WindowSpec(3))
    assert windows["values"].shape == (0, 3, 2)
