"""Everything that is wrong is said at once, with place, caret and suggestion."""

from __future__ import annotations

import pytest

from streamad.config import load_config


def test_an_unknown_option_has_its_place_a_caret_and_a_suggestion(write, good, refusal):
    path = write(good.replace("allowed_lateness", "allowed_latenes"))
    assert refusal(path) == (
        f"{path}:4:23: error: unknown option 'window.allowed_latenes'\n"
        "     4 | window: {period: 10m, allowed_latenes: 1h30m, missing: {fill: hold}}\n"
        "       |                       ^  did you mean 'allowed_lateness'?\n"
        f"1 error in {path}"
    )


def test_all_errors_come_at_once_in_the_order_of_the_file(write, good, refusal):
    text = good.replace("pipeline: plant-a\n", "").replace("ratio: 0.7", "ratio: -3")
    text = text.replace("fill: hold", "fill: '${FILL}'").replace("alpha", "alfa")
    message = refusal(write(text + "output: final\noutput: causal\n"), environment={})
    parts = [
        "1:1: error: pipeline: Field required",
        "3:64: error: environment variable FILL is not set",
        "5:39: error: unknown option 'detectors.0.params.alfa'",
        "9:18: error: alerts.close.ratio: Input should be greater than 0",
        "12:1: error: duplicate key 'output'",
        "5 errors in ",
    ]
    at = [message.index(part) for part in parts]
    assert at == sorted(at)


@pytest.mark.parametrize(
    ("before", "after", "place", "part"),
    [
        ("type: ewma", "type: ewna", "6:24", "unknown detector 'ewna'\n"),
        ("type: ewma", "type: ewna", "6:24", "did you mean 'ewma'?"),
        ("alpha:", "alpa:", "6:39", "did you mean 'alpha'?"),
        ("alpha: 0.3", "alpha: 3", "6:38", "alpha must lie in (0, 1], got 3.0"),
        ("alpha: 0.3", "alpha: fast", "6:46", "detectors.0.params.alpha: Input should be a valid"),
        ("type: spot", "type: sport", "6:70", "did you mean 'spot'?"),
        ("risk: 1e-4", "rsk: 1e-4", "6:76", "did you mean 'risk'?"),
        ("risk: 1e-4", "risk: 5", "6:63", "risk must be above 0"),
        ("type: spot, risk: 1e-4", "type: fixed", "6:63", "detectors.0.threshold.value: Field"),
        ("type: parquet", "type: parket", "3:16", "did you mean 'parquet'?"),
        ("time: ts", "tme: ts", "3:45", "unknown option 'source.tme'"),
        ("time: ts", "values: [a, 3]", "3:57", "source.values.1: Input should be a valid string"),
        ("time: ts", "layout: serie", "3:53", "did you mean 'series'?"),
        ("path: data.parquet, ", "", "3:9", "source.path: Field required"),
        ("fill: hold", "fill: hod", "4:64", "did you mean 'hold'?"),
        ("period: 10m", "period: 10", "4:18", "a duration with a unit is expected"),
        ("period: 10m", "period: 0s", "4:9", "window: "),
        ("name: fast", "name: knn", "6:3", "every detector needs a name of its own"),
        ("type: knn", "type: 'river:Nope'", "7:12", "unknown detector 'river:Nope'"),
        ("ratio: 1.0", "ratio: 0.5", "9:3", "close_ratio"),
        ("version: 1", "version: 2", "1:10", "reads version 1, got 2: upgrade"),
        ("detectors:\n", "detectors: {a: 1}\nx:\n", "5:12", "Input should be a list"),
        ("type: parquet", "type: 3", "3:16", "source.type: Input should be a valid string"),
        ("{type: knn, output: final}", "knn", "7:5", "detectors.1: "),
        ("output: final", "params: [1]", "7:25", "detectors.1.params: "),
    ],
)
def test_a_mistake_is_named_at_its_place(write, good, refusal, before, after, place, part):
    assert before in good
    path = write(good.replace(before, after))
    message = refusal(path)
    assert f"{path}:{place}: error: " in message
    assert part in message


def test_alternatives_of_a_type_are_one_error(write, refusal, foreign):
    text = "pipeline: a\nsource: {type: vault, schema: s, password: p, retries: often}\n"
    message = refusal(write(text))
    assert "valid integer, unable to parse string as an integer or Input should be a" in message
    assert "1 error in" in message


def test_two_sinks_cannot_share_a_spool(write, good, refusal):
    hook = "{type: webhook, url: 'http://localhost/%s', dead_letter: no.jsonl, spool: %s}"
    sinks = "\nsinks:\n  - " + hook % ("a", "spool/a") + "\n  - "
    load_config(write(good + sinks + hook % ("b", "spool/b") + "\n"))
    told = refusal(write(good + sinks + hook % ("b", "spool/a") + "\n"))
    assert "every sink needs a spool of its own, spool/a is that of several" in told
