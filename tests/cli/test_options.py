"""The options of the commands: what each changes, and the old names that are still accepted."""

import pytest

from gmmaudio.models import load_model

RENAMED = {
    ("train", "--model"): "--kind",
    ("crossval", "--model"): "--kind",
    ("crossval", "--show-inflation"): "--compare-random-split",
    ("crossval", "--stress"): "--robustness",
    ("evaluate", "--stress"): "--robustness",
}


def words_of(verb, corpus, model_file, tmp_path):
    """Return a command line of a sub-command that would do its work."""
    small = ("--components", "2")
    return {
        "train": ("train", corpus.split, "-o", tmp_path / "m.gmm", *small),
        "crossval": ("crossval", corpus.plain, *small, "--folds", "2", "--durations", "none"),
        "evaluate": ("evaluate", model_file, corpus.split, "--durations", "none"),
    }[verb]


@pytest.mark.parametrize(("verb", "old"), RENAMED)
def test_an_old_name_is_accepted_with_one_line_that_names_the_new_one(
    command, corpus, model_file, tmp_path, monkeypatch, verb, old
):
    from gmmaudio.pipeline import analyses

    monkeypatch.setattr(analyses, "DEGRADATIONS", {"noise 20 dB": analyses.DEGRADATIONS["noise 20 dB"]})
    new = RENAMED[verb, old]
    words = words_of(verb, corpus, model_file, tmp_path)
    value = ["frames"] if old == "--model" else []
    before, after = command(*words, old, *value), command(*words, new, *value)
    assert (before.code, before.out) == (0, after.out)
    line = f"deprecated: {old} is now {new}; the old name will be removed in the next release\n"
    assert before.err == line + after.err
    assert before.err.count("deprecated") == 1


def test_an_old_name_sets_what_the_new_one_sets(command, corpus, tmp_path):
    words = ("train", corpus.split, "-o", tmp_path / "m.gmm", "--preset", "genre")
    assert command(*words, "--model=blocks").code == 0
    assert load_model(tmp_path / "m.gmm").training.kind_settings.kind == "blocks"


@pytest.mark.parametrize(("verb", "old"), RENAMED)
def test_help_shows_the_new_name_only(command, verb, old):
    page = command(verb, "--help").out
    assert RENAMED[verb, old] in page
    assert f"{old} " not in page


def test_both_names_at_once_are_a_usage_error(command, corpus):
    result = command("crossval", corpus.plain, "--kind", "frames", "--model", "blocks")
    assert (result.code, result.out) == (2, "")
    assert "--model is the old name of --kind: name one of them." in result.err


def test_an_old_name_without_its_value_is_a_usage_error(command, corpus):
    result = command("crossval", corpus.plain, "--model")
    assert (result.code, result.out) == (2, "")
    assert "Option '--model' requires an argument." in result.err
    assert "'--kind': 'chords' is not one of" in command("crossval", corpus.plain, "--model", "chords").err
