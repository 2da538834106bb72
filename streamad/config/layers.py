"""Several sources of a configuration as one: includes, files in order, single settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from streamad.config.documents import Mark, Node, Problem, Text, parse, read
from streamad.config.redaction import is_secret
from streamad.core.errors import ConfigError


def read_with_includes(path: Path, variables: Mapping[str, str], problems: list[Problem]) -> Node:
    """A file over the files that it names under ``include``; these lie below its folder."""
    root = read(path, variables, problems)
    named = root.value.pop("include", None)
    if named is None:
        return root
    folder = path.parent.resolve()
    whole = Node({})
    for entry in named.value if isinstance(named.value, list) else [named]:
        target = (folder / str(entry.value)).resolve()
        if not target.is_relative_to(folder):
            message = f"include: {entry.value} lies outside the folder {folder}"
            problems.append(Problem(message, "move it below", entry.mark))
        elif not target.is_file():
            problems.append(Problem(f"include: there is no file {target}", "", entry.mark))
        else:
            part = read(target, variables, problems)
            nested = part.value.pop("include", None)
            if nested is not None:
                message = "an included file cannot include others"
                problems.append(Problem(message, "name them all in the first file", nested.key))
            whole = merge(whole, part)
    return merge(whole, root)


def merge(base: Node, over: Node) -> Node:
    """Mappings are merged, everything else is replaced."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    both = {key: merge(base.value[key], over.value[key]) for key in base.value.keys() & over.value}
    return Node({**base.value, **over.value, **both}, over.mark, over.key)


def override(
    root: Node, setting: str, variables: Mapping[str, str], problems: list[Problem]
) -> None:
    """Put a setting such as ``detectors.0.type=knn`` into a tree; its value is YAML.

    Raises
    ------
    ConfigError
        If it has another form, or its place cannot be.
    """
    path, equals, content = setting.partition("=")
    parts = path.split(".")
    if not equals or not all(parts):
        got = f"the name {path!r}" if equals else "a setting without '='"
        raise ConfigError(f"--set expects name=value, like detectors.0.type=knn, got {got}")
    text = Text("--set", setting.splitlines())
    secret = any(map(is_secret, parts))
    column = len(path) + 1
    value = parse(content, text, Path(), variables, problems, column=column, secret=secret)
    found = Node("", Mark(text, 0, column)) if value is None else value
    holder, at = root, 0
    for part in parts[:-1]:
        step = _step(holder, part, path)
        below = holder.child(step)
        if below is None or below.value is None:
            below = holder.value[step] = Node({}, holder.mark, Mark(text, 0, at))
        holder, at = below, at + len(part) + 1
    found.key = Mark(text, 0, at)
    holder.value[_step(holder, parts[-1], path)] = found


def _step(holder: Node, part: str, path: str) -> str | int:
    """Key or position of the next value; positions must be there already."""
    if isinstance(holder.value, dict):
        return part
    if not isinstance(holder.value, list):
        raise ConfigError(f"--set {path}: {part!r} lies below a plain value")
    if not part.isdecimal() or int(part) >= len(holder.value):
        n = len(holder.value)
        raise ConfigError(f"--set {path}: {part!r} should be a position below {n}")
    return int(part)
