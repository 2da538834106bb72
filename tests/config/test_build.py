"""A configuration becomes objects with its values in them."""

from __future__ import annotations

import pytest

from streamad.alerting import SeverityRule
from streamad.config import config_from, load_config, make_pipeline
from streamad.config.build import episode_rules, make_ordering
from streamad.core.data import WindowSpec


def config(**sections):
    return config_from({"pipeline": "a", "source": {"type": "csv", "path": "x"}, **sections})


def test_a_pipeline_has_a_stage_for_each_detector(write, good):
    pipeline = make_pipeline(load_config(write(good)), ["flow"])
    assert pipeline.name == "plant-a"
    assert [(stage.name, stage.output) for stage in pipeline.stages] == [
        ("fast", "causal"),
        ("knn", "final"),
    ]
    assert pipeline.stages[0].detector.alpha == 0.3
    assert pipeline.stages[1].detector.window == WindowSpec(length=96)


def test_output_of_the_pipeline_holds_for_detectors_without_their_own():
    made = make_pipeline(
        config(output="final", detectors=[{"type": "ewma"}, {"type": "knn", "output": "causal"}]),
        ["flow"],
    )
    assert [stage.output for stage in made.stages] == ["final", "causal"]


def test_a_river_detector_is_made_with_its_parameters():
    params = {"n_trees": 3, "seed": 1}
    made = make_pipeline(
        config(detectors=[{"type": "river:HalfSpaceTrees", "params": params}]), ["flow"]
    )
    assert made.stages[0].detector.params == params


@pytest.mark.parametrize(
    ("given", "rows", "nanoseconds"), [(3, 3, 0), ("3m", 1, 180 * 10**9), ("500ms", 1, 5 * 10**8)]
)
def test_an_episode_opens_after_rows_or_a_duration(given, rows, nanoseconds):
    rules = episode_rules(config(alerts={"open": {"for": given}}))
    assert (rules.open_rows, rules.open_ns) == (rows, nanoseconds)


def test_severities_keep_their_order_and_conditions():
    levels = [{"level": "a", "when": {"ratio": 2, "lasting": "1s"}}, {"level": "b"}]
    rules = episode_rules(config(alerts={"severity": levels}))
    assert rules.severities == (SeverityRule("a", 2.0, 10**9), SeverityRule("b"))


def test_the_default_alerts_open_and_close_at_once_with_hysteresis():
    rules = episode_rules(config())
    assert (rules.open_ratio, rules.open_rows, rules.close_ratio, rules.close_rows) == (
        1,
        1,
        0.7,
        1,
    )
    assert rules.severities == (SeverityRule("critical", 3.0), SeverityRule("warning"))


def test_ordering_takes_window_and_state():
    made = make_ordering(config(window={"period": "1m"}, state={"max_keys": 7, "ttl": "1d"}))
    assert made.watermark_ns is None
