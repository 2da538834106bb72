"""Secrets of the configuration, kept out of everything that this process says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from streamad.config import Config

SHORTEST = 4
"""Shorter secrets are left alone: they would turn up inside ordinary words."""

_known: list[str] = []


def keep_secret(config: Config, *more: str) -> None:
    """Know the secrets of a configuration from now on.

    Parameters
    ----------
    config : Config
    *more : str
        Secrets that are not in it, such as those read from files.
    """
    found = {
        form for secret in (*_secrets(dict(config), secret=False), *more) for form in _forms(secret)
    }
    _known[:] = sorted({*_known, *found}, key=len, reverse=True)


def conceal(text: str) -> str:
    """The text without what is known to be secret, and without users and passwords in URLs."""
    if not _known and "://" not in text:
        return text
    from streamad.config.redaction import REDACTED, USER_INFO

    for secret in _known:
        text = text.replace(secret, REDACTED)
    return USER_INFO.sub(REDACTED, text)


def _secrets(value: Any, *, secret: bool) -> Iterator[str]:
    """Everything that is hidden, or stands under the name of a secret."""
    from pydantic import BaseModel, SecretStr

    from streamad.config.redaction import USER_INFO, is_secret

    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from _secrets(dict(value), secret=secret)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield from _secrets(entry, secret=secret or is_secret(str(name)))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _secrets(entry, secret=secret)
    elif isinstance(value, str):
        if secret:
            yield value
        for user_info in USER_INFO.findall(value):
            yield from filter(None, user_info.partition(":")[2:])


def _forms(secret: str) -> Iterator[str]:
    """The ways in which a secret turns up in a text."""
    if len(secret.strip()) >= SHORTEST:
        yield secret
        yield secret.strip()
        yield json.dumps(secret)[1:-1]
        yield json.dumps(secret, ensure_ascii=False)[1:-1]
        yield repr(secret)[1:-1]
        yield repr(secret.encode())[2:-1]
        yield quote(secret, safe="")
