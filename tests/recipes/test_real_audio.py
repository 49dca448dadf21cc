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
    "log_loss": 1.25,
    "intervals": {"accuracy": [0.1, 0.9]},
    "protocol": {"scheme": "4-fold cross-validation by group"},
    "clips": [CLIP, {"unit": "bob"}],
    "slices": {},
}


@pytest.fixture
def commands(monkeypatch, tmp_path):
    """The words of every command that would be run; each writes a report where it is asked for one."""
    words = []

    def run(*each, folder):
        words.append(each)
        assert (folder / "data" / "genre").resolve() == tmp_path / "genre"
        if "--report" in each:
            (folder / each[-1]).write_text("page")

    monkeypatch.setattr(real_audio, "manifest_of", lambda corpus: tmp_path / corpus / "manifest.csv")
    monkeypatch.setattr(real_audio, "run", run)
    monkeypatch.setattr(real_audio, "read_report", lambda path: REPORT)
    monkeypatch.setattr(real_audio, "PAGES", tmp_path / "pages")
    (tmp_path / "pages").mkdir()
    return words


def test_a_row_is_one_command_and_keeps_what_its_report_says(commands):
    model = real_audio.Model("--preset genre", "--learning-curve")
    (row,) = real_audio.measure(real_audio.Suite("genre", "genre", "--folds 4", (model,)), model, jobs=1)
    (words,) = commands
    assert " ".join(words) == (
        "crossval data/genre/manifest.csv --folds 4 --preset genre --learning-curve -j 1 --json report.json"
    )
    assert row["options"] == "--folds 4 --preset genre"
    assert row["accuracy"] == {"value": 0.5, "interval": [0.1, 0.9]}
    assert (row["n"], row["n_groups"], row["n_labels"]) == (2, 2, 2)
    assert (row["log_loss"], row["chosen_on"]) == (1.25, "inner folds of these clips")


def test_where_sources_were_left_out_their_row_comes_first(commands, monkeypatch):
    clips = [{"scores": {"en": 0.0, "fr": 1.0}}, {"scores": {"de": 0.0, "en": 0.0, "fr": 1.0, "it": 0.0}}]
    left_out = {"n": 2, "n_groups": 2, "n_candidates": [2, 4], "scored_labels": ["en"], "sources": ["x", "y"]}
    left_out |= {
        "accuracy": 0.25,
        "balanced_accuracy": 0.125,
        "log_loss": 2.5,
        "intervals": {"accuracy": [0.0, 0.5]},
        "clips": clips,
    }
    report = REPORT | {"sources_left_out": left_out | {"scheme": "one source left out at a time"}}
    monkeypatch.setattr(real_audio, "read_report", lambda path: report)
    model = real_audio.Model("--preset language")
    suite = real_audio.Suite("genre", "language, few speakers", "--folds 5", (model,))
    first, second = real_audio.measure(suite, model, jobs=1)
    assert first["task"] == "a source that was not trained on: 1 labels of 2 known sources"
    assert first["accuracy"] == {"value": 0.25, "interval": [0.0, 0.5]}
    assert (first["log_loss"], second["log_loss"]) == (2.5, 1.25)
    assert (first["chance"], first["fewest_labels"], first["n_labels"]) == ((1 / 2 + 1 / 4) / 2, 2, 4)
    assert (first["options"], second["options"]) == ("--folds 5 --preset language",) * 2
    assert (second["task"], second["accuracy"]["value"]) == ("language, few speakers", 0.5)


def test_two_rows_become_pages_and_every_option_is_one_of_the_command(commands, tmp_path):
    from gmmaudio.cli.crossval import command

    for suite in real_audio.SUITES:
        for model in suite.models:
            real_audio.measure(suite, model, jobs=1)
    assert {path.name for path in (tmp_path / "pages").iterdir()} == {"genre.html", "language.html"}
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for words in commands for word in words if word.startswith("-")} <= known
