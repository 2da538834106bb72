from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings

settings.register_profile(
    "mutants", max_examples=40, phases=[Phase.generate], derandomize=True, database=None
)


@pytest.fixture
def first_failure_is_enough():
    """The same examples every time, and none of them made smaller."""
    settings.load_profile("mutants")
    yield
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
