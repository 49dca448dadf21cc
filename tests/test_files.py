"""A file is read up to a limit, and written whole or not at all; whether that can be done is checked first."""

import contextlib
import errno
import io
import os
import socket
import threading
import tracemalloc
from pathlib import Path

import pytest

from gmmaudio import files
from gmmaudio.errors import ReadError, WriteError
from gmmaudio.files import check_regular, check_writable, make_folder, read_limited, read_stream, write_beside


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_error_of_the_writer_passes_and_leaves_the_old_file(tmp_path, error):
    (tmp_path / "page.html").write_bytes(b"old")
    with pytest.raises(error), write_beside(tmp_path / "page.html") as handle:
        handle.write(b"half a pa")
        raise error
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"old")]


def test_check_writable_passes_a_new_and_an_old_file(tmp_path, monkeypatch):
    (tmp_path / "old").write_bytes(b"")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    check_writable("new")
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "{0}/folder: is a folder; name a file in it"),
        ("missing/m.gmm", "{0}/missing/m.gmm: the folder {0}/missing is not there; make it first"),
        ("file/m.gmm", "{0}/file/m.gmm: the folder {0}/file is not there; make it first"),
    ],
)
def test_check_writable_names_the_reason(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError) as caught:
        check_writable(tmp_path / name)
    assert str(caught.value) == message.format(tmp_path)


def test_check_writable_refuses_a_closed_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="cannot be written; choose another path"):
        check_writable(tmp_path / "m.gmm")


@pytest.mark.parametrize("check", [check_writable, lambda path: write_beside(path).__enter__()])
def test_a_pipe_is_no_file_to_replace(tmp_path, check):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WriteError, match="is a pipe or a device; name a file"):
        check(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_standard_output_is_no_file():
    with pytest.raises(WriteError, match="-: standard output cannot be used here; name a file"):
        check_writable("-")


def test_a_name_too_long_for_the_system_is_an_error_of_this_package(tmp_path):
    for function in (check_writable, make_folder, lambda path: write_beside(path).__enter__()):
        with pytest.raises(WriteError):
            function(tmp_path / ("a" * 300) / "b")


def test_a_folder_is_made_and_one_that_exists_is_kept(tmp_path):
    make_folder(tmp_path / "tables")
    (tmp_path / "tables" / "old.csv").write_bytes(b"old")
    make_folder(str(tmp_path / "tables"))
    assert [path.name for path in (tmp_path / "tables").iterdir()] == ["old.csv"]


@pytest.mark.parametrize("name", ["file", "missing/tables"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=f"{name}: the folder cannot be made"):
        make_folder(tmp_path / name)


def test_a_folder_that_is_closed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="the folder cannot be written; choose another path"):
        make_folder(tmp_path)


def test_a_file_that_is_whole_takes_the_place_of_an_older_one(tmp_path):
    (tmp_path / "page.html").write_bytes(b"old")
    with write_beside(tmp_path / "page.html") as handle:
        handle.write(b"new")
        assert (tmp_path / "page.html").read_bytes() == b"old"
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"new")]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """What is no regular file: name -> path."""
    folder = tmp_path_factory.mktemp("places")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("pipe")
    # a socket's name may not be long
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(folder):
        server.bind("socket")
        yield {
            "a folder": folder,
            "a named pipe, which may never be written to": folder / "pipe",
            "a named pipe, which may never be written to ": folder / "link",
            "a socket": folder / "socket",
            "a device": Path("/dev/zero"),
            "a device ": Path("/dev/tty"),
        }


@pytest.mark.parametrize("i", range(6))
def test_what_is_no_regular_file_is_refused_at_once(places, i):
    kind, path = list(places.items())[i]
    with pytest.raises(ReadError) as caught:
        read_limited(path, 1_000, may_be_pipe=True)
    assert str(caught.value) == f"{path}: is {kind.strip()}; name a regular file"
    with pytest.raises(ReadError):
        check_regular(path)


def test_a_device_that_takes_the_place_of_a_file_between_check_and_reading_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    real = files._open_without_waiting
    monkeypatch.setattr(files, "_open_without_waiting", lambda _path, flags: real("/dev/zero", flags))
    with pytest.raises(ReadError, match="is a device; name a regular file"):
        read_limited(tmp_path / "file", 1_000)


@pytest.mark.parametrize("n", [0, 1, 999, 1_000])
def test_a_file_within_its_limit_is_read_whole(tmp_path, n):
    content = bytes(range(250)) * 4
    (tmp_path / "file").write_bytes(content[:n])
    assert read_limited(tmp_path / "file", 1_000) == content[:n]
    assert read_limited(str(tmp_path / "file"), 1_000, may_be_pipe=True) == content[:n]


def test_a_sparse_file_beyond_its_limit_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "file").open("wb") as handle:
        handle.truncate(60 * 2**30)
    tracemalloc.start()
    with pytest.raises(ReadError) as caught:
        read_limited(tmp_path / "file", 2**29)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value) == f"{tmp_path}/file: holds more than 512 MiB, the most that is read of such a file"
    assert peak < 2**20


@pytest.mark.parametrize(("limit", "words"), [(2**31, "2 GiB"), (2**20, "1 MiB"), (3 * 2**10, "3 KiB"), (7, "7 bytes")])
def test_a_limit_is_said_in_a_round_number(tmp_path, limit, words):
    with (tmp_path / "file").open("wb") as handle:
        handle.truncate(limit + 1)
    with pytest.raises(ReadError, match=f"holds more than {words}, "):
        read_limited(tmp_path / "file", limit)


@pytest.mark.parametrize("grown", [1_001, 5 * 2**20])
def test_a_file_that_grows_while_it_is_read_is_refused_at_its_limit(tmp_path, grown):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(ReadError, match="holds more than 1,000 bytes"):
        read_limited(path, 1_000, check_start=lambda _: path.write_bytes(bytes(grown)))


def test_a_file_without_a_size_is_read_to_its_end():
    # the kernel declares 0 bytes for what it makes as it is read
    path = Path("/proc/self/status")
    if not path.exists():
        pytest.skip("this system has no /proc")
    assert path.stat().st_size == 0
    assert b"Name:" in read_limited(path, 10_000)
    with pytest.raises(ReadError, match="holds more than 10 bytes"):
        read_limited(path, 10)


@pytest.fixture
def pipe():
    """A pipe that the process has open, as a shell makes one for ``<(...)``: its path, and what writes to it."""
    reader, writer = os.pipe()
    handle = os.fdopen(writer, "wb")
    yield f"/dev/fd/{reader}", handle
    os.close(reader)
    handle.close()


def test_a_pipe_that_is_open_is_read_to_its_end_where_that_is_wanted(pipe):
    path, writer = pipe
    content = bytes(300_000)

    def write():
        with writer:
            writer.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    assert read_limited(path, 300_000, may_be_pipe=True) == content
    thread.join()


def test_a_pipe_without_an_end_is_refused_at_the_limit(pipe):
    path, writer = pipe
    writer.write(bytes(2_000))
    writer.flush()
    with pytest.raises(ReadError, match="holds more than 1,000 bytes"):
        read_limited(path, 1_000, may_be_pipe=True)


def test_a_pipe_is_refused_where_a_file_is_wanted(pipe):
    path, _ = pipe
    for read in (lambda: read_limited(path, 1_000), lambda: check_regular(path)):
        with pytest.raises(ReadError, match="is a pipe; name a regular file"):
            read()


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing", "No such file or directory"), ("a" * 300, "File name too long"), ("nul\0", "embedded null")],
)
def test_a_path_that_cannot_be_opened_is_named(tmp_path, path, reason):
    for read in (lambda: read_limited(tmp_path / path, 1_000), lambda: check_regular(tmp_path / path)):
        with pytest.raises(ReadError, match=reason):
            read()


def test_a_file_whose_permissions_forbid_reading_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")

    def refuse(path, _flags):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(files, "_open_without_waiting", refuse)  # root may read anything
    with pytest.raises(ReadError, match=r"file: cannot be read \(Permission denied\)"):
        read_limited(tmp_path / "file", 1_000)


def test_a_stream_is_read_up_to_its_limit():
    assert read_stream(io.BytesIO(bytes(1_000)), 1_000, "standard input") == bytes(1_000)
    with pytest.raises(ReadError, match="standard input: holds more than 999 bytes"):
        read_stream(io.BytesIO(bytes(1_000)), 999, "standard input")
