"""Which partitions are ours, told in the order in which they may be acted upon."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kafka import TopicPartition

from streamad.core.protocols import Assigned, Lost, Revoked, SourceEvent
from streamad_connectors.kafka.group import Change, Group
from streamad_connectors.kafka.positions import names_of

if TYPE_CHECKING:
    from streamad_connectors.kafka.confluent_group import ConfluentGroup

log = logging.getLogger(__name__)


class Ownership:
    """Turns the changes of a group into events.

    Parameters
    ----------
    group : Group or ConfluentGroup
    forget : callable
        Called with the partitions that are gone.

    Attributes
    ----------
    events : list of SourceEvent
        Not yet taken by the engine.
    held : set of TopicPartition
        Ours.
    leaving : set of TopicPartition
        Announced as revoked, and still ours until the next join.
    """

    def __init__(
        self,
        group: Group | ConfluentGroup,
        forget: Callable[[Iterable[TopicPartition]], None],
    ) -> None:
        self._group = group
        self._forget = forget
        self.events: list[SourceEvent] = []
        self.held: set[TopicPartition] = set()
        self.leaving: set[TopicPartition] = set()

    def take_events(self) -> list[SourceEvent]:
        """The events since the last call."""
        found, self.events = self.events, []
        return found

    def announce(self) -> bool:
        """Tell what the next join would take away; True if there is something to hear first."""
        if self._group.generation < 0:
            self._take_away(self.held, lost=True)
        elif self._group.eager:
            self._take_away(self.held, lost=False)
        if not self.events:
            self.leaving.clear()
        return bool(self.events)

    def follow(self) -> None:
        """Take the changes that the group saw."""
        for change in self._group.changes():
            if change.kind == "assigned":
                self.held.update(change.partitions)
                self.events.append(Assigned(names_of(change.partitions)))
            else:
                gone = self.held.intersection(change.partitions)
                self._take_away(gone, lost=self._is_late(change))

    def _is_late(self, change: Change) -> bool:
        """Whether the partitions may have another owner by now.

        A cooperative group gives them to others at the next join only; an eager group is told of
        by :meth:`announce`, so what comes here has slipped through.
        """
        return (
            change.kind == "lost"
            or self._group.eager
            or change.generation != self._group.generation
        )

    def _take_away(self, partitions: Iterable[TopicPartition], *, lost: bool) -> None:
        gone = tuple(sorted(partitions))
        if not gone:
            return
        self.held.difference_update(gone)
        self._forget(gone)
        names = names_of(gone)
        if lost:
            log.warning("lost the partitions %s to other members", ", ".join(names))
            self.events.append(Lost(names))
        else:
            self.leaving.update(gone)
            self.events.append(Revoked(names))
