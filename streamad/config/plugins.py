"""Options of sources, sinks, detectors and thresholds, checked against the classes behind them."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ConfigDict, create_model
from pydantic import ValidationError as PydanticError

from streamad.core.errors import ConfigError

Problem = tuple[tuple[str | int, ...], str, str]
"""Place below the plugin, message, hint."""


@cache
def _offered(group: str) -> dict[str, EntryPoint]:
    """Entry points by name; what is installed does not change while a process runs."""
    return {entry.name: entry for entry in entry_points(group=group)}


def plugin_names(group: str) -> list[str]:
    """Names offered in an entry point group, sorted."""
    return sorted(_offered(group))


def load_plugin(group: str, name: str) -> Callable[..., Any]:
    """What stands behind a name.

    Raises
    ------
    ConfigError
        If nothing of that name is installed.
    """
    offered = _offered(group)
    if name not in offered:
        what = group.removeprefix("streamad.").removesuffix("s")
        raise ConfigError(unknown(what, name, sorted(offered)))
    found: Callable[..., Any] = offered[name].load()
    return found


def unknown(what: str, name: str, known: list[str]) -> str:
    """Message for a name that is not there."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}: {hint}there are {', '.join(known)}"


def option_problems(made_by: Callable[..., Any], options: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with options for a constructor: unknown, missing, of another type."""
    hints = typing.get_type_hints(made_by.__init__ if inspect.isclass(made_by) else made_by)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(made_by).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (hints.get(name, Any), default)
    model = create_model(
        "Options",
        __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True),
        **fields,
    )
    try:
        model.model_validate(dict(options))
    except PydanticError as error:
        return [_problem(entry, list(fields)) for entry in error.errors()]
    return []


def _problem(entry: Any, known: list[str]) -> Problem:
    place = tuple(entry["loc"])
    if entry["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(place[-1]), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        return place, "unknown option", hint
    return place[:1], entry["msg"], ""
