"""The command ``tag``: what it shows, what it writes, what it refuses, and its undoing."""

import shutil
import sys

import pytest

from gmmaudio.models import Model, load_model, save_model

pytest.importorskip("mutagen", reason="needs the tags extra")

from gmmaudio.music_tags import read_field, write_field

# the model of the tests is sure of its bands; without a cache, a second run would take as long
QUIET = ("-q", "-j", "1")


@pytest.fixture(scope="module")
def model_file(model_file, tmp_path_factory):
    """The model for recordings of the sources that it was trained on: two sources leave little else."""
    path = tmp_path_factory.mktemp("in_domain") / "bands.gmm"
    save_model(load_model(model_file).in_domain(), path)
    return path


@pytest.fixture
def music(corpus, tmp_path, monkeypatch):
    """The current folder: music/LABEL/0.wav and 1.flac for each label."""
    monkeypatch.chdir(tmp_path)
    for label in ("low", "mid", "high"):
        folder = tmp_path / "music" / label
        folder.mkdir(parents=True)
        for name in ("0.wav", "1.flac"):
            shutil.copy(corpus.root / label / "cy" / name, folder / name)
    return tmp_path / "music"


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(result):
    """Return the cells of every line on stdout, by the file."""
    return {name: cells for name, *cells in (line.split("\t") for line in result.out.splitlines())}


def journal_of(result):
    """Return the words that undo a run, as it said them."""
    (line,) = [line for line in result.err.splitlines() if line.startswith("to undo: gmmaudio ")]
    return line.removeprefix("to undo: gmmaudio ").split()


# --- dry run, written, undone --------------------------------------------------------------------------------------


def test_nothing_is_written_without_being_asked_for(command, model_file, music):
    before = content(music)
    write_field(music / "low" / "1.flac", "genre", "Rock")
    before = content(music)
    result = command("tag", model_file, "music", *QUIET)
    assert result.code == 0, result.err
    cells = lines(result)
    assert cells["music/mid/0.wav"][0].startswith("(none) -> mid (")
    assert cells["music/mid/0.wav"][1] == "write"
    assert cells["music/low/1.flac"][0].startswith("Rock -> low (")
    assert cells["music/low/1.flac"][1] == "kept: has a value, which stays (--overwrite)"
    assert result.err == "nothing was changed: 5 files would be tagged with --write\n"
    assert content(music) == before


def test_what_is_written_is_the_same_in_a_second_run_and_undone_bit_by_bit(command, model_file, music):
    before, times = content(music), {path: path.stat().st_mtime_ns for path in music.rglob("*.*")}
    result = command("tag", model_file, "music", "--write", *QUIET)
    assert result.code == 0, result.err
    assert {cells[1] for cells in lines(result).values()} == {"written"}
    assert {path: read_field(path, "genre") for path in times} == {path: (path.parent.name,) for path in times}
    again = command("tag", model_file, "music", "--write", *QUIET)
    assert ({cells[1] for cells in lines(again).values()}, again.err) == ({"same"}, "")
    trial = command(*journal_of(result)[:-1])
    assert {cells[0] for cells in lines(trial).values()} == {"restore"}
    assert content(music) != before
    undone = command(*journal_of(result))
    assert (undone.code, {cells[0] for cells in lines(undone).values()}) == (0, {"restored"})
    assert content(music) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert {cells[0] for cells in lines(command(*journal_of(result))).values()} == {"as it was"}


def test_overwrite_replaces_all_values_by_one(command, model_file, music):
    song = music / "low" / "1.flac"
    from mutagen.flac import FLAC

    file = FLAC(song)
    file["genre"] = ["Rock", "Low"]
    file.save()
    kept, shown = (command("tag", model_file, song, *QUIET, *more) for more in ((), ("--overwrite",)))
    assert lines(kept)[str(song)][1].startswith("kept")
    assert lines(shown)[str(song)][0].startswith("Rock; Low -> low (")
    assert command("tag", model_file, song, "--overwrite", "--write", *QUIET).code == 0
    assert read_field(song, "genre") == ("low",)


def test_a_value_in_another_case_is_the_same(command, model_file, music):
    song = music / "low" / "1.flac"
    write_field(song, "genre", "LOW")
    assert lines(command("tag", model_file, song, "--overwrite", *QUIET))[str(song)][1] == "same"


def test_field_and_value_say_what_is_written_where(command, model_file, music):
    words = ("--field", "Language", "--value", "low=deu", "--value", "mid=eng", "--write", "--journal", "a.undo")
    result = command("tag", model_file, music / "low", music / "mid", *words, *QUIET)
    assert result.code == 0, result.err
    assert read_field(music / "low" / "0.wav", "language") == ("deu",)
    assert read_field(music / "mid" / "1.flac", "language") == ("eng",)
    assert read_field(music / "mid" / "1.flac", "genre") == ()
    assert journal_of(result) == ["tag", "--undo", "a.undo", "--write"]


def test_files_below_the_least_probability_get_none(command, model_file, music):
    result = command("tag", model_file, "music", "--min-probability", "1", *QUIET)
    assert {cells[0] for cells in lines(result).values()} == {"(none) -> (none)"}
    assert all("below 1 (--min-probability); most likely" in cells[1] for cells in lines(result).values())
    assert command("tag", model_file, "music", "--min-probability", "1", "--write", *QUIET).code == 0
    assert {read_field(path, "genre") for path in music.rglob("*.*")} == {()}


def test_the_tracks_of_a_folder_get_one_label(command, model_file, music, corpus):
    for i, label in enumerate(("mid", "mid")):
        shutil.copy(corpus.root / label / "cy" / "1.flac", music / "mid" / f"more{i}.flac")
    shutil.copy(corpus.root / "low" / "cy" / "1.flac", music / "mid" / "odd.flac")
    odd = "music/mid/odd.flac"
    assert lines(command("tag", model_file, "music/mid", *QUIET))[odd][0].startswith("(none) -> low")
    (music / "mid" / "empty.wav").write_bytes(b"")
    result = command("tag", model_file, "music/mid", "--by-folder", "--min-probability", "0", *QUIET)
    joined = lines(result)
    assert (result.code, "music/mid/empty.wav" in joined) == (1, False)
    assert "skipped [empty] music/mid/empty.wav" in result.err
    assert len({cells[0] for cells in joined.values()}) == 1
    assert joined[odd][0].startswith("(none) -> mid") or joined[odd][1].startswith("none")


def test_a_list_names_files(command, model_file, music, tmp_path):
    (tmp_path / "list.txt").write_text("music/low/0.wav\nmusic/low/0.wav\n")
    result = command("tag", model_file, "--from-file", "list.txt", "--cache", "none", *QUIET)
    assert [line.split("\t")[2] for line in result.out.splitlines()] == ["write", "none: is named twice"]


@pytest.mark.parametrize("name", ["all.csv", "all.jsonl"])
def test_results_of_classify_are_as_good_as_a_model(command, model_file, music, name):
    assert command("classify", model_file, "music", "-o", name, *QUIET).code == 0
    shown = command("tag", model_file, "music", "--min-probability", "0.9", *QUIET)
    read = command("tag", "--from", name, "--min-probability", "0.9", "-q")
    assert (read.code, {each: cells[1].split(":")[0] for each, cells in lines(read).items()}) == (
        0,
        {each: cells[1].split(":")[0] for each, cells in lines(shown).items()},
    )
    assert command("tag", "--from", name, "--write", "-q").code == 0
    assert read_field(music / "mid" / "0.wav", "genre") == ("mid",)


def test_results_that_somebody_corrected_are_written_as_they_are(command, music):
    rows = ["path,status,label,probability,code,message", "music/low/0.wav,ok,mine,1,,", "music/mid/0.wav,unknown,,,,"]
    rows += ["music/gone.wav,ok,mine,1,,", "music/high/0.wav,error,,,,", "music/high/1.wav,error,,,empty,has no bytes"]
    (music.parent / "a.csv").write_text("\n".join(rows))
    result = command("tag", "--from", "a.csv", "--write", "-q")
    assert result.code == 1
    assert lines(result) == {"music/low/0.wav": ["(none) -> mine (1.00)", "written"]}
    assert "skipped [vanished] music/gone.wav: is not there; run the command in the folder where classify" in result.err
    assert "skipped [no_label] music/high/0.wav" in result.err
    assert "skipped [empty] music/high/1.wav: has no bytes" in result.err
    (music.parent / "a.csv").write_text("path,status,label\nmusic/low/0.wav,ok,low\n")
    refused = command("tag", "--from", "a.csv")
    assert (refused.code, "take every label (--min-probability 0)" in refused.err) == (2, True)


# --- files that cannot be tagged -----------------------------------------------------------------------------------


def test_files_that_cannot_be_tagged_are_named_and_the_others_are(command, model_file, music, tools):
    tools.make_bad_files(music / "bad", music / "low" / "0.wav")
    (music / "low" / "0.wav").chmod(0o444)
    shutil.copy(music / "mid" / "0.wav", music / "mid" / "linked.wav")
    (music / "other.wav").hardlink_to(music / "mid" / "linked.wav")
    evil = music / "mid" / "evil\x1b]0;x\n.wav"
    shutil.copy(music / "mid" / "0.wav", evil)
    result = command("tag", model_file, "music", "--write", *QUIET)
    assert result.code == 1
    for said in ("skipped [read_only] music/low/0.wav", "skipped [hard_linked] music/other.wav", "skipped [empty]"):
        assert said in result.err
    assert "\x1b" not in result.out + result.err
    assert (read_field(evil, "genre"), read_field(music / "low" / "1.flac", "genre")) == (("mid",), ("low",))


def test_a_file_that_changed_is_named_at_the_undoing_and_the_others_are_restored(command, model_file, music):
    before = content(music)
    result = command("tag", model_file, "music", "--write", *QUIET)
    write_field(music / "low" / "1.flac", "genre", "mine")
    (music / "mid" / "0.wav").unlink()
    undone = command(*journal_of(result))
    assert undone.code == 1
    assert "skipped [changed]" in undone.err
    assert "skipped [gone]" in undone.err
    assert "2 inputs failed" in undone.err
    left = {name for name, data in content(music).items() if before[name] != data}
    assert (left, read_field(music / "low" / "1.flac", "genre")) == ({"low/1.flac"}, ("mine",))


def test_nothing_usable_is_3(command, model_file, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    assert command("tag", model_file, tmp_path / "a.wav", *QUIET).code == 3
    assert command("tag", model_file, tmp_path / "gone", *QUIET).code == 3


def test_a_journal_that_is_there_is_never_replaced(command, model_file, music):
    (music.parent / "a.undo").write_text("precious")
    before = content(music.parent)
    result = command("tag", model_file, "music", "--write", "--journal", "a.undo", *QUIET)
    assert (result.code, content(music.parent)) == (2, before)
    assert "is there already, and may be needed to undo a run; name another" in result.err


def test_a_journal_that_cannot_be_written_is_4_and_no_file_is_touched(command, model_file, music):
    before = content(music)
    assert command("tag", model_file, "music", "--write", "--journal", "no/where.undo", *QUIET).code == 4
    assert content(music) == before


def test_a_full_disk_is_4_and_says_how_to_undo(command, model_file, music, monkeypatch):
    from gmmaudio.errors import WriteError
    from gmmaudio.pipeline import tag_writing

    before, replace = content(music), tag_writing.os.replace
    written = []

    def full(*names):
        if written:
            raise OSError(28, "No space left on device")
        written.append(names)
        replace(*names)

    monkeypatch.setattr(tag_writing.os, "replace", full)
    result = command("tag", model_file, "music", "--write", "--cache", "none", *QUIET)
    monkeypatch.undo()
    monkeypatch.chdir(music.parent)
    assert (result.code, "No space left on device" in result.err) == (4, True), WriteError
    assert content(music) != before
    assert command(*journal_of(result)).code == 0
    assert content(music) == before


# --- usage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "Name a MODEL and at least one PATH"),
        (("MODEL",), "Name at least one PATH"),
        (("MODEL", "-"), "Sound on standard input is no file"),
        (("MODEL", "music", "--field", "title"), "says something else than a label"),
        (("MODEL", "music", "--value", "jazz=x"), "--value names 'jazz'; expected one of high, low, mid"),
        (("MODEL", "music", "--value", "low"), "is not one LABEL=TEXT"),
        (("MODEL", "music", "--value", "low= "), "expected 1 to 200 characters that print"),
        (("MODEL", "music", "--min-probability", "60"), "--min-probability is 60; expected 0 to 1"),
        (("MODEL", "music", "--undo", "a.undo"), "--undo takes back a run as it was: leave MODEL out"),
        (("--undo", "music/low/0.wav"), "is no undo journal"),
        (("MODEL", "music", "--from", "x.csv"), "leave MODEL, PATH, --from-file and --by-folder out"),
        (("--from", "x.csv", "-j", "1"), "--jobs has no effect with --from"),
        (("--from", "x.csv", "--by-folder"), "leave MODEL, PATH, --from-file and --by-folder out"),
        (("MODEL", "music", "-j", "0"), "--jobs is 0"),
        (("MODEL", "music", "--time-limit", "-1"), "--time-limit"),
        (("MODEL", "music", "--memory-limit", "1MB"), "--memory-limit"),
        (("MODEL", "music", "--cache", "none", "--cache-limit", "1GB"), "--cache-limit has no effect"),
    ],
)
def test_wrong_words_are_a_usage_error(command, model_file, music, words, message):
    result = command("tag", *(model_file if word == "MODEL" else word for word in words))
    assert (result.code, result.out) == (2, ""), result.err
    assert message in result.err


def test_without_mutagen_the_command_that_installs_it_is_named(command, model_file, music, monkeypatch):
    monkeypatch.setitem(sys.modules, "mutagen", None)
    result = command("tag", model_file, "music")
    assert result.code == 2
    assert 'pip install "gmmaudio[tags]"' in result.err


def test_a_model_without_probabilities_asks_for_no_least_one(command, model_file, music, tmp_path):
    model = load_model(model_file)
    save_model(Model(model.features, model.scorer, model.training, tables=model.tables), tmp_path / "bare.gmm")
    result = command("tag", "bare.gmm", "music")
    assert result.code == 2
    assert "take every label (--min-probability 0)" in result.err
    shown = command("tag", "bare.gmm", "music/low/0.wav", "--min-probability", "0", *QUIET)
    assert shown.out == "music/low/0.wav\t(none) -> low\twrite\n"


def test_a_label_that_says_unknown_is_never_written(music):
    from gmmaudio.pipeline.label_decisions import LabelDecision
    from gmmaudio.pipeline.tagging import TagSettings, propose_tags

    song = str(music / "low" / "0.wav")
    for label in ("unknown", "Mixed"):
        (proposal,) = propose_tags([song], [LabelDecision(label, label, 0.99)], TagSettings())
        assert (proposal.action, proposal.value) == ("none", None)
