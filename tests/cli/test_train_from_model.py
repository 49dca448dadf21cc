"""``gmmaudio train`` with --add and --from-model: what it trains, says and refuses."""

import pytest

from gmmaudio.models import load_model
from gmmaudio.pipeline.retraining import recipe_of
from tests.cli.conftest import tensors_of

pytestmark = pytest.mark.usefixtures("few_draws")


def train(command, *words):
    return command("train", *words, "--cache", "none", "-q")


def test_the_settings_are_those_of_the_model_and_the_change_is_said(command, corpus, model_file, tmp_path):
    done = train(command, corpus.plain, "--from-model", model_file, "-o", tmp_path / "new.gmm")
    assert (done.code, done.out) == (0, "")
    lines = done.err.splitlines()
    at = lines.index(
        "OLD was trained on 12 of these clips with the same label, and on 0 with another one; 6 are new to it"
    )
    assert lines[at + 1] == "5 folds, groups kept whole: A is trained on what OLD was trained on, B on all clips"
    kept = next(line for line in lines if line.startswith("clips that OLD was trained on: "))
    assert kept.endswith("12 held out, 6 groups: A 100.0 %, B 100.0 %; 0 became right, 0 wrong")
    assert lines[lines.index(kept) + 1].startswith("  A and B are equally accurate (95 % interval ")
    assert any(line.startswith("new clips and new labels: 6 held out, 3 groups: ") for line in lines)
    assert "favours B" in done.err
    assert lines[-1] == f"wrote {tmp_path / 'new.gmm'}: 3 labels from 18 clips"
    assert recipe_of(load_model(tmp_path / "new.gmm")) == recipe_of(load_model(model_file))


def test_without_the_comparison_the_model_is_the_same(command, corpus, model_file, tmp_path):
    words = ("--from-model", model_file, "-o")
    assert train(command, corpus.plain, *words, tmp_path / "a.gmm").code == 0
    done = train(command, corpus.plain, *words, tmp_path / "b.gmm", "--no-comparison")
    assert done.code == 0
    assert "OLD" not in done.err
    assert (tmp_path / "a.gmm").read_bytes() == (tmp_path / "b.gmm").read_bytes()
    plain = train(command, corpus.plain, "--components", "4", "-o", tmp_path / "c.gmm")
    assert plain.code == 0
    assert tensors_of(tmp_path / "c.gmm") == tensors_of(tmp_path / "a.gmm")


def test_added_clips_are_those_of_one_manifest_with_both(command, corpus, tmp_path, tools):
    rows = [{name: row[name] for name in ("path", "label", "group")} for row in corpus.rows]
    rows = [row | {"path": corpus.root / row["path"]} for row in rows]
    first, more = rows[:-4], rows[-4:]
    corrected = more[0] | {"path": first[0]["path"], "label": "mid"}
    tools.write_manifest(tmp_path / "one.csv", first)
    tools.write_manifest(tmp_path / "reviewed.csv", [corrected, more[0]])
    tools.write_manifest(tmp_path / "two.csv", more[1:])
    tools.write_manifest(tmp_path / "all.csv", [first[0] | {"label": "mid"}, *first[1:], *more])
    added = ("--add", tmp_path / "reviewed.csv", "--add", tmp_path / "two.csv")
    small = ("--components", "2", "-o")
    assert train(command, tmp_path / "one.csv", *added, *small, tmp_path / "a.gmm").code == 0
    assert train(command, tmp_path / "all.csv", *small, tmp_path / "b.gmm").code == 0
    assert (tmp_path / "a.gmm").read_bytes() == (tmp_path / "b.gmm").read_bytes()
    # crossval has no such options, and is not named as the next step
    loud = command("train", tmp_path / "one.csv", *added, *small, tmp_path / "a.gmm")
    assert loud.err.splitlines()[-1].startswith("to label new recordings: gmmaudio classify ")
    # the clips that are added are inputs too
    done = train(command, tmp_path / "one.csv", *added, "--components", "2", "-o", tmp_path / "two.csv")
    assert done.code == 2
    assert "would overwrite the input" in done.err


@pytest.mark.parametrize(("words", "told"), [((), "6 of 18 files"), (("--split", "test"), "12 of 18 files")])
def test_added_clips_of_a_split_that_is_not_trained_on_are_said(command, corpus, tmp_path, words, told):
    done = train(command, corpus.split, "--add", corpus.plain, *words, "--components", "1", "-o", tmp_path / "a.gmm")
    assert done.code == 0
    others = "'train'" if words else "'test'"
    assert f"plain.csv: {told} are in another split of the corpus ({others}), and are not trained on" in done.err
    assert "another split" not in train(command, corpus.plain, "--add", corpus.split, "-o", tmp_path / "a.gmm").err


def test_groups_are_by_the_column_of_the_old_model(command, corpus, tmp_path):
    words = ("--components", "2", "--group-by", "parent", "-o", tmp_path / "old.gmm")
    assert train(command, corpus.plain, *words).code == 0
    new = ("--from-model", tmp_path / "old.gmm", "--no-comparison", "-o", tmp_path / "new.gmm")
    assert train(command, corpus.plain, *new).code == 0
    assert load_model(tmp_path / "new.gmm").training.group_by == "parent"
    assert train(command, corpus.plain, *new, "--group-by", "group").code == 0
    assert load_model(tmp_path / "new.gmm").training.group_by == "group"


@pytest.mark.parametrize(
    "words",
    [
        ("--preset", "genre"),
        ("--kind", "frames"),
        ("--components", "2"),
        ("--covariance", "full"),
        ("--init", "random"),
        ("--min-duration", "1"),
        ("--trial-seconds", "2"),
        ("--augment", "gain"),
        ("--seed", "0"),
        ("--tune",),
    ],
)
def test_settings_that_the_model_has_are_a_usage_error(command, corpus, model_file, tmp_path, words):
    done = train(command, corpus.plain, "--from-model", model_file, "-o", tmp_path / "new.gmm", *words)
    assert done.code == 2
    assert f"{words[0]}: --from-model takes these settings from the model; leave them out." in done.err


def test_settings_of_a_project_give_way_to_those_of_the_model(command, corpus, model_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("gmmaudio.toml").write_text("[train]\ntune = true\nseed = 5\n")
    done = train(command, corpus.plain, "--from-model", model_file, "--no-comparison", "-o", tmp_path / "new.gmm")
    assert done.code == 0, done.err
    assert recipe_of(load_model("new.gmm")) == recipe_of(load_model(model_file))


def test_no_comparison_needs_a_model(command, corpus, tmp_path):
    done = train(command, corpus.plain, "--no-comparison", "-o", tmp_path / "new.gmm")
    assert (done.code, "--no-comparison goes with --from-model." in done.err) == (2, True)


def test_where_nothing_can_be_compared_nothing_is_written(command, corpus, model_file, tmp_path):
    done = train(command, corpus.split, "--from-model", model_file, "-o", tmp_path / "new.gmm")
    assert done.code == 2
    assert (
        "there is nothing to compare; add clips (--add), or train without the comparison (--no-comparison)" in done.err
    )
    assert not (tmp_path / "new.gmm").exists()
    gone = train(command, corpus.plain, "--from-model", tmp_path / "gone.gmm", "-o", tmp_path / "new.gmm")
    assert gone.code == 3
