"""What is waited out, and until when."""

from __future__ import annotations

import pytest

pytest.importorskip("kafka")

from kafka import errors as kafka_errors
from streamad_connectors.kafka.patience import Patience

from streamad.core.errors import ConnectorError, DecodeError, Disconnected, Refused

AWAY = kafka_errors.KafkaConnectionError("refused")
FORBIDDEN = kafka_errors.TopicAuthorizationFailedError({"t"})


class Clock:
    now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patience(clock):
    return Patience("reading t", 10.0, 60.0, clock=clock, sleep=clock.sleep)


def raises(error):
    def action():
        raise error

    return action


def test_what_works_is_handed_on(patience):
    assert patience.attempt(lambda: 5) == 5
    assert patience.n_failures == 0


def test_a_broker_that_is_away_at_the_start_is_an_error_in_the_end(patience, clock):
    assert patience.attempt(raises(AWAY)) is None
    clock.now = 11.0
    with pytest.raises(Disconnected, match="reading t"):
        patience.attempt(raises(AWAY))


def test_a_broker_that_goes_away_later_is_waited_for_without_an_end(patience, clock):
    patience.succeeded()
    for hour in range(5):
        clock.now = 3600.0 * hour
        assert patience.attempt(raises(AWAY)) is None
    assert patience.n_failures == 5


def test_missing_rights_are_an_error_at_the_start(patience):
    with pytest.raises(ConnectorError, match="ACL"):
        patience.attempt(raises(FORBIDDEN))


def test_rights_taken_away_are_waited_for_for_a_while(patience, clock):
    patience.succeeded()
    for second in range(0, 60, 10):
        clock.now = float(second)
        assert patience.attempt(raises(FORBIDDEN)) is None
    clock.now = 61.0
    with pytest.raises(ConnectorError, match="ACL"):
        patience.attempt(raises(FORBIDDEN))


def test_rights_that_came_back_begin_a_new_count(patience, clock):
    patience.succeeded()
    for clock.now in (0.0, 100.0, 200.0):
        assert patience.attempt(raises(FORBIDDEN)) is None


def test_a_broker_that_was_away_does_not_count_as_missing_rights(patience, clock):
    patience.succeeded()
    patience.attempt(raises(AWAY))
    clock.now = 500.0
    patience.attempt(raises(AWAY))
    assert patience.attempt(raises(FORBIDDEN)) is None


def test_damage_is_an_error_at_once(patience):
    patience.succeeded()
    with pytest.raises(DecodeError):
        patience.attempt(raises(kafka_errors.CorruptRecordError()))


def test_what_is_no_error_of_the_client_is_not_ours_to_wait_out(patience):
    with pytest.raises(ZeroDivisionError):
        patience.attempt(raises(ZeroDivisionError()))


def failing(*errors):
    left = list(errors)

    def action():
        if left:
            raise left.pop(0)
        return 5

    return action


def test_what_has_to_be_known_is_asked_again(patience):
    assert patience.insist(failing(AWAY, AWAY), 10.0) == 5
    assert patience.n_failures == 2


def test_what_cannot_be_known_for_too_long_is_an_error_that_may_pass(patience, clock):
    patience.succeeded()
    with pytest.raises(Disconnected, match=r"reading t: no answer within 10 s .*refused"):
        patience.insist(raises(AWAY), 10.0)
    assert clock.now == pytest.approx(10.0, abs=0.3)


def test_rights_taken_away_are_waited_for_by_those_who_ask_again(patience, clock):
    patience.succeeded()
    while clock.now < 45.0:
        with pytest.raises(Disconnected):
            patience.insist(raises(FORBIDDEN), 10.0)
    with pytest.raises(Refused, match="ACL"):
        patience.insist(raises(FORBIDDEN), 30.0)


def test_a_failure_is_told_at_most_every_ten_seconds(patience, clock, caplog):
    patience.succeeded()
    for _ in range(100):
        patience.attempt(raises(AWAY))
    assert clock.now == pytest.approx(20.0)
    assert len(caplog.records) == 2
