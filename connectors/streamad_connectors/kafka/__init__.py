"""Apache Kafka: a source on either client, and what its clients have in common."""

from __future__ import annotations

from streamad_connectors.extras import require


def require_client(what: str) -> None:
    """Check that kafka-python is installed.

    Raises
    ------
    MissingExtraError
        If it is not; ``what`` needs it.
    """
    require("kafka", what, "kafka")


def require_confluent(what: str) -> None:
    """Check that confluent-kafka is installed.

    Raises
    ------
    MissingExtraError
        If it is not; ``what`` needs it.
    """
    require("confluent_kafka", what, "confluent")
