"""Thresholds by name, and what is said about wrong names, parameters and values."""

from __future__ import annotations

import pytest

from streamad.core.errors import ConfigError
from streamad.core.protocols import Threshold
from streamad.thresholds import make_threshold, threshold_names

MADE = {
    "fixed": {"value": 2},
    "quantile": {"q": 0.999, "factor": 1.5, "window": 500, "init": 10},
    "spot": {"risk": 1e-4, "init": 1000, "level": 0.98, "max_excesses": 100},
    "dspot": {"risk": 1e-4, "depth": 10},
}


def test_the_names_are_those_of_the_manual():
    assert threshold_names() == ["dspot", "fixed", "quantile", "spot"]


@pytest.mark.parametrize("name", threshold_names())
def test_a_name_and_parameters_make_a_threshold(name):
    made = make_threshold(name, MADE[name])
    assert isinstance(made, Threshold)
    assert {key: getattr(made, key) for key in MADE[name]} == MADE[name]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("spott", {}, "unknown threshold 'spott': did you mean 'spot'?"),
        ("xyz", {}, "unknown threshold 'xyz': there are dspot, fixed, quantile, spot"),
        ("spot", {"rsik": 1e-4}, "threshold 'spot' has no parameter 'rsik': did you mean 'risk'?"),
        ("spot", {"depth": 3}, "threshold 'spot' has no parameter 'depth'"),
        ("fixed", {}, "threshold 'fixed' needs 'value'"),
        ("fixed", {"value": 0}, "fixed: value must be a finite number above 0, got 0"),
        ("fixed", {"value": float("inf")}, "fixed: value must be a finite number above 0, got inf"),
        ("fixed", {"value": "3"}, "fixed: value must be a finite number above 0, got '3'"),
        ("fixed", {"value": True}, "fixed: value must be a finite number above 0, got True"),
        ("quantile", {"q": 1.0}, "quantile: q must be between 0 and 1, got 1.0"),
        ("quantile", {"factor": 0.5}, "quantile: factor must be a finite number of at least 1"),
        ("quantile", {"window": 1}, "quantile: window must be at least 2, got 1"),
        ("quantile", {"init": 0}, "quantile: init must be at least 1, got 0"),
        ("quantile", {"init": 2.5}, "quantile: init must be a whole number, got 2.5"),
        ("spot", {"risk": 0.1}, "spot: risk must be above 0 and below 1 - level, got 0.1"),
        ("spot", {"level": 1.5}, "spot: level must be between 0 and 1, got 1.5"),
        ("spot", {"init": 100}, "spot: init must be at least 160, for 8 peaks over the level"),
        ("dspot", {"max_excesses": 10}, "dspot: max_excesses must be at least 26"),
        ("dspot", {"depth": 0}, "dspot: depth must be at least 1, got 0"),
    ],
)
def test_what_is_wrong_is_said(name, params, message):
    with pytest.raises(ConfigError) as caught:
        make_threshold(name, params)
    assert str(caught.value).startswith(message)
