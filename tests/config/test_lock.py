"""The lock repeats a run; the fingerprint says which runs are the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streamad.config import config_from, fingerprint, load_config, lock, to_yaml

SOURCE = {"type": "parquet", "path": "x"}


def test_the_lock_loads_again_and_gives_the_same(write, good):
    config = load_config(write(good))
    again = load_config(write(lock(config), "lock.yaml"))
    assert again == config
    assert fingerprint(again) == fingerprint(config)


def test_the_lock_names_versions_and_the_fingerprint(write, good):
    config = load_config(write(good))
    first, second = lock(config).splitlines()[:2]
    assert "streamad-engine 0.1.0" in first
    assert second == f"# fingerprint: {fingerprint(config)}"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXT, TEXT)
@example("$$", "${HOME}")
@example("no", "1e3")
@example("a\nb", "\x00\x85\u2028")
def test_any_text_survives_the_lock(write, label, name):
    config = config_from(
        {"pipeline": name, "source": SOURCE, "alerts": {"labels": {"site": label}}}
    )
    again = load_config(write(lock(config), "lock.yaml"), environment={})
    assert (again.pipeline, again.alerts.labels["site"]) == (name, label)


@pytest.mark.parametrize(
    "setting",
    [
        "runtime.batch_rows=7",
        "state.every=1s",
        "state.keep=9",
        "state.dir=/elsewhere",
        "logging.level=debug",
        "shutdown.timeout=1s",
        "detectors.0.params.alpha=0.30",
    ],
)
def test_the_fingerprint_leaves_out_pace_and_places(write, good, setting):
    path = write(good)
    assert fingerprint(load_config(path, overrides=[setting])) == fingerprint(load_config(path))


@pytest.mark.parametrize(
    "setting",
    [
        "pipeline=b",
        "source.path=y",
        "window.period=1m",
        "detectors.0.params.alpha=0.4",
        "detectors.0.threshold.risk=1e-3",
        "detectors.0.output=final",
        "output=final",
        "alerts.cool_down=1m",
        "state.max_keys=9",
        "sinks=[{type: stdout}]",
    ],
)
def test_the_fingerprint_follows_what_touches_state(write, good, setting):
    path = write(good)
    assert fingerprint(load_config(path, overrides=[setting])) != fingerprint(load_config(path))


def test_a_written_default_is_the_same_as_none(write, good):
    path = write(good)
    written = load_config(path, overrides=["detectors.0.params.warm_up=64", "output=causal"])
    assert fingerprint(written) == fingerprint(load_config(path))


@pytest.mark.usefixtures("foreign")
def test_a_new_password_keeps_the_fingerprint_and_is_never_written():
    tree = {"pipeline": "a", "source": {"type": "vault", "schema": "s", "password": "hunter2"}}
    other = {**tree, "source": {**tree["source"], "password": "hunter3"}}
    assert fingerprint(config_from(tree)) == fingerprint(config_from(other))
    assert "hunter2" not in lock(config_from(tree))
    assert "hunter2" not in repr(config_from(tree))


def test_labels_and_urls_lose_their_secrets():
    labels = {"token": "hunter2", "runbook": "https://me:hunter2@wiki/x"}
    shown = to_yaml(config_from({"pipeline": "a", "source": SOURCE, "alerts": {"labels": labels}}))
    assert "hunter2" not in shown
    assert "@wiki/x" in shown


KAFKA = {
    "type": "kafka",
    "brokers": ["one:9092"],
    "topics": ["rows"],
    "group": "plant",
    "format": {"type": "json", "values": ["$.flow"]},
}


@pytest.mark.parametrize(
    ("option", "value", "same"),
    [
        ("instance_id", "worker-2", True),
        ("brokers", ["two:9092"], True),
        ("session_timeout", "6s", True),
        ("topics", ["rows", "more"], False),
        ("format", {"type": "json", "values": ["$.heat"]}, False),
    ],
)
def test_members_of_a_group_share_a_state_however_they_reach_it(option, value, same):
    pytest.importorskip("kafka")
    one, other = (
        config_from({"pipeline": "plant", "source": KAFKA | change})
        for change in ({}, {option: value})
    )
    assert (fingerprint(one) == fingerprint(other)) is same


TO_KAFKA = {"type": "kafka", "brokers": ["one:9092"], "topic": "alerts", "dead_letter": "bad.jsonl"}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"brokers": ["two:9092"]}, True),
        ({"dead_letter": "worse.jsonl"}, True),
        ({"timeout": "3s"}, True),
        ({"topic": "alarms"}, False),
        ({"format": "cloudevents"}, False),
    ],
)
def test_a_state_stays_good_however_its_sinks_are_reached(change, same):
    pytest.importorskip("kafka")
    one, other = (
        config_from({"pipeline": "plant", "source": SOURCE, "sinks": [TO_KAFKA | more]})
        for more in ({}, change)
    )
    assert (fingerprint(one) == fingerprint(other)) is same


@pytest.mark.parametrize(("brokers", "topic", "same"), [("two", "bad", True), ("one", "b", False)])
def test_a_state_stays_good_however_its_dead_letters_are_reached(brokers, topic, same):
    pytest.importorskip("kafka")
    made = [
        {"type": "kafka", "brokers": [f"{broker}:9092"], "topic": name}
        for broker, name in (("one", "bad"), (brokers, topic))
    ]
    one, other = (
        config_from({"pipeline": "plant", "source": KAFKA | {"dead_letter": letters}})
        for letters in made
    )
    assert (fingerprint(one) == fingerprint(other)) is same
