"""The score table of a run, read twice: once to know what is in it, once for what is drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamad.core.data import Codes, Floats, Ints, alarm_ratio
from streamad.core.errors import ConfigError, StateError
from streamad.reporting.columns import Trace

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS = 1 << 16

RATIO_EDGES = 10.0 ** (np.arange(-20, 21) / 10)
"""Bins of the histogram: 0.01 to 100 alarm lines, ten a decade; 1.0 is an edge."""


@dataclass(slots=True)
class Tally:
    """What one detector said about every series; arrays are indexed by series code.

    Attributes
    ----------
    rows, judged : int64 (S,)
        Judged = with a score and a line.
    peak : float64 (S,)
        Largest ratio, NaN = nothing was judged.
    first_ns, last_ns : int64 (S,)
    bins : int64 (42,)
        Ratios below, in, and above the bins of ``RATIO_EDGES``.
    """

    rows: Ints
    judged: Ints
    peak: Floats
    first_ns: Ints
    last_ns: Ints
    bins: Ints


@dataclass(slots=True)
class Survey:
    """First look at a score table: series names by code, and a tally for each detector."""

    series: list[str]
    tallies: dict[str, Tally]

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return sum(int(tally.rows.sum()) for tally in self.tallies.values())

    @property
    def n_judged(self) -> int:
        """Rows with a ratio."""
        return sum(int(tally.judged.sum()) for tally in self.tallies.values())

    def span(self, code: int | None = None) -> tuple[int, int]:
        """First and last time, of one series or of all."""
        rows: Any = slice(None) if code is None else code
        return (
            int(min(np.min(tally.first_ns[rows]) for tally in self.tallies.values())),
            int(max(np.max(tally.last_ns[rows]) for tally in self.tallies.values())),
        )

    def peaks(self) -> Floats:
        """Largest ratio of each series over all detectors (S,), -1 = nothing was judged."""
        whole = [np.nan_to_num(tally.peak, nan=-1.0) for tally in self.tallies.values()]
        return np.max(whole, axis=0) if whole else np.empty(0)


def survey(path: Path) -> Survey:
    """What a ``scores.parquet`` holds.

    Raises
    ------
    ConfigError
        If there is no such file.
    StateError
        If it cannot be read.

    Notes
    -----
    Memory: one row group, and six numbers a series and detector.
    """
    names = _Names()
    tallies: dict[str, Tally] = {}
    for detector, codes, times, columns in _parts(path, names, ("ratio",)):
        tally = tallies[detector] = _grown(tallies.get(detector), len(names.names))
        size = len(tally.rows)
        ratio = columns[:, 0]
        known = ~np.isnan(ratio)
        tally.rows += np.bincount(codes, minlength=size)
        tally.judged += np.bincount(codes[known], minlength=size)
        np.fmax.at(tally.peak, codes, ratio)
        np.minimum.at(tally.first_ns, codes, times)
        np.maximum.at(tally.last_ns, codes, times)
        place = np.searchsorted(RATIO_EDGES, ratio[known], side="right")
        tally.bins += np.bincount(place, minlength=len(tally.bins))
    return Survey(
        names.names, {name: _grown(tally, len(names.names)) for name, tally in tallies.items()}
    )


def read_traces(path: Path, traces: Mapping[tuple[str, str], Trace]) -> None:
    """Fill the traces, by series and detector, with the causal and the final ratio.

    Both are in units of the line that the row was judged against, whichever of the two drove it.
    """
    names = _Names()
    for detector, codes, times, columns in _parts(
        path, names, ("score", "score_final", "threshold")
    ):
        for code in np.unique(codes):
            trace = traces.get((names.names[code], detector))
            if trace is not None:
                rows = codes == code
                line = columns[rows, 2]
                causal = alarm_ratio(columns[rows, 0], line)
                final = alarm_ratio(columns[rows, 1], line)
                trace.add(times[rows], np.stack([causal, final], axis=1))


class _Names:
    """Codes of names in order of appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._code_of: dict[str, int] = {}

    def codes(self, names: Sequence[str]) -> Codes:
        for name in names:
            if name not in self._code_of:
                self._code_of[name] = len(self.names)
                self.names.append(name)
        return np.array([self._code_of[name] for name in names], np.int32)


def _parts(
    path: Path, names: _Names, wanted: Sequence[str]
) -> Iterator[tuple[str, Codes, Ints, Floats]]:
    """Detector, series codes, times and the wanted columns, piece by piece."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        raise ConfigError(
            f"{path.parent} should hold a finished run with {path.name}, which is not there: give "
            "the folder that `streamad backtest --out` wrote, or let an unfinished run go on first"
        )
    try:
        with pq.ParquetFile(path, read_dictionary=["series", "detector"]) as file:
            for batch in _batches(file, ["series", "time", "detector", *wanted]):
                codes, series = _coded(batch["series"])
                codes = names.codes(series)[codes]
                detectors, detector_names = _coded(batch["detector"])
                times = _nanoseconds(batch["time"])
                values = np.stack([_floats(batch[name]) for name in wanted], axis=1)
                for code in np.unique(detectors):
                    rows = detectors == code
                    yield detector_names[code], codes[rows], times[rows], values[rows]
    except (pa.ArrowException, OSError) as error:
        raise StateError(
            f"{path} should be the score table of a run, but cannot be read ({error}): run the "
            "backtest again with --overwrite"
        ) from error


def _batches(file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Record batches by row group; asked for all of them, the reader would keep what it read."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns)


def _coded(column: pa.Array) -> tuple[Codes, list[str]]:
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, [str(name) for name in column.dictionary.to_pylist()]


def _nanoseconds(column: pa.Array) -> Ints:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ns", column.type.tz))
    times: Ints = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times


def _floats(column: pa.Array) -> Floats:
    values: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _grown(tally: Tally | None, size: int) -> Tally:
    """The tally with room for so many series."""
    if tally is None:
        tally = Tally(
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros(0),
            np.zeros(0, np.int64),
            np.zeros(0, np.int64),
            np.zeros(len(RATIO_EDGES) + 1, np.int64),
        )
    more = size - len(tally.rows)
    if more <= 0:
        return tally
    limits = np.iinfo(np.int64)
    return Tally(
        np.append(tally.rows, np.zeros(more, np.int64)),
        np.append(tally.judged, np.zeros(more, np.int64)),
        np.append(tally.peak, np.full(more, np.nan)),
        np.append(tally.first_ns, np.full(more, limits.max)),
        np.append(tally.last_ns, np.full(more, limits.min)),
        tally.bins,
    )
