from __future__ import annotations

import pytest
from reference.followed import EndingCsv, EndingParquet, read_on
from streamad_connectors import names as names_module
from streamad_connectors.names import Names

BEGIN = 1_700_000_000


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(names_module, "AT_LEAST", 100)


def schemas_met(names, polls):
    """The schemas, in order, under which these polls are read."""
    met = []
    for poll in polls:
        names.renew()
        names.codes(poll)
        if not met or met[-1] is not names.schema:
            met.append(names.schema)
    return met


@pytest.mark.usefixtures("small")
def test_names_that_never_come_back_are_forgotten():
    names, most = Names(["v"]), 0
    for n in range(1000):
        names.renew()
        names.codes([f"session-{n}-{i}" for i in range(10)])
        most = max(most, len(names.schema.series))
    assert most <= 110
    assert len(names._before) <= 110


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("n", [90, 150, 200])
def test_series_that_send_in_turn_make_at_most_one_new_schema(n):
    polls = [[f"s{(10 * poll + i) % n}" for i in range(10)] for poll in range(500)]
    assert len(schemas_met(Names(["v"]), polls)) <= 2


@pytest.mark.usefixtures("small")
def test_series_that_stay_among_those_that_go_keep_the_schema_bounded():
    names, most = Names(["v"]), 0
    for n in range(2000):
        names.renew()
        names.codes([f"session-{n}", *(f"stays-{(n + i) % 300}" for i in range(20))])
        most = max(most, len(names.schema.series))
    assert most <= 100 + 2 * 300 + 21


@pytest.mark.usefixtures("small")
def test_each_schema_has_all_names_that_were_asked_of_it():
    names = Names(["v"])
    for n in range(100):
        names.renew()
        asked = [f"session-{n}-{i}" for i in range(10)]
        codes = names.codes(asked)
        assert [names.schema.series[code] for code in codes] == asked


def csv_rows(first, last):
    return "".join(f"{BEGIN + k},session-{k},{k}\n" for k in range(first, last))


@pytest.fixture
def csv_folder(tmp_path, monkeypatch):
    """Two files of ever new series, in blocks of a few rows."""
    from streamad_connectors import growing_csv

    monkeypatch.setattr(growing_csv, "BLOCK_BYTES", 1000)
    for n, name in enumerate("ab"):
        text = "t,pump,flow\n" + csv_rows(1000 * n, 1000 * n + 1000)
        (tmp_path / f"{name}.csv").write_text(text)
    return EndingCsv(str(tmp_path), time="t", key="pump", values=["flow"], follow=True)


@pytest.fixture
def parquet_folder(tmp_path):
    """The same in row groups of a few rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for n, name in enumerate("ab"):
        k = range(1000 * n, 1000 * n + 1000)
        table = {
            "t": [BEGIN + i for i in k],
            "pump": [f"session-{i}" for i in k],
            "flow": [float(i) for i in k],
        }
        pq.write_table(pa.table(table), tmp_path / f"{name}.parquet", row_group_size=50)
    return EndingParquet(str(tmp_path), time="t", key="pump", values=["flow"], follow=True)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", ["csv_folder", "parquet_folder"])
@pytest.mark.parametrize("max_rows", [7, 1000])
def test_followed_files_keep_few_names_and_give_each_row_its_own(kind, max_rows, request):
    source = request.getfixturevalue(kind)
    source.events()
    source.seek("files", 0)
    rows = read_on(source, max_rows).rows
    assert [row[0] for row in rows] == [f"session-{k}" for k in range(2000)]
    assert [row[2] for row in rows] == list(range(2000))
    assert len(source.schema.series) <= 200
