from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from reference.servers import Alertmanager
from reference.web_receiver import Receiver, silent, status
from streamad_connectors import alertmanager_sink
from streamad_connectors.alertmanager_sink import AlertmanagerSink

from streamad.core.errors import Backpressure, ConfigError, Disconnected
from streamad.testing.sinks import example_output

ALERT = replace(example_output(1)[1][0], event="open", seq=1, end_ns=None, labels={"a.b": "c"})


def event(kind="open", seq=1, severity="warning", series="pump-1", **changes):
    end_ns = ALERT.start_ns if kind == "resolve" else None
    name = f"alt_{series}"
    return replace(
        ALERT,
        event=kind,
        seq=seq,
        severity=severity,
        series=series,
        id=name,
        end_ns=end_ns,
        **changes,
    )


def until(true, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def make(tmp_path):
    made = []

    def build(*urls, position=None, **options):
        options = {
            "dead_letter": str(tmp_path / "dead.jsonl"),
            "resend_every": "400ms",
            "timeout": "300ms",
            "longest_wait": "50ms",
        } | options
        made.append(AlertmanagerSink(urls=list(urls), **options))
        made[-1].open("p", position)
        return made[-1]

    yield build
    for sink in made:
        sink.close()


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def recorder():
    """Where the real Alertmanager sends its notifications."""
    with Receiver() as made:
        yield made


@pytest.fixture
def real(tmp_path, recorder):
    with Alertmanager(tmp_path, recorder.url) as made:
        yield made


def notified(recorder):
    """Notifications: (series, severity, status)."""
    return [
        (alert["labels"]["series"], alert["labels"]["severity"], alert["status"])
        for body in recorder.documents
        for alert in body["alerts"]
    ]


def state(real):
    return {
        (alert["labels"]["series"], alert["labels"]["severity"]): alert["status"]["state"]
        for alert in real.alerts()
    }


def test_a_real_one_notifies_open_and_resolve_once_each_with_texts(make, real, recorder):
    sink = make(real.url, generator_url="http://127.0.0.1:1/#/{id}")
    sink.write("p", [], [event()])
    sink.flush("p", 1)
    until(lambda: len(recorder.requests) >= 1)
    (known,) = real.alerts()
    assert known["labels"]["a_b"] == "c"
    assert known["generatorURL"] == "http://127.0.0.1:1/#/alt_pump-1"
    sink.write("p", [], [event("resolve", 2)])
    sink.flush("p", 2)
    until(lambda: len(recorder.requests) >= 2)
    time.sleep(1.0)
    assert notified(recorder) == [
        ("pump-1", "warning", "firing"),
        ("pump-1", "warning", "resolved"),
    ]
    for body in recorder.documents:
        assert body["alerts"][0]["annotations"]["summary"] == ALERT.summary


def test_a_real_one_keeps_an_open_alert_alive_beyond_its_end(make, real, recorder):
    sink = make(real.url, resend_every="200ms")
    sink.write("p", [], [event()])
    until(lambda: len(recorder.requests) >= 1)
    time.sleep(2.0)
    assert notified(recorder) == [("pump-1", "warning", "firing")]
    sink.close()
    until(lambda: len(recorder.requests) >= 2)
    assert notified(recorder)[-1] == ("pump-1", "warning", "resolved")


def test_a_real_one_is_never_left_with_the_old_severity(make, real, recorder):
    sink = make(real.url)
    sink.write("p", [], [event()])
    until(lambda: len(recorder.requests) >= 1)
    sink.write("p", [], [event("update", 2, "critical")])
    sink.flush("p", 1)
    until(lambda: ("pump-1", "critical", "firing") in notified(recorder))
    assert state(real) == {("pump-1", "critical"): "active"}
    sink.write("p", [], [event("resolve", 3, "critical")])
    sink.flush("p", 1)
    until(lambda: ("pump-1", "critical", "resolved") in notified(recorder))
    assert state(real) == {}


def test_a_real_one_hears_of_an_episode_that_was_over_before_the_first_round(make, real, recorder):
    sink = make(real.url, resend_every="1s")
    sink.write("p", [], [event(), event("resolve", 2)])
    until(lambda: len(recorder.requests) >= 2)
    assert [kind for _, _, kind in notified(recorder)] == ["firing", "resolved"]


def test_a_real_one_that_forgot_everything_knows_it_after_a_round(make, real, recorder):
    sink = make(real.url)
    sink.write("p", [], [event(series=f"pump-{i}") for i in range(3)])
    sink.flush("p", 1)
    real.stop()
    time.sleep(0.5)
    real.start(forget=True)
    until(lambda: len(state(real)) == 3)


def test_a_real_one_that_is_down_loses_nothing(make, real, recorder):
    real.stop()
    sink = make(real.url)
    sink.write("p", [], [event(), event("resolve", 2)])
    sink.write("p", [], [event(series="pump-2")])
    sink.flush("p", 1)
    time.sleep(0.5)
    real.start()
    until(lambda: len(notified(recorder)) >= 3)
    assert sorted(notified(recorder)[:3]) == [
        ("pump-1", "warning", "firing"),
        ("pump-1", "warning", "resolved"),
        ("pump-2", "warning", "firing"),
    ]


def test_a_real_one_gets_everything_from_the_next_process(make, real):
    real.stop()
    sink = make(real.url)
    sink.write("p", [], [event()])
    position = json.loads(json.dumps(sink.flush("p", 1)))
    sink.close()
    real.start()
    make(real.url, position=position)
    until(lambda: state(real) == {("pump-1", "warning"): "active"})


def test_a_real_one_takes_two_thousand(make, real):
    sink = make(real.url, resend_every="30s", timeout="5s")
    sink.write("p", [], [event(series=f"pump-{i}") for i in range(2000)])
    until(lambda: sink.counts["waiting"] == 0, 60)
    assert len(state(real)) == 2000


def test_a_bad_alert_is_found_and_put_aside_and_the_others_are_taken(make, real, tmp_path):
    sink = make(real.url)
    bad = event(series="bad", labels={"x": "\udcff".encode("utf-8", "replace").decode()})
    events = [event(series=f"pump-{i}") for i in range(20)]
    sink.write("p", [], events[:7])
    with sink._changed:
        sink._states.take("p", {**document_of(bad), "start": "yesterday at noon"}, time.time())
    sink.write("p", [], events[7:])
    until(lambda: sink.counts["waiting"] == 0)
    assert len(state(real)) == 20
    (line,) = (tmp_path / "dead.jsonl").read_text().splitlines()
    assert json.loads(line)["alert"]["id"] == "alt_bad"
    assert "answers 400" in json.loads(line)["detail"]
    assert sink.counts["dead_lettered"] == 1


def document_of(alert):
    from streamad.core.event import alert_document

    return alert_document(alert)


def test_every_member_of_the_list_gets_every_alert(make, receiver):
    with Receiver() as second:
        sink = make(receiver.url, f"{second.url}/")
        sink.write("p", [], [event()])
        until(lambda: sink.counts["waiting"] == 0)
        assert receiver.requests[0][0] == second.requests[0][0] == "/hook/api/v2/alerts"
        assert receiver.documents[0] == second.documents[0]


def test_one_member_that_answers_is_enough(make, receiver):
    with Receiver() as second:
        second.default = silent
        sink = make(second.url, receiver.url)
        sink.write("p", [], [event()])
        until(lambda: sink.counts["waiting"] == 0)
        assert len(receiver.requests) >= 1


@pytest.mark.parametrize("fault", [status(500), status(429, Retry_After="0"), status(401), silent])
def test_a_fault_of_the_other_side_is_tried_again(make, receiver, tmp_path, fault):
    receiver.answers = [fault, fault]
    sink = make(receiver.url)
    sink.write("p", [], [event()])
    until(lambda: sink.counts["waiting"] == 0)
    assert len(receiver.requests) >= 3
    assert not (tmp_path / "dead.jsonl").exists()


def test_a_post_holds_at_most_500(make, receiver):
    sink = make(receiver.url, resend_every="30s", timeout="5s")
    sink.write("p", [], [event(series=f"pump-{i}") for i in range(1100)])
    until(lambda: sink.counts["waiting"] == 0)
    sizes = [len(body) for body in receiver.documents]
    assert sum(sizes) == 1100
    assert max(sizes) <= 500


def test_suppressed_and_unwanted_alerts_are_not_sent(make, receiver):
    sink = make(receiver.url, severities=["critical"])
    sink.write("p", [], [event(), event(severity="critical", suppressed="cool_down")])
    assert sink.flush("p", 1) == {"alerts": []}
    assert receiver.requests == []


def test_a_slow_one_holds_no_flush_up(make, receiver):
    receiver.default = silent
    sink = make(receiver.url, timeout="2s")
    started = time.monotonic()
    for number in range(20):
        sink.write(f"p{number}", [], [event(series=f"pump-{number}")])
        (entry,) = sink.flush(f"p{number}", 1)["alerts"]
        assert entry["alert_id"] == f"alt_pump-{number}"
    assert time.monotonic() - started < 1.5


def test_the_end_waits_for_the_first_delivery(make, receiver):
    with receiver.arrived:
        sink = make(receiver.url, resend_every="30s", timeout="5s")
        sink.write("p", [], [event(series=f"pump-{i}") for i in range(1100)])
        sink.flush("p", 1)
    sink.close()
    assert sum(len(body) for body in receiver.documents) == 1100


def test_a_dropped_partition_is_silent(make, receiver):
    sink = make(receiver.url, resend_every="100ms")
    sink.write("p", [], [event()])
    sink.flush("p", 1)
    sink.drop("p")
    time.sleep(0.1)
    n = len(receiver.requests)
    time.sleep(0.4)
    assert len(receiver.requests) == n


def test_too_many_that_wait_are_backpressure(make, receiver, monkeypatch):
    monkeypatch.setattr(alertmanager_sink, "MOST_WAITING", 2)
    receiver.stop()
    sink = make(receiver.url)
    sink.write("p", [], [event(series="a"), event(series="b")])
    with pytest.raises(Backpressure, match="2 alerts wait for Alertmanager"):
        sink.write("p", [], [event(series="c")])


def test_credentials_are_sent(make, receiver, tmp_path):
    (tmp_path / "password").write_text("pass\n")
    sink = make(receiver.url, username="me", password_file=str(tmp_path / "password"))
    sink.write("p", [], [event()])
    until(lambda: sink.counts["waiting"] == 0)
    assert receiver.requests[0][1]["Authorization"] == "Basic bWU6cGFzcw=="


@pytest.mark.parametrize(
    ("urls", "options", "message"),
    [
        ([], {}, "at least one Alertmanager"),
        (["alertmanager:9093"], {}, "begins with http:// or https://"),
        (["http://h"], {"generator_url": "#/{id}"}, "begins with http:// or https://"),
        (["http://h"], {"resend_every": "0s"}, "resend_every must be longer than nothing"),
    ],
)
def test_an_option_that_cannot_be_used_is_an_error(make, urls, options, message):
    with pytest.raises(ConfigError, match=message):
        make(*urls, **options)


def test_a_real_one_is_checked_without_an_alert(make, real, recorder):
    make(real.url).check()
    assert real.alerts() == []


def test_a_check_asks_every_member(make, receiver):
    gone = Receiver().start()
    gone.stop()
    sink = make(receiver.url.removesuffix("/hook"), f"http://127.0.0.1:{gone.port}")
    with pytest.raises(Disconnected, match=f"{gone.port} does not answer"):
        sink.check()
    assert receiver.documents == [[]]
