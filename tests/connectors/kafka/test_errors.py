"""Every error of the client becomes one of ours that says what to do."""

from __future__ import annotations

import inspect

import pytest

pytest.importorskip("kafka")

from kafka import errors as kafka_errors
from streamad_connectors.kafka.errors import LOST_RIGHTS, is_passing, translate

from streamad.core.errors import ConfigError, ConnectorError, DecodeError, Disconnected

KINDS = sorted(
    (
        kind
        for _, kind in inspect.getmembers(kafka_errors, inspect.isclass)
        if issubclass(kind, kafka_errors.KafkaError)
    ),
    key=lambda kind: kind.__name__,
)


def make(kind):
    return kind({}) if kind is kafka_errors.LogTruncationError else kind("what came")


def test_there_are_errors_to_translate():
    assert len(KINDS) > 130


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_becomes_one_of_ours(kind):
    ours = translate(make(kind), "reading t")
    assert isinstance(ours, ConnectorError | ConfigError)
    assert str(ours).startswith("reading t: ")
    assert kind.__name__ in str(ours)
    assert "\n" not in str(ours)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_the_client_would_try_again_is_a_broker_that_may_come_back(kind):
    if kind.retriable and not issubclass(kind, kafka_errors.BrokerResponseError):
        assert isinstance(translate(make(kind), "x"), Disconnected)
    assert is_passing(make(kind)) == isinstance(translate(make(kind), "x"), Disconnected)


@pytest.mark.parametrize(
    ("reason", "passes"),
    [
        (kafka_errors.RequestTimedOutError("Request timed out after 999 ms"), True),
        (kafka_errors.UnsupportedVersionError("what came"), False),
    ],
)
def test_a_transaction_that_timed_out_is_a_broker_that_may_come_back(reason, passes):
    """The client wraps whatever it does not know into a bare error."""
    wrapped = kafka_errors.KafkaError(
        f"Could not execute transactional request for unknown reasons: {reason}"
    )
    assert is_passing(wrapped) == passes
    assert isinstance(translate(wrapped, "x"), Disconnected) == passes


@pytest.mark.parametrize("kind", LOST_RIGHTS, ids=lambda kind: kind.__name__)
def test_missing_rights_are_never_waited_out_as_a_broker_that_is_away(kind):
    assert not is_passing(make(kind))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("TopicAuthorizationFailedError", "ACL that allows READ"),
        ("GroupAuthorizationFailedError", "ACL that allows READ"),
        ("TransactionalIdAuthorizationFailedError", "ACL that allows WRITE"),
        ("SaslAuthenticationFailedError", "security.username"),
        ("FencedInstanceIdError", "instance_id"),
        ("InvalidSessionTimeoutError", "session_timeout"),
        ("InconsistentGroupProtocolError", "assignor"),
        ("LogTruncationError", "rebuild"),
    ],
)
def test_the_usual_ones_say_what_to_do(kind, words):
    assert words in str(translate(make(getattr(kafka_errors, kind)), "x"))


def test_damaged_records_are_data_that_cannot_be_read():
    assert isinstance(translate(kafka_errors.CorruptRecordError(), "x"), DecodeError)


def test_settings_that_cannot_work_are_errors_of_the_configuration():
    assert isinstance(translate(kafka_errors.InvalidGroupIdError(), "x"), ConfigError)
