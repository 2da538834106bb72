"""Which errors of the client are waited out, and for how long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from kafka import errors as kafka_errors

from streamad.core.errors import Disconnected
from streamad_connectors.kafka.errors import LOST_RIGHTS, is_passing, said, translate

log = logging.getLogger(__name__)

R = TypeVar("R")

BACK_OFF_S = 0.2
_TELL_EVERY_S = 10.0
_FORGET_S = 30.0
"""Trouble that did not come back for so long is over."""


class Patience:
    """Counts what fails and tells when it is enough.

    Parameters
    ----------
    doing : str
        Beginning of the messages.
    start_s : float
        How long a broker may be away before the first success.
    rights_s : float
        How long rights may be missing after the first success; before it, not at all.
    clock, sleep : callable

    Attributes
    ----------
    n_failures : int
        Failures in all.
    """

    def __init__(
        self,
        doing: str,
        start_s: float,
        rights_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._doing = doing
        self._start_s = start_s
        self._rights_s = rights_s
        self._clock = clock
        self._sleep = sleep
        self._began_at = clock()
        self._running = False
        self._refused_from: float | None = None
        self._refused_at = 0.0
        self._told_at = -_TELL_EVERY_S
        self.n_failures = 0

    def succeeded(self) -> None:
        """From now on a broker that is away is waited for without an end."""
        self._running = True

    def attempt(self, action: Callable[[], R]) -> R | None:
        """What the action gives; None if it failed in a way that may pass, after a short wait.

        Raises
        ------
        ConnectorError, ConfigError
            If it failed in another way, or for too long.
        """
        try:
            return action()
        except kafka_errors.KafkaError as error:
            self.bear(error)
            return None

    def insist(self, action: Callable[[], R], within_s: float) -> R:
        """What the action gives, tried again while it fails in a way that may pass.

        Raises
        ------
        Disconnected
            If it failed for so many seconds; whoever asks again goes on where this ended.
        ConnectorError, ConfigError
            If it failed in another way, or for longer than :meth:`bear` allows.
        """
        deadline = self._clock() + within_s
        while True:
            try:
                return action()
            except kafka_errors.KafkaError as error:
                self.bear(error)
                if self._clock() >= deadline:
                    raise Disconnected(
                        f"{self._doing}: no answer within {within_s:g} s ({said(error)}); the "
                        "broker may be back later"
                    ) from error

    def bear(self, error: Exception) -> None:
        """Wait a moment, or raise.

        Raises
        ------
        ConnectorError, ConfigError
            The error in our words, if it will not pass or has lasted for too long.
        """
        now = self._clock()
        self.n_failures += 1
        if isinstance(error, LOST_RIGHTS):
            enough = not self._running or now - self._refused_since(now) >= self._rights_s
        elif is_passing(error):
            enough = not self._running and now - self._began_at >= self._start_s
        else:
            enough = True
        if enough:
            raise translate(error, self._doing) from error
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            log.warning("%s fails (%s so far): %s", self._doing, self.n_failures, said(error))
        self._sleep(BACK_OFF_S)

    def _refused_since(self, now: float) -> float:
        if self._refused_from is None or now - self._refused_at > _FORGET_S:
            self._refused_from = now
        self._refused_at = now
        return self._refused_from
