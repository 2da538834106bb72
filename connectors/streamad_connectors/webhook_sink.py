"""Alerts posted to an address, one request an event."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import orjson

from streamad.core.data import Alert
from streamad.core.errors import Backpressure, ConfigError, Disconnected
from streamad_connectors.delivery import AlertDelivery
from streamad_connectors.http_post import Credentials, Poster, Refused
from streamad_connectors.options import needed, seconds, secret
from streamad_connectors.refused_alerts import RefusedAlerts
from streamad_connectors.spool import Entry, Spool
from streamad_connectors.webhook_formats import FORMATS

log = logging.getLogger(__name__)


class WebhookSink(AlertDelivery):
    """Alerts posted over HTTP, in order, one request an event. Scores are not written.

    Parameters
    ----------
    url, url_file : str
        Where to; the file beats the inline form, and is the place for addresses that are secrets.
    dead_letter : str
        File that takes, as JSON lines with the reason, what the receiver refuses or what could not
        be delivered within ``give_up_after``.
    spool : str or None
        Folder that keeps alerts during an outage. Without one the checkpoints wait for the
        receiver.
    spool_max_bytes : int
        Of the alerts that wait; beyond it the stream waits too.
    format : str
        ``streamad``, ``alertmanager-v4``, ``slack`` or ``pagerduty``.
    severities : list of str or None
        Only alerts of these levels; None = all.
    token, token_file : str or None
        Bearer token; with ``pagerduty`` the routing key.
    secret, secret_file : str or None
        Key of the signature.
    ca_file : str or None
        Certificates that are trusted instead of those of the system.
    timeout : str
        For connecting, and for each part of an answer.
    give_up_after : str
        Age at which an alert that nobody took is put aside; it begins again with a restart.
    longest_wait : str
        Between two attempts.

    Raises
    ------
    ConfigError
        An option that cannot be used.
    Backpressure
        From ``write`` when the spool is full; from ``flush`` without a spool, while alerts wait.

    Notes
    -----
    Suppressed alerts are not sent. Connection faults, 5xx, 408, 425, 429, and the answers to wrong
    settings (401, 403, 404, 405, 407) are tried again, with waits that grow or that ``Retry-After``
    asks for; any other answer is final, a redirect to another origin too.

    Headers: ``Idempotency-Key: <id>:<seq>``, and with a secret ``X-Streamad-Timestamp`` and
    ``X-Streamad-Signature: sha256=<HMAC of "timestamp.body">``. An event may come twice after a
    crash, with the same key. A thread of the sink sends as soon as alerts come; thread rule for its
    methods: one thread at a time.
    """

    INSIDE_STATE: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        dead_letter: str,
        url: str | None = None,
        url_file: str | None = None,
        spool: str | None = None,
        spool_max_bytes: int = 64 * 1024 * 1024,
        format: Literal["streamad", "alertmanager-v4", "slack", "pagerduty"] = "streamad",  # noqa: A002
        severities: list[str] | None = None,
        token: str | None = None,
        token_file: str | None = None,
        secret: str | None = None,
        secret_file: str | None = None,
        ca_file: str | None = None,
        timeout: str = "10s",
        give_up_after: str = "1h",
        longest_wait: str = "10s",
    ) -> None:
        if format not in FORMATS:
            raise ConfigError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
        self._token, self._key = _secrets(format, token, token_file, secret, secret_file)
        self._format = FORMATS[format]
        self._severities = severities
        self._give_up_s = seconds("give_up_after", give_up_after)
        self._poster = Poster(
            needed("url", url, url_file),
            timeout_s=seconds("timeout", timeout),
            credentials=Credentials(None if format == "pagerduty" else self._token),
            ca_file=ca_file,
        )
        super().__init__(
            f"the webhook {self._poster.origin}",
            self._poster,
            Spool(spool, spool_max_bytes),
            longest_wait,
            RefusedAlerts(dead_letter),
        )

    def check(self) -> None:
        """Return if anything answers at the address; Disconnected if nothing does."""
        self._poster.reach()

    def _wanted(self, alert: Alert) -> bool:
        known = self._severities is None or alert.severity in self._severities
        return known and alert.suppressed is None

    def _deliver(self, entries: Sequence[Entry]) -> int:
        (entry,) = entries
        try:
            self._poster.post(*self._request(entry.body))
        except Refused as error:
            self._put_aside(entry, "refused", str(error))
        except (Disconnected, Backpressure) as error:
            if time.monotonic() - entry.since_s < self._give_up_s:
                raise
            self._put_aside(entry, "not_delivered", str(error))
        else:
            self._delivered += 1
        return 1

    def _put_aside(self, entry: Entry, reason: str, detail: str) -> None:
        self._refused.keep(entry.body, reason, detail)
        log.error("alert %s is put aside: %s", entry.body["id"], detail)

    def _request(self, document: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Body and headers."""
        body = orjson.dumps(self._format(document, self._token))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": f"{document['id']}:{document['seq']}",
        }
        if self._key is not None:
            stamp = str(int(time.time()))
            headers["X-Streamad-Timestamp"] = stamp
            headers["X-Streamad-Signature"] = f"sha256={signature(self._key, stamp, body)}"
        return body, headers


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Hexadecimal HMAC-SHA256 of ``timestamp.body``, by which a receiver knows the sender.

    Examples
    --------
    >>> signature("key", "1700000000", b"{}")[:16]
    '9d713ed406bb7076'
    """
    message = timestamp.encode() + b"." + body
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def _secrets(
    form: str, token: str | None, token_file: str | None, key: str | None, key_file: str | None
) -> tuple[str | None, str | None]:
    find = needed if form == "pagerduty" else secret
    return find("token", token, token_file), secret("secret", key, key_file)
