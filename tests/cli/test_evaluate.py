"""The command ``evaluate``."""

import json

import pytest


@pytest.mark.parametrize(
    ("trained", "words", "trial_s", "n"),
    [
        ("2", [], 2.0, 3),
        ("2", ["--trial-seconds", "1"], 1.0, 6),
        ("2", ["--trial-seconds", "0"], None, 6),
        ("0", [], None, 6),
        ("0", ["--trial-seconds", "2"], 2.0, 3),
    ],
)
def test_trials_have_the_length_of_training_by_default(command, corpus, tmp_path, tools, trained, words, trial_s, n):
    rows = [row | {"path": corpus.root / row["path"], "source": "studio"} for row in corpus.rows]
    manifest, model = tools.write_manifest(tmp_path / "c.csv", rows), tmp_path / "m.gmm"
    assert command("train", manifest, "-o", model, "--components", "2", "--trial-seconds", trained).code == 0
    result = command("evaluate", model, manifest, *words, "--json", tmp_path / "r.json")
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["n"] == n
    assert report["protocol"]["trial_s"] == trial_s
    length = "" if trial_s is None else f", trials of {trial_s:g} s"
    assert report["protocol"]["scheme"] == f"a trained model on its split 'test'{length}"
    assert result.out.splitlines()[0].endswith(report["protocol"]["scheme"])


def test_help_names_the_default_length_of_trials(command):
    page = " ".join(command("evaluate", "--help").out.split())
    assert "0: take clips as they are. [default: the length that the model was trained with]" in page
