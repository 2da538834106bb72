"""Streams of many series from a short recipe, and their windows in plain numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Batch, Floats, Ints, Schema, WindowSpec
from streamad.testing.tables import Table

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
KINDS = ("sine", "noise", "walk", "levels", "constant", "huge", "denormal")
"""Shapes of a series; the last three break careless arithmetic."""

Cuts = int | tuple[float, ...]
"""Rows a piece, or the places of the cuts as fractions of the stream."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that makes a stream; printed by a failing test, it makes the same one again.

    Attributes
    ----------
    seed : int
    kinds : tuple of str
        One of ``KINDS`` for each series.
    channels : int
    rows : int
        Of all series together.
    missing : float
        Share of values that are NaN.
    spikes : int
        Values that lie far off.
    """

    seed: int = 0
    kinds: tuple[str, ...] = ("sine",)
    channels: int = 1
    rows: int = 100
    missing: float = 0.0
    spikes: int = 0

    @property
    def n_series(self) -> int:
        """Number of series."""
        return len(self.kinds)

    def stream(self) -> Table:
        """Rows in time order: columns ``times`` (int64 ns, increasing) and ``values`` (n, C)."""
        rng = np.random.default_rng(self.seed)
        n = self.rows
        codes = rng.integers(0, self.n_series, n).astype(np.int32)
        times = START_NS + np.cumsum(rng.choice([1, 1, 1, 2], n)) * SECOND_NS
        values = np.empty((n, self.channels))
        for code, kind in enumerate(self.kinds):
            own = codes == code
            values[own] = _series(kind, int(own.sum()), self.channels, rng)
        for _ in range(self.spikes if n else 0):
            row, channel = rng.integers(n), rng.integers(self.channels)
            values[row, channel] = 50.0 * (1.0 + abs(values[row, channel]))
        values[rng.random(values.shape) < self.missing] = np.nan
        return Table(codes, {"times": times.astype(np.int64), "values": values})


def series_name(code: int) -> str:
    """Name of a series of a recipe."""
    return f"series-{code}"


def series_code(name: str) -> int:
    """Code of a series of a recipe."""
    return int(name.removeprefix("series-"))


def channel_names(n: int) -> list[str]:
    """Names of n channels."""
    return [f"channel-{i}" for i in range(n)]


def pieces(n: int, cuts: Cuts) -> Iterator[slice]:
    """Slices that cover n rows in order; some may be empty."""
    if isinstance(cuts, int):
        ends = [*range(cuts, n, cuts), n]
    else:
        ends = [*sorted(int(share * n) for share in cuts), n]
    start = 0
    for end in ends:
        yield slice(start, end)
        start = end


def make_batch(
    schema: Schema, rows: Table, first_offset: int, partition: str = "partition"
) -> Batch:
    """A batch of these rows; its codes are those of the table."""
    return Batch(
        schema,
        rows.codes,
        rows["times"],
        rows["values"],
        partition,
        first_offset + len(rows),
    )


def disordered(stream: Table, seed: int, reach: int, repeats: int = 0) -> Table:
    """The same rows, each at most ``reach`` rows out of place, some of them twice."""
    rng = np.random.default_rng(seed)
    order = np.argsort(np.arange(len(stream)) + rng.uniform(0, reach, len(stream)), kind="stable")
    if len(stream):
        again = rng.integers(0, len(stream), repeats)
        order = np.insert(order, np.sort(again), order[np.sort(again)])
    return stream.take(order)


def windows_of(stream: Table, spec: WindowSpec) -> Table:
    """Windows of a stream as a detector wants them, in the order of their last rows.

    Parameters
    ----------
    stream : Table
        Columns ``times`` and ``values``.
    spec : WindowSpec

    Returns
    -------
    Table
        Columns ``values`` (n, L, C) with NaN before the first row, ``ends`` (n,) and, where the
        windows are scaled, ``center`` and ``scale`` (n, C): mean and standard deviation of the
        rows before the last one, whichever scaling is asked for. A window that misses more than
        half of its values is all NaN.
    """
    n_series = int(stream.codes.max(initial=-1)) + 1
    at: list[Sequence[int]] = []
    parts: list[tuple[Floats, Floats, Floats]] = []
    for code in range(n_series):
        rows = np.flatnonzero(stream.codes == code)
        ends = np.arange(spec.hop - 1, len(rows), spec.hop)
        at.append(rows[ends].tolist())
        parts.append(_windows(stream["values"][rows], spec.length, ends, spec.scaling))
    positions = np.array([row for rows in at for row in rows], np.int64)
    order = np.argsort(positions)
    channels = stream["values"].shape[1]
    empty = (np.empty((0, spec.length, channels)), np.empty((0, channels)), np.empty((0, channels)))
    values, center, scale = (
        np.concatenate(columns)[order] for columns in zip(empty, *parts, strict=True)
    )
    last = positions[order]
    columns = {"values": values, "ends": stream["times"][last]}
    if spec.scaling != "none":
        columns |= {"center": center, "scale": scale}
    return Table(stream.codes[last], columns)


def _windows(
    values: Floats, length: int, ends: Ints, scaling: str
) -> tuple[Floats, Floats, Floats]:
    """Windows of one series with their centers and scales."""
    n, channels = values.shape
    center, scale = _running(values) if scaling != "none" else (np.zeros((n, channels)),) * 2
    padded = np.concatenate((np.full((length - 1, channels), np.nan), values))
    found = padded[ends[:, None] + np.arange(length)]
    if scaling != "none":
        found = (found - center[ends, None]) / scale[ends, None]
    found[np.isnan(found).mean(axis=(1, 2)) > 0.5] = np.nan
    return found, center[ends], scale[ends]


def _running(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the rows before each row."""
    known = ~np.isnan(values)
    plain = np.where(known, values, 0.0)
    count, total, squares = (_sums_before(a) for a in (known, plain, plain * plain))
    n = np.maximum(count, 1)
    mean = total / n
    deviation = np.sqrt(np.maximum(squares / n - mean * mean, 0.0))
    return mean, np.where(deviation > 1e-6 * np.abs(mean) + 1e-12, deviation, 1.0 + np.abs(mean))


def _sums_before(values: NDArray[Any]) -> Floats:
    """Sum of the rows before each row."""
    return np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)[:-1]))


def _series(kind: str, n: int, channels: int, rng: np.random.Generator) -> Floats:
    """Values (n, C) of one series."""
    noise = rng.normal(size=(n, channels))
    if kind == "sine":
        return np.sin(np.arange(n)[:, None] * 0.3 + rng.uniform(0, 6, channels)) + 0.05 * noise
    if kind == "walk":
        return np.cumsum(noise, axis=0)
    if kind == "levels":
        return np.floor(2.0 * noise)
    if kind == "constant":
        return np.full((n, channels), 3.25)
    if kind == "huge":
        return 1e12 * (1.0 + noise)
    if kind == "denormal":
        return np.floor(100.0 * np.abs(noise)) * 5e-324
    return noise
