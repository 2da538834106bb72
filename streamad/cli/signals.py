"""Signals of a process that runs on: drain, leave, tell, read the configuration again."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
        Called at SIGHUP, on a thread of its own.
    on_usr1 : callable
        At SIGUSR1 its text follows the stacks of all threads on standard error.

    Notes
    -----
    ``faulthandler`` is not asked for the stacks: it reads the frames of threads that run meanwhile,
    and has ended the process that it was to explain.
    """

    def tell() -> None:
        os.write(2, f"{stacks()}\n{on_usr1()}\n".encode("utf-8", "backslashreplace"))

    with drain_on_signal(timeout_s, {signal.SIGUSR1: tell, signal.SIGHUP: on_hup}) as stop:
        yield stop


def stacks() -> str:
    """What every thread is doing, the calling one left out."""
    frames = sys._current_frames()  # noqa: SLF001  (documented, for just this)
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    own = threading.get_ident()
    return "\n".join(
        f"Thread {names.get(ident, ident)} (most recent call last):\n"
        + "".join(traceback.format_stack(frame)).rstrip()
        for ident, frame in frames.items()
        if ident != own
    )
