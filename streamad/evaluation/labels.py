"""Labels as intervals of each series, checked, and laid onto the series of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Floats, Ints
from streamad.core.errors import ConfigError
from streamad.core.event import iso_time

UNNAMED = ""
"""The series of labels that do not name one: the only series of the run."""
_QUARTER_NS = 900 * 10**9
_MOST_QUARTERS = 56
"""Time zones differ by whole quarters of an hour, and by 14 hours at most from UTC."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_SPANS: Ints = np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Labels:
    """Anomalous intervals of each series.

    Attributes
    ----------
    spans : mapping of str to int64 (k, 2)
        First and last time of each, nanoseconds, both in it; in order, disjoint. Series that are
        not named have no anomaly.
    severity : mapping of str to float64 (k,)
        Of each interval, where given; larger = worse.
    grid : mapping of str to (int, int)
        First and last labelled row, where every row has a label.
    corpus : bool
        Whether series that the run does not have are no mistake.
    n_outside : int
        Intervals left out because the run does not reach them.
    """

    spans: Mapping[str, Ints]
    severity: Mapping[str, Floats] = field(default_factory=dict)
    grid: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    corpus: bool = False
    n_outside: int = 0

    def of(self, series: str) -> Ints:
        """Intervals of a series."""
        return self.spans.get(series, _NO_SPANS)


def from_intervals(
    series: Sequence[str], starts: Ints, ends: Ints, severity: Floats | None = None
) -> Labels:
    """Labels from one row an interval, in any order.

    Parameters
    ----------
    series : sequence of str
        Name of each interval's series; :data:`UNNAMED` for the only one.
    starts, ends : int64 (n,)
        First and last anomalous time, nanoseconds.
    severity : float64 (n,), optional

    Returns
    -------
    Labels

    Raises
    ------
    ConfigError
        If an interval ends before it starts, or two of one series overlap.

    Examples
    --------
    >>> from_intervals(["a", "a"], np.array([50, 10]), np.array([60, 20])).of("a").tolist()
    [[10, 20], [50, 60]]
    """
    reversed_rows = np.flatnonzero(ends < starts)
    if len(reversed_rows):
        i = int(reversed_rows[0])
        raise ConfigError(
            f"label {i + 1}{_of(series[i])} ends at {iso_time(int(ends[i]))}, before it starts at "
            f"{iso_time(int(starts[i]))}: exchange the two"
        )
    spans: dict[str, Ints] = {}
    levels: dict[str, Floats] = {}
    for name, rows in _by_series(series).items():
        rows = rows[np.argsort(starts[rows], kind="stable")]
        own = np.column_stack((starts[rows], ends[rows])).astype(np.int64)
        clash = np.flatnonzero(own[1:, 0] <= own[:-1, 1])
        if len(clash):
            first, second = own[clash[0]], own[clash[0] + 1]
            raise ConfigError(
                f"two labels{_of(name)} overlap: {_span(first)} and {_span(second)}; join them"
            )
        spans[name] = own
        if severity is not None:
            levels[name] = np.asarray(severity[rows], np.float64)
    return Labels(spans, levels)


def from_points(series: Sequence[str], times: Ints, flags: NDArray[Any]) -> Labels:
    """Labels from one row a time: an interval is a run of ones.

    Parameters
    ----------
    series : sequence of str
    times : int64 (n,)
        Nanoseconds; in any order.
    flags : (n,)
        0 or 1.

    Returns
    -------
    Labels

    Raises
    ------
    ConfigError
        If a flag is neither 0 nor 1.

    Examples
    --------
    >>> from_points(["a"] * 4, np.array([10, 20, 30, 40]), np.array([0, 1, 1, 0])).of("a").tolist()
    [[20, 30]]
    """
    from streamad.evaluation.events import intervals

    odd = np.flatnonzero((flags != 0) & (flags != 1))
    if len(odd):
        raise ConfigError(
            f"a label must be 0 or 1, got {flags[odd[0]]!r} in row {int(odd[0]) + 1}: give "
            "severities in a column of their own"
        )
    spans: dict[str, Ints] = {}
    grid: dict[str, tuple[int, int]] = {}
    for name, rows in _by_series(series).items():
        rows = rows[np.argsort(times[rows], kind="stable")]
        own, runs = times[rows], intervals(flags[rows])
        spans[name] = np.column_stack((own[runs[:, 0]], own[runs[:, 1] - 1]))
        grid[name] = (int(own[0]), int(own[-1]))
    return Labels(spans, grid=grid)


def from_nab(document: Mapping[str, Any], zone: tzinfo = UTC) -> Labels:
    """Labels from the windows of the Numenta Anomaly Benchmark.

    Parameters
    ----------
    document : mapping of str to list of [start, end]
        File names and ISO times, as ``combined_windows.json`` holds them.
    zone : tzinfo
        Of times without one.

    Returns
    -------
    Labels
        Series of the benchmark that the run does not have are no mistake.

    Raises
    ------
    ConfigError
        If the document is anything else.

    Examples
    --------
    >>> windows = {"a.csv": [["1970-01-01 00:00:10.000000", "1970-01-01 00:00:20.000000"]]}
    >>> from_nab(windows).of("a.csv").tolist()
    [[10000000000, 20000000000]]
    """
    series: list[str] = []
    bounds: list[tuple[int, int]] = []
    for name, windows in document.items():
        if not isinstance(windows, list):
            raise ConfigError(_not_nab(name, windows))
        for window in windows:
            if not isinstance(window, list) or len(window) != 2:
                raise ConfigError(_not_nab(name, window))
            series.append(name)
            bounds.append((_iso_ns(name, window[0], zone), _iso_ns(name, window[1], zone)))
    both = np.array(bounds, np.int64).reshape(-1, 2)
    labels = from_intervals(series, both[:, 0], both[:, 1])
    return Labels({**dict.fromkeys(document, _NO_SPANS), **labels.spans}, corpus=True)


def align(labels: Labels, run: Mapping[str, tuple[int, int]]) -> Labels:
    """Labels under the names of a run, with what it does not reach left out.

    Parameters
    ----------
    labels : Labels
    run : mapping of str to (int, int)
        First and last time of each series of the run, nanoseconds.

    Returns
    -------
    Labels
        A name fits if it is the same, or the same without folder and ending.

    Raises
    ------
    ConfigError
        For a series that the run does not have, labels that name no series beside a run of several,
        labels none of which the run reaches, and labels of every row that are the run's rows but
        for a constant shift, as a wrong time zone makes them.

    Notes
    -----
    The message says so where a shift by whole quarters of an hour would mend it.
    """
    names = _fitting_names(labels, run)
    for given, name in names.items():
        if given in labels.grid:
            _refuse_shifted_grid(labels.grid[given], run[name], name)
    spans, severity, n_given, n_kept = {}, {}, 0, 0
    for given, name in names.items():
        own, (first, last) = labels.spans[given], run[name]
        keep = (own[:, 1] >= first) & (own[:, 0] <= last)
        spans[name] = own[keep]
        if given in labels.severity:
            severity[name] = labels.severity[given][keep]
        n_given, n_kept = n_given + len(own), n_kept + int(keep.sum())
    if n_given and not n_kept:
        raise ConfigError(_no_overlap({names[k]: labels.spans[k] for k in names}, run))
    return Labels(spans, severity, n_outside=n_given - n_kept)


def _fitting_names(labels: Labels, run: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Name in the run of each labelled series."""
    if UNNAMED in labels.spans:
        if len(run) != 1:
            raise ConfigError(
                f"the labels name no series, but the run has {len(run)}: add a series column"
            )
        return {UNNAMED: next(iter(run))}
    plain: dict[str, list[str]] = {}
    for name in run:
        plain.setdefault(_plain(name), []).append(name)
    found: dict[str, str] = {}
    unknown = []
    for given in labels.spans:
        alike = [given] if given in run else plain.get(_plain(given), [])
        if len(alike) > 1:
            raise ConfigError(
                f"labelled series {given!r} may be any of {', '.join(map(repr, alike))}: name it "
                "as the run does"
            )
        if not alike:
            unknown.append(given)
        elif alike[0] in found.values():
            raise ConfigError(f"series {alike[0]!r} of the run is labelled under two names")
        else:
            found[given] = alike[0]
    if unknown and not (labels.corpus and found):
        near = get_close_matches(unknown[0], list(run), 3, 0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {_few(run)}"
        raise ConfigError(f"labelled series {unknown[0]!r} is not in the run: {hint}")
    return found


def _refuse_shifted_grid(grid: tuple[int, int], rows: tuple[int, int], name: str) -> None:
    """Labels of every row should begin and end with the run, not hours from it."""
    shift = rows[0] - grid[0]
    if shift == rows[1] - grid[1] != 0 and _is_zone(shift):
        raise ConfigError(
            f"the labels{_of(name)} are the rows of the run shifted by {_hours(shift)}: they look "
            f"like times of another zone; name it with timezone. {_both(grid, rows)}"
        )


def _no_overlap(spans: Mapping[str, Ints], run: Mapping[str, tuple[int, int]]) -> str:
    """Why labels and run may have nothing in common."""
    name = next(key for key, own in spans.items() if len(own))
    grid = int(spans[name][0, 0]), int(spans[name][-1, 1])
    message = f"no label lies in the time of the run. {_both(grid, run[name], name)}"
    for quarters in sorted(range(-_MOST_QUARTERS, _MOST_QUARTERS + 1), key=abs):
        shift = quarters * _QUARTER_NS
        if all(
            len(own) == 0
            or (own[0, 0] + shift >= run[key][0] and own[-1, 1] + shift <= run[key][1])
            for key, own in spans.items()
        ):
            return f"{message}. All would with {_hours(shift)} added: name the zone with timezone"
    return f"{message}. Check the file, its unit of time and its zone"


def _by_series(series: Sequence[str]) -> dict[str, Ints]:
    """Rows of each series, in order of appearance."""
    rows: dict[str, list[int]] = {}
    for i, name in enumerate(series):
        rows.setdefault(name, []).append(i)
    return {name: np.array(own, np.int64) for name, own in rows.items()}


def _iso_ns(name: str, text: object, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError as error:
        raise ConfigError(f"a window of {name!r} should have ISO times, got {text!r}") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000


def _not_nab(name: str, value: object) -> str:
    return (
        f"windows should be a list of [start, end] for each file, got {value!r} for {name!r}: "
        "take combined_windows.json of the benchmark"
    )


def _is_zone(shift: int) -> bool:
    return shift % _QUARTER_NS == 0 and abs(shift) <= _MOST_QUARTERS * _QUARTER_NS


def _plain(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix in (".csv", ".parquet") else path.name


def _few(names: Mapping[str, Any]) -> str:
    shown = [repr(name) for name in list(names)[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _of(name: str) -> str:
    return f" of series {name!r}" if name else ""


def _hours(shift_ns: int) -> str:
    return f"{shift_ns / 3.6e12:+g} h"


def _span(span: Ints) -> str:
    return f"{iso_time(int(span[0]))} to {iso_time(int(span[1]))}"


def _both(labels: tuple[int, int], rows: tuple[int, int], name: str = UNNAMED) -> str:
    told = (f"{iso_time(first)} to {iso_time(last)}" for first, last in (labels, rows))
    return "The labels{} go from {}, the rows from {}".format(_of(name), *told)
