"""From YAML files to a checked configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streamad.config.check import check
from streamad.config.documents import Node, Problem, wrap
from streamad.config.layers import merge, override, read_with_includes
from streamad.config.models import Config
from streamad.core.errors import ConfigError


def load_config(
    *paths: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read, merge and check configuration files.

    Parameters
    ----------
    *paths : path
        YAML 1.2 or JSON. Later files win: mappings are merged, everything else is replaced.
    overrides : sequence of str
        ``a.b.0.c=value`` each; the value is read as YAML.
    environment : mapping of str to str, optional
        Variables for ``${NAME}``; the process environment if left out.

    Returns
    -------
    Config
        With the options of all plugins converted and their defaults filled in.

    Raises
    ------
    ConfigError
        With every problem, as ``file:line:col``, the line, a caret and a suggestion.
    """
    if not paths:
        raise ConfigError("no configuration file was given")
    variables = os.environ if environment is None else environment
    problems: list[Problem] = []
    root = Node({})
    for path in paths:
        root = merge(root, read_with_includes(Path(path), variables, problems))
    return _checked(root, overrides, variables, problems)


def config_from(tree: Mapping[str, Any], overrides: Sequence[str] = ()) -> Config:
    """Check a configuration that is already a mapping.

    Parameters
    ----------
    tree : mapping
        As a file would say it; variables in it are not replaced.
    overrides : sequence of str
        As in :func:`load_config`.

    Raises
    ------
    ConfigError
        With every problem.
    """
    return _checked(wrap(tree), overrides, os.environ, [])


def _checked(
    root: Node, overrides: Sequence[str], variables: Mapping[str, str], problems: list[Problem]
) -> Config:
    """Defaults that have a position come first, so that a setting can reach into them."""
    root.value.setdefault("detectors", Node([Node({}, root.mark)], root.mark))
    for setting in overrides:
        override(root, setting, variables, problems)
    return check(root, problems)
