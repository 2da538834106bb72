"""Exit codes, one place."""

from __future__ import annotations

from streamad.core.errors import (
    ConfigError,
    DataLost,
    Disconnected,
    DrainTimedOut,
    MissingExtraError,
    Refused,
    StateError,
)

OK = 0
FAILED = 1
USAGE = 2
CHECK_FAILED = 3
UNREACHABLE = 4
STATE_UNUSABLE = 5
DRAIN_TIMED_OUT = 6
SIGNALLED = 128
"""Plus the number of the signal that ended the process at once."""

_CODES: tuple[tuple[type[Exception], int], ...] = (
    (ConfigError, USAGE),
    (MissingExtraError, USAGE),
    (StateError, STATE_UNUSABLE),
    (Disconnected, UNREACHABLE),
    (Refused, UNREACHABLE),
    (DataLost, UNREACHABLE),
    (DrainTimedOut, DRAIN_TIMED_OUT),
)


def exit_code(error: Exception) -> int:
    """The code that a command ends with when this error stops it.

    Parameters
    ----------
    error : Exception

    Returns
    -------
    int
        ``OK`` when the reader of standard output has gone away: it has what it wanted.
    """
    if isinstance(error, BrokenPipeError) or isinstance(error.__cause__, BrokenPipeError):
        return OK
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
