"""The command where worker processes die: the file is named with its code, the rest is done, exit code 1."""

import pytest

from gmmaudio.models.kinds import frame_gmm
from tests.cli.conftest import lines_of_json
from tests.crashing import crash_at

DEADLY = "mid/bob/1.flac"
LINE = (
    "skipped [crashed] {}: the worker process died twice, the second time alone (SIGKILL: the system does so "
    "when memory runs out); leave the file out, or convert it with another program\n1 input failed\n"
)


def test_classification_says_the_code_and_goes_on(command, corpus, model_file, monkeypatch):
    crash_at(monkeypatch, DEADLY)
    result = command("classify", model_file, corpus.root / "mid", "--format", "jsonl", "-j", "2")
    assert (result.code, result.err.endswith(LINE.format(corpus.root / DEADLY))) == (1, True)
    lines = lines_of_json(result)
    assert [line["path"] for line in lines] == sorted(map(str, (corpus.root / "mid").rglob("?.*")))
    assert [line.get("code") for line in lines] == [None, None, None, "crashed", None, None]
    assert [line["status"] for line in lines if "code" in line] == ["error"]


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["train", "features", "crossval", "evaluate"])
def test_every_other_verb_names_the_file_too(command, corpus, model_file, tmp_path, monkeypatch, verb):
    monkeypatch.chdir(corpus.root)
    crash_at(monkeypatch, DEADLY)
    words = {
        "train": [corpus.plain, "-o", tmp_path / "m.gmm", "--components", "2"],
        "features": ["low", "mid", "-o", tmp_path / "frames"],
        "crossval": [corpus.plain, "--components", "2", "--folds", "2"],
        "evaluate": [model_file, corpus.plain],
    }[verb]
    result = command(verb, *words, "-j", "2")
    assert result.code == 1
    assert LINE.format(DEADLY) in result.err
    assert (tmp_path / "m.gmm").exists() == (verb == "train")


def test_a_fit_that_kills_its_worker_is_3_and_writes_nothing(command, corpus, tmp_path, monkeypatch):
    crash_at(monkeypatch, 2, owner=frame_gmm, names=("_fit_label",), key=lambda task: task.seed[1])
    result = command("train", corpus.plain, "-o", tmp_path / "m.gmm", "--components", "2", "-j", "2")
    assert (result.code, list(tmp_path.iterdir())) == (3, [])
    assert "gmmaudio: label 'mid': the worker process died twice, the second time alone (SIGKILL" in result.err
    assert "run with fewer worker processes (--jobs) or fewer components (--components)" in result.err
