"""Files, includes and settings become one configuration."""

from __future__ import annotations

import pytest

from streamad.config import config_from, load_config
from streamad.core.errors import ConfigError


def test_a_good_file_becomes_a_configuration_in_nanoseconds(write, good):
    config = load_config(write(good))
    assert config.window.period == 600_000_000_000
    assert config.window.allowed_lateness == 5_400_000_000_000
    assert [detector.name for detector in config.detectors] == ["fast", "knn"]
    assert config.detectors[0].threshold.options["risk"] == 1e-4
    assert config.alerts.open.for_ == "3m"
    assert config.alerts.close.for_ == 5


def test_defaults_of_plugins_are_filled_in(write, good):
    config = load_config(write(good))
    assert config.detectors[0].params.keys() == {"alpha", "alpha_scale", "clip", "warm_up"}
    assert config.source.options["layout"] == "channels"


def test_a_configuration_does_not_change(write, good):
    with pytest.raises(ValueError, match="frozen"):
        load_config(write(good)).pipeline = "b"


def test_a_variable_comes_from_the_environment_or_its_default(write, good):
    path = write(good.replace("data.parquet", "'${DATA:-x}/${NAME}.parquet$$'"))
    config = load_config(path, environment={"NAME": "flow"})
    assert config.source.options["path"] == "x/flow.parquet$"


def test_a_variable_becomes_the_type_that_is_wanted(write, good):
    text = good.replace("alpha: 0.3", "alpha: '${ALPHA}'").replace("for: 5", "for: '${N}'")
    config = load_config(write(text), environment={"ALPHA": "0.5", "N": "7"})
    assert config.detectors[0].params["alpha"] == 0.5
    assert config.alerts.close.for_ == 7


def test_an_unset_variable_is_an_error_with_its_place(write, good, refusal):
    message = refusal(write(good.replace("plant-a", "'${PLANT}'")), environment={})
    assert "pipeline.yaml:2:11: error: environment variable PLANT is not set" in message
    assert "set it, or write ${PLANT:-default}" in message


def test_a_variable_can_never_add_a_key(write, good):
    path = write(good.replace("plant-a", "'${PLANT}'"))
    config = load_config(path, environment={"PLANT": "x\nversion: 7"})
    assert config.version == 1
    assert config.pipeline == "x\nversion: 7"


def test_a_value_can_come_from_a_file(write, good, tmp_path):
    (tmp_path / "name.txt").write_text("from-file\n")
    config = load_config(write(good.replace("plant-a", "'${file:name.txt}'")))
    assert config.pipeline == "from-file"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "it is not a text file in UTF-8"),
        (b"x" * (1 << 21), "more than 1 MiB"),
    ],
)
def test_a_value_from_a_file_that_is_none_is_an_error(
    write, good, tmp_path, refusal, content, part
):
    if content is not None:
        (tmp_path / "name.txt").write_bytes(content)
    message = refusal(write(good.replace("plant-a", "'${file:name.txt}'")))
    assert part in message
    assert "pipeline.yaml:2:11: error: " in message


def test_later_files_and_settings_win(write, good):
    other = write("pipeline: b\nwindow: {duplicates: keep}\n", "other.yaml")
    config = load_config(write(good), other, overrides=["detectors.0.params.alpha=0.5"])
    assert config.pipeline == "b"
    assert config.window.duplicates == "keep"
    assert config.window.period == 600_000_000_000
    assert config.detectors[0].params["alpha"] == 0.5


def test_an_error_is_shown_in_the_file_that_it_came_from(write, good, refusal):
    first = write(good.replace("fill: hold", "fill: hod"), "first.yaml")
    second = write("output: fnal\n", "second.yaml")
    message = refusal(first, second)
    assert f"{first}:4:64: error: window.missing.fill" in message
    assert f"{second}:1:9: error: output" in message
    assert f"2 errors in {first}, {second}" in message


def test_what_a_later_list_replaces_is_not_checked(write, good):
    other = write("detectors: [{type: ewma}]\n", "other.yaml")
    config = load_config(write(good.replace("type: knn", "type: knnn")), other)
    assert [detector.name for detector in config.detectors] == ["ewma"]


def test_included_files_come_first(write, good):
    write("pipeline: base\nwindow: {duplicates: keep}\n", "base.yaml")
    config = load_config(write(f"include: [base.yaml]\n{good}"))
    assert (config.pipeline, config.window.duplicates) == ("plant-a", "keep")


@pytest.mark.parametrize("name", ["../outside.yaml", "/etc/passwd", "link.yaml"])
def test_an_included_file_lies_below_the_folder(write, good, refusal, tmp_path, name):
    outside = tmp_path.parent / "outside.yaml"
    outside.write_text("pipeline: x\n")
    (tmp_path / "link.yaml").symlink_to(outside)
    message = refusal(write(f"include: [{name}]\n{good}"))
    assert "pipeline.yaml:1:11: error: include: " in message
    assert "lies outside the folder" in message


def test_an_included_file_must_be_there_and_cannot_include(write, good, refusal):
    write("include: [pipeline.yaml]\n", "nested.yaml")
    message = refusal(write(f"include: [nowhere.yaml, nested.yaml]\n{good}"))
    assert "pipeline.yaml:1:11: error: include: there is no file" in message
    assert "nested.yaml:1:1: error: an included file cannot include others" in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "`streamad config init`"),
        (b"- a\n", "a mapping of sections is expected"),
        (b"\xff", "it is not text in UTF-8"),
        (b"#" * (1 << 20) + b"\na: b\n", "more than 1 MiB"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, refusal, content, part):
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    message = refusal(path)
    assert part in message
    assert str(path) in message


def test_a_missing_file_is_named(tmp_path, refusal):
    message = refusal(tmp_path / "nowhere.yaml")
    assert "nowhere.yaml: No such file" in message


def test_no_file_is_an_error():
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config()


def test_a_bomb_of_aliases_is_refused(write, refusal):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "more than 10000 nodes" in refusal(write("\n".join(lines)))


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("alpha", "expects name=value"),
        ("a..b=1", "expects name=value"),
        ("detectors.7.type=knn", "'7' should be a position below 2"),
        ("detectors.fast.type=knn", "'fast' should be a position below 2"),
        ("pipeline.x.y=1", "lies below a plain value"),
        ("window.period=5", "--set:1:15: error: window.period: a duration with a unit"),
        ("alerts.opn.ratio=2", "--set:1:8: error: unknown option 'alerts.opn'"),
        ("window={a: b", "--set:1:13: error: "),
    ],
)
def test_a_setting_that_cannot_be_is_refused(write, good, refusal, setting, part):
    assert part in refusal(write(good), overrides=[setting])


def test_a_setting_reaches_into_the_default_detector(write):
    path = write("pipeline: a\nsource: {type: csv, path: x}\nalerts:\n")
    settings = ["detectors.0.type=knn", "alerts.open.for=5m", "output=final"]
    config = load_config(path, overrides=settings)
    assert (config.detectors[0].type, config.output) == ("knn", "final")
    assert config.alerts.open.for_ == "5m"


def test_an_empty_setting_is_empty_text(write, good, refusal):
    assert "pipeline: String should have at least 1" in refusal(
        write(good), overrides=["pipeline="]
    )


def test_a_mapping_is_checked_like_a_file():
    with pytest.raises(ConfigError, match=r"unknown option 'pipelin'.*did you mean 'pipeline'"):
        config_from({"pipelin": "a", "source": {"type": "parquet", "path": "x"}})


def test_text_of_a_mapping_is_taken_as_it_is():
    source = {"type": "parquet", "path": "${x}$$"}
    assert config_from({"pipeline": "a", "source": source}).source.options["path"] == "${x}$$"
