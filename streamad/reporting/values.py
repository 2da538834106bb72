"""The raw values behind the scores: a second pass over the source of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Batch, Ints
from streamad.reporting.columns import Trace


@dataclass(slots=True)
class Values:
    """What came, as far as it is drawn.

    Attributes
    ----------
    channels : tuple of str
    traces : dict of str to Trace
        Of the wanted series, one column a wanted channel.
    drawn : dict of str to list of int
        Positions in ``channels`` of the columns of each trace.
    n_rows : int
    missing : int64 (C,)
        Rows without a value, by channel, over all series.
    """

    channels: tuple[str, ...]
    traces: dict[str, Trace]
    drawn: dict[str, list[int]]
    n_rows: int
    missing: Ints


def read_values(
    batches: Iterable[Batch],
    edges: Mapping[str, Ints],
    blamed: Mapping[str, Sequence[str]],
    max_channels: int,
    limit: int,
) -> Values | None:
    """Go through all batches once; None where there are none.

    Parameters
    ----------
    batches : iterable of Batch
    edges : mapping of str to int64 (K + 1,)
        Buckets of each series that is wanted.
    blamed : mapping of str to sequence of str
        Channels of a series to draw first; the others follow in their own order.
    max_channels : int
        Channels drawn per series.
    limit : int
        Rows of a series that are kept as they are.

    Notes
    -----
    Memory: the traces and one batch.
    """
    values: Values | None = None
    for batch in batches:
        channels = batch.schema.channels
        if values is None:
            values = Values(channels, {}, {}, 0, np.zeros(len(channels), np.int64))
        values.n_rows += len(batch)
        values.missing += np.isnan(batch.values).sum(axis=0)
        for code in np.unique(batch.codes):
            name = batch.schema.series[code]
            if name not in edges:
                continue
            if name not in values.traces:
                drawn = _drawn(channels, blamed.get(name, ()), max_channels)
                values.drawn[name] = drawn
                values.traces[name] = Trace(len(drawn), edges[name], limit)
            rows = batch.codes == code
            columns = batch.values[rows][:, values.drawn[name]]
            values.traces[name].add(batch.times[rows], columns)
    return values


def _drawn(channels: Sequence[str], blamed: Sequence[str], max_channels: int) -> list[int]:
    """Positions of the channels to draw, in the order of the channels."""
    known = [channels.index(name) for name in blamed if name in channels]
    order = list(dict.fromkeys([*known, *range(len(channels))]))
    return sorted(order[:max_channels])
