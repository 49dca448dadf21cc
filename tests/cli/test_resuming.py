"""Runs that go on: the same bytes as an unbroken run, whatever stopped them, and refusals with the remedy."""

import contextlib
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gmmaudio.cli.inputs import Input
from gmmaudio.cli.resuming import RunOptions, command_that_goes_on, make_settings
from gmmaudio.cli.row_runs import open_rows
from gmmaudio.errors import WriteError
from gmmaudio.journal import Journal
from tests.cli.conftest import GMMAUDIO

FORMATS = ("text", "jsonl", "csv", "json")


@pytest.fixture
def work(corpus, model_file, tmp_path, monkeypatch):
    """The current folder: a model, and a folder of good files with some bad ones among them."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(corpus.root / "low", "set")
    shutil.copy(model_file, "m.gmm")
    Path("set/bob/bad.wav").write_bytes(b"no sound")
    Path("set/ann/empty.wav").write_bytes(b"")
    return ("classify", "m.gmm", "set", "gone.wav")


def journal_of(output):
    return Path(f"{output}.journal")


def stopped_after(monkeypatch, n, error=KeyboardInterrupt):
    """Raise an error in the run when the answer after n others is journalled."""
    add, count = Journal.add, iter(range(10**6))

    def stop(self, entry):
        if next(count) == n:
            raise error
        add(self, entry)

    monkeypatch.setattr(Journal, "add", stop)


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_file_has_the_bytes_of_standard_output(command, work, output_format, n_jobs):
    words = (*work, "--format", output_format)
    plain = command(*words)
    done = command(*words, "-o", "out", "-j", n_jobs)
    assert (done.code, done.out, done.err) == (1, "", plain.err)
    assert Path("out").read_bytes().decode() == plain.out
    assert journal_of("out").is_file()


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_run_that_was_stopped_anywhere_goes_on_to_the_same_bytes(command, work, monkeypatch, output_format):
    words = (*work, "--format", output_format, "--top", "2")
    command(*words, "-o", "whole")
    for n in (0, 1, 3, 8):
        with monkeypatch.context() as patch:
            stopped_after(patch, n)
            stopped = command(*words, "-o", f"out{n}")
        assert stopped.code == 130
        said = stopped.err.splitlines()
        assert said[-4] == f"{n} input{'s are' if n != 1 else ' is'} done; to go on:"
        assert said[-3].startswith("gmmaudio classify --resume m.gmm set gone.wav --format ")
        goes_on = command(*shlex.split(said[-3])[1:])
        assert goes_on.code == 1
        assert Path(f"out{n}").read_bytes() == Path("whole").read_bytes()
    # it is done: nothing is read again
    monkeypatch.setattr("gmmaudio.pipeline.classification.classify_file", lambda *_: 1 / 0)
    again = command(*words, "-o", "out8", "--resume")
    assert again.code == 1
    assert again.err == "3 inputs failed in an earlier run; --retry-failed computes them again\n"
    assert Path("out8").read_bytes() == Path("whole").read_bytes()


def test_rows_of_inputs_that_failed_come_to_their_places(command, work, good):
    command(*work, "--format", "csv", "-o", "out")
    for name in ("set/bob/bad.wav", "gone.wav"):
        shutil.copy(good, name)
    # bytes that have changed are read again in any case; a failure is not
    os.utime("set/bob/bad.wav", ns=(0, 0))
    shutil.copystat("set/bob/0.wav", "set/ann/empty.wav")
    resumed = command(*work, "--format", "csv", "-o", "out", "--resume")
    assert resumed.code == 1
    assert resumed.err.startswith("skipped [empty] set/ann/empty.wav: ")
    whole = command(*work, "--format", "csv")
    assert Path("out").read_bytes().decode() == whole.out


def test_what_failed_is_tried_again_only_when_asked_for(command, work, good, monkeypatch):
    words = (*work, "--format", "jsonl")
    with monkeypatch.context() as patch:
        patch.setattr("gmmaudio.audio.decode.read_blocks", None)
        patch.setattr("gmmaudio.pipeline.classification.read_blocks", None)
        patch.setattr("gmmaudio.trials.extraction.read_blocks", None)
        broken = command(*words, "-o", "out", "--cache", "none")
    assert (broken.code, broken.err.count("skipped [failed]")) == (3, 9)
    before = Path("out").read_bytes()
    resumed = command(*words, "-o", "out", "--resume")
    assert (resumed.code, Path("out").read_bytes()) == (3, before)
    assert resumed.err == "9 inputs failed in an earlier run; --retry-failed computes them again\n"
    retried = command(*words, "-o", "out", "--retry-failed")
    assert retried.code == 1
    assert Path("out").read_bytes().decode() == command(*words).out


def test_an_output_keeps_its_rows_until_those_of_a_retry_are_whole(command, work, good, monkeypatch):
    command(*work, "-o", "out")
    before = Path("out").read_bytes()
    shutil.copy(good, "set/ann/empty.wav")
    for n, error, code in ((2, KeyboardInterrupt, 130), (1, WriteError("disk"), 4)):
        with monkeypatch.context() as patch:
            stopped_after(patch, n, error)
            stopped = command(*work, "-o", "out", "--retry-failed")
        assert (stopped.code, Path("out").read_bytes()) == (code, before)
        assert "\ngmmaudio classify m.gmm set gone.wav -o out --retry-failed\n" in stopped.err
    assert command(*work, "-o", "out", "--retry-failed").code == 1
    assert Path("out").read_bytes().decode() == command(*work).out
    assert sorted(path.name for path in Path().iterdir()) == ["m.gmm", "out", "out.journal", "set"]


def test_an_input_that_changed_is_computed_again_in_its_place(command, work, corpus):
    command(*work, "--format", "csv", "-o", "out")
    shutil.copy(corpus.root / "high/cy/0.wav", "set/bob/0.wav")
    assert command(*work, "--format", "csv", "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes().decode() == command(*work, "--format", "csv").out
    assert ",high," in Path("out").read_text()


def test_inputs_may_be_added_taken_away_and_named_in_another_order(command, work, corpus):
    words = ("classify", "m.gmm", "--format", "csv")
    command(*words, "set", "-o", "out")
    shutil.copy(corpus.root / "mid/cy/0.wav", "set/ann/1a.wav")
    Path("set/bob/bad.wav").unlink()
    for paths in (["set"], ["set", "set/cy/0.wav", "set"], ["set/cy", "set/ann"], ["set/cy/0.wav"], ["set"]):
        result = command(*words, *paths, "-o", "out", "--resume")
        whole = command(*words, *paths)
        assert (result.code, Path("out").read_bytes().decode()) == (whole.code, whole.out)
    assert "out leaves out 1 input that is in out.journal and not named now\n" in result.err


def test_a_stopped_run_of_many_changes_goes_on(command, work, corpus, monkeypatch):
    command(*work, "--format", "jsonl", "-o", "out")
    shutil.copy(corpus.root / "mid/cy/0.wav", "set/ann/1a.wav")
    shutil.copy(corpus.root / "mid/cy/0.wav", "set/bob/bad.wav")
    for n in (0, 1):
        with monkeypatch.context() as patch:
            stopped_after(patch, n)
            assert command(*work, "--format", "jsonl", "-o", "out", "--resume").code == 130
    assert command(*work, "--format", "jsonl", "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes().decode() == command(*work, "--format", "jsonl").out


def test_sound_on_standard_input_is_known_by_its_content(command, work, good, corpus):
    other = (corpus.root / "high/cy/0.wav").read_bytes()
    words = ("classify", "m.gmm", "-", "-o", "out", "--resume")
    for sound, label in ((good.read_bytes(), "low"), (good.read_bytes(), "low"), (other, "high")):
        assert command(*words, stdin=sound).code == 0
        assert Path("out").read_text().split("\t")[1] == label
    assert len(journal_of("out").read_text().splitlines()) == 2 + 1 + 2 + 1 + 2


def test_names_that_are_no_text_or_hostile_go_on(command, work, good, tmp_path):
    names = [
        os.fsdecode(b"caf\xe9.wav"),
        "a\nb.wav",
        "\x1b[31m.wav",
        "=1+1.wav",
        "e\u0301.wav",
        "\u00e9.wav",
        "it's.wav",
    ]
    Path("odd").mkdir()
    for name in names:
        shutil.copy(good, Path("odd", name))
    words = ("classify", "m.gmm", *[f"odd/{name}" for name in names], "--format", "csv", "-o")
    assert command(*words, "whole").code == 0
    with pytest.MonkeyPatch.context() as patch:
        stopped_after(patch, 5)
        said = command(*words, "out").err.splitlines()
    assert all(c.isprintable() for c in said[-3])
    # the shell gives the words back
    typed = subprocess.run(
        [shutil.which("bash"), "-c", f"printf '%s\\0' {said[-3]}"], capture_output=True, check=True
    ).stdout
    assert command(*[os.fsdecode(word) for word in typed.split(b"\0")[1:-1]]).code == 0
    assert Path("out").read_bytes() == Path("whole").read_bytes()
    assert len(Path("out").read_bytes().splitlines()) == 1 + len(names) + 1


# --- what stops a run from outside -----------------------------------------------------------------------------------


@contextlib.contextmanager
def started(*words, **settings):
    """Run the command, with a pipe as its standard input; it is killed in the end."""
    with subprocess.Popen([*GMMAUDIO, *words], stderr=subprocess.PIPE, stdin=subprocess.PIPE, **settings) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_rows(process, output, n):
    """Wait until an output has some rows."""
    while process.poll() is None and (not Path(output).exists() or Path(output).read_bytes().count(b"\n") < n):
        os.sched_yield()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("n_jobs", "n_rows"), [(1, 3), (2, 20)])
def test_a_signal_leaves_a_run_that_goes_on(command, work, number, n_jobs, n_rows):
    paths = "set\n" * 20
    Path("list").write_text(paths)
    words = ("classify", "m.gmm", "--format", "jsonl", "-j", str(n_jobs), "--cache", "none", "--from-file")
    whole = command(*words, "list").out
    with started(*words, "-", "-o", "out") as process:
        # the end of the list does not come, so that the run cannot be over
        process.stdin.write(paths.encode())
        process.stdin.flush()
        wait_for_rows(process, "out", n_rows)
        process.send_signal(number)
        err = process.communicate()[1].decode()
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    if number != signal.SIGKILL:
        assert "; to go on, with the same standard input:\ngmmaudio classify --resume m.gmm --format jsonl " in err
    assert n_rows <= len(Path("out").read_text().splitlines()) <= 160
    rows = Path("out").read_text().splitlines()
    assert rows == whole.splitlines()[: len(rows)]
    assert command(*words, "list", "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes().decode() == whole


@pytest.mark.parametrize(("n_bytes", "output_format"), [(4500, "csv"), (6000, "jsonl"), (9000, "jsonl")])
def test_a_full_disk_leaves_a_run_that_goes_on(command, work, n_bytes, output_format):
    words = (*work, *["set"] * 6, "--format", output_format)
    whole = command(*words).out

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    with started(*words, "--cache", "none", "-o", "out", preexec_fn=limit) as process:
        err = process.communicate()[1].decode()
    assert process.returncode == 4
    assert err.splitlines()[-1] == "gmmaudio: out.journal: cannot be written (File too large); choose another path"
    assert "; to go on:\ngmmaudio classify --resume m.gmm set gone.wav " in err
    assert 0 < Path("out").stat().st_size < len(whole)
    assert command(*words, "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes().decode() == whole


def test_two_runs_do_not_write_one_output(command, work):
    with contextlib.closing(Journal("out.journal")):
        for more in ("--resume", "--overwrite", "--retry-failed", "-q"):
            second = command(*work, "-o", "out", more)
            assert (second.code, second.out) == (4, "")
            assert "out.journal: another run is writing it; wait for its end, or name another output" in second.err
    assert not Path("out").exists()


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_output_is_never_overwritten_unless_asked_for(command, work):
    command(*work, "-o", "out")
    before = {name: Path(name).read_bytes() for name in ("out", "out.journal")}
    refused = command("classify", "m.gmm", "set/cy", "-o", "out")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "gmmaudio: out: is there already; go on with it (--resume), replace it (--overwrite), or name another\n"
    )
    assert {name: Path(name).read_bytes() for name in before} == before
    assert command("classify", "m.gmm", "set/cy", "-o", "out", "--overwrite").code == 0
    assert len(Path("out").read_text().splitlines()) == 2


@pytest.mark.parametrize("more", [["-j", "0"], ["--prior", "x=1"], ["--trial-seconds", "-1"], ["--min-duration", "-1"]])
def test_a_wrong_word_does_not_cost_an_output(command, work, more):
    command(*work, "-o", "out")
    before = {name: Path(name).read_bytes() for name in ("out", "out.journal")}
    assert command(*work, "-o", "out", "--overwrite", *more).code == 2
    assert {name: Path(name).read_bytes() for name in before} == before
    assert command(*work, "-o", "new", *more).code == 2
    assert list(Path().glob("new*")) == []


def test_a_file_without_a_journal_is_not_gone_on_with(command, work):
    Path("out").write_text("my own words\n")
    refused = command(*work, "-o", "out", "--resume")
    assert refused.code == 2
    assert "out: has no journal (out.journal), so nobody knows what is in it; name another file" in refused.err
    assert command(*work, "-o", "out").code == 2
    assert (Path("out").read_text(), journal_of("out").exists()) == ("my own words\n", False)
    # an empty one holds nothing, as mktemp makes it
    Path("empty").touch()
    assert command(*work, "-o", "empty").code == 1


def test_a_journal_without_its_output_is_not_lost(command, work):
    command(*work, "-o", "out")
    before = Path("out").read_bytes()
    Path("out").unlink()
    refused = command(*work, "-o", "out")
    assert (refused.code, "out.journal: is there already" in refused.err) == (2, True)
    assert command(*work, "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes() == before


def test_resume_may_be_said_from_the_first_time_on(command, work):
    for _ in range(2):
        assert command(*work, "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes().decode() == command(*work).out


@pytest.mark.parametrize("change", [b"0.5", b"", b"x\n"])
def test_an_output_that_somebody_changed_is_kept(command, work, change):
    command(*work, "--format", "csv", "-o", "out")
    data = Path("out").read_bytes()
    for edited in (data + change + b"\n", data[:300] + change + data[301:], change * 9 + b"\n"):
        Path("out").write_bytes(edited)
        refused = command(*work, "--format", "csv", "-o", "out", "--resume")
        assert refused.code == 2
        assert refused.err == (
            "gmmaudio: out: was changed since it was written; keep it under another name, and --resume writes it again "
            "from out.journal\n"
        )
        assert Path("out").read_bytes() == edited
    Path("out").rename("mine")
    assert command(*work, "--format", "csv", "-o", "out", "--resume").code == 1
    assert Path("out").read_bytes() == data


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--top", "2"], "--top was its default and is 2 now; name it as before, or start again (--overwrite)"),
        (["--format", "csv"], "--format was 'text' and is 'csv' now"),
        (["--prior", "low=0.5"], "--prior was its default and is {"),
        (["--trial-seconds", "0"], "--trial-seconds was its default and is 0.0 now"),
        (["--min-duration", "0.1"], "--min-duration was 0.5 and is 0.1 now"),
        (["--shard", "1/2"], "--shard was its default and is '1/2' now"),
    ],
)
def test_other_options_are_refused_with_the_remedy(command, work, more, words):
    command(*work, "-o", "out")
    before = {name: Path(name).read_bytes() for name in ("out", "out.journal")}
    refused = command(*work, "-o", "out", "--resume", *more)
    assert (refused.code, refused.out) == (2, "")
    assert f"gmmaudio: out.journal: {words}" in refused.err
    assert {name: Path(name).read_bytes() for name in before} == before
    # what decides nothing may change
    assert command(*work, "-o", "out", "--resume", "-j", "2", "--cache", "none", "-q").code == 1


def test_another_model_or_version_is_refused(command, work, corpus, monkeypatch):
    command(*work, "-o", "out")
    shutil.copy("m.gmm", "copy.gmm")
    assert command("classify", "copy.gmm", *work[2:], "-o", "out", "--resume").code == 1
    command("train", corpus.plain, "-o", "m2.gmm", "--components", "1")
    refused = command("classify", "m2.gmm", *work[2:], "-o", "out", "--resume")
    assert refused.code == 2
    assert "out.journal: was written with another model (SHA-256 " in refused.err
    monkeypatch.setattr("gmmaudio.cli.resuming.__version__", "9.9")
    refused = command(*work, "-o", "out", "--resume")
    assert (refused.code, "and this is 9.9; use that, or start again (--overwrite)" in refused.err) == (2, True)


@pytest.mark.parametrize("content", [b"garbage\n" * 99, b"\0" * 5000, b"{}\n"])
def test_a_journal_that_is_none_is_refused(command, work, content):
    command(*work, "-o", "out")
    journal_of("out").write_bytes(content)
    refused = command(*work, "-o", "out", "--resume")
    assert refused.code == 2
    assert "out.journal: is no journal, or is damaged; start again (--overwrite)" in refused.err
    assert journal_of("out").read_bytes() == content
    assert command(*work, "-o", "out", "--overwrite").code == 1


def test_damaged_lines_of_a_journal_are_computed_again(command, work):
    command(*work, "-o", "out")
    before = Path("out").read_bytes()
    lines = journal_of("out").read_bytes().splitlines(keepends=True)
    lines[2], lines[4] = lines[2].replace(b"low", b"mid"), b"\xff\n"
    journal_of("out").write_bytes(b"".join(lines))
    result = command(*work, "-o", "out", "--resume")
    assert result.code == 1
    assert "out.journal: 2 lines are damaged; their inputs are computed again\n" in result.err
    assert Path("out").read_bytes() == before


@pytest.mark.parametrize("victim", ["m.gmm", "set/cy/0.wav", "list"])
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_no_output_is_a_file_that_is_read(command, work, victim, link):
    Path("list").write_text("set/bob\n")
    before = Path(victim).read_bytes()
    output = victim
    if link is not None:
        output = "alias"
        link(Path(victim).resolve(), output)
    for more in ([], ["--overwrite"], ["--resume"]):
        result = command("classify", "m.gmm", "set", "--from-file", "list", "-o", output, *more)
        assert (result.code, result.out) == (2, "")
        assert f"-o {output} would overwrite the input {victim}; choose another path" in result.err
    assert Path(victim).read_bytes() == before


def test_no_journal_is_a_file_that_is_read(command, work, good):
    shutil.copy(good, "out.journal")
    result = command("classify", "m.gmm", "out.journal", "-o", "out", "--overwrite")
    assert result.code == 2
    assert "-o out.journal would overwrite the input out.journal" in result.err
    assert Path("out.journal").read_bytes() == good.read_bytes()


@pytest.mark.parametrize("place", ["gone/out", "set", "/dev/stdout", "-", "pipe"])
def test_a_place_that_takes_no_rows_is_4(command, work, place):
    os.mkfifo("pipe")
    result = command(*work, "-o", place)
    assert (result.code, result.out) == (4, "")
    assert command("classify", "m.gmm", "set/cy", "-o", "out", "--resume").code == 0
    journal_of("out").unlink()
    journal_of("out").symlink_to("/dev/null")
    result = command("classify", "m.gmm", "set/cy", "-o", "out", "--overwrite")
    assert (result.code, "out.journal: leads to /dev/null, below /dev" in result.err) == (4, True)


def test_the_file_behind_a_link_is_written_and_its_journal_is_beside_it(command, work):
    Path("real").mkdir()
    Path("out").symlink_to("real/answers")
    assert command(*work, "-o", "out").code == 1
    assert Path("out").is_symlink()
    assert sorted(path.name for path in Path("real").iterdir()) == ["answers", "answers.journal"]
    assert command(*work, "-o", "real/answers", "--resume").code == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume is of an output; name one with -o."),
        (["--overwrite"], "--overwrite is of an output; name one with -o."),
        (["--retry-failed"], "--retry-failed is of an output"),
        (["-o", "x", "--resume", "--overwrite"], "--resume keeps what is done, and --overwrite does not"),
        (["-o", "x", "--retry-failed", "--overwrite"], "--retry-failed keeps what is done, and --overwrite does not"),
        (["--log-every", "1", "-q"], "--log-every has no effect with --quiet."),
        (["--log-every", "0"], "0 is no number of seconds above 0."),
        (["--log-every", "nan"], "nan is no number of seconds above 0."),
        (["--shard", "0/3"], "'0/3' is not I/N, such as 1/4 for the first of four parts."),
        (["--shard", "4/3"], "'4/3' is not I/N"),
        (["--shard", "x"], "'x' is not I/N"),
    ],
)
def test_options_that_do_not_go_together(command, work, words, message):
    result = command(*work, *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


# --- parts and lines -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 12])
def test_shards_have_every_row_once(command, work, n):
    whole = command(*work, "--format", "jsonl").out.splitlines()
    parts = []
    for i in range(1, n + 1):
        result = command(*work, "--format", "jsonl", "--shard", f"{i}/{n}", "-o", f"part{i}")
        parts.append(Path(f"part{i}").read_text().splitlines())
        assert parts[-1] == whole[i - 1 :: n]
        answers = [json.loads(line)["status"] for line in parts[-1]]
        assert result.code == (0 if answers.count("error") == 0 else 1 if "ok" in answers else 3)
        assert command(*work, "--format", "jsonl", "--shard", f"{i}/{n}").out.splitlines() == parts[-1]
    assert sorted(line for part in parts for line in part) == sorted(whole)


def test_a_line_of_progress_comes_as_often_as_asked_for(command, work, monkeypatch):
    plain = command(*work)
    often = command(*work, "--log-every", "0.000001")
    assert often.out == plain.out
    lines = [line for line in often.err.splitlines() if " elapsed, " in line]
    assert len(lines) >= 9
    assert command(*work, "--log-every", "1000").err == plain.err


# --- the plan, without sound -----------------------------------------------------------------------------------------


def fake_run(output, names, *, answers=None, options=None, stop_at=None):
    """Write rows for names, in this process and without sound; return which were computed."""
    options = RunOptions(resume=True) if options is None else options
    files = [Input(name, name, name) for name in names]
    computed = []
    with open_rows(output, options, make_settings("classify", options)) as run:
        todo = list(run.waiting(files))
        run.begin("head\n")
        for file in todo:
            if len(computed) == stop_at:
                raise KeyboardInterrupt
            assert run.next_input() is file
            code = None if answers is None else answers.get(file.shown)
            run.add(f"{file.shown},{code}\n", "error" if code else "ok", code)
            computed.append(file.shown)
        run.finish()
    return SimpleNamespace(computed=computed, n_failed=run.n_failed, n_done=run.n_done)


@pytest.fixture
def context(monkeypatch):
    """A command line, for messages."""
    monkeypatch.setattr("click.get_current_context", lambda: SimpleNamespace(obj=["classify", "x"]))


@pytest.mark.usefixtures("context")
def test_both_files_may_be_cut_anywhere(tmp_path, monkeypatch):
    # no power fails here
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    names = ["a", "b\n", "c", "\udce9"]
    fake_run(tmp_path / "whole", names)
    output, journal = ((tmp_path / f"whole{suffix}").read_bytes() for suffix in ("", ".journal"))
    first = journal.index(b"\n") + 1
    for size in range(first, journal.rindex(b"\n", 0, -1) + 1):
        n_known = journal[:size].count(b"\n") - 2
        for n_bytes in (0, 7, size % len(output), len(output) - 1, len(output)):
            (tmp_path / "out.journal").write_bytes(journal[:size])
            (tmp_path / "out").write_bytes(output[:n_bytes])
            done = fake_run(tmp_path / "out", names)
            assert (tmp_path / "out").read_bytes() == output
            assert done.computed == names[max(0, n_known + 1) :]


def test_the_command_that_goes_on():
    assert command_that_goes_on(["features", "-o", "x", "--", "--overwrite", "--resume"]) == (
        "gmmaudio features --resume -o x -- --overwrite --resume"
    )
    assert command_that_goes_on(["classify", "--resume", "a"]) == "gmmaudio classify --resume a"
    assert command_that_goes_on(["classify", "a", "--retry-failed"]) == "gmmaudio classify a --retry-failed"


def test_rows_that_a_killed_run_had_beside_the_output_are_removed(command, work):
    words = (*work, "--format", "csv", "-o", "out")
    assert command(*words).code == 1
    Path("set/ann/empty.wav").unlink()
    script = (
        "import os, signal, sys\n"
        "from gmmaudio.cli import main\n"
        "from gmmaudio.row_file import RowFile\n"
        "RowFile.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main()\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, *words, "--resume"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(Path().glob(".gmmaudio-*"))) == 1
    assert command(*words, "--resume").code == 1
    assert list(Path().glob(".gmmaudio-*")) == []
