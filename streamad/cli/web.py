"""The web server of ``streamad run``, as its configuration says."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from streamad.cli.console import LOGGED
from streamad.cli.secrets import conceal, keep_secret
from streamad.core.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from streamad.config import Config
    from streamad.runtime.telemetry import Telemetry

log = logging.getLogger(__name__)

SHORTEST_TOKEN = 16
_PACKAGES = ("starlette", "uvicorn", "prometheus_client")


@contextmanager
def serve_web(config: Config, telemetry: Telemetry) -> Iterator[str | None]:
    """Health, metrics and configuration over HTTP while the context lasts.

    Parameters
    ----------
    config : Config
    telemetry : Telemetry

    Yields
    ------
    str or None
        The address; None without a server.

    Raises
    ------
    ConfigError
        If nothing can listen there, or the token cannot be read.
    MissingExtraError
        If the section ``web`` is written and its packages are missing. Where it is not written,
        such an installation runs without a server.

    Notes
    -----
    Where the port is not written and in use, another one is taken: two processes on one machine
    need no configuration.
    """
    web = config.web
    if not web.port:
        yield None
        return
    if not all(map(find_spec, _PACKAGES)):
        if web.model_fields_set:
            raise MissingExtraError("the section 'web' (or write web.port=0)", "web")
        log.info("no metrics and health over HTTP: pip install 'streamad-engine[web]'")
        yield None
        return
    from streamad.config.lock import lock
    from streamad.web.app import Access, Shown, make_app
    from streamad.web.metrics import Names
    from streamad.web.server import serving

    token = _read_token(config)
    if token is not None:
        keep_secret(config, token)
    names = Names(
        config.pipeline,
        config.source.type,
        tuple(detector.name for detector in config.detectors),
        tuple(severity.level for severity in config.alerts.severity),
    )
    app = make_app(
        Shown(telemetry, names, lambda: lock(config), LOGGED, conceal),
        Access(token, web.open_metrics, (web.host, *web.allowed_hosts)),
    )
    by_default = "port" not in web.model_fields_set
    with serving(app, web.host, web.port, any_port=by_default) as address:
        log.info("listening %s  /metrics /healthz /readyz", address)
        yield address


def _read_token(config: Config) -> str | None:
    path = config.web.token_file
    if path is None:
        return None
    try:
        token = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"web.token_file should name a file with a token: {error}") from error
    if not token.isascii() or not token.isprintable() or len(token) < SHORTEST_TOKEN:
        raise ConfigError(
            f"the token in {path} should have at least {SHORTEST_TOKEN} printable ASCII "
            f"characters, got {len(token)}: openssl rand -hex 32 > {path}"
        )
    return token
