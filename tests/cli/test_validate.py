"""Fields, graph, environment: each layer says what it found."""

from __future__ import annotations

import shutil

import pytest
from reference.servers import free_port
from reference.web_receiver import Receiver

from streamad.cli import validate


def test_a_good_configuration_passes_all_layers(streamad, pumps, flow):
    ended = streamad("validate", pumps(window={"period": "1m"}, sinks=[{"type": "stdout"}]))
    assert ended.code == 0
    assert ended.out == (
        f"{pumps()}\n"
        "  fields        ok     1 detector, 1 sink\n"
        f"  graph         ok     parquet:{flow} → event time 1m → ewma → episodes → "
        "run folder, stdout\n"
        "  environment   ok\n"
        "    source             ok, channel flow, 2,000 rows\n"
    )


def test_wrong_fields_end_with_two(streamad, pumps):
    ended = streamad("validate", pumps(windw={}))
    assert ended.code == 2
    assert "fields        FAIL" in ended.out
    assert "did you mean 'window'?" in ended.err


def test_a_missing_file_fails_the_environment_only(streamad, pumps, tmp_path):
    path = pumps(source={"type": "parquet", "path": str(tmp_path / "nowhere.parquet")})
    ended = streamad("validate", path)
    assert ended.code == 2
    assert "graph         ok" in ended.out
    assert "environment   FAIL\n    source             there is no file" in ended.out
    assert ended.out.endswith("1 error" + " " * 70 + "exit 2\n")
    assert streamad("validate", path, "--no-environment").code == 0


def test_a_folder_that_cannot_be_written_fails_the_environment(streamad, pumps, tmp_path):
    (tmp_path / "file").write_text("")
    ended = streamad("validate", pumps(state={"dir": str(tmp_path / "file" / "state")}))
    assert ended.code == 4
    assert "cannot be written" in ended.out


def test_a_state_folder_of_somebody_else_fails_the_environment(streamad, pumps, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "pumps").write_text("no folder")
    ended = streamad("validate", pumps(state={"dir": str(tmp_path / "state")}))
    assert ended.code == 4
    assert f"state.dir          {tmp_path / 'state' / 'pumps'}  cannot be written" in ended.out


def test_a_full_disk_fails_the_environment(streamad, pumps, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=3 << 20)
    monkeypatch.setattr(validate.shutil, "disk_usage", lambda _: usage)
    ended = streamad("validate", pumps(state={"dir": str(tmp_path / "state")}))
    assert ended.code == 4
    assert "cannot be written: only 3 MiB are free, make room" in ended.out


def away(kind, folder):
    """A sink whose other side is not there, and what is said about it."""
    port, letters = free_port(), str(folder / "letters.jsonl")
    if kind == "webhook":
        return {"url": f"http://127.0.0.1:{port}/hook", "dead_letter": letters}
    if kind == "alertmanager":
        return {"urls": [f"http://127.0.0.1:{port}"], "dead_letter": letters}
    if kind == "postgres":
        return {"url": f"postgresql://nobody@127.0.0.1:{port}/alerts", "timeout": "2s"}
    (folder / "alerts.db").write_text("this is no database, " * 100)
    return {"path": str(folder / "alerts.db")}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("webhook", "does not answer"),
        ("alertmanager", "does not answer"),
        ("postgres", "alerts cannot be stored in 127.0.0.1/alerts"),
        ("sqlite", "file is not a database"),
    ],
)
def test_a_sink_whose_other_side_is_away_fails_the_environment(
    streamad, pumps, tmp_path, kind, said
):
    sinks = [{"type": "stdout"}, {"type": kind, **away(kind, tmp_path)}]
    ended = streamad("validate", pumps(sinks=sinks))
    assert ended.code == 4
    (line,) = [line for line in ended.out.splitlines() if line.startswith("    sinks.1   ")]
    assert said in line
    assert streamad("validate", pumps(sinks=sinks), "--no-environment").code == 0


def test_a_host_that_has_no_address_fails_the_environment(streamad, pumps, tmp_path):
    hook = {"url": "http://nowhere.invalid/hook", "dead_letter": str(tmp_path / "letters.jsonl")}
    ended = streamad("validate", pumps(sinks=[{"type": "webhook", **hook}]))
    assert ended.code == 4
    assert "sinks.0            http://nowhere.invalid:80 does not answer" in ended.out


def test_what_answers_is_ok_and_gets_nothing(streamad, pumps, tmp_path):
    hook, members = Receiver().start(), Receiver().start()
    letters = str(tmp_path / "new" / "letters.jsonl")
    sinks = [
        {"type": "webhook", "url": hook.url, "dead_letter": letters},
        {
            "type": "alertmanager",
            "urls": [f"http://127.0.0.1:{members.port}"],
            "dead_letter": letters,
        },
        {"type": "sqlite", "path": str(tmp_path / "alerts.db")},
    ]
    ended = streamad("validate", pumps(sinks=sinks))
    hook.stop(), members.stop()
    assert ended.code == 0
    for i in range(3):
        assert f"sinks.{i}            ok\n" in ended.out
    assert f"sinks.0.dead_letter {tmp_path / 'new'}  ok, " in ended.out
    assert hook.requests == []
    assert [(path, body) for path, _, body in members.requests] == [("/api/v2/alerts", b"[]")]
    assert not (tmp_path / "alerts.db").exists()
    assert not (tmp_path / "new").exists()


def test_the_room_of_a_folder_is_told(streamad, pumps, tmp_path):
    sinks = [{"type": "jsonl", "path": str(tmp_path / "new" / "a.jsonl")}]
    ended = streamad("validate", pumps(sinks=sinks))
    assert ended.code == 0
    assert f"sinks.0.path       {tmp_path / 'new'}  ok, " in ended.out
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("sections", "part"),
    [
        ({"alerts": {"severity": [{"level": "a"}, {"level": "b"}]}}, "'a' always holds"),
        ({"window": {"missing": {"max_gap": "3m"}}}, "no effect without window.period"),
        (
            {"detectors": [{"type": "knn", "params": {"memory": 5000}}]},
            "100,000 series (state.max_keys) would take",
        ),
    ],
)
def test_a_warning_ends_with_three_where_warnings_are_denied(streamad, pumps, sections, part):
    path = pumps(**sections)
    ended = streamad("validate", path, "--deny-warnings")
    assert ended.code == 3
    assert part in ended.out
    assert "1 warning" in ended.out
    assert streamad("validate", path).code == 0


def test_names_from_data_cannot_steer_the_terminal(streamad, pumps):
    ended = streamad("validate", pumps(detectors=[{"type": "ewma", "name": "a\u202eb"}]))
    assert "a\\u202eb" in ended.out
