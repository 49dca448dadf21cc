"""Files brought to the folders of their labels and back: nothing is replaced, nothing is lost."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

import pytest

from gmmaudio.errors import GmmaudioError, MusicFileError, SettingError, WriteError
from gmmaudio.files import find_path
from gmmaudio.pipeline import file_placing
from gmmaudio.pipeline.file_placing import place_file, undo_placement, write_list
from gmmaudio.pipeline.label_decisions import LabelDecision
from gmmaudio.pipeline.label_folders import folder_name, folder_names
from gmmaudio.pipeline.playlists import make_playlists
from gmmaudio.pipeline.sorting import WAYS, Placement, SortedFolder, plan_places
from gmmaudio.pipeline.undo_journal import UndoJournal, read_undo
from tests.failing_files import failing_files

LABELS = ("jazz", "rock")
LONG_AGO_NS = 1_000_000_000_123_456_789


@pytest.fixture
def music(tmp_path):
    """Two files with one name, and one with another."""
    paths = [tmp_path / "music" / name for name in ("a/1.mp3", "b/1.mp3", "b/2.mp3")]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([i]) * 9)
        os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return [str(path) for path in paths]


@pytest.fixture
def journal(tmp_path):
    with UndoJournal(tmp_path / "a.undo", "sort") as opened:
        yield opened


def plan(paths, folder, way, label="jazz"):
    return plan_places(paths, [LabelDecision(label, label, 0.9)] * len(paths), SortedFolder(folder, way, LABELS))


def run(paths, folder, way, journal):
    """Bring files to their places; return the actions."""
    places = plan(paths, folder, way)
    for place in places:
        if place.action == "place":
            place_file(place.path, place.target, way, journal)
    return [place.action for place in places]


def undo(journal, **options):
    """Undo a run; return whether there was something to do for each file."""
    found = reversed(read_undo(journal.path, "sort").records)
    return [undo_placement(record, **options) for record in found]


def tree(folder):
    """Return the bytes of all files below a folder, by name, through links."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- there and back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_files_come_to_their_places_and_back(music, journal, tmp_path, way):
    before, folder = tree(tmp_path / "music"), tmp_path / "sorted"
    assert run(music, folder, way, journal) == ["place"] * 3
    names = {"jazz/1.mp3": bytes(9), "jazz/1 (2).mp3": b"\1" * 9, "jazz/2.mp3": b"\2" * 9}
    assert tree(folder) == names
    assert tree(tmp_path / "music") == ({} if way == "move" else before)
    assert (folder / "jazz/1.mp3").stat().st_mtime_ns == LONG_AGO_NS
    assert undo(journal, is_trial=True) == [True] * 3
    assert tree(folder) == names
    assert undo(journal) == [True] * 3
    assert (tree(tmp_path / "music"), folder.exists()) == (before, False)
    assert undo(journal) == [False] * 3


@pytest.mark.parametrize("way", ["link", "copy"])
def test_a_second_run_leaves_alone_what_is_there(music, journal, tmp_path, way):
    folder = tmp_path / "sorted"
    run(music, folder, way, journal)
    assert [place.action for place in plan(music, folder, way)] == ["there"] * 3
    (folder / "jazz/1.mp3").unlink()
    assert [place.action for place in plan(music, folder, way)] == ["place", "there", "there"]


def test_a_link_leads_to_its_file_wherever_both_are_moved(music, journal, tmp_path):
    run(music, tmp_path / "sorted", "link", journal)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "music").rename(moved / "music")
    (tmp_path / "sorted").rename(moved / "sorted")
    assert (moved / "sorted/jazz/1.mp3").read_bytes() == bytes(9)


def test_a_link_through_a_linked_folder_leads_to_its_file(music, journal, tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "sorted").symlink_to(tmp_path / "deep" / "er")
    run(music, tmp_path / "sorted", "link", journal)
    assert tree(tmp_path / "sorted")["jazz/1.mp3"] == bytes(9)


@pytest.mark.parametrize("way", WAYS)
def test_another_file_in_the_place_is_never_replaced(music, journal, tmp_path, way):
    other = tmp_path / "sorted" / "jazz" / "1.mp3"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    run(music, tmp_path / "sorted", way, journal)
    assert other.read_bytes() == b"mine"
    assert (other.parent / "1 (2).mp3").read_bytes() == bytes(9)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_came_into_the_place_meanwhile_is_not_replaced(
    music, journal, tmp_path, monkeypatch, way, has_links
):
    def none(*_args, **_options):
        raise OSError(errno.ENOTSUP, "no hard links here")

    if not has_links:
        monkeypatch.setattr(file_placing.os, "link", none)
    target = tmp_path / "1.mp3"
    target.write_bytes(b"mine")
    with pytest.raises(MusicFileError) as caught:
        place_file(music[0], str(target), way, journal)
    assert (caught.value.code, target.read_bytes(), Path(music[0]).read_bytes()) == ("taken", b"mine", bytes(9))


@pytest.mark.parametrize("way", ["copy", "move"])
def test_a_file_system_without_hard_links_will_do(music, journal, tmp_path, monkeypatch, way):
    def none(*_args, **_options):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(file_placing.os, "link", none)
    before = tree(tmp_path / "music")
    run(music, tmp_path / "sorted", way, journal)
    assert len(tree(tmp_path / "sorted")) == 3
    assert undo(journal) == [True] * 3
    assert tree(tmp_path / "music") == before


def test_a_move_to_another_file_system_copies_first(music, journal, tmp_path, monkeypatch):
    monkeypatch.setattr(file_placing, "_is_on_device", lambda _source, _target: False)
    before = tree(tmp_path / "music")
    run(music, tmp_path / "sorted", "move", journal)
    assert (len(tree(tmp_path / "sorted")), tree(tmp_path / "music")) == (3, {})
    assert undo(journal) == [True] * 3
    assert tree(tmp_path / "music") == before
    assert Path(music[0]).stat().st_mtime_ns == LONG_AGO_NS


def test_a_move_that_was_killed_between_two_names_is_finished_or_undone(music, journal, tmp_path):
    (place,) = plan(music[:1], tmp_path / "sorted", "move")
    place_file(place.path, place.target, "move", journal)
    os.link(place.target, music[0])
    assert plan(music[:1], tmp_path / "sorted", "move") == [place]
    assert undo(journal) == [True]
    assert (Path(music[0]).read_bytes(), os.path.lexists(place.target)) == (bytes(9), False)


@pytest.mark.parametrize("is_on_device", [True, False])
def test_a_file_that_has_to_stay_in_its_folder_keeps_one_name(music, journal, tmp_path, monkeypatch, is_on_device):
    unlink, target = Path.unlink, tmp_path / "sorted" / "1.mp3"

    def locked(path, **options):
        if path == Path(music[0]):
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, **options)

    monkeypatch.setattr(file_placing, "_is_on_device", lambda *_: is_on_device)
    monkeypatch.setattr(Path, "unlink", locked)
    with pytest.raises(MusicFileError, match=r"cannot be moved out of its folder .Permission denied.") as raised:
        place_file(music[0], str(target), "move", journal)
    assert (raised.value.code, Path(music[0]).stat().st_nlink, target.exists()) == ("read_only", 1, False)
    assert undo(journal) == [False]


@pytest.mark.parametrize("stem", ["n" * 251, "é" * 125, "\udcff" * 251])
def test_a_long_name_is_shortened_before_its_number(tmp_path, stem):
    paths = [str(tmp_path / folder / f"{stem}.mp3") for folder in "ab"]
    first, second = (Path(place.target).name for place in plan(paths, tmp_path / "sorted", "copy"))
    assert first == f"{stem}.mp3"
    assert second.endswith(" (2).mp3")
    assert stem.startswith(second.removesuffix(" (2).mp3"))
    assert 250 < len(os.fsencode(second)) < 256


def test_a_name_that_is_too_long_is_not_said_to_lack_a_permission(music, journal, tmp_path):
    with pytest.raises(MusicFileError, match="shorten it"):
        place_file(music[0], str(tmp_path / "sorted" / ("n" * 256)), "copy", journal)


def test_a_symbolic_link_is_not_moved(music, tmp_path):
    link = tmp_path / "link.mp3"
    link.symlink_to(music[0])
    (place,) = plan([str(link)], tmp_path / "sorted", "move")
    assert (place.action, place.code) == ("failed", "is_link")


@pytest.mark.parametrize("way", ["copy", "link"])
def test_a_full_disk_ends_the_run(music, journal, tmp_path, monkeypatch, way):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_placing.os, {"copy": "fsync", "link": "symlink"}[way], full)
    if way == "copy":
        monkeypatch.setattr(journal, "add", lambda _record: None)
    with pytest.raises(WriteError, match="No space left"):
        place_file(music[0], str(tmp_path / "sorted" / "1.mp3"), way, journal)
    assert tree(tmp_path / "sorted") == {}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES])
@pytest.mark.parametrize("way", WAYS)
def test_any_operation_that_fails_loses_no_file(music, tmp_path, way, error):
    before, target = tree(tmp_path / "music"), tmp_path / "sorted" / "1.mp3"
    with failing_files([tmp_path]) as counted, UndoJournal(tmp_path / "all.undo", "sort") as journal:
        place_file(music[0], str(target), way, journal)
    undo(journal)
    for n, operation in enumerate(counted.operations):
        path = tmp_path / f"{n}.undo"
        with (
            failing_files([tmp_path], n, error, persists=error == errno.ENOSPC),
            contextlib.suppress(GmmaudioError),
            UndoJournal(path, "sort") as journal,
        ):
            place_file(music[0], str(target), way, journal)
        assert bytes(9) in {*tree(tmp_path / "music").values(), *tree(tmp_path).values()}, operation
        with contextlib.suppress(SettingError):
            undo(journal)
        assert tree(tmp_path / "music") == before, operation
        assert not target.exists(), operation
        shutil.rmtree(tmp_path / "sorted", ignore_errors=True)


# --- what is not undone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["copy", "move"])
def test_a_file_that_changed_since_stays(music, journal, tmp_path, way):
    run(music[:1], tmp_path / "sorted", way, journal)
    target = tmp_path / "sorted/jazz/1.mp3"
    target.write_bytes(b"better")
    with pytest.raises(MusicFileError) as caught:
        undo(journal)
    assert (caught.value.code, target.read_bytes()) == ("changed", b"better")


def test_the_last_copy_of_a_file_stays(music, journal, tmp_path):
    run(music[:1], tmp_path / "sorted", "copy", journal)
    Path(music[0]).unlink()
    with pytest.raises(MusicFileError, match="is the only copy left"):
        undo(journal)
    assert (tmp_path / "sorted/jazz/1.mp3").exists()


def test_a_file_that_was_moved_does_not_replace_another_one_on_its_way_back(music, journal, tmp_path):
    run(music[:1], tmp_path / "sorted", "move", journal)
    Path(music[0]).write_bytes(b"new")
    with pytest.raises(MusicFileError) as caught:
        undo(journal)
    assert (caught.value.code, Path(music[0]).read_bytes()) == ("taken", b"new")


@pytest.mark.parametrize("record", [{}, {"way": "move"}, {"way": "copy", "target": "x", "made": None}])
def test_a_damaged_record_does_nothing(record):
    with pytest.raises(MusicFileError) as caught:
        undo_placement(record)
    assert caught.value.code == "damaged"


# --- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("R&B/Soul", "R&B_Soul"),
        ("..", "_"),
        (".", "_"),
        ("../../etc", "__.._etc"),
        ("/", "_"),
        (".hidden", "_hidden"),
        ("CON", "CON_"),
        ("com1.txt", "com1.txt_"),
        ("what?.", "what_"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("a\nb\u202ec", "a_b_c"),
        ("é" * 100, "é" * 60),
        ("   ", "_"),
    ],
)
def test_a_label_becomes_the_name_of_one_folder(label, name):
    assert folder_name(label) == name


def test_two_labels_never_share_a_folder():
    names = folder_names(["a/b", "a:b", "A_b", "Cafe\u0301", "Caf\u00c9", "", "."])
    assert len({name.casefold() for name in names.values()}) == len(names)


def test_a_file_named_twice_is_sorted_once(music, tmp_path):
    link = tmp_path / "link.mp3"
    link.symlink_to(music[0])
    places = plan([music[0], music[0], str(link)], tmp_path / "sorted", "copy")
    assert [place.code for place in places] == [None, "twice", "twice"]


# --- playlists -----------------------------------------------------------------------------------------------------

HOSTILE = (
    "#1.mp3",
    " a b .mp3",
    "x\ny.mp3",
    "back\\slash.mp3",
    "file:x.mp3",
    "Zoe\u0301.mp3",
    "50%.mp3",
    "a\udcff.mp3",
)


def test_every_name_in_a_playlist_is_read_as_the_same_file(tmp_path):
    from gmmaudio.cli.inputs import _listed

    files = [tmp_path / "music" / name for name in HOSTILE]
    files[0].parent.mkdir()
    for path in files:
        path.write_bytes(os.fsencode(path.name))
    places = [Placement(str(path), "place", "jazz") for path in files]
    (tmp_path / "lists").mkdir()
    pattern = str(tmp_path / "lists" / "{label}.m3u8")
    ((name, content),) = make_playlists(pattern, places, LABELS).items()
    Path(name).write_bytes(content)
    assert [find_path(path).read_bytes() for path in _listed(name)] == [os.fsencode(path.name) for path in files]


def test_one_playlist_has_the_labels_in_their_order():
    places = [Placement(f"{name}.mp3", "place", label) for name, label in (("1", "rock"), ("2", "jazz"), ("3", None))]
    ((name, content),) = make_playlists("all.m3u8", places, LABELS).items()
    lines = ["#EXTM3U", "#EXTGRP:jazz", "#EXTINF:-1,2", "2.mp3", "#EXTGRP:rock", "#EXTINF:-1,1", "1.mp3"]
    assert (name, content.decode().splitlines()) == ("all.m3u8", lines)


def test_a_playlist_is_undone_unless_it_changed(journal, tmp_path):
    path = tmp_path / "a.m3u8"
    write_list(str(path), b"#EXTM3U\n", journal)
    assert undo(journal) == [True]
    assert not path.exists()
    path.write_bytes(b"mine")
    with pytest.raises(MusicFileError, match="changed since"):
        undo(journal)
    with pytest.raises(MusicFileError, match="has another file in its place"):
        write_list(str(path), b"#EXTM3U\n", journal)
    assert path.read_bytes() == b"mine"
