"""Signals of a process that runs on: drain, leave, tell, read the configuration again."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
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

    Notes
    -----
    Stacks are taken by a thread that the interpreter wakes, so also while the main thread waits
    for something. ``faulthandler`` would need no such thread, but it reads the frames of threads
    that run meanwhile, and has ended the process that it was to explain.
    """

    def read_again(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=on_hup, name="streamad-reload", daemon=True).start()

    def tell() -> None:
        os.write(2, f"{stacks()}\n{on_usr1()}\n".encode("utf-8", "backslashreplace"))

    with drain_on_signal(timeout_s) as stop, _called_at(signal.SIGUSR1, tell):
        before = signal.signal(signal.SIGHUP, read_again)
        try:
            yield stop
        finally:
            signal.signal(signal.SIGHUP, before)


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


@contextmanager
def _called_at(number: signal.Signals, tell: Callable[[], None]) -> Iterator[None]:
    """Call something on a thread whenever a signal comes, whatever the main thread is doing."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def listen() -> None:
        while came := receiver.recv(1):
            if came[0] == number:
                tell()

    listener = threading.Thread(target=listen, name="streamad-signals", daemon=True)
    handler = signal.signal(number, lambda *_: None)
    wakes = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakes)
        signal.signal(number, handler)
        sender.close()
        listener.join(1.0)
        receiver.close()
