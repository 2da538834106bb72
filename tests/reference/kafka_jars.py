"""Apache Kafka on this machine: its jars from Maven, a formatted data folder, a class archive."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

VERSION = "4.1.1"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
FORMATTED = "formatted"
ARCHIVE = "kafka.jsa"

_POM = f"""<project><modelVersion>4.0.0</modelVersion>
<groupId>streamad</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
<dependencies>
 <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
  <version>{VERSION}</version></dependency>
 <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
  <version>2.24.3</version></dependency>
 <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId>
  <version>2.24.3</version></dependency>
</dependencies></project>
"""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

COMMON = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "num.partitions": "4",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "auto.create.topics.enable": "false",
    "num.network.threads": "2",
    "num.io.threads": "2",
    # The default takes 128 MB of heap.
    "log.cleaner.dedupe.buffer.size": "2097152",
    # Groups form at once, and may have short sessions (both group protocols).
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "250",
    "group.consumer.session.timeout.ms": "6000",
    "group.consumer.heartbeat.interval.ms": "500",
    # A broker that was killed waits until its own old registration expires.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "250",
    # Transactions of dead producers are aborted soon.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    # Retention and compaction within seconds.
    "log.retention.check.interval.ms": "1000",
    "log.segment.delete.delay.ms": "100",
    "log.cleaner.backoff.ms": "500",
}
"""Settings of every broker; see the documentation of Apache Kafka for each."""


class NoKafkaError(Exception):
    """Java 17 or Maven is missing, or the jars cannot be had."""


@cache
def kafka_libs() -> Path:
    """Folder of the jars, filled by Maven on first use.

    Raises
    ------
    NoKafkaError
        With what is missing.

    Notes
    -----
    The environment variable ``STREAMAD_KAFKA_LIBS`` names a folder of one's own; without it the
    jars lie in the user's cache folder, shared by all runs.
    """
    lacking, libs = missing_tools(), _libs_folder()
    if lacking:
        raise NoKafkaError(lacking)
    libs.parent.mkdir(parents=True, exist_ok=True)
    with (libs.parent / f"{libs.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _has_jars(libs):
            _resolve(libs)
        if not (libs / FORMATTED).is_dir():
            _format(libs)
        if not (libs / ARCHIVE).exists():
            _archive(libs)
    return libs


REQUIRED = "STREAMAD_REQUIRE_KAFKA"
"""Environment variable: 1 = a test that cannot have Apache Kafka fails."""


@cache
def lacking_kafka() -> str | None:
    """Why tests have to do without Apache Kafka here; None = they have it, or fail without it."""
    return None if os.environ.get(REQUIRED) == "1" else missing_tools()


def missing_tools() -> str | None:
    """What keeps Kafka from running here; None = nothing that can be seen beforehand."""
    if _java_version() < 17:
        return "Apache Kafka 4 needs Java 17 or newer on the PATH"
    if shutil.which("mvn") is None and not _has_jars(_libs_folder()):
        return (
            "Apache Kafka 4 is fetched with Maven (mvn), which is not on the PATH; install it, or "
            "let STREAMAD_KAFKA_LIBS name a folder with the jars"
        )
    return None


def java(libs: Path, *options: str) -> list[str]:
    """Start of a command line of Java with Kafka on its class path."""
    archive = libs / ARCHIVE
    return [
        "java",
        "-Xmx256m",
        "-Xms64m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Xshare:auto",
        *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []),
        *options,
        "-cp",
        # Sorted: an archive of classes is good for one order only.
        ":".join(sorted(str(jar) for jar in libs.glob("*.jar"))),
    ]


def free_ports(n: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
    finally:
        for found in sockets:
            found.close()


def write_properties(path: Path, settings: dict[str, str]) -> None:
    """A file of settings, for the broker and its tools."""
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def plain_settings(data: Path, port: int, controller: int) -> dict[str, str]:
    """Settings of a broker without security."""
    listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
    return COMMON | {
        "listeners": listeners,
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
    }


def run_format(libs: Path, properties: Path, *options: str) -> None:
    """Format the data folder that a file of settings names."""
    command = [*java(libs), "kafka.tools.StorageTool", "format", "-t", CLUSTER, *options]
    done = subprocess.run(
        [*command, "-c", str(properties)],
        capture_output=True,
        text=True,
        check=False,
        cwd=properties.parent,
    )
    if done.returncode:
        raise RuntimeError(f"the data folder cannot be formatted: {done.stdout}{done.stderr}")


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    """Return as soon as the broker takes connections.

    Raises
    ------
    RuntimeError
        If it ended or did not come in time; with the end of its log.
    """
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the broker did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
        else:
            return


def _libs_folder() -> Path:
    own = os.environ.get("STREAMAD_KAFKA_LIBS")
    return Path(own) if own else _cache_folder() / f"kafka-{VERSION}"


def _has_jars(libs: Path) -> bool:
    return any(libs.glob("kafka_2.13-*.jar"))


def _java_version() -> int:
    if shutil.which("java") is None:
        return 0
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    number = said.partition('"')[2].partition(".")[0].partition('"')[0]
    return int(number) if number.isdigit() else 0


def _cache_folder() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamad"
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError:
        root = Path(tempfile.gettempdir()) / f"streamad-{os.getuid()}"
        root.mkdir(mode=0o700, exist_ok=True)
    return root


def _resolve(libs: Path) -> None:
    with tempfile.TemporaryDirectory(dir=libs.parent) as made:
        folder = Path(made)
        (folder / "pom.xml").write_text(_POM)
        command = ["mvn", "-q", "-B", "-f", str(folder / "pom.xml"), _COPY]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder / 'libs'}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode:
            raise NoKafkaError(f"Maven cannot fetch Apache Kafka {VERSION}: {done.stdout}")
        libs.mkdir(exist_ok=True)
        for jar in (folder / "libs").glob("*.jar"):
            jar.rename(libs / jar.name)


def _format(libs: Path) -> None:
    """A formatted data folder holds no port: every broker starts from a copy of it."""
    with tempfile.TemporaryDirectory(dir=libs) as made:
        folder = Path(made)
        properties, data = folder / "server.properties", folder / "data"
        write_properties(properties, plain_settings(data, *free_ports(2)))
        run_format(libs, properties)
        data.rename(libs / FORMATTED)


def _archive(libs: Path) -> None:
    """An archive of loaded classes halves the time to start."""
    with tempfile.TemporaryDirectory(dir=libs) as made:
        folder = Path(made)
        properties, data, log = folder / "server.properties", folder / "data", folder / "log"
        shutil.copytree(libs / FORMATTED, data)
        port, controller = free_ports(2)
        write_properties(properties, plain_settings(data, port, controller))
        command = java(libs, f"-XX:ArchiveClassesAtExit={folder / ARCHIVE}")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, "kafka.Kafka", str(properties)], stdout=out, stderr=out, cwd=folder
            )
        try:
            wait_for_port(port, process, log, time.monotonic() + 60)
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            (folder / ARCHIVE).rename(libs / ARCHIVE)
        finally:
            process.kill()
            process.wait()
