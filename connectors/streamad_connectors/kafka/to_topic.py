"""What deliveries into a topic do before they begin: they look whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streamad_connectors.delivery import Delivery

if TYPE_CHECKING:
    from streamad_connectors.kafka.sender import Sender


class ToTopic(Delivery):
    """A delivery whose link is a :class:`.sender.Sender`."""

    _sender: Sender

    def check(self) -> None:
        """Return if the topic is there; errors as of :meth:`.Sender.check`."""
        self._sender.check()

    def open(self, partition: str, position: Mapping[str, Any] | None) -> None:
        """Begin to send, if the topic is there or the broker is away; the spool comes first."""
        self._sender.check_first()
        super().open(partition, position)
