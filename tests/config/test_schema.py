"""Editors see the same rules as the program."""

from __future__ import annotations

from io import StringIO

import jsonschema
import pytest
from ruamel.yaml import YAML

from streamad.config import load_config, lock
from streamad.config.schema import json_schema


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def errors(validator, text: str) -> list[str]:
    tree = YAML(typ="safe", pure=True).load(StringIO(text))
    return [error.message for error in validator.iter_errors(tree)]


def test_a_good_file_and_its_lock_pass(validator, write, good):
    assert errors(validator, good) == []
    assert errors(validator, lock(load_config(write(good)))) == []


def test_a_file_with_includes_and_a_river_detector_passes(validator, good):
    text = good.replace("{type: knn, output: final}", "{type: 'river:LODA', params: {any: 1}}")
    assert errors(validator, f"include: [base.yaml]\n{text}") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("period: 10m", "period: 10"),
        ("fill: hold", "fill: hod"),
        ("alpha: 0.3", "alfa: 0.3"),
        ("type: ewma", "type: ewna"),
        ("type: spot", "type: sport"),
        ("time: ts", "tme: ts"),
        ("version: 1", "version: 2"),
        ("version: 1", "version: 1\nweb: {port: 70000}"),
        ("version: 1", "version: 1\nruntime: {on_detector_error: ignore}"),
        ("version: 1", "version: 1\nruntime: {max_reject_share: 2}"),
        ("path: data.parquet, ", ""),
    ],
)
def test_what_the_program_refuses_the_schema_refuses(
    validator, write, good, refusal, before, after
):
    text = good.replace(before, after)
    assert refusal(write(text))
    assert errors(validator, text)


def test_every_default_passes_its_own_rule(validator):
    definitions = validator.schema["$defs"]
    for section in definitions.values():
        for option in section.get("properties", {}).values():
            if "default" in option:
                rule = {"$defs": definitions, **option}
                jsonschema.validate(option["default"], rule, jsonschema.Draft202012Validator)


@pytest.mark.usefixtures("foreign")
def test_plugins_of_others_are_in_it():
    definitions = json_schema()["$defs"]
    sources = {one["properties"]["type"]["const"]: one for one in definitions["source"]["oneOf"]}
    assert sources["vault"]["required"] == ["type", "schema", "password"]
    assert sources["broken"] == {
        "type": "object", "properties": {"type": {"const": "broken"}}, "required": ["type"],
    }  # fmt: skip
    assert "source-vault-Tls" in definitions
