from __future__ import annotations

import hashlib
import hmac
import json
import time
from dataclasses import replace
from uuid import uuid4

import jsonschema
import pytest
from reference.web_receiver import Receiver, endless, hanging_up, silent, status, trickling
from streamad_connectors.webhook_sink import WebhookSink

from streamad.core.errors import Backpressure, ConfigError, Disconnected
from streamad.core.event import alert_document, alert_schema
from streamad.testing.conformance import SinkConformance
from streamad.testing.sinks import example_output

ALERT = replace(example_output(1)[1][0], id="alt_0123456789abcdef", event="open", end_ns=None)


def numbered(n):
    """Events of different episodes, in order."""
    return [replace(ALERT, id=f"alt_{i:016x}") for i in range(n)]


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


@pytest.fixture
def make(tmp_path, receiver):
    made = []

    def build(**options):
        options = {
            "url": receiver.url,
            "dead_letter": str(tmp_path / "dead.jsonl"),
            "spool": str(tmp_path / "spool"),
            "timeout": "300ms",
            "longest_wait": "50ms",
        } | options
        made.append(WebhookSink(**options))
        made[-1].open("p", None)
        return made[-1]

    yield build
    for sink in made:
        sink.close()


class TestWebhookSink(SinkConformance):
    """Received events stand for the folder: an address a folder, that a copy of it keeps."""

    effort = 0.3

    @pytest.fixture(autouse=True)
    def _receiver(self, receiver):
        self.receiver = receiver

    def make(self, folder):
        address = folder / "address"
        if not address.exists():
            address.write_text(f"{self.receiver.url}/{uuid4()}")
        return WebhookSink(
            url_file=str(address),
            dead_letter=str(folder / "dead.jsonl"),
            spool=str(folder / "spool"),
            longest_wait="20ms",
        )

    def read(self, folder):
        """The latest event of every alert; what comes again has the same key and the same body."""
        latest = {}
        for path, headers, body in self.receiver.requests:
            if (folder / "address").read_text().endswith(path):
                before = latest.setdefault(headers["Idempotency-Key"], body)
                assert body == before
        return latest


def dead_letters(tmp_path):
    path = tmp_path / "dead.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def settled(sink, seconds=10.0):
    """Wait until nothing waits."""
    deadline = time.monotonic() + seconds
    while sink.counts["waiting"]:
        assert time.monotonic() < deadline, sink.counts
        time.sleep(0.01)


def test_an_event_is_a_request_with_its_document(make, receiver):
    sink = make()
    sink.write("p", [], [ALERT])
    assert sink.flush("p", 1) == {}
    settled(sink)
    ((path, headers, body),) = receiver.requests
    assert path == "/hook"
    assert json.loads(body) == alert_document(ALERT)
    jsonschema.validate(json.loads(body), alert_schema())
    assert headers["Idempotency-Key"] == f"{ALERT.id}:{ALERT.seq}"
    assert headers["Content-Type"] == "application/json"


def test_events_are_sent_before_the_flush(make, receiver):
    make().write("p", [], [ALERT])
    receiver.wait(1)


def test_events_come_in_order(make, receiver):
    sink = make()
    sink.write("p", [], numbered(20))
    settled(sink)
    assert [d["id"] for d in receiver.documents] == [a.id for a in numbered(20)]


def test_suppressed_and_unwanted_alerts_are_not_sent(make, receiver):
    sink = make(severities=["critical"])
    sink.write(
        "p",
        [],
        [
            replace(ALERT, suppressed="cool_down", severity="critical"),
            replace(ALERT, severity="warning"),
            replace(ALERT, severity="critical", seq=7),
        ],
    )
    settled(sink)
    assert [d["seq"] for d in receiver.documents] == [7]


def test_a_receiver_can_check_the_signature(make, receiver, tmp_path):
    (tmp_path / "key").write_text("s3cret\n")
    sink = make(secret_file=str(tmp_path / "key"), token="t0ken")
    sink.write("p", [], [ALERT])
    settled(sink)
    ((_, headers, body),) = receiver.requests
    signed = headers["X-Streamad-Timestamp"].encode() + b"." + body
    expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["X-Streamad-Signature"] == f"sha256={expected}"
    assert abs(int(headers["X-Streamad-Timestamp"]) - time.time()) < 60
    assert headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(503),
        status(429),
        status(401),
        status(404),
        hanging_up,
        silent,
        trickling,
    ],
)
def test_a_passing_fault_is_tried_again(make, receiver, fault):
    receiver.answers = [fault, fault]
    sink = make()
    sink.write("p", [], numbered(2))
    settled(sink)
    assert [d["id"] for d in receiver.documents][2:] == [a.id for a in numbered(2)]
    assert sink.counts == {"delivered": 2, "dead_lettered": 0, "waiting": 0}


def test_retry_after_is_obeyed(make, receiver):
    receiver.answers = [status(429, Retry_After="1")]
    sink = make()
    started = time.monotonic()
    sink.write("p", [], [ALERT])
    settled(sink)
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("code", [400, 410, 413, 422, 301, 302])
def test_a_refused_alert_is_put_aside_and_the_next_one_is_sent(make, receiver, tmp_path, code):
    receiver.answers = [status(code, b"no such channel")]
    sink = make()
    sink.write("p", [], numbered(2))
    settled(sink)
    (line,) = dead_letters(tmp_path)
    assert line["alert"] == alert_document(numbered(2)[0])
    assert line["reason"] == "refused"
    assert f"answers {code}: no such channel" in line["detail"]
    assert sink.counts == {"delivered": 1, "dead_lettered": 1, "waiting": 0}


def test_an_alert_that_nobody_takes_is_put_aside_after_the_budget(make, receiver, tmp_path):
    receiver.default = status(500, b"out of order")
    sink = make(give_up_after="200ms")
    sink.write("p", [], numbered(3))
    settled(sink)
    assert [line["reason"] for line in dead_letters(tmp_path)] == ["not_delivered"] * 3
    assert sink.counts["dead_lettered"] == 3
    assert len(receiver.requests) >= 4


def test_no_redirect_is_followed_to_another_origin(make, receiver, tmp_path):
    with Receiver() as other:
        receiver.answers = [status(307, Location=f"{other.url}?key=secret")]
        sink = make()
        sink.write("p", [], [ALERT])
        settled(sink)
        assert other.requests == []
    (line,) = dead_letters(tmp_path)
    assert f"redirects to http://127.0.0.1:{other.port}, which is another" in line["detail"]
    assert "secret" not in line["detail"]


def test_a_redirect_within_the_origin_is_followed(make, receiver):
    receiver.answers = [status(308, Location="/elsewhere")]
    sink = make()
    sink.write("p", [], [ALERT])
    settled(sink)
    assert [path for path, _, _ in receiver.requests] == ["/hook", "/elsewhere"]
    assert receiver.requests[0][2] == receiver.requests[1][2]


def test_a_circle_of_redirects_ends(make, receiver, tmp_path):
    receiver.default = status(307, Location="/hook")
    sink = make()
    sink.write("p", [], [ALERT])
    settled(sink)
    assert len(receiver.requests) == 4
    assert "answers 307" in dead_letters(tmp_path)[0]["detail"]


def test_an_endless_answer_is_cut(make, receiver):
    receiver.default = endless
    sink = make(timeout="2s")
    started = time.monotonic()
    sink.write("p", [], [ALERT])
    settled(sink)
    assert sink.counts["delivered"] == 1
    assert time.monotonic() - started < 2.0


def test_an_outage_loses_nothing_and_holds_nobody_up(make, receiver, monkeypatch):
    receiver.stop()
    sink = make()
    sink.write("p", [], numbered(1))
    started = time.monotonic()
    while not sink._outbox._outage:
        assert time.monotonic() < started + 5
        time.sleep(0.01)
    started = time.monotonic()
    for i, alert in enumerate(numbered(10)[1:]):
        sink.write("p", [], [alert])
        sink.flush("p", i)
    assert time.monotonic() - started < 1.0
    receiver.start()
    settled(sink)
    assert [d["id"] for d in receiver.documents] == [a.id for a in numbered(10)]


def test_what_a_process_left_in_the_spool_is_sent_by_the_next_one(make, receiver):
    receiver.stop()
    sink = make()
    sink.write("p", [], numbered(3))
    sink.flush("p", 1)
    sink.write("p", [], [replace(ALERT, id="alt_ffffffffffffffff")])
    sink.close()
    receiver.start()
    settled(make())
    assert [d["id"] for d in receiver.documents] == [a.id for a in numbered(3)]


def test_without_a_spool_a_flush_waits_for_the_receiver(make, receiver):
    receiver.stop()
    sink = make(spool=None)
    sink.write("p", [], [ALERT])
    with pytest.raises(Backpressure, match=r"1 alerts wait for the webhook http://127\.0\.0\.1"):
        sink.flush("p", 1)
    receiver.start()
    settled(sink)
    assert sink.flush("p", 1) == {}
    assert len(receiver.requests) == 1


def test_a_slow_receiver_holds_no_flush_up(make, receiver):
    receiver.default = silent
    sink = make(timeout="1s")
    started = time.monotonic()
    for number, alert in enumerate(numbered(20)):
        sink.open(f"p{number}", None)
        sink.write(f"p{number}", [], [alert])
        sink.flush(f"p{number}", 1)
    assert time.monotonic() - started < 0.9


def test_a_full_spool_is_backpressure_and_takes_all_alerts_or_none(make, receiver):
    receiver.stop()
    sink = make(spool_max_bytes=5000)
    sink.write("p", [], numbered(3))
    with pytest.raises(Backpressure, match="the limit of 5000 bytes is reached"):
        sink.write("p", [], numbered(8))
    assert sink.counts["waiting"] == 3


def test_a_dropped_partition_is_silent(make, receiver):
    receiver.stop()
    sink = make()
    sink.open("q", None)
    sink.write("p", [], numbered(1))
    sink.flush("p", 1)
    sink.write("p", [], numbered(2)[1:])
    sink.write("q", [], numbered(3)[2:])
    sink.drop("p")
    receiver.start()
    settled(sink)
    assert [d["id"][-1] for d in receiver.documents] == ["0", "2"]


def test_an_address_in_a_file_stays_a_secret(make, receiver, tmp_path, caplog):
    (tmp_path / "url").write_text(receiver.url + "/T00/hunter2-canary\n")
    receiver.answers = [status(500), status(400)]
    sink = make(url=None, url_file=str(tmp_path / "url"))
    with caplog.at_level("DEBUG", "streamad_connectors"):
        sink.write("p", [], [ALERT])
        settled(sink)
    assert receiver.requests[0][0] == "/hook/T00/hunter2-canary"
    assert "canary" not in caplog.text + str(dead_letters(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "ftp://host/"}, "begins with http:// or https://"),
        ({"url": None}, "url or url_file is needed"),
        ({"format": "pagerduty"}, "token or token_file is needed"),
        ({"timeout": "10"}, "timeout: a duration with a unit"),
        ({"token_file": "/nowhere"}, "token_file must name a readable file, /nowhere is none"),
        ({"spool_max_bytes": 0}, "at least one byte"),
        ({"format": "teams"}, "format must be one of streamad, "),
    ],
)
def test_an_option_that_cannot_be_used_is_an_error(make, options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_a_check_takes_any_answer_and_posts_nothing(make, receiver):
    make().check()
    assert receiver.requests == []


@pytest.mark.parametrize("url", ["http://nowhere.invalid/hook", "https://127.0.0.1:1/hook"])
def test_a_check_says_that_nobody_answers(make, url):
    with pytest.raises(Disconnected, match="does not answer"):
        make(url=url).check()
