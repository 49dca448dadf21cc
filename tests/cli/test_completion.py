"""Completion by the shell, the versions, and the nearest name in messages."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest

from gmmaudio.cli import COMMANDS

SHELLS = ("bash", "zsh", "fish")


def completed(line, shell="bash", cwd=None):
    """Return what is offered for the last word of a line, as the script of a shell asks for it."""
    words = line.split(" ")
    # fish gives the word that is being completed itself, the others its index
    last = words[-1] if shell == "fish" else str(len(words) - 1)
    asked = {"COMP_WORDS": line, "COMP_CWORD": last, "_GMMAUDIO_COMPLETE": f"{shell}_complete"}
    code = "from gmmaudio.cli import main; import sys; main(); "
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.stderr == ""
    return done.stdout


def test_commands_are_offered_with_their_lines():
    assert completed("gmmaudio cl").splitlines() == ["plain,classify"]
    assert completed("gmmaudio ").splitlines() == [f"plain,{name}" for name in COMMANDS]
    assert f"classify\n{COMMANDS['classify']}\n" in completed("gmmaudio cl", "zsh")
    assert f"plain,classify\t{COMMANDS['classify']}" in completed("gmmaudio cl", "fish").replace("\n", "\t")
    assert completed("gmmaudio mixture as").splitlines() == ["plain,assign"]


def test_options_and_choices_are_offered_and_files_are_left_to_the_shell(tmp_path):
    assert "plain,--format" in completed("gmmaudio classify --f").splitlines()
    assert completed("gmmaudio classify --format j").splitlines() == ["plain,jsonl", "plain,json"]
    assert completed("gmmaudio classify mo").splitlines() == ["file,mo"]
    assert completed("gmmaudio classify m.gmm so").splitlines() == ["file,so"]
    assert completed("gmmaudio classify -o an").splitlines() == ["file,an"]
    # labels are in the model, which is not read for a key
    assert completed("gmmaudio classify m.gmm --prior ja").strip() == ""
    # a broken file of settings does not matter here
    (tmp_path / "gmmaudio.toml").write_text("[")
    assert completed("gmmaudio cl", cwd=tmp_path).splitlines() == ["plain,classify"]


def test_completion_imports_no_command_and_nothing_numeric():
    asked = {"COMP_WORDS": "gmmaudio ", "COMP_CWORD": "1", "_GMMAUDIO_COMPLETE": "bash_complete"}
    code = (
        "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "from gmmaudio.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    modules = set(done.stderr.split())
    assert modules & {"numpy", "soundfile", "rich", "gmmaudio.cli.classify", "gmmaudio.cli.options"} == set()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell):
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("click asks bash for its version")
    code = "from gmmaudio.cli import main; main()"
    asked = {**os.environ, "_GMMAUDIO_COMPLETE": f"{shell}_source"}
    done = subprocess.run([sys.executable, "-c", code], env=asked, capture_output=True, text=True, check=True)
    assert f"_GMMAUDIO_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes(tmp_path):
    program = tmp_path / "gmmaudio"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gmmaudio "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_GMMAUDIO_COMPLETE=bash_source gmmaudio)"; COMP_WORDS=(gmmaudio cros); COMP_CWORD=1;'
        '_gmmaudio_completion gmmaudio; echo "${COMPREPLY[@]}"'
    )
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    words = [shutil.which("bash"), "-c", script]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "crossval\n"


# --- versions --------------------------------------------------------------------------------------------------------


def test_version_names_the_libraries_that_are_installed(command):
    import soundfile

    lines = command("--version").out.splitlines()
    assert re.fullmatch(r"gmmaudio, version \S+", lines[0])
    assert lines[1].startswith(f"Python {sys.version.split()[0]}, ")
    shown = dict(part.split(" ", 1) for part in lines[2].split(", "))
    for name in ("numpy", "scipy", "librosa", "soundfile", "scikit-learn", "click"):
        assert shown[name] == version(name)
    # of the library itself, which soundfile brings
    assert shown.get("libsndfile", soundfile.__libsndfile_version__) == soundfile.__libsndfile_version__
    assert not {"pytest", "ruff", "sphinx"} & set(shown)


def test_version_names_what_is_missing_with_its_extra(command, monkeypatch):
    import importlib.metadata

    def found(name):
        if name == "av":
            raise importlib.metadata.PackageNotFoundError
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", found)
    (line,) = [line for line in command("--version").out.splitlines() if line.startswith("not installed")]
    assert "av (media)" in line


# --- the nearest name ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clasify"], "No such command 'clasify'. Did you mean 'classify'?"),
        (["Train"], "No such command 'Train'. Did you mean 'train'?"),
        (["mixture", "asign"], "No such command 'asign'. Did you mean 'assign'?"),
        (["classify", "m", "--formt", "csv"], "--format"),
        (["train", "x", "-o", "m", "--preset", "gener"], "Did you mean 'genre'?"),
        (["train", "x", "-o", "m", "--kind", "supervektor"], "Did you mean 'supervector'?"),
        (["mixture", "fit", "x.csv", "-o", "m", "--covariance", "ful"], "Did you mean 'full'?"),
        (["explain", "m", "x", "--format", "jsn"], "Did you mean 'json'?"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(command, words, message):
    result = command(*words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_name_that_is_near_to_none_gets_no_suggestion(command):
    assert "Did you mean" not in command("xyzzy").err


def test_labels_and_columns_are_suggested(command, model_file, corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = corpus.root / corpus.rows[0]["path"]
    assert "Did you mean 'high'?" in command("classify", model_file, path, "--prior", "hihg=0.5").err
    result = command("train", corpus.split, "-o", "m.gmm", "--group-by", "singr")
    assert (result.code, "Did you mean 'singer'?" in result.err) == (3, True)
    (tmp_path / "t.csv").write_text("a,b,town\n1,2,x\n3,4,y\n5,6,x\n")
    result = command("mixture", "fit", "t.csv", "-o", "m.safetensors", "--group-by", "twon")
    assert "Did you mean 'town'?" in result.err
