"""What every request has to pass: size, host, token; and what every answer carries."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 65_536
BODY_WITHIN_S = 5.0
ALWAYS_OPEN = frozenset({"/healthz", "/readyz"})
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Refuses what does not belong here before any route sees it.

    Parameters
    ----------
    app : ASGI application
    token : str or None
        That a request must bear; None = none.
    open_paths : iterable of str
        Answered without the token.
    hosts : iterable of str
        Names in the header ``Host`` besides addresses and ``localhost``. A page of somebody else
        can reach this server from a browser only under a name of its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None = None,
        open_paths: Iterable[str] = ALWAYS_OPEN,
        hosts: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._open_paths = frozenset(open_paths)
        self._hosts = {"localhost", *(host.lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or pass it on."""
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope["path"], headers)
        if refusal is None:
            refusal = await _body_refusal(headers, receive)
        if refusal is None:
            await self._app(scope, _nothing, answer)
        else:
            await refusal(scope, receive, answer)

    def _refusal(self, path: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            return JSONResponse(
                {"error": f"no such host here: {host!r}; web.allowed_hosts lists the names"}, 421
            )
        if self._token is None or path in self._open_paths or self._bears_token(headers):
            return None
        return JSONResponse(
            {
                "error": "expected the header 'Authorization: Bearer TOKEN' with the token of "
                "web.token_file"
            },
            401,
            {"WWW-Authenticate": "Bearer"},
        )

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.split(":")[0]
        return name.lower() in self._hosts or _is_address(name)

    def _bears_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        matches = hmac.compare_digest(given.strip().encode(), self._token or b"")
        return matches and kind.lower() == "bearer"


async def _body_refusal(headers: Headers, receive: Receive) -> JSONResponse | None:
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            if await _short_enough(headers, receive):
                return None
    except TimeoutError:
        return JSONResponse({"error": "the rest of the body did not come"}, 408)
    return JSONResponse({"error": f"at most {MAX_BODY_BYTES} bytes are read"}, 413)


async def _short_enough(headers: Headers, receive: Receive) -> bool:
    """Read the body to its end, or to the limit."""
    announced = headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > MAX_BODY_BYTES:
        return False
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
        if size > MAX_BODY_BYTES:
            return False
    return True


async def _nothing() -> Message:
    """No route reads a body."""
    return {"type": "http.request", "body": b"", "more_body": False}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
