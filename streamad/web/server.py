"""The HTTP server on a thread of its own, beside the loop."""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from streamad.core.errors import ConfigError
from streamad.web.patience import ImpatientProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

log = logging.getLogger(__name__)

GRACE_S = 2
"""Time that open answers have when the process ends: a browser would hold one for ever."""
MAX_CLIENTS = 64
MAX_HEADER_BYTES = 16_384
BACKLOG = 128
_START_S = 10.0


@contextmanager
def serving(app: ASGIApp, host: str, port: int, *, any_port: bool = False) -> Iterator[str]:
    """Answer requests while the context lasts.

    Parameters
    ----------
    app : ASGI application
    host : str
    port : int
        0 = any that is free.
    any_port : bool
        Take another one if this one is in use.

    Yields
    ------
    str
        The address, such as ``http://127.0.0.1:8765``.

    Raises
    ------
    ConfigError
        If nothing can listen there.

    Notes
    -----
    No signal handler is set: signals belong to whoever runs the loop, and a server on a thread
    cannot have them.
    """
    bound = _bound(host, port, any_port=any_port)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=ImpatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CLIENTS,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [bound]}, name="streamad-web", daemon=True
    )
    name, number = bound.getsockname()[:2]
    try:
        thread.start()
        _wait_for_start(server, thread)
        yield f"http://[{name}]:{number}" if ":" in name else f"http://{name}:{number}"
    finally:
        server.should_exit = True
        thread.join(GRACE_S + 1.0)
        bound.close()


def _bound(host: str, port: int, *, any_port: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError(f"web.host should be an address of this machine, got {host!r}") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        if any_port and error.errno == errno.EADDRINUSE:
            log.warning("port %d is taken: taking any that is free; set web.port", port)
            return _bound(host, 0, any_port=False)
        raise ConfigError(
            f"cannot listen on {host}:{port} ({error.strerror}): set web.port to another port, or "
            "to 0 for none"
        ) from error
    return bound


def _wait_for_start(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_S
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.005)
    if not server.started:
        raise ConfigError("the web server did not start: set web.port to 0 to run without it")
