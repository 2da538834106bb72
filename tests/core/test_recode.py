from __future__ import annotations

import numpy as np

from streamad.core.data import Schema
from streamad.core.recode import Recoder, grown


def codes(*given):
    return np.array(given, np.int32)


def names_of(own, found):
    return [own.series[code] for code in found.tolist()]


def test_only_names_of_codes_that_come_are_taken():
    own = Schema(())
    names = [f"s{i}" for i in range(1000)]
    assert names_of(own, Recoder(own).codes(names, codes(7, 900, 7))) == ["s7", "s900", "s7"]
    assert sorted(own.series) == ["s7", "s900"]


def test_names_may_be_appended_between_two_calls():
    own, names = Schema(()), ["a"]
    recoder = Recoder(own)
    recoder.codes(names, codes(0))
    names += ["b", "c"]
    assert names_of(own, recoder.codes(names, codes(2, 0))) == ["c", "a"]


def test_another_list_means_other_names():
    own = Schema(())
    recoder = Recoder(own)
    recoder.codes(["a", "b"], codes(0, 1))
    assert names_of(own, recoder.codes(["b", "x"], codes(0, 1))) == ["b", "x"]


def test_no_rows_take_no_names():
    own = Schema(())
    assert len(Recoder(own).codes(["a"], codes())) == 0
    assert own.series == []


def test_a_renumbered_schema_keeps_what_was_met_and_looks_up_what_was_forgotten():
    own, names = Schema(()), ["a", "b", "c"]
    recoder = Recoder(own)
    recoder.codes(names, codes(0, 1, 2))
    fewer = Schema((), ["c", "a"])
    recoder.renumber(fewer, codes(1, -1, 0, -1))
    assert names_of(fewer, recoder.codes(names, codes(0, 2))) == ["a", "c"]
    assert fewer.series == ["c", "a"]
    assert names_of(fewer, recoder.codes(names, codes(1))) == ["b"]


def test_codes_grow_by_doubling_and_are_kept():
    longer = grown(codes(3, 1), 3)
    assert longer.tolist() == [3, 1, -1, -1]
    assert grown(longer, 4) is longer
