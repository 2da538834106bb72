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
    _require("kafka", what, "kafka")


def require_confluent(what: str) -> None:
    """Check that confluent-kafka is installed.

    Raises
    ------
    MissingExtraError
        If it is not; ``what`` needs it.
    """
    _require("confluent_kafka", what, "confluent")


def _require(package: str, what: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(what, extra)
