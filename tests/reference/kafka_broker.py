"""A real Apache Kafka broker of one's own, on loopback: started, killed, frozen, filled."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reference.broker import Broker, after
from reference.kafka_jars import (
    COMMON,
    FORMATTED,
    free_ports,
    java,
    kafka_libs,
    run_format,
    wait_for_port,
    write_properties,
)


class RealKafka(Broker):
    """One broker that is its own controller, with a data folder that survives its death.

    Parameters
    ----------
    folder : Path
        For settings, data and the log of the broker.
    listeners : mapping of str to str
        Security protocol by listener name; the first one is for the clients of this class.
    host : str
        Name under which the broker makes itself known.
    settings : mapping of str to str
        More settings, or others than :data:`.kafka_jars.COMMON`.
    users : mapping of str to str
        Passwords of SCRAM-SHA-512 users.
    client : mapping
        Security settings of the clients of this class.

    Attributes
    ----------
    ports : dict of str to int
        Port by listener name; the same for the whole life of the object.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listeners: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        settings: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        client: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(client)
        self._libs = kafka_libs()
        self.folder = folder
        self.host = host
        protocols = dict(listeners or {"PLAINTEXT": "PLAINTEXT"})
        *ports, controller = free_ports(len(protocols) + 1)
        self.ports = dict(zip(protocols, ports, strict=True))
        folder.mkdir(parents=True, exist_ok=True)
        self._properties, data = folder / "server.properties", folder / "data"
        bound = [f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()]
        known = [f"{name}://{host}:{port}" for name, port in self.ports.items()]
        inside = f"CONTROLLER://127.0.0.1:{controller}"
        made = COMMON | {
            "listeners": ",".join([*bound, inside]),
            "advertised.listeners": ",".join([*known, inside]),
            "listener.security.protocol.map": ",".join(
                f"{name}:{kind}" for name, kind in (protocols | {"CONTROLLER": "PLAINTEXT"}).items()
            ),
            "inter.broker.listener.name": next(reversed(protocols)),
            "log.dirs": str(data),
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        }
        write_properties(self._properties, made | dict(settings or {}))
        if users is None:
            shutil.copytree(self._libs / FORMATTED, data)
        else:
            scram = [
                word
                for name, password in users.items()
                for word in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
            ]
            run_format(self._libs, self._properties, *scram)

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return self.address(next(iter(self.ports)))

    def address(self, listener: str, host: str | None = None) -> str:
        """Address of a listener, under the broker's own or another name."""
        return f"{host or self.host}:{self.ports[listener]}"

    def start(self, timeout_s: float = 60.0) -> RealKafka:
        """Start the broker and return once it answers.

        Raises
        ------
        RuntimeError
            If it does not come; with the end of its log.
        """
        log = self.folder / "kafka.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*java(self._libs), "kafka.Kafka", str(self._properties)],
                cwd=self.folder,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        wait_for_port(next(iter(self.ports.values())), self.process, log, after(timeout_s))
        self.admin.list_topics()
        return self
