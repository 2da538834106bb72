"""Files become trees with places, whatever is in them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamad.config.documents import Problem, Text, parse, wrap
from streamad.core.errors import ConfigError


def tree(content: str, problems: list[Problem] | None = None, **variables: str):
    text = Text("x.yaml", content.splitlines())
    root = parse(content, text, Path(), variables, [] if problems is None else problems)
    return None if root is None else root.plain()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("no", "no"),
        ("010", 10),
        ("12:30:45", "12:30:45"),
        ("1e3", 1000.0),
        ("2026-11-23T14:00:00Z", "2026-11-23T14:00:00Z"),
        ("~", None),
        ("true", True),
        ("'${A}'", "a"),
        ("'$$A'", "$A"),
    ],
)
def test_values_are_those_of_yaml_1_2(written, expected):
    assert tree(f"x: {written}\n", A="a") == {"x": expected}


def test_json_is_read_too():
    assert tree('{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("a: {b: c\n", "x.yaml:2:1: error: "),
        ("a: [x, ${A}]\n", "put ${...} in quotes inside [] and {}"),
        ("a: b\n---\nc: d\n", "another document"),
        ("a: *b\n", "undefined alias"),
        ("a: \x00b\n", "is no YAML"),
        ("[" * 1500, "nested deeper than 50 levels"),
        ("a: &a [*a]\n", "nested deeper than 50 levels"),
        ("[" * 60 + "]" * 60, "nested deeper than 50 levels"),
    ],
)
def test_what_cannot_be_read_is_one_message(content, part):
    with pytest.raises(ConfigError) as caught:
        tree(content)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "duplicate key 'a'"),
        ("? [a, b]\n: c\n", "a key must be plain text"),
        ("a: !foo b\n", "the tag !foo is not supported"),
        ("a: !!binary aGk=\n", "the tag tag:yaml.org,2002:binary is not supported"),
        (f"a: {'9' * 5000}\n", "this is not a value of the type int"),
    ],
)
def test_what_leaves_the_rest_readable_is_a_problem_with_a_place(content, message):
    problems: list[Problem] = []
    tree(content, problems)
    assert [problem.message for problem in problems] == [message]
    assert problems[0].mark is not None


def test_a_duplicate_key_keeps_the_first_value_and_names_its_line():
    problems: list[Problem] = []
    assert tree("a: 1\nb: 2\na: 3\n", problems)["a"] == 1
    assert problems[0].show() == (
        "x.yaml:3:1: error: duplicate key 'a'\n"
        "     3 | a: 3\n"
        "       | ^  it stands on line 1 already"
    )


def test_nothing_is_none():
    assert tree("# only a comment\n") is None


def test_a_long_line_is_cut_around_the_caret():
    problems: list[Problem] = []
    tree("{" + ", ".join(f'"k{i}": {i}' for i in range(200)) + ', "k7": 0}', problems)
    _, line, caret = problems[0].show().splitlines()
    assert len(line) < 120
    assert line[caret.index("^") :].startswith('"k7"')


@pytest.mark.parametrize(
    "line",
    [
        "a: {password: hunter2-canary, b: 1, b: 2}",
        "a: {b: 1, token: 'hunter2-canary', b: 2}",
        "a: {secrets: {x: hunter2-canary}, b: 1, b: 2}",
        "a: {url: 'https://me:hunter2-canary@host/', b: 1, b: 2}",
        "a: {password: '${PW:-hunter2-canary}', b: 1, b: 2}",
        'a: {password: "hunter2-canary\n  more", b: 1, b: 2}',
        "{password: hunter2-canary, b: [}",
        "password: hunter2-canary: x",
    ],
)
def test_a_shown_line_hides_secrets(line):
    problems: list[Problem] = []
    try:
        tree(line, problems)
        shown = problems[0].show()
    except ConfigError as error:
        shown = str(error)
    assert "hunter2-canary" not in shown
    assert "**********" in shown or "more" in shown


def test_the_caret_stays_under_its_key_when_a_secret_before_it_is_hidden():
    problems: list[Problem] = []
    tree("a: {password: x, b: 1, b: 2}", problems)
    _, line, caret = problems[0].show().splitlines()
    assert line[caret.index("^") :] == "b: 2}"


def test_a_reference_to_a_secret_is_shown():
    problems: list[Problem] = []
    tree("password: ${PW}", problems)
    assert "${PW}" in problems[0].show()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_a_wrapped_tree_is_the_same_tree(value):
    assert wrap(value).plain() == value


@given(st.text())
def test_any_text_is_a_tree_or_a_configuration_error(content):
    with suppress(ConfigError):
        tree(content)
