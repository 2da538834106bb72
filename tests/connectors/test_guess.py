from __future__ import annotations

import importlib.resources

import numpy as np
import pyarrow as pa
import pytest
from reference.tables import START_NS, read, stamps, write
from streamad_connectors.csv_file import CsvSource
from streamad_connectors.guess import guess
from streamad_connectors.parquet_file import ParquetSource

from streamad.core.errors import ConfigError

N = 40


def opened(options):
    """The source that a guess describes."""
    kinds = {"parquet": ParquetSource, "csv": CsvSource}
    return kinds[options["type"]](**{k: v for k, v in options.items() if k != "type"})


def csv(tmp_path, text, name="x.csv"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_a_wide_parquet_file(tmp_path):
    path = write(
        tmp_path / "x.parquet",
        {
            "ts": stamps(range(N)),
            "flow": np.arange(N) * 1.5,
            "label": np.zeros(N, int),
            "state": ["on"] * N,
        },
    )
    options, notes = guess(path)
    assert options == {"type": "parquet", "path": path, "time": "ts", "values": ["flow"]}
    assert "ignored: 'label' looks like a label, which holds the answer" in notes
    assert "ignored: 'state' holds string, no numbers" in notes
    assert len(read(opened(options)).rows()) == N


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("pump", ["a", "b"] * N),
        ("machine_id", [7, 8] * N),
        ("whatever", ["a", "b"] * N),
        ("pump", pa.array(["a", "b"] * N).dictionary_encode()),
    ],
)
def test_a_long_parquet_file(tmp_path, name, keys):
    seconds = np.repeat(np.arange(N), 2)
    path = write(
        tmp_path / "x.parquet", {"time": stamps(seconds), name: keys, "v": np.arange(2.0 * N)}
    )
    options, _ = guess(path)
    assert (options["time"], options["key"], options["values"]) == ("time", name, ["v"])
    assert len(set(read(opened(options)).series)) == 2


def test_text_beside_a_single_series_is_no_key(tmp_path):
    path = write(
        tmp_path / "x.parquet",
        {"time": stamps(range(N)), "state": ["on", "off"] * 20, "v": np.arange(N)},
    )
    assert "key" not in guess(path)[0]


@pytest.mark.parametrize(
    ("name", "times", "unit"),
    [
        ("epoch", START_NS // 10**6 + np.arange(N) * 1000, "ms"),
        ("timestamp", np.arange(N), "index"),
        ("unnamed", np.arange(N), "index"),
        ("t", START_NS // 10**9 + np.arange(N), "s"),
    ],
)
def test_numbers_as_time_come_with_their_unit(tmp_path, name, times, unit):
    path = write(tmp_path / "x.parquet", {name: times, "v": np.arange(N) % 7 - 3.0})
    options, _ = guess(path)
    assert (options["time"], options["time_unit"], options["values"]) == (name, unit, ["v"])
    assert np.all(np.diff(read(opened(options)).seconds) == 1.0)


def test_without_a_time_column_rows_are_a_second_apart(tmp_path):
    path = write(tmp_path / "x.parquet", {"v": np.sin(np.arange(N)), "w": np.cos(np.arange(N))})
    options, notes = guess(path)
    assert "time" not in options
    assert "time: no column found, rows are one second apart" in notes


def test_files_that_overlap_are_series(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.parquet", {"time": stamps(range(N)), "v": np.arange(N)})
    options, _ = guess(str(tmp_path))
    assert options["key"] == "@file"
    assert set(read(opened(options)).series) == {"a", "b"}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_files_that_follow_each_other_are_one_series(tmp_path, kind):
    for day in range(3):
        seconds = range(N * day, N * day + N)
        if kind == "parquet":
            write(tmp_path / f"{day}.parquet", {"time": stamps(seconds), "v": np.arange(N)})
        else:
            rows = "".join(f"{START_NS // 10**9 + s},{s % 7}\n" for s in seconds)
            csv(tmp_path, "time,v\n" + rows, f"{day}.csv")
    options, notes = guess(str(tmp_path))
    assert "key" not in options
    assert "key: none, the 3 files follow each other in time" in notes


def test_files_with_other_columns_are_series(tmp_path):
    for day, name in enumerate("ab"):
        seconds = range(N * day, N * day + N)
        write(tmp_path / f"{day}.parquet", {"time": stamps(seconds), name: np.arange(N)})
    assert guess(str(tmp_path))[0]["key"] == "@file"


def test_folder_names_can_be_the_key(tmp_path):
    for site in ("north", "south"):
        write(
            tmp_path / f"site={site}" / "x.parquet", {"time": stamps(range(N)), "v": np.arange(N)}
        )
    options, _ = guess(str(tmp_path))
    assert options["key"] == "site"
    assert set(read(opened(options)).series) == {"north", "south"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "time,v\n" + "".join(f"2024-01-01 00:00:{s:02d},{s}\n" for s in range(N)),
            {"delimiter": ",", "decimal": ".", "header": True, "time": "time", "values": ["v"]},
        ),
        (
            "datum;wert\n" + "".join(f"13.01.2024 00:00:{s:02d};{s},5\n" for s in range(N)),
            {"delimiter": ";", "decimal": ",", "time": "datum", "time_format": "%d.%m.%Y %H:%M:%S"},
        ),
        (
            "".join(f"{START_NS // 10**9 + s}\t{s % 5 - 2}\n" for s in range(N)),
            {"delimiter": "\t", "header": False, "time": "c0", "values": ["c1"], "time_unit": "s"},
        ),
        (
            "time,sensor,v\n"
            + "".join(f"2024-01-01T00:00:{s // 2:02d}Z,{'ab'[s % 2]},{s}\n" for s in range(N)),
            {"time": "time", "key": "sensor", "values": ["v"]},
        ),
    ],
)
def test_csv_files(tmp_path, text, expected):
    options, _ = guess(csv(tmp_path, text))
    assert {key: options.get(key) for key in expected} == expected
    found = read(opened(options))
    assert (len(found.rows()), found.rejects) == (N, [])


def test_a_real_series(tmp_path):
    path = importlib.resources.files("river.datasets") / "water-flow.csv"
    options, _ = guess(str(path))
    assert (options["time"], options["values"]) == ("Time", ["Water flow [l/s]"])
    found = read(opened(options))
    assert (len(found.rows()), found.rejects) == (1268, [])


def test_what_is_known_is_taken_as_it_is(tmp_path):
    path = write(
        tmp_path / "x.parquet", {"a": np.arange(N), "b": np.arange(N), "label": np.arange(N)}
    )
    options, _ = guess(path, time="b", values=["label"])
    assert (options["time"], options["values"]) == ("b", ["label"])
    with pytest.raises(ConfigError, match=r"no wanted column 'lable': did you mean 'label'"):
        guess(path, values=["lable"])


def test_the_format_is_known_by_content(tmp_path):
    path = write(tmp_path / "data.bin", {"time": stamps(range(N)), "v": np.arange(N)})
    assert guess(path)[0]["type"] == "parquet"
