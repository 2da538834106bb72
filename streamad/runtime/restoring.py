"""Where a partition goes on: behind its newest snapshot, or from where there is none."""

from __future__ import annotations

from typing import Literal

from streamad.core.data import Checkpoint
from streamad.core.errors import StateError, StateLost
from streamad.core.protocols import Source, StateStore
from streamad.runtime.outputs import Outputs

_WAYS_OUT = (
    "restore the state folder from a copy, or set state.on_lost: rebuild reads again all rows that "
    "there still are, fresh begins where the source says"
)


class Restorer:
    """Finds snapshots, and leads the source to a beginning where there are none.

    Parameters
    ----------
    source : Source
        Asked where a partition was committed (``committed_offset``) and led (``recall``,
        ``begin``), as far as it has these methods.
    outputs : Outputs
    store : StateStore or None
    on_lost : {"stop", "rebuild", "fresh"}
        What to do about a partition that was read before and has no snapshot.
    """

    def __init__(
        self,
        source: Source,
        outputs: Outputs,
        store: StateStore | None,
        on_lost: Literal["stop", "rebuild", "fresh"],
    ) -> None:
        self._source = source
        self._outputs = outputs
        self._store = store
        self._on_lost = on_lost

    def load(self, name: str) -> tuple[Checkpoint | None, StateLost | None]:
        """The newest snapshot whose output is visible, or why there is none of rows that were read.

        Raises
        ------
        StateLost
            If that is to stop the run.
        StateError
            If snapshots cannot be used.
        """
        try:
            checkpoint = self._newest(name)
            if checkpoint is None and self._store is not None:
                self._refuse_silence(name)
        except StateLost as lost:
            if self._on_lost == "stop":
                raise StateLost(f"{lost}: {_WAYS_OUT}", lost.read_up_to) from lost
            return None, lost
        return checkpoint, None

    def recall(self, checkpoint: Checkpoint) -> None:
        """Lead a source whose identity grows back to what it was."""
        recall = getattr(self._source, "recall", None)
        if recall is not None:
            recall(checkpoint.meta["source"])

    def begin(self, name: str, lost: StateLost | None) -> None:
        """There is no state: start where the source says, or at its first row."""
        begin = getattr(self._source, "begin", None)
        if begin is None:
            self._source.seek(name, 0)
        elif lost is not None and self._on_lost == "rebuild":
            begin(name, first=True)
        else:
            begin(name)

    def _newest(self, name: str) -> Checkpoint | None:
        if self._store is None:
            return None
        newest = self._store.load(name)
        if newest is None or not self._outputs.commits:
            return newest
        committed = self._outputs.committed(name)
        limit = newest.meta["begin"] if committed is None else committed
        found = self._store.load(name, limit)
        if found is None:
            raise StateError(
                f"partition {name!r}: output is visible up to offset {limit}, but all snapshots "
                f"are newer (the newest at {newest.next_offset}): restore an older one, or start "
                "with an empty state folder and another group"
            )
        return found

    def _refuse_silence(self, name: str) -> None:
        """Rows that were committed left a snapshot: it is gone."""
        committed = getattr(self._source, "committed_offset", None)
        offset = None if committed is None else committed(name)
        if offset is not None:
            raise StateLost(
                f"partition {name!r} was read up to offset {offset} by its group, and there is no "
                "snapshot of it",
                offset,
            )
