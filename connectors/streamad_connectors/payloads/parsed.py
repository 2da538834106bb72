"""What a format finds in the payloads of a batch, and the words for what it does not take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from streamad.core.data import Floats, Ints

Why = tuple[str, str]
"""Reason (``decode``, ``type``, ``time``, ``size``, ``key``) and detail of a refusal."""
_SHOWN = 80
_TEXT = 400


class Refused(Exception):  # noqa: N818  (a verdict on a record, caught where it is decoded)
    """A record that cannot be a row.

    Parameters
    ----------
    reason, detail : str
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.why: Why = reason, detail


@dataclass(slots=True)
class Parsed:
    """Rows of some payloads as columns.

    Attributes
    ----------
    record : int64 (m,)
        Index of the payload that each row came in, ascending.
    keys : list or None
        As they came, None = missing; None where the format does not read keys.
    times : int64 (m,) or None
        Nanoseconds.
    values : float64 (m, C)
    faults : dict of int to (str, str)
        Why rows cannot be used, by row.
    failed : dict of int to (str, str)
        Why payloads could not be read at all, by payload.
    invalid : Counter
        Values that count as missing, by kind.
    """

    record: Ints
    keys: Sequence[Any] | None
    times: Ints | None
    values: Floats
    faults: dict[int, Why] = field(default_factory=dict)
    failed: dict[int, Why] = field(default_factory=dict)
    invalid: Counter[str] = field(default_factory=Counter)


class Parser(Protocol):
    """Understands one format."""

    def parse(self, payloads: Sequence[bytes]) -> Parsed:
        """Rows of these payloads; never raises for what is in them."""
        ...


def no_infinity(values: Floats, invalid: Counter[str]) -> None:
    """Make infinite values missing, in place, and count them."""
    infinite = np.isinf(values)
    if infinite.any():
        invalid["inf"] += int(np.count_nonzero(infinite))
        values[infinite] = np.nan


def shorten(value: object) -> str:
    """A value as it stands in a message, however large it is."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, (str, bytes)) and len(value) > _SHOWN:
        return f"{value[:_SHOWN]!r}... ({len(value)} long)"
    if isinstance(value, int) and value.bit_length() > 256:
        return "a huge number"
    return repr(value)


def shorten_text(text: str) -> str:
    """A message that holds a value, cut where the value is long."""
    return text if len(text) <= _TEXT else f"{text[: _TEXT // 2]} ... {text[-_TEXT // 2 :]}"
