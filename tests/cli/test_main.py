"""The ``gmmaudio`` command itself: usage, exit codes and streams."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gmmaudio import __version__
from gmmaudio.cli import COMMANDS
from tests.cli.conftest import python

pytestmark = pytest.mark.usefixtures("few_draws")

GMMAUDIO = (sys.executable, "-m", "gmmaudio")


@pytest.mark.parametrize(
    "words", [["info"], ["classify", "--format", "jsonl"], ["evaluate", "--durations", "none"], ["info", "--json"]]
)
def test_a_reader_that_closes_stdout_early_is_141_and_nothing_is_said(corpus, model_file, words):
    verb, *more = words
    inputs = {"info": [], "classify": [corpus.root / "low"], "evaluate": [corpus.split]}[verb]
    with subprocess.Popen(
        [*GMMAUDIO, verb, model_file, *inputs, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


@pytest.mark.parametrize(
    ("words", "closed"),
    [
        (["--help"], "stdout"),
        (["--version"], "stdout"),
        (["crossval", "--help"], "stdout"),
        (["nosuch"], "stderr"),
        (["info"], "stderr"),
        ([], "stderr"),
        (["info", "no_such_model.gmm"], "stderr"),
        (["classify", "no_such_model.gmm", "x.wav"], "stderr"),
    ],
)
def test_help_and_errors_whose_reader_is_gone_are_141_too(words, closed, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {closed: writer}
    result = subprocess.run([*GMMAUDIO, *words], **streams, cwd=tmp_path, check=False)
    os.close(writer)
    assert (result.returncode, result.stdout or b"", result.stderr or b"") == (141, b"", b"")


def test_a_reader_that_takes_one_line_of_many_ends_the_run_with_141(corpus, model_file):
    words = ["classify", model_file, *[corpus.root / "low" / "ann" / "0.wav"] * 4, "--format", "csv"]
    with subprocess.Popen([*GMMAUDIO, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as process:
        # the header alone fits in no buffer that waits for more
        assert process.stdout.read(5) == b"path,"
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, b"")


HEAVY = ("librosa", "scipy", "sklearn", "soundfile", "cloudpickle", "numpy")


def test_help_of_all_commands_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from gmmaudio.cli import COMMANDS, main\n"
        "for words in [[]] + [[name] for name in COMMANDS]:\n"
        "    try: main([*words, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        f"print('loaded:', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    result = python("-c", script)
    assert result.stderr == b""
    assert result.stdout.splitlines()[-1] == b"loaded: []"


def test_help_is_what_python_m_says():
    result = python("-m", "gmmaudio", "--help")
    assert (result.returncode, result.stderr) == (0, b"")
    for name in COMMANDS:
        assert f"  {name} " in result.stdout.decode()
    assert "Exit codes: 0 done; 1 done, but some inputs failed; 2 usage; 3 nothing" in result.stdout.decode()


def test_version(command):
    result = command("--version")
    assert result.code == 0
    assert __version__ in result.out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["--nosuch"], "No such option"),
        (["train"], "Missing argument 'CORPUS'"),
        (["train", "x"], "Missing option '-o'"),
        (["train", "x", "-o", "m", "--preset", "speech"], "'speech' is not one of 'genre', 'language'"),
        (["train", "x", "-o", "m", "--covariance", "round"], "'round' is not one of 'diag', 'full'"),
        (["train", "x", "-o", "m", "--init", "magic"], "'magic' is not one of"),
        (["train", "x", "-o", "m", "--seed", "one"], "'one' is not a valid integer"),
        (["train", "x", "-o", "m", "--seed", "-1"], "--seed is -1; expected 0 or more"),
        (["train", "x", "-o", "m", "-j", "two"], "'two' is not a valid integer"),
        (["classify"], "Missing argument 'MODEL'"),
        (["evaluate", "m"], "Name a MODEL and a CORPUS, or a table of predictions with --scores."),
        (["crossval", "x", "--folds", "five"], "'five' is neither a number nor loo"),
        (["crossval", "x", "--folds", "-3"], "'-3' is neither a number nor loo"),
        (["crossval", "x", "--folds", "2.5"], "'2.5' is neither a number nor loo"),
        (["crossval", "x", "--repeats", "many"], "'many' is not a valid integer"),
        (["features", "x"], "Missing option '-o'"),
        (["features", "-o", "x"], "Missing argument 'PATH...'"),
        (["info"], "Missing argument 'MODEL'"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(command, monkeypatch, tmp_path, words, complaint):
    monkeypatch.chdir(tmp_path)
    result = command(*words)
    assert result.code == 2
    assert result.out == ""
    assert complaint in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["train", "", "-o", "m"],
        ["train", "x", "-o", ""],
        ["classify", "m", ""],
        ["classify", "m", "x", "--from-file", ""],
        ["features", "x", "", "-o", "y"],
        ["evaluate", "m", ""],
        ["evaluate", "--scores", ""],
        ["crossval", "x", "--csv", ""],
        ["compare", "", "x"],
        ["reproduce", "x", "--corpus", ""],
        ["info", ""],
    ],
)
def test_an_empty_path_is_usage_rather_than_the_current_folder(command, monkeypatch, tmp_path, words):
    monkeypatch.chdir(tmp_path)
    result = command(*words)
    assert (result.code, result.out) == (2, "")
    assert "the path is empty; name a file or a folder" in result.err
    assert list(tmp_path.iterdir()) == []


def test_no_words_at_all_show_the_help(command):
    result = command()
    assert result.code == 2
    assert "Commands:" in result.out + result.err


def test_main_tells_the_words_it_was_given(model_file, corpus, tmp_path, monkeypatch):
    from gmmaudio.cli import main

    monkeypatch.setattr(sys, "argv", ["pytest"])
    with pytest.raises(SystemExit):
        main(["evaluate", str(model_file), str(corpus.split), "--json", str(tmp_path / "r")])
    assert json.loads((tmp_path / "r").read_text())["protocol"]["command"].startswith("gmmaudio evaluate")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "{0}/missing: is not there; expected a folder with a sub-folder for each class, or a manifest"),
        ("empty", "{0}/empty: no audio in any sub-folder; expected one folder for each class, "
         "such as empty/jazz/01.wav"),
        ("empty.csv", "{0}/empty.csv: has columns none; a manifest needs 'path' and 'label' "
         "(and may have group, source, split, start, end)"),
        ("header.csv", "{0}/header.csv: has a header and no rows; add one row for each clip"),
        ("sound.csv", "{0}/sound.csv: is not a UTF-8 text; save the manifest as CSV in UTF-8"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["train", "evaluate", "crossval"])
def test_a_corpus_that_is_none_is_3(command, good, model_file, tmp_path, verb, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "header.csv").write_text("path,label\n")
    shutil.copy(good, tmp_path / "sound.csv")
    before = sorted(tmp_path.iterdir())
    words = {"train": ["-o", tmp_path / "m.gmm"], "evaluate": [], "crossval": []}[verb]
    result = command(verb, *([model_file] if verb == "evaluate" else []), tmp_path / name, *words)
    assert (result.code, result.out) == (3, "")
    assert result.err == f"gmmaudio: {message.format(tmp_path)}\n"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("verb", ["classify", "evaluate", "info"])
def test_an_unusable_model_is_3(command, good, corpus, tmp_path, verb):
    more = {"classify": [good], "evaluate": [corpus.split], "info": []}[verb]
    result = command(verb, good, *more)
    assert (result.code, result.out) == (3, "")
    assert result.err == f"gmmaudio: {good}: is not a model file; expected one made by gmmaudio train\n"
    result = command(verb, tmp_path / "missing", *more)
    assert result.code == 3
    assert "cannot be read (No such file or directory); expected a model made by train" in result.err


def test_a_fifo_is_no_model(model_file, tmp_path):
    os.mkfifo(tmp_path / "f")
    result = subprocess.run([*GMMAUDIO, "info", tmp_path / "f"], timeout=20, capture_output=True, check=False)
    assert result.returncode == 3


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "{m}", "{long}"],
        ["train", "{long}", "-o", "m"],
        ["train", "{c}", "-o", "{long}"],
        ["info", "{long}"],
        ["evaluate", "{m}", "{long}"],
        ["features", "{long}", "-o", "d"],
    ],
)
def test_a_name_too_long_for_the_system_is_an_error_of_ours(command, corpus, model_file, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    result = command(*[w.format(m=model_file, long="a" * 300, c=corpus.split) for w in words])
    assert result.code in (3, 4)
    assert "File name too long" in result.err


@pytest.mark.parametrize("verb", ["classify", "features"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf", "4000"])
def test_a_least_duration_outside_its_bounds_is_usage(command, model_file, good, tmp_path, verb, value):
    words = {"classify": [model_file, good], "features": [good, "-o", tmp_path / "d"]}[verb]
    assert command(verb, *words, "--min-duration", value).code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["classify"],
        ["classify", "--format", "csv"],
        ["classify", "--format", "jsonl"],
        ["evaluate"],
        ["evaluate", "--json", "-"],
    ],
)
def test_stdout_on_a_full_disk_is_4(corpus, model_file, good, words):
    more = {"info": [], "classify": [good], "evaluate": [corpus.split]}[words[0]]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*GMMAUDIO, words[0], model_file, *more, *words[1:]],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert b"Traceback" not in result.stderr
    assert result.returncode == 4


@pytest.mark.parametrize("words", [["classify", "--log-every", "0.001"], ["classify", "--shard", "3/2"], ["info"]])
def test_stderr_on_a_full_disk_is_4(model_file, good, tmp_path, words):
    more = {"classify": [model_file, good, "-o", tmp_path / "out"], "info": [tmp_path / "gone"]}[words[0]]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run([*GMMAUDIO, *words, *more], stdout=subprocess.PIPE, stderr=full, check=False)
    assert (result.returncode, result.stdout) == (4, b"")


def test_stdin_or_stdout_that_is_closed_is_no_traceback(model_file, good):
    result = subprocess.run(
        f"{' '.join(GMMAUDIO)} classify {model_file} - <&-", shell=True, capture_output=True, check=False
    )
    assert b"Traceback" not in result.stderr
    result = subprocess.run(
        f"{' '.join(GMMAUDIO)} classify {model_file} {good} >&-", shell=True, capture_output=True, check=False
    )
    assert b"Traceback" not in result.stderr
