"""Configuration files as trees whose values know their places in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode

from streamad.config.redaction import REDACTED, USER_INFO, is_secret
from streamad.config.variables import MAX_BYTES, interpolate, is_reference
from streamad.core.errors import ConfigError

MAX_NODES = 10_000
MAX_DEPTH = 50
_SHOWN_COLUMNS = 100
_TAG = "tag:yaml.org,2002:"

Place = tuple[str | int, ...]
"""Keys and positions from the root of a document to a value."""


@dataclass(slots=True)
class Text:
    """The lines of a document and where secrets stand in them."""

    name: str
    lines: list[str]
    secrets: list[tuple[int, int, int]] = field(default_factory=list)
    """Line, first column, column after the last."""

    def hide_near(self, mark: Mark | None) -> None:
        """Hide the line of a syntax error where a secret may stand in it."""
        if mark is not None and any(map(is_secret, self.lines[max(mark.line - 1, 0) :][:2])):
            self.secrets.append((mark.line, 0, len(self.lines[mark.line])))

    def shown(self, line: int, column: int) -> tuple[str, int]:
        """A line without its secrets, cut to a width that can be read; the column moves along."""
        text = self.lines[line] if line < len(self.lines) else ""
        spans = [match.span() for match in USER_INFO.finditer(text)]
        spans += [(start, end) for at, start, end in self.secrets if at == line]
        for start, end in sorted(set(spans), reverse=True):
            text = text[:start] + REDACTED + text[end:]
            if column > start:
                column = start + max(column - end, 0) + len(REDACTED)
        column = min(column, len(text))
        first = max(0, column - _SHOWN_COLUMNS // 2) if len(text) > _SHOWN_COLUMNS else 0
        return text[first : first + _SHOWN_COLUMNS].replace("\t", " "), column - first


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text, line and column from 0."""

    text: Text
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: what, what to do, and where if it came from a text."""

    message: str
    hint: str = ""
    mark: Mark | None = None

    def show(self) -> str:
        """``file:line:col: error``, the line and a caret."""
        if self.mark is None:
            return f"error: {self.message}" + (f" ({self.hint})" if self.hint else "")
        line, column = self.mark.line, self.mark.column
        text, caret = self.mark.text.shown(line, column)
        return (
            f"{self.mark.text.name}:{line + 1}:{column + 1}: error: {self.message}\n"
            f"  {line + 1:>4} | {text}\n"
            f"       | {' ' * caret}^{f'  {self.hint}' if self.hint else ''}"
        )


@dataclass(slots=True)
class Node:
    """A value: a dict of str to Node, a list of Node, or a scalar."""

    value: Any
    mark: Mark | None = None
    key: Mark | None = None
    """Where the key in front of the value stands."""

    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {key: below.plain() for key, below in self.value.items()}
        if isinstance(self.value, list):
            return [below.plain() for below in self.value]
        return self.value

    def find(self, place: Place, *, of_key: bool = False) -> Mark | None:
        """Mark of a value or its key; of the nearest value above if it is missing."""
        node = self
        for part in place:
            below = node.child(part)
            if below is None:
                return node.mark
            node = below
        return node.key if of_key and node.key else node.mark

    def child(self, part: str | int) -> Node | None:
        """The value one step below, if it is there."""
        if isinstance(self.value, dict):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            below: Node = self.value[part]
            return below
        return None


def wrap(tree: Any) -> Node:
    """A tree that did not come from a text."""
    if isinstance(tree, Mapping):
        return Node({str(key): wrap(value) for key, value in tree.items()})
    if isinstance(tree, list | tuple):
        return Node([wrap(value) for value in tree])
    return Node(tree)


def read(path: Path, variables: Mapping[str, str], problems: list[Problem]) -> Node:
    """The tree of a file; duplicate keys and what cannot be replaced go to ``problems``.

    Raises
    ------
    ConfigError
        If there is no tree: the file cannot be read, is no YAML, too large or no mapping.
    """
    try:
        with path.open(encoding="utf-8") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ConfigError(f"cannot read the configuration {path}: {reason}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{path} has more than 1 MiB: that is not a configuration")
    root = parse(content, Text(str(path), content.splitlines()), path.parent, variables, problems)
    if root is None:
        raise ConfigError(f"{path} is empty: `streamad config init` prints a start")
    if not isinstance(root.value, dict):
        raise ConfigError(f"{path}: a mapping of sections is expected, got {root.plain()!r:.60}")
    return root


def parse(
    content: str,
    text: Text,
    folder: Path,
    variables: Mapping[str, str],
    problems: list[Problem],
    *,
    column: int = 0,
    secret: bool = False,
) -> Node | None:
    """The tree of YAML 1.2; None if there is nothing in it.

    Parameters
    ----------
    content : str
    text : Text
        What positions refer to.
    folder : Path
        Where relative paths of ``${file:...}`` begin.
    variables : mapping of str to str
    problems : list of Problem
        Takes what does not keep the rest from being read.
    column : int
        Column of ``text`` at which ``content`` begins.
    secret : bool
        True if all of it is a secret.

    Raises
    ------
    ConfigError
        If it is no YAML, nested too deeply, or has too many nodes with aliases written out.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        composed = yaml.compose(content)
        if composed is None:
            return None
        builder = _Builder(yaml.constructor, text, folder, variables, problems, column)
        return builder.build(composed, None, 0, secret=secret)
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(text, at.line, at.column + (0 if at.line else column)) if at else None
        message = str(error.problem or error.context).partition("\n")[0]
        hint = "put ${...} in quotes inside [] and {}" if "got '{'" in message else ""
        text.hide_near(mark)
        raise ConfigError(Problem(message, hint, mark).show()) from error
    except YAMLError as error:
        raise ConfigError(f"{text.name} is no YAML: {str(error).partition(chr(10))[0]}") from error
    except RecursionError as error:
        raise ConfigError(f"{text.name} is nested deeper than {MAX_DEPTH} levels") from error


@dataclass(slots=True)
class _Builder:
    """Turns YAML nodes into ours; counts them, so that aliases cannot blow up."""

    constructor: Any
    text: Text
    folder: Path
    variables: Mapping[str, str]
    problems: list[Problem]
    column: int
    n_nodes: int = 0

    def build(self, node: YamlNode, key: Mark | None, depth: int, *, secret: bool) -> Node:
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            raise ConfigError(f"{self.text.name} has more than {MAX_NODES} nodes")
        if depth > MAX_DEPTH:
            raise ConfigError(f"{self.text.name} is nested deeper than {MAX_DEPTH} levels")
        mark = self.mark(node)
        if isinstance(node, MappingNode):
            return Node(self.mapping(node, depth, secret=secret), mark, key)
        if isinstance(node, SequenceNode):
            below = [self.build(entry, None, depth + 1, secret=secret) for entry in node.value]
            return Node(below, mark, key)
        return Node(self.scalar(node, mark, secret=secret), mark, key)

    def mapping(self, node: MappingNode, depth: int, *, secret: bool) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for key, value in node.value:
            mark = self.mark(key)
            if not isinstance(key, ScalarNode):
                self.problems.append(Problem("a key must be plain text", "", mark))
                continue
            name = str(key.value)
            hidden = secret or is_secret(name)
            below = self.build(value, mark, depth + 1, secret=hidden)
            earlier = found.setdefault(name, below).key
            if earlier is not None and earlier is not mark:
                hint = f"it stands on line {earlier.line + 1} already"
                self.problems.append(Problem(f"duplicate key {name!r}", hint, mark))
        return found

    def scalar(self, node: YamlNode, mark: Mark, *, secret: bool) -> Any:
        if secret and not is_reference(node.value):
            end = self.mark(node, end=True)
            width = len(self.text.lines[mark.line]) if end.line > mark.line else end.column
            self.text.secrets.append((mark.line, mark.column, width))

        def complain(message: str, hint: str = "") -> None:
            self.problems.append(Problem(message, hint, mark))

        kind = str(node.tag).removeprefix(_TAG)
        if kind == "str":
            return interpolate(node.value, self.variables, self.folder, complain)
        if kind == "timestamp":  # there are none in YAML 1.2: what needs a time parses the text
            return node.value
        if kind not in ("null", "bool", "int", "float"):
            complain(f"the tag {node.tag} is not supported")
            return None
        try:
            return self.constructor.construct_object(node)
        except ValueError:
            complain(f"this is not a value of the type {kind}")
            return None

    def mark(self, node: YamlNode, *, end: bool = False) -> Mark:
        at = node.end_mark if end else node.start_mark
        return Mark(self.text, at.line, at.column + (0 if at.line else self.column))


def fail(problems: Sequence[Problem]) -> None:
    """Raise ConfigError with all problems, in the order of their places."""
    if not problems:
        return
    ordered = sorted(problems, key=_order)
    names = list(dict.fromkeys(problem.mark.text.name for problem in ordered if problem.mark))
    shown = [problem.show() for problem in ordered]
    if names:
        count = f"{len(shown)} error{'s' if len(shown) > 1 else ''}"
        shown.append(f"{count} in {', '.join(names)}")
    raise ConfigError("\n".join(shown))


def _order(problem: Problem) -> tuple[bool, str, int, int]:
    mark = problem.mark
    return (True, "", 0, 0) if mark is None else (False, mark.text.name, mark.line, mark.column)
