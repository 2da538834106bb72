"""Fields, graph, environment: each layer says what it found."""

from __future__ import annotations

import pytest


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
    assert ended.code == 5
    assert "cannot be written" in ended.out


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
