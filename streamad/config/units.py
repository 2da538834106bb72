"""Durations as people write them: ``10m``, ``1h30m``, ``500ms``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

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


def parse_duration(value: Any) -> int:
    """Nanoseconds of a duration.

    Raises
    ------
    ValueError
        Without a unit, or of another form.

    Examples
    --------
    >>> parse_duration("1h30m"), parse_duration("500ms")
    (5400000000000, 500000000)
    """
    text = value.strip() if isinstance(value, str) else ""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(
            f"a duration with a unit is expected, like 10m, 1h30m or 500ms, got {value!r}"
        )
    return sum(round(float(number) * _NANOSECONDS[unit]) for number, unit in parts)


def format_duration(nanoseconds: int) -> str:
    """Shortest text that :func:`parse_duration` reads as the same duration.

    Examples
    --------
    >>> format_duration(5_400_000_000_000), format_duration(0)
    ('1h30m', '0s')
    """
    rest, parts = nanoseconds, []
    for unit in ("w", "d", "h", "m", "s", "ms", "us", "ns"):
        n, rest = divmod(rest, _NANOSECONDS[unit])
        if n:
            parts.append(f"{n}{unit}")
    return "".join(parts) or "0s"


def _count_or_duration(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return format_duration(parse_duration(value))


Duration = Annotated[
    int, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)
]
"""Nanoseconds, written with a unit."""
CountOrDuration = Annotated[int | str, BeforeValidator(_count_or_duration)]
"""Rows as a plain number, or a duration with a unit."""
