"""Thresholds by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from streamad.core.errors import ConfigError
from streamad.core.protocols import Threshold
from streamad.thresholds.base import SlabThreshold
from streamad.thresholds.fixed import Fixed
from streamad.thresholds.quantile import Quantile
from streamad.thresholds.spot import Dspot, Spot

_TYPES: dict[str, type[Fixed | SlabThreshold]] = {
    "dspot": Dspot,
    "fixed": Fixed,
    "quantile": Quantile,
    "spot": Spot,
}


def threshold_names() -> list[str]:
    """Names of all thresholds, sorted."""
    return sorted(_TYPES)


def threshold_class(type: str) -> type[Fixed | SlabThreshold]:  # noqa: A002
    """The class behind a name; its constructor says which parameters there are.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if type not in _TYPES:
        raise ConfigError(
            f"unknown threshold {type!r}: {_near(type, list(_TYPES))}there are "
            f"{', '.join(threshold_names())}"
        )
    return _TYPES[type]


def make_threshold(type: str, params: Mapping[str, Any] | None = None) -> Threshold:  # noqa: A002
    """A threshold without state.

    Parameters
    ----------
    type : str
        As in :func:`threshold_names`.
    params : mapping
        Constructor arguments.

    Raises
    ------
    ConfigError
        Unknown name or parameter, a missing one, or a value out of range.
    """
    cls, given = threshold_class(type), dict(params or {})
    known = inspect.signature(cls).parameters
    for name in given:
        if name not in known:
            raise ConfigError(
                f"threshold {type!r} has no parameter {name!r}: {_near(name, list(known))}it has "
                f"{', '.join(known)}"
            )
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in given:
            raise ConfigError(f"threshold {type!r} needs {name!r}: give it a number")
    return cls(**given)


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}? " if near else ""
