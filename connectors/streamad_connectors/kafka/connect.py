"""Connecting with an answer: why a broker cannot be reached, within seconds.

While it connects, kafka-python raises the same timeout for a wrong password, a wrong certificate
and a closed port. The reason is in what its network layer logs, so that is listened to.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient

from streamad.core.errors import Disconnected, Refused
from streamad_connectors.kafka.errors import is_passing, said, translate

C = TypeVar("C")

_NETWORK = "kafka.net"


@dataclass(frozen=True, slots=True)
class _Reason:
    """What a pattern in the log of the network layer means.

    ``times`` it must be seen before waiting is in vain; 0 = it may pass.
    """

    pattern: str
    meaning: str
    times: int = 1


_REASONS = (
    _Reason(
        "SaslAuthenticationFailed|Authentication failed",
        "it refused the credentials; check security.username and the password, or the token in "
        "security.token_file",
    ),
    _Reason(
        "UnsupportedSaslMechanism|SaslHandshake failed",
        "it does not offer the SASL mechanism; check security.mechanism",
    ),
    _Reason(
        "Hostname mismatch|IP address mismatch|doesn't match",
        "its certificate is for another host name; connect by the name that the certificate has",
    ),
    _Reason("certificate has expired", "its certificate has expired"),
    _Reason(
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is not trusted; let security.ca_file name the certificate of the "
        "authority that signed it",
    ),
    _Reason(
        "(?i)certificate.required|bad.certificate",
        "it wants a certificate of the client; check security.cert_file and key_file",
    ),
    _Reason(
        "(?i)unknown.ca",
        "it does not trust the certificate of the client; check security.cert_file",
    ),
    _Reason(
        "(?i)wrong.version.number|record.layer.failure|Handshake failed.*UNEXPECTED_EOF",
        "it speaks no TLS on this port; check the port and security.protocol",
    ),
    # The length that a TLS alert has when it is read as a frame of Kafka.
    _Reason(
        "Invalid frame length: 3525",
        "it speaks TLS on this port; check the port and security.protocol",
    ),
    # Lost after the versions were exchanged and before the connection is ready: the answer of the
    # broker to a wrong password, when its end of the connection is seen before its words.
    _Reason(
        r"broker_version=\(.*\(disconnected\)>: Connection lost.*socket disconnected",
        "it closed the connection where we said who we are; check security.mechanism, "
        "security.username and the password",
        times=8,
    ),
    _Reason("Connection refused|ECONNREFUSED", "nothing listens there (connection refused)", 0),
    _Reason(
        "Name or service not known|getaddrinfo|DNS|No address associated",
        "the name of the host is unknown",
        0,
    ),
    _Reason("No route to host|Network is unreachable", "there is no way to the host", 0),
    _Reason(
        "disconnected|UNEXPECTED_EOF|Connection reset",
        "it closed the connection at once; check the port and security.protocol",
        0,
    ),
)


class _Listener(logging.Handler):
    """Keeps what the network layer says."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} {record.exc_info[1]}"
        self.lines.append(text)

    def reason(self) -> tuple[str | None, bool]:
        """The best reason so far, and whether waiting is in vain."""
        for reason in _REASONS:
            seen = sum(re.search(reason.pattern, line) is not None for line in self.lines)
            if seen >= max(1, reason.times):
                return reason.meaning, reason.times > 0
        return None, False


@contextmanager
def _listening() -> Iterator[_Listener]:
    """Hear the network layer, even where its log is silenced."""
    logger, listener = logging.getLogger(_NETWORK), _Listener()
    level, propagate = logger.level, logger.propagate
    if not logger.isEnabledFor(logging.WARNING):
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    logger.addHandler(listener)
    try:
        yield listener
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagate


def connect(
    make: Callable[..., C], settings: Mapping[str, Any], timeout_s: float, attempt_s: float = 2.5
) -> C:
    """A connected client.

    Parameters
    ----------
    make : callable
        Class of the client, such as ``kafka.KafkaConsumer``.
    settings : mapping
        Its arguments, with ``bootstrap_servers``.
    timeout_s : float
        How long to try while the reason is one that may pass.
    attempt_s : float
        How long one attempt may take; after it a lasting reason ends the trying.

    Raises
    ------
    ConnectorError
        If the broker refuses us, with its reason.
    Disconnected
        If it cannot be reached in time.
    """
    where = ", ".join(settings["bootstrap_servers"])
    deadline = time.monotonic() + timeout_s
    with _listening() as listener:
        while True:
            left_s = deadline - time.monotonic()
            try:
                return _attempt(make, settings, min(attempt_s, left_s))
            except kafka_errors.KafkaError as error:
                reason, lasting = listener.reason()
                if lasting:
                    raise Refused(f"the broker {where} does not let us in: {reason}") from error
                if not is_passing(error):
                    raise translate(error, f"connecting to {where}") from error
                if time.monotonic() + 0.1 < deadline:
                    continue
                why = reason or f"no answer ({said(error)})"
                raise Disconnected(
                    f"the broker {where} cannot be reached within {timeout_s:g} s: {why}"
                ) from error


def end_producer(producer: Any) -> None:
    """Close a producer at once; what is under way is lost.

    One of kafka-python that has records under way raises where it should close, and its thread
    would go on for as long as the process lives.
    """
    try:
        producer.close(timeout=0)
    except kafka_errors.KafkaError:
        producer._sender.force_close()  # noqa: SLF001


def _attempt(make: Callable[..., C], settings: Mapping[str, Any], timeout_s: float) -> C:
    """One attempt; one that fails leaves no thread and no socket behind."""
    begun: list[Any] = []

    def network(*args: Any, **options: Any) -> Any:
        begun.append(KafkaNetClient(*args, **options))
        return begun[-1]

    try:
        return make(
            **settings, kafka_client=network, bootstrap_timeout_ms=max(100, round(1000 * timeout_s))
        )
    except BaseException:
        for client in begun:
            client.close()
        raise
