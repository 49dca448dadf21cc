"""The command ``evaluate``."""

import json
import shutil

import pytest

from tests.cli.conftest import UNKNOWN_GROUPS, json_of, lines_of_json, warnings_of

pytestmark = pytest.mark.usefixtures("few_draws")


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


def test_evaluate_scores_the_test_split(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.split, "--json", "-"))
    assert (report["n"], report["accuracy"], report["balanced_accuracy"]) == (6, 1.0, 1.0)
    assert report["labels"] == ["high", "low", "mid"]
    assert report["confusion"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    row = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "n": 2, "n_groups": 1, "eer": 0.0, "min_dcf": 0.0}
    row |= {"n_training_groups": 2}
    assert report["per_label"]["mid"] == row
    # all right in three groups: what three coins can say
    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        assert report["intervals"][name] == pytest.approx([0.025 ** (1 / 3), 1.0])
    assert warnings_of(report) == [
        (
            "one_group",
            "one group only for 'high', 'low', 'mid': the model or the metric may be about that one artist or speaker",
        )
    ]
    assert report["failed"] == []
    assert [clip["path"] for clip in report["clips"]] == [row["path"] for row in corpus.rows if row["split"] == "test"]


def test_json_of_evaluate_has_these_fields(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.split, "--json", "-"))
    assert set(report) >= {
        "accuracy", "balanced_accuracy", "n", "labels", "confusion", "per_label", "intervals", "protocol", "findings",
        "clips", "failed",
    }  # fmt: skip
    assert set(report["protocol"]) >= {"scheme", "group_by", "seed", "folds", "scored_labels", "unscored_labels"}
    clip = report["clips"][0]
    assert set(clip) >= {"path", "label", "group", "source", "fold", "predicted", "scores", "probability"}
    assert (clip["label"], clip["group"], clip["source"], clip["predicted"]) == ("low", "low-cy", "field", "low")
    assert clip["predicted"] == max(clip["scores"], key=clip["scores"].get)
    assert clip["predicted"] == max(clip["probability"], key=clip["probability"].get)
    assert report["protocol"]["command"].startswith("gmmaudio evaluate ")


def test_evaluate_says_the_same_as_classify(command, model_file, corpus):
    evaluated = json_of(command("evaluate", model_file, corpus.root, "--json", "-"))["clips"]
    classified = lines_of_json(command("classify", model_file, corpus.root, "--format", "jsonl"))
    assert {str(corpus.root / clip["path"]): clip["scores"] for clip in evaluated} == {
        line["path"]: line["scores"] for line in classified
    }


def test_evaluate_shows_headline_and_tables_on_stdout(command, model_file, corpus):
    result = command("evaluate", model_file, corpus.split)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == (
        "Accuracy 100.0 % (95 % interval 29.2 to 100.0 %), balanced 100.0 %, 6 clips, 3 labels, "
        "a trained model on its split 'test'"
    )
    assert "Confusion" in result.out
    assert "\x1b" not in result.out


def test_clips_and_groups_that_were_trained_on_are_told(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.split, "--split", "train", "--json", "-"))
    assert warnings_of(report) == [
        ("trained_on", "12 of 12 clips were trained on: their metrics measure memory"),
        (
            "group_trained_on",
            "6 groups were trained on too ('high-ann', 'high-bob', 'low-ann' and 3 more): this metric may be "
            "optimistic",
        ),
    ]


def test_a_clip_that_was_trained_on_is_known_by_its_sound_under_another_name(command, model_file, corpus, tmp_path):
    for label in ("low", "mid"):
        (tmp_path / "c" / label).mkdir(parents=True)
        shutil.copy(corpus.root / label / "cy" / "0.wav", tmp_path / "c" / label / "new.wav")
    shutil.copy(corpus.root / "low" / "ann" / "1.flac", tmp_path / "c" / "low" / "renamed.flac")
    result = command("evaluate", model_file, tmp_path / "c")
    alarms = [line for line in result.out.splitlines() if line.startswith("alarm: ")]
    assert alarms[0].startswith("alarm: 1 of 3 clips were trained on: ")
    assert alarms[0].endswith("; evaluate on other clips (--split)")


def test_groups_that_are_not_known_are_told(command, model_file, corpus):
    report = json_of(command("evaluate", model_file, corpus.root, "--json", "-"))
    assert "groups_unknown" in {finding["code"] for finding in report["findings"]}
    assert {clip["group"] for clip in report["clips"]} == {None}
    assert f"alarm: {UNKNOWN_GROUPS}" in command("evaluate", model_file, corpus.root).out.splitlines()


def test_evaluate_counts_bad_files_outside_accuracy(command, model_file, absolute, spoiled, tmp_path):
    manifest, codes = spoiled
    before = json_of(command("evaluate", model_file, absolute, "--split", "train", "--json", "-"))
    manifest.write_text(manifest.read_text().replace(",,", ",train,"))
    result = command("evaluate", model_file, manifest, "--split", "train", "--json", tmp_path / "r.json")
    assert result.code == 1
    report = json.loads((tmp_path / "r.json").read_text())
    assert {(item["path"], item["code"]) for item in report["failed"]} == set(codes.items())
    assert all(item["message"] for item in report["failed"])
    assert result.out.splitlines()[0].endswith(f"; {len(codes)} inputs failed")
    for code in codes.values():
        assert f"skipped [{code}] " in result.err
    for name in ("accuracy", "n", "confusion", "clips", "intervals", "findings"):
        assert report[name] == before[name], name


def test_evaluate_with_nothing_but_bad_files_is_3(command, model_file, tmp_path, tools):
    gone = tools.write_manifest(tmp_path / "gone.csv", [{"path": "0.wav", "label": "low"}])
    result = command("evaluate", model_file, gone, "--json", tmp_path / "r.json")
    assert (result.code, result.out) == (3, "")
    assert result.err == "gmmaudio: all 1 clips failed; first: 0.wav: is not there; check the path\n"
    assert not (tmp_path / "r.json").exists()


def test_labels_that_the_model_does_not_know_are_listed(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "polka")
    report = json_of(command("evaluate", model_file, tmp_path / "c", "--json", "-"))
    assert report["protocol"]["unscored_labels"] == ["polka"]
    assert report["protocol"]["scored_labels"] == ["low"]
    assert report["n"] == 6


def test_a_corpus_without_a_label_of_the_model_is_3(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "polka")
    result = command("evaluate", model_file, tmp_path / "c")
    assert result.code == 3
    assert result.err == (
        "gmmaudio: the corpus's labels are polka and the model's high, low, mid: none in common; "
        "rename the folders, or train on this corpus\n"
    )


def test_a_split_that_is_not_there_is_3(command, model_file, corpus):
    result = command("evaluate", model_file, corpus.split, "--split", "dev")
    assert result.code == 3
    assert result.err == "gmmaudio: no clip has split 'dev'; the corpus has test, train (--split)\n"


def test_labels_not_scored_are_listed_on_the_console(command, corpus, model_file, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "polka")
    result = command("evaluate", model_file, tmp_path / "c")
    assert "polka" in result.out + result.err
