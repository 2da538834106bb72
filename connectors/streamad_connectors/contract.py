"""What the values of channels may be: the ``contract`` of a source, held against rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamad.core.data import Flags, Floats
from streamad.core.errors import ConfigError

STRICT = "strict"
"""The option beside the names of channels."""
_OPTIONS = ("range", "unit")


class ChannelContract:
    """Ranges of channels.

    Parameters
    ----------
    channels : sequence of str
    contract : mapping
        By channel: a mapping with ``range`` ([lowest, highest]; None = no bound) and ``unit``.
        Beside them ``strict``: a row needs a number within its range in every channel.

    Raises
    ------
    ConfigError
        If a range is none, or of a channel that is not there, or an option is unknown.

    Examples
    --------
    >>> contract = ChannelContract(["flow"], {"flow": {"range": [0, 500], "unit": "l/s"}})
    >>> values, invalid = np.array([[600.0], [1.0]]), Counter()
    >>> contract.check(values, invalid)
    {0: ('value', "'flow' is 600.0 l/s, expected 0.0 to 500.0 l/s")}
    """

    def __init__(self, channels: Sequence[str], contract: Mapping[str, Any]) -> None:
        self._channels = tuple(channels)
        self._strict = contract.get(STRICT, False) is True
        self._low = np.full(len(channels), -np.inf)
        self._high = np.full(len(channels), np.inf)
        self._units = [""] * len(channels)
        for name, options in contract.items():
            if name == STRICT:
                continue
            if name not in self._channels:
                raise ConfigError(
                    f"contract.{name}: there is no such channel, only {', '.join(channels)}"
                )
            unknown = sorted(set(_mapping(name, options)) - set(_OPTIONS))
            if unknown:
                raise ConfigError(
                    f"contract.{name} has {' and '.join(_OPTIONS)}, got {', '.join(unknown)}"
                )
            at = self._channels.index(name)
            self._low[at], self._high[at] = _range(name, options.get("range"))
            self._units[at] = f" {options['unit']}" if options.get("unit") else ""

    def check(self, values: Floats, invalid: Counter[str]) -> dict[int, tuple[str, str]]:
        """Make values out of range missing, in place, and say which rows cannot be used.

        Parameters
        ----------
        values : float64 (n, C)
        invalid : Counter
            Takes the values out of range, as ``range``.

        Returns
        -------
        dict of int to (str, str)
            By row: where not strict, rows that are left without any number.
        """
        outside = (values < self._low) | (values > self._high)
        if self._strict:
            bad = (outside | np.isnan(values)).any(axis=1)
        else:
            bad = outside.any(axis=1) & (outside | np.isnan(values)).all(axis=1)
        why = {
            row: ("value", self._explain(values[row], outside[row]))
            for row in np.flatnonzero(bad).tolist()
        }
        if not self._strict:
            invalid["range"] += int(np.count_nonzero(outside))
            values[outside] = np.nan
        return why

    def _explain(self, row: Floats, outside: Flags) -> str:
        at = int(np.argmax(outside if outside.any() else np.isnan(row)))
        name, unit = self._channels[at], self._units[at]
        if math.isnan(row[at]):
            return f"{name!r} is missing, the contract is strict"
        low, high = float(self._low[at]), float(self._high[at])
        return f"{name!r} is {float(row[at])}{unit}, expected {low} to {high}{unit}"


def _mapping(name: str, given: Any) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"contract.{name} is a mapping such as {{range: [0, 1]}}, got {given!r}")
    return given


def _range(name: str, given: Any) -> tuple[float, float]:
    """Lowest and highest value."""
    if given is None:
        return -math.inf, math.inf
    try:
        low, high = (
            end if bound is None else float(bound)
            for end, bound in zip((-math.inf, math.inf), given, strict=True)
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"contract.{name}.range is [lowest, highest], got {given!r}") from error
    if not low <= high:
        raise ConfigError(f"contract.{name}.range should rise, got {given!r}")
    return low, high
