"""Options of sinks: secrets, inline or in a file of their own, and durations."""

from __future__ import annotations

from pathlib import Path

from streamad.core.durations import parse_duration
from streamad.core.errors import ConfigError


def secret(name: str, inline: str | None, path: str | None) -> str | None:
    """The secret of an option and its twin that names a file.

    Parameters
    ----------
    name : str
        Of the option, for messages.
    inline : str or None
        Value of the option.
    path : str or None
        Value of its twin ``<name>_file``; it beats ``inline``. A line break at the end of the file
        does not count.

    Returns
    -------
    str or None
        None if neither was given.

    Raises
    ------
    ConfigError
        If the file cannot be read or is empty.
    """
    if path is None:
        return inline
    try:
        found = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(
            f"{name}_file must name a readable file, {path} is none: {reason}"
        ) from error
    if not found:
        raise ConfigError(f"{name}_file must name a file with the secret in it, {path} is empty")
    return found


def needed(name: str, inline: str | None, path: str | None) -> str:
    """As :func:`secret`, where one of the two has to be given.

    Raises
    ------
    ConfigError
        If neither was given, or the file cannot be used.
    """
    found = secret(name, inline, path)
    if not found:
        raise ConfigError(f"{name} or {name}_file is needed, neither was given")
    return found


def seconds(name: str, duration: str) -> float:
    """A duration of the configuration, in seconds.

    Raises
    ------
    ConfigError
        If it is none, or zero.

    Examples
    --------
    >>> seconds("timeout", "1m30s")
    90.0
    """
    try:
        found = parse_duration(duration) / 1e9
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    if not found:
        raise ConfigError(f"{name} must be longer than nothing, got {duration!r}")
    return found
