"""Key, time and numbers out of an object of any content, one record at a time."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, NamedTuple

from streamad_connectors.payloads.options import Fields, Path, show_path
from streamad_connectors.payloads.parsed import Refused, shorten
from streamad_connectors.payloads.times import TimeField

_NAN = math.nan
_ABSENT: Any = object()


class Picked(NamedTuple):
    """One row: key and time as they came, and the channels with NaN for missing."""

    key: Any
    time: Any
    values: list[float]


class Picker:
    """Takes a row out of an object.

    Parameters
    ----------
    fields : Fields
    time : TimeField or None

    Notes
    -----
    A value that is no finite number is missing and counted by kind: ``nan``, ``inf``, ``missing``
    (null or not there), ``text`` (of any other type). Null, NaN and infinity say that there is no
    value; a row is refused where no channel is good and something else was said, or nothing at all.
    """

    def __init__(self, fields: Fields, time: TimeField | None) -> None:
        self._fields = fields
        self._time = time
        groups: dict[Path, list[tuple[int, str]]] = {}
        for i, path in enumerate(fields.values):
            groups.setdefault(path[:-1], []).append((i, path[-1]))
        self._groups = tuple(groups.items())

    def pick(self, document: object, invalid: Counter[str]) -> Picked:
        """The row of an object.

        Parameters
        ----------
        document : object
            Of dicts, lists, text, numbers, bool and None.
        invalid : Counter
            Takes the missing values of an accepted row.

        Raises
        ------
        Refused
            If it has no such row.
        """
        if not isinstance(document, dict):
            raise Refused("type", f"expected an object, got {shorten(document)}")
        key = time = None
        if self._fields.key is not None:
            key = _dig(document, self._fields.key)
            key = None if key is _ABSENT else key
        if self._fields.time is not None and self._time is not None:
            time = _dig(document, self._fields.time)
            if time is _ABSENT or time is None:
                raise Refused("time", f"time {show_path(self._fields.time)!r} is missing")
            wrong = self._time.fault(time)
            if wrong is not None:
                raise Refused("time", wrong)
        return Picked(key, time, self._values(document, invalid))

    def _values(self, document: dict[str, Any], invalid: Counter[str]) -> list[float]:
        values = [_NAN] * len(self._fields.values)
        kinds: list[str] = []
        n_there = 0
        for parent, names in self._groups:
            found = _dig(document, parent)
            if not isinstance(found, dict):
                kinds += ["missing" if found is _ABSENT or found is None else "text"] * len(names)
                continue
            for i, name in names:
                value = found.get(name, _ABSENT)
                if type(value) is float and math.isfinite(value):
                    values[i] = value
                    continue
                n_there += value is not _ABSENT
                number, kind = _number(value)
                if kind is None:
                    values[i] = number
                else:
                    kinds.append(kind)
        if len(kinds) == len(values) and (n_there == 0 or "text" in kinds):
            raise Refused("type", self._no_number(document))
        invalid.update(kinds)
        return values

    def _no_number(self, document: dict[str, Any]) -> str:
        path = self._fields.values[0]
        found = _dig(document, path)
        said = "is missing" if found is _ABSENT else f"is {shorten(found)}"
        return f"no channel has a number: {show_path(path)!r} {said}"


def key_fault(key: object) -> str | None:
    """What is wrong with the name of a series; None = nothing.

    Integers of 64 bits are names too.
    """
    if isinstance(key, str):
        if key == "":
            return "is empty, expected the name of a series"
        if len(key) > MAX_KEY:
            return f"has {len(key)} characters, expected at most {MAX_KEY}"
        if not key.isascii() and any("\ud800" <= char <= "\udfff" for char in key):
            return f"is {shorten(key)}, expected text in Unicode"
        return None
    if isinstance(key, int) and not isinstance(key, bool) and -(2**63) <= key < 2**63:
        return None
    if key is None:
        return "is missing, expected the name of a series"
    return f"is {shorten(key)}, expected text or an integer of 64 bits"


MAX_KEY = 1024
"""Characters of the name of a series."""


def _dig(document: Any, path: Path) -> Any:
    """What is at a path, or _ABSENT."""
    for name in path:
        if not isinstance(document, dict):
            return _ABSENT
        document = document.get(name, _ABSENT)
    return document


def _number(value: object) -> tuple[float, str | None]:
    """A finite number, or NaN and the kind of what is there."""
    if value is None or value is _ABSENT:
        return _NAN, "missing"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _NAN, "text"
    try:
        number = float(value)
    except OverflowError:
        return _NAN, "inf"
    if math.isfinite(number):
        return number, None
    return _NAN, "nan" if math.isnan(number) else "inf"
