"""The server beside the loop of ``streamad run``; and no secret anywhere that it speaks."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import subprocess
import sys
import time

import pytest
from reference.servers import free_port, program
from ruamel.yaml import YAML

from streamad.cli import secrets, web
from streamad.cli.console import _FLOORS, _structlog_handler, configure_logs
from streamad.cli.secrets import conceal, keep_secret
from streamad.config import config_from
from streamad.config.plugins import _offered
from streamad.core.errors import MissingExtraError
from streamad.runtime.telemetry import Telemetry

CANARY = 'hunter2-"canary"/ä'
FORMS = ["hunter2-", "canary"]
TOKEN = "0123456789abcdef-token"

TALKER = """
import logging
import os
from endless import EndlessSource
from streamad.core.errors import ConfigError

log = logging.getLogger("talker")

class TalkingSource(EndlessSource):
    def __init__(self, *, password: str, url: str, rows: int = 500, fails: bool = False) -> None:
        super().__init__(rows=rows)
        log.debug("connecting with %r", {"sasl_plain_password": password, "url": url})
        log.debug("sending %r", f"\\0me\\0{password}".encode())
        try:
            raise ValueError(f"refused: {password}")
        except ValueError:
            log.exception("cannot use %s", password)
        if fails:
            raise ConfigError(f"the password {password} is wrong")
"""


@pytest.fixture
def site(tmp_path, monkeypatch, request):
    """A package with a source that logs its password."""
    folder = tmp_path / "site"
    info = folder / "talker-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "endless.py").write_text(request.path.with_name("endless.py").read_text())
    (folder / "talker.py").write_text(TALKER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: talker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[streamad.sources]\nendless = endless:EndlessSource\ntalker = talker:TalkingSource\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    _offered.cache_clear()
    yield folder
    _offered.cache_clear()


@pytest.fixture
def plant(site, tmp_path):
    """Write a configuration with changed sections."""

    def put(**sections):
        tree = {
            "version": 1,
            "pipeline": "plant",
            "source": {"type": "endless", "rows": 500},
            "detectors": [{"type": "ewma", "threshold": {"type": "fixed", "value": 8.0}}],
            "sinks": [{"type": "jsonl", "path": "out/{partition}.jsonl"}],
            "state": {"dir": "state", "every": "100ms"},
            **sections,
        }
        path = tmp_path / "plant.yaml"
        with path.open("w") as file:
            YAML().dump(tree, file)
        return path

    return put


def ask(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def wait_until_ready(port, running, source="endless", **headers):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        try:
            read = f'source_records_total{{pipeline="plant",source="{source}"}} 1000.0'
            if ask(port, "/readyz")[0] == 200 and read in ask(port, "/metrics", **headers)[1]:
                return
        except OSError:
            pass
        time.sleep(0.05)
    running.kill()
    raise AssertionError(running.communicate()[1])


def stopped(running):
    running.send_signal(signal.SIGTERM)
    return running.communicate(timeout=60)


def test_a_run_shows_itself_and_the_server_ends_with_it(plant, process):
    port = free_port()
    with process("run", plant(web={"port": port})) as running:
        wait_until_ready(port, running)
        assert ask(port, "/healthz") == (200, '{"alive":true}')
        metrics = ask(port, "/metrics")[1]
        config = ask(port, "/config")[1]
        _, told = stopped(running)
    assert running.returncode == 0, told
    assert f"listening http://127.0.0.1:{port}" in told
    assert 'streamad_source_records_total{pipeline="plant",source="endless"} 1000.0' in metrics
    assert 'streamad_detector_scores_total{detector="ewma",pipeline="plant"}' in metrics
    assert 'streamad_log_messages_total{level="info",pipeline="plant"} 0.0' not in metrics
    assert "pipeline: plant" in config
    with pytest.raises(OSError, match="refused"):
        ask(port, "/healthz")
    checked = subprocess.run(
        [program("prometheus", "promtool"), "check", "metrics"],
        input=metrics,
        capture_output=True,
        text=True,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_port_that_is_written_and_taken_ends_with_two(plant, streamad, process):
    port = free_port()
    with process("run", plant(web={"port": port})) as running:
        wait_until_ready(port, running)
        ended = streamad("run", plant(web={"port": port}, pipeline="other"))
        stopped(running)
    assert ended.code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in ended.err


@pytest.mark.parametrize("none", [0, None])
def test_without_a_port_there_is_no_server(plant, process, tmp_path, none):
    with process("run", plant(web={"port": none})) as running:
        deadline = time.monotonic() + 60
        while not list((tmp_path / "state").rglob("*.ckpt")) and time.monotonic() < deadline:
            time.sleep(0.05)
        _, told = stopped(running)
    assert running.returncode == 0, told
    assert "listening" not in told


@pytest.mark.parametrize(
    ("web", "told"),
    [
        ({"host": "0.0.0.0"}, "needs a token"),
        ({"token_file": "none.txt"}, "web.token_file should name a file with a token"),
        ({"token_file": "short.txt"}, "at least 16 printable ASCII characters"),
    ],
)
def test_what_would_let_anybody_in_ends_with_two(plant, streamad, tmp_path, web, told):
    (tmp_path / "short.txt").write_text("short\n")
    ended = streamad("run", plant(web=web))
    assert ended.code == 2
    assert told in ended.err


@pytest.mark.parametrize("style", ["json", "text"])
def test_no_secret_shows_anywhere(plant, process, tmp_path, style):
    port = free_port()
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    config = plant(
        source={"type": "talker", "password": CANARY, "url": "tcp://me:url-canary@broker:9092"},
        web={"port": port, "token_file": "token"},
    )
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with process("--log-level", "debug", "--log-format", style, "run", config) as running:
        wait_until_ready(port, running, "talker", **bearer)
        paths = ("/config", "/metrics", "/readyz", "/version", "/healthz")
        shown = [ask(port, path, **bearer)[1] for path in paths]
        refused, _ = ask(port, "/config")
        running.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        out, err = stopped(running)
    assert running.returncode == 0, err
    assert refused == 401
    assert "connecting with" in err
    assert err.count("**********") >= 4
    assert "**********" in shown[0]
    written = [path.read_bytes().decode("latin-1") for path in everything_written(tmp_path)]
    assert written
    for text in (out, err, *shown, *written):
        for form in (*FORMS, TOKEN):
            assert form not in text


def everything_written(folder):
    return [p for name in ("state", "out") for p in (folder / name).rglob("*") if p.is_file()]


def test_no_secret_shows_in_what_ends_a_run(plant, process):
    source = {"type": "talker", "password": CANARY, "url": "x", "fails": True}
    with process("--log-level", "debug", "run", plant(source=source, web={"port": 0})) as running:
        out, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "the password ********** is wrong" in err
    assert "Traceback" in err
    assert not [form for form in FORMS if form in out + err]


LOUD = """
import logging
import os
import sys
import streamad.config
from streamad.cli.app import run

made = streamad.config.make_source

def loudly(config):
    logging.getLogger("kafka").setLevel(logging.DEBUG)
    return made(config)

streamad.config.make_source = loudly
sys.argv = ["streamad", "--log-level", "debug", "run", sys.argv[1], "--fail-fast"]
run()
"""


def away():
    """A source whose broker does not answer."""
    return {
        "type": "kafka",
        "brokers": [f"127.0.0.1:{free_port()}"],
        "topics": ["sensors"],
        "group": "plant",
        "format": {"type": "json", "values": ["flow"]},
        "connect_timeout": "1s",
    }


def test_the_client_for_kafka_does_not_tell_it_at_its_loudest(plant, site, tmp_path):
    pytest.importorskip("kafka")
    source = {
        **away(),
        "security": {
            "protocol": "SASL_PLAINTEXT",
            "mechanism": "PLAIN",
            "username": "me",
            "password": CANARY,
        },
    }
    done = subprocess.run(
        [sys.executable, "-c", LOUD, plant(source=source, web={"port": 0})],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 4, done.stderr
    loud = [line for line in done.stderr.splitlines() if '"logger": "kafka' in line]
    assert [line for line in loud if '"level": "debug"' in line]
    assert not [form for form in FORMS if form in done.stdout + done.stderr]


def test_a_broker_that_is_away_is_told_once_and_in_our_words(plant, streamad):
    pytest.importorskip("kafka")
    ended = streamad("run", plant(source=away(), web={"port": 0}), "--fail-fast")
    assert ended.code == 4
    assert "cannot be reached within 1 s" in ended.err
    assert "kafka.net" not in ended.err


@pytest.mark.parametrize(
    ("level", "shown"), [("info", {"kafka"}), ("debug", {"kafka", "kafka.net.manager"})]
)
def test_the_client_for_kafka_tells_of_connections_only_to_who_debugs(level, shown, levels):
    configure_logs(level, "json")
    loggers = ("kafka", "kafka.net.manager", "kafka.coordinator.heartbeat")
    told = {name for name in loggers if logging.getLogger(name).isEnabledFor(logging.WARNING)}
    assert told == shown | ({loggers[2]} if level == "debug" else set())
    assert logging.getLogger("kafka.coordinator").isEnabledFor(logging.ERROR)


@pytest.fixture
def levels():
    """Handlers and levels as they were."""
    loggers = [logging.getLogger(), *map(logging.getLogger, _FLOORS)]
    before = [(logger, logger.level) for logger in loggers]
    handlers = loggers[0].handlers[:]
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(secrets, "_known", [])


def test_every_form_of_a_secret_is_concealed(known):
    source = {"type": "parquet", "path": "http://me:pass-word@host/x"}
    config = config_from({"version": 1, "pipeline": "p", "source": source})
    keep_secret(config, CANARY, "abc")
    for text in (CANARY, json.dumps(CANARY), repr(CANARY), repr(CANARY.encode())):
        assert not [form for form in FORMS if form in conceal(text)]
    assert conceal("pass-word of http://a:b@c") == "********** of http://**********@c"
    assert conceal("abc is too short to be looked for") == "abc is too short to be looked for"


@pytest.mark.parametrize("style", ["json", "text"])
def test_an_exception_is_part_of_the_line(style, monkeypatch):
    handler = _structlog_handler(style)
    try:
        raise ValueError("a\x1b[31m slip")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("streamad", logging.ERROR, __file__, 1, "it %s", ("broke",), info)
    text = handler.format(record)
    if style == "json":
        told = json.loads(text)
        assert (told["event"], told["level"], told["logger"]) == ("it broke", "error", "streamad")
        assert told["exception"].endswith("ValueError: a\x1b[31m slip")
        assert "\n" not in text
    else:
        assert "ValueError: a\\x1b[31m slip" in text


@pytest.fixture
def no_packages(monkeypatch):
    monkeypatch.setattr(web, "find_spec", lambda _name: None)


def config_with(**sections):
    source = {"type": "parquet", "path": "x"}
    return config_from({"version": 1, "pipeline": "p", "source": source, **sections})


def test_an_installation_without_the_packages_runs_without_a_server(no_packages, caplog):
    with caplog.at_level("INFO"), web.serve_web(config_with(), Telemetry()) as address:
        assert address is None
    assert "pip install 'streamad-engine[web]'" in caplog.text


def test_it_does_not_where_a_server_is_asked_for(no_packages):
    with (
        pytest.raises(MissingExtraError, match=r"web\.port=0"),
        web.serve_web(config_with(web={"port": 9000}), Telemetry()),
    ):
        pass


def test_two_runs_on_one_machine_need_no_configuration(known):
    one, other = (web.serve_web(config_with(), Telemetry()) for _ in range(2))
    with one as first, other as second:
        assert first != second
        assert ask(int(second.rpartition(":")[2]), "/healthz")[0] == 200
