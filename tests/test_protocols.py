"""How clips are divided and what else is asked of them: cuts, learning curves, random splits, inner folds, sources."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.audio import DEGRADATIONS, DegradationSpec
from gmmaudio.compute import QUIET
from gmmaudio.corpus import plan_split
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.features import make_rows
from gmmaudio.models import KINDS, Candidate, fitting, tuning
from gmmaudio.pipeline import analyses, folds, scoring
from gmmaudio.trials import Degradation, build_trial_set, cut_trial

SMALL = pipeline.make_recipe(n_components=2)
QUICK = {"durations_s": ()}


def texts_of(report):
    """Return the text of each finding by its code."""
    return {finding.code: finding.text for finding in report.findings}


@pytest.fixture
def clips(corpus):
    """The corpus without its split."""
    return pipeline.read_corpus(corpus.plain)


def trials_of(clips, recipe=SMALL, **changed):
    recipe = replace(recipe, **changed)
    return build_trial_set(clips.root, plan_split(clips.clips), recipe.trial_settings).trials


# --- clips cut to lengths ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", [None, "language"])
def test_a_cut_is_the_frames_of_its_stretch_finished_alone(clips, preset):
    recipe = pipeline.make_recipe(preset, n_components=2, trial_s=0)
    trial = trials_of(clips, recipe)[0]
    config = recipe.features
    step = int(0.3 * config.frames.frames_per_s)
    cuts = cut_trial(trial, 0.3, config)
    assert len(cuts) == len(trial.parts[0].raw) // step == 3
    for k, cut in enumerate(cuts):
        alone = make_rows([trial.parts[0].raw.slice(k * step, (k + 1) * step)], config)
        np.testing.assert_array_equal(cut.rows.values, alone.values)
    assert len({cut.name for cut in cuts}) == 3


def test_a_cut_runs_over_the_edges_of_joined_clips(clips):
    joined = replace(clips, clips=tuple(replace(clip, source=None) for clip in clips.clips))
    trial = trials_of(joined, trial_s=2.0)[0]
    config = SMALL.features
    assert len(trial.parts) == 2
    (cut,) = cut_trial(trial, 1.5, config)
    step = int(1.5 * config.frames.frames_per_s)
    first = len(trial.parts[0].raw)
    assert [len(segment.raw) for segment in cut.segments] == [first, step - first]
    whole = np.concatenate([part.raw.values for part in trial.parts])[:step]
    np.testing.assert_array_equal(cut.rows.values, whole)


def test_a_trial_shorter_than_the_cut_gives_none(clips):
    assert cut_trial(trials_of(clips)[0], 1.2, SMALL.features) == []


def test_the_report_scores_the_cuts_with_the_models_of_their_folds(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, durations_s=(0.25, 0.5, 30.0))
    half, whole = report.slices["durations"]
    assert [(row.name, row.n, row.n_groups) for row in (half, whole)] == [("0.25 s", 72, 9), ("0.5 s", 36, 9)]
    assert "durations" not in pipeline.crossval(clips, SMALL, folds=3, durations_s=()).slices


@pytest.mark.parametrize("wrong", [(0.05,), (3.0, 4000.0), (float("nan"),)])
def test_lengths_out_of_bounds_are_refused(clips, wrong):
    with pytest.raises(SettingError, match=r"`durations_s` holds .*; expected 0.1 to 3600 s each"):
        pipeline.crossval(clips, SMALL, durations_s=wrong)


# --- learning curve ------------------------------------------------------------------------------------------------


def test_the_learning_curve_takes_whole_groups_first_and_grows_to_everything(clips):
    rng = np.random.default_rng
    trials = trials_of(clips)
    train = tuple(i for i, trial in enumerate(trials) if not trial.group.endswith("cy"))
    eighth, half, most = (analyses._select_share(trials, train, share, rng(3)) for share in (1 / 8, 1 / 2, 1.0))
    assert set(eighth) < set(half) < set(most) == set(train)
    for label in ("low", "mid", "high"):
        assert sum(trials[i].label == label for i in eighth) == 1
        assert len({trials[i].group for i in half if trials[i].label == label}) == 1, "two clips of one singer"
    halves = {analyses._select_share(trials, train, 1 / 2, rng(seed)) for seed in range(5)}
    assert len(halves) > 1, "the order is random"


def test_the_learning_curve_of_a_report_ends_with_its_figure(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, learning_curve=True, **QUICK)
    rows = report.slices["learning_curve"]
    assert [row.name for row in rows] == ["12.5 %", "25 %", "50 %", "100 %"]
    hours = [row.hours for row in rows]
    # of 12 s for training three clips, three, six and twelve of 1 s
    assert hours == pytest.approx([3 / 3600, 3 / 3600, 6 / 3600, 12 / 3600], rel=1e-3)
    assert (rows[-1].accuracy, rows[-1].interval) == (report.accuracy, report.intervals["accuracy"])
    assert all(row.n == report.n for row in rows)


# --- a random split ------------------------------------------------------------------------------------------------


@pytest.fixture
def twins(tmp_path, tools):
    """Two labels of five singers each with two nearly equal clips of one tone; the label says nothing of the tone."""
    rng = np.random.default_rng(4)
    rows = []
    time_s = np.arange(tools.sr) / tools.sr
    for i, hz in enumerate(np.geomspace(200, 6000, 10)):
        for take in range(2):
            tone = 0.3 * np.sin(2 * np.pi * hz * time_s) + 0.003 * rng.normal(size=tools.sr)
            tools.write(tmp_path / f"{i}-{take}.wav", tone, tools.sr)
            rows.append({"path": f"{i}-{take}.wav", "label": "ab"[i % 2], "group": f"singer {i}"})
    return pipeline.read_corpus(tools.write_manifest(tmp_path / "twins.csv", rows))


def test_inflation_is_what_a_random_split_adds(twins):
    report = pipeline.crossval(twins, pipeline.make_recipe(n_components=6), folds=5, compare_random_split=True, **QUICK)
    grouped, random = report.slices["random_split"]
    assert (grouped.name, random.name) == ("groups kept whole", "split at random")
    assert grouped.accuracy == report.accuracy
    assert random.difference == pytest.approx(random.accuracy - grouped.accuracy, abs=1e-12)
    # the twin of a clip gives its label away
    assert random.difference > 0.2
    low, high = random.difference_interval
    assert low <= random.difference <= high
    assert texts_of(report)["random_split_gap"] == (
        f"split at random these clips show {100 * random.accuracy:.1f} %, with groups kept whole "
        f"{100 * grouped.accuracy:.1f} %: random-split gap {100 * random.difference:+.1f} percentage points, "
        f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
    )
    assert "random_split" not in pipeline.crossval(twins, SMALL, folds=5, **QUICK).slices


def test_without_groups_there_is_no_inflation_and_that_is_said(corpus):
    report = pipeline.crossval(pipeline.read_corpus(corpus.root), SMALL, folds=3, compare_random_split=True, **QUICK)
    assert "random_split" not in report.slices
    assert "no_random_split" in texts_of(report)


def test_inflation_of_a_division_without_a_number_of_folds(clips):
    report = pipeline.crossval(clips, SMALL, folds="loo", compare_random_split=True, **QUICK)
    assert [row.n for row in report.slices["random_split"]] == [18, 18]


# --- settings chosen inside ----------------------------------------------------------------------------------------


def test_the_choice_of_a_fold_does_not_see_its_held_out_clips(clips, few_candidates):
    trials = trials_of(clips)
    train = [trial for trial in trials if not trial.group.endswith("cy")]
    before = tuning.tune(train, SMALL, QUIET)
    report = pipeline.crossval(clips, SMALL, fold_column="fold", tune=True, **QUICK)
    # fold 2 holds out cy: what it chose is what the training clips alone choose
    (told,) = [row for row in report.protocol.settings["tuning"] if row["fold"] == "2"]
    assert told == {"repeat": 0, "fold": "2", **before.to_dict()}
    changed = tuple(
        replace(clip, path="high/cy/0.wav", start_s=0.1 + 0.01 * i) if clip.extra["fold"] == "2" else clip
        for i, clip in enumerate(clips.clips)
    )
    other = pipeline.crossval(replace(clips, clips=changed), SMALL, fold_column="fold", tune=True, **QUICK)
    assert other.accuracy < report.accuracy
    (again,) = [row for row in other.protocol.settings["tuning"] if row["fold"] == "2"]
    assert again == told


def test_the_table_of_candidates_is_what_inner_folds_give(clips, few_candidates):
    trials = trials_of(clips)
    found = tuning.tune(trials, replace(SMALL, seed=3), QUIET)
    assert len(found.table) == 4  # the recipe itself is compared too
    for row in found.table:
        changes = {name: row[name] for name in ("covariance_type", "n_components")}
        settings = replace(SMALL.kind_settings, **changes)
        scored = fitting.out_of_fold_scores(trials, replace(SMALL, kind_settings=settings, seed=3), QUIET)
        given = [scored.labels[i] for i in scored.fused((1.0,)).argmax(axis=1)]
        right = [trials[i].label == label for i, label in zip(scored.indices, given, strict=True)]
        assert row["n"] == len(right) == 18
        assert row["accuracy"] == np.mean(right)
    assert [row["balanced_accuracy"] for row in found.table] == sorted(
        (row["balanced_accuracy"] for row in found.table), reverse=True
    )
    best = max(row["balanced_accuracy"] for row in found.table)
    chosen = next(row for row in found.table if row["balanced_accuracy"] == best)
    config = found.recipe.kind_settings
    assert (config.covariance_type, config.n_components) == (chosen["covariance_type"], chosen["n_components"])
    assert found.reason.startswith("best balanced accuracy, ")


def test_inner_folds_keep_groups_whole(clips):
    trials = trials_of(clips)
    folds = fitting.make_inner_folds(trials, 0)
    assert len(folds) == 5
    for fold in folds:
        assert {trials[i].group for i in fold.train}.isdisjoint(trials[i].group for i in fold.test)


def test_a_training_set_of_one_group_each_keeps_its_settings(clips, few_candidates):
    one_each = [trial for trial in trials_of(clips) if trial.group.endswith("ann")]
    found = tuning.tune(one_each, SMALL, QUIET)
    assert (found.recipe, found.table) == (SMALL, ())
    assert found.reason == "no label has two groups to tune on: the settings are left as they were"
    assert fitting.out_of_fold_scores(one_each, SMALL, QUIET) is None


def test_what_stands_beside_a_tuned_figure_is_tuned_too(clips, few_candidates, monkeypatch):
    calls = []
    tune = tuning.tune
    monkeypatch.setattr(folds, "tune", lambda *given, **settings: calls.append(1) or tune(*given, **settings))
    settings = {"folds": 3, "learning_curve": True, "compare_random_split": True, **QUICK}
    pipeline.crossval(clips, SMALL, tune=True, **settings)
    # of three folds: the figure itself, three shares of training and a random split
    assert len(calls) == 3 * (1 + 3 + 1)
    calls.clear()
    pipeline.crossval(clips, SMALL, **settings)
    assert calls == []


def test_tuning_is_said_in_the_protocol(clips, few_candidates):
    report = pipeline.crossval(clips, SMALL, folds=3, tune=True, **QUICK)
    assert report.protocol.scheme == "3-fold cross-validation by group, settings chosen on inner folds"
    assert "tuned_inside" in {finding.code for finding in report.checks_passed}
    assert len(report.protocol.settings["tuning"]) == 3
    assert "tuning" not in pipeline.crossval(clips, SMALL, folds=3, **QUICK).protocol.settings


# --- what is said of the division ----------------------------------------------------------------------------------


def test_where_sources_are_few_intervals_are_over_the_groups_inside_them(clips):
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


def test_no_trial_joins_two_groups_of_the_corpus_where_another_column_is_split_by(clips):
    report = pipeline.crossval(clips, replace(SMALL, trial_s=1.6), folds="loo", group_by="source", **QUICK)
    # each singer has one clip in each place: two singers would make up 2 s, one clip is the better 1.6 s on its own
    assert [len(clip.paths) for clip in report.clips] == [1] * 18
    singers = pipeline.crossval(clips, replace(SMALL, trial_s=1.6), folds="loo", **QUICK)
    assert [len(clip.paths) for clip in singers.clips] == [1] * 18, "nor are two places joined"


# --- a trained model -----------------------------------------------------------------------------------------------


def test_clips_of_labels_that_the_model_does_not_know_are_counted(model, corpus):
    held = pipeline.read_corpus(corpus.split)
    renamed = tuple(replace(clip, label="Mid") if clip.label == "mid" else clip for clip in held.clips)
    report = pipeline.evaluate(model, replace(held, clips=renamed))
    text = "2 clips of labels that the model does not have are in no metric but those of the open set: 'Mid'"
    assert texts_of(report)["labels_not_in_model"] == text
    assert report.n == 4


def test_trials_of_a_test_set_join_no_two_groups_of_the_corpus(model, corpus):
    clips = [replace(c, split=None) for c in pipeline.read_corpus(corpus.plain).clips]
    corpus = replace(pipeline.read_corpus(corpus.plain), clips=tuple(clips))
    report = pipeline.evaluate(model, corpus, group_by="source", trial_s=1.6)
    assert [len(clip.paths) for clip in report.clips] == [1] * 18
    assert {clip.unit for clip in report.clips} == {clip.group for clip in clips}


def test_repeats_have_a_spread(clips):
    report = pipeline.crossval(clips, SMALL, folds=3, repeats=3, **QUICK).to_dict()
    values = [row["accuracy"] for row in report["repeats"]]
    assert report["spread"]["accuracy"] == {
        "low": min(values),
        "mean": pytest.approx(np.mean(values), rel=1e-12),
        "high": max(values),
        "std": pytest.approx(np.std(values, ddof=1), abs=1e-12),
    }


# --- degraded sound ------------------------------------------------------------------------------------------------


def test_stress_scores_the_same_clips_under_every_degradation(model, corpus):
    held = pipeline.read_corpus(corpus.split)
    report = pipeline.evaluate(model, held, robustness=True)
    rows = report.slices["robustness"]
    assert [row.name for row in rows] == ["clean", *DEGRADATIONS]
    assert rows[0].accuracy == report.accuracy
    for row in rows[1:]:
        assert row.difference == pytest.approx(row.accuracy - rows[0].accuracy, abs=1e-12)
        assert row.n == 6
    assert rows == pipeline.evaluate(model, held, robustness=True, n_jobs=2).slices["robustness"], "seeds do not wander"
    assert "robustness" not in pipeline.evaluate(model, held).slices


def test_what_stress_does_to_the_sound_reaches_the_figure(model, corpus, monkeypatch):
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


@pytest.fixture
def two_degradations(monkeypatch):
    """Only two kinds of degraded sound, in the order they are made."""
    two = {name: DEGRADATIONS[name] for name in ("band limit 4 kHz", "noise 10 dB")}
    for name in ("pipeline.analyses", "trials.extraction"):
        monkeypatch.setattr(sys.modules[f"gmmaudio.{name}"], "DEGRADATIONS", two)
    return tuple(two)


def test_stress_of_folds_asks_the_model_that_never_heard_the_clip(clips, two_degradations, monkeypatch):
    asked, score = [], scoring.score_trials

    def watched(trials, recogniser, **where):
        asked.append((where["fold"], where["repeat"], frozenset(t.name for t in trials), recogniser))
        return score(trials, recogniser, **where)

    for name in ("crossvalidation", "folds"):
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


def test_stress_of_tuned_folds_takes_the_features_that_were_chosen(clips, two_degradations, monkeypatch):
    other = Candidate(1, {"covariance_type": "diag", "n_components": 1, "n_pca": 2, "back_end": "gaussian"})
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, candidates=(other,) if name == "blocks" else ()))
    # a mixture on frames that can tell nothing loses to blocks
    monkeypatch.setattr(tuning, "balanced_accuracy", lambda counts: float(next(ranks)))
    ranks = iter([0, 1] * 3)
    report = pipeline.crossval(clips, SMALL, folds=3, tune=True, robustness=True, **QUICK)
    assert {each["chosen"]["kind"] for each in report.protocol.settings["tuning"]} == {"blocks"}
    assert [row.n for row in report.slices["robustness"]] == [report.n] * 3


def test_a_test_set_of_remainders_says_so(model, corpus):
    with pytest.raises(
        CorpusError, match=r"none of 6 clips can be scored; 6.00 s of remainders shorter than half of `tri"
    ):
        pipeline.evaluate(model, pipeline.read_corpus(corpus.split), trial_s=9.0)


def test_excerpts_are_left_out_where_clips_are_joined(model, corpus):
    report = pipeline.evaluate(model, pipeline.read_corpus(corpus.split), trial_s=1.0, robustness=True)
    assert "5 s excerpt" not in [row.name for row in report.slices["robustness"]]


def test_what_is_random_in_a_degradation_depends_on_seed_and_path_only():
    y = np.zeros(1000, dtype=np.float32) + np.float32(0.1)
    one, same, other_seed, other_path = (
        Degradation("noise 20 dB", seed).apply(y, 22050, path)
        for seed, path in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other_seed)
    assert not np.array_equal(one, other_path)
