"""Signals: the first one drains, a second one ends the process at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType

from streamad.cli.exits import DRAIN_TIMED_OUT, SIGNALLED

_SHOW_CURSOR = "\x1b[?25h"
_NOTHING: Mapping[signal.Signals, Callable[[], None]] = MappingProxyType({})


@contextmanager
def drain_on_signal(
    timeout_s: float, others: Mapping[signal.Signals, Callable[[], None]] = _NOTHING
) -> Iterator[threading.Event]:
    """An event that the first SIGTERM or SIGINT sets.

    Parameters
    ----------
    timeout_s : float
        Time to drain after that; then the process ends with exit code 6. A second signal ends it
        with 128 + its number. Neither writes anything: the next run starts at the last snapshot.
    others : mapping
        What to call at other signals, each time on one more thread: it may take long, or raise.

    Notes
    -----
    All of it is done by a thread that the interpreter wakes, whatever the main thread is doing. A
    handler would wait until a call of the main thread returns, and must not set an event for which
    that thread may just be taking the lock.
    """
    stop = threading.Event()
    deadline = threading.Timer(timeout_s, _leave, [DRAIN_TIMED_OUT, "the time to drain is over"])
    deadline.daemon = True
    asked = False

    def drain(number: signal.Signals) -> None:
        nonlocal asked
        if asked:
            _leave(SIGNALLED + number, "left at once, nothing was written")
        asked = True
        _say("stopping after this batch; a second signal leaves at once")
        stop.set()
        deadline.start()

    calls = {number: partial(_start, call) for number, call in others.items()}
    calls |= {number: partial(drain, number) for number in (signal.SIGTERM, signal.SIGINT)}
    with _called_at_signals(calls):
        try:
            yield stop
        finally:
            deadline.cancel()


@contextmanager
def _called_at_signals(calls: Mapping[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Call on a thread of its own what belongs to the signals that come."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def listen() -> None:
        while came := receiver.recv(1):
            call = calls.get(signal.Signals(came[0]))
            if call is not None:
                call()

    listener = threading.Thread(target=listen, name="streamad-signals", daemon=True)
    handlers = {number: signal.signal(number, lambda *_: None) for number in calls}
    wakes = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    listener.start()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakes)
        sender.close()
        listener.join(1.0)
        receiver.close()


def _start(call: Callable[[], None]) -> None:
    threading.Thread(target=call, name="streamad-signal", daemon=True).start()


def _leave(code: int, why: str) -> None:
    _say(why + (_SHOW_CURSOR if sys.stderr.isatty() else ""))
    os._exit(code)


def _say(text: str) -> None:
    """Write past the buffers, of which somebody may hold the lock."""
    os.write(2, f"{text}\n".encode())
