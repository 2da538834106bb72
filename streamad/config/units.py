"""Durations in a configuration, as numbers of nanoseconds and back."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from streamad.core.durations import DURATION, format_duration, parse_duration

_SCHEMA = {"type": "string", "pattern": f"^{DURATION.pattern}$", "examples": ["10m", "1h30m"]}


def _count_or_duration(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return format_duration(parse_duration(value))


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(_SCHEMA),
]
"""Nanoseconds, written with a unit."""
CountOrDuration = Annotated[
    int | str,
    BeforeValidator(_count_or_duration),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, _SCHEMA]}),
]
"""Rows as a plain number, or a duration with a unit."""
