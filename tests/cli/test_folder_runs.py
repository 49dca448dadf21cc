"""Runs that write the files of each input into a folder: they go on, and replace nothing that is not theirs."""

import contextlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from gmmaudio.journal import Journal
from tests.cli.conftest import GMMAUDIO

VERBS = ("features", "timeline")


@pytest.fixture
def work(corpus, model_file, tmp_path, monkeypatch):
    """The current folder: a model, and a folder of good files with a bad one among them."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus.root / "low", "set")
    shutil.copy(model_file, "m.gmm")
    Path("set/bob/bad.wav").write_bytes(b"no sound")


def words_of(verb, *paths, folder="out"):
    """Return a command line without options."""
    return (verb, *(["m.gmm"] if verb == "timeline" else []), *(paths or ["set"]), "-o", folder)


def suffix_of(verb):
    return {"features": ".npy", "timeline": ".csv"}[verb]


def files_in(folder):
    """Return the files that were written below a folder, but for the journal."""
    paths = (path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".journal")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def stopped_after(monkeypatch, n, error=KeyboardInterrupt):
    """Raise an error in the run when the line after n others is written into the journal."""
    add, count = Journal.add, iter(range(10**6))

    def stop(self, entry):
        if next(count) == n:
            raise error
        add(self, entry)

    monkeypatch.setattr(Journal, "add", stop)


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_that_was_stopped_anywhere_goes_on(command, work, monkeypatch, verb):
    whole = command(*words_of(verb, folder="whole"))
    assert whole.code == 1
    for n in (0, 1, 2, 5, 12):
        words = words_of(verb, folder=f"out{n}")
        with monkeypatch.context() as patch:
            stopped_after(patch, n)
            stopped = command(*words)
        assert stopped.code == 130
        said = stopped.err.splitlines()
        assert said[-3] == f"gmmaudio {verb} --resume {shlex.join(words[1:])}"
        goes_on = command(*shlex.split(said[-3])[1:])
        assert goes_on.code == 1
        assert files_in(f"out{n}") == files_in("whole")
        # each file is written once, but for the one that was interrupted before the journal had it
        written = stopped.out.splitlines() + goes_on.out.splitlines()
        assert set(written) == {line.replace("whole", f"out{n}") for line in whole.out.splitlines()}
        assert len(written) <= len(set(written)) + 1
    again = command(*words, "--resume")
    assert (again.code, again.out) == (1, "")
    assert again.err == "1 input failed in an earlier run; --retry-failed computes them again\n"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_leaves_a_run_that_goes_on(command, work, verb, number):
    for i in range(6):
        shutil.copytree("set", f"sets/{i}")
    assert command(*words_of(verb, "sets", folder="whole")).code == 1
    words = [*words_of(verb, "sets"), "-j", "2", *(["--cache", "none"] if verb == "features" else [])]
    with subprocess.Popen([*GMMAUDIO, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(number)
        process.communicate()
    assert process.returncode in (-number, 128 + number)
    before = files_in("out")
    assert 3 <= len(before) < 36
    resumed = command(*words, "--resume")
    assert resumed.code == 1
    assert files_in("out") == files_in("whole")
    assert len(resumed.out.splitlines()) <= 36 - len(before) + 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_leaves_a_run_that_goes_on(command, work, verb):
    shutil.copytree("set", "set/more")
    command(*words_of(verb, folder="whole"))

    def limit():
        # the arrays of these clips have 3 kB, the journal some more
        resource.setrlimit(resource.RLIMIT_FSIZE, (4200, 4200))

    for i in range(8):
        shutil.copytree("set/ann", f"set/more{i}")
    done = subprocess.run([*GMMAUDIO, *words_of(verb)], preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "cannot be written (File too large)" in done.stderr
    if "to go on" in done.stderr:
        assert f"\ngmmaudio {verb} --resume " in done.stderr
    assert command(*words_of(verb), "--resume").code == 1
    assert command(*words_of(verb, folder="all")).code == 1
    assert files_in("out") == files_in("all")


@pytest.mark.parametrize("verb", VERBS)
def test_files_that_are_there_are_not_replaced_unless_asked_for(command, work, verb):
    target = Path(f"out/cy/0.wav{suffix_of(verb)}")
    target.parent.mkdir(parents=True)
    target.write_text("by hand")
    refused = command(*words_of(verb))
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        f"gmmaudio: {target}: is there already; go on with it (--resume), replace what is there (--overwrite), or name "
        "another folder\n"
    )
    # going on is with what a run has written, and nothing else
    resumed = command(*words_of(verb), "--resume")
    assert (resumed.code, resumed.out) == (2, "")
    assert f"{target}: is there already, and is no file of {verb}.journal; keep it elsewhere" in resumed.err
    assert files_in("out") == {f"cy/0.wav{suffix_of(verb)}": b"by hand"}
    assert command(*words_of(verb), "--overwrite").code == 1
    assert target.read_bytes() != b"by hand"
    # a run is not repeated by mistake
    assert command(*words_of(verb)).code == 2
    assert command(*words_of(verb), "--resume").code == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_that_replaces_files_goes_on_replacing(command, work, monkeypatch, verb):
    command(*words_of(verb))
    whole = files_in("out")
    for name in whole:
        Path("out", name).write_bytes(b"older")
    with monkeypatch.context() as patch:
        stopped_after(patch, 4)
        stopped = command(*words_of(verb), "--overwrite")
    assert list(files_in("out").values()).count(b"older") == 4
    assert "--overwrite" not in stopped.err
    assert command(*shlex.split(stopped.err.splitlines()[-3])[1:]).code == 1
    assert files_in("out") == whole


@pytest.mark.parametrize("verb", VERBS)
def test_files_may_be_added_corrected_and_lost(command, work, good, verb):
    suffix = suffix_of(verb)
    command(*words_of(verb, "set"))
    # by hand: it stays
    Path(f"out/cy/0.wav{suffix}").write_bytes(b"corrected")
    # lost: it is written again
    Path(f"out/cy/1.flac{suffix}").unlink()
    # other sound: it is written again
    shutil.copy("set/cy/1.flac", "set/ann/0.wav")
    shutil.copy(good, "set/new.wav")
    result = command(*words_of(verb, "set"), "--resume")
    assert result.code == 1
    written = {f"out/{name}{suffix}" for name in ("cy/1.flac", "ann/0.wav", "new.wav")}
    assert set(result.out.splitlines()) == written
    command(*words_of(verb, "set", folder="whole"))
    assert files_in("out") == files_in("whole") | {f"cy/0.wav{suffix}": b"corrected"}


@pytest.mark.parametrize("verb", VERBS)
def test_what_failed_is_computed_again_when_asked_for(command, work, good, verb):
    command(*words_of(verb))
    lines = Path(f"out/{verb}.journal").read_bytes().splitlines(keepends=True)
    retried = command(*words_of(verb), "--retry-failed")
    assert (retried.code, retried.out) == (1, "")
    assert retried.err.startswith("skipped [not_audio] set/bob/bad.wav: ")
    assert len(Path(f"out/{verb}.journal").read_bytes().splitlines()) == len(lines) + 1
    shutil.copy(good, "set/bob/bad.wav")
    fixed = command(*words_of(verb), "--retry-failed")
    assert (fixed.code, fixed.out) == (0, f"out/bob/bad.wav{suffix_of(verb)}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_other_inputs_may_be_added_to_a_folder_by_another_run(command, work, verb):
    assert command(*words_of(verb, "set/cy/0.wav")).code == 0
    assert command(*words_of(verb, "set/cy/1.flac")).code == 0
    assert len(files_in("out")) == 2
    both = command(*words_of(verb, "set/cy"), "--resume")
    assert (both.code, both.out) == (0, "")


@pytest.mark.parametrize(
    ("verb", "more", "words"),
    [
        ("features", ["--preset", "genre"], "--preset was its default and is 'genre' now; name it as before, or start"),
        ("features", ["--min-duration", "0.1"], "--min-duration was 0.5 and is 0.1 now"),
        ("timeline", ["--format", "srt"], "--format was ['csv'] and is ['srt'] now"),
        ("timeline", ["--window", "3"], "--window was its default and is 3.0 now"),
        ("timeline", ["--hop", "0.25"], "--hop was its default and is 0.25 now"),
        ("timeline", ["--min-turn", "1"], "--min-turn was its default and is 1.0 now"),
        ("timeline", ["--prior", "low=0.5"], "--prior was its default and is {"),
        ("timeline", ["--min-duration", "0.1"], "--min-duration was 0.5 and is 0.1 now"),
    ],
)
def test_other_options_are_refused_with_the_remedy(command, work, verb, more, words):
    command(*words_of(verb, "set/cy"))
    before = files_in("out")
    refused = command(*words_of(verb, "set"), "--resume", *more)
    assert (refused.code, refused.out) == (2, "")
    assert f"gmmaudio: out/{verb}.journal: {words}" in refused.err
    assert files_in("out") == before


def test_another_model_is_refused(command, work, corpus):
    command(*words_of("timeline", "set/cy"))
    command("train", corpus.plain, "-o", "m.gmm", "--components", "1")
    refused = command(*words_of("timeline", "set/cy"), "--resume")
    assert (refused.code, "out/timeline.journal: was written with another model" in refused.err) == (2, True)


@pytest.mark.parametrize("verb", VERBS)
def test_shards_write_every_file_once_and_have_a_journal_each(command, work, verb):
    command(*words_of(verb, folder="whole"))
    printed = []
    for i in (1, 2, 3):
        result = command(*words_of(verb), "--shard", f"{i}/3")
        assert result.code == (1 if "failed" in result.err else 0)
        printed += result.out.splitlines()
    assert sorted(printed) == sorted(f"out/{name}" for name in files_in("whole"))
    assert files_in("out") == files_in("whole")
    assert {path.name for path in Path("out").glob("*.journal")} == {f"{verb}.{i}-of-3.journal" for i in (1, 2, 3)}
    for i in (1, 2, 3):
        assert command(*words_of(verb), "--shard", f"{i}/3", "--resume").out == ""


@pytest.mark.parametrize("verb", VERBS)
def test_two_runs_do_not_write_one_folder_and_shards_do(command, work, verb):
    Path("out").mkdir()
    with contextlib.closing(Journal(f"out/{verb}.journal")):
        refused = command(*words_of(verb))
        assert (refused.code, refused.out) == (4, "")
        assert f"out/{verb}.journal: another run is writing it; wait for its end" in refused.err
        assert command(*words_of(verb), "--shard", "1/2").code in (0, 1)


@pytest.mark.parametrize("verb", VERBS)
def test_a_line_of_progress_comes_as_often_as_asked_for(command, work, verb):
    often = command(*words_of(verb), "--log-every", "0.000001")
    assert len([line for line in often.err.splitlines() if " elapsed, " in line]) >= 7
    refused = command(*words_of(verb), "--log-every", "1", "-q")
    assert (refused.code, "--log-every has no effect with --quiet." in refused.err) == (2, True)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("link", [os.symlink, os.link, shutil.copy])
def test_no_journal_is_a_file_that_is_read(command, work, good, verb, link):
    Path("out").mkdir()
    shutil.copy(good, "song.wav")
    journal = f"out/{verb}.journal"
    link(Path("song.wav").resolve(), journal)
    read = journal if link is shutil.copy else "song.wav"
    refused = command(*words_of(verb, read), "--overwrite")
    assert (refused.code, refused.out) == (2, "")
    assert f"-o {journal} would overwrite the input {read}; choose another path" in refused.err
    assert Path("song.wav").read_bytes() == good.read_bytes()


def test_a_figure_is_of_one_run(command, work):
    pytest.importorskip("matplotlib")
    refused = command(*words_of("timeline", "set/cy/0.wav"), "--figure", "f.png", "--resume")
    assert (refused.code, "--figure is drawn by a run that is not gone on with" in refused.err) == (2, True)
    assert "--resume is of an output; name one with -o." in command("timeline", "m.gmm", "set", "--resume").err


def test_a_part_of_recordings_on_standard_output(command, work):
    whole = command("timeline", "m.gmm", "set/cy", "--format", "jsonl").out.splitlines()
    part = command("timeline", "m.gmm", "set/cy", "--format", "jsonl", "--shard", "2/2").out.splitlines()
    assert part == [line for line in whole if "1.flac" in line]
