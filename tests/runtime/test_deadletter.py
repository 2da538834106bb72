"""Rejected rows are kept once, whatever happens in between."""

from __future__ import annotations

import json

import pytest

from streamad.core.data import Reject
from streamad.core.errors import ConfigError, ConnectorError
from streamad.runtime.deadletter import DeadLetterFile


def reject(offset: int, partition: str = "p") -> Reject:
    return Reject(partition, offset, "late", "came after a later row", {"value": float("nan")})


def offsets(path) -> list[int]:
    return [json.loads(line)["offset"] for line in path.read_text().splitlines()]


def test_rows_after_the_checkpoint_are_written_once_by_a_restart(tmp_path):
    path = tmp_path / "rejects.jsonl"
    first = DeadLetterFile(path)
    first.open("p", None)
    first.write("p", [reject(1), reject(2)])
    position = first.flush("p")
    first.write("p", [reject(3)])
    first.close()
    second = DeadLetterFile(path)
    second.open("p", position)
    second.write("p", [reject(3), reject(4)])
    second.flush("p")
    second.close()
    assert offsets(path) == [1, 2, 3, 4]


def test_the_file_appears_with_the_first_rejected_row(tmp_path):
    letters = DeadLetterFile(tmp_path / "rejects.jsonl")
    letters.open("p", None)
    letters.write("p", [])
    assert letters.flush("p") == {"bytes": 0}
    assert not (tmp_path / "rejects.jsonl").exists()


def test_a_partition_that_comes_back_is_cut_to_its_checkpoint(tmp_path):
    path = tmp_path / "rejects.jsonl"
    letters = DeadLetterFile(path)
    letters.open("p", None)
    letters.write("p", [reject(1)])
    position = letters.flush("p")
    letters.write("p", [reject(2)])
    letters.open("p", position)
    letters.write("p", [reject(2)])
    letters.flush("p")
    letters.close()
    assert offsets(path) == [1, 2]


def test_partitions_need_files_of_their_own(tmp_path):
    shared = DeadLetterFile(tmp_path / "rejects.jsonl")
    shared.open("p", None)
    with pytest.raises(ConfigError, match=r"\{partition\}"):
        shared.open("q", None)
    apart = DeadLetterFile(tmp_path / "rejects-{partition}.jsonl")
    apart.open("p", None)
    apart.open("q/0", None)
    apart.write("q/0", [reject(5, "q/0")])
    apart.flush("q/0")
    apart.close()
    assert offsets(tmp_path / "rejects-q%2F0.jsonl") == [5]


def test_a_file_that_was_shortened_is_refused(tmp_path):
    letters = DeadLetterFile(tmp_path / "rejects.jsonl")
    with pytest.raises(ConnectorError, match=r"has 0 bytes, the checkpoint covers 40"):
        letters.open("p", {"bytes": 40})


def test_a_folder_that_is_gone_is_named(tmp_path):
    letters = DeadLetterFile(tmp_path / "gone" / "rejects.jsonl")
    letters.open("p", None)
    with pytest.raises(ConnectorError, match="cannot keep rejected rows"):
        letters.write("p", [reject(1)])
