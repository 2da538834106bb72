"""Rules out of range are refused with a message that says which and why."""

from __future__ import annotations

import pytest

from streamad.alerting import EpisodeRules, SeverityRule
from streamad.core.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"close_ratio": 1.2}, "close_ratio=1.2 and open_ratio=1.0"),
        ({"close_ratio": 0.0}, "0 < close_ratio"),
        ({"open_ratio": float("nan")}, "open_ratio=nan"),
        ({"open_rows": 0}, "open_rows must be at least 1, got 0"),
        ({"close_rows": 0}, "close_rows must be at least 1, got 0"),
        ({"open_ns": -1}, "open_ns must be at least 0, got -1"),
        ({"merge_gap_ns": -5}, "merge_gap_ns must be at least 0, got -5"),
        ({"no_data_after_ns": 0}, "no_data_after_ns must be at least 1, got 0"),
        ({"max_open_ns": 0}, "max_open_ns must be at least 1, got 0"),
        ({"severities": (SeverityRule(""),)}, "a severity rule needs a level"),
    ],
)
def test_a_rule_out_of_range_is_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        EpisodeRules(**given)


def test_rules_are_frozen():
    with pytest.raises(AttributeError):
        EpisodeRules().open_rows = 2
