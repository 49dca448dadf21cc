"""The command ``sort``: folders and playlists by label, and their undoing."""

import shutil

import pytest

from gmmaudio.models import load_model, save_model

QUIET = ("-q", "-j", "1")


@pytest.fixture(scope="module")
def model_file(model_file, tmp_path_factory):
    """The model for recordings of the sources that it was trained on: two sources leave little else."""
    path = tmp_path_factory.mktemp("in_domain") / "bands.gmm"
    save_model(load_model(model_file).in_domain(), path)
    return path


@pytest.fixture
def music(corpus, tmp_path, monkeypatch):
    """The current folder: music/N.flac for each label, and one that no model can read."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "music"
    folder.mkdir()
    for label in ("low", "mid", "high"):
        shutil.copy(corpus.root / label / "cy" / "1.flac", folder / f"{label}-song.flac")
    return folder


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def undo_words(result):
    """Return the words that undo a run, as it said them."""
    (line,) = [line for line in result.err.splitlines() if line.startswith("to undo: gmmaudio ")]
    return line.removeprefix("to undo: gmmaudio ").split()


SORTED = ["high/high-song.flac", "low/low-song.flac", "mid/mid-song.flac"]


@pytest.mark.parametrize("way", ["--link", "--copy", "--move"])
def test_files_are_sorted_once_and_undone(command, model_file, music, tmp_path, way):
    before = {path.name: path.read_bytes() for path in music.iterdir()}
    words = ("sort", model_file, "music", "--into", "music/sorted", way)
    shown = command(*words, *QUIET)
    assert (shown.code, names_in(music)) == (0, sorted(before))
    assert "\tlow (" in shown.out
    assert shown.err == "nothing was changed: 3 files would be sorted or written with --write\n"
    done = command(*words, "--write", *QUIET)
    assert (done.code, names_in(music / "sorted")) == (0, SORTED), done.err
    again = command(*words, "--write", *QUIET)
    # files that a run has sorted are not sorted again
    assert "left out 3 files that music/sorted has already" in again.err
    assert names_in(music / "sorted") == SORTED
    assert again.code == (3 if way == "--move" else 0)
    undone = command(*undo_words(done))
    assert undone.code == 0, undone.err
    assert {path.name: path.read_bytes() for path in music.iterdir()} == before


def test_files_without_a_label_go_nowhere(command, model_file, music):
    (music / "empty.flac").write_bytes(b"")
    result = command(
        "sort", model_file, "music", "--into", "out", "--copy", "--min-probability", "1", "--write", *QUIET
    )
    assert result.code == 1
    assert "skipped [empty] music/empty.flac" in result.err
    assert not (music.parent / "out").exists()


def test_playlists_for_each_label_name_the_files(command, model_file, music, tmp_path):
    (tmp_path / "lists").mkdir()
    words = ("sort", model_file, "music", "--playlist", "lists/{label}.m3u8", "--journal", "a.undo", "--write", *QUIET)
    done = command(*words)
    assert (done.code, names_in(tmp_path / "lists")) == (0, ["high.m3u8", "low.m3u8", "mid.m3u8"]), done.err
    assert (tmp_path / "lists/low.m3u8").read_text().splitlines()[2] == "../music/low-song.flac"
    listed = command("classify", model_file, "--from-file", "lists/low.m3u8", *QUIET)
    assert listed.out.split("\t")[1] == "low"
    # as they would be again: nothing to do, and no journal
    assert command(*words[:-3], *QUIET, "--write").code == 0
    (tmp_path / "lists/low.m3u8").write_text("mine")
    refused = command("sort", model_file, "music", "--playlist", "lists/{label}.m3u8", *QUIET)
    assert (refused.code, "is never replaced; name another --playlist" in refused.err) == (2, True)
    undone = command("sort", "--undo", "a.undo", "--write")
    assert (undone.code, names_in(tmp_path / "lists")) == (1, ["low.m3u8"])


def test_a_playlist_of_moved_files_names_their_new_places(command, model_file, music, tmp_path):
    words = ("--into", "out", "--move", "--playlist", "all.m3u8", "--write")
    assert command("sort", model_file, "music", *words, *QUIET).code == 0
    listed = command("classify", model_file, "--from-file", "all.m3u8", "--cache", "none", *QUIET)
    assert (listed.code, len(listed.out.splitlines())) == (0, 3)


def test_results_of_classify_are_sorted(command, model_file, music):
    assert command("classify", model_file, "music", "-o", "all.csv", *QUIET).code == 0
    result = command("sort", "--from", "all.csv", "--into", "out", "--copy", "--write", "-q")
    assert (result.code, names_in(music.parent / "out")) == (0, SORTED), result.err
    wrong = command("sort", "--from", "all.csv", "--into", "out", "--copy", "--min-probability", "2")
    assert (wrong.code, "--min-probability is 2; expected 0 to 1" in wrong.err) == (2, True)


def test_a_folder_has_one_label(command, model_file, music, corpus, tmp_path):
    for i in range(3):
        shutil.copy(corpus.root / "low" / "cy" / "1.flac", music / f"low{i}.flac")
    words = ("sort", model_file, "--from-file", "list", "--into", "out", "--link", "--min-probability", "0", *QUIET)
    (tmp_path / "list").write_text("music\n")
    labels = {line.split("\t")[1].split(" ")[0] for line in command(*words, "--by-folder").out.splitlines()}
    assert len(labels) == 1
    assert {line.split("\t")[1].split(" ")[0] for line in command(*words).out.splitlines()} == {"low", "mid", "high"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name a folder with --into, or a --playlist"),
        (("--into", "x", "--link"), "Name a MODEL and at least one PATH, results with --from"),
        (("MODEL", "music"), "Name a folder with --into, or a --playlist"),
        (("MODEL", "music", "--link"), "--link puts files into a folder"),
        (("MODEL", "music", "--into", "x"), "--into takes one of --link, --copy and --move"),
        (("MODEL", "music", "--into", "x", "--copy", "--move"), "--into takes one of --link, --copy and --move"),
        (("MODEL", "music", "--playlist", "x.txt"), "is no name of a playlist"),
        (("MODEL", "music", "--into", "x", "--undo", "y"), "leave MODEL out"),
        (("--undo", "y", "--into", "x"), "leave --into out"),
        (("MODEL", "music", "--into", "x", "--link", "-j", "0"), "--jobs is 0"),
        (("MODEL", "music", "--into", "x", "--link", "--time-limit", "-1"), "--time-limit"),
        (("MODEL", "music", "--into", "x", "--link", "--memory-limit", "1MB"), "--memory-limit"),
        (("MODEL", "music", "--into", "x", "--link", "--cache", "none", "--cache-limit", "1GB"), "has no effect"),
    ],
)
def test_wrong_words_are_a_usage_error(command, model_file, music, words, message):
    result = command("sort", *(model_file if word == "MODEL" else word for word in words))
    assert (result.code, result.out) == (2, ""), result.err
    assert message in result.err


@pytest.mark.parametrize("into", ["out", "out/by_genre", "dangling"])
def test_a_file_in_the_place_of_the_folder_is_refused_before_any_work(command, model_file, music, tmp_path, into):
    (tmp_path / "out").write_text("a file")
    (tmp_path / "dangling").symlink_to("nowhere")
    result = command("sort", model_file, "music", "--into", into, "--copy", *QUIET)
    assert (result.code, (tmp_path / "out").read_text()) == (2, "a file")
    assert f"'{into.split('/')[0]}' is there and is no folder; name another" in result.err
    assert len(names_in(music)) == 3
