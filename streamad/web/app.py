"""Routes of the living process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from streamad.core.versions import versions
from streamad.runtime.telemetry import Telemetry
from streamad.web.guard import ALWAYS_OPEN, Guard
from streamad.web.metrics import Names, make_registry

if TYPE_CHECKING:
    from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Shown:
    """What the routes tell.

    Attributes
    ----------
    telemetry : Telemetry
    names : Names
    config : callable
        Gives the configuration as YAML, without secrets.
    log_messages : mapping of str to int
        Lines logged, by level.
    conceal : callable
        Removes secrets from a text.
    """

    telemetry: Telemetry
    names: Names
    config: Callable[[], str]
    log_messages: Mapping[str, int]
    conceal: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask.

    Attributes
    ----------
    token : str or None
        That requests must bear, but for health.
    open_metrics : bool
        Metrics need no token.
    hosts : tuple of str
        Names under which the server may be asked, besides addresses and ``localhost``.
    """

    token: str | None = None
    open_metrics: bool = False
    hosts: tuple[str, ...] = ()


def make_app(shown: Shown, access: Access) -> Starlette:
    """The application: ``/healthz``, ``/readyz``, ``/metrics``, ``/version``, ``/config``.

    Parameters
    ----------
    shown : Shown
    access : Access
    """
    registry = make_registry(shown.telemetry, shown.names, shown.log_messages)

    async def healthz(_request: Request) -> Response:
        stuck = shown.telemetry.stuck()
        if stuck is None:
            return JSONResponse({"alive": True})
        return JSONResponse({"alive": False, "stuck": stuck}, 503)

    async def readyz(_request: Request) -> Response:
        failing = [shown.conceal(text) for text in shown.telemetry.not_ready()]
        return JSONResponse({"ready": not failing, "failing": failing}, 503 if failing else 200)

    async def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": kind})

    async def version(_request: Request) -> Response:
        return JSONResponse({"pipeline": shown.names.pipeline, "versions": versions()})

    async def config(_request: Request) -> Response:
        return PlainTextResponse(
            shown.conceal(shown.config()), headers={"Content-Type": "application/yaml"}
        )

    open_paths = ALWAYS_OPEN | ({"/metrics"} if access.open_metrics else set())
    return Starlette(
        routes=[
            Route(f"/{route.__name__}", route)
            for route in (healthz, readyz, metrics, version, config)
        ],
        middleware=[
            Middleware(Guard, token=access.token, open_paths=open_paths, hosts=access.hosts)
        ],
    )
