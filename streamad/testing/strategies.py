"""Hypothesis strategies: streams of many series, cuts anywhere, company."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamad.core.data import Codes
from streamad.testing.streams import KINDS, Cuts, Recipe

_SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)


def recipes(
    *,
    max_series: int = 3,
    max_channels: int = 3,
    max_rows: int = 300,
    kinds: Sequence[str] = KINDS,
) -> st.SearchStrategy[Recipe]:
    """Streams with missing values, spikes, constants, huge and denormal numbers, mostly long."""
    long = st.integers(max_rows // 2, max_rows)
    return st.builds(
        Recipe,
        seed=st.integers(0, 2**32 - 1),
        kinds=st.lists(st.sampled_from(kinds), min_size=1, max_size=max_series).map(tuple),
        channels=st.integers(1, max_channels),
        rows=st.one_of(st.integers(1, max_rows), long, long),
        missing=st.sampled_from((0.0, 0.02, 0.4)),
        spikes=st.integers(0, 4),
    )


def cuts() -> st.SearchStrategy[Cuts]:
    """Ways to cut a stream into batches: a few rows each, or at any places."""
    places = st.lists(st.floats(0, 1), min_size=1, max_size=6)
    return st.one_of(st.integers(1, 40), places.map(tuple))


def slots(n_series: int) -> st.SearchStrategy[Codes]:
    """A slot for each series: any order, with gaps between."""
    order = st.permutations(range(2 * n_series))
    return order.map(lambda found: np.array(found[:n_series], np.int32))


def for_all(
    effort: float = 1.0, **drawn: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], None]:
    """Run the decorated check at once, on examples of every argument.

    Parameters
    ----------
    effort : float
        Share of the examples of the active Hypothesis profile.
    **drawn
        A strategy for each argument.

    Notes
    -----
    A check inside a test method has no fixture and no instance that Hypothesis would mistake, so
    one inherited method serves any number of subclasses.
    """

    def run(check: Callable[..., None]) -> None:
        n = max(2, round(effort * settings().max_examples))
        chosen = settings(max_examples=n, deadline=None, suppress_health_check=_SLOW)
        chosen(given(**drawn)(check))()

    return run
