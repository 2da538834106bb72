from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamad_connectors.spool import Spool

from streamad.core.errors import Backpressure, ConfigError, ConnectorError


def bodies(*numbers):
    return [{"n": number} for number in numbers]


def numbers(spool):
    return [entry.body["n"] for entry in spool.first(1000)]


def adopted(folder):
    """What the next process finds."""
    spool = Spool(str(folder), 1 << 20)
    spool.adopt()
    found = numbers(spool)
    spool.close()
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def spool(folder):
    made = Spool(str(folder), 1 << 20)
    made.adopt()
    yield made
    made.close()


def test_entries_leave_in_the_order_in_which_they_came(spool):
    spool.put("p", bodies(1, 2))
    spool.put("q", bodies(3))
    assert numbers(spool) == [1, 2, 3]
    spool.done(spool.first(2))
    assert numbers(spool) == [3]
    assert [spool.waits(name) for name in "pqr"] == [False, True, False]


def test_what_was_saved_is_left_to_the_next_process(spool, folder):
    spool.put("p", bodies(1, 2, 3))
    spool.save()
    spool.done(spool.first(1))
    spool.put("p", bodies(4))
    spool.close()
    assert adopted(folder) == [2, 3]


def test_what_is_closed_twice_is_left_once(spool, folder):
    spool.put("p", bodies(1))
    spool.save()
    spool.close()
    spool.close()
    assert adopted(folder) == [1]


def test_a_file_is_there_only_while_something_waits(spool, folder):
    assert list(folder.iterdir()) == []
    spool.put("p", bodies(1))
    spool.save()
    assert len(list(folder.iterdir())) == 1
    spool.done(spool.first(1))
    assert list(folder.iterdir()) == []


def test_a_living_process_keeps_its_file(spool, folder):
    spool.put("p", bodies(1))
    spool.save()
    assert adopted(folder) == []
    spool.save()
    assert numbers(spool) == [1]


def test_a_killed_process_leaves_its_file(folder):
    code = f"""
import os, signal
from streamad_connectors.spool import Spool
spool = Spool({str(folder)!r}, 1 << 20)
spool.adopt()
spool.put("p", [{{"n": 1}}, {{"n": 2}}])
spool.save()
spool.put("p", [{{"n": 3}}])
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert adopted(folder) == [1, 2]


def test_two_processes_that_begin_together_take_an_orphan_once(folder):
    first = Spool(str(folder), 1 << 20)
    first.adopt()
    first.put("p", bodies(*range(100)))
    first.save()
    first.close()
    spools = [Spool(str(folder), 1 << 20) for _ in range(4)]
    threads = [threading.Thread(target=spool.adopt) for spool in spools]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(n for spool in spools for n in numbers(spool)) == list(range(100))
    for spool in spools:
        spool.close()


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_that_a_crash_tore_is_passed_over(spool, folder, cut):
    spool.put("p", bodies(1, 2))
    spool.save()
    spool.close()
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    assert adopted(folder) == ([1, 2] if cut == 1 else [1])


def test_the_limit_counts_all_that_waits(folder):
    spool = Spool(str(folder), 120)
    spool.put("p", bodies(1, 2, 3))
    with pytest.raises(Backpressure, match="3 alerts wait to be delivered, the limit of 120 bytes"):
        spool.put("p", bodies(4, 5, 6))
    assert numbers(spool) == [1, 2, 3]
    spool.done(spool.first(2))
    spool.put("p", bodies(4, 5))
    assert numbers(spool) == [3, 4, 5]


def test_a_full_spool_takes_nothing_over_until_there_is_room(spool, folder):
    spool.put("p", bodies(1))
    spool.save()
    spool.close()
    full = Spool(str(folder), 1)
    full.put("p", bodies(2))
    full.adopt()
    assert numbers(full) == [2]
    full.done(full.first(1))
    full.adopt()
    assert numbers(full) == [1]
    full.close()


def test_taking_over_keeps_nothing_that_was_not_flushed_from_being_forgotten(spool):
    spool.put("p", bodies(1))
    spool.adopt()
    spool.forget("p")
    assert numbers(spool) == []


def test_an_empty_spool_takes_anything(folder):
    spool = Spool(str(folder), 1)
    spool.put("p", bodies(1))
    assert numbers(spool) == [1]


def test_the_disk_holds_at_most_twice_the_limit(spool, folder):
    for i in range(500):
        spool.put("p", bodies(i))
        spool.save()
        if len(spool) > 10:
            spool.done(spool.first(1))
        (path,) = folder.iterdir()
        assert path.stat().st_size <= 2 * 11 * 40 + 40


def test_only_what_was_not_saved_is_forgotten(spool):
    spool.put("p", bodies(1))
    spool.put("q", bodies(2))
    spool.save()
    spool.put("p", bodies(3))
    spool.put("q", bodies(4))
    spool.forget("p")
    assert numbers(spool) == [1, 2, 4]


def test_a_full_disk_is_backpressure_and_spoils_nothing(spool, folder, monkeypatch):
    spool.put("p", bodies(1))
    spool.save()
    write, calls = os.write, []

    def half(file, data):
        calls.append(file)
        if len(calls) == 1:
            return write(file, bytes(data)[:7])
        raise OSError(28, "No space left on device")

    spool.put("p", bodies(2))
    monkeypatch.setattr(os, "write", half)
    with pytest.raises(Backpressure, match=r"cannot be kept in .*: No space left on device; make"):
        spool.save()
    monkeypatch.setattr(os, "write", write)
    spool.save()
    (path,) = folder.iterdir()
    assert [json.loads(line)["body"]["n"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_file_that_was_never_finished_is_swept_when_it_is_old(spool, folder):
    young, old = folder / "spool-a.new", folder / "spool-b.new"
    for path in (young, old):
        path.touch()
    os.utime(old, (0, 0))
    assert adopted(folder) == []
    assert [path.exists() for path in (young, old)] == [True, False]


def test_a_folder_that_is_none_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConnectorError, match="must be a folder that can be written"):
        Spool(str(tmp_path / "file"), 100).adopt()


def test_a_limit_of_nothing_is_an_error():
    with pytest.raises(ConfigError, match="at least one byte"):
        Spool(None, 0)


def test_files_are_for_their_owner_alone(spool, folder):
    spool.put("p", bodies(1))
    spool.save()
    (path,) = folder.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert path.stat().st_mode & 0o077 == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("pq")),
        st.tuples(st.just("done"), st.integers(1, 3)),
        st.tuples(st.just("forget"), st.sampled_from("pq")),
        st.tuples(st.just("save"), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
def test_a_crash_keeps_what_a_simple_list_keeps(tmp_path_factory, steps):
    """What was saved and not delivered at the last save survives, and nothing that was dropped."""
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(str(folder), 1 << 20)
    spool.adopt()
    waiting, saved, survives = [], set(), []
    for number, (step, what) in enumerate(steps):
        if step == "put":
            spool.put(what, bodies(number))
            waiting.append((number, what))
        elif step == "done":
            spool.done(spool.first(what))
            waiting = waiting[what:]
            survives = survives if waiting else []
        elif step == "forget":
            spool.forget(what)
            waiting = [(n, p) for n, p in waiting if p != what or n in saved]
            survives = survives if waiting else []
        else:
            spool.save()
            saved |= {n for n, _ in waiting}
            survives = [n for n, _ in waiting]
        assert numbers(spool) == [n for n, _ in waiting]
    files = [path.read_text() for path in folder.glob("*.jsonl")]
    on_disk = [json.loads(line)["body"]["n"] for text in files for line in text.splitlines()]
    assert [n for n in on_disk if n in survives] == survives
    assert set(on_disk) <= saved
    spool.close()
    assert adopted(folder) == [n for n, _ in waiting if n in saved]
