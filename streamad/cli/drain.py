"""Signals: the first one drains, a second one ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from streamad.cli.exits import DRAIN_TIMED_OUT, SIGNALLED

_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def drain_on_signal(timeout_s: float) -> Iterator[threading.Event]:
    """An event that the first SIGTERM or SIGINT sets.

    Parameters
    ----------
    timeout_s : float
        Time to drain after that; then the process ends with exit code 6. A second signal ends it
        with 128 + its number. Neither writes anything: the next run starts at the last snapshot.
    """
    stop = threading.Event()
    deadline = threading.Timer(timeout_s, _leave, [DRAIN_TIMED_OUT, "the time to drain is over"])
    deadline.daemon = True

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            _leave(SIGNALLED + number, "left at once, nothing was written")
        stop.set()
        deadline.start()
        _say("stopping after this batch; a second signal leaves at once")

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        deadline.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(code: int, why: str) -> None:
    _say(why + (_SHOW_CURSOR if sys.stderr.isatty() else ""))
    os._exit(code)


def _say(text: str) -> None:
    """Write past the buffers, which a handler must not enter twice."""
    os.write(2, f"{text}\n".encode())
