"""The embedded broker stands in where Apache Kafka cannot run."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from reference.broker import Broker

from streamad.cli.embedded_broker import TansuBroker as Embedded


class TansuBroker(Broker):
    """One broker on loopback; what it holds dies with it, so it cannot be started again.

    It has no security, shows aborted records to readers of committed ones, and lets every member
    that joins a group wait for 3 seconds.
    """

    # It tells too early an end of a log after batches that came close upon each other.
    producing: Mapping[str, Any] = {"max_in_flight_requests_per_connection": 1}

    def __init__(self) -> None:
        super().__init__()
        self._embedded = Embedded()

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return self._embedded.bootstrap

    def start(self) -> TansuBroker:
        """Start the broker, empty, and return once it answers."""
        self.stop(signal.SIGKILL)
        self.process = self._embedded.start().process
        self.admin.list_topics()
        return self

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the broker, and all that it holds."""
        self._drop_clients()
        self._embedded.stop(signal.Signals(number))
        self.process = None
