"""What is refused before any route sees it."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from streamad.core.errors import ConfigError
from streamad.web import guard
from streamad.web.guard import MAX_BODY_BYTES
from streamad.web.patience import ImpatientProtocol
from streamad.web.server import MAX_CLIENTS, MAX_HEADER_BYTES, serving

TOKEN = "0123456789abcdef-token"


@pytest.mark.parametrize("path", ["/metrics", "/config", "/version", "/nothing"])
def test_with_a_token_only_those_who_bear_it_are_answered(serve, path):
    get = serve(token=TOKEN)
    assert get(path).code == 401
    assert get(path).headers["www-authenticate"] == "Bearer"
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer \xe9"):
        assert get(path, Authorization=wrong).code == 401
    assert get(path, Authorization=f"Bearer {TOKEN}").code in {200, 404}
    assert get(f"{path}?token={TOKEN}").code == 401


def test_health_needs_no_token(serve):
    get = serve(token=TOKEN)
    assert get("/healthz").code == 200
    assert get("/readyz").code == 503


def test_metrics_need_none_if_so_chosen(serve):
    get = serve(token=TOKEN, open_metrics=True)
    assert get("/metrics").code == 200
    assert get("/config").code == 401


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "10.2.3.4", "plant.local"]
)
def test_addresses_and_names_of_its_own_are_answered(serve, host):
    assert serve(hosts=("plant.local",))("/healthz", Host=host).code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "localhost.evil.example", ""]
)
def test_a_page_that_points_its_own_name_here_is_not(get, host):
    assert get("/config", Host=host).code == 421


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_is_read_up_to_a_limit(get, announced):
    for size, code in ((MAX_BODY_BYTES, 405), (MAX_BODY_BYTES + 1, 413)):
        body = b"x" * size
        assert get("/config", method="POST", body=body if announced else iter([body])).code == code


def test_headers_are_read_up_to_a_limit(get):
    assert get("/healthz", Cookie="x" * (MAX_HEADER_BYTES // 2)).code == 200
    with suppress(BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
        assert get("/healthz", Cookie="x" * (MAX_HEADER_BYTES * 8)).code == 400
    assert get("/healthz").code == 200


def connected(get):
    port = int(get.address.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_does_not_ask_in_time_is_shown_out(get, monkeypatch, sent):
    monkeypatch.setattr(ImpatientProtocol, "headers_within_s", 0.2)
    with connected(get) as silent:
        silent.sendall(sent)
        assert silent.recv(100) == b""


def test_a_second_request_has_to_come_in_time_too(get, monkeypatch):
    monkeypatch.setattr(ImpatientProtocol, "headers_within_s", 0.2)
    with connected(get) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not slow.recv(4096).endswith(b"}"):
            pass
        time.sleep(0.4)
        slow.sendall(b"GET /healthz")
        assert slow.recv(100) == b""


def test_a_body_that_does_not_come_is_not_waited_for(get, monkeypatch):
    monkeypatch.setattr(guard, "BODY_WITHIN_S", 0.2)
    with connected(get) as slow:
        slow.sendall(b"POST /config HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_silent_connections_keep_others_out_for_a_moment_only(get, monkeypatch):
    monkeypatch.setattr(ImpatientProtocol, "headers_within_s", 0.5)
    with ExitStack() as crowd:
        for _ in range(MAX_CLIENTS):
            crowd.enter_context(connected(get))
        assert get("/healthz").code == 503
        time.sleep(1.0)
        assert get("/healthz").code == 200


def test_a_port_in_use_is_an_error_that_says_so():
    async def app(scope, receive, send):
        raise NotImplementedError

    with serving(app, "127.0.0.1", 0) as address:
        port = int(address.rpartition(":")[2])
        with (
            pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port} .*web.port"),
            serving(app, "127.0.0.1", port),
        ):
            pass
        with serving(app, "127.0.0.1", port, any_port=True) as other:
            assert other != address
    with serving(app, "127.0.0.1", port) as again:
        assert again == address


def test_an_address_of_another_machine_is_an_error():
    with (
        pytest.raises(ConfigError, match=r"web\.host should be an address"),
        serving(None, "no.such.host.invalid", 1),
    ):
        pass
