"""Detectors by name."""

from __future__ import annotations

import pytest

from streamad.core.errors import ConfigError
from streamad.detectors.ewma import Ewma
from streamad.detectors.registry import detector_names, make_detector, parameters


def test_the_built_in_detectors_are_installed():
    assert {"ewma", "fusion", "knn", "mahalanobis"} <= set(detector_names())


def test_parameters_reach_the_constructor():
    assert make_detector("ewma", {"alpha": 0.5}).get_params()["alpha"] == 0.5


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"unknown detector 'mahalonobis': did you mean 'mahal"):
        make_detector("mahalonobis")


def test_an_unknown_parameter_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"no parameter 'warmup': did you mean 'warm_up'\?"):
        make_detector("ewma", {"warmup": 3})


def test_river_detectors_have_a_prefix():
    made = make_detector("river:HalfSpaceTrees", {"n_trees": 3, "prepare": "none"})
    assert made.get_params() == {
        "name": "HalfSpaceTrees",
        "params": {"n_trees": 3},
        "prepare": "none",
    }


def test_an_unknown_river_class_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean 'river:HalfSpaceTrees'"):
        make_detector("river:HalfSpaceTree")


def test_a_filter_of_river_is_no_detector():
    with pytest.raises(ConfigError, match=r"unknown detector 'river:QuantileFilter'"):
        make_detector("river:QuantileFilter")


def test_an_unknown_river_parameter_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match=r"no parameter 'n_tree': did you mean 'n_trees'"):
        make_detector("river:HalfSpaceTrees", {"n_tree": 3})


def test_parameters_are_listed_with_their_defaults():
    assert parameters(Ewma)["warm_up"] == 64
