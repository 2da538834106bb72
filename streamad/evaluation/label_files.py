"""Label files: CSV or Parquet with intervals or a 0/1 column, or the windows JSON of NAB."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Floats, Ints
from streamad.core.errors import ConfigError
from streamad.evaluation.labels import UNNAMED, Labels, from_intervals, from_nab, from_points

if TYPE_CHECKING:
    import pyarrow as pa

_USUAL = {
    "series": ("series", "key", "asset", "asset_id", "series_id", "id", "name", "file"),
    "start": ("start", "start_time", "event_start", "begin", "from", "start_ns"),
    "end": ("end", "end_time", "event_end", "stop", "to", "end_ns"),
    "time": ("time", "timestamp", "datetime", "date", "ts", "time_ns"),
    "label": ("label", "is_anomaly", "anomaly", "labels", "y", "target"),
    "severity": ("severity", "level"),
}
_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_END_S = 4_102_444_800
_ZONE = re.compile(r"\d\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")


def read_labels(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    time: str | None = None,
    label: str | None = None,
    start: str | None = None,
    end: str | None = None,
    severity: str | None = None,
    timezone: str | None = None,
    time_unit: Literal["s", "ms", "us", "ns"] | None = None,
) -> Labels:
    """Labels of a file.

    Parameters
    ----------
    path : path
        ``.csv``, ``.parquet``, or ``.json`` with the windows of NAB.
    series, time, label, start, end, severity : str, optional
        Columns; None = the one with a usual name. A file with a start and an end column holds
        intervals, any other one a time and a 0/1 column; without a series column it is about the
        only series of the run.
    timezone : str, optional
        Zone of times without one; None = UTC.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Of times that are numbers; None = the one in which they lie before 2100.

    Returns
    -------
    Labels

    Raises
    ------
    ConfigError
        If the file cannot be read, a column is missing, a time is, or some times have a zone and
        others have none.
    """
    file = Path(path)
    zone = _zone(timezone)
    if file.suffix == ".json":
        return from_nab(_json(file), zone)
    table = _table(file)
    given = {
        "series": series,
        "time": time,
        "label": label,
        "start": start,
        "end": end,
        "severity": severity,
    }
    column = {role: _find(table, role, name, file) for role, name in given.items()}
    key = column["series"]
    names = (
        [UNNAMED] * len(table) if key is None else [str(name) for name in table[key].to_pylist()]
    )
    if column["start"] and column["end"]:
        starts, starts_zoned = _times(table, column["start"], timezone, time_unit)
        ends, ends_zoned = _times(table, column["end"], timezone, time_unit)
        if starts_zoned != ends_zoned and len(table):
            raise ConfigError(
                f"{file.name}: one of the columns {column['start']!r} and {column['end']!r} has "
                "times with a zone, the other without: write both alike"
            )
        worse = column["severity"]
        levels = None if worse is None else _numbers(table, worse)
        return from_intervals(names, starts, ends, levels)
    if column["time"] and column["label"]:
        times, _ = _times(table, column["time"], timezone, time_unit)
        return from_points(names, times, _numbers(table, column["label"]))
    raise ConfigError(
        f"{file.name}: labels need columns start and end, or time and label; it has "
        f"{', '.join(map(repr, table.column_names))}: name the columns that hold them"
    )


def _zone(timezone: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(timezone or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"timezone must be a name like Europe/Berlin or UTC, got {timezone!r}"
        ) from error


def _json(file: Path) -> dict[str, object]:
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"labels {file} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"labels {file} should be a JSON object of windows by file name")
    return document


def _table(file: Path) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, parquet

    if file.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"labels should be a .csv, .parquet or .json file, got {file}")
    try:
        return csv.read_csv(file) if file.suffix == ".csv" else parquet.read_table(file)
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"labels {file} cannot be read: {error}") from error


def _find(table: pa.Table, role: str, given: str | None, file: Path) -> str | None:
    """The column of a role; None if no usual name is there."""
    if given is None:
        lower = {name.lower(): name for name in table.column_names}
        return next((lower[name] for name in _USUAL[role] if name in lower), None)
    if given not in table.column_names:
        raise ConfigError(
            f"{file.name} has no column {given!r} for {role}; it has "
            f"{', '.join(map(repr, table.column_names))}"
        )
    return given


def _numbers(table: pa.Table, name: str) -> Floats:
    import pyarrow as pa

    try:
        column = table[name].cast(pa.float64(), safe=False)
    except pa.ArrowException as error:
        raise ConfigError(f"label column {name!r} should hold numbers: {error}") from error
    return np.asarray(column.to_numpy(), np.float64)


def _times(
    table: pa.Table, name: str, timezone: str | None, unit: str | None
) -> tuple[Ints, bool | None]:
    """Nanoseconds, and whether they came with a zone (None = as numbers)."""
    import pyarrow as pa
    from pyarrow import compute as pc

    column = table[name]
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0]) + 1
        raise ConfigError(f"label column {name!r} has no time in row {row}: fill it in")
    kind = column.type
    if pa.types.is_null(kind):
        return np.empty(0, np.int64), None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _scaled(column.to_numpy(), unit), None
    zoned = getattr(kind, "tz", None) is not None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        with_zone = {_ZONE.search(text.strip()) is not None for text in column.to_pylist()}
        if len(with_zone) > 1:
            raise ConfigError(
                f"label column {name!r} has times with a zone and times without: write all alike"
            )
        zoned = True in with_zone
    try:
        column = column.cast(pa.timestamp("ns", "UTC" if zoned else None))
        if not zoned:
            column = pc.assume_timezone(
                column, timezone or "UTC", ambiguous="earliest", nonexistent="latest"
            )
    except pa.ArrowException as error:
        raise ConfigError(f"label column {name!r} should hold times: {error}") from error
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.int64), zoned


def _scaled(numbers: NDArray[Any], unit: str | None) -> Ints:
    """Numbers of a unit as nanoseconds."""
    if unit is None:
        typical = abs(float(np.median(numbers.astype(np.float64)))) if len(numbers) else 0.0
        unit = next(u for u, ns in _UNIT_NS.items() if typical * ns < _END_S * 1e9 or u == "ns")
    if numbers.dtype.kind == "f":
        return np.rint(numbers.astype(np.float64) * _UNIT_NS[unit]).astype(np.int64)
    return numbers.astype(np.int64) * _UNIT_NS[unit]
