"""A server on a free port, over a telemetry whose clock stands still until it is moved."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from streamad.runtime.telemetry import Telemetry
from streamad.testing.fakes import FakeClock
from streamad.web.app import Access, Shown, make_app
from streamad.web.metrics import Names
from streamad.web.server import serving

NAMES = Names("plant", "kafka", ("ewma", "knn"), ("critical", "warning"))


@dataclass(frozen=True)
class Answer:
    """What came back."""

    code: int
    headers: dict[str, str]
    text: str

    @property
    def document(self):
        return json.loads(self.text)


def ask(address, path, *, method="GET", body=None, **headers):
    """A request, sent as it is."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


@dataclass(frozen=True)
class Client:
    """Asks one server."""

    address: str

    def __call__(self, path, **more):
        return ask(self.address, path, **more)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def telemetry(clock):
    return Telemetry(["kafka", "webhook"], clock=clock, wall=lambda: 1_700_000_000.0)


@pytest.fixture
def serve(telemetry):
    """Start a server, and give a function that asks it."""
    with ExitStack() as stack:

        def start(*, config="pipeline: plant\n", logged=None, conceal=str, **access):
            shown = Shown(telemetry, NAMES, lambda: config, logged or {}, conceal)
            address = stack.enter_context(
                serving(make_app(shown, Access(**access)), "127.0.0.1", 0)
            )
            return Client(address)

        yield start


@pytest.fixture
def get(serve):
    return serve()
