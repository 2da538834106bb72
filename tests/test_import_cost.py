"""The public face: light to import, and every name in it resolves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import streamad

HELP = """
import sys
from streamad.cli import main
sys.argv = ["streamad", "--help"]
try:
    main()
except SystemExit:
    pass
"""
HEAVY = ["torch", "numba", "pandas", "kafka", "pyarrow", "sklearn", "river", "scipy"]


def loaded_after(code):
    """Modules that a fresh interpreter holds after running some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import streamad",
        "import streamad; dir(streamad)",
        "from streamad.core import data, errors, protocols, slab",
        "from streamad import Pipeline, Engine, make_detector; make_detector('ewma')",
        "import streamad.testing.fakes",
        "import streamad.faces; dir(streamad.faces)",
        pytest.param(HELP, id="streamad --help"),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code):
    assert loaded_after(code) & set(HEAVY) == set()


def test_shipped_fakes_need_neither_pytest_nor_hypothesis():
    assert loaded_after("import streamad.testing.fakes") & {"pytest", "hypothesis"} == set()


@pytest.mark.parametrize("name", streamad.__all__)
def test_a_public_name_resolves(name):
    assert getattr(streamad, name).__name__ == name


def test_public_names_are_sorted_and_listed():
    assert sorted(streamad.__all__) == streamad.__all__
    assert set(streamad.__all__) <= set(dir(streamad))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'detektor'"):
        _ = streamad.detektor
