"""One signal drains; a second one, or the deadline, ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from streamad.cli.drain import drain_on_signal

STUBBORN = """\
import os, signal, sys, time
from streamad.cli.drain import drain_on_signal
with drain_on_signal(float(sys.argv[1])) as stop:
    print("ready", flush=True)
    stop.wait(60)
    print("draining", flush=True)
    time.sleep(60)
"""


def stubborn(timeout_s: float) -> subprocess.Popen[str]:
    """A process that does not drain."""
    started = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, str(timeout_s)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stdout.readline() == "ready\n"
    return started


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_with_its_number(number):
    with stubborn(60) as started:
        started.send_signal(number)
        assert started.stdout.readline() == "draining\n"
        started.send_signal(number)
        _, told = started.communicate(timeout=60)
    assert started.returncode == 128 + number
    assert "stopping after this batch; a second signal leaves at once" in told
    assert "left at once, nothing was written" in told


def test_the_deadline_ends_with_six():
    with stubborn(0.1) as started:
        started.send_signal(signal.SIGTERM)
        _, told = started.communicate(timeout=60)
    assert started.returncode == 6
    assert "the time to drain is over" in told


def test_a_signal_never_waits_for_the_lock_of_the_event():
    """Which the main thread has at times, since it waits for the event between its polls."""
    with drain_on_signal(60) as stop:
        with stop._cond:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
        assert stop.wait(10)


def test_a_signal_is_heard_while_the_main_thread_waits_for_something_else():
    with drain_on_signal(60) as stop:
        heard = threading.Lock()
        heard.acquire()
        threading.Thread(target=lambda: stop.wait(30) and heard.release(), daemon=True).start()
        os.kill(os.getpid(), signal.SIGINT)
        assert heard.acquire(timeout=10)


def test_the_handlers_before_come_back_and_the_deadline_is_off():
    before = signal.getsignal(signal.SIGTERM)
    with drain_on_signal(60) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
    assert signal.getsignal(signal.SIGTERM) is before
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for timer in timers:
        timer.join(10)
    assert not any(timer.is_alive() for timer in timers)
