"""Which alerts Alertmanager has to hear of, again and again: pure, time is an argument."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamad.core.event import iso_time
from streamad_connectors.prometheus_alert import annotations_of, labels_of

ROUNDS_ALIVE = 4
"""An alert that is not sent again lives so many rounds: two lost rounds do not resolve it."""
RESOLVED_S = 15 * 60.0
"""So long a resolved alert is sent again."""

_KEPT = ("alert_id", "labels", "annotations", "starts_at", "announced", "resolved_s")


@dataclass(slots=True, eq=False)
class Standing:
    """One label set as Alertmanager should know it.

    Attributes
    ----------
    alert_id : str
    labels, annotations : dict of str to str
    starts_at : str
    announced : bool
        True once Alertmanager took it as firing. Before that it is not sent as resolved: nobody
        would ever be told of it.
    resolved_s : float or None
        When it ended, in seconds since 1970.
    fresh : bool
        True while Alertmanager does not know it as it is.
    version : int
        Counts the changes.
    sent_s, until_s : float
        When it was sent last, and after which time no more; monotonic seconds.
    """

    alert_id: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    announced: bool = False
    resolved_s: float | None = None
    fresh: bool = True
    version: int = 0
    sent_s: float = float("-inf")
    until_s: float = float("inf")

    def change(self) -> None:
        """Something about it is new."""
        self.version += 1
        self.fresh = True
        self.until_s = float("inf")


@dataclass(frozen=True, slots=True)
class Message:
    """A label set on its way.

    Attributes
    ----------
    partition : str
    standing : Standing
    version : int
        Of the standing, when the message was made.
    firing : bool
    body : dict
        A postable alert of the API.
    """

    partition: str
    standing: Standing
    version: int
    firing: bool
    body: dict[str, Any]


class AlertStates:
    """Label sets of all partitions.

    Parameters
    ----------
    resend_s : float
        Seconds between two rounds.
    generator_url : str or None
        Link back; ``{id}`` stands for the id of the alert.

    Notes
    -----
    Severity is a label, and another label set is another alert for Alertmanager: when an episode
    becomes more severe, its old label set ends in the message in which the new one begins, and when
    it ends, all of them end. An episode that opens and ends between two rounds is sent as firing
    first and as resolved one round later. Thread rule: the caller locks.
    """

    def __init__(self, resend_s: float, generator_url: str | None = None) -> None:
        self._resend_s = resend_s
        self._generator_url = generator_url
        self._of: dict[str, dict[tuple[tuple[str, str], ...], Standing]] = {}

    def take(self, partition: str, document: Mapping[str, Any], wall_s: float) -> None:
        """An event of an episode, at this many seconds since 1970."""
        own = self._of.setdefault(partition, {})
        labels, alert_id = labels_of(document), document["id"]
        key, ended = tuple(labels.items()), document["event"] == "resolve"
        for other_key, other in own.items():
            if other.alert_id == alert_id and other_key != key:
                if other.resolved_s is None:
                    other.announced, other.resolved_s = True, wall_s
                    other.change()
                elif ended:
                    other.change()
        now = own.get(key)
        if now is None or now.alert_id != alert_id:
            now = own[key] = Standing(alert_id, labels, {}, document["start"])
        now.annotations = annotations_of(document)
        now.resolved_s = wall_s if ended else None
        now.change()

    def restore(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Go on with what a checkpoint holds; everything is sent at once."""
        entries = position["alerts"] if position else []
        self._of[partition] = {
            tuple(sorted(entry["labels"].items())): Standing(**entry) for entry in entries
        }

    def position(self, partition: str) -> dict[str, Any]:
        """For a checkpoint."""
        standing = self._of.get(partition, {}).values()
        return {"alerts": [{name: getattr(entry, name) for name in _KEPT} for entry in standing]}

    def forget(self, partition: str) -> None:
        """Somebody else sends them now."""
        self._of.pop(partition, None)

    def n_fresh(self, partition: str | None = None) -> int:
        """Label sets that Alertmanager does not know as they are; of one partition, or of all."""
        chosen = self._of.values() if partition is None else [self._of.get(partition, {})]
        return sum(entry.fresh for own in chosen for entry in own.values())

    def due(self, wall_s: float, steady_s: float) -> list[Message]:
        """What has to be sent now, label sets of one episode side by side."""
        messages: list[Message] = []
        for partition, own in self._of.items():
            for key in [key for key, entry in own.items() if entry.until_s <= steady_s]:
                del own[key]
            messages += [
                self._message(partition, entry, wall_s)
                for entry in own.values()
                if entry.fresh or entry.sent_s + self._resend_s <= steady_s
            ]
        return sorted(messages, key=_episode)

    def sent(self, messages: Iterable[Message], steady_s: float) -> None:
        """Alertmanager took these."""
        for message in messages:
            entry = message.standing
            entry.sent_s = steady_s
            entry.announced = entry.announced or message.firing
            if entry.version == message.version:
                entry.fresh = False
                if not message.firing:
                    entry.until_s = min(entry.until_s, steady_s + RESOLVED_S)

    def remove(self, messages: Iterable[Message]) -> None:
        """Alertmanager will never take these."""
        for message in messages:
            own = self._of.get(message.partition, {})
            for key in [key for key, entry in own.items() if entry is message.standing]:
                del own[key]

    def _message(self, partition: str, entry: Standing, wall_s: float) -> Message:
        firing = entry.resolved_s is None or not entry.announced
        ends_s = wall_s + ROUNDS_ALIVE * self._resend_s if firing else entry.resolved_s or wall_s
        body = {
            "labels": entry.labels,
            "annotations": entry.annotations,
            "startsAt": entry.starts_at,
            "endsAt": max(iso_time(int(ends_s * 1e3) * 1_000_000), entry.starts_at, key=_digits),
        }
        if self._generator_url is not None:
            body["generatorURL"] = self._generator_url.replace("{id}", entry.alert_id)
        return Message(partition, entry, entry.version, firing, body)


def batches(messages: Iterable[Message], longest: int) -> Iterator[list[Message]]:
    """Messages in lists of at most this length, an episode undivided."""
    batch: list[Message] = []
    for _, group in itertools.groupby(messages, key=_episode):
        episode = list(group)
        if batch and len(batch) + len(episode) > longest:
            yield batch
            batch = []
        batch += episode
    if batch:
        yield batch


def _digits(time: str) -> str:
    """A time of ``iso_time``, so that texts stand in the order of the times."""
    return time[:-1].ljust(29, "0")


def _episode(message: Message) -> tuple[str, str]:
    return message.partition, message.standing.alert_id
