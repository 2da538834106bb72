"""What the broker tells of topics before anything is read or written, and when that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from streamad.core.errors import ConfigError, ConnectorError, Disconnected, Refused
from streamad_connectors.kafka.connect import connect
from streamad_connectors.kafka.errors import translate

_OK, _UNKNOWN, _FORBIDDEN = 0, 3, 29
_GLANCE_S = 2.0
_PERHAPS_GONE = (
    kafka_errors.KafkaTimeoutError,
    kafka_errors.UnknownTopicOrPartitionError,
    kafka_errors.NotLeaderForPartitionError,
)
"""What a producer raises that waits for a topic which is not there, among other things."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is now.

    Attributes
    ----------
    name : str
    id : str
        Another one after it was deleted and made again; empty where the broker has no ids.
    n_partitions : int
    """

    name: str
    id: str
    n_partitions: int


def look_up(
    settings: Mapping[str, Any], names: Sequence[str], timeout_s: float
) -> dict[str, Topic]:
    """The topics, all there and readable.

    Parameters
    ----------
    settings : mapping
        See :func:`.security.client_settings`.
    names : sequence of str
    timeout_s : float
        To reach the broker.

    Raises
    ------
    Refused
        If a topic is not there or must not be read. A consumer would wait for ever in silence.
    """
    doing = f"looking up the topics {', '.join(names)}"
    found = {topic["name"]: topic for topic in _describe(settings, names, timeout_s, doing)}
    return {name: _checked(name, found.get(name, {})) for name in names}


def require_target(settings: Mapping[str, Any], name: str, timeout_s: float) -> None:
    """Return if a topic to write to is there.

    Raises
    ------
    Refused
        If it is not there, or must not be written. A producer would wait for it as for a broker
        that is away, or hear it with the first alert only.
    Disconnected
        If the broker does not answer.
    """
    told = _describe(settings, [name], timeout_s, f"looking up the topic {name!r}")[0]
    if told.get("error_code") == _UNKNOWN:
        raise Refused(f"there is no topic {name!r} to write to: create it")
    _require_right("WRITE", name, told)


def why_not_written(
    settings: Mapping[str, Any], name: str, error: BaseException, doing: str
) -> ConnectorError | ConfigError:
    """An error of a producer in our words; where the topic is gone, that is the reason.

    Parameters
    ----------
    settings : mapping
        See :func:`.security.client_settings`.
    name : str
        Of the topic.
    error : BaseException
    doing : str
        As for :func:`.errors.translate`.

    Returns
    -------
    ConnectorError or ConfigError
        :class:`.Disconnected`, too, for a topic that is gone: it may be made again.
    """
    if isinstance(error, _PERHAPS_GONE):
        try:
            require_target(settings, name, _GLANCE_S)
        except Refused as refused:
            return Disconnected(f"{doing}: {refused}")
        except ConnectorError:
            pass
    return translate(error, doing)


def _describe(
    settings: Mapping[str, Any], names: Sequence[str], timeout_s: float, doing: str
) -> Sequence[Mapping[str, Any]]:
    """What the broker tells of topics, be it that there are none of these names."""
    admin = connect(KafkaAdminClient, settings, timeout_s)
    try:
        found: Sequence[Mapping[str, Any]] = admin.describe_topics(list(names))
    except kafka_errors.KafkaError as error:
        raise translate(error, doing) from error
    finally:
        admin.close()
    return found


def _checked(name: str, told: Mapping[str, Any]) -> Topic:
    code = told.get("error_code", _UNKNOWN)
    if code == _UNKNOWN:
        raise Refused(f"there is no topic {name!r}: check source.topics, or create it")
    _require_right("READ", name, told)
    if code != _OK:
        raise translate(kafka_errors.for_code(code)(), f"looking up the topic {name!r}")
    return Topic(name, str(told.get("topic_id") or ""), len(told.get("partitions", ())))


def _require_right(right: str, name: str, told: Mapping[str, Any]) -> None:
    """Refuse if the topic is hidden from us, or the broker says that we lack the right."""
    if told.get("error_code") == _FORBIDDEN:
        having = "or there is no such topic"
    else:
        allowed = told.get("topic_authorized_operations") or told.get("authorized_operations")
        if not isinstance(allowed, list) or not allowed or right in allowed:
            return
        having = f"and has {', '.join(sorted(map(str, allowed)))}"
    raise Refused(
        f"no right to {right.lower()} the topic {name!r}: the user needs an ACL that allows "
        f"{right} on it ({having})"
    )
