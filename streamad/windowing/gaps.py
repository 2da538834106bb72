"""Gaps of series with a declared period."""

from __future__ import annotations

import numpy as np

from streamad.core.data import Codes, Floats, Ints, Rows


def fill_gaps(rows: Rows, fills: Codes, before: Ints, period_ns: int, held: Floats) -> Rows:
    """The rows with those that are missing before them.

    Parameters
    ----------
    rows : Rows
    fills : int32 (n,)
        Rows missing before each.
    before : int64 (n,)
        Time of the series' row before, nanoseconds; read where ``fills`` is not 0.
    period_ns : int
        Distance of the inserted rows.
    held : float64 (slots, C) or (0, C)
        Latest known values, put into inserted rows and updated; no rows = NaN is put in.

    Returns
    -------
    Rows
        Owned arrays; ``filled`` is True where a row was inserted.
    """
    from streamad.kernels.ordering import fill_pass

    n = len(rows) + int(fills.sum())
    out = Rows(
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        np.empty((n, rows.values.shape[1])),
        np.empty(n, np.bool_),
        np.empty(n, np.bool_),
    )
    fill_pass(
        rows.slots,
        rows.times,
        rows.values,
        rows.fresh,
        fills,
        before,
        period_ns,
        held,
        out.slots,
        out.times,
        out.values,
        out.filled,
        out.fresh,
    )
    return out
