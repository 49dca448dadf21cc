"""Predictions for trials, and the units of their intervals."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.pipeline.scoring import interval_units, score_durations, score_trials
from gmmaudio.trials import cut_trial
from tests.conftest import trials_of
from tests.pipeline.conftest import QUICK, SMALL, texts_of


def test_where_sources_are_few_intervals_are_over_the_groups_within_them(clips):
    report = pipeline.crossval(clips, SMALL, folds="loo", group_by="source", **QUICK)
    assert {clip.unit for clip in report.clips} == {clip.group for clip in clips.clips}
    assert {clip.group for clip in report.clips} == {"field", "studio"}
    note = "intervals are over the 9 groups of the corpus inside the 2 values of 'source' (`group_by`): "
    assert texts_of(report)["interval_inside_groups"].startswith(note)
    by_file = pipeline.crossval(clips, SMALL, folds="loo", group_by="none", **QUICK)
    assert {clip.unit for clip in by_file.clips} == {f"file {clip.path}" for clip in clips.clips}
    assert by_file.protocol.scheme == "cross-validation, one file left out at a time"
    # groups inside singers depend on one another
    by_singer = pipeline.crossval(clips, SMALL, folds="loo", group_by="singer", **QUICK)
    assert {clip.unit for clip in by_singer.clips} == {"ann", "bob", "cy"}
    assert by_singer.protocol.scheme == "cross-validation, one singer left out at a time"


def test_a_prediction_keeps_label_groups_and_length_of_its_trial(clips, model):
    trial = trials_of(clips, SMALL)[0]
    (clip,) = score_trials([trial], model.recogniser, fold="2", repeat=1)
    assert (clip.name, clip.paths, clip.label) == (trial.name, trial.paths, trial.label)
    assert (clip.group, clip.unit, clip.source) == (trial.group, trial.group, trial.source)
    assert (clip.fold, clip.repeat, clip.duration_s) == ("2", 1, 1.0)
    prediction = model.predict(trial.rows)
    assert (clip.predicted, clip.scores) == (prediction.best_label, prediction.scores)
    assert clip.rejected is (prediction.status == "unknown" if model.recogniser.is_open_set else None)


def test_scores_do_not_depend_on_the_other_trials(clips, model):
    trials = trials_of(clips, SMALL)
    together = score_trials(trials, model.recogniser)
    assert together == [clip for trial in trials for clip in score_trials([trial], model.recogniser)]
    assert score_trials([], model.recogniser) == []


def test_cuts_of_a_duration_are_scored_one_by_one(clips, model):
    trials = trials_of(clips, SMALL)[:2]
    predictions = score_durations(trials, model.recogniser, (0.3, 2.0), model.features, fold="1")
    assert [clip.name for clip in predictions[0.3]] == [
        cut.name for trial in trials for cut in cut_trial(trial, 0.3, model.features)
    ]
    assert {clip.fold for clip in predictions[0.3]} == {"1"}
    assert predictions[2.0] == []


def test_units_of_intervals_are_changed_for_few_sources_with_more_groups_alone(clips):
    trials = trials_of(clips, SMALL)
    assert interval_units(trials, None) == (trials, ())
    assert interval_units(trials, "singer") == (trials, ())
    without_groups = trials_of(replace(clips, clips=tuple(replace(c, group=None) for c in clips.clips)), SMALL)
    assert interval_units(without_groups, "source") == (without_groups, ())


@pytest.mark.parametrize(
    ("confounded", "tested", "known"),
    [
        # a source that was trained on is enough where labels are not confounded
        ((), [("a", "1"), ("b", "2"), ("a", "3")], [True, True, False]),
        (("c",), [("a", "2"), ("b", "1")], [True, True]),
        # elsewhere all clips must have the source that their label had in training
        (("a", "b"), [("a", "1"), ("b", "2")], [True, True]),
        (("a", "b"), [("a", "1"), ("b", "1")], [False, False]),
        # one source in two normal forms of Unicode, and an unknown one
        ((), [("a", "Zo\u00e9"), ("b", "Zoe\u0301"), ("b", "")], [True, True, False]),
        (("a", "b"), [("a", "1"), ("a", "Zoe\u0301")], [True, True]),
    ],
)
def test_clips_of_known_sources_are_in_domain_unless_labels_are_answered_by_sources(confounded, tested, known):
    from benchmarks.new_sources import make_trial
    from gmmaudio.mixture import GaussianMixture
    from gmmaudio.models import Calibration, Recogniser, SourceShift, gmm_scorer
    from gmmaudio.pipeline.scoring import are_in_domain

    one = GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    calibration = Calibration(1.0, np.zeros(3), source_shift=SourceShift(0.5, 2, 2, confounded=confounded))
    recogniser = Recogniser(gmm_scorer(("a", "b", "c"), (one, one, one)), calibration)
    rows = np.zeros((2, 2), dtype=np.float32)
    trials = [make_trial(label, source, f"{i}", f"{i}", rows) for i, (label, source) in enumerate(tested)]
    assert are_in_domain(recogniser, [("a", "1"), ("a", "Zo\u00e9"), ("b", "2"), ("c", "2")], trials) == known
    assert not any(are_in_domain(recogniser.in_domain(), [("a", "1")], trials))
