"""Detectors by name: built-in ones and those that other packages offer through entry points."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from streamad.core.errors import ConfigError
from streamad.core.protocols import Detector

GROUP = "streamad.detectors"
RIVER_PREFIX = "river:"


def detector_names() -> list[str]:
    """Names of all installed detectors, sorted."""
    return sorted(_entries())


def detector_class(name: str) -> type[Any]:
    """The class behind a name.

    Raises
    ------
    ConfigError
        If nothing of that name is installed.
    """
    entries = _entries()
    if name not in entries:
        near = difflib.get_close_matches(name, entries, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"unknown detector {name!r}: {hint}installed are {', '.join(sorted(entries))} and "
            f"{RIVER_PREFIX}<Class> for any anomaly detector of river"
        )
    found: type[Any] = entries[name].load()
    return found


def make_detector(name: str, params: Mapping[str, Any] | None = None) -> Detector:
    """A detector without state.

    Parameters
    ----------
    name : str
        As in :func:`detector_names`, or ``river:<Class>``.
    params : mapping
        Constructor arguments; for river those of its class, and ``prepare`` (see
        :class:`streamad.detectors.river_adapter.RiverDetector`).

    Raises
    ------
    ConfigError
        Unknown name or parameter, or a value out of range.
    """
    given = dict(params or {})
    if name.startswith(RIVER_PREFIX):
        from streamad.detectors.river_adapter import RiverDetector

        prepare = given.pop("prepare", "auto")
        return RiverDetector(name.removeprefix(RIVER_PREFIX), given, prepare)
    cls = detector_class(name)
    known = parameters(cls)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(
                f"detector {name!r} has no parameter {key!r}: {hint}it has {', '.join(known)}"
            )
    made: Detector = cls(**given)
    return made


def parameters(cls: type[Any]) -> dict[str, Any]:
    """Parameters of a detector class and their defaults (``inspect.Parameter.empty`` = none)."""
    import inspect

    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
