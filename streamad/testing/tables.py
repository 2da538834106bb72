"""Rows of several series as named columns, and the comparison that says where two runs part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamad.core.data import Arrays, Codes


@dataclass(frozen=True, slots=True)
class Table:
    """What a stage is fed with, or what it answered, in order.

    Attributes
    ----------
    codes : int32 (n,)
        Series of each row.
    columns : mapping of str to ndarray (n, ...)
    """

    codes: Codes
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    def take(self, rows: slice | NDArray[Any]) -> Table:
        """The rows at these positions (views where ``rows`` is a slice)."""
        return Table(self.codes[rows], {name: a[rows] for name, a in self.columns.items()})

    def of(self, code: int) -> Table:
        """The rows of one series, under code 0."""
        rows = np.flatnonzero(self.codes == code)
        return self.take(rows).placed(np.zeros(code + 1, np.int32))

    def placed(self, slots: Codes) -> Table:
        """The same rows with ``slots[code]`` in place of each code."""
        return Table(slots[self.codes], self.columns)

    def copy(self) -> Table:
        """The same rows in arrays of their own."""
        return Table(self.codes.copy(), {name: a.copy() for name, a in self.columns.items()})

    def arrays(self) -> list[NDArray[Any]]:
        """All arrays, codes first."""
        return [self.codes, *self.columns.values()]


Outcome = Mapping[str, Table]
"""All that a run gave, by kind of output."""


def join(tables: Sequence[Table]) -> Table:
    """The rows of all tables, one after the other."""
    filled = [table for table in tables if len(table)]
    if not filled:
        return tables[0] if tables else Table(np.empty(0, np.int32), {})
    return Table(
        np.concatenate([table.codes for table in filled]),
        {name: np.concatenate([t[name] for t in filled]) for name in filled[0].columns},
    )


def same(expected: Outcome, actual: Outcome, claim: str) -> None:
    """Demand that two runs gave the same, bit for bit (any NaN equals any NaN).

    Raises
    ------
    AssertionError
        With the claim and the first difference.
    """
    for kind in sorted({*expected, *actual}):
        here, there = expected.get(kind), actual.get(kind)
        n, m = (0 if table is None else len(table) for table in (here, there))
        assert n == m, f"{claim}: {n} rows of {kind!r} became {m}"
        if here is None or there is None or n == 0:
            continue
        assert here.columns.keys() == there.columns.keys(), (
            f"{claim}: the columns {sorted(here.columns)} of {kind!r} became "
            f"{sorted(there.columns)}"
        )
        _same_array(here.codes, there.codes, f"{claim}: series of {kind!r}")
        for name, array in here.columns.items():
            _same_array(array, there[name], f"{claim}: {name!r} of {kind!r}")


def same_arrays(expected: Arrays, actual: Arrays, claim: str) -> None:
    """Demand that two snapshots are equal, bit for bit.

    Raises
    ------
    AssertionError
        With the claim and the first difference.
    """
    assert expected.keys() == actual.keys(), (
        f"{claim}: the arrays {sorted(expected)} became {sorted(actual)}"
    )
    for name, array in expected.items():
        _same_array(array, actual[name], f"{claim}: state {name!r}")


def scribble(arrays: Sequence[NDArray[Any]]) -> None:
    """Overwrite every array that can be written."""
    for array in arrays:
        if array.flags.writeable and array.dtype.kind in "biuf":
            array[...] = 77


def n_bytes(arrays: Arrays) -> int:
    """Size of a snapshot."""
    return sum(array.nbytes for array in arrays.values())


def _same_array(expected: NDArray[Any], actual: NDArray[Any], what: str) -> None:
    assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape), (
        f"{what}: {expected.dtype} {expected.shape} became {actual.dtype} {actual.shape}"
    )
    differs = expected != actual
    if expected.dtype.kind == "f":
        both_nan = np.isnan(expected) & np.isnan(actual)
        differs = (differs | (np.signbit(expected) != np.signbit(actual))) & ~both_nan
    if np.any(differs):
        at = tuple(int(i) for i in np.argwhere(differs)[0])
        raise AssertionError(
            f"{what}: {np.count_nonzero(differs)} of {differs.size} values differ, the first at "
            f"{at}: {expected[at]!r} became {actual[at]!r}"
        )
