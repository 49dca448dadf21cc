"""Every operation on an output fails in turn: older results stay, exit code 4, one line, and nothing is left."""

import errno
import re
from pathlib import Path

import pytest

from tests.failing_files import failing_files

TABLE = "path,label,predicted\n" + "".join(f"{i}.wav,{'ab'[i % 2]},{'ab'[i % 3 % 2]}\n" for i in range(6))


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path):
    """A folder of outputs with a result in it that the command does not name."""
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "other.txt").write_text("kept")
    return folder


def operations(command, words, out):
    with failing_files([out]) as failing:
        assert command(*words).code == 0
    return failing.operations


def failed(command, words, out, n, error=errno.ENOSPC, *, persists=True):
    with failing_files([out], n, error, persists=persists):
        return command(*words)


def check_all(command, words, out, earlier, step=1):
    """Let every operation of a command fail, or every ``step``-th, over what an earlier one has written."""
    assert command(*earlier).code == 0
    old = tree(out)
    kinds = operations(command, words, out)
    new = tree(out)
    assert set(old) == set(new)
    assert {"open", "write", "fsync", "rename"} <= set(kinds)
    for n, kind in list(enumerate(kinds))[::step]:
        for name, content in old.items():
            (out / name).write_bytes(content)
        done = failed(command, words, out, n, (errno.ENOSPC, errno.EIO, errno.EACCES)[n % 3], persists=n % 3 == 0)
        now = tree(out)
        if done.code == 0:
            assert kind in ("unlink", "open"), n
            assert now != old
        else:
            assert (done.code, now) == (4, old), (n, kind)
            assert re.fullmatch(r"(?:warning: .*\n)*gmmaudio: .*cannot be .*\n", done.err), (n, done.err)


def test_a_report_whose_files_cannot_be_written_leaves_all_older_ones(command, out, tmp_path, few_draws):
    (tmp_path / "old.csv").write_text(TABLE)
    (tmp_path / "new.csv").write_text(TABLE.replace("a\n", "b\n"))
    more = ("--json", out / "r.json", "--report", out / "r.html", "--csv", out / "tables")
    earlier, words = (("evaluate", "--scores", tmp_path / f"{name}.csv", *more) for name in ("old", "new"))
    # a step that has no factor in common with the operations of a file reaches all of them
    check_all(command, words, out, earlier, step=5)


def test_a_model_that_cannot_be_written_leaves_the_older_one(command, out, corpus):
    words = ("train", corpus.split, "--components", "1", "-q", "--cache", "none", "-o", out / "m.gmm")
    check_all(command, words, out, (*words, "--seed", "1"))


def test_answers_that_cannot_be_written_go_on_to_the_same_bytes(command, out, model_file, corpus):
    words = ("classify", model_file, corpus.root / "low/cy", "--cache", "none", "-q", "-o", out / "answers.txt")
    kinds = operations(command, words, out)
    whole = (out / "answers.txt").read_bytes()
    assert kinds.count("write") > 4
    for n in range(len(kinds)):
        for name in ("answers.txt", "answers.txt.journal"):
            (out / name).unlink(missing_ok=True)
        done = failed(command, words, out, n, persists=n % 2 == 0)
        assert done.code in (0, 4), n
        assert "Traceback" not in done.err
        assert command(*words, "--resume").code == 0
        assert (out / "answers.txt").read_bytes() == whole, n


def test_a_cache_that_cannot_be_written_changes_no_answer(command, out, model_file, good):
    words = ("classify", model_file, good, "--cache", out / "cache")
    expected = command("classify", model_file, good, "--cache", "none").out
    for n in range(0, len(operations(command, words, out)), 3):
        for path in (out / "cache").rglob("*.safetensors"):
            path.unlink()
        done = failed(command, words, out, n)
        assert (done.code, done.out) == (0, expected), n


def test_the_counts_are_those_of_what_happens(tmp_path):
    with failing_files([tmp_path]) as failing:
        with (tmp_path / "a").open("w") as handle:
            handle.write("x")
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "b").unlink()
        with Path("/dev/null").open("w") as handle:
            handle.write("not counted")
    assert failing.operations == ["open", "write", "rename", "unlink"]
    with failing_files([tmp_path], 1, errno.ENOSPC, persists=True), pytest.raises(OSError, match="No space left"):
        (tmp_path / "a").write_text("x")
    assert (tmp_path / "a").read_text() == ""
