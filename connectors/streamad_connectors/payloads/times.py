"""Times of records as nanoseconds: read from a field, held against the record's own timestamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from streamad.core.data import Flags, Ints
from streamad.core.event import iso_time
from streamad_connectors.cells import is_number, is_text
from streamad_connectors.payloads.options import TimeOptions, parse_path, show_path
from streamad_connectors.payloads.parsed import shorten, shorten_text
from streamad_connectors.times import END_NS, Family, TimeColumn, make_time_column

DAY_NS = 86_400 * 10**9
MS_NS = 10**6
_INT64 = 2**63


class TimeField:
    """Reads a field of times.

    Parameters
    ----------
    options : TimeOptions
        With a path.

    Raises
    ------
    ConfigError
        If the timezone is not known.

    Notes
    -----
    Pure: the time of a row does not depend on other rows.
    """

    def __init__(self, options: TimeOptions) -> None:
        name = show_path(parse_path(options.path or ""))
        self.is_text = options.unit == "iso8601"
        self._zone = options.timezone
        self._expected = f"time {name!r} should be " + (
            "text in ISO 8601" if self.is_text else f"a number of {options.unit}"
        )
        unit = None if options.unit == "iso8601" else options.unit
        self._number = make_time_column(
            name, "number", pa.nulls(0, pa.int64()), unit=unit, timezone=options.timezone
        )
        self._aware: TimeColumn = replace(self._number, family="aware", timezone=None)
        self._naive: TimeColumn = replace(self._number, family="naive")

    def fault(self, value: object) -> str | None:
        """What is wrong with the type of a value; None = nothing."""
        if self.is_text:
            good = isinstance(value, str)
        elif isinstance(value, int) and not isinstance(value, bool):
            good = -_INT64 <= value < _INT64
        else:
            good = isinstance(value, float)
        return None if good else f"{self._expected}, got {shorten(value)}"

    def read(self, found: Sequence[Any]) -> tuple[Ints, dict[int, str]]:
        """Nanoseconds of values that have no :meth:`fault`.

        Returns
        -------
        int64 (n,)
            Of no meaning where a time cannot be used.
        dict of int to str
            Rows whose time cannot be used, and why.
        """
        if self.is_text:
            return self.read_column(pa.array(found, pa.string()))
        kinds = set(map(type, found))
        if len(kinds) < 2:
            return self.read_column(pa.array(found, pa.float64() if float in kinds else pa.int64()))
        times, why = np.zeros(len(found), np.int64), {}
        for kind in kinds:
            rows = [row for row, value in enumerate(found) if type(value) is kind]
            times[rows], bad = self.read([found[row] for row in rows])
            why.update({rows[i]: detail for i, detail in bad.items()})
        return times, why

    def read_column(self, column: pa.Array) -> tuple[Ints, dict[int, str]]:
        """The same for a column of any type."""
        kind = column.type
        family: Family = "number"
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            family = "aware" if getattr(kind, "tz", None) else "naive"
        elif is_text(kind) and self.is_text:
            family = "aware"
        elif not (is_text(kind) or (is_number(kind) and not self.is_text)):
            return _none(column, f"{self._expected}, got {kind}")
        if family == "naive" and self._zone is None:
            name = self._number.name
            return _none(column, f"time {name!r} has no zone: say `timezone` in format.time")
        return self._settle(column, family)

    def _settle(self, column: pa.Array, family: Family) -> tuple[Ints, dict[int, str]]:
        reader = {"number": self._number, "aware": self._aware, "naive": self._naive}[family]
        times, bad = reader.read(column)
        if bad is None:
            return times, {}
        rows = np.flatnonzero(bad)
        if self._zone is not None and family == "aware" and is_text(column.type):
            local, still_bad = self._naive.read(column.take(pa.array(rows)))
            times[rows] = local
            rows = rows[:0] if still_bad is None else rows[still_bad]
        return times, {row: self._explain(reader, column, row) for row in rows.tolist()}

    def _explain(self, reader: TimeColumn, column: pa.Array, row: int) -> str:
        """Why, in few words also where the value is long."""
        return shorten_text(reader.explain(column, row))


def record_times(timestamps_ms: Ints) -> tuple[Ints, dict[int, str]]:
    """Timestamps of the records themselves as nanoseconds, and which cannot be used."""
    bad = (timestamps_ms < 0) | (timestamps_ms >= END_NS // MS_NS)
    why = {
        int(row): f"the record's timestamp is {timestamps_ms[row]} ms, expected a time from 1970 "
        "to 2099"
        for row in np.flatnonzero(bad)
    }
    return np.where(bad, 0, timestamps_ms) * MS_NS, why


def too_late(times: Ints, timestamps_ms: Ints) -> Flags:
    """True where a time is more than a day after the record's own timestamp, if it has one."""
    known = (timestamps_ms >= 0) & (timestamps_ms < END_NS // MS_NS)
    latest = np.where(known, timestamps_ms, 0) * MS_NS + DAY_NS
    return known & (times > latest)


def explain_late(time_ns: int, timestamp_ms: int) -> str:
    """Why such a time is refused."""
    return (
        f"the time {iso_time(time_ns)} is more than a day after the record's own timestamp "
        f"{iso_time(timestamp_ms * MS_NS)}: is the unit or the zone right?"
    )


def _none(column: pa.Array, detail: str) -> tuple[Ints, dict[int, str]]:
    """No time of a column can be used, all for one reason."""
    return np.zeros(len(column), np.int64), dict.fromkeys(range(len(column)), detail)
