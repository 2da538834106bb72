"""Exit codes, one place."""

from __future__ import annotations

from streamad.core.errors import (
    ConfigError,
    Disconnected,
    MissingExtraError,
    StateError,
    StreamadError,
)

OK = 0
FAILED = 1
USAGE = 2
CHECK_FAILED = 3
UNREACHABLE = 4
STATE_UNUSABLE = 5

_CODES: tuple[tuple[type[StreamadError], int], ...] = (
    (ConfigError, USAGE),
    (MissingExtraError, USAGE),
    (StateError, STATE_UNUSABLE),
    (Disconnected, UNREACHABLE),
)


def exit_code(error: StreamadError) -> int:
    """The code a command ends with when this error stops it."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
