"""Packages that come with an extra only."""

from __future__ import annotations

import importlib.util

from streamad.core.errors import MissingExtraError


def require(package: str, what: str, extra: str) -> None:
    """Return if a package is there; it is not imported.

    Raises
    ------
    MissingExtraError
        If it is not; ``what`` needs it, ``extra`` brings it.
    """
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(what, extra)
