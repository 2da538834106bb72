"""Where a partition goes on: behind its newest snapshot, or from where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from streamad.core.data import Checkpoint
from streamad.core.errors import Disconnected, StateError, StateLost
from streamad.core.protocols import Source, StateStore
from streamad.runtime.outputs import Outputs

_WAYS_OUT = (
    "restore the state folder from a copy, or set state.on_lost: rebuild reads again all rows that "
    "there still are, fresh goes on there without a state"
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
        self._due: list[str] = []
        self._visible: dict[str, int | None] = {}

    def expect(self, names: Iterable[str]) -> None:
        """These come together: they are asked for at once, and one that stops tells of the rest."""
        self._due = list(names)
        self._visible = {}

    def load(self, name: str) -> tuple[Checkpoint | None, StateLost | None]:
        """The newest snapshot whose output is visible, or why there is none of rows that were read.

        Raises
        ------
        StateLost
            If that is to stop the run.
        StateError
            If snapshots cannot be used.
        Disconnected
            If nobody can tell now what was read or is visible: ask again.
        """
        found, missed = None, None
        try:
            found = self._find(name)
        except StateLost as lost:
            if self._on_lost == "stop":
                told = "; ".join([str(lost), *self._others(name)])
                raise StateLost(f"{told}: {_WAYS_OUT}", lost.read_up_to) from lost
            missed = lost
        if name in self._due:
            self._due.remove(name)
        self._visible.pop(name, None)  # from now on we commit: another load has to ask anew
        return found, missed

    def recall(self, checkpoint: Checkpoint) -> None:
        """Lead a source whose identity grows back to what it was."""
        recall = getattr(self._source, "recall", None)
        if recall is not None:
            recall(checkpoint.meta["source"])

    def begin(self, name: str, lost: StateLost | None) -> int | None:
        """There is no state: start where the source says, at its first row, or where it was read.

        Returns
        -------
        int or None
            Where that is, if it is known before the first rows.

        Notes
        -----
        A source that has to recall where it was cannot be led there without a snapshot: it starts
        at its first row.
        """
        if lost is not None and self._on_lost == "fresh" and not hasattr(self._source, "recall"):
            self._source.seek(name, lost.read_up_to)
            return lost.read_up_to
        begin = getattr(self._source, "begin", None)
        if begin is None:
            self._source.seek(name, 0)
        elif lost is not None:
            begin(name, first=True)
        else:
            begin(name)
        return None

    def _find(self, name: str) -> Checkpoint | None:
        checkpoint = self._newest(name)
        if checkpoint is None and self._store is not None:
            self._refuse_silence(name)
        return checkpoint

    def _others(self, name: str) -> list[str]:
        """What else is lost of what came with this partition, as far as one can tell at once."""
        told = []
        for other in self._due:
            if other != name:
                try:
                    self._find(other)
                except StateLost as lost:
                    told.append(str(lost))
                except StateError:
                    continue
                except Disconnected:
                    break
        return told

    def _newest(self, name: str) -> Checkpoint | None:
        if self._store is None:
            return None
        newest = self._store.load(name)
        if newest is None or not self._outputs.commits:
            return newest
        committed = self._committed(name)
        limit = newest.meta["begin"] if committed is None else committed
        found = self._store.load(name, limit)
        if found is None:
            raise StateError(
                f"partition {name!r}: output is visible up to offset {limit}, but all snapshots "
                f"are newer (the newest at {newest.next_offset}): restore an older one, or start "
                "with an empty state folder and another group, which begins files of alerts and "
                "rejects anew"
            )
        return found

    def _committed(self, name: str) -> int | None:
        """Up to where output is visible; one question for all that are not loaded yet."""
        if name not in self._visible:
            names = dict.fromkeys((name, *self._due))
            self._visible.update(self._outputs.committed(tuple(names)))
        return self._visible[name]

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
