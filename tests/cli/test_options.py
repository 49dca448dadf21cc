"""The options of the commands: what each changes, and the old names that are still accepted."""

import json

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


@pytest.mark.parametrize("name", ["codec", "band", "noise", "gain"])
def test_the_command_augments(command, corpus, tmp_path, name):
    words = ("crossval", corpus.plain, "--folds", "3", "--durations", "none", "--components", "2", "--json", "-")
    plain, copied = (json.loads(command(*words, *more).out) for more in ((), ("--augment", name)))
    assert [c["scores"] for c in plain["clips"]] != [c["scores"] for c in copied["clips"]]


def test_the_command_takes_a_kind_tunes_and_says_what_it_chose(command, corpus, tmp_path):
    said = command("train", corpus.plain, "-o", tmp_path / "b.gmm", "--kind", "blocks")
    assert said.code == 0, said.err
    assert "blocks" in command("info", tmp_path / "b.gmm").out
    said = command("train", corpus.plain, "-o", tmp_path / "t.gmm", "--kind", "blocks", "--tune")
    assert said.code == 0, said.err
    assert "balanced accuracy on inner folds, best first:" in said.err
    assert "chosen: the first; best balanced accuracy, " in said.err
    told = json.loads(command("info", tmp_path / "t.gmm", "--json").out)
    assert {row["kind"] for row in told["training"]["tuning"]["table"]} == {"blocks"}
    assert told["calibration"]["n"] == 18


@pytest.mark.parametrize(("given", "n_groups"), [((), 9), (("--group-by", "singer"), 3), (("--group-by", "none"), 18)])
def test_a_model_is_calibrated_by_the_groups_that_are_asked_for(command, corpus, tmp_path, given, n_groups):
    said = command("train", corpus.plain, *given, "--components", "2", "-o", tmp_path / "m.gmm")
    assert said.code == 0
    assert json.loads(command("info", tmp_path / "m.gmm", "--json").out)["calibration"]["n_groups"] == n_groups
    assert ("as if every file were of another artist or speaker" in said.err) == (n_groups == 18)
