"""One series: the cut does not show, scoring is pure, copies go on independently."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from reference.small_detectors import SMALL, skip_without_its_extra

import streamad
from streamad.core.errors import ShapeError
from streamad.detectors.registry import detector_names
from streamad.faces import OneSeries


def waves(n, n_channels=2, seed=0):
    """Noisy shifted sines with a spike, and with holes."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    x = np.sin(t * 0.3 + np.arange(n_channels)) + 0.1 * rng.normal(size=(n, n_channels))
    x[n - 20] += 5.0
    x[rng.random(x.shape) < 0.02] = np.nan
    return x


@pytest.fixture(params=detector_names())
def name(request):
    skip_without_its_extra(request.param)
    return request.param


def after(name, rows):
    series = OneSeries(name, SMALL.get(name), ["a", "b"])
    series.step(rows)
    return series


def same(one, other):
    a, b = one.snapshot(), other.snapshot()
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


def test_rows_in_pieces_score_as_one_array(name):
    x = waves(300)
    series = OneSeries(name, SMALL.get(name), ["a", "b"])
    pieces = [series.step(piece) for piece in np.split(x, [1, 2, 90, 200])]
    whole = streamad.score(x, name, **SMALL.get(name, {})).causal
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert not np.isnan(whole).all()


@pytest.mark.parametrize("n", [1, 30])
def test_scores_are_what_a_step_would_give(name, n):
    x = waves(300)
    series = after(name, x[:260])
    ahead = series.score(x[260 : 260 + n])
    np.testing.assert_array_equal(ahead, series.step(x[260 : 260 + n]))


@pytest.mark.parametrize("n", [1, 30])
def test_scoring_changes_nothing(name, n):
    x = waves(300)
    series = after(name, x[:260])
    before = series.copy()
    series.score(x[260 : 260 + n])
    assert same(before, series)


@pytest.mark.parametrize(
    "twin", [OneSeries.copy, copy.deepcopy, lambda series: pickle.loads(pickle.dumps(series))]
)
def test_a_twin_goes_on_independently(name, twin):
    x = waves(300)
    series = after(name, x[:200])
    other = twin(series)
    first = series.step(x[200:])
    np.testing.assert_array_equal(other.step(x[200:]), first)
    assert (other.n_rows, series.n_rows) == (300, 300)


def test_a_pickle_does_not_hold_the_detector():
    assert b"streamad.detectors" not in pickle.dumps(after("knn", waves(100)))


def test_what_happens_to_the_rows_afterwards_does_not_show():
    x = waves(300)
    series, other = after("knn", x[:200]), after("knn", x[:200])
    given = x[200:250].copy()
    series.step(given)
    given[:] = 7.0
    other.step(x[200:250])
    assert same(series, other)


def test_infinite_is_missing_and_the_rows_stay_as_they_are():
    x = waves(100)
    x[50, 0] = np.inf
    holed = np.where(np.isinf(x), np.nan, x)
    assert same(after("ewma", x), after("ewma", holed))
    assert np.isinf(x[50, 0])


@pytest.mark.parametrize("shape", [(4, 3), (2,), (4, 2, 1)])
def test_rows_of_another_shape_are_refused(shape):
    series = after("ewma", waves(10))
    with pytest.raises(ShapeError, match="rows of 2 channels are"):
        series.step(np.zeros(shape))
    assert series.n_rows == 10
