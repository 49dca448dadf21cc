"""``--memory``: the same files with any bound, and sizes that are refused."""

import pytest

from gmmaudio.models import to_bytes
from gmmaudio.models.file import load_model


def test_train_writes_the_same_model_with_any_bound(command, corpus, tmp_path):
    models = []
    for size in ("1GB", "20 kB", "1"):
        path = tmp_path / f"{size}.gmm"
        words = ("train", corpus.plain, "-o", path, "--components", "2", "--cache", tmp_path / "cache")
        assert command(*words, "--memory", size).code == 0
        models.append(to_bytes(load_model(path)))
    assert models[0] == models[1] == models[2]


@pytest.mark.parametrize("verb", ["crossval", "evaluate"])
def test_a_report_is_made_within_a_bound(verb, command, corpus, model_file, monkeypatch):
    from gmmaudio.trials.spool import Spool

    held = []
    monkeypatch.setattr(Spool, "hold_rows", lambda _self, rows: held.append(len(rows)) or rows)
    words = {
        "crossval": ("crossval", corpus.plain, "--folds", "2", "--components", "1"),
        "evaluate": ("evaluate", model_file, corpus.plain),
    }
    assert command(*words[verb], "--durations", "none", "--cache", "none", "--memory", "1MB").code == 0
    assert len(held) >= 18


@pytest.mark.parametrize("written", ["0", "much", "-1", "5 apples", ""])
def test_a_bound_that_is_no_size_is_refused(written, command, corpus, tmp_path):
    result = command("train", corpus.plain, "-o", tmp_path / "x.gmm", "--memory", written)
    assert result.code == 2
    assert f"{written!r} is no size such as 500MB or 5GB." in " ".join(result.err.split())


def test_a_folder_that_is_full_ends_the_run_with_the_cure(command, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    (tmp_path / "file").write_bytes(b"")
    result = command("train", corpus.plain, "-o", tmp_path / "x.gmm", "--cache", "none", "--memory", "1")
    assert result.code == 4
    assert "or the environment variable TMPDIR), or allow more memory" in " ".join(result.err.split())
    assert not (tmp_path / "x.gmm").exists()
