"""A table that is written row by row, beside what it held before."""

import stat
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.row_file import RowFile

ROWS = [b"head\n", b"one\n", b"", b"two, longer\r\n", b"3\n"]
WHOLE = b"".join(ROWS)


def write_all(path, rows=ROWS, *, is_new=True):
    """Write rows to a file that may hold something; return whether it stayed the same file."""
    before = path.stat().st_ino if path.exists() else None
    file = RowFile(path)
    for row in rows:
        file.write(row, is_new=is_new)
    file.finish()
    content = file.content()
    file.close()
    data = path.read_bytes()
    assert content == (len(data), zlib.crc32(data))
    return path.stat().st_ino == before


@pytest.mark.parametrize("is_new", [True, False])
def test_a_beginning_of_any_length_is_completed_in_place(tmp_path, is_new):
    for size in range(len(WHOLE) + 1):
        (tmp_path / "f").write_bytes(WHOLE[:size])
        assert write_all(tmp_path / "f", is_new=is_new)
        assert (tmp_path / "f").read_bytes() == WHOLE


@given(st.lists(st.binary(max_size=9), max_size=8), st.binary(max_size=60), st.booleans())
@settings(deadline=None)
def test_the_file_is_the_rows_whatever_it_held(tmp_path_factory, rows, before, is_new):
    path = tmp_path_factory.mktemp("rows") / "f"
    path.write_bytes(before)
    write_all(path, rows, is_new=is_new)
    assert path.read_bytes() == b"".join(rows)
    assert [each.name for each in path.parent.iterdir()] == ["f"]


@given(st.lists(st.binary(max_size=9), max_size=8), st.binary(max_size=60), st.integers(0, 8))
@settings(deadline=None)
def test_what_is_in_a_file_that_is_not_finished_is_known(tmp_path_factory, rows, before, n_rows):
    path = tmp_path_factory.mktemp("rows") / "f"
    path.write_bytes(before)
    file = RowFile(path)
    for row in rows[:n_rows]:
        file.write(row, is_new=False)
    content = file.content()
    file.close()
    data = path.read_bytes()
    assert content == (len(data), zlib.crc32(data))
    # the rows so far, or what was there: nothing in between
    passed = b"".join(rows[:n_rows])
    assert data in (passed, before)
    assert [each.name for each in path.parent.iterdir()] == ["f"]


def test_other_rows_replace_a_file_at_the_end_and_keep_its_mode(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"head\nold\n" + b"more\n" * 9)
    path.chmod(0o640)
    file = RowFile(path)
    for row in ROWS:
        file.write(row)
    assert path.read_bytes().startswith(b"head\nold\n")
    file.finish()
    file.close()
    assert path.read_bytes() == WHOLE
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_fewer_rows_leave_nothing_behind_them(tmp_path):
    (tmp_path / "f").write_bytes(WHOLE + b"4\n5\n")
    assert write_all(tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == WHOLE


def test_a_new_row_is_there_at_once_and_others_wait(tmp_path):
    file = RowFile(tmp_path / "f")
    file.write(b"kept\n", is_new=False)
    assert (tmp_path / "f").read_bytes() == b""
    file.write(b"new\n")
    assert (tmp_path / "f").read_bytes() == b"kept\nnew\n"
    for _ in range(2**15):
        file.write(b"kept\n", is_new=False)
    assert 0 < 2**15 * 5 + 9 - (tmp_path / "f").stat().st_size < 2**16
    file.close()


def test_clear_forgets_what_was_there(tmp_path):
    (tmp_path / "f").write_bytes(b"old\n")
    file = RowFile(tmp_path / "f")
    file.clear()
    assert file.content() == (0, 0)
    file.write(b"new\n")
    assert file.content() == (4, zlib.crc32(b"new\n"))
    file.finish()
    file.close()
    assert (tmp_path / "f").read_bytes() == b"new\n"


def test_a_write_that_is_interrupted_is_done_again(tmp_path):
    file = RowFile(tmp_path / "f")
    file.write(b"one\n")
    whole = file._writer

    class Interrupted:
        def seek(self, place):
            whole.seek(place)

        def write(self, data):
            whole.write(data[:2])
            raise KeyboardInterrupt

    file._writer = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        file.write(b"two\n")
    file._writer = whole
    assert file.content() == (8, zlib.crc32(b"one\ntwo\n"))
    file.close()
    assert (tmp_path / "f").read_bytes() == b"one\ntwo\n"


class Interrupting:
    """The writer of a file whose n-th write is done, and then interrupted by a signal."""

    def __init__(self, writer, n):
        self.writer, self.n = writer, n

    def __getattr__(self, name):
        return getattr(self.writer, name)

    def write(self, data):
        n_written = self.writer.write(data)
        self.n -= 1
        if self.n == 0:
            raise KeyboardInterrupt
        return n_written


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("before", [b"", b"head\n", b"head\non"])
def test_a_row_is_not_written_twice_where_a_signal_comes_after_its_write(tmp_path, n, before):
    (tmp_path / "f").write_bytes(before)
    file = RowFile(tmp_path / "f")
    file._writer = Interrupting(file._writer, n)
    rows = [row for row in ROWS if row]
    with pytest.raises(KeyboardInterrupt):
        for row in rows:
            file.write(row)
    # what an interrupted run asks before it ends
    content = file.content()
    file.close()
    data = (tmp_path / "f").read_bytes()
    assert data == b"".join(rows[: n + (b"\n" in before)])
    assert content == (len(data), zlib.crc32(data))
