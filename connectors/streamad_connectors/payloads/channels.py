"""Names of channels that must be known before the first record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamad.core.errors import ConfigError
from streamad_connectors.payloads.options import parse_path


def channel_names(format: Mapping[str, Any], channels: Sequence[str] | None) -> list[str]:  # noqa: A002
    """Names of the value columns of a format.

    Parameters
    ----------
    format : mapping
        With ``values``.
    channels : sequence of str or None
        The names where they are given.

    Raises
    ------
    ConfigError
        If they are neither given nor the last names of different paths.

    Examples
    --------
    >>> channel_names({"values": ["$.v.flow", "$.v.heat"]}, None)
    ['flow', 'heat']
    """
    if channels is not None:
        return list(channels)
    paths = format.get("values")
    if not isinstance(paths, list) or not paths:
        raise ConfigError(
            "the channels of a Kafka source must be known beforehand, because a detector keeps one "
            "state for each: let source.channels list them, or let source.format.values list paths"
        )
    names = [path[-1] if (path := parse_path(str(text))) else "" for text in paths]
    if "" in names or len(set(names)) < len(names):
        raise ConfigError(
            f"source.format.values gives the channels the names {names}, which are not different: "
            "let source.channels list a name for every path"
        )
    return names
