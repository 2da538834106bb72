"""Settings and errors of confluent-kafka in terms of those of kafka-python."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from kafka import errors as kafka_errors

if TYPE_CHECKING:
    from streamad_connectors.kafka.member import MemberOptions

ASSIGNORS = {"cooperative": "cooperative-sticky", "range": "range"}
LOG = logging.getLogger("kafka.net.confluent")
"""Silent unless debugging, as the network of kafka-python is."""

_TOKEN_S = 60.0
"""After so long a token counts as old; its file is read again a little earlier."""

_NAMES = {
    "client_id": "client.id",
    "security_protocol": "security.protocol",
    "ssl_cafile": "ssl.ca.location",
    "ssl_certfile": "ssl.certificate.location",
    "ssl_keyfile": "ssl.key.location",
    "ssl_password": "ssl.key.password",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_plain_username": "sasl.username",
    "sasl_plain_password": "sasl.password",
}
_LOCAL: dict[int, type[Exception]] = {
    KafkaError._AUTHENTICATION: kafka_errors.SaslAuthenticationFailedError,  # noqa: SLF001
    KafkaError._INVALID_ARG: kafka_errors.KafkaConfigurationError,  # noqa: SLF001
    KafkaError._BAD_MSG: kafka_errors.CorruptRecordError,  # noqa: SLF001
    KafkaError._BAD_COMPRESSION: kafka_errors.CorruptRecordError,  # noqa: SLF001
    KafkaError._NOT_IMPLEMENTED: kafka_errors.UnsupportedCodecError,  # noqa: SLF001
    KafkaError._LOG_TRUNCATION: kafka_errors.LogTruncationError,  # noqa: SLF001
    KafkaError._FENCED: kafka_errors.FencedInstanceIdError,  # noqa: SLF001
    KafkaError._STATE: kafka_errors.CommitFailedError,  # noqa: SLF001
    KafkaError._ASSIGNMENT_LOST: kafka_errors.CommitFailedError,  # noqa: SLF001
    KafkaError.UNKNOWN_MEMBER_ID: kafka_errors.CommitFailedError,
    KafkaError.ILLEGAL_GENERATION: kafka_errors.CommitFailedError,
}


def as_kafka_error(error: KafkaError) -> Exception:
    """An error of confluent-kafka as what kafka-python raises for it.

    Those of the client itself that are not listed are troubles of a connection, which may pass.

    Examples
    --------
    >>> as_kafka_error(KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down"))
    KafkaConnectionError('_ALL_BROKERS_DOWN: 1/1 brokers are down')
    >>> as_kafka_error(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)).errno
    30
    """
    code, told = error.code(), f"{error.name()}: {error.str()}"
    kind = _LOCAL.get(code)
    if code == KafkaError._FATAL:  # noqa: SLF001  (which it is, the text alone tells)
        fenced = "fenced" in error.str()
        kind = kafka_errors.FencedInstanceIdError if fenced else kafka_errors.KafkaError
    if kind is None:
        kind = kafka_errors.for_code(code) if code > 0 else kafka_errors.KafkaConnectionError
    made: Exception = kind(told)
    return made


@contextmanager
def translated() -> Iterator[None]:
    """Errors of confluent-kafka come as those of kafka-python."""
    try:
        yield
    except KafkaException as error:
        raise as_kafka_error(error.args[0]) from error


def confluent_settings(settings: Mapping[str, Any], options: MemberOptions) -> dict[str, Any]:
    """What a ``confluent_kafka.Consumer`` is made with, callbacks apart.

    Parameters
    ----------
    settings : mapping
        Of kafka-python, see :func:`.security.client_settings`.
    options : MemberOptions

    Notes
    -----
    ``queued.max.messages.kbytes`` bounds what is fetched ahead of a partition, and
    ``fetch.queue.backoff.ms`` how long it rests once that is reached (a second by default).
    """
    made: dict[str, Any] = {
        name: str(settings[ours]) for ours, name in _NAMES.items() if settings.get(ours) is not None
    }
    token = settings.get("sasl_oauth_token_provider")
    if token is not None:
        made["oauth_cb"] = lambda _config: (token.token(), time.time() + _TOKEN_S)
    if options.instance_id:
        made["group.instance.id"] = options.instance_id
    return made | {
        "bootstrap.servers": ",".join(settings["bootstrap_servers"]),
        "group.id": options.group,
        "partition.assignment.strategy": ASSIGNORS[options.assignor],
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "check.crcs": True,
        "isolation.level": options.isolation,
        "max.partition.fetch.bytes": options.fetch_bytes,
        "queued.max.messages.kbytes": max(1, options.fetch_bytes // 1024),
        "fetch.queue.backoff.ms": 10,
        "fetch.wait.max.ms": 100,
        "session.timeout.ms": round(1000 * options.session_s),
        "heartbeat.interval.ms": round(1000 * min(1.0, options.session_s / 6)),
        "max.poll.interval.ms": round(1000 * options.poll_interval_s),
        "topic.metadata.refresh.interval.ms": round(1000 * options.metadata_s),
        "reconnect.backoff.max.ms": 2000,
        "statistics.interval.ms": 1000,
    }
