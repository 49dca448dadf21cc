"""A file is read up to a limit, and only where it is a regular file."""

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
from gmmaudio.errors import ReadError
from gmmaudio.files import check_regular, find_path, read_limited, read_stream


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


def sparse(path, start, size):
    """Write a file of a start and a size that takes no room on the disk."""
    with path.open("wb") as handle:
        handle.write(start)
        handle.truncate(size)
    return path


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


# --- one name in two normal forms ------------------------------------------------------------------------------------

COMPOSED, DECOMPOSED = "Beyonc\u00e9", "Beyonce\u0301"


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("there", [COMPOSED, DECOMPOSED])
def test_a_file_is_found_under_either_normal_form_at_every_depth(tmp_path, asked, there):
    (tmp_path / there).mkdir()
    (tmp_path / there / f"{there}.wav").write_bytes(b"sound")
    (tmp_path / there / f"{COMPOSED}-{DECOMPOSED}.wav").write_bytes(b"mixed")
    assert find_path(tmp_path / COMPOSED / f"{asked}.wav").read_bytes() == b"sound"
    assert read_limited(tmp_path / asked / f"{DECOMPOSED}-{COMPOSED}.wav", 9) == b"mixed"


def test_a_name_that_exists_as_it_is_given_is_taken(tmp_path):
    for name in (COMPOSED, DECOMPOSED):
        (tmp_path / name).write_text(name)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system keeps one normal form")
    assert [find_path(tmp_path / name).read_text() for name in (COMPOSED, DECOMPOSED)] == [COMPOSED, DECOMPOSED]


def test_a_path_that_is_not_there_stays_as_it_is_given(tmp_path):
    for path in (tmp_path / COMPOSED, tmp_path / "a", Path(DECOMPOSED, "b"), Path("\0\u00e9")):
        assert find_path(path) == path
