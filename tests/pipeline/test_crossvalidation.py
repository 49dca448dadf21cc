"""Cross-validation: held-out groups, divisions, tuning inside folds, and analyses."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gmmaudio import pipeline
from gmmaudio.audio import read_audio
from gmmaudio.compute import QUIET
from gmmaudio.errors import SettingError
from gmmaudio.features import extract
from gmmaudio.models import KINDS, Candidate, tuning
from gmmaudio.pipeline import fold_runs, scoring
from gmmaudio.pipeline.crossvalidation import CrossvalOptions
from tests.conftest import trials_of
from tests.pipeline.conftest import QUICK, SMALL

# --- held out means held out -----------------------------------------------------------------------------------------


def test_a_singer_on_both_sides_would_be_recognised_and_is_on_one_by_default(twins):
    # a label must be guessed from nine other singers; with the twin of a clip in training it is only looked up
    recipe = pipeline.make_recipe(n_components=6)
    held_out = pipeline.crossval(twins, recipe, folds=5)
    leaked = pipeline.crossval(twins, recipe, folds="loo", group_by="none")
    # ten guesses: nine right has a chance of 1 %
    assert held_out.accuracy < 0.9
    assert leaked.accuracy == 1.0
    assert leaked.findings[0].code == "groups_unknown"


def test_shuffled_labels_are_classified_at_chance(clips):
    order = np.random.default_rng(1).permutation(len(clips.clips))
    shuffled = tuple(replace(c, label=clips.clips[i].label) for c, i in zip(clips.clips, order, strict=True))
    report = pipeline.crossval(replace(clips, clips=shuffled), SMALL, folds=6, repeats=3, group_by="none")
    assert report.n == 18
    # 18 clips at 1/3: more than 11 right has a chance of 0.4 %
    assert report.accuracy < 11 / 18
    assert pipeline.crossval(clips, SMALL, folds=6).accuracy == 1.0


def test_every_fold_is_trained_without_its_held_out_groups(clips, monkeypatch):
    frames, seen = KINDS["frames"], []

    def watched(training, settings):
        seen.append({rows.tobytes() for rows in training.rows})
        # nothing is shared, so that inner folds are fitted here too
        return replace(frames.fit(training, settings), partial=None)

    monkeypatch.setitem(KINDS, "frames", replace(frames, fit=watched))
    report = pipeline.crossval(clips, SMALL, folds=3)
    # after each fold come five inner folds for its calibration, and each of two sources left out, in halves of singers
    assert len(seen) == 3 * (1 + 5 + 4)
    inner, seen = [each for i, each in enumerate(seen) if i % 10], seen[::10]
    assert all(each < seen[i // 9] for i, each in enumerate(inner))
    root = clips.root
    with threadpool_limits(limits=1):
        rows = {c.path: extract(read_audio(root / c.path, 22050), SMALL.features).values.tobytes() for c in clips.clips}
    assert len(seen) == 3
    for fold, trained in zip(report.protocol.folds, seen, strict=True):
        tested = {clip.paths[0] for clip in report.clips if clip.fold == fold}
        groups = {clip.group for clip in report.clips if clip.fold == fold}
        assert trained == {rows[c.path] for c in clips.clips if c.group not in groups}
        assert trained.isdisjoint(rows[path] for path in tested)


def test_a_held_out_clip_has_the_score_of_a_model_trained_on_the_others(clips):
    report = pipeline.crossval(clips, SMALL, fold_column="fold")
    others = tuple(c for c in clips.clips if c.column("fold") != "1")
    model = pipeline.train(replace(clips, clips=others), SMALL).model
    held_out = replace(clips, clips=tuple(c for c in clips.clips if c.column("fold") == "1"))
    scored = pipeline.evaluate(model, held_out)
    assert {c.name: c.scores for c in report.clips if c.fold == "1"} == {c.name: c.scores for c in scored.clips}


# --- the division ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "names"), [({"folds": 3}, 3), ({"folds": "loo"}, 9), ({"fold_column": "fold"}, 3)]
)
def test_every_scheme_scores_every_clip_once(clips, settings, names):
    report = pipeline.crossval(clips, SMALL, **settings)
    assert sorted(clip.name for clip in report.clips) == sorted(clip.path for clip in clips.clips)
    assert len(report.protocol.folds) == names
    assert report.protocol.unscored_labels == ()


def test_each_repeat_is_the_run_with_the_next_seed(clips):
    recipe = pipeline.make_recipe(n_components=4, init="random", seed=3)
    thrice = pipeline.crossval(clips, recipe, folds=3, repeats=3)
    runs = []
    for repeat in range(3):
        alone = pipeline.crossval(clips, replace(recipe, seed=3 + repeat), folds=3)
        runs.append(tuple(replace(clip, repeat=0) for clip in thrice.clips if clip.repeat == repeat))
        assert runs[-1] == alone.clips
    assert len({tuple(sorted((clip.name, clip.fold) for clip in run)) for run in runs}) == 3
    assert [row["seed"] for row in thrice.spread] == [3, 4, 5]


def test_repeats_have_a_spread(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, repeats=3, **QUICK).to_dict()
    values = [row["accuracy"] for row in report["repeats"]]
    assert report["spread"]["accuracy"] == {
        "low": min(values),
        "mean": pytest.approx(np.mean(values), rel=1e-12),
        "high": max(values),
        "std": pytest.approx(np.std(values, ddof=1), abs=1e-12),
    }


@pytest.mark.parametrize("settings", [{"folds": "five"}, {"folds": 1}, {"folds": 99}, {"repeats": 0}, {"folds": 2.5}])
def test_an_invalid_division_is_refused(clips, settings):
    with pytest.raises(SettingError):
        pipeline.crossval(clips, SMALL, **settings)


@pytest.mark.parametrize("wrong", [(0.05,), (3.0, 4000.0)])
def test_durations_out_of_bounds_are_refused(clips, wrong):
    with pytest.raises(SettingError, match=r"`durations_s` holds .*; expected 0.1 to 3600 s each"):
        pipeline.crossval(clips, SMALL, durations_s=wrong)


def test_durations_that_are_no_numbers_are_refused(clips):
    with pytest.raises(SettingError, match=r"`durations_s`\[0\] is nan; expected a finite number"):
        pipeline.crossval(clips, SMALL, durations_s=(float("nan"),))


def test_no_trial_joins_two_groups_of_the_corpus_where_clips_are_held_out_by_another_column(clips):
    report = pipeline.crossval(clips, replace(SMALL, trial_s=1.6), folds="loo", group_by="source", **QUICK)
    # each singer has one clip of each source: two singers would make 2 s, and one clip alone is nearer to 1.6 s
    assert [len(clip.paths) for clip in report.clips] == [1] * 18
    singers = pipeline.crossval(clips, replace(SMALL, trial_s=1.6), folds="loo", **QUICK)
    assert [len(clip.paths) for clip in singers.clips] == [1] * 18, "nor are two sources joined"


# --- settings chosen on inner folds ----------------------------------------------------------------------------------


def test_the_choice_of_a_fold_does_not_depend_on_its_held_out_clips(clips, few_candidates):
    trials = trials_of(clips, SMALL)
    train = [trial for trial in trials if not trial.group.endswith("cy")]
    before = tuning.tune(train, SMALL, QUIET)
    report = pipeline.crossval(clips, SMALL, fold_column="fold", tune=True, **QUICK)
    # fold 2 holds out cy: the choice is that of the training clips alone
    (choice,) = [row for row in report.protocol.settings["tuning"] if row["fold"] == "2"]
    assert choice == {"repeat": 0, "fold": "2", **before.to_dict()}
    changed = tuple(
        replace(clip, path="high/cy/0.wav", start_s=0.1 + 0.01 * i) if clip.extra["fold"] == "2" else clip
        for i, clip in enumerate(clips.clips)
    )
    other = pipeline.crossval(replace(clips, clips=changed), SMALL, fold_column="fold", tune=True, **QUICK)
    assert other.accuracy < report.accuracy
    (again,) = [row for row in other.protocol.settings["tuning"] if row["fold"] == "2"]
    assert again == choice


def test_analyses_of_a_tuned_run_are_tuned_too(clips, few_candidates, monkeypatch):
    calls = []
    tune = tuning.tune
    monkeypatch.setattr(
        fold_runs, "tune", lambda *arguments, **settings: calls.append(1) or tune(*arguments, **settings)
    )
    settings = {"folds": 3, "learning_curve": True, "compare_random_split": True, **QUICK}
    pipeline.crossval(clips, SMALL, tune=True, **settings)
    # of three folds: the cross-validation itself, three shares of training and a random split
    assert len(calls) == 3 * (1 + 3 + 1)
    calls.clear()
    pipeline.crossval(clips, SMALL, **settings)
    assert calls == []


def test_the_protocol_names_the_tuning(clips, few_candidates):
    report = pipeline.crossval(clips, SMALL, folds=3, tune=True, **QUICK)
    assert report.protocol.scheme == "3-fold cross-validation by group, settings chosen on inner folds"
    assert "tuned_inside" in {finding.code for finding in report.checks_passed}
    assert len(report.protocol.settings["tuning"]) == 3
    assert "tuning" not in pipeline.crossval(clips, SMALL, folds=3, **QUICK).protocol.settings


# --- analyses --------------------------------------------------------------------------------------------------------


def test_clips_cut_to_durations_are_scored_by_the_models_of_their_folds(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, durations_s=(0.25, 0.5, 30.0))
    half, whole = report.slices["durations"]
    assert [(row.name, row.n, row.n_groups) for row in (half, whole)] == [("0.25 s", 72, 9), ("0.5 s", 36, 9)]
    assert "durations" not in pipeline.crossval(clips, SMALL, folds=3, durations_s=()).slices


def test_degraded_clips_are_scored_by_the_model_that_was_not_trained_on_them(clips, two_degradations, monkeypatch):
    asked, score = [], scoring.score_trials

    def watched(trials, recogniser, **where):
        asked.append((where["fold"], where["repeat"], frozenset(t.name for t in trials), recogniser))
        return score(trials, recogniser, **where)

    for name in ("crossvalidation", "fold_runs"):
        monkeypatch.setattr(sys.modules[f"gmmaudio.pipeline.{name}"], "score_trials", watched)
    report = pipeline.crossval(clips, SMALL, robustness=True, folds=3, repeats=2, **QUICK)
    rows = report.slices["robustness"]
    assert [row.name for row in rows] == ["clean", *two_degradations]
    assert all(row.n == 2 * report.n for row in rows)
    assert rows[0].accuracy == report.accuracy
    assert all(row.difference == pytest.approx(row.accuracy - rows[0].accuracy, abs=1e-12) for row in rows[1:])
    # the first six are the folds themselves; each degradation then asks each fold's model of that fold's clips again
    assert asked[6:] == asked[:6] * 2
    assert "robustness" not in pipeline.crossval(clips, SMALL, folds=3, **QUICK).slices


def test_degraded_clips_of_tuned_folds_have_the_features_that_were_chosen(clips, two_degradations, monkeypatch):
    other = Candidate(1, {"covariance_type": "diag", "n_components": 1, "n_pca": 2, "back_end": "gaussian"})
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, candidates=(other,) if name == "blocks" else ()))
    # a mixture on frames that can tell nothing loses to blocks
    monkeypatch.setattr(tuning, "balanced_accuracy", lambda counts: float(next(ranks)))
    ranks = iter([0, 1] * 3)
    report = pipeline.crossval(clips, SMALL, folds=3, tune=True, robustness=True, **QUICK)
    assert {each["chosen"]["kind"] for each in report.protocol.settings["tuning"]} == {"blocks"}
    assert [row.n for row in report.slices["robustness"]] == [report.n] * 3


@pytest.mark.parametrize(("n_groups", "is_refused"), [(1_000, False), (1_001, True)])
def test_more_than_a_thousand_groups_are_not_left_out_one_by_one(n_groups, is_refused):
    units = [f"{i:04d}" for i in range(n_groups)]
    labels = ["ab"[i % 2] for i in range(n_groups)]
    options = CrossvalOptions(folds="loo")
    if not is_refused:
        assert len(options.divide(labels, units, [None] * n_groups, 0)) == n_groups
        return
    with pytest.raises(SettingError) as caught:
        options.divide(labels, units, [None] * n_groups, 0)
    assert str(caught.value) == (
        "`folds` is loo, which would train 1001 times on nearly all clips, once for each group; expected at most 1,000 "
        "groups: give a number of folds (`folds=10`)"
    )
