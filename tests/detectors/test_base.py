"""What all built-in detectors share."""

from __future__ import annotations

import numpy as np
import pytest
from reference.judging import opened, water_flow, windows_of

from streamad.core.errors import ConfigError, NotFittedError, ShapeError, StateError
from streamad.detectors.base import series_rng
from streamad.detectors.ewma import Ewma
from streamad.detectors.mahalanobis import Mahalanobis


def test_repr_shows_what_differs_from_the_defaults():
    assert repr(Ewma(alpha=0.5)) == "Ewma(alpha=0.5)"


def test_a_clone_has_the_parameters_and_no_state():
    detector = opened(Ewma(alpha=0.5), 1)
    clone = detector.clone()
    assert clone.get_params() == detector.get_params()
    with pytest.raises(NotFittedError, match=r"call open\(channels\)"):
        clone.snapshot()


def test_no_channels_are_refused():
    with pytest.raises(ConfigError, match="at least one channel"):
        Ewma().open([])


def test_windows_of_another_shape_are_refused():
    detector = opened(Mahalanobis(rows=3), 2)
    with pytest.raises(ShapeError, match=r"takes windows of shape \(10, 3, 2\).*got \(10, 3, 1\)"):
        detector.step(windows_of(water_flow(10), 3))


def test_a_series_that_was_not_admitted_is_refused():
    detector = opened(Ewma(), 1)
    with pytest.raises(NotFittedError, match="code 4 was never admitted"):
        detector.step(windows_of(water_flow(10), 1, code=4))


def test_codes_without_names_are_refused():
    detector = opened(Ewma(), 1)
    with pytest.raises(ShapeError, match="2 codes came with 1 names"):
        detector.admit(np.array([1, 2], np.int32), ["two"])


def test_a_snapshot_of_another_shape_is_refused():
    snapshot = opened(Mahalanobis(rows=3), 1).snapshot()
    with pytest.raises(StateError, match="belongs to other parameters"):
        opened(Mahalanobis(rows=2), 1).restore(snapshot)


def test_state_bytes_are_those_of_the_arrays():
    detector = opened(Mahalanobis(), 2)
    held = sum(array.nbytes for array in detector.snapshot().values())
    assert detector.state_bytes(2) == held


def test_chance_depends_on_the_name_of_the_series_and_the_seed_alone():
    drawn = [series_rng(seed, name).random() for seed, name in [(0, "a"), (0, "b"), (1, "a")]]
    assert len(set(drawn)) == 3
    assert series_rng(0, "a").random() == drawn[0]
