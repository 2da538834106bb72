"""Durations as people write them: ``10m``, ``1h30m``, ``500ms``."""

from __future__ import annotations

import re
from typing import Any

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 604_800_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d|w)")
DURATION = re.compile(rf"\s*(?:{_PART.pattern}\s*)+")
"""What a duration looks like."""
_LONGEST = 2**63 - 1


def parse_duration(value: Any) -> int:
    """Nanoseconds of a duration.

    Parameters
    ----------
    value : str
        Numbers, each with one of the units ns, us, ms, s, m, h, d, w.

    Raises
    ------
    ValueError
        Without a unit, of another form, or longer than 64 bits of nanoseconds (292 years).

    Examples
    --------
    >>> parse_duration("1h30m"), parse_duration("500ms")
    (5400000000000, 500000000)
    """
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        raise ValueError(
            f"a duration with a unit is expected, like 10m, 1h30m or 500ms, got {value!r}"
        )
    parts = _PART.findall(value)
    nanoseconds = sum(round(float(number) * _NANOSECONDS[unit]) for number, unit in parts)
    if nanoseconds > _LONGEST:
        raise ValueError(f"a duration of at most 292 years is expected, got {value!r}")
    return nanoseconds


def format_duration(nanoseconds: int) -> str:
    """Shortest text that :func:`parse_duration` reads as the same duration.

    Examples
    --------
    >>> format_duration(5_400_000_000_000), format_duration(0)
    ('1h30m', '0s')
    """
    rest, parts = nanoseconds, []
    for unit, size in reversed(_NANOSECONDS.items()):
        n, rest = divmod(rest, size)
        if n:
            parts.append(f"{n}{unit}")
    return "".join(parts) or "0s"
