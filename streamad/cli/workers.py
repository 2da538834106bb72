"""Several processes of one command: they start together and stop together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from streamad.cli.console import note
from streamad.cli.exits import FAILED, OK, SIGNALLED

PARENT = "STREAMAD_WORKER_OF"
"""Variable that tells a worker the process that started it."""
NUMBER = "STREAMAD_WORKER"
"""Variable that tells a worker which one it is, from 0."""

_LOOK_EVERY_S = 0.1
_GRACE_S = 5.0


def run_workers(arguments: Sequence[Sequence[str]], timeout_s: float) -> int:
    """Start a process for each list of arguments and wait for all of them.

    Parameters
    ----------
    arguments : sequence of sequence of str
        Of the command ``streamad``.
    timeout_s : float
        Time that a worker has to drain.

    Returns
    -------
    int
        0 if all drained after a signal; otherwise the code of the first one that died, 1 if that
        was 0.

    Notes
    -----
    Workers have sessions of their own, so that Ctrl-C reaches this process alone; it passes every
    SIGTERM and SIGINT on, the second one as well, and SIGHUP and SIGUSR1, which a worker ignores
    until it can answer them. If one worker ends by itself the others are
    drained. A worker that does not end in time is killed: it had its own deadline before that.
    """
    environment = {**os.environ, PARENT: str(os.getpid())}
    environment.pop("STREAMAD_RUN_WORKERS", None)
    workers: list[subprocess.Popen[bytes]] = []
    got: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        got.append(number)
        _send(workers, signal.Signals(number))

    def pass_on(number: int, _frame: FrameType | None) -> None:
        _send(workers, signal.Signals(number))

    before = {n: signal.signal(n, handle) for n in (signal.SIGTERM, signal.SIGINT)}
    before |= {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGHUP, signal.SIGUSR1)}
    try:
        for number, one in enumerate(arguments):
            workers.append(
                subprocess.Popen(  # noqa: S603  (this very program)
                    [sys.executable, "-c", "from streamad.cli import main; main()", *one],
                    env={**environment, NUMBER: str(number)},
                    start_new_session=True,
                )
            )
        for number in (signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, pass_on)
        first = _first_to_end(workers)
        if not got:
            number = workers.index(first) + 1
            note(f"worker {number} of {len(workers)} has ended ({_told(first)}): stopping all")
            _send(workers, signal.SIGTERM)
        _wait_for_all(workers, timeout_s + _GRACE_S)
    finally:
        _send(workers, signal.SIGKILL)
        for number, handler in before.items():
            signal.signal(number, handler)
    return _code(first, workers, stopped=bool(got))


def stop_with_parent(stop: threading.Event) -> None:
    """Drain when the process that started this worker is gone; nothing to do if there is none."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while not stop.wait(1.0):
            if os.getppid() != int(parent):
                stop.set()

    threading.Thread(target=watch, name="streamad-parent", daemon=True).start()


def _first_to_end(workers: Sequence[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    while True:
        for worker in workers:
            if worker.poll() is not None:
                return worker
        time.sleep(_LOOK_EVERY_S)


def _wait_for_all(workers: Sequence[subprocess.Popen[bytes]], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    for worker in workers:
        try:
            worker.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def _send(workers: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)


def _code(
    first: subprocess.Popen[bytes], workers: Sequence[subprocess.Popen[bytes]], *, stopped: bool
) -> int:
    codes = [_exit_code(worker) for worker in workers]
    if stopped:
        return max(codes)
    return _exit_code(first) or FAILED


def _exit_code(worker: subprocess.Popen[bytes]) -> int:
    code = worker.returncode
    return OK if code is None else SIGNALLED - code if code < 0 else code


def _told(worker: subprocess.Popen[bytes]) -> str:
    code = worker.returncode
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
