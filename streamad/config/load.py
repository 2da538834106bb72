"""From YAML to a checked configuration; all that is wrong is said at once, with its place."""

from __future__ import annotations

import difflib
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from ruamel.yaml import YAML

from streamad.config.documents import Document, Place, Problem, fail, interpolate, read
from streamad.config.models import Config
from streamad.config.plugins import (
    load_plugin,
    option_problems,
    plugin_names,
    unknown,
)
from streamad.core.errors import ConfigError
from streamad.detectors.registry import (
    RIVER_PREFIX,
    detector_class,
    detector_names,
    make_detector,
)
from streamad.thresholds import make_threshold, threshold_class, threshold_names


def load_config(
    *paths: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read, merge and check configuration files.

    Parameters
    ----------
    *paths : path
        Later files win: mappings are merged, everything else is replaced.
    overrides : sequence of str
        ``a.b.0.c=value`` each; the value is read as YAML.
    environment : mapping, optional
        Variables for ``${NAME}``; the process environment if left out.

    Returns
    -------
    Config

    Raises
    ------
    ConfigError
        With every problem of the first file that has any, as ``file:line:col``.
    """
    if not paths:
        raise ConfigError("no configuration file was given")
    variables = os.environ if environment is None else environment
    documents = [read(Path(path)) for path in paths]
    whole: Any = {}
    problems: list[Problem] = []
    for document in documents:
        if document is not documents[-1]:
            fail(document, problems)
        tree = interpolate(document.tree, (), variables, document.path.parent, problems)
        whole = _merge(whole, _include(document, tree, variables))
    for text in overrides:
        override(whole, text)
    return check(whole, documents[-1], problems)


def config_from(tree: Mapping[str, Any]) -> Config:
    """Check a configuration that is already a mapping.

    Raises
    ------
    ConfigError
        With every problem.
    """
    return check(dict(tree), None)


def check(tree: Any, document: Document | None, found: Sequence[Problem] = ()) -> Config:
    """A checked configuration, or ConfigError with all that is wrong, what was found included."""
    problems = list(found)
    config = None
    try:
        config = Config.model_validate(tree)
    except PydanticError as error:
        problems += [_problem(entry) for entry in error.errors()]
    problems += _plugin_problems(tree)
    if document is not None:
        fail(document, problems)
    if problems or config is None:
        raise ConfigError("\n".join(_plain(problem) for problem in problems))
    return config


def _include(document: Document, tree: Any, variables: Mapping[str, str]) -> Any:
    """Files named under ``include`` come first; they must lie below the file's folder."""
    names = tree.pop("include", [])
    whole: Any = {}
    root = document.path.parent.resolve()
    for i, name in enumerate(names if isinstance(names, list) else [names]):
        path = (root / str(name)).resolve()
        if not path.is_relative_to(root):
            fail(document, [Problem(("include", i), f"{name} lies outside the folder {root}")])
        part = read(path)
        problems: list[Problem] = []
        below = interpolate(part.tree, (), variables, root, problems)
        fail(part, problems)
        if "include" in below:
            fail(part, [Problem(("include",), "an included file cannot include others")])
        whole = _merge(whole, below)
    return _merge(whole, tree)


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return {
            key: _merge(base[key], over[key])
            if key in base and key in over
            else over.get(key, base.get(key))
            for key in [*base, *(key for key in over if key not in base)]
        }
    return over


def override(tree: Any, text: str) -> None:
    """Set ``a.b.0.c=value`` in place."""
    path, equals, raw = text.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set expects name=value, like detectors.0.type=knn, got {text!r}")
    value = YAML(typ="safe", pure=True).load(raw) if raw else ""
    *above, last = path.split(".")
    node = tree
    for part in above:
        if isinstance(node, list):
            node = node[_position(node, part, text)]
        elif isinstance(node, dict):
            node = node.setdefault(part, {})
        else:
            raise ConfigError(f"--set {text}: {part!r} lies below a plain value")
    if isinstance(node, list):
        node[_position(node, last, text)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"--set {text}: {last!r} lies below a plain value")


def _position(node: list[Any], part: str, text: str) -> int:
    if not part.isdigit() or int(part) >= len(node):
        raise ConfigError(f"--set {text}: {part!r} should be a position below {len(node)}")
    return int(part)


def _problem(entry: Any) -> Problem:
    """A pydantic error in our words."""
    place = tuple(entry["loc"])
    name = ".".join(map(str, place))
    if entry["type"] == "extra_forbidden":
        known = _keys_at(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        return Problem(place, f"unknown option {name!r}", hint, of_key=True)
    message = str(entry["msg"]).removeprefix("Value error, ")
    return Problem(place, f"{name}: {message}")


def _keys_at(place: Place) -> list[str]:
    """Keys that are allowed at a place of the document."""
    model: type[BaseModel] = Config
    for part in place:
        if isinstance(part, int):
            continue
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                model = _model_in(info.annotation) or model
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section inside an annotation such as ``tuple[Detector, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in typing.get_args(annotation):
        found = _model_in(part)
        if found is not None:
            return found
    return None


def _plugin_problems(tree: Any) -> list[Problem]:
    """What the classes behind sources, sinks, detectors and thresholds object to."""
    if not isinstance(tree, dict):
        return []
    problems = _of_plugin("source", tree.get("source"), ("source",))
    for i, sink in enumerate(_list(tree.get("sinks"))):
        problems += _of_plugin("sink", sink, ("sinks", i))
    for i, detector in enumerate(_list(tree.get("detectors"))):
        if isinstance(detector, dict):
            problems += _of_detector(detector, ("detectors", i))
    return problems


def _of_plugin(what: str, given: Any, place: Place) -> list[Problem]:
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        return []
    group = f"streamad.{what}s"
    if given["type"] not in plugin_names(group):
        return [Problem((*place, "type"), unknown(what, given["type"], plugin_names(group)))]
    options = {key: value for key, value in given.items() if key != "type"}
    return _of_options(load_plugin(group, given["type"]), options, place)


def _of_detector(given: dict[str, Any], place: Place) -> list[Problem]:
    problems: list[Problem] = []
    kind, params = given.get("type", "fusion"), given.get("params") or {}
    if isinstance(kind, str) and not kind.startswith(RIVER_PREFIX):
        if kind not in detector_names():
            problems.append(Problem((*place, "type"), unknown("detector", kind, detector_names())))
        elif isinstance(params, dict):
            below = _of_options(detector_class(kind), params, (*place, "params"))
            problems += below or _of_making(make_detector, kind, params, (*place, "params"))
    threshold = given.get("threshold")
    if isinstance(threshold, dict) and isinstance(threshold.get("type"), str):
        at = (*place, "threshold")
        if threshold["type"] not in threshold_names():
            text = unknown("threshold", threshold["type"], threshold_names())
            problems.append(Problem((*at, "type"), text))
        else:
            options = {key: value for key, value in threshold.items() if key != "type"}
            below = _of_options(threshold_class(threshold["type"]), options, at)
            problems += below or _of_making(make_threshold, threshold["type"], options, at)
    return problems


def _of_making(
    make: Callable[[str, dict[str, Any]], object], kind: str, options: dict[str, Any], place: Place
) -> list[Problem]:
    """What the constructor objects to: values out of their range."""
    try:
        make(kind, options)
    except ConfigError as error:
        return [Problem(place, str(error))]
    return []


def _of_options(made_by: Any, options: dict[str, Any], place: Place) -> list[Problem]:
    found = []
    for below, message, hint in option_problems(made_by, options):
        at = (*place, *below)
        name = ".".join(map(str, at))
        if message == "unknown option":
            found.append(Problem(at, f"unknown option {name!r}", hint, of_key=True))
        else:
            found.append(Problem(at, f"{name}: {message}", hint))
    return found


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _plain(problem: Problem) -> str:
    return f"error: {problem.message}" + (f" ({problem.hint})" if problem.hint else "")
