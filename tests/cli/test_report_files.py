"""Where reports are written, and what is refused before any work is done."""

import errno
import os
import shutil
import signal

import pytest

from gmmaudio.cli import report_files
from tests.cli.conftest import UNKNOWN_GROUPS, python

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "{0}/folder: is a folder; name a file in it"),
        ("missing/file", "{0}/missing/file: the folder {0}/missing is not there; make it first"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "option"),
    [
        ("train", "-o"),
        ("train", "--output"),
        ("evaluate", "--json"),
        ("evaluate", "--report"),
        ("crossval", "--json"),
        ("crossval", "--report"),
    ],
)
def test_an_output_that_cannot_be_written_is_4_before_any_work(
    command, corpus, model_file, tmp_path, monkeypatch, verb, option, name, message
):
    import gmmaudio.corpus.reading

    monkeypatch.setattr(gmmaudio.corpus.reading, "read_corpus", None)  # fails where the corpus is looked at first
    (tmp_path / "folder").mkdir()
    result = command(verb, *([model_file] if verb == "evaluate" else []), corpus.split, option, tmp_path / name)
    assert (result.code, result.out) == (4, "")
    assert result.err == f"gmmaudio: {message.format(tmp_path)}\n"


def test_one_place_cannot_take_both_reports(command, model_file, corpus, tmp_path):
    assert command("evaluate", model_file, corpus.split, "--json", tmp_path / "r", "--report", tmp_path / "r").code == 2


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_dash_is_no_file_name(command, model_file, corpus, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    command("evaluate", model_file, corpus.split, option, "-")
    command("train", corpus.split, "-o", "-")
    assert not (tmp_path / "-").exists()


def test_a_report_is_one_page_that_needs_nothing_else(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "<script>alert(1)")
    result = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm", "--components", "2")
    result = command("evaluate", tmp_path / "m.gmm", tmp_path / "c", "--report", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert result.err == f"wrote {tmp_path}/r.html\n"
    assert "<h1>m.gmm on c</h1>" in page
    assert "100.0 %" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "://" not in page
    assert UNKNOWN_GROUPS.replace("'", "&#39;") in page


@pytest.mark.parametrize(
    ("folder", "code", "complaint"),
    [
        ("{same}", 2, "--csv {same} would overwrite --json {same}; choose another path"),
        ("{corpus.plain}", 2, "--csv {corpus.plain} would overwrite the input {corpus.plain}"),
        ("{corpus.root}", 2, "--csv {corpus.root} holds the input {corpus.plain}; choose another folder"),
        ("{corpus.root}/low/ann/0.wav", 4, "the folder cannot be made"),
    ],
)
def test_an_output_named_twice_or_closed_is_refused(command, corpus, tmp_path, folder, code, complaint):
    names = {"same": tmp_path / "r", "corpus": corpus}
    result = command("crossval", corpus.plain, "--csv", folder.format(**names), "--json", names["same"])
    assert (result.code, complaint.format(**names) in result.err) == (code, True)


# all files of a run, or none


def places(folder):
    """Return options that write a page, JSON and tables, of which the page and one table are there already."""
    (folder / "t").mkdir()
    for name in ("r.html", "t/clips.csv"):
        (folder / name).write_bytes(b"older")
    return ["--report", folder / "r.html", "--json", folder / "r.json", "--csv", folder / "t"]


def files_in(folder):
    """Return the names and contents of all files below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("n", [2, 11])
def test_where_one_file_of_a_report_fails_all_stay_as_they_were(command, model_file, corpus, tmp_path, monkeypatch, n):
    words, before, synced = places(tmp_path), files_in(tmp_path), []

    def full(_descriptor):
        synced.append(1)
        if len(synced) == n:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = command("evaluate", model_file, corpus.split, *words)
    assert (result.code, result.out) == (4, "")
    assert "cannot be written (No space left on device); choose another path" in result.err
    assert "wrote" not in result.err
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("n", [2, 11])
def test_where_the_last_step_is_interrupted_all_stay_as_they_were(
    command, model_file, corpus, tmp_path, monkeypatch, n
):
    words, before, replace, replaced = places(tmp_path), files_in(tmp_path), os.replace, []

    def interrupted(source, target):
        replace(source, target)
        replaced.append(target)
        if len(replaced) == n:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    assert command("evaluate", model_file, corpus.split, *words).code == 130
    assert files_in(tmp_path) == before


def test_all_files_of_a_report_are_replaced(command, model_file, corpus, tmp_path):
    words = places(tmp_path)
    assert command("evaluate", model_file, corpus.split, *words).code == 0
    after = files_in(tmp_path)
    assert {"r.html", "r.json", "t/clips.csv", "t/metrics.csv"} <= after.keys()
    assert b"older" not in after.values()


def test_json_and_tables_are_made_only_where_they_are_asked_for_and_once(command, tmp_path, monkeypatch):
    made = []
    for name in ("to_json", "tables"):
        whole = getattr(report_files, name)
        monkeypatch.setattr(
            report_files, name, lambda report, name=name, whole=whole: made.append(name) or whole(report)
        )
    (tmp_path / "p.csv").write_text("path,label,predicted\na,x,x\nb,y,x\n")
    for more, wanted in ([], []), (["--csv", tmp_path / "t"], ["tables"]), (["--json", tmp_path / "j"], ["to_json"]):
        made.clear()
        assert command("evaluate", "--scores", tmp_path / "p.csv", *more).code == 0
        assert made == wanted


@pytest.mark.parametrize("verb", ["crossval", "evaluate"])
def test_a_run_that_is_interrupted_leaves_no_folder_of_tables(command, model_file, corpus, tmp_path, monkeypatch, verb):
    from gmmaudio import pipeline

    def interrupted(*_arguments, **_options):
        raise KeyboardInterrupt

    for name in ("run_crossval", "evaluate"):
        monkeypatch.setattr(pipeline, name, interrupted)
    words = [model_file, corpus.split] if verb == "evaluate" else [corpus.split]
    assert command(verb, *words, "--csv", tmp_path / "t").code == 130
    assert list(tmp_path.iterdir()) == []


def test_tables_of_an_earlier_run_are_named(command, model_file, corpus, tmp_path):
    (tmp_path / "t").mkdir()
    for name in ("det.csv", "spread.csv", "similarity.csv", "mine.csv"):
        (tmp_path / "t" / name).write_bytes(b"older")
    scores = tmp_path / "scores.csv"
    scores.write_text("path,label,group,predicted\n1,a,g,a\n2,a,h,b\n3,b,i,b\n4,b,j,b\n")
    result = command("evaluate", "--scores", scores, "--csv", tmp_path / "t")
    assert f"note: {tmp_path}/t also holds tables of an earlier run: det.csv, similarity.csv\n" in result.err
    assert {"det.csv": b"older", "mine.csv": b"older"}.items() <= files_in(tmp_path / "t").items()


KILLED = """
import os, signal, sys
def die(_):
    if any(name.startswith(".gmmaudio-") for name in os.listdir()):
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
from gmmaudio.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["train", "{c}", "-o", "m.gmm", "--components", "1"], ["m.gmm"]),
        (["features", "{f}", "-o", ".", "--resume"], ["0.wav.npy", "features.journal"]),
    ],
)
def test_what_a_killed_command_left_is_swept_by_the_next(command, corpus, tmp_path, monkeypatch, words, kept):
    words = [word.format(c=corpus.split, f=corpus.root / "low/ann/0.wav") for word in words]
    assert python("-c", KILLED, *words, cwd=tmp_path).returncode == -signal.SIGKILL
    assert [path.name[:10] for path in tmp_path.iterdir() if path.name not in kept] == [".gmmaudio-"]
    monkeypatch.chdir(tmp_path)
    assert command(*words).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
