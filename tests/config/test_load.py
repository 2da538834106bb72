"""A configuration file is checked as a whole, and every message says where and what to do."""

from __future__ import annotations

import jsonschema
import pytest

from streamad.config import Config, config_from, fingerprint, load_config, lock, override
from streamad.core.errors import ConfigError

GOOD = """\
version: 1
pipeline: plant-a
source: {type: parquet, path: data.parquet, time: ts}
window: {period: 10m, allowed_lateness: 1h30m, missing: {fill: hold}}
detectors:
  - {name: fast, type: ewma, params: {alpha: 0.3}, threshold: {type: spot, risk: 1e-4}}
  - {type: knn, output: final}
alerts:
  open: {ratio: 1.0, for: 3m}
  close: {ratio: 0.7, for: 5}
  severity: [{level: critical, when: {ratio: 3, lasting: 10m}}]
"""


@pytest.fixture
def write(tmp_path):
    def put(text: str, name: str = "pipeline.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return put


def refusal(path, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, **options)
    return str(caught.value)


def test_a_good_file_becomes_a_configuration_in_nanoseconds(write):
    config = load_config(write(GOOD))
    assert config.window.period == 600_000_000_000
    assert config.window.allowed_lateness == 5_400_000_000_000
    assert [detector.name for detector in config.detectors] == ["fast", "knn"]
    assert config.detectors[0].threshold.options == {"risk": 1e-4}
    assert config.alerts.open.for_ == "3m"
    assert config.alerts.close.for_ == 5


def test_an_unknown_option_has_its_place_a_caret_and_a_suggestion(write):
    path = write(GOOD.replace("allowed_lateness", "allowed_latenes"))
    assert refusal(path) == (
        f"{path}:4:23: error: unknown option 'window.allowed_latenes'\n"
        "     4 | window: {period: 10m, allowed_latenes: 1h30m, missing: {fill: hold}}\n"
        "       |                       ^  did you mean 'allowed_lateness'?\n"
        f"1 error in {path}"
    )


def test_all_errors_come_at_once_in_the_order_of_the_file(write):
    text = GOOD.replace("pipeline: plant-a\n", "").replace("ratio: 0.7", "ratio: -3")
    message = refusal(write(text.replace("fill: hold", "fill: zero")))
    for part in ("pipeline: Field required", "window.missing.fill", "alerts.close.ratio"):
        assert part in message
    assert message.index("window.missing.fill") < message.index("alerts.close.ratio")
    assert "3 errors in" in message


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        ("type: ewma", "type: ewna", "unknown detector 'ewna': did you mean 'ewma'?"),
        ("alpha:", "alpa:", "did you mean 'alpha'?"),
        ("alpha: 0.3", "alpha: 3", "alpha must lie in (0, 1], got 3"),
        ("alpha: 0.3", "alpha: fast", "detectors.0.params.alpha"),
        ("type: spot", "type: sport", "unknown threshold 'sport': did you mean 'spot'?"),
        ("risk:", "rsk:", "did you mean 'risk'?"),
        ("type: parquet", "type: parket", "unknown source 'parket': did you mean 'parquet'?"),
        ("time: ts", "tme: ts", "unknown option 'source.tme'"),
        ("period: 10m", "period: 10", "a duration with a unit is expected"),
        ("name: fast", "name: knn", "every detector needs a name of its own"),
    ],
)
def test_what_plugins_object_to_is_said_in_the_same_way(write, before, after, part):
    message = refusal(write(GOOD.replace(before, after)))
    assert part in message
    assert "pipeline.yaml:" in message


def test_a_duplicate_key_is_an_error_with_its_place(write):
    path = write(GOOD + "pipeline: other\n")
    message = refusal(path)
    assert message.startswith(f"{path}:12:1: error: found duplicate key")


def test_broken_yaml_names_its_place(write):
    path = write("version: 1\nsource: {type: parquet\n")
    assert f"{path}:" in refusal(path)


def test_an_empty_file_says_how_to_start(write):
    assert "streamad config init" in refusal(write(""))


def test_a_missing_file_is_named(tmp_path):
    assert "nowhere.yaml" in refusal(tmp_path / "nowhere.yaml")


def test_a_variable_comes_from_the_environment_or_its_default(write):
    path = write(GOOD.replace("data.parquet", "'${DATA:-x}/${NAME}.parquet$$'"))
    config = load_config(path, environment={"NAME": "flow"})
    assert config.source.options["path"] == "x/flow.parquet$"


def test_an_unset_variable_is_an_error_with_its_place(write):
    message = refusal(write(GOOD.replace("plant-a", "'${PLANT}'")), environment={})
    assert "pipeline.yaml:2:11: error: environment variable PLANT is not set" in message
    assert "write ${PLANT:-default}" in message


def test_a_variable_can_never_add_a_key(write):
    path = write(GOOD.replace("plant-a", "'${PLANT}'"))
    config = load_config(path, environment={"PLANT": "x\nversion: 7"})
    assert config.version == 1
    assert config.pipeline == "x\nversion: 7"


def test_a_value_can_come_from_a_file(write, tmp_path):
    (tmp_path / "name.txt").write_text("from-file\n")
    config = load_config(write(GOOD.replace("plant-a", "'${file:name.txt}'")))
    assert config.pipeline == "from-file"


def test_later_files_and_settings_win(write):
    other = write("pipeline: b\nwindow: {duplicates: keep}\n", "other.yaml")
    config = load_config(write(GOOD), other, overrides=["detectors.0.params.alpha=0.5"])
    assert config.pipeline == "b"
    assert config.window.duplicates == "keep"
    assert config.window.period == 600_000_000_000
    assert config.detectors[0].params == {"alpha": 0.5}


def test_included_files_come_first_and_must_lie_below_the_folder(write, tmp_path):
    write("pipeline: base\nwindow: {duplicates: keep}\n", "base.yaml")
    config = load_config(write(f"include: [base.yaml]\n{GOOD}"))
    assert (config.pipeline, config.window.duplicates) == ("plant-a", "keep")
    outside = tmp_path.parent / "outside.yaml"
    outside.write_text("pipeline: x\n")
    assert "lies outside the folder" in refusal(write(f"include: [../outside.yaml]\n{GOOD}"))


def test_a_bomb_of_aliases_is_refused(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "more than 10000 nodes" in refusal(write("\n".join(lines)))


def test_a_huge_file_is_refused(write):
    assert "1 MiB" in refusal(write("#" * (1 << 20) + "\n" + GOOD))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("alpha", "expects name=value"),
        ("detectors.7.type=knn", "'7' should be a position below 2"),
        ("pipeline.x.y=1", "lies below a plain value"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(text, part):
    with pytest.raises(ConfigError, match=part):
        override({"pipeline": "a", "detectors": [{}, {}]}, text)


def test_the_lock_loads_again_and_gives_the_same(write):
    config = load_config(write(GOOD))
    again = load_config(write(lock(config), "lock.yaml"))
    assert again == config
    assert fingerprint(again) == fingerprint(config)


def test_the_fingerprint_follows_what_touches_state_and_nothing_else(write):
    config = load_config(write(GOOD))
    pace = ["runtime.batch_rows=7", "state.every=1s", "logging.level=debug"]
    assert fingerprint(load_config(write(GOOD), overrides=pace)) == fingerprint(config)
    for change in ("detectors.0.params.alpha=0.4", "alerts.cool_down=1m", "state.max_keys=9"):
        assert fingerprint(load_config(write(GOOD), overrides=[change])) != fingerprint(config)


def test_the_json_schema_accepts_the_file(write):
    tree = load_config(write(GOOD)).model_dump(mode="json", by_alias=True)
    schema = Config.model_json_schema(by_alias=True, mode="serialization")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(tree, schema)


def test_a_mapping_is_checked_like_a_file():
    with pytest.raises(ConfigError, match=r"unknown option 'pipelin'.*did you mean 'pipeline'"):
        config_from({"pipelin": "a", "source": {"type": "parquet", "path": "x"}})


def test_a_secret_never_shows():
    tree = {
        "pipeline": "a",
        "source": {"type": "parquet", "path": "x"},
        "alerts": {"labels": {"token": "hunter2-canary"}},
    }
    assert "hunter2-canary" not in lock(config_from(tree))
