"""Real servers from the distribution, on the loopback interface, in a folder of the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

REQUIRE = "STREAMAD_REQUIRE_SERVERS"


def program(package, *names):
    """Path of a program under any of its names; skips the test, loudly, where there is none.

    With ``STREAMAD_REQUIRE_SERVERS=1`` a missing program is a failure.
    """
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    line = f"NOT TESTED against the real server: {names[0]} is missing (apt-get install {package})"
    if os.environ.get(REQUIRE) == "1":
        pytest.fail(line)
    pytest.skip(line)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_until(true, process, log, seconds=30.0):
    """Return as soon as a server is ready."""
    deadline = time.monotonic() + seconds
    while not true():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)


class Alertmanager:
    """A real Alertmanager that sends its notifications to an address.

    Attributes
    ----------
    url : str
        Base address; the same after a restart.
    """

    def __init__(self, folder, notify_url, group_wait="200ms"):
        self.program = program("prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
        self.folder = Path(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        (self.folder / "alertmanager.yml").write_text(f"""
route:
  receiver: test
  group_by: ["..."]
  group_wait: {group_wait}
  group_interval: 200ms
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs:
      - url: {notify_url}
        send_resolved: true
inhibit_rules:
  - source_matchers: ['severity="critical"']
    target_matchers: ['severity="warning"']
    equal: [series]
""")

    def start(self, *, forget=False):
        data = self.folder / "data"
        if forget:
            shutil.rmtree(data, ignore_errors=True)
        log = self.folder / "alertmanager.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    self.program,
                    f"--config.file={self.folder / 'alertmanager.yml'}",
                    f"--storage.path={data}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--cluster.listen-address=",
                ],
                stdout=out,
                stderr=out,
                cwd=self.folder,
            )
        wait_until(self._ready, self.process, log)
        return self

    def alerts(self):
        """What it knows, as its API tells it."""
        import json

        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=60) as answer:
            return json.load(answer)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _ready(self):
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False


class Postgres:
    """A real Postgres with one database, as a user of its own where the test is root.

    Attributes
    ----------
    url : str
    password : str
    """

    password = "hunter2-canary"

    def __init__(self, folder):
        postgres = Path(program("postgresql", "postgres")).resolve()
        self.bin = postgres.parent
        if not (self.bin / "initdb").exists():
            program("postgresql", "initdb")
        self.folder = Path(folder)
        self.port = free_port()
        self.url = f"postgresql://streamad@127.0.0.1:{self.port}/postgres"
        self.process = None
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
            os.chmod(self.folder, 0o700)
        secret = self.folder / "password"
        secret.write_text(self.password)
        if self.user:
            shutil.chown(secret, self.user)
        done = subprocess.run(
            [
                self.bin / "initdb",
                "--pgdata=data",
                "--username=streamad",
                f"--pwfile={secret}",
                "--auth=scram-sha-256",
                "--no-sync",
                "--encoding=UTF8",
                "--no-locale",
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            user=self.user,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)

    def start(self):
        log = self.folder / "postgres.log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    self.bin / "postgres",
                    "-D",
                    "data",
                    "-h",
                    "127.0.0.1",
                    "-p",
                    str(self.port),
                    "-k",
                    "",
                    "-c",
                    "shared_buffers=16MB",
                    "-c",
                    "max_connections=20",
                ],
                cwd=self.folder,
                stdout=out,
                stderr=out,
                user=self.user,
            )
        wait_until(self._ready, self.process, log)
        return self

    def connect(self):
        import psycopg

        return psycopg.connect(self.url, password=self.password, autocommit=True)

    def stop(self, number=3):
        """End it: SIGQUIT, which rolls transactions back like a crash, unless told otherwise."""
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _ready(self):
        import psycopg

        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True
