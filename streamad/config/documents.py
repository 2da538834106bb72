"""Configuration files as trees, with the position of every key and value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from streamad.core.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_NODES = 10_000
_VARIABLE = re.compile(r"\$\$|\$\{(file:[^}]+|[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?)\}")

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: where in the document, what, and what to do."""

    place: Place
    message: str
    hint: str = ""
    of_key: bool = False


@dataclass(slots=True)
class Document:
    """A parsed file with the position of every key and value."""

    path: Path
    lines: list[str]
    tree: Any
    values: dict[Place, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def position(self, problem: Problem) -> tuple[int, int]:
        """Line and column from 0; what is missing is shown where it should be."""
        place = problem.place
        if problem.of_key and place in self.keys:
            return self.keys[place]
        while place not in self.values:
            place = place[:-1]
        return self.values[place]

    def show(self, problem: Problem) -> str:
        """``file:line:col: error``, the line and a caret."""
        line, column = self.position(problem)
        text = self.lines[line] if line < len(self.lines) else ""
        pointer = " " * column + "^" + (f"  {problem.hint}" if problem.hint else "")
        return (
            f"{self.path}:{line + 1}:{column + 1}: error: {problem.message}\n"
            f"  {line + 1:>4} | {text}\n       | {pointer}"
        )


def read(path: Path) -> Document:
    """Parse a file; duplicate keys, size and number of nodes are checked on the way."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} has more than 1 MiB: that is not a configuration")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    document = Document(path, text.splitlines(), None)
    document.values[()] = (0, 0)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is None:
            raise ConfigError(f"{path} is empty: `streamad config init` prints a start")
        _index(document, root, (), [0])
        document.tree = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        message = str(error.problem or error.context).split("\n")[0]
        raise ConfigError(f"{place}: error: {message}") from error
    if not isinstance(document.tree, dict):
        raise ConfigError(f"{path}: a mapping of sections is expected, got {document.tree!r}")
    return document


def _index(document: Document, node: Node, place: Place, seen: list[int]) -> None:
    """Remember where every key and value stands; count them, aliases included."""
    seen[0] += 1
    if seen[0] > MAX_NODES:
        raise ConfigError(f"{document.path} has more than {MAX_NODES} nodes")
    document.values[place] = (node.start_mark.line, node.start_mark.column)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            below = (*place, key.value)
            document.keys[below] = (key.start_mark.line, key.start_mark.column)
            _index(document, value, below, seen)
    elif isinstance(node, SequenceNode):
        for i, value in enumerate(node.value):
            _index(document, value, (*place, i), seen)


def interpolate(
    tree: Any, place: Place, variables: Mapping[str, str], folder: Path, problems: list[Problem]
) -> Any:
    """Replace variables in scalars; what comes in is a value and never a key."""
    if isinstance(tree, dict):
        return {
            key: interpolate(value, (*place, str(key)), variables, folder, problems)
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [
            interpolate(value, (*place, i), variables, folder, problems)
            for i, value in enumerate(tree)
        ]
    if not isinstance(tree, str):
        return tree

    def value_of(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        wanted = match[1]
        if wanted.startswith("file:"):
            try:
                return (folder / wanted.removeprefix("file:")).read_text(encoding="utf-8").strip()
            except OSError as error:
                problems.append(
                    Problem(place, f"cannot read {wanted.removeprefix('file:')}: {error.strerror}")
                )
                return ""
        name, has_default, default = wanted.partition(":-")
        if name in variables:
            return variables[name]
        if not has_default:
            problems.append(
                Problem(
                    place,
                    f"environment variable {name} is not set",
                    f"set it, or write ${{{name}:-default}}",
                )
            )
        return default

    return _VARIABLE.sub(value_of, tree)


def fail(document: Document, problems: list[Problem]) -> None:
    """Raise ConfigError with all problems of a file, in the order of their places."""
    if problems:
        shown = [document.show(problem) for problem in sorted(problems, key=document.position)]
        count = f"{len(shown)} error{'s' if len(shown) > 1 else ''} in {document.path}"
        raise ConfigError("\n".join([*shown, count]))
