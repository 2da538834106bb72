"""Documents posted over HTTP to an address that the configuration names, and nowhere else."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamad.core.errors import Backpressure, ConfigError, ConnectorError, Disconnected
from streamad_connectors.extras import require

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are read."""
MAX_HOPS = 3
LONGEST_RETRY_AFTER_S = 300.0
_LATER = frozenset({401, 403, 404, 405, 407, 408, 425, 429})
"""Answers that are no judgement of the document: too early, too much, or a wrong setting."""
_SAME_METHOD = frozenset({307, 308})


class Refused(ConnectorError):  # noqa: N818  (an answer, not a fault of ours)
    """The other side answered that it does not take the document.

    Parameters
    ----------
    message : str
    status : int
        Of the answer.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves who we are.

    Attributes
    ----------
    token : str or None
        Sent as a bearer token.
    username, password : str or None
        Sent as basic authentication.
    """

    token: str | None = None
    username: str | None = None
    password: str | None = None

    def headers(self) -> dict[str, str]:
        """As headers of a request."""
        if self.token is not None:
            return {"Authorization": f"Bearer {self.token}"}
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}


class Poster:
    """Posts to one address.

    Parameters
    ----------
    url : str
        http or https.
    timeout_s : float
        For connecting, and then for the whole answer.
    credentials : Credentials
    ca_file : str or None
        Certificates that are trusted instead of those of the system.
    clock : callable
        Monotonic seconds.

    Raises
    ------
    ConfigError
        If the address is none, or the certificates cannot be read.
    MissingExtraError
        Without httpx2.

    Notes
    -----
    A redirect is followed within the same origin only, at most three times. At most 64 kB of an
    answer are read. No message holds more of the address than its origin, since paths and queries
    often are secrets.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        credentials: Credentials | None = None,
        ca_file: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        require("httpx2", "a sink that posts over HTTP", "sinks")
        self._url = url
        self.origin = origin(url)
        self._timeout_s = timeout_s
        self._headers = (credentials or Credentials()).headers()
        self._ca_file = ca_file
        self._clock = clock
        self._client: httpx2.Client | None = None

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the other side has taken the document.

        Raises
        ------
        Refused
            It will not take it.
        Disconnected
            No answer, or one that says that something is wrong over there.
        Backpressure
            It says when to come again.
        """
        import httpx2

        if self._client is None:
            self._client = self._connect()
        url = self._url
        try:
            for _ in range(MAX_HOPS + 1):
                status, answered, text = self._once(self._client, url, body, headers)
                if status not in _SAME_METHOD:
                    break
                url = self._follow(url, answered)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise Disconnected(f"{self.origin} does not answer: {_say(error)}") from error
        self._judge(status, answered, text)

    def reach(self) -> None:
        """Return if anything answers there, whatever it says; nothing is posted.

        Raises
        ------
        Disconnected
            If the name of the host is unknown, nobody listens, or its certificate is not trusted.
        """
        import httpx2

        if self._client is None:
            self._client = self._connect()
        try:
            self._client.head(self.origin)
        except httpx2.HTTPError as error:
            raise Disconnected(f"{self.origin} does not answer: {_say(error)}") from error

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> httpx2.Client:
        import ssl

        import httpx2

        try:
            verify = ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:
            raise ConfigError(
                f"ca_file must name a file of certificates, {self._ca_file} is none: {error}"
            ) from error
        return httpx2.Client(
            timeout=self._timeout_s, verify=verify, follow_redirects=False, headers=self._headers
        )

    def _once(
        self, client: httpx2.Client, url: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, httpx2.Headers, bytes]:
        """Status, headers and the beginning of the answer."""
        import httpx2

        deadline = self._clock() + 2 * self._timeout_s
        text = b""
        with client.stream("POST", url, content=body, headers=dict(headers)) as answer:
            for piece in answer.iter_raw():
                text += piece
                if len(text) >= MAX_ANSWER:
                    break
                if self._clock() > deadline:
                    raise httpx2.ReadTimeout("the answer does not end")
            return answer.status_code, answer.headers, text[:MAX_ANSWER]

    def _follow(self, url: str, answered: httpx2.Headers) -> str:
        import httpx2

        target = str(httpx2.URL(url).join(answered.get("Location", "")))
        if origin(target) != self.origin:
            raise Refused(
                f"{self.origin} redirects to {origin(target)}, which is another origin: name the "
                "final address in the configuration",
                307,
            )
        return target

    def _judge(self, status: int, answered: httpx2.Headers, text: bytes) -> None:
        if 200 <= status < 300:
            return
        said = text[:300].decode(errors="replace").strip()
        message = f"{self.origin} answers {status}" + (f": {said}" if said else "")
        if status not in _LATER and status < 500:
            raise Refused(message, status)
        wait = answered.get("Retry-After", "")
        if wait.isdecimal():
            raise Backpressure(message, min(float(wait), LONGEST_RETRY_AFTER_S))
        raise Disconnected(message)


def origin(url: str) -> str:
    """Scheme, host and port of an address.

    Raises
    ------
    ConfigError
        If it is no address of HTTP.

    Examples
    --------
    >>> origin("https://user:secret@Example.org/path?key=1"), origin("http://[::1]:80")
    ('https://example.org:443', 'http://[::1]:80')
    """
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    if port is None or not parts.hostname:
        raise ConfigError(
            "an address that begins with http:// or https:// and names a host is expected, got one "
            f"with the scheme {parts.scheme!r} and the host {parts.hostname!r}"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def _say(error: Exception) -> str:
    return str(error) or type(error).__name__
