"""Signals of a process that runs on: drain, leave, tell, read the configuration again."""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from streamad.cli.drain import drain_on_signal


@contextmanager
def live_signals(
    timeout_s: float, on_hup: Callable[[], None], on_usr1: Callable[[], str]
) -> Iterator[threading.Event]:
    """An event that the first SIGTERM or SIGINT sets, see :func:`.drain_on_signal`.

    Parameters
    ----------
    timeout_s : float
        Time to drain.
    on_hup : callable
        Called at SIGHUP, on a thread of its own: a handler must not wait for a lock.
    on_usr1 : callable
        At SIGUSR1 its text follows the stacks of all threads on standard error.
    """

    def read_again(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=on_hup, name="streamad-reload", daemon=True).start()

    def tell(_number: int, _frame: FrameType | None) -> None:
        os.write(2, f"{on_usr1()}\n".encode())

    with drain_on_signal(timeout_s) as stop:
        before = {
            number: signal.signal(number, handler)
            for number, handler in ((signal.SIGHUP, read_again), (signal.SIGUSR1, tell))
        }
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True, chain=True)
        try:
            yield stop
        finally:
            faulthandler.unregister(signal.SIGUSR1)
            for number, handler in before.items():
                signal.signal(number, handler)
