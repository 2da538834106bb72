"""Durations carry units."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.core.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", 600 * 10**9),
        ("1h30m", 5400 * 10**9),
        ("1 h 30 m", 5400 * 10**9),
        ("500ms", 500 * 10**6),
        ("0.5s", 500 * 10**6),
        ("7d", 7 * 86_400 * 10**9),
        ("2w", 14 * 86_400 * 10**9),
        ("0s", 0),
    ],
)
def test_a_duration_becomes_nanoseconds(text, expected):
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "value", [10, 1.5, True, None, "10", "", "m", "-5m", "5min", "1e3s", "5m x"]
)
def test_what_has_no_unit_or_another_form_is_refused(value):
    with pytest.raises(ValueError, match="a duration with a unit is expected"):
        parse_duration(value)


def test_a_duration_beyond_64_bits_is_refused():
    with pytest.raises(ValueError, match="at most 292 years"):
        parse_duration("99999999w")


@given(st.integers(0, 2**63 - 1))
def test_a_written_duration_reads_as_the_same(nanoseconds):
    assert parse_duration(format_duration(nanoseconds)) == nanoseconds
