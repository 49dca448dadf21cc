"""Inputs that are no regular files, or too large: every command refuses them at once, with a reason."""

import json
import os
import shutil
import socket
import subprocess
from contextlib import chdir

import pytest

from tests.cli.conftest import GMMAUDIO, python
from tests.test_files import sparse

SPARSE_BYTES = 60 * 2**30
# every argument that names a file which is read, and is not sound: {} stands for the file
INPUTS = {
    "info": ("info", "{}"),
    "model of classify": ("classify", "{}", "{good}"),
    "list of classify": ("classify", "{model}", "--from-file", "{}"),
    "model of evaluate": ("evaluate", "{}", "{manifest}"),
    "corpus of evaluate": ("evaluate", "{model}", "{}"),
    "scores of evaluate": ("evaluate", "--scores", "{}"),
    "corpus of train": ("train", "{}", "-o", "{out}"),
    "corpus of crossval": ("crossval", "{}"),
    "first of compare": ("compare", "{}", "{report}"),
    "second of compare": ("compare", "{report}", "{}"),
    "report of reproduce": ("reproduce", "{}"),
    "model of reproduce": ("reproduce", "{evaluated}", "--model", "{}"),
    "table of reproduce": ("reproduce", "{report}", "--corpus", "{}"),
}
# what may come through a pipe that is open already
STREAMS = {"list of classify", "scores of evaluate", "first of compare", "second of compare", "report of reproduce"}
STREAMS |= {"corpus of train", "corpus of crossval", "corpus of evaluate", "table of reproduce"}


@pytest.fixture(scope="module")
def files(tmp_path_factory, corpus, model_file):
    """What is no regular file, and what stands beside it on the command line: name -> path."""
    folder = tmp_path_factory.mktemp("hostile")
    os.mkfifo(folder / "pipe")
    table = folder / "table.csv"
    table.write_text("path,label,predicted\n1.wav,a,a\n2.wav,b,a\n")
    report = folder / "report.json"
    assert python("-m", "gmmaudio", "evaluate", "--scores", table, "--json", report).returncode == 0
    evaluated = json.loads(report.read_text())
    row = {"path": "low/cy/0.wav", "label": "low", "start_s": 0.0, "end_s": None, "sha256": None}
    settings = {"split": None, "trial_s": None, "min_duration_s": 0.5, "group_by": None}
    settings |= {"durations_s": [], "robustness": False}
    evaluated["run"] = {"kind": "evaluate", "root": str(corpus.root), "findings": [], "manifest": [row]}
    evaluated["run"] |= {"options": settings}
    (folder / "evaluated.json").write_text(json.dumps(evaluated))
    with socket.socket(socket.AF_UNIX) as server, chdir(folder):
        server.bind("socket")
        yield {
            "named pipe": folder / "pipe",
            "socket": folder / "socket",
            "device": "/dev/zero",
            "terminal": "/dev/tty",
            "sparse": sparse(folder / "sparse", b"", SPARSE_BYTES),
            "folder": folder,
            "good": corpus.root / "low/cy/0.wav",
            "model": model_file,
            "manifest": corpus.split,
            "report": report,
            "evaluated": folder / "evaluated.json",
            "out": folder / "new.gmm",
        }


@pytest.mark.parametrize("kind", ["named pipe", "socket", "device", "terminal", "sparse", "folder"])
@pytest.mark.parametrize("name", INPUTS)
def test_what_is_no_regular_file_is_refused_at_once(files, command, name, kind):
    if kind == "folder" and name.startswith(("corpus", "table")):
        pytest.skip("a folder is a corpus")
    done = command(*(word.format(files[kind], **files) for word in INPUTS[name]))
    assert done.code == 3, done.err
    words = {"named pipe": "pipe" if name.startswith("model") or name == "info" else kind, "terminal": "device"}
    expected = "holds more than " if kind == "sparse" else f"is a {words.get(kind, kind)}"
    assert f"{files[kind]}: {expected}" in done.err
    assert len(done.err.splitlines()) == 1
    assert not files["out"].exists()


@pytest.mark.parametrize("name", INPUTS)
def test_an_open_pipe_is_read_where_its_content_is_all_that_counts(files, command, name):
    reader, writer = os.pipe()
    os.write(writer, b"neither a table nor JSON nor a path of anything")
    os.close(writer)
    done = command(*(word.format(f"/dev/fd/{reader}", **files) for word in INPUTS[name]))
    os.close(reader)
    assert done.code == 3, done.err
    assert ("is a pipe; name a regular file" in done.err) == (name not in STREAMS)


def test_a_process_substitution_is_a_table(files):
    line = f"{' '.join(GMMAUDIO)} evaluate --scores <(cat {files['folder']}/table.csv)"
    done = subprocess.run([shutil.which("bash"), "-c", line], capture_output=True, check=False)
    assert (done.returncode, b"Accuracy 50.0 %" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(("words", "limit"), [(("-",), "STDIN_AUDIO_BYTES"), (("--from-file", "-"), "LIST_BYTES")])
def test_standard_input_has_a_limit(files, command, monkeypatch, words, limit):
    monkeypatch.setattr(f"gmmaudio.cli.inputs.{limit}", 2_000)
    done = command("classify", files["model"], *words, stdin=bytes(2_001))
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("gmmaudio: standard input: holds more than 2,000 bytes")


def test_no_memory_is_taken_for_what_is_too_large(files):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); from gmmaudio.cli import main; "
        "main(sys.argv[1:])"
    )
    for name in ("info", "list of classify", "scores of evaluate", "report of reproduce"):
        done = python("-c", code, *(word.format(files["sparse"], **files) for word in INPUTS[name]))
        assert (done.returncode, b"holds more than" in done.stderr) == (3, True), done.stderr
