"""The temporary file of a killed run is removed by the next one, and no other file ever is."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

from gmmaudio import temporary_files
from gmmaudio.outputs import write_together
from gmmaudio.temporary_files import HOST, remove_left_over, temporary_file


def names_in(folder):
    """Return the names of all entries of a folder."""
    return {path.name for path in folder.iterdir()}


def contents(folder):
    """Return the names and contents of all files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


KILLED = """
import os, signal, sys
from gmmaudio import outputs
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
outputs.write_together([(name, b"half") for name in sys.argv[1:]], folder="tables")
"""


def test_what_a_killed_run_left_is_removed_by_the_next_that_writes_there(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, "a", "b"], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    (tmp_path / "tables").rmdir()
    (left,) = names_in(tmp_path)
    assert left.startswith(".gmmaudio-")
    write_together([(tmp_path / "other", b"1")])
    assert contents(tmp_path) == {"other": b"1"}


def test_what_another_run_is_writing_stays(tmp_path):
    code = (
        "import sys; from gmmaudio.outputs import write_beside\n"
        "with write_beside('m') as handle: handle.write(b'other'); print(flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        write_together([(tmp_path / "n", b"ours")])
        assert len(contents(tmp_path)) == 2
        other.communicate(b"go on\n")
    assert contents(tmp_path) == {"m": b"other", "n": b"ours"}


def test_only_files_that_are_certainly_ours_are_removed(tmp_path, monkeypatch):
    ours = [f".gmmaudio-{HOST}-abcd123_", ".gmmaudio-abcd1234"]
    others = [
        ".gmmaudio-other.host-abcd1234",
        ".gmmaudio-notes",
        ".gmmaudio-settings.toml",
        f".gmmaudio-{HOST}-abcd1234.txt",
        "gmmaudio-abcd1234",
        ".gmmaudio-settings",
    ]
    for name in (*ours, *others):
        (tmp_path / name).write_bytes(b"")
        (tmp_path / name).chmod(0o600 if name in ours else 0o644)
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / f".gmmaudio-{HOST}-linked00").symlink_to("target")
    (tmp_path / f".gmmaudio-{HOST}-folder00").mkdir()
    os.mkfifo(tmp_path / f".gmmaudio-{HOST}-pipe0000")
    before = names_in(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)  # of another user
        remove_left_over(tmp_path)
    assert names_in(tmp_path) == before
    remove_left_over(tmp_path)
    assert before - names_in(tmp_path) == set(ours)
    remove_left_over(tmp_path / "missing")


def test_where_there_are_no_locks_nothing_is_removed_and_all_is_written(tmp_path, monkeypatch):
    import fcntl

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    name = f".gmmaudio-{HOST}-abcd1234"
    (tmp_path / name).write_bytes(b"")
    write_together([(tmp_path / "m", b"1")])
    assert contents(tmp_path) == {name: b"", "m": b"1"}


def test_a_temporary_file_that_was_removed_before_its_lock_was_held_is_made_again(tmp_path, monkeypatch):
    lock, names = temporary_files._lock, []

    def removed_first(descriptor, *, is_waiting):
        if is_waiting and not names:
            names.extend(names_in(tmp_path))
            (tmp_path / names[0]).unlink()
        return lock(descriptor, is_waiting=is_waiting)

    monkeypatch.setattr(temporary_files, "_lock", removed_first)
    write_together([(tmp_path / "m", b"new")])
    assert len(names) == 1
    assert contents(tmp_path) == {"m": b"new"}


def test_a_temporary_file_is_removed_at_the_end(tmp_path):
    with temporary_file(tmp_path) as (handle, name):
        handle.write(b"sound")
        handle.flush()
        assert Path(name).read_bytes() == b"sound"
        remove_left_over(tmp_path)
        assert Path(name).exists()
    assert list(tmp_path.iterdir()) == []
