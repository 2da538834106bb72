"""Every installed source and sink keeps the promises; the entry points name them."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamad.core.data import Schema
from streamad.testing.conformance import SinkConformance, SourceConformance
from streamad.testing.fakes import ListSource
from streamad.testing.streams import (
    SECOND_NS,
    Recipe,
    channel_names,
    make_batch,
    pieces,
    series_name,
)

COLUMNS = {"time": "time", "key": "asset", "values": channel_names(2)}
STREAM = Recipe(3, ("sine", "walk", "levels"), 2, 300, 0.05, 3).stream()


def installed(group):
    return {entry.name: entry for entry in entry_points(group=f"streamad.{group}")}


def frame(rows):
    """Rows of the stream as an Arrow table in long format."""
    return pa.table(
        {
            "time": pa.array(rows["times"], pa.timestamp("ns")),
            "asset": [series_name(code) for code in rows.codes],
            **{name: rows["values"][:, c] for c, name in enumerate(channel_names(2))},
        }
    )


def write_parquet(folder):
    """Two files whose times overlap, in row groups of 40."""
    for part in range(2):
        rows = STREAM.take(np.arange(part, len(STREAM), 2))
        pq.write_table(frame(rows), folder / f"part-{part}.parquet", row_group_size=40)
    return str(folder)


def write_csv(folder):
    """One file with a cell that is no number, one that is no time and one that is infinite."""
    lines = [",".join(["time", "asset", *channel_names(2)])]
    for time, code, values in zip(STREAM["times"], STREAM.codes, STREAM["values"], strict=True):
        stamp = datetime.fromtimestamp(int(time) // SECOND_NS, UTC).isoformat()
        lines.append(",".join([stamp, series_name(code), *map(repr, map(float, values))]))
    lines[31] = lines[31].replace(lines[31].split(",")[2], "broken")
    lines[77] = "yesterday" + lines[77][lines[77].index(",") :]
    lines[90] = ",".join([*lines[90].split(",")[:3], "inf"])
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


SOURCES = {"parquet": write_parquet, "csv": write_csv}


@pytest.fixture(scope="module", params=SOURCES)
def written(request, tmp_path_factory):
    return request.param, SOURCES[request.param](tmp_path_factory.mktemp(request.param))


class TestSource(SourceConformance):
    @pytest.fixture(autouse=True)
    def _choose(self, written):
        self.name, self.path = written

    def make(self):
        return installed("sources")[self.name].load()(path=self.path, **COLUMNS)

    def test_the_rows_are_those_that_were_written(self):
        rows, rejects = self.read([1000])
        (table,) = rows.values()
        refused = [reject.offset for reject in rejects]
        kept = np.setdiff1d(np.arange(len(STREAM)), refused)
        np.testing.assert_array_equal(table["offset"], kept)
        np.testing.assert_array_equal(table["times"], STREAM["times"][kept])
        assert table["series"].tolist() == [series_name(code) for code in STREAM.codes[kept]]
        found, given = table["values"], STREAM["values"][kept]
        assert np.count_nonzero(np.isnan(found) & ~np.isnan(given)) <= 1
        np.testing.assert_array_equal(found[~np.isnan(found)], given[~np.isnan(found)])


class TestListSource(SourceConformance):
    def make(self):
        schema = Schema(channel_names(2), [series_name(code) for code in range(3)])
        return ListSource(
            [make_batch(schema, STREAM.take(span), span.start) for span in pieces(len(STREAM), 70)]
        )


class TestJsonlSink(SinkConformance):
    def make(self, folder):
        return installed("sinks")["jsonl"].load()(path=str(folder / "alerts.jsonl"))


class TestParquetScoreSink(SinkConformance):
    def make(self, folder):
        return installed("sinks")["parquet"].load()(path=str(folder / "scores.parquet"))

    def read(self, folder):
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        return names, repr(pq.read_table(folder / "scores.parquet").to_pydict())


def test_every_installed_source_is_checked():
    """Kafka runs the class on a real broker, in the integration tests."""
    assert installed("sources").keys() - {"kafka"} == SOURCES.keys()


def test_every_installed_sink_is_checked():
    """Lines on stdout cannot be taken back, so that sink promises less.

    What servers hold is asked by the tests of these sinks themselves, some of which run the class.
    """
    servers = {"alertmanager", "kafka", "kafka_transactional", "postgres", "sqlite", "webhook"}
    assert installed("sinks").keys() - {"stdout"} - servers == {"jsonl", "parquet"}
