"""Secrets are known by their names."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from streamad.config.redaction import hide, is_secret, redacted, reveal


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("password", True),
        ("sasl_plain_password", True),
        ("ssl_password", True),
        ("apiKey", True),
        ("auth_token", True),
        ("client_secret", True),
        ("password_file", False),
        ("token_path", False),
        ("key", False),
        ("path", False),
    ],
)
def test_a_name_says_whether_it_is_secret(name, expected):
    assert is_secret(name) is expected


TREE = {"a": 1, "security": {"password": "x", "users": [{"token": "y"}]}, "max_tokens": 5}


def test_hidden_text_comes_back():
    hidden = hide(TREE)
    assert hidden["security"]["password"] == SecretStr("x")
    assert hidden["max_tokens"] == 5
    assert reveal(hidden) == TREE


def test_redacted_text_is_gone():
    assert redacted(TREE) == {
        "a": 1,
        "security": {"password": "**********", "users": [{"token": "**********"}]},
        "max_tokens": 5,
    }


def test_everything_below_a_secret_name_is_secret():
    assert redacted({"secrets": {"a": ["x"]}}) == {"secrets": {"a": ["**********"]}}
