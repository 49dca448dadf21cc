"""The table on recorded audio: which commands it runs, and what a row keeps of their reports."""

import pytest

from recipes import real_audio

CLIP = {"unit": "ann"}
REPORT = {
    "n": 2,
    "labels": ["jazz", "rock"],
    "failed": [],
    "accuracy": 0.5,
    "balanced_accuracy": 0.5,
    "intervals": {"accuracy": [0.1, 0.9]},
    "protocol": {"scheme": "4-fold cross-validation by group"},
    "clips": [CLIP, {"unit": "bob"}],
    "slices": {},
}


@pytest.fixture
def ran(monkeypatch):
    """The words of every command that would be run."""
    words = []
    monkeypatch.setattr(real_audio, "manifest_of", lambda corpus: f"{corpus}/manifest.csv")
    monkeypatch.setattr(real_audio, "run", lambda *each, show: words.append(each))
    monkeypatch.setattr(real_audio, "read_report", lambda path: REPORT)
    return words


def test_a_row_is_one_command_and_keeps_what_its_report_says(ran):
    more = (("--preset genre", "--learning-curve"),)
    suite = real_audio.Suite("genre", "genre", "--folds 4", ("--preset genre",), more)
    row = real_audio.measure(suite, "--preset genre", jobs=1)
    (words,) = ran
    assert words[:-1] == (
        *("crossval", "genre/manifest.csv", "--folds", "4", "--preset", "genre", "--learning-curve"),
        *("-j", "1", "--json"),
    )
    assert row["options"] == "--folds 4 --preset genre"
    assert row["accuracy"] == {"value": 0.5, "interval": [0.1, 0.9]}
    assert (row["n"], row["n_groups"], row["n_labels"]) == (2, 2, 2)


def test_every_option_of_the_suites_is_one_of_the_command(ran):
    from gmmaudio.cli.crossval import command

    for suite in real_audio.SUITES:
        for model in suite.models:
            real_audio.measure(suite, model, jobs=1)
    known = {name for parameter in command.params for name in parameter.opts}
    used = {word for words in ran for word in words if str(word).startswith("-")}
    assert used <= known
