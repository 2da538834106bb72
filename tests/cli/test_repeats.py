"""Lines that are logged again and again."""

from __future__ import annotations

import logging

import pytest

from streamad.cli.repeats import MOST_LINES, RepeatLimit
from streamad.testing.fakes import FakeClock


def line(text, *args, name="streamad", level=logging.WARNING):
    return logging.LogRecord(name, level, __file__, 1, text, args, None)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def limit(clock):
    return RepeatLimit(10.0, clock)


def test_the_same_line_comes_once_in_the_interval_and_tells_how_often_it_came(limit, clock):
    assert limit.passed(line("gone")).getMessage() == "gone"
    for _ in range(4):
        clock.advance(2.0)
        assert limit.passed(line("gone")) is None
    clock.advance(2.0)
    assert limit.passed(line("gone")).getMessage() == "gone (4 times more since)"
    clock.advance(10.0)
    assert limit.passed(line("gone")).getMessage() == "gone"


def test_another_text_logger_or_level_is_another_line(limit):
    first = line("%s is gone", "t/0")
    others = [
        line("%s is gone", "t/1"),
        line("%s is gone", "t/0", name="kafka"),
        line("%s is gone", "t/0", level=logging.ERROR),
    ]
    assert [limit.passed(record) for record in (first, *others)] == [first, *others]
    assert limit.passed(line("t/0 is gone")) is None


def test_a_line_with_a_percent_sign_is_told_as_it_is(limit, clock):
    for _ in range(2):
        limit.passed(line("90 % are gone"))
    clock.advance(10.0)
    assert limit.passed(line("90 % are gone")).getMessage() == "90 % are gone (1 times more since)"


def test_an_interval_of_nothing_lets_everything_through():
    limit = RepeatLimit(0.0, FakeClock())
    assert all(limit.passed(line("gone")) for _ in range(3))


def test_it_does_not_remember_without_bound(limit):
    for number in range(2 * MOST_LINES):
        limit.passed(line("%d", number))
    assert len(limit._seen) == MOST_LINES
