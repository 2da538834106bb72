"""`streamad run` as a process of its own: started, killed, stopped, and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from reference.kafka_rows import wait_until

STREAMAD = (str(Path(sys.executable).with_name("streamad")),)


class LiveProcess:
    """One process; its output goes to a file beside its configuration.

    Parameters
    ----------
    config : Path
    crash_at : str, optional
        ``point:n``: it kills itself on its n-th pass of this crash point.
    program : sequence of str
        What takes the place of the command ``streamad``.
    environment : mapping of str to str
        More variables.
    """

    def __init__(
        self,
        config: Path,
        *,
        crash_at: str | None = None,
        program: Sequence[str] = STREAMAD,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        own = {k: v for k, v in os.environ.items() if k != "STREAMAD_CRASH_AT"}
        if crash_at is not None:
            own |= {"STREAMAD_TESTING": "1", "STREAMAD_CRASH_AT": crash_at}
        self.log = config.with_name("log.txt")
        with self.log.open("ab") as out:
            self._from = out.tell()
            self.process = subprocess.Popen(
                [*program, "run", str(config)],
                env=own | dict(environment or {}),
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        """True once it is gone."""
        return self.process.poll() is not None

    def has_begun(self) -> bool:
        """Whether it hears signals and seeks its source."""
        with self.log.open("rb") as log:
            log.seek(self._from)
            return b" started " in log.read()

    def hears_signals(self) -> bool:
        """Whether SIGTERM drains it; one that has just been started dies of it, and did nothing."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGTERM - 1) & 1)

    def wait(self, timeout_s: float = 60.0) -> int:
        """Return code of a process that ends by itself."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the process does not end: {self.tail()}") from None

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
        """Wait for something that this process does; it must not end meanwhile."""

        def seen() -> bool:
            found = true()
            assert found or not self.ended, f"ended before: {what}: {self.tail()}"
            return found

        try:
            wait_until(seen, what, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.tail()}") from None

    def stop(self, timeout_s: float = 40.0) -> None:
        """Drain it, once it hears that; it must end well."""
        self.until(self.hears_signals, "it hears signals")
        self.process.send_signal(signal.SIGTERM)
        code = self.wait(timeout_s)
        assert code == 0, f"exit status {code}: {self.tail()}"

    def freeze(self) -> None:
        """Stop it as it stands."""
        self.process.send_signal(signal.SIGSTOP)

    def is_frozen(self) -> bool:
        """Whether it stands still."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it by SIGKILL, whatever it is doing."""
        if not self.ended:
            self.process.kill()
        self.process.wait()

    def until_killed(self, seconds: float) -> None:
        """Let it run for some time, then kill it; it must not end before."""
        time.sleep(seconds)
        assert not self.ended, f"ended by itself: {self.tail()}"
        self.kill()

    def tail(self) -> str:
        """The end of what it and those before it said."""
        time.sleep(0.1)
        return self.log.read_text(errors="replace")[-4000:]

    def __enter__(self) -> LiveProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
