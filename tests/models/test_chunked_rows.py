"""Rows in chunks, in memory and in files."""

import errno
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest

from benchmarks.growth import peak_mib
from gmmaudio.errors import ReadError, WriteError
from gmmaudio.models import chunked_rows
from gmmaudio.models.chunked_rows import RowTable, chunk_rows, in_chunks, keep_rows, rows_of_clips


@pytest.fixture
def in_files(monkeypatch):
    """Keep every table in a file."""
    monkeypatch.setattr(chunked_rows, "HELD_BYTES", 0)


def clips_of_rows(lengths, d=3):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, d)).astype(np.float32) for n in lengths]


@pytest.mark.parametrize("row_bytes", [1, 800, 4096, 4097, 30_720, 2**25, 2**26])
def test_a_chunk_is_a_power_of_two_within_its_bounds(row_bytes):
    n = chunk_rows(row_bytes)
    assert n & (n - 1) == 0
    assert n == 1 or n * row_bytes <= chunked_rows.CHUNK_BYTES
    assert n <= chunked_rows.MAX_ROWS
    # twice as many would not fit
    assert n == chunked_rows.MAX_ROWS or 2 * n * row_bytes > chunked_rows.CHUNK_BYTES


@pytest.mark.parametrize("n_at_once", [1, 4, 7, 16, 100])
def test_chunks_are_the_rows_in_their_order(n_at_once, monkeypatch):
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", n_at_once)
    clips = clips_of_rows([5, 1, 0, 12, 3, 9])
    rows = rows_of_clips(clips, np.array(list(map(len, clips))))
    expected = np.concatenate(clips).astype(np.float64)
    np.testing.assert_array_equal(rows.whole(), expected)
    assert rows.whole().dtype == np.float64
    sizes = [len(chunk) for _, chunk in rows]
    assert set(sizes[:-1]) <= {rows.n_at_once}
    for part, chunk in rows.map(lambda _, chunk: chunk[:, :2] + 1, 2):
        np.testing.assert_array_equal(chunk, expected[part, :2] + 1)


def test_no_clip_is_held_while_the_next_is_read():
    class Clips:
        """Rows of clips that are made when asked for, with a look at those that are still alive."""

        def __init__(self):
            self.alive, self.most = [], 0

        def __len__(self):
            return 9

        def __getitem__(self, i):
            rows = np.full((4000, 2), float(i), dtype=np.float32)
            self.alive.append(weakref.ref(rows))
            self.most = max(self.most, sum(each() is not None for each in self.alive))
            return rows

    clips = Clips()
    rows = rows_of_clips(clips, np.full(9, 4000))
    assert [len(chunk) for _, chunk in rows] == [8192, 8192, 8192, 8192, 3232]
    # the one that is read, and the one before it, which the loop still has
    assert clips.most <= 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_table_in_a_file_reads_as_one_in_memory(dtype, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 6)).astype(dtype)
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", 8)
    found = []
    for held in (0, 10**9):
        monkeypatch.setattr(chunked_rows, "HELD_BYTES", held)
        table = RowTable(rows.shape, rows.dtype)
        for start in (0, 13, 14):
            table.append(rows[start : {0: 13, 13: 14, 14: 50}[start]])
        some = table.take(np.array([0, 3, 49, 7, 7, 12, 30, 31, 32, 2]))
        found.append((table.rows().whole(), some.whole(), [len(chunk) for _, chunk in some]))
    for in_file, in_memory in zip(*found, strict=True):
        np.testing.assert_array_equal(in_file, in_memory)
    np.testing.assert_array_equal(found[0][0], rows)
    np.testing.assert_array_equal(found[0][1], rows[[0, 3, 49, 7, 7, 12, 30, 31, 32, 2]])
    assert found[0][2] == [8, 2]


@pytest.mark.usefixtures("in_files")
def test_a_table_in_a_file_takes_no_memory(monkeypatch):
    monkeypatch.setattr(chunked_rows, "MAX_ROWS", 64)

    def peak(n):
        tracemalloc.start()
        table = keep_rows(in_chunks(np.ones((64, 100)), 64).map(lambda _, chunk: chunk, 100))
        more = RowTable((n, 100), np.dtype(np.float64))
        for _ in range(n // 64):
            more.append(table.rows().whole())
        total = sum(float(chunk.sum()) for _, chunk in more.rows())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert total == 100.0 * n
        return most

    peak(128)  # what is imported and set up when it is first used
    small, large = peak(512), peak(8192)
    # 6.5 MB of rows more
    assert large < small + 100_000


@pytest.mark.usefixtures("in_files")
def test_scattered_rows_of_a_file_take_their_own_memory():
    lines = Path("/proc/self/clear_refs")
    if not lines.exists():
        pytest.skip("this system does not tell the peak of memory")
    table = RowTable((4000, 4096), np.dtype(np.float32))
    for start in range(0, 4000, 100):
        table.append(np.full((100, 4096), start, dtype=np.float32))
    # where the peak cannot be counted anew, there is nothing to compare
    try:
        lines.write_text("5", encoding="ascii")
    except OSError:
        pytest.skip("the peak of memory cannot be reset")
    before = peak_mib()
    assert table.read(np.arange(0, 4000, 16))[-1, 0] == 3900
    # 4 MiB of 62; mapped, nearly all of the file counted
    assert peak_mib() - before < 20


@pytest.mark.usefixtures("in_files")
def test_a_file_that_became_shorter_is_refused():
    table = RowTable((4, 8), np.dtype(np.float64))
    table.append(np.ones((2, 8)))
    with pytest.raises(ReadError, match="shorter"):
        table.read(slice(0, 4))
    assert table.read(slice(0, 2)).sum() == 16
    table.append(np.full((2, 8), 3.0))
    assert table.rows().whole().sum() == 64
    assert table.read(np.zeros(0, dtype=np.intp)).shape == (0, 8)


@pytest.mark.usefixtures("in_files")
def test_a_full_disk_is_named_with_its_cure(monkeypatch):
    class Full:
        def seek(self, _):
            pass

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    table = RowTable((4, 2**20), np.dtype(np.float64))
    table.__dict__["_file"] = Full()
    with pytest.raises(WriteError, match=r"temporary file of 32 MiB in .*No space left on device.*TMPDIR"):
        table.append(np.zeros((1, 2**20)))
