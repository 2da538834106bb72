"""Sources, sinks, detectors and thresholds by name, and what their constructors take."""

from __future__ import annotations

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, create_model

from streamad.core.errors import ConfigError


@cache
def _offered(group: str) -> dict[str, EntryPoint]:
    """Entry points by name; what is installed does not change while a process runs."""
    return {entry.name: entry for entry in entry_points(group=group)}


def plugin_names(group: str) -> list[str]:
    """Names offered in an entry point group, sorted."""
    return sorted(_offered(group))


def load_plugin(group: str, name: str) -> Callable[..., Any]:
    """What stands behind a name.

    Parameters
    ----------
    group : str
        Such as ``streamad.sources``.
    name : str

    Raises
    ------
    ConfigError
        If nothing of that name is installed, or it cannot be imported.
    """
    offered = _offered(group)
    what = group.removeprefix("streamad.").removesuffix("s")
    if name not in offered:
        message, hint = unknown(what, name, sorted(offered))
        raise ConfigError(f"{message}: {hint}")
    try:
        found: Callable[..., Any] = offered[name].load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"the {what} {name!r} ({offered[name].value}) cannot be loaded: {error}; mend or "
            "remove the package that offers it"
        ) from error
    return found


def unknown(what: str, name: str, known: list[str]) -> tuple[str, str]:
    """Message and hint for a name that is not there."""
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"unknown {what} {name!r}", hint


@cache
def options_model(made_by: Callable[..., Any]) -> type[BaseModel]:
    """A model of the keyword arguments of a class or function, from its signature and type hints.

    Parameters
    ----------
    made_by : callable

    Returns
    -------
    type of BaseModel
        One field an argument, with the argument's name as its alias. Unknown arguments are errors
        unless the callable takes ``**kwargs``.
    """
    hints = _hints(made_by.__init__ if inspect.isclass(made_by) else made_by)
    fields: dict[str, Any] = {}
    extra: typing.Literal["forbid", "allow"] = "forbid"
    for i, (name, parameter) in enumerate(inspect.signature(made_by).parameters.items()):
        if parameter.kind is parameter.VAR_KEYWORD:
            extra = "allow"
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            field = Field(alias=name, title=name, **_default(parameter))
            fields[f"argument_{i}"] = (hints.get(name, Any), field)
    model: type[BaseModel] = create_model(
        getattr(made_by, "__name__", "Options"),
        __config__=ConfigDict(extra=extra, arbitrary_types_allowed=True),
        **fields,
    )
    return model


def _default(parameter: inspect.Parameter) -> dict[str, Any]:
    """The default of a field; one that no document can hold comes from a factory."""
    default = parameter.default
    if default is parameter.empty:
        return {}
    try:
        _plain(default)
    except TypeError:
        return {"default_factory": lambda: default}
    return {"default": default}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Type hints; none where they name something that is imported for type checkers only."""
    try:
        return typing.get_type_hints(function)
    except NameError:
        return {}


def given(made: BaseModel) -> dict[str, Any]:
    """Arguments that were given to an options model, with the types that the hints ask for."""
    return _arguments(made, made.model_fields_set)


def filled(made: BaseModel, options: Mapping[str, Any]) -> dict[str, Any]:
    """All arguments, defaults included, as values that YAML can hold.

    Parameters
    ----------
    made : BaseModel
        An options model.
    options : mapping of str to Any
        What it was made from; stands where YAML cannot hold the converted value. A default that
        YAML cannot hold is left out: the constructor knows it.
    """
    found: dict[str, Any] = {}
    for name, value in _arguments(made, set(type(made).model_fields)).items():
        try:
            found[name] = _plain(value)
        except TypeError:
            if name in options:
                found[name] = options[name]
    return found


def _arguments(made: BaseModel, names: set[str]) -> dict[str, Any]:
    fields = type(made).model_fields
    found = {str(fields[name].alias): getattr(made, name) for name in fields if name in names}
    return found | (made.model_extra or {})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(type(value))
