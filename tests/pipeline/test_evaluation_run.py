"""Evaluation of a model: its trials, open set, protocol and robustness."""

import sys
from dataclasses import replace

import numpy as np
import pytest

import gmmaudio
from gmmaudio import pipeline
from gmmaudio.audio import DEGRADATIONS, DegradationSpec
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError
from gmmaudio.evaluation import ScoredClip
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import OpenSetThreshold, gmm_scorer
from gmmaudio.models.model import Recogniser
from gmmaudio.pipeline import crossvalidation
from gmmaudio.pipeline.crossvalidation import CrossvalOptions
from gmmaudio.pipeline.fold_runs import FoldResult
from tests.pipeline.conftest import QUICK, SMALL, texts_of


def fold_result(open_set, rejected=None):
    """Return the result of a fold with one clip and a threshold."""
    unit = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    recogniser = Recogniser(gmm_scorer(("a", "b"), (unit, unit)), None, open_set)
    clip = ScoredClip("1", ("1",), "a", None, "1", None, "", 0, "a", {"a": 1.0}, rejected=rejected)
    return FoldResult(None, 0, [clip], {}, recogniser, None, None)


def threshold_at(value):
    return OpenSetThreshold("score", value, 0.05, 0.9, 50, 50, "")


@pytest.fixture(scope="module")
def split_clips(corpus):
    """The corpus with its split."""
    return gmmaudio.read_corpus(corpus.split)


@pytest.fixture(scope="module")
def halves(split_clips):
    """A model trained on trials of half a second: two of each clip."""
    return gmmaudio.train(split_clips, gmmaudio.make_recipe(n_components=2, trial_s=0.5)).model


def test_evaluate_takes_the_trial_length_that_the_model_was_trained_with(halves, split_clips):
    report = gmmaudio.evaluate(halves, split_clips, **QUICK)
    # six test clips of one second
    assert (report.n, report.protocol.trial_s) == (12, 0.5)
    assert report.protocol.scheme == "a trained model on its split 'test', trials of 0.5 s"
    same = gmmaudio.evaluate(halves, split_clips, trial_s=0.5, **QUICK)
    assert report.to_dict()["clips"] == same.to_dict()["clips"]


def test_a_length_of_zero_takes_clips_as_they_are(halves, split_clips):
    report = gmmaudio.evaluate(halves, split_clips, trial_s=0, **QUICK)
    assert (report.n, report.protocol.trial_s) == (6, None)
    assert report.protocol.scheme == "a trained model on its split 'test'"


def test_a_length_that_is_passed_overrides_the_length_of_the_model(halves, split_clips):
    assert gmmaudio.evaluate(halves, split_clips, trial_s=1.0, **QUICK).protocol.trial_s == 1.0


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


def test_clips_of_unknown_labels_are_scored_counted_and_in_no_other_metric(model, split_clips):
    scores = [max(clip.scores.values()) for clip in gmmaudio.evaluate(model, split_clips, trial_s=0, **QUICK).clips]
    # half of the clips are below
    rule = with_threshold(model, sorted(scores)[3])
    report = gmmaudio.evaluate(rule, relabelled(split_clips, "low"), **QUICK)
    assert {clip.label for clip in report.out_of_set} == {"choir"}
    assert (len(report.out_of_set), report.n) == (2, 4)
    values = report.metrics.values
    assert values["coverage"] == sum(not clip.rejected for clip in report.clips) / 4
    assert values["out_of_set_recall"] == sum(clip.rejected for clip in report.out_of_set) / 2
    assert all(clip.rejected == (max(clip.scores.values()) < sorted(scores)[3]) for clip in report.clips)
    (finding,) = [finding for finding in report.findings if finding.code == "open_set_counts"]
    assert "of 2 clips of labels that the model does not have, 'choir'" in finding.text
    assert {row["label"] for row in report.run["manifest"]} == {"choir", "high", "mid"}


def test_without_a_threshold_nothing_is_counted_and_there_is_a_finding(model, split_clips):
    report = gmmaudio.evaluate(replace(model, open_set=None), split_clips, **QUICK)
    assert "coverage" not in report.metrics.values
    (finding,) = [finding for finding in report.findings if finding.code.startswith("open_set")]
    assert str(finding) == "no clip is classified as unknown: the model has no open-set threshold"


def test_a_threshold_that_is_off_has_no_metrics(model, split_clips):
    # a coverage of 100 % and a recall of 0 % would be those of a threshold that is on
    report = gmmaudio.evaluate(with_threshold(model, None), relabelled(split_clips, "low"), **QUICK)
    assert not {"coverage", "selective_accuracy", "out_of_set_recall"} & set(report.metrics.values)
    assert {clip.rejected for clip in (*report.clips, *report.out_of_set)} == {None}
    (finding,) = [finding for finding in report.findings if finding.code.startswith("open_set")]
    assert str(finding) == "no clip is classified as unknown: the threshold is set by hand"


@pytest.mark.parametrize("open_set", [None, True, False])
def test_crossval_learns_a_threshold_in_every_fold_unless_it_is_turned_off(corpus, open_set):
    recipe = gmmaudio.make_recipe(n_components=1)
    report = gmmaudio.crossval(corpus.plain, recipe, folds=3, open_set=open_set, **QUICK)
    (finding,) = [finding for finding in report.findings if finding.code.startswith("open_set")]
    # of so few clips, a threshold is off in every fold
    learned = "no open-set threshold was learned" if open_set is False else "the threshold is off"
    assert finding.code == "open_set_not_measured"
    assert f"{learned} in 3 of 3 folds" in finding.text
    assert "coverage" not in report.metrics.values
    assert ("`open_set=True` learns one" in finding.remedy) == (open_set is False)


@pytest.mark.parametrize(("open_set", "remedy"), [(None, "`open_set=True` learns one"), (True, "(`group_by`)")])
def test_what_was_asked_for_is_no_remedy(open_set, remedy):
    result = fold_result(None)
    (finding,) = crossvalidation._check_open_set(result.scored, [result], CrossvalOptions(open_set=open_set))
    assert remedy in finding.remedy
    assert ("open_set" in finding.remedy) == (open_set is None)


def test_a_fold_whose_threshold_is_off_rejects_nothing_beside_one_that_is_on():
    results = [fold_result(threshold_at(None)), fold_result(threshold_at(1.0), rejected=True)]
    assert [clip.rejected for clip in crossvalidation._all_scored(results)] == [False, True]
    assert [clip.rejected for clip in crossvalidation._all_scored(results[:1])] == [None]
    assert [clip.rejected for clip in crossvalidation._all_scored([fold_result(None), *results])] == [None, False, True]


def test_crossval_does_not_fit_a_ubm_for_every_label_left_out_unless_it_is_asked_to(corpus):
    recipe = gmmaudio.make_recipe(kind="supervector", n_components=2)
    plain = gmmaudio.crossval(corpus.plain, recipe, folds=3, **QUICK)
    asked = gmmaudio.crossval(corpus.plain, recipe, folds=3, open_set=True, **QUICK)
    texts = [next(f.text for f in r.findings if f.code == "open_set_not_measured") for r in (plain, asked)]
    assert "no open-set threshold was learned in 3 of 3 folds" in texts[0]
    assert "the threshold is off in 3 of 3 folds" in texts[1]
    assert {name: value for name, value in asked.metrics.values.items() if name in plain.metrics.values} == dict(
        plain.metrics.values
    )


# --- trials ----------------------------------------------------------------------------------------------------------


def test_evaluate_joins_clips_to_the_length_that_is_passed(model, corpus):
    segments = tuple(Clip(row["path"], row["label"], group=row["group"]) for row in corpus.rows)
    report = pipeline.evaluate(model, Corpus(corpus.root, segments), trial_s=2.0)
    assert report.n == 9
    assert all(len(clip.paths) == 2 for clip in report.clips)
    assert report.protocol.trial_s == 2.0
    assert report.accuracy == 1.0


def test_trials_of_a_test_set_join_no_two_groups_of_the_corpus(model, corpus):
    clips = [replace(c, split=None) for c in pipeline.read_corpus(corpus.plain).clips]
    corpus = replace(pipeline.read_corpus(corpus.plain), clips=tuple(clips))
    report = pipeline.evaluate(model, corpus, group_by="source", trial_s=1.6)
    assert [len(clip.paths) for clip in report.clips] == [1] * 18
    assert {clip.unit for clip in report.clips} == {clip.group for clip in clips}


def test_a_test_set_of_remainders_is_an_error(model, corpus):
    with pytest.raises(
        CorpusError, match=r"none of 6 clips can be scored; 6.00 s of remainders shorter than half of `tri"
    ):
        pipeline.evaluate(model, pipeline.read_corpus(corpus.split), trial_s=9.0)


# --- protocol and findings -------------------------------------------------------------------------------------------


def test_the_protocol_has_the_settings_of_the_model(model, clips):
    settings = pipeline.evaluate(model, clips).protocol.settings
    assert settings["features"] == model.features.to_dict()
    assert settings["training"]["clips"] == 12
    assert settings["training"]["kind_settings"]["n_components"] == 4


def test_a_model_trained_without_groups_has_a_warning(clips):
    blind = replace(clips, clips=tuple(replace(c, group=None) for c in clips.clips))
    model = pipeline.train(blind, SMALL).model
    assert "groups_unknown" in {finding.code for finding in pipeline.evaluate(model, clips).warnings}


def test_clips_of_labels_that_the_model_does_not_have_are_counted(model, corpus):
    test_clips = pipeline.read_corpus(corpus.split)
    renamed = tuple(replace(clip, label="Mid") if clip.label == "mid" else clip for clip in test_clips.clips)
    report = pipeline.evaluate(model, replace(test_clips, clips=renamed))
    text = "2 clips of labels that the model does not have are in no metric but those of the open set: 'Mid'"
    assert texts_of(report)["labels_not_in_model"] == text
    assert report.n == 4


# --- robustness ------------------------------------------------------------------------------------------------------


def test_robustness_scores_the_same_clips_under_every_degradation(model, corpus):
    test_clips = pipeline.read_corpus(corpus.split)
    report = pipeline.evaluate(model, test_clips, robustness=True)
    rows = report.slices["robustness"]
    assert [row.name for row in rows] == ["clean", *DEGRADATIONS]
    assert rows[0].accuracy == report.accuracy
    for row in rows[1:]:
        assert row.difference == pytest.approx(row.accuracy - rows[0].accuracy, abs=1e-12)
        assert row.n == 6
    assert rows == pipeline.evaluate(model, test_clips, robustness=True, n_jobs=2).slices["robustness"], (
        "seeds do not depend on workers"
    )
    assert "robustness" not in pipeline.evaluate(model, test_clips).slices


def test_a_degradation_of_the_sound_changes_the_accuracy(model, corpus, monkeypatch):
    def drown(samples, _sr, rng):
        return (0.1 * rng.normal(size=len(samples))).astype(np.float32)

    spec = DegradationSpec("drown", "noise alone", "nothing of the sound is left", drown)
    for name in ("pipeline.analyses", "trials.extraction"):
        monkeypatch.setattr(sys.modules[f"gmmaudio.{name}"], "DEGRADATIONS", {"drown": spec})
    clean, drowned = pipeline.evaluate(model, pipeline.read_corpus(corpus.split), robustness=True).slices["robustness"]
    # white noise is one class to every model: of three labels one is right
    assert (clean.accuracy, drowned.accuracy) == (1.0, pytest.approx(1 / 3))
    assert drowned.difference == pytest.approx(-2 / 3)
    assert drowned.difference_interval[0] < -2 / 3 < drowned.difference_interval[1]


def test_excerpts_are_left_out_where_clips_are_joined(model, corpus):
    report = pipeline.evaluate(model, pipeline.read_corpus(corpus.split), trial_s=1.0, robustness=True)
    assert "5 s excerpt" not in [row.name for row in report.slices["robustness"]]


# --- sources ---------------------------------------------------------------------------------------------------------


def test_the_report_says_which_sources_the_model_was_not_trained_on(split_clips, halves):
    def renamed(clips, names):
        return replace(clips, clips=tuple(replace(c, source=names.get(c.source, c.source)) for c in clips.clips))

    known = gmmaudio.evaluate(halves, split_clips, **QUICK)
    assert texts_of(known)["sources_trained_on"].startswith("all clips are of sources that were trained on ('field', ")
    assert "source_training" not in known.slices
    some = gmmaudio.evaluate(halves, renamed(split_clips, {"field": "phone"}), **QUICK)
    assert texts_of(some)["sources_not_trained_on"] == (
        "6 of 12 clips are of sources that were not trained on ('phone'): their accuracy holds for recordings of a new "
        "source"
    )
    assert [(row.name, row.n) for row in some.slices["source_training"]] == [
        ("sources trained on", 6),
        ("new sources", 6),
    ]
    assert texts_of(some)["sources_not_trained_on"] in some.advice[0].evidence
    other = gmmaudio.evaluate(halves, renamed(split_clips, {"field": "phone", "studio": "radio"}), **QUICK)
    assert texts_of(other)["sources_not_trained_on"].startswith("12 of 12 clips ")
    # nothing is said where a source is not known, here or in training
    unknown = gmmaudio.evaluate(halves, renamed(split_clips, {"field": None}), **QUICK)
    bare = replace(halves.training, clips=tuple(replace(clip, source=None) for clip in halves.training.clips))
    of_old_file = gmmaudio.evaluate(replace(halves, training=bare), split_clips, **QUICK)
    for report in (unknown, of_old_file):
        assert not {"sources_trained_on", "sources_not_trained_on"} & texts_of(report).keys()


def test_sources_in_two_normal_forms_are_one(split_clips):
    forms = ("caf\u00e9", "cafe\u0301")
    by_split = tuple(replace(c, source=forms[c.split == "test"]) for c in split_clips.clips)
    clips = replace(split_clips, clips=by_split)
    report = gmmaudio.evaluate(gmmaudio.train(clips, SMALL).model, clips, **QUICK)
    assert "sources_trained_on" in texts_of(report)
