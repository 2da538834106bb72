"""A file that grows: nothing is lost, doubled, or written behind an owner's back."""

from __future__ import annotations

import os

import pytest

from streamad.core import append
from streamad.core.append import AppendFile


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lines"


def test_what_waits_is_written_by_a_flush_and_not_by_closing(path):
    file = AppendFile(path)
    file.write(b"one\n")
    assert file.flush() == 4
    file.write(b"two\n")
    file.close()
    assert path.read_bytes() == b"one\n"


def test_much_is_written_before_the_flush(path, monkeypatch):
    monkeypatch.setattr(append, "MAX_WAITING", 10)
    file = AppendFile(path)
    for _ in range(4):
        file.write(b"seven b")
    assert path.stat().st_size == 21
    assert file.flush() == 28
    file.close()


def test_after_an_error_it_goes_on_at_the_very_byte(path, monkeypatch):
    file = AppendFile(path)
    file.write(b"abcdef")
    write, calls = os.pwrite, []

    def full(handle, data, at):
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return write(handle, bytes(data[:4]), at)

    monkeypatch.setattr(append.os, "pwrite", full)
    with pytest.raises(append.NoRoom, match="No space"):
        file.flush()
    assert file.flush() == 6
    file.close()
    assert path.read_bytes() == b"abcdef"


def test_bytes_that_raised_were_not_taken(path, monkeypatch):
    monkeypatch.setattr(append, "MAX_WAITING", 3)
    file = AppendFile(path)
    file.write(b"abc")
    with monkeypatch.context() as patch:
        patch.setattr(append.os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(OSError, match="full"):
            file.write(b"def")
    file.write(b"def")
    file.flush()
    file.close()
    assert path.read_bytes() == b"abcdef"


def test_it_is_cut_to_a_length(path):
    path.write_bytes(b"one\ntwo\n")
    file = AppendFile(path)
    file.cut(4)
    file.write(b"three\n")
    file.flush()
    file.close()
    assert path.read_bytes() == b"one\nthree\n"


def test_what_comes_again_is_written_over_and_what_differs_is_cut_off(path):
    path.write_bytes(b"one\ntwo\nthree\nfo")
    file = AppendFile(path, 4)
    file.write(b"two\n")
    assert file.flush() == 8
    assert path.read_bytes() == b"one\ntwo\nthree\nfo"
    file.write(b"3\n")
    assert file.flush() == 10
    assert path.read_bytes() == b"one\ntwo\n3\n"
    file.close()


def test_two_who_write_the_same_bytes_write_them_once(path):
    """One went on from a checkpoint while the other, long frozen, does not know that it lost it."""
    old = AppendFile(path)
    old.write(b"one\ntwo\n")
    assert old.flush() == 8
    new = AppendFile(path, 4)
    old.write(b"three\n")
    assert old.flush() == 14
    new.write(b"two\nthree\nfour\n")
    assert new.flush() == 19
    old.write(b"four\n")
    assert old.flush() == 19
    assert path.read_bytes() == b"one\ntwo\nthree\nfour\n"
    old.close()
    new.close()
