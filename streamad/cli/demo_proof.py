"""Whether a run that was killed gave the alerts of one that was not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamad.core.errors import StateError

Event = Mapping[str, Any]

END_OF_STREAM = "end_of_stream"
"""Reason of events that only the end of a file brings: a topic has none."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Two sets of alert events, compared by id, seq and payload.

    Attributes
    ----------
    n_alerts, n_events : int
        Of the run in one piece.
    lost : int
        Events that it has and the other one has not.
    duplicated : int
        How often an event came that had come before.
    changed : int
        Events with the id and seq that they should have, and another payload.
    foreign : int
        Events with an id and seq that the run in one piece does not have.
    """

    n_alerts: int
    n_events: int
    lost: int
    duplicated: int
    changed: int
    foreign: int

    @property
    def holds(self) -> bool:
        """True if both are the same, and there was something to compare."""
        wrong = self.lost + self.duplicated + self.changed + self.foreign
        return wrong == 0 and self.n_events > 0


def compare(expected: Iterable[Event], got: Iterable[Event]) -> Proof:
    """Compare the events of a run with those of a run in one piece.

    Parameters
    ----------
    expected : iterable of mapping
        Alert documents of the run in one piece; those of the end of its file are left out.
    got : iterable of mapping
        Every document that the other run left, in any order.

    Returns
    -------
    Proof
    """
    wanted = {_name(event): _payload(event) for event in expected if not _ends(event)}
    times: Counter[tuple[str, int]] = Counter()
    changed: set[tuple[str, int]] = set()
    for event in got:
        name = _name(event)
        times[name] += 1
        if name in wanted and wanted[name] != _payload(event):
            changed.add(name)
    return Proof(
        n_alerts=len({name[0] for name in wanted}),
        n_events=len(wanted),
        lost=len(wanted.keys() - times.keys()),
        duplicated=times.total() - len(times),
        changed=len(changed),
        foreign=len(times.keys() - wanted.keys()),
    )


def read_events(path: Path) -> list[dict[str, Any]]:
    """All alert documents of a file that nobody writes to any more; none if it is not there.

    Raises
    ------
    StateError
        If a line is torn.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_bytes().splitlines()]
    except ValueError as error:
        raise StateError(f"{path} holds a line that is no JSON document: {error}") from error


def _name(event: Event) -> tuple[str, int]:
    return event["id"], event["seq"]


def _payload(event: Event) -> str:
    return json.dumps(event, sort_keys=True)


def _ends(event: Event) -> bool:
    return bool(event["reason"] == END_OF_STREAM)
