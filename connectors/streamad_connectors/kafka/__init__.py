"""Apache Kafka: a source on either client, and what its clients have in common."""

from __future__ import annotations

import importlib.util

from streamad.core.errors import MissingExtraError


def require_client(what: str) -> None:
    """Check that kafka-python is installed.

    Raises
    ------
    MissingExtraError
        If it is not; ``what`` needs it.
    """
    if importlib.util.find_spec("kafka") is None:
        raise MissingExtraError(what, "kafka")


def require_confluent(what: str) -> None:
    """Check that confluent-kafka is installed.

    Raises
    ------
    MissingExtraError
        If it is not; ``what`` needs it.
    """
    if importlib.util.find_spec("confluent_kafka") is None:
        raise MissingExtraError(what, "confluent")
