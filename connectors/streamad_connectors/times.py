"""Time columns of any kind as nanoseconds since 1970 in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamad.core.data import Flags, Floats, Ints
from streamad.core.errors import ConfigError
from streamad.core.event import iso_time
from streamad_connectors.cells import cell, is_number, is_text, lenient_cast, parse_numbers

TimeUnit = Literal["s", "ms", "us", "ns", "index"]
Family = Literal["aware", "naive", "number"]

SECOND_NS = 10**9
END_NS = 4_102_444_800 * SECOND_NS
"""2100-01-01; times from here on are refused."""

UNIT_NS = {"s": SECOND_NS, "ms": 10**6, "us": 10**3, "ns": 1, "index": SECOND_NS}
_CLOCK_NS = 10 * 365 * 86_400 * SECOND_NS
"""Times after 1980 are those of a clock; then times of 1970 are refused too."""
_FIRST_NS = 365 * 86_400 * SECOND_NS
_ZONE = re.compile(r"\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """How to read the time column of all files.

    Attributes
    ----------
    name : str
    family : {"aware", "naive", "number"}
        Times with a zone or offset, local times, or numbers.
    unit : str
        Of numbers.
    timezone : str or None
        Zone of naive times; None = UTC.
    time_format : str or None
        ``strptime`` format of text; None = ISO 8601.
    first_ns : int
        Earlier times are refused.
    """

    name: str
    family: Family
    unit: str
    timezone: str | None
    time_format: str | None
    first_ns: int = 0

    def read(self, column: pa.Array) -> tuple[Ints, Flags | None]:
        """Nanoseconds, and where they cannot be used (None = nowhere).

        Parameters
        ----------
        column : array of n
            Timestamps, dates, numbers or text.

        Returns
        -------
        int64 (n,)
            Owned and writeable; of no meaning where a time cannot be used.
        bool (n,) or None
            True where a time is missing, unreadable, before the first time or after 2099.
        """
        if pa.types.is_null(column.type):
            column = column.cast(pa.string())
        if self.family == "number":
            return self._numbers(column)
        column = self._stamps(column)
        return self._checked(
            _numpy(column.view(pa.int64())), _nulls(column), UNIT_NS[column.type.unit]
        )

    def check(self, head: pa.Array, path: str) -> None:
        """Raise ConfigError if most of the first texts of a file are no times."""
        texts = head.drop_null()
        if not is_text(head.type) or self.family == "number" or len(texts) == 0:
            return
        _, bad = self.read(texts)
        if bad is not None and bad.mean() > 0.5:
            why = self.explain(texts, int(np.argmax(bad)))
            raise ConfigError(f"{path}: {why}; convert the column or, for CSV, say time_format")

    def explain(self, column: pa.Array, row: int) -> str:
        """Why the time of a row cannot be used."""
        value = cell(column, row)
        if value is None:
            return f"time {self.name!r} is missing"
        said = f"time {self.name!r} is {value!r}"
        wanted = f"expected a time from {iso_time(self.first_ns)[:10]} to 2099-12-31"
        if is_text(column.type) and self.family != "number":
            form = f"like {self.time_format}" if self.time_format else "in ISO 8601"
            zone = "with" if self.family == "aware" else "without"
            return f"{said}: {wanted}, written {form} {zone} zone"
        if pa.types.is_date(column.type):
            return f"{said}: {wanted}"
        unit = self.unit if self.family == "number" else column.type.unit
        try:
            number = _number(value if self.family == "number" else column[row].value)
        except ValueError:
            return f"{said}: {wanted}, as a number of {unit}"
        likely = [name for name in likely_units(number) if name != unit]
        hint = f"; as {likely[0]} it is {_iso(number * UNIT_NS[likely[0]])}" if likely else ""
        return f"{said}, as {unit} {_iso(number * UNIT_NS[unit])}: {wanted}{hint}"

    def _numbers(self, column: pa.Array) -> tuple[Ints, Flags | None]:
        """Integers exactly; what is none of them in floating point."""
        if is_text(column.type):
            whole, broken = parse_numbers(column, pa.int64())
            if broken is None:
                return self._numbers(whole)
            times, bad = self._numbers(whole)
            broken_times, broken_bad = self._numbers(parse_numbers(column, pa.float64())[0])
            times[broken] = broken_times[broken]
            worse = np.zeros(len(times), np.bool_) if broken_bad is None else broken_bad
            bad = worse if bad is None else np.where(broken, worse, bad)
            return times, bad if bad.any() else None
        if pa.types.is_integer(column.type):
            whole = column.cast(pa.int64(), safe=False)
            return self._checked(_numpy(whole), _nulls(whole), UNIT_NS[self.unit])
        numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return self._checked(*_nanoseconds(numbers, self.unit), 1)

    def _stamps(self, column: pa.Array) -> pa.Array:
        """Timestamps in UTC, null where a text cannot be read."""
        if is_text(column.type):
            column = _parse(column, self.time_format, aware=self.family == "aware")
        elif pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms" if pa.types.is_date64(column.type) else "s"))
        if self.timezone is not None and column.type.tz is None:
            column = pc.assume_timezone(
                column, self.timezone, ambiguous="earliest", nonexistent="latest"
            )
        return column

    def _checked(self, raw: Ints, null: Flags | None, factor: int) -> tuple[Ints, Flags | None]:
        """Scale, and mark what lies out of bounds."""
        first, end = -(-self.first_ns // factor), END_NS // factor
        if null is None and (len(raw) == 0 or (raw.min() >= first and raw.max() < end)):
            return raw * factor, None
        bad = (raw < first) | (raw >= end)
        if null is not None:
            bad |= null
        return np.where(bad, 0, raw) * factor, bad if bad.any() else None


def likely_units(number: float) -> list[str]:
    """Units in which a number is a time between 1980 and 2100."""
    return [
        unit for unit in ("s", "ms", "us", "ns") if _CLOCK_NS <= number * UNIT_NS[unit] < END_NS
    ]


def family_of(kind: pa.DataType, head: pa.Array) -> Family | None:
    """What kind of time a column holds; None = none that can be read."""
    if pa.types.is_timestamp(kind):
        return "naive" if kind.tz is None else "aware"
    if pa.types.is_date(kind):
        return "naive"
    if is_number(kind):
        return "number"
    if is_text(kind):
        texts = head.drop_null()
        return "aware" if len(texts) and _ZONE.search(texts[0].as_py().strip()) else "naive"
    return None


def make_time_column(
    name: str,
    family: Family,
    head: pa.Array,
    *,
    unit: TimeUnit | None,
    timezone: str | None,
    time_format: str | None = None,
) -> TimeColumn:
    """Settle how a time column is read, from its first values.

    Parameters
    ----------
    name : str
    family : {"aware", "naive", "number"}
    head : array
        The first values.
    unit : str or None
        Unit of numbers; None = the one in which most of the first values lie before 2100. Small
        numbers are an index: one row a second.
    timezone, time_format : str or None

    Raises
    ------
    ConfigError
        If the zone is not known, or most of the first values cannot be a time in this unit.
    """
    if timezone is not None:
        try:
            ZoneInfo(timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(
                f"timezone must be a name like Europe/Berlin or UTC, got {timezone!r}"
            ) from error
    if time_format is not None and family != "number":
        family = "aware" if "%z" in time_format else "naive"
    middle = _middle(head) if family == "number" else None
    if unit is None:
        unit = _unit_of(middle)
    column = TimeColumn(name, family, unit, timezone, time_format)
    if middle is not None and not 0 <= middle * UNIT_NS[unit] < END_NS:
        likely = likely_units(middle)
        hint = f"; use time_unit {likely[0]}" if likely else ""
        raise ConfigError(
            f"time column {name!r} with time_unit {unit} should lie between 1970 and 2100, but "
            f"holds numbers like {middle:.0f}{hint}"
        )
    times, bad = column.read(head)
    good = times if bad is None else times[~bad]
    if len(good) and np.median(good) > _CLOCK_NS:
        return replace(column, first_ns=_FIRST_NS)
    return column


def _number(value: object) -> int | float:
    """An integer exactly, else floating point."""
    try:
        return int(str(value))
    except ValueError:
        return float(str(value))


def _unit_of(middle: float | None) -> TimeUnit:
    """The unit in which a typical time lies before 2100."""
    if middle is None or abs(middle) * SECOND_NS < END_NS:
        return "s"
    for unit in ("ms", "us"):
        if abs(middle) * UNIT_NS[unit] < END_NS:
            return unit
    return "ns"


def _middle(head: pa.Array) -> float | None:
    """Median of the first numbers."""
    if is_text(head.type):
        head, _ = parse_numbers(head, pa.float64())
    known = head.drop_null().cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    known = known[np.isfinite(known)]
    return float(np.median(known)) if len(known) else None


def _nanoseconds(numbers: Floats, unit: str) -> tuple[Ints, Flags | None]:
    """Floating point times, to the microsecond (a double of today's seconds holds no more)."""
    factor = UNIT_NS[unit]
    step = min(factor, 1000)
    null = ~(np.abs(numbers) * factor < np.iinfo(np.int64).max)
    known = np.where(null, 0.0, numbers)
    return np.rint(known * (factor // step)).astype(np.int64) * step, null if null.any() else None


def _numpy(column: pa.Array) -> Ints:
    """Integers, 0 where there is none."""
    found: Ints = (column.fill_null(0) if column.null_count else column).to_numpy()
    return found


def _nulls(column: pa.Array) -> Flags | None:
    if column.null_count == 0:
        return None
    found: Flags = column.is_null().to_numpy(zero_copy_only=False)
    return found


def _parse(column: pa.Array, time_format: str | None, *, aware: bool) -> pa.Array:
    """Text as timestamps in nanoseconds, null where it cannot be read."""
    kind = pa.timestamp("ns", "UTC") if aware else pa.timestamp("ns")
    if time_format is None:
        return lenient_cast(pc.utf8_trim_whitespace(column), kind)
    import pandas as pd

    found = pd.to_datetime(column.to_pandas(), format=time_format, errors="coerce", utc=aware)
    return pa.array(found.dt.as_unit("ns"), kind, from_pandas=True)


def _iso(time_ns: float) -> str:
    """A time for a message, also where no calendar reaches."""
    if not abs(time_ns) < 2**63:
        return "beyond the calendar"
    try:
        return iso_time(int(time_ns))
    except OverflowError:
        return "beyond the calendar"
