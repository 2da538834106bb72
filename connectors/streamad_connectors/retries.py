"""Trying again, with waits that grow: stamina, without its output."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def retrying(
    work: Callable[[], T],
    on: Callable[[Exception], bool | float],
    *,
    timeout_s: float | None,
    longest_wait_s: float,
) -> T:
    """Result of some work, done again while it fails.

    Parameters
    ----------
    work : callable
    on : callable
        Says of an exception whether another attempt is worth while, or after how many seconds.
    timeout_s : float or None
        No new attempt after this; None = for ever.
    longest_wait_s : float
        Waits begin at a tenth of a second and double up to this.

    Raises
    ------
    Exception
        What the last attempt raised.

    Notes
    -----
    stamina reports every attempt through structlog, which writes to standard output unless somebody
    set it up: that is switched off, since standard output belongs to the alerts and the callers log
    what a person has to know.
    """
    from stamina import RetryingCaller
    from stamina.instrumentation import set_on_retry_hooks

    set_on_retry_hooks([])
    shortest = min(0.1, longest_wait_s)
    caller = RetryingCaller(
        attempts=None,
        timeout=timeout_s,
        wait_initial=shortest,
        wait_max=longest_wait_s,
        wait_jitter=shortest,
    )
    return caller(on, work)
