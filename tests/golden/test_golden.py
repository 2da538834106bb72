"""Every golden case against the numbers of the reference programs.

Reads all ``*.json`` of ``data`` and of the folder that STREAMAD_GOLDEN_DIR names; the adapters
beside this file say which documents they read. Other documents are passed over.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXTRA = os.environ.get("STREAMAD_GOLDEN_DIR")
FOLDERS = [HERE / "data", *([Path(EXTRA)] if EXTRA else [])]
PUBLIC = {"care_golden.json", "nab_golden.json", "tsb_golden.json"}


def load_adapters():
    adapters = []
    for path in sorted(HERE.glob("adapters_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        adapter = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(adapter)
        adapters.append(adapter)
    return adapters


def load_cases(folder, adapters):
    """One pytest parameter a case and metric."""
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        if not isinstance(document, dict) or "name" not in (document.get("schema") or {}):
            continue
        for adapter in adapters:
            if adapter.matches(document):
                for name, compare, tolerance in adapter.cases(document):
                    stated = stated_tolerance(document, tolerance)
                    case_id = f"{folder.name}/{path.stem}/{name}"
                    yield pytest.param(compare, stated, id=case_id)


def stated_tolerance(document, default):
    """The absolute tolerance of the file, which it words as "abs 1e-9"."""
    found = re.search(r"abs\s+([0-9.]+(?:e-?[0-9]+)?)", str(document["schema"].get("tolerance")))
    return float(found[1]) if found else default


def differences(expected, actual, tolerance, where=""):
    """Paths and values at which two nested structures differ; NaN equals NaN."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            yield from differences(value, actual[key], tolerance, f"{where}.{key}")
    elif isinstance(expected, list):
        if len(expected) != len(actual):
            yield f"{where}: {len(expected)} values expected, {len(actual)} came"
        for i, (one, other) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(one, other, tolerance, f"{where}[{i}]")
    elif isinstance(expected, float) and actual is not None and not isinstance(actual, str):
        both_nan = math.isnan(expected) and math.isnan(actual)
        if not (both_nan or expected == actual or abs(expected - actual) <= tolerance):
            yield f"{where}: expected {expected!r}, got {actual!r}"
    elif expected != actual:
        yield f"{where}: expected {expected!r}, got {actual!r}"


ADAPTERS = load_adapters()
CASES = {folder: list(load_cases(folder, ADAPTERS)) for folder in FOLDERS}


@pytest.mark.parametrize(
    ("compare", "tolerance"), [case for listed in CASES.values() for case in listed]
)
def test_the_value_is_that_of_the_reference_program(compare, tolerance):
    expected, actual = compare()
    assert list(differences(expected, actual, tolerance)) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_every_folder_holds_cases(folder):
    assert CASES[folder], f"no golden document in {folder}"


def test_every_public_document_is_read_by_one_adapter():
    documents = {p.name: json.loads(p.read_text("utf-8")) for p in FOLDERS[0].glob("*.json")}
    assert set(documents) >= PUBLIC
    assert all(sum(a.matches(d) for a in ADAPTERS) == 1 for d in documents.values())


def test_a_difference_beyond_the_tolerance_is_named_with_its_path():
    assert list(differences({"a": [1.0, 2.0]}, {"a": [1.0, 2.1]}, 1e-9)) == [
        ".a[1]: expected 2.0, got 2.1"
    ]
