"""Secrets: known by the names of their options, hidden while held, left out of what is written."""

from __future__ import annotations

import re
from typing import Any

from pydantic import SecretStr

REDACTED = "**********"
"""What stands in place of a secret."""

USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
"""User and password inside a URL."""

_SECRET = re.compile(r"password|passphrase|token|secret|api_?key|private_?key", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """True for options that hold a secret; the name of a file that holds one is none.

    Examples
    --------
    >>> is_secret("sasl_plain_password"), is_secret("password_file"), is_secret("path")
    (True, False, False)
    """
    return bool(_SECRET.search(name)) and not name.lower().endswith(("_file", "_path"))


def hide(value: Any, *, secret: bool = False) -> Any:
    """The same value with the text under secret names as ``SecretStr``."""
    if isinstance(value, dict):
        return {k: hide(v, secret=secret or is_secret(str(k))) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [hide(entry, secret=secret) for entry in value]
    return SecretStr(value) if secret and isinstance(value, str) else value


def reveal(value: Any) -> Any:
    """The same value with hidden text in the clear, for the constructor that needs it."""
    if isinstance(value, dict):
        return {key: reveal(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [reveal(entry) for entry in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def redacted(value: Any, *, secret: bool = False) -> Any:
    """The same value without the text of secrets, user and password of URLs included."""
    if isinstance(value, dict):
        return {k: redacted(v, secret=secret or is_secret(str(k))) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(entry, secret=secret) for entry in value]
    if isinstance(value, SecretStr) or (secret and isinstance(value, str)):
        return REDACTED
    return USER_INFO.sub(REDACTED, value) if isinstance(value, str) else value
