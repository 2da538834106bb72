"""A tree checked as a whole: fields, options of plugins, rules; all that is wrong, at once."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from streamad.config.build import episode_rules, make_ordering
from streamad.config.documents import Node, Place, Problem, fail
from streamad.config.models import DEFAULT_DETECTOR, DEFAULT_THRESHOLD, Config
from streamad.config.plugins import (
    filled,
    given,
    load_plugin,
    options_model,
    plugin_names,
    unknown,
)
from streamad.core.errors import ConfigError, StreamadError
from streamad.detectors.registry import RIVER_PREFIX, make_detector
from streamad.thresholds import make_threshold, threshold_class, threshold_names

_QUOTED = re.compile(r"'([^']*)'")


def check(root: Node, problems: list[Problem]) -> Config:
    """The configuration that a tree describes, the options of plugins converted and filled in.

    Parameters
    ----------
    root : Node
    problems : list of Problem
        What was found while reading.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    checker = _Checker(root, problems)
    tree = checker.with_options(root.plain())
    config = None
    try:
        config = Config.model_validate(tree)
    except PydanticError as error:
        checker.report(error, Config, tree, ())
    if config is not None:
        checker.attempt(("window",), lambda: make_ordering(config))
        checker.attempt(("alerts",), lambda: episode_rules(config))
    fail(checker.problems)
    if config is None:
        raise ConfigError("the configuration is wrong")
    return config


class _Checker:
    """Collects what is wrong with a tree, each with its place."""

    def __init__(self, root: Node, problems: list[Problem]) -> None:
        self.root = root
        self.problems = list(problems)
        self.unread = [problem.mark for problem in problems if problem.mark is not None]

    def complain(self, place: Place, message: str, hint: str = "", *, of_key: bool = False) -> None:
        """Note a problem, unless the value there could not even be read."""
        mark = self.root.find(place, of_key=of_key)
        if mark not in self.unread:
            self.problems.append(Problem(message, hint, mark))

    def attempt(self, place: Place, make: Callable[[], object]) -> None:
        """What a constructor objects to, for instance a value out of its range."""
        try:
            make()
        except (StreamadError, TypeError, ValueError) as error:
            self.complain(place, f"{_dotted(place)}: {error}")

    def report(self, error: PydanticError, model: type[BaseModel], tree: Any, base: Place) -> None:
        """What pydantic found below ``base`` of the tree, in our words."""
        messages: dict[Place, list[str]] = {}
        hints: dict[Place, str] = {}
        for entry in error.errors(include_url=False):
            where = (*base, *entry["loc"])
            if entry["type"] == "extra_forbidden":
                known = _keys_at(model, entry["loc"][:-1])
                near = difflib.get_close_matches(str(where[-1]), known, 1)
                there = f"there are {', '.join(known)}" if known else "there are no options here"
                hint = f"did you mean {near[0]!r}?" if near else there
                self.complain(where, f"unknown option {_dotted(where)!r}", hint, of_key=True)
                continue
            place = _present(tree, where, missing=entry["type"] == "missing")
            messages.setdefault(place, []).append(_message(entry))
            hints[place] = _choice_meant(entry)
        for place, texts in messages.items():
            whole = " or ".join(dict.fromkeys(texts))
            self.complain(place, f"{_dotted(place)}: {whole}", hints[place])

    def with_options(self, tree: dict[str, Any]) -> dict[str, Any]:
        """The tree with the options of all plugins checked, converted and filled in."""
        done = dict(tree)
        if "source" in tree:
            done["source"] = self._source(tree["source"])
        if isinstance(tree.get("sinks"), list):
            done["sinks"] = [
                self._plugin("sink", sink, ("sinks", i)) for i, sink in enumerate(tree["sinks"])
            ]
        if isinstance(tree.get("detectors"), list):
            done["detectors"] = [
                self._detector(detector, ("detectors", i))
                for i, detector in enumerate(tree["detectors"])
            ]
        return done

    def _source(self, wanted: Any) -> Any:
        """A source, and what takes the rows that it refuses."""
        if not isinstance(wanted, dict) or "dead_letter" not in wanted:
            return self._plugin("source", wanted, ("source",))
        own = {key: value for key, value in wanted.items() if key != "dead_letter"}
        done = self._plugin("source", own, ("source",))
        letters = wanted["dead_letter"]
        if letters is not None:
            letters = self._plugin("dead_letter", letters, ("source", "dead_letter"))
        return {**done, "dead_letter": letters}

    def _plugin(self, what: str, wanted: Any, place: Place) -> Any:
        if not isinstance(wanted, dict) or not isinstance(wanted.get("type"), str):
            return wanted
        name = wanted["type"]
        made_by = self._load(what, name, place)
        if made_by is None:
            return wanted
        options = {key: value for key, value in wanted.items() if key != "type"}
        made = self._options(made_by, options, wanted, place)
        return wanted if made is None else {"type": name, **filled(made, options)}

    def _detector(self, wanted: Any, place: Place) -> Any:
        if not isinstance(wanted, dict):
            return wanted
        done = dict(wanted)
        threshold = wanted.get("threshold", {"type": DEFAULT_THRESHOLD})
        done["threshold"] = self._threshold(threshold, (*place, "threshold"))
        name, params = wanted.get("type", DEFAULT_DETECTOR), wanted.get("params", {})
        if not isinstance(name, str) or not isinstance(params, dict):
            return done
        below = (*place, "params")
        if name.startswith(RIVER_PREFIX):
            self.attempt(below if params else (*place, "type"), lambda: make_detector(name, params))
            return done
        made_by = self._load("detector", name, place)
        if made_by is not None:
            made = self._options(made_by, params, params, below)
            if made is not None:
                self.attempt(below, lambda: make_detector(name, given(made)))
                done["params"] = filled(made, params)
        return done

    def _threshold(self, wanted: Any, place: Place) -> Any:
        if not isinstance(wanted, dict) or not isinstance(wanted.get("type"), str):
            return wanted
        name = wanted["type"]
        if not self._is_known("threshold", name, threshold_names(), place):
            return wanted
        options = {key: value for key, value in wanted.items() if key != "type"}
        made = self._options(threshold_class(name), options, wanted, place)
        if made is None:
            return wanted
        self.attempt(place, lambda: make_threshold(name, given(made)))
        return {"type": name, **filled(made, options)}

    def _load(self, what: str, name: str, place: Place) -> Callable[..., Any] | None:
        """What stands behind the type of a plugin, or None if there is nothing."""
        group = f"streamad.{what}s"
        if not self._is_known(what, name, plugin_names(group), place):
            return None
        try:
            return load_plugin(group, name)
        except ConfigError as error:
            self.complain((*place, "type"), str(error))
            return None

    def _is_known(self, what: str, name: str, known: list[str], place: Place) -> bool:
        if name not in known:
            self.complain((*place, "type"), *unknown(what, name, known))
        return name in known

    def _options(
        self, made_by: Callable[..., Any], options: dict[str, Any], shown: Any, place: Place
    ) -> BaseModel | None:
        """Options as their constructor's signature wants them, or None if they are wrong."""
        model = options_model(made_by)
        try:
            return model.model_validate(options)
        except PydanticError as error:
            tree: Any = shown
            for part in reversed(place):
                tree = {part: tree}
            self.report(error, model, tree, place)
            return None


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _present(tree: Any, place: Place, *, missing: bool) -> Place:
    """The part of a pydantic location that is in the tree: tags of unions are not."""
    for i, part in enumerate(place):
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return place[: i + 1] if missing else place[:i]
    return place


def _message(entry: Any) -> str:
    """A message of pydantic without the words of Python."""
    message = str(entry["msg"]).removeprefix("Value error, ")
    return message.replace("valid tuple", "list").replace("valid dictionary", "mapping")


def _choice_meant(entry: Any) -> str:
    if entry["type"] != "literal_error":
        return ""
    known = _QUOTED.findall(str(entry["ctx"]["expected"]))
    near = difflib.get_close_matches(str(entry["input"]), known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _keys_at(model: type[BaseModel], place: Place) -> list[str]:
    """Keys that are allowed at a place below a model."""
    for part in place:
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                model = _model_in(info.annotation) or model
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The section inside an annotation such as ``tuple[Detector, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, typing.get_args(annotation))), None)
