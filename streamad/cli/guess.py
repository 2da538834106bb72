"""A configuration from what data look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def guess_config(
    data: str,
    *,
    time: str | None = None,
    key: str | None = None,
    values: list[str] | None = None,
) -> tuple[dict[str, Any], str]:
    """The smallest configuration that reads some files.

    Parameters
    ----------
    data : str
        File, folder or pattern.
    time, key, values
        Columns that are known already.

    Returns
    -------
    dict
        As :func:`streamad.config.config_from` takes it.
    str
        The same as a file, with what was guessed and why in comments.

    Raises
    ------
    ConfigError, DecodeError
        If there is nothing to read, or it cannot be read.
    """
    from streamad.config import tree_yaml
    from streamad.config.plugins import load_plugin

    guess = load_plugin("streamad.guess", "files")
    source, notes = guess(data, time=time, key=key, values=values)
    name = Path(data).stem.strip("*.") or "backtest"
    tree = {"version": 1, "pipeline": name, "source": source}
    comments = "".join(f"# {line}\n" for line in notes)
    return tree, comments + tree_yaml(tree)
