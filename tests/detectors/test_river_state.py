"""State of river objects without pickle."""

from __future__ import annotations

import json
import random
from collections import Counter, OrderedDict, defaultdict, deque
from functools import partial

import numpy as np
import pytest
from river import stats

from streamad.core.errors import StateError
from streamad.detectors.river_state import dump, load


@pytest.mark.parametrize(
    "thing",
    [
        {"a": [1, 2.5, None, True, "x"], (1, 2): {3, 4}},
        [float("inf"), -0.0, 5e-324, 2**80],
        deque([1, (2, 3)], maxlen=5),
        defaultdict(list, {"a": [1]}),
        Counter("hello"),
        OrderedDict(b=1, a=2),
        frozenset({1, "a"}),
        b"\x00\xff",
    ],
)
def test_containers_come_back_equal_and_of_the_same_type(thing):
    back = load(dump(thing))
    assert (type(back), back) == (type(thing), thing)


def test_nan_comes_back():
    assert np.isnan(load(dump([float("nan")]))[0])


@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.array([np.nan]), np.int32(7)])
def test_arrays_and_numpy_numbers_come_back(array):
    back = load(dump(array))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype


def test_a_defaultdict_still_makes_its_defaults():
    back = load(dump(defaultdict(partial(tuple, (0.0, 1.0)))))
    assert back["new"] == (0.0, 1.0)


def test_a_deque_still_forgets():
    back = load(dump(deque([1, 2], maxlen=2)))
    back.append(3)
    assert list(back) == [2, 3]


def test_a_random_generator_goes_on_where_it_was():
    rng = random.Random(3)
    rng.gauss(0, 1)
    back = load(dump(rng))
    assert [rng.gauss(0, 1) for _ in range(5)] == [back.gauss(0, 1) for _ in range(5)]


def test_what_was_one_object_stays_one_object():
    shared = [1]
    a, b = load(dump([shared, {"again": shared}]))
    assert a is b["again"]


def test_a_cycle_comes_back():
    loop = [1]
    loop.append(loop)
    back = load(dump(loop))
    assert back[1] is back


def test_long_chains_need_no_deep_recursion():
    chain = []
    for _ in range(20_000):
        chain = [chain]
    assert len(load(dump(chain))) == 1


def test_compiled_river_statistics_come_back():
    quantile = stats.Quantile(0.5)
    for x in range(100):
        quantile.update(float(x * 37 % 101))
    back = load(dump(quantile))
    quantile.update(3.0)
    back.update(3.0)
    assert back.get() == quantile.get()


class Foreign:
    pass


@pytest.mark.parametrize("thing", [Foreign(), lambda: 1, np.array([object()]), json, iter([1])])
def test_what_only_pickle_could_save_is_refused(thing):
    with pytest.raises(StateError, match="cannot be saved without pickle"):
        dump([thing])


@pytest.mark.parametrize("name", [["os", "system"], ["builtins", "eval"], ["riverside", "x"]])
def test_a_snapshot_that_names_other_code_is_refused(name):
    text = json.dumps({"nodes": [["object", [1], "call", ["x"], None, [], []], ["global", *name]],
                       "root": [0]})  # fmt: skip
    with pytest.raises(StateError, match="not admitted"):
        load(text)


@pytest.mark.parametrize("text", ["", "{}", '{"nodes":[],"root":[0]}', '{"nodes":[[]],"root":[0]}'])
def test_a_damaged_text_is_refused(text):
    with pytest.raises(StateError, match="cannot be rebuilt"):
        load(text)


def test_a_snapshot_may_not_call_functions_of_river():
    text = json.dumps(
        {
            "nodes": [
                ["object", [1], "call", [], None, [], []],
                ["global", "river.evaluate.progressive_validation", "progressive_val_score"],
            ],
            "root": [0],
        }
    )
    with pytest.raises(StateError, match="objects of classes"):
        load(text)
