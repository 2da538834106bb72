"""Contributions and the sentence."""

from __future__ import annotations

import math

import pytest

from streamad.alerting.words import contributions, member_parts, summary
from streamad.core.data import Contribution, MemberPart, Members
from streamad.core.errors import ShapeError

NAN = math.nan


def test_contributions_are_the_ten_largest_in_falling_order():
    names = [f"c{k}" for k in range(12)]
    shares = [k / 66 for k in range(12)]
    parts = contributions(names, shares, [0.0] * 12, [NAN] * 12)
    assert [part.channel for part in parts] == [f"c{k}" for k in range(11, 1, -1)]


def test_equal_shares_keep_the_order_of_the_channels():
    parts = contributions(["b", "a"], [0.5, 0.5], [1.0, 1.0], [NAN, NAN])
    assert [part.channel for part in parts] == ["b", "a"]


def test_a_channel_without_a_share_contributes_nothing():
    assert contributions(["a", "b"], [1.0, 0.0], [1.0, 1.0], [NAN, NAN]) == (
        Contribution("a", 1.0, 1.0),
    )


@pytest.mark.parametrize(
    ("actual", "expected", "direction"),
    [(2.0, 1.0, "above"), (1.0, 2.0, "below"), (1.0, 1.0, None), (NAN, 1.0, None)],
)
def test_the_direction_compares_what_came_with_what_was_expected(actual, expected, direction):
    (part,) = contributions(["a"], [1.0], [actual], [expected])
    assert part.direction == direction


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (84.2, "84.2"),
        (-16.549, "-16.55"),
        (12345.6, "12346"),
        (0.01234567, "0.01235"),
        (1e-9, "1e-09"),
        (123456789.0, "1.235e+08"),
    ],
)
def test_numbers_have_four_digits(number, text):
    assert f"x {text};" in summary("s", None, 0, [Contribution("x", 1.0, number)], 1.0, 2.0)


@pytest.mark.parametrize(
    ("lasted_ns", "text"),
    [
        (0, "one row"),
        (250_000_000, "0.25 s"),
        (59_000_000_000, "59 s"),
        (60_000_000_000, "1 min"),
        (142_000_000_000, "2 min 22 s"),
        (3_600_000_000_000, "1 h"),
        (93_600_000_000_000, "1 d 2 h"),
    ],
)
def test_durations_have_their_two_largest_units(lasted_ns, text):
    assert f"after {text};" in summary("s", "recovered", lasted_ns, [], 1.0, 2.0)


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        ("recovered", "back to normal"),
        ("timeout", "still strange"),
        ("no_data", "no data any more"),
        ("end_of_stream", "still open at the end of the data"),
    ],
)
def test_every_ending_has_its_words(ending, text):
    assert text in summary("s", ending, 5, [], 1.0, 2.0)


def test_channels_are_named_until_they_make_up_most_of_the_score():
    shares = {"a": 0.5, "b": 0.41, "c": 0.05, "d": 0.04}
    parts = [Contribution(name, share, 1.0) for name, share in shares.items()]
    assert summary("s", None, 0, parts, 1.0, 2.0) == "s: a 1, b 1; 2.0 × threshold"


def test_a_missing_value_is_called_missing():
    parts = [Contribution("flow", 1.0, None, 3.0)]
    assert summary("s", None, 0, parts, 1.0, 2.0) == "s: flow missing (expected 3); 2.0 × threshold"


def test_an_immense_ratio_is_not_spelled_out():
    assert summary("s", None, 0, [], 1.0, math.inf) == "s: score 1; over 1000 × threshold"


def test_members_are_the_five_largest_in_falling_order():
    members = Members(tuple("abcdefg"))
    parts = member_parts(members, [1.0, 7.0, 3.0, 0.0, 5.0, 2.0, 4.0])
    assert [part.name for part in parts] == ["b", "e", "g", "c", "f"]
    assert parts[0].share == 49 / 104


def test_weights_decide_between_members_of_one_score():
    members = Members(("a", "b"), {}, (1.0, 1.5))
    assert [part.name for part in member_parts(members, [2.0, 2.0])] == ["b", "a"]


def test_equal_members_keep_their_order():
    parts = member_parts(Members(("b", "a")), [2.0, 2.0])
    assert [part.name for part in parts] == ["b", "a"]


@pytest.mark.parametrize("scores", [[NAN, 0.0], [NAN, NAN], [math.inf, 0.0]])
def test_members_without_a_finite_part_are_not_named(scores):
    assert member_parts(Members(("a", "b")), scores) == ()


def test_the_smallest_part_has_a_share():
    (part,) = member_parts(Members(("a",)), [1e-45])
    assert part.share == 1.0


def test_members_need_a_weight_each():
    with pytest.raises(ShapeError, match="a weight each"):
        Members(("a", "b"), {}, (1.0,))


def test_a_member_without_a_reason_is_called_by_its_name():
    told = summary("s", None, 0, [], 1.0, 2.0, [MemberPart("forecast", 3.0, 1.0)])
    assert told == "s: 2.0 × the line, forecast"


def test_with_members_a_missing_value_is_called_missing():
    parts = [Contribution("flow", 0.7, None, 3.0), Contribution("heat", 0.3, 2.0)]
    told = summary("s", None, 0, parts, 1.0, 2000.0, [MemberPart("m", 3.0, 1.0, "odd")])
    assert told == (
        "s: over 1000 × the line, odd; flow 70 %, expected 3, missing; heat 30 %, was 2"
    )
