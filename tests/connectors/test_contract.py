"""The contract of the channels, held by every source alike."""

from __future__ import annotations

import json

import pytest
from reference.followed import EndingCsv, EndingParquet
from reference.payloads import FORMATS, decode, encode
from reference.tables import START_NS, read, stamps, write
from streamad_connectors.csv_file import CsvSource
from streamad_connectors.parquet_file import ParquetSource
from streamad_connectors.payloads.decoder import make_decoder

from streamad.core.errors import ConfigError

CHANNELS = ["temperature", "flow"]
RANGES = {"temperature": {"range": [-50, 200]}, "flow": {"range": [0, None], "unit": "l/s"}}
ROWS = [(200.0, 0.0), (201.0, 1.0), (-51.0, -1.0), (None, None), (None, -1.0), (20.0, 7.0)]


def csv_file(folder):
    lines = ["ts,temperature,flow"]
    for second, cells in enumerate(ROWS):
        lines.append(
            ",".join(
                [str(START_NS // 10**9 + second), *("" if c is None else str(c) for c in cells)]
            )
        )
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def parquet_file(folder):
    columns = {name: [row[i] for row in ROWS] for i, name in enumerate(CHANNELS)}
    return write(folder / "rows.parquet", {"ts": stamps(range(len(ROWS)))} | columns)


SOURCES = {
    "csv": (CsvSource, csv_file, {}),
    "csv that grows": (EndingCsv, csv_file, {"follow": True}),
    "parquet": (ParquetSource, parquet_file, {}),
    "parquet that comes": (EndingParquet, parquet_file, {"follow": True}),
}


def from_file(name, folder, contract, **options):
    made, write_file, more = SOURCES[name]
    path = write_file(folder)
    return read(made(path, time="ts", values=CHANNELS, contract=contract, **more, **options))


def from_records(contract):
    options = {"key": "asset", "time": {"path": "ts", "unit": "ms"}}
    decoder = make_decoder(FORMATS["json"] | options, CHANNELS, contract)
    return decode(decoder, *(encode("json", temperature=t, flow=f) for t, f in ROWS))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("name", SOURCES)
def test_a_file_is_read_as_records_of_a_topic_are(name, strict, tmp_path):
    contract = RANGES | {"strict": strict}
    live, found = from_records(contract), from_file(name, tmp_path, contract)
    assert json.dumps(found.values) == json.dumps(live.values.tolist())
    assert found.offsets == [offset - 100 for offset in live.offsets.tolist()]
    assert [(r.offset, r.reason) for r in found.rejects] == [
        (r.offset - 100, r.reason) for r in live.rejects
    ]
    for one, other in zip(found.rejects, live.rejects, strict=True):
        assert one.detail.endswith(f": {other.detail}")


@pytest.mark.parametrize("name", SOURCES)
def test_a_refused_row_of_a_file_says_where_it_stands_and_what_it_was(name, tmp_path):
    refused = from_file(name, tmp_path, RANGES).rejects[0]
    assert "rows." in refused.detail
    assert refused.detail.endswith("'temperature' is -51.0, expected -50.0 to 200.0")
    assert (float(refused.row["temperature"]), float(refused.row["flow"])) == (-51.0, -1.0)


def test_columns_that_are_series_have_the_contract_of_their_one_channel(tmp_path):
    contract = {"value": {"range": [0, 100]}}
    found = from_file("csv", tmp_path, contract, layout="series")
    assert [(row[0], row[2], row[3]) for row in found.rows()] == [
        ("flow", (0.0,), 1),
        ("flow", (1.0,), 3),
        ("temperature", (None,), 6),
        ("flow", (None,), 7),
        ("temperature", (None,), 8),
        ("temperature", (20.0,), 10),
        ("flow", (7.0,), 11),
    ]
    assert [reject.offset for reject in found.rejects] == [0, 2, 4, 5, 9]


def test_a_row_that_is_no_row_keeps_its_own_reason(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("ts,temperature,flow\nnever,500,1\n1,500,x\n2,1,1\n3,1,1\n")
    source = CsvSource(
        str(path), time="ts", values=CHANNELS, time_unit="s", contract=RANGES | {"strict": True}
    )
    assert [reject.reason for reject in read(source).rejects] == ["time", "type"]


def test_values_that_a_contract_takes_away_are_told_at_the_end(tmp_path, caplog):
    from_file("parquet", tmp_path, RANGES)
    assert "4 values outside of the contract counted as missing" in caplog.text


@pytest.mark.parametrize("name", SOURCES)
def test_a_wrong_contract_is_refused_before_a_row_is_read(name, tmp_path):
    with pytest.raises(ConfigError, match=r"contract\.heat: there is no such channel"):
        from_file(name, tmp_path, {"heat": {}})
