"""Streaming detectors of other packages: how rows reach them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import rivals


def values(n=300, n_channels=2):
    return np.random.default_rng(0).normal(size=(n, n_channels))


def test_the_running_z_score_knows_the_rows_before_only():
    x = values(50)
    found = rivals.running_z(x)
    for i in (2, 10, 49):
        z = np.abs(x[i] - x[:i].mean(axis=0)) / x[:i].std(axis=0)
        assert found[i] == pytest.approx(z.max())


def test_the_running_z_score_of_a_constant_is_zero():
    np.testing.assert_array_equal(rivals.running_z(np.full((20, 1), 1e6)), np.zeros(20))


def test_lagged_rows_end_with_the_newest_value():
    rows = rivals.lagged(np.array([3.0, 4.0, 5.0]), 2)
    np.testing.assert_array_equal(rows, [[3.0, 3.0], [3.0, 4.0], [4.0, 5.0]])


@pytest.mark.parametrize("rival", rivals.rivals()[0], ids=lambda rival: rival.name)
def test_a_rival_scores_every_row_before_it_learns_it(rival):
    x = values()
    changed = x.copy()
    changed[200] = 9.0
    before, after = (rival.scores(v, 100) for v in (x, changed))
    assert np.isfinite(before).all()
    np.testing.assert_array_equal(before[:200], after[:200])


def test_a_rival_whose_package_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(rivals.importlib.util, "find_spec", lambda name: name == "river" or None)
    found, missing = rivals.rivals()
    assert [rival.package for rival in found] == ["river", "river"]
    assert missing == ["PySAD LODA left out: pysad is not installed (pip install --no-deps pysad)"]


def test_rows_are_dictionaries_where_a_package_wants_them():
    rival = rivals.Rival("any", "river", lambda limits: None, lambda model, row: 0.0)
    assert dataclasses.replace(rival, as_dict=True).rows(np.array([[1.0, 2.0]])) == [
        {"v00": 1.0, "v01": 2.0}
    ]
