"""How commands begin and end, whatever they do."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamad.cli.exits import exit_code
from streamad.core.errors import (
    Backpressure,
    ConfigError,
    ConnectorError,
    DecodeError,
    Disconnected,
    FingerprintMismatch,
    MissingExtraError,
    NotFittedError,
    ShapeError,
    StateError,
)

STREAMAD = Path(sys.executable).with_name("streamad")
HEAVY = [
    *("numba", "torch", "scipy", "pandas", "pyarrow", "sklearn", "river"),
    *("pydantic", "ruamel", "rich", "structlog"),
]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (MissingExtraError("x", "deep"), 2),
        (Disconnected("x"), 4),
        (StateError("x"), 5),
        (FingerprintMismatch("x"), 5),
        (ConnectorError("x"), 1),
        (DecodeError("x"), 1),
        (Backpressure("x", 1.0), 1),
        (ShapeError("x"), 1),
        (NotFittedError("x"), 1),
        (ValueError("x"), 1),
        (BrokenPipeError(), 0),
    ],
)
def test_every_error_has_its_exit_code(error, code):
    assert exit_code(error) == code


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--no-such-option"], "No such option"),
        (["backtset"], "No such command"),
        (["backtest"], "nothing to replay"),
        (["backtest", "a.yaml", "--data", "x.csv"], "not both"),
        (["backtest", "a.yaml", "--time", "ts"], "--time goes with --data"),
        (["backtest", "nowhere.yaml"], "cannot read the configuration nowhere.yaml: No such file"),
        (["backtest", "--data", "nowhere.parquet"], "nowhere.parquet"),
        (["backtest", "--data", "x.csv", "--detector", "ewna"], "did you mean 'ewma'?"),
        (["config", "init", "kafkaesque"], "file, parquet, csv"),
        (["--log-level", "loud", "config", "init"], "--log-level should be one of"),
        (["--color", "red", "config", "init"], "--color should be one of"),
        (["detectors", "show", "ewna"], "did you mean 'ewma'?"),
        (["inspect", "alerts", "nowhere"], "give a run folder"),
        (["inspect", "run", "."], "is not a run folder"),
        (["inspect", "checkpoint", "nowhere"], "should be a state folder"),
    ],
)
def test_a_wrong_call_ends_with_two_and_says_why(streamad, arguments, part):
    ended = streamad(*arguments)
    assert ended.code == 2
    assert part in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_an_error_is_told_once(streamad):
    assert streamad("detectors", "show", "ewna").err.count("error: ") == 1


def test_debugging_shows_the_traceback(streamad):
    ended = streamad("--log-level", "debug", "detectors", "show", "ewna")
    assert "Traceback" in ended.err
    assert ended.code == 2


def test_a_defect_is_told_as_one_without_a_traceback(streamad, pumps, vault):
    ended = streamad("backtest", pumps(sinks=[{"type": "faulty"}]), "--out", "out")
    assert ended.code == 1
    assert "error: unexpected ZeroDivisionError: a slip" in ended.err
    assert "Traceback" not in ended.err


def test_the_version_names_what_decides_a_result(streamad):
    ended = streamad("--version")
    assert ended.code == 0
    assert ended.out.startswith("streamad 0.1.0 (python 3.")
    assert "numba" in ended.out


COMMANDS = [
    [],
    ["backtest"],
    ["demo"],
    ["validate"],
    ["detectors", "list"],
    ["detectors", "show"],
    ["config", "init"],
    ["config", "schema"],
    ["config", "show"],
    ["inspect", "data"],
    ["inspect", "checkpoint"],
    ["inspect", "alerts"],
    ["inspect", "run"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_begins_with_two_examples_of_this_command(streamad, command):
    ended = streamad(*command, "-h")
    assert ended.code == 0
    lines = ended.out.splitlines()
    start = lines.index("Examples:")
    assert start == 2
    assert all(
        line.startswith("  " + " ".join(["streamad", *command])) for line in lines[start + 1 :][:2]
    )
    assert lines.index("Options:") > start


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['streamad', '--help']\n"
        "from streamad.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in HEAVY if f"'{name}'" in done.stdout] == []


def test_an_option_can_come_from_the_environment(streamad, monkeypatch, pumps):
    monkeypatch.setenv("STREAMAD_SET", "pipeline=from-environment")
    assert "pipeline: from-environment" in streamad("config", "show", pumps()).out
    monkeypatch.setenv("STREAMAD_LOG_LEVEL", "loud")
    assert "got 'loud'" in streamad("config", "init").err


def test_a_flag_wins_over_the_environment(streamad, monkeypatch, pumps):
    monkeypatch.setenv("STREAMAD_SET", "pipeline=from-environment")
    assert "pipeline: mine" in streamad("config", "show", pumps(), "--set", "pipeline=mine").out


@pytest.mark.parametrize(
    ("flags", "section", "level"),
    [
        ([], {"level": "error"}, logging.ERROR),
        (["--log-level", "warning"], {"level": "error"}, logging.WARNING),
        (["-q"], {"level": "info"}, logging.WARNING),
    ],
)
def test_the_log_level_comes_from_flag_then_configuration(streamad, pumps, flags, section, level):
    ended = streamad(*flags, "backtest", pumps(logging=section), "--out", "out", "--no-report")
    assert ended.code == 0
    assert logging.getLogger().level == level


def test_logs_are_json_for_machines(streamad, pumps):
    streamad("--log-format", "json", "config", "show", pumps())
    record = logging.LogRecord("a", logging.WARNING, "f", 1, "x %s", ("y\n\x1b",), None)
    handler = logging.getLogger().handlers[0]
    handler.emit(record)
    line = json.loads(handler._inner.format(record))
    assert (line["event"], line["level"], line["logger"]) == ("x y\n\x1b", "warning", "a")
    assert line["ts"].endswith("Z")


def test_text_logs_cannot_be_forged(streamad):
    streamad("--log-format", "text", "--color", "never", "config", "init")
    record = logging.LogRecord("a", logging.INFO, "f", 1, "pump\n2026 \x1b[31m", (), None)
    handler = logging.getLogger().handlers[0]
    handler.emit(record)
    line = handler._inner.format(record)
    assert "pump\\n2026 \\x1b[31m" in line
    assert "\x1b" not in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "schema"],
        ["--version"],
        ["backtest", "pipeline.yaml", "--out", "out", "--set", "sinks=[{type: stdout}]"],
    ],
)
def test_a_reader_who_goes_away_ends_the_command_quietly(pumps, tmp_path, arguments):
    pumps()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [STREAMAD, *arguments], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
