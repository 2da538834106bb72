"""A finished source from end to end, without an engine."""

from __future__ import annotations

from collections.abc import Iterator

from streamad.core.data import Batch
from streamad.core.protocols import Source


def read_batches(source: Source, n_rows: int = 65_536) -> Iterator[Batch]:
    """All batches of a source at its start, in order; refused rows are passed over.

    Parameters
    ----------
    source : Source
        One that ends; it is not closed.
    n_rows : int
        Rows polled at once.
    """
    source.events()
    while True:
        found = source.poll(0.0, n_rows)
        refused = source.rejects()
        if not found and not refused and source.exhausted():
            return
        yield from found
