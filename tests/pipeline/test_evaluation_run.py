"""The trial length of an evaluation, and clips of labels that the model does not have."""

from dataclasses import replace

import pytest

import gmmaudio
from gmmaudio.corpus import Corpus
from gmmaudio.models import OpenSetThreshold

QUICK = {"durations_s": ()}


@pytest.fixture(scope="module")
def clips(corpus):
    return gmmaudio.read_corpus(corpus.split)


@pytest.fixture(scope="module")
def halves(clips):
    """A model trained on trials of half a second: two of each clip."""
    return gmmaudio.train(clips, gmmaudio.make_recipe(n_components=2, trial_s=0.5)).model


def test_evaluate_takes_the_trial_length_that_the_model_was_trained_with(halves, clips):
    report = gmmaudio.evaluate(halves, clips, **QUICK)
    # six test clips of one second
    assert (report.n, report.protocol.trial_s) == (12, 0.5)
    assert report.protocol.scheme == "a trained model on its split 'test', trials of 0.5 s"
    same = gmmaudio.evaluate(halves, clips, trial_s=0.5, **QUICK)
    assert report.to_dict()["clips"] == same.to_dict()["clips"]


def test_a_length_of_zero_takes_clips_as_they_are(halves, clips):
    report = gmmaudio.evaluate(halves, clips, trial_s=0, **QUICK)
    assert (report.n, report.protocol.trial_s) == (6, None)
    assert report.protocol.scheme == "a trained model on its split 'test'"


def test_another_length_wins_over_the_models(halves, clips):
    assert gmmaudio.evaluate(halves, clips, trial_s=1.0, **QUICK).protocol.trial_s == 1.0


def with_threshold(model, threshold):
    """Return a model whose best score must reach a threshold."""
    rule = OpenSetThreshold("score", threshold, 0.05, 0.9, 20, 20, "set by hand")
    return replace(model, open_set=rule)


def relabelled(clips, label):
    """Return a corpus in which the test clips of a label have one that the model does not know."""
    changed = tuple(
        replace(clip, label="choir") if (clip.label, clip.split) == (label, "test") else clip for clip in clips.clips
    )
    return Corpus(clips.root, changed)


def test_clips_of_unknown_labels_are_scored_counted_and_in_no_other_metric(model, clips):
    scores = [max(clip.scores.values()) for clip in gmmaudio.evaluate(model, clips, trial_s=0, **QUICK).clips]
    # half of the clips are below
    rule = with_threshold(model, sorted(scores)[3])
    report = gmmaudio.evaluate(rule, relabelled(clips, "low"), **QUICK)
    assert {clip.label for clip in report.out_of_set} == {"choir"}
    assert (len(report.out_of_set), report.n) == (2, 4)
    values = report.metrics.values
    assert values["coverage"] == sum(not clip.rejected for clip in report.clips) / 4
    assert values["out_of_set_recall"] == sum(clip.rejected for clip in report.out_of_set) / 2
    assert all(clip.rejected == (max(clip.scores.values()) < sorted(scores)[3]) for clip in report.clips)
    (finding,) = [finding for finding in report.findings if finding.code == "open_set_counts"]
    assert "of 2 clips of labels that the model does not have, 'choir'" in finding.text
    assert {row["label"] for row in report.run["manifest"]} == {"choir", "high", "mid"}


def test_without_a_threshold_nothing_is_counted_and_that_is_said(model, clips):
    report = gmmaudio.evaluate(replace(model, open_set=None), clips, **QUICK)
    assert "coverage" not in report.metrics.values
    (finding,) = [finding for finding in report.findings if finding.code.startswith("open_set")]
    assert str(finding) == "no clip is called unknown: the model has no open-set threshold"


def test_a_threshold_that_is_off_calls_nothing_unknown(model, clips):
    report = gmmaudio.evaluate(with_threshold(model, None), clips, **QUICK)
    assert report.metrics.values["coverage"] == 1.0
    (finding,) = [finding for finding in report.findings if finding.code == "open_set_counts"]
    assert finding.text.endswith("; the threshold is set by hand)")


@pytest.mark.parametrize("open_set", [None, True, False])
def test_crossval_learns_a_threshold_in_every_fold_unless_it_is_turned_off(corpus, open_set):
    recipe = gmmaudio.make_recipe(n_components=1)
    report = gmmaudio.crossval(corpus.plain, recipe, folds=3, open_set=open_set, **QUICK)
    assert ("coverage" in report.metrics.values) == (open_set is not False)
    code = "open_set_not_measured" if open_set is False else "open_set_counts"
    assert code in [finding.code for finding in report.findings]


def test_crossval_does_not_fit_a_ubm_for_every_label_left_out_unless_it_is_asked_to(corpus):
    recipe = gmmaudio.make_recipe(kind="supervector", n_components=2)
    plain = gmmaudio.crossval(corpus.plain, recipe, folds=3, **QUICK)
    asked = gmmaudio.crossval(corpus.plain, recipe, folds=3, open_set=True, **QUICK)
    assert "coverage" not in plain.metrics.values
    assert "coverage" in asked.metrics.values
    assert {name: value for name, value in asked.metrics.values.items() if name in plain.metrics.values} == dict(
        plain.metrics.values
    )
