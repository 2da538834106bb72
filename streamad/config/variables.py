"""Variables inside text values: ``${NAME}``, ``${NAME:-default}``, ``${file:path}``, ``$$``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

MAX_BYTES = 1 << 20
"""Largest file that is read, a configuration or a value."""

_VARIABLE = re.compile(r"\$\$|\$\{(file:[^}]+|[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?)\}")
_REFERENCE = re.compile(r"\$\{(file:[^}]+|[A-Za-z_][A-Za-z0-9_]*)\}")


def is_reference(text: str) -> bool:
    """True if the text only names where the value is, so that showing it shows nothing secret."""
    return bool(_REFERENCE.fullmatch(text))


def escape(text: str) -> str:
    """Text that :func:`interpolate` turns into this one."""
    return text.replace("$", "$$")


def interpolate(
    text: str,
    variables: Mapping[str, str],
    folder: Path,
    complain: Callable[[str, str], None],
) -> str:
    """Replace the variables in one value of a parsed document.

    Parameters
    ----------
    text : str
        The value. What is put in is text and is not parsed again, so it can never add a key.
    variables : mapping of str to str
        The environment.
    folder : Path
        Where relative paths of ``${file:...}`` begin.
    complain : callable
        Takes message and hint of everything that cannot be replaced.

    Examples
    --------
    >>> interpolate("${HOME:-/root}/$$x", {}, Path(), print)
    '/root/$x'
    """

    def value_of(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        if match[1].startswith("file:"):
            return _content(folder / match[1].removeprefix("file:"), complain)
        name, has_default, default = match[1].partition(":-")
        if name not in variables and not has_default:
            complain(
                f"environment variable {name} is not set", f"set it, or write ${{{name}:-default}}"
            )
        return variables.get(name, default)

    return _VARIABLE.sub(value_of, text)


def _content(path: Path, complain: Callable[[str, str], None]) -> str:
    """Text of a file without the line end that editors add."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file in UTF-8"
        complain(f"cannot read {path}: {reason}", "")
        return ""
    if len(text) > MAX_BYTES:
        complain(f"{path} has more than 1 MiB: that is not a value", "")
    return text.rstrip("\r\n")
