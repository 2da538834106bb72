"""JSON: one object a record, decoded straight into a type made for the wanted fields."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Container, Sequence
from contextlib import suppress
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from streamad.core.data import Floats, Ints
from streamad_connectors.payloads.options import Fields, Path
from streamad_connectors.payloads.parsed import Parsed, Refused, Why
from streamad_connectors.payloads.picker import Picked, Picker
from streamad_connectors.payloads.times import TimeField
from streamad_connectors.payloads.unlisted import Unlisted

MAX_DEPTH = 64
"""Objects and lists within each other."""
_INTEGER = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_DIGITS = 20
_KEY, _TIME = -1, -2


class JsonParser:
    """Rows of JSON objects.

    Parameters
    ----------
    fields : Fields
    time : TimeField or None

    Notes
    -----
    What does not fit the type (text in a number, ``NaN``, a missing key) is read once more without
    one, at ten times the cost, by :class:`.picker.Picker`; the two agree where both can read.
    """

    def __init__(self, fields: Fields, time: TimeField | None) -> None:
        self._fields = fields
        self._time = time
        stamp = str if time is not None and time.is_text else _INTEGER | float
        self._layout = _Layout(_tree(fields), stamp)
        self._decode = msgspec.json.Decoder(self._layout.type).decode
        self._picker = Picker(fields, time)
        self._unlisted = Unlisted(fields)

    def parse(self, payloads: Sequence[bytes]) -> Parsed:
        """Rows of these payloads."""
        decode = self._decode
        typed: list[Any] = []
        at: list[int] = []
        odd: dict[int, Picked] = {}
        failed: dict[int, Why] = {}
        invalid: Counter[str] = Counter()
        for i, payload in enumerate(payloads):
            if len(payload) > 2 * MAX_DEPTH and too_deep(payload):
                failed[i] = "decode", f"more than {MAX_DEPTH} objects or lists within each other"
                continue
            try:
                typed.append(decode(payload))
                at.append(i)
            except (ValueError, RecursionError):
                try:
                    odd[i] = self._picker.pick(read_loosely(payload), invalid)
                except Refused as refused:
                    failed[i] = refused.why
        found = self._columns(typed, list(odd.values()))
        record = np.array([*at, *odd], np.int64)
        if odd:
            order = np.argsort(record)
            record = record[order]
            found = _Columns(*(_reorder(column, order) for column in found))
        faults = self._blank(payloads, found.values, record, odd)
        n_missing = int(np.count_nonzero(np.isnan(found.values))) - sum(invalid.values())
        invalid["missing"] += n_missing - len(faults) * found.values.shape[1]
        times = None
        if self._time is not None and found.times is not None:
            times, untimed = self._time.read(found.times)
            faults.update({row: ("time", detail) for row, detail in untimed.items()})
        if payloads:
            self._notice(payloads[0])
        return Parsed(record, found.keys, times, found.values, faults, failed, +invalid)

    def _columns(self, typed: list[Any], odd: list[Picked]) -> _Columns:
        """Columns of typed rows, then of the others."""
        cells: dict[int, list[Any]] = {}
        self._layout.read(typed, cells)
        n = len(typed)
        values = np.empty((n + len(odd), len(self._fields.values)))
        for channel in range(values.shape[1]):
            values[:n, channel] = np.fromiter(cells[channel], np.float64, n)
        keys, times = cells.get(_KEY), cells.get(_TIME)
        if odd:
            values[n:] = [row.values for row in odd]
            keys = None if keys is None else [*keys, *(row.key for row in odd)]
            times = None if times is None else [*times, *(row.time for row in odd)]
        return _Columns(keys, times, values)

    def _blank(
        self,
        payloads: Sequence[bytes],
        values: Floats,
        record: Ints,
        judged: Container[int],
    ) -> dict[int, Why]:
        """Why typed rows without any number are refused, unless their record says null."""
        faults = {}
        for row in np.flatnonzero(np.isnan(values).all(axis=1)).tolist():
            if record[row] not in judged:
                try:
                    self._picker.pick(read_loosely(payloads[record[row]]), Counter())
                except Refused as refused:
                    faults[row] = refused.why
        return faults

    def _notice(self, payload: bytes) -> None:
        """Warn of channels that nobody listed, if the record has any."""
        with suppress(ValueError, RecursionError):
            self._unlisted.notice(msgspec.json.decode(payload))


class _Columns(NamedTuple):
    """Key, time and values of rows."""

    keys: Sequence[Any] | None
    times: Sequence[Any] | None
    values: Floats


class _Layout:
    """A type for an object, and which of its fields is what.

    Parameters
    ----------
    tree : dict
        By name of the field: a channel, _KEY, _TIME, or the tree of an object.
    time : type
        Of the time.
    """

    def __init__(self, tree: dict[str, Any], time: Any) -> None:
        kinds = {_KEY: str | _INTEGER, _TIME: time}
        self._leaves: list[tuple[int, Any]] = []
        self._inner: list[tuple[_Layout, Any]] = []
        fields: list[tuple[str, Any, Any]] = []
        for i, (name, role) in enumerate(tree.items()):
            field = f"f{i}"
            default: Any = msgspec.NODEFAULT
            if isinstance(role, dict):
                layout = _Layout(role, time)
                kind = layout.type
                self._inner.append((layout, attrgetter(field)))
            else:
                kind = kinds.get(role, float | None)
                default = None if role >= 0 else default
                self._leaves.append((role, attrgetter(field)))
            fields.append((field, kind, msgspec.field(name=name, default=default)))
        self.type: Any = msgspec.defstruct("Record", fields, kw_only=True, gc=False)

    def read(self, rows: Sequence[Any], out: dict[int, list[Any]]) -> None:
        """Put the cells of rows into ``out``, by role."""
        for role, get in self._leaves:
            out[role] = list(map(get, rows))
        for layout, get in self._inner:
            layout.read(list(map(get, rows)), out)


def read_loosely(payload: bytes) -> Any:
    """Any JSON document, also with ``NaN``, ``Infinity`` and numbers beyond a double.

    Raises
    ------
    Refused
        If it is none.
    """
    try:
        return json.loads(payload.decode(), parse_int=_integer)
    except UnicodeDecodeError as error:
        raise Refused("decode", f"no UTF-8: {error.reason} at byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise Refused("decode", f"no JSON: {error}") from error


def too_deep(payload: bytes) -> bool:
    """True if objects and lists lie within each other more than MAX_DEPTH deep."""
    if payload.count(b"{") + payload.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _BRACKETS.finditer(payload):
        byte = payload[token.start()]
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def _integer(text: str) -> int | float:
    """An integer, or its size where it has more than 64 bits."""
    return int(text) if len(text) <= _DIGITS else float(text)


def _reorder(column: Any, order: Ints) -> Any:
    if column is None or isinstance(column, np.ndarray):
        return None if column is None else column[order]
    return [column[i] for i in order.tolist()]


def _tree(fields: Fields) -> dict[str, Any]:
    """What is wanted of an object, by name; objects within as trees of their own."""
    tree: dict[str, Any] = {}
    places: list[tuple[Path | None, int]] = [(fields.key, _KEY), (fields.time, _TIME)]
    places += [(path, i) for i, path in enumerate(fields.values)]
    for path, role in places:
        if path is not None:
            inner = tree
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = role
    return tree
