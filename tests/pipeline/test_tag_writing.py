"""Tags written and taken back: bit-equal, one whole file after another, nothing lost whatever goes wrong."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gmmaudio.audio.sample_digest import hash_samples
from gmmaudio.errors import GmmaudioError, MusicFileError, SettingError, WriteError
from gmmaudio.music_tags import read_field
from gmmaudio.pipeline import tag_writing
from gmmaudio.pipeline.tag_writing import FileChange, undo_change, write_change
from gmmaudio.pipeline.undo_journal import UndoJournal, read_undo
from tests.failing_files import failing_files

mutagen = pytest.importorskip("mutagen", reason="needs the tags extra")

LONG_AGO_NS = 1_000_000_000_123_456_789


@pytest.fixture
def song(corpus, tmp_path):
    """A FLAC file that was last written long ago."""
    path = tmp_path / "music" / "song.flac"
    path.parent.mkdir()
    shutil.copy(corpus.root / "low" / "cy" / "1.flac", path)
    path.chmod(0o640)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


@pytest.fixture
def journal(tmp_path):
    with UndoJournal(tmp_path / "a.undo", "tag") as opened:
        yield opened


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def name_of(descriptor):
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def write(song, journal, value="jazz"):
    write_change(FileChange(str(song), "genre", (), value), journal)


def records(journal):
    return read_undo(journal.path, "tag").records


def refused(song, journal):
    """Return the code of an error after which file and journal are as they were."""
    before, names = song.read_bytes(), names_in(song.parent)
    with pytest.raises(MusicFileError) as caught:
        write(song, journal)
    assert (song.read_bytes(), names_in(song.parent), records(journal)) == (before, names, [])
    return caught.value.code


# --- written and taken back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "opus"])
def test_undo_gives_back_the_same_bytes_and_the_same_time(tools, tmp_path, journal, suffix):
    song = tmp_path / f"song.{suffix}"
    kinds = {"opus": {"format": "OGG", "subtype": "OPUS"}}
    tools.write(song, tools.band_noise("low", 1), 48_000, **kinds.get(suffix, {}))
    os.utime(song, ns=(LONG_AGO_NS, LONG_AGO_NS))
    before, samples = song.read_bytes(), hash_samples(song)
    write(song, journal)
    assert (read_field(song, "genre"), hash_samples(song)) == (("jazz",), samples)
    assert song.read_bytes() != before
    (record,) = records(journal)
    assert undo_change(record)
    assert (song.read_bytes(), song.stat().st_mtime_ns) == (before, LONG_AGO_NS)
    assert not undo_change(record)


def test_runs_are_undone_the_last_one_first(song, journal):
    before = song.read_bytes()
    write(song, journal, "jazz")
    write(song, journal, "a rather longer genre than before" * 5)
    first, second = records(journal)
    with pytest.raises(MusicFileError, match="changed since its tag was written") as caught:
        undo_change(first)
    assert caught.value.code == "changed"
    assert undo_change(second)
    assert undo_change(first)
    assert song.read_bytes() == before


def test_a_written_file_keeps_permissions_and_attributes_and_has_the_time_of_the_writing(song, journal):
    try:
        os.setxattr(song, "user.note", b"mine")
        has_attributes = True
    except (OSError, AttributeError):
        has_attributes = False
    write(song, journal)
    assert song.stat().st_mode & 0o777 == 0o640
    assert song.stat().st_mtime_ns > LONG_AGO_NS
    assert not has_attributes or os.getxattr(song, "user.note") == b"mine"
    assert names_in(song.parent) == ["song.flac"]


def test_a_link_stays_a_link(song, journal, tmp_path):
    link = tmp_path / "link.flac"
    link.symlink_to(song)
    write(link, journal)
    assert link.is_symlink()
    assert read_field(song, "genre") == ("jazz",)


# --- refused -------------------------------------------------------------------------------------------------------


def test_a_read_only_file_is_refused(song, journal):
    song.chmod(0o444)
    assert refused(song, journal) == "read_only"


def test_a_file_with_two_names_is_refused(song, journal, tmp_path):
    os.link(song, tmp_path / "other.flac")
    assert refused(song, journal) == "hard_linked"


def test_a_file_of_another_user_is_refused(song, journal, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    assert refused(song, journal) == "other_owner"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_a_group_that_a_new_one_cannot_have_is_refused(song, journal, monkeypatch):
    def refuse(*_args):
        raise PermissionError(errno.EPERM, "not permitted")

    os.chown(song, -1, 12_345)
    before = song.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(MusicFileError) as caught:
        patch.setattr(tag_writing.os, "chown", refuse)
        write(song, journal)
    assert (caught.value.code, song.read_bytes(), song.stat().st_gid) == ("other_owner", before, 12_345)
    write(song, journal)
    assert (read_field(song, "genre"), song.stat().st_gid) == (("jazz",), 12_345)


def test_a_file_whose_samples_would_change_is_refused(song, journal, monkeypatch):
    monkeypatch.setattr(tag_writing, "hash_samples", str)
    assert refused(song, journal) == "samples_changed"


def test_a_file_that_changes_meanwhile_is_refused(song, journal, monkeypatch):
    def change(path):
        os.utime(song)
        return ""

    monkeypatch.setattr(tag_writing, "hash_samples", change)
    before = song.read_bytes()
    with pytest.raises(MusicFileError, match="changed while its tag was written"):
        write(song, journal)
    assert song.read_bytes() == before
    # the journal has it: there is nothing to do
    assert not undo_change(records(journal)[0])


def test_a_file_that_is_gone_or_changed_is_not_undone(song, journal):
    write(song, journal)
    (record,) = records(journal)
    song.write_bytes(song.read_bytes() + b"x")
    with pytest.raises(MusicFileError, match="changed since its tag was written"):
        undo_change(record)
    song.unlink()
    with pytest.raises(MusicFileError) as caught:
        undo_change(record)
    assert caught.value.code == "gone"


@pytest.mark.parametrize("change", [{"patch": "AAAA"}, {"patch": None}, {"mtime_ns": "x"}, {"before": "0" * 64}])
def test_a_damaged_record_restores_nothing(song, journal, change):
    write(song, journal)
    after = song.read_bytes()
    with pytest.raises(MusicFileError) as caught:
        undo_change(records(journal)[0] | change)
    assert (caught.value.code, song.read_bytes()) == ("damaged", after)


# --- a full disk, and a run that is killed -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["fsync", "replace", "utime"])
def test_a_full_disk_ends_the_run_and_loses_nothing(song, journal, monkeypatch, name):
    before = song.read_bytes()

    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tag_writing.os, name, full)
        with pytest.raises(WriteError, match="No space left on device"):
            write(song, journal)
    assert (song.read_bytes(), names_in(song.parent)) == (before, ["song.flac"])
    assert not any(undo_change(record) for record in records(journal))


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_any_operation_that_fails_leaves_the_old_file_or_the_new_one(song, tmp_path, error):
    before = song.read_bytes()
    with failing_files([tmp_path]) as counted, UndoJournal(tmp_path / "all.undo", "tag") as journal:
        write(song, journal)
    after = song.read_bytes()
    assert len(counted.operations) > 10
    for n, operation in enumerate(counted.operations):
        song.write_bytes(before)
        path = tmp_path / f"{n}.undo"
        with (
            failing_files([tmp_path], n, error, persists=error == errno.ENOSPC),
            contextlib.suppress(GmmaudioError),
            UndoJournal(path, "tag") as journal,
        ):
            write(song, journal)
        assert song.read_bytes() in (before, after), operation
        assert operation == "unlink" or names_in(song.parent) == ["song.flac"], operation
        if song.read_bytes() == after:
            assert [undo_change(record) for record in records(journal)] == [True]
        assert song.read_bytes() == before, operation


def test_the_journal_is_on_disk_before_the_file_is_touched(song, journal, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (steps.append(name_of(number)), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (steps.append("replace"), replace(*names)))
    write(song, journal)
    assert str(journal.path) in steps[: steps.index("replace")]


KILLED = """
import os, signal, sys
from pathlib import Path
from gmmaudio.pipeline import tag_writing
from gmmaudio.pipeline.undo_journal import UndoJournal
where, song, path = sys.argv[1:]
def die(*_args, **_options): os.kill(os.getpid(), signal.SIGKILL)
if where == "before": tag_writing.os.replace = die
else: tag_writing.sync_folder = die
with UndoJournal(path, "tag") as journal:
    tag_writing.write_change(tag_writing.FileChange(song, "genre", (), "jazz"), journal)
"""


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_run_that_is_killed_around_the_renaming_can_be_undone(song, tmp_path, where):
    before = song.read_bytes()
    words = [sys.executable, "-c", KILLED, where, song, tmp_path / "killed.undo"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(words, env=environment, check=False).returncode == -signal.SIGKILL
    assert (song.read_bytes() == before) == (where == "before")
    (record,) = read_undo(tmp_path / "killed.undo", "tag").records
    assert undo_change(record) == (where == "after")
    assert song.read_bytes() == before
    # the next run removes what was left over
    with UndoJournal(tmp_path / "next.undo", "tag") as journal:
        write(song, journal)
    assert names_in(song.parent) == ["song.flac"]


# --- the journal ---------------------------------------------------------------------------------------------------


def test_a_journal_is_never_replaced(journal):
    with pytest.raises(SettingError, match="is there already, and may be needed to undo a run"):
        UndoJournal(journal.path, "tag")


def test_a_journal_is_of_one_command(journal):
    with pytest.raises(SettingError, match="is of gmmaudio tag, which undoes it"):
        read_undo(journal.path, "sort")


def test_a_line_that_is_cut_off_is_of_no_file_and_one_that_is_changed_is_counted(journal):
    journal.plan([{"path": "a"}])
    for path in "abc":
        journal.add({"path": path})
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines)[:-9])
    assert [record["path"] for record in records(journal)] == ["a", "b"]
    journal.path.write_bytes(b"".join([*lines[:3], lines[3].replace(b'"b"', b'"x"'), lines[4]]))
    found = read_undo(journal.path, "tag")
    assert ([record["path"] for record in found.records], found.n_damaged) == (["a", "c"], 1)


@pytest.mark.parametrize("content", [b"", b"{}\n", b"what\n", b'{"gmmaudio undo":2,"check":"00000000"}\n'])
def test_a_file_that_is_no_journal_is_refused(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(SettingError, match="is no undo journal"):
        read_undo(path, "tag")
