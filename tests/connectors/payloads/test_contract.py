"""The contract of the channels."""

from __future__ import annotations

import numpy as np
import pytest
from reference.payloads import FORMATS, decode, encode
from streamad_connectors.payloads.decoder import make_decoder

from streamad.core.errors import ConfigError

CHANNELS = ["temperature", "flow"]
RANGES = {"temperature": {"range": [-50, 200]}, "flow": {"range": [0, None], "unit": "l/s"}}


def read(name, contract, *records):
    options = {"key": "asset", "time": {"path": "ts", "unit": "ms"}}
    return decode(make_decoder(FORMATS[name] | options, CHANNELS, contract), *records)


@pytest.mark.parametrize("name", FORMATS)
def test_values_out_of_range_are_missing_and_a_row_of_nothing_else_is_refused(name):
    rows = [(200.0, 0.0), (201.0, 1.0), (-51.0, -1.0), (None, None), (None, -1.0)]
    found = read(name, RANGES, *(encode(name, temperature=t, flow=f) for t, f in rows))
    np.testing.assert_array_equal(found.values, [[200, 0], [np.nan, 1], [np.nan, np.nan]])
    assert found.offsets.tolist() == [100, 101, 103]
    assert found.invalid["range"] == 4
    assert [(r.offset, r.reason) for r in found.rejects] == [(102, "value"), (104, "value")]
    assert found.rejects[1].detail == "'flow' is -1.0 l/s, expected 0.0 to inf l/s"


@pytest.mark.parametrize("name", FORMATS)
def test_a_strict_contract_refuses_rows_with_a_missing_value(name):
    rows = [(20.0, 1.0), (20.0, None), (20.0, -1.0)]
    contract = RANGES | {"strict": True}
    found = read(name, contract, *(encode(name, temperature=t, flow=f) for t, f in rows))
    assert found.offsets.tolist() == [100]
    assert [reject.reason for reject in found.rejects] == ["value", "value"]
    assert found.rejects[0].detail == "'flow' is missing, the contract is strict"
    assert found.rejects[1].raw == encode(name, temperature=20.0, flow=-1.0)


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        ({"heat": {}}, "no such channel"),
        ({"flow": {"range": [1]}}, "lowest, highest"),
        ({"flow": {"range": ["a", 2]}}, "lowest, highest"),
        ({"flow": {"range": 3}}, "lowest, highest"),
        ({"flow": {"range": [2, 1]}}, "should rise"),
        ({"flow": {"rang": [0, 1]}}, "has range and unit, got rang"),
        ({"flow": [0, 1]}, "is a mapping"),
    ],
)
def test_a_wrong_contract_is_refused(contract, said):
    with pytest.raises(ConfigError, match=said):
        read("json", contract)
