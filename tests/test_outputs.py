"""Files are written whole and together or not at all, through links, and never where no file can be kept."""

import contextlib
import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from gmmaudio import temporary_files
from gmmaudio.errors import WriteError
from gmmaudio.outputs import (
    check_folder,
    check_target,
    check_writable,
    longest_name,
    new_folder,
    resolve_output,
    write_beside,
    write_together,
)


def write(path, content=b"new"):
    """Write a file as the commands do."""
    with write_beside(path) as handle:
        handle.write(content)


def names_in(folder):
    """Return the names of all entries of a folder."""
    return {path.name for path in folder.iterdir()}


def contents(folder):
    """Return the names and contents of all files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


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
    for function in (check_writable, check_folder, lambda path: write_beside(path).__enter__()):
        with pytest.raises(WriteError):
            function(tmp_path / ("a" * 300) / "b")


def test_a_folder_is_made_and_one_that_exists_is_kept(tmp_path):
    for _ in range(2):
        check_folder(tmp_path / "tables")
        write_together([(tmp_path / "tables" / "new.csv", b"1")], folder=str(tmp_path / "tables"))
        (tmp_path / "tables" / "old.csv").write_bytes(b"old")
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["new.csv", "old.csv"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file", "File exists"),
        ("file/tables", "Not a directory"),
        ("missing/tables", "No such file or directory"),
        ("loop", "is a link that leads back to itself"),
    ],
)
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, name, reason):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(WriteError, match=f"{name}: .*{reason}"):
        check_folder(tmp_path / name)
    with pytest.raises(WriteError, match="missing" if "missing" in name else reason), ExitStack() as stack:
        folder = stack.enter_context(new_folder(tmp_path / name))
        stack.enter_context(write_beside(folder.parent / "missing" / "missing" / "file"))


def test_a_folder_may_be_made_with_its_parents_where_that_is_wanted(tmp_path):
    check_folder(tmp_path / "a" / "b" / "c", parents=True)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_closed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="the folder cannot be written; choose another path"):
        check_folder(tmp_path)


def test_a_file_that_is_whole_takes_the_place_of_an_older_one(tmp_path):
    (tmp_path / "page.html").write_bytes(b"old")
    with write_beside(tmp_path / "page.html") as handle:
        handle.write(b"new")
        assert (tmp_path / "page.html").read_bytes() == b"old"
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"new")]


# links


@pytest.mark.parametrize("is_absolute", [True, False])
@pytest.mark.parametrize("writer", [write, lambda path: write_together([(path, b"new")])])
def test_the_target_of_a_link_is_replaced_and_the_link_stays(tmp_path, writer, is_absolute):
    (tmp_path / "store").mkdir()
    real = tmp_path / "store" / "model.gmm"
    real.write_bytes(b"old")
    (tmp_path / "second").symlink_to(real if is_absolute else "store/model.gmm")
    (tmp_path / "first").symlink_to("second")
    check_writable(tmp_path / "first")
    writer(tmp_path / "first")
    assert (tmp_path / "first").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert contents(tmp_path / "store") == {"model.gmm": b"new"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second", "store"]


def test_a_link_to_a_file_that_is_to_be_made_makes_it(tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to("store/../store/new.gmm")
    monkeypatch.chdir(tmp_path)
    check_writable("link")
    write("link")
    assert contents(tmp_path / "store") == {"new.gmm": b"new"}


def test_a_file_below_a_linked_folder_is_written_in_the_folder(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    # the parent of the linked folder, not the folder that holds the link
    write(tmp_path / "link" / ".." / "m")
    assert (tmp_path / "a" / "m").read_bytes() == b"new"


@pytest.mark.parametrize("check", [check_writable, write])
def test_a_link_into_a_missing_folder_or_to_itself_is_refused(tmp_path, check):
    (tmp_path / "lost").symlink_to("gone/m.gmm")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(WriteError, match=r"lost: (the folder .*gone is not there|cannot be written)"):
        check(tmp_path / "lost")
    with pytest.raises(WriteError, match="a: is a link that leads back to itself; choose another path"):
        check(tmp_path / "a")
    assert {path.name for path in tmp_path.iterdir()} == {"lost", "a", "b"}


SYSTEM = ["/dev/stdout", "/dev/fd/1", "/dev/null", "/dev/m.gmm", "/proc/self/fd/1", "/proc/m.gmm", "/sys/m.gmm", "/dev"]


@pytest.mark.parametrize("check", [check_writable, write, check_folder, resolve_output])
@pytest.mark.parametrize("place", SYSTEM)
def test_what_lies_below_dev_proc_or_sys_is_refused_also_through_links(tmp_path, monkeypatch, place, check):
    monkeypatch.setattr(temporary_files.tempfile, "mkstemp", None)  # nothing may be made there, whoever runs this
    (tmp_path / "link").symlink_to(place)
    (tmp_path / "folder").symlink_to(Path(place).parent)
    up = os.path.relpath("/", os.path.realpath(tmp_path))
    for path in (place, tmp_path / "link", tmp_path / "folder" / Path(place).name, f"{tmp_path}/{up}{place}"):
        with pytest.raises(WriteError, match=r"below /(dev|proc|sys), where no file can be kept; name a file in an"):
            check(path)


def test_standard_output_is_refused_where_it_is_a_file(tmp_path):
    code = "import sys; from gmmaudio.outputs import check_writable; check_writable(sys.argv[1])"
    for name in ("/dev/stdout", "/dev/fd/1"):
        with (tmp_path / "out").open("wb") as out:
            done = subprocess.run([sys.executable, "-c", code, name], stdout=out, stderr=subprocess.PIPE, check=False)
        assert b"where no file can be kept" in done.stderr


def test_a_name_that_only_begins_like_a_system_folder_is_taken(tmp_path):
    (tmp_path / "dev").mkdir()
    assert resolve_output(tmp_path / "dev" / "m") == Path(os.path.realpath(tmp_path)) / "dev" / "m"
    assert resolve_output("/device/m") == Path("/device/m")


@pytest.mark.parametrize("check", [check_writable, check_target, write])
def test_a_socket_is_no_file_to_replace(tmp_path, check):
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(tmp_path):
        server.bind("s")
        with pytest.raises(WriteError, match="s: is a socket; name a file"):
            check("s")


# permissions


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path, mode):
    (tmp_path / "m").write_bytes(b"old")
    (tmp_path / "m").chmod(mode)
    (tmp_path / "link").symlink_to("m")
    write(tmp_path / "link")
    write_together([(tmp_path / "m", b"newer"), (tmp_path / "n", b"")])
    assert (tmp_path / "m").read_bytes() == b"newer"
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == mode


def test_a_new_file_has_the_permissions_of_the_mask(tmp_path):
    previous = os.umask(0o027)
    try:
        write(tmp_path / "m")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    try:
        for check in (check_writable, write):
            with pytest.raises(WriteError):
                check(tmp_path / "m")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(("shared", "code"), [(True, 4), (False, 0)])
def test_a_file_of_another_user_in_a_shared_folder_is_refused_early(tmp_path, monkeypatch, shared, code):
    (tmp_path / "m").write_bytes(b"")
    tmp_path.chmod(0o1777 if shared else 0o777)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(WriteError, match="is a file of another user") if code else contextlib.nullcontext():
        check_writable(tmp_path / "m")
    check_writable(tmp_path / "new")


def test_a_folder_that_takes_no_file_is_refused_early_whatever_its_permissions(tmp_path, monkeypatch):
    def read_only(**_options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(temporary_files.tempfile, "mkstemp", read_only)
    for check in (check_writable, check_folder):
        with pytest.raises(WriteError, match=r"m: cannot be written .Read-only file system.; choose another path"):
            check(tmp_path / "m")


def test_a_disk_that_is_full_is_noticed_early(tmp_path):
    code = (
        "import resource, sys; from gmmaudio.outputs import check_folder, check_writable\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "(check_folder if sys.argv[1] == 'tables' else check_writable)(sys.argv[1])"
    )
    for name in ("m.gmm", "tables"):
        done = subprocess.run([sys.executable, "-c", code, name], cwd=tmp_path, capture_output=True, check=False)
        assert f"WriteError: {name}: cannot be written (File too large); choose another path" in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


# several files


FILES = ("page.html", "report.json", "clips.csv")


@pytest.fixture
def older(tmp_path):
    """A folder with two of the files that are written, of an earlier run."""
    for name in FILES[:2]:
        (tmp_path / name).write_bytes(b"old")
        (tmp_path / name).chmod(0o640)
    return tmp_path


def test_several_files_are_replaced_together(older):
    write_together((older / name, name.encode()) for name in FILES)
    assert contents(older) == {name: name.encode() for name in FILES}


@pytest.mark.parametrize("n", range(3))
@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), KeyboardInterrupt()])
@pytest.mark.parametrize("is_done", [True, False])
def test_where_a_file_cannot_be_renamed_the_others_are_taken_back(older, monkeypatch, n, error, is_done):
    renamed, replace = [], os.replace

    def fail(source, target):
        if len(renamed) == n:
            if is_done:  # a signal may arrive between the renaming and the next step
                replace(source, target)
            renamed.append(target)
            raise error
        renamed.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else WriteError):
        write_together((older / name, b"new") for name in FILES)
    assert contents(older) == dict.fromkeys(FILES[:2], b"old")
    assert {stat.S_IMODE(path.stat().st_mode) for path in older.iterdir()} == {0o640}


@pytest.mark.parametrize("n", range(3))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_where_the_disk_is_full_no_file_is_new(older, monkeypatch, n, code):
    synced = []

    def fsync(_descriptor):
        synced.append(1)
        if len(synced) > n:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(WriteError, match=f"{FILES[n]}: cannot be written .{os.strerror(code)}.; choose another path"):
        write_together(((older / name, b"new") for name in FILES), folder=older / "new")
    assert contents(older) == dict.fromkeys(FILES[:2], b"old")


def test_a_file_beyond_the_limit_of_the_system_leaves_all_others_as_they_were(older):
    code = (
        "import resource, sys; from gmmaudio.outputs import write_together\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_together([('page.html', b'new'), ('report.json', bytes(2000))], folder='tables')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=older, capture_output=True, check=False)
    assert b"WriteError: report.json: cannot be written (File too large)" in done.stderr
    assert contents(older) == dict.fromkeys(FILES[:2], b"old")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_while_contents_are_made_leaves_no_file_and_no_folder(older, error):
    def make():
        yield older / "page.html", b"new"
        raise error

    with pytest.raises(error):
        write_together(make(), folder=older / "new")
    assert contents(older) == dict.fromkeys(FILES[:2], b"old")


def test_a_folder_that_another_run_has_filled_stays(tmp_path):
    with pytest.raises(ValueError, match="stop"), new_folder(tmp_path / "a" / "b"):
        (tmp_path / "a" / "other").write_bytes(b"")
        raise ValueError("stop")
    assert contents(tmp_path / "a") == {"other": b""}


def test_runs_that_write_one_file_at_once_leave_one_of_them_whole(tmp_path):
    texts = [bytes([i]) * 10_000 for i in range(4)]
    errors = []

    def run(text):
        try:
            for _ in range(20):
                write_together([(tmp_path / "m", text), (tmp_path / "n", text)])
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(contents(tmp_path)) == {"m", "n"}
    assert set(contents(tmp_path).values()) <= set(texts)


def test_the_longest_name_is_that_of_the_file_system(tmp_path):
    n = longest_name(tmp_path / "new" / "folder")
    write(tmp_path / ("a" * n))
    with pytest.raises(WriteError, match="File name too long"):
        check_writable(tmp_path / ("a" * (n + 1)))
