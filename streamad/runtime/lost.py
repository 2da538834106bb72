"""Whether a partition that has no snapshot was read before."""

from __future__ import annotations

from streamad.core.data import Checkpoint
from streamad.core.errors import StateLost
from streamad.core.protocols import Source

WAYS_OUT = (
    "restore the state folder from a copy, or set state.on_lost: rebuild reads again all rows that "
    "there still are, fresh begins where the source says"
)


def demand_known(source: Source, partition: str, checkpoint: Checkpoint | None) -> None:
    """Return if there is a snapshot, or nothing to know of.

    Parameters
    ----------
    source : Source
        Asked where the partition was committed, if it can tell.
    partition : str
    checkpoint : Checkpoint or None

    Raises
    ------
    StateLost
        If rows were committed, and there is no snapshot.
    """
    committed = getattr(source, "committed_offset", None)
    if checkpoint is None and committed is not None:
        offset = committed(partition)
        if offset is not None:
            raise StateLost(
                f"partition {partition!r} was read up to offset {offset} by its group, and there "
                "is no snapshot of it",
                offset,
            )
