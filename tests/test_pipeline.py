"""Training, scoring and cross-validation as a library: what is held out, what is named, what is the same."""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gmmaudio import pipeline
from gmmaudio.audio import read_audio
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, FeatureError, SettingError, WorkerError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import extract, make_features
from gmmaudio.models import PRESETS, FrameGmmSettings, Prediction, preset_of, to_bytes
from gmmaudio.pipeline import train as train_function
from gmmaudio.trials import extraction

SMALL = pipeline.make_recipe(n_components=2)


@pytest.fixture
def clips(corpus):
    """The corpus without its split."""
    return pipeline.read_corpus(corpus.plain)


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


# Held out means held out.


def test_a_singer_on_both_sides_would_be_recognised_and_is_not_by_default(twins):
    # a label must be guessed from nine other singers; with the twin of a clip in training it is only looked up
    recipe = pipeline.make_recipe(n_components=6)
    held_out = pipeline.crossval(twins, recipe, folds=5)
    leaked = pipeline.crossval(twins, recipe, folds="loo", group_by="none")
    # ten guesses: nine right has a chance of 1 %
    assert held_out.accuracy < 0.9
    assert leaked.accuracy == 1.0
    assert leaked.findings[0].code == "groups_unknown"


def test_shuffled_labels_are_named_at_chance(clips):
    order = np.random.default_rng(1).permutation(len(clips.clips))
    shuffled = tuple(replace(c, label=clips.clips[i].label) for c, i in zip(clips.clips, order, strict=True))
    report = pipeline.crossval(replace(clips, clips=shuffled), SMALL, folds=6, repeats=3, group_by="none")
    assert report.n == 18
    # 18 clips at 1/3: more than 11 right has a chance of 0.4 %
    assert report.accuracy < 11 / 18
    assert pipeline.crossval(clips, SMALL, folds=6).accuracy == 1.0


def test_every_fold_is_trained_without_its_held_out_groups(clips, monkeypatch):
    from gmmaudio.models import inner_folds

    fit, seen = inner_folds.fit_scorer, []

    def watched(rows_per_clip, labels, config, **settings):
        seen.append({rows.tobytes() for rows in rows_per_clip})
        return fit(rows_per_clip, labels, config, **settings)

    monkeypatch.setattr(inner_folds, "fit_scorer", watched)
    report = pipeline.crossval(clips, SMALL, folds=3)
    # of each fold five inner ones come for its calibration, after the fold's own
    assert len(seen) == 3 * (1 + 5)
    inner, seen = [each for i, each in enumerate(seen) if i % 6], seen[::6]
    assert all(each < seen[i // 5] for i, each in enumerate(inner))
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
    held = replace(clips, clips=tuple(c for c in clips.clips if c.column("fold") == "1"))
    scored = pipeline.evaluate(model, held)
    assert {c.name: c.scores for c in report.clips if c.fold == "1"} == {c.name: c.scores for c in scored.clips}


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


@pytest.mark.parametrize("settings", [{"folds": "five"}, {"folds": 1}, {"folds": 99}, {"repeats": 0}, {"folds": 2.5}])
def test_a_scheme_that_is_none_is_refused(clips, settings):
    with pytest.raises(SettingError):
        pipeline.crossval(clips, SMALL, **settings)


# Training.


def test_a_recipe_is_the_preset_with_what_is_given():
    assert pipeline.make_recipe().kind_settings == preset_of(None).kind_settings
    for name, kinds in PRESETS.items():
        assert pipeline.make_recipe(name) == pipeline.make_recipe(name, kind=next(iter(kinds)))
        for kind, preset in kinds.items():
            made = pipeline.make_recipe(name, kind=kind)
            assert (made.features, made.kind_settings, made.trial_s) == (
                preset.features,
                preset.kind_settings,
                preset.trial_s,
            )
            assert made.kind_settings.kind == kind
            assert pipeline.make_recipe(name, kind=kind, trial_s=0).trial_s is None
            assert pipeline.make_recipe(name, kind=kind, trial_s=4.0).trial_s == 4.0
        given = pipeline.make_recipe(name, kind="frames", n_components=3, covariance_type="full", init="random")
        assert given.kind_settings == replace(
            kinds["frames"].kind_settings, n_components=3, covariance_type="full", init="random"
        )


@pytest.mark.parametrize(("wrong", "words"), [({"seed": -1}, "`seed` is -1"), ({"preset": "pop"}, "preset is 'pop'")])
def test_a_recipe_that_is_none_is_refused(wrong, words):
    with pytest.raises(SettingError, match=words):
        pipeline.make_recipe(**wrong)


def test_the_settings_of_the_recipe_reach_the_model(clips):
    features = make_features(n_mfcc=5, normalise="mean")
    settings = FrameGmmSettings(n_components=3, covariance_type="full", variance_floor=0.05)
    recipe = pipeline.Recipe(features=features, kind_settings=settings, min_duration_s=0.25, seed=9)
    model = pipeline.train(clips, recipe).model
    assert model.features == features
    assert {(m.n_components, m.covariance_type, m.n_features) for m in model.scorer.mixtures} == {(3, "full", 5)}
    assert model.training.kind_settings == settings
    assert (model.training.seed, model.training.min_duration_s, model.training.trial_s) == (9, 0.25, None)


def test_the_summary_adds_up(clips):
    result = pipeline.train(clips, SMALL)
    training = result.model.training
    assert training.seconds == {"low": 6.0, "mid": 6.0, "high": 6.0}
    # 1 s is 22,050 samples: 44 frames 512 samples apart, the first centred on the first sample
    assert training.rows == {"low": 264, "mid": 264, "high": 264}
    assert training.log_likelihood == {label: trace.log_likelihoods[-1] for label, trace in result.traces.items()}
    assert len(training.clips) == 18
    assert result.failed == ()


def test_more_components_than_frames_is_said(clips):
    few = Corpus(clips.root, tuple(replace(c, end_s=0.5) for c in clips.clips[::6]) + clips.clips[1::6])
    recipe = pipeline.make_recipe(n_components=80)
    result = pipeline.train(few, recipe)
    kept = {label: trace.n_components for label, trace in result.traces.items()}
    assert kept["low"] < 80
    assert (
        f"low: 80 components were asked and {kept['low']} kept: there are no more distinct frames; "
        "lower `n_components`, or add audio"
    ) in map(str, result.model.training.findings)


def test_a_segment_is_the_sound_between_its_times(corpus):
    path = corpus.rows[0]["path"]
    clips = (Clip(path, "a", start_s=0.25, end_s=0.8), Clip(path, "b", end_s=0.75))
    training = pipeline.train(Corpus(corpus.root, clips), SMALL).model.training
    whole = read_audio(corpus.root / path, 22050)
    parts = (whole[round(0.25 * 22050) : round(0.8 * 22050)], whole[: round(0.75 * 22050)])
    assert [clip.sha256 for clip in training.clips] == [hashlib.sha256(part.tobytes()).hexdigest() for part in parts]
    assert training.seconds == {"a": len(parts[0]) / 22050, "b": len(parts[1]) / 22050}


def test_a_segment_outside_its_file_fails_by_name(corpus):
    clips = [Clip(row["path"], row["label"]) for row in corpus.rows[::3]]
    clips.append(Clip(corpus.rows[0]["path"], "low", start_s=5.0, end_s=6.0))
    result = pipeline.train(Corpus(corpus.root, tuple(clips)), SMALL)
    assert [(item.path, item.code) for item in result.failed] == [(corpus.rows[0]["path"], "bad_segment")]


def test_the_same_file_in_two_classes_is_said(corpus):
    clips = [Clip(row["path"], row["label"]) for row in corpus.rows[::3]]
    clips.append(Clip(corpus.rows[0]["path"], "mid"))
    findings = pipeline.train(Corpus(corpus.root, tuple(clips)), SMALL).model.training.findings
    texts = {finding.code: finding.text for finding in findings}
    assert texts["same_audio_two_labels"] == "same audio under two labels: low/ann/0.wav (low) = low/ann/0.wav (mid)"


def test_training_does_not_change_the_corpus(clips):
    before = tuple(clips.clips)
    pipeline.train(clips, SMALL)
    assert clips.clips == before


def test_order_in_the_manifest_is_the_order_in_the_model(clips):
    turned = replace(clips, clips=clips.clips[::-1])
    model = pipeline.train(turned, SMALL).model
    assert [clip.path for clip in model.training.clips] == [clip.path for clip in turned.clips]


def test_one_class_left_by_failures_says_which_failure(clips):
    gone = tuple(c if c.label == "low" else replace(c, path="gone/" + c.path) for c in clips.clips)
    with pytest.raises(CorpusError) as caught:
        pipeline.train(replace(clips, clips=gone), SMALL)
    assert str(caught.value) == (
        "one label is left to use: 12 clips failed, the first: gone/mid/ann/0.wav: is not there; check the path"
    )


@pytest.mark.parametrize("min_duration_s", [-0.1, float("nan"), 3601.0])
def test_a_least_duration_outside_its_bounds_is_refused(clips, min_duration_s):
    with pytest.raises(SettingError, match="`min_duration_s` is"):
        pipeline.train(clips, replace(SMALL, min_duration_s=min_duration_s))


# Many files.


def test_a_surprise_at_one_file_does_not_lose_the_others(clips, monkeypatch):
    whole = extraction.raw_frames

    def surprised(blocks, config):
        blocks = list(blocks)
        surprised.calls += 1
        if surprised.calls == 2:
            raise ZeroDivisionError("what nobody thought of")
        if surprised.calls == 3:
            raise FeatureError("no frames here")
        return whole(blocks, config)

    surprised.calls = 0
    monkeypatch.setattr(extraction, "raw_frames", surprised)
    result = pipeline.train(clips, SMALL)
    paths = [clip.path for clip in clips.clips]
    assert result.failed == (
        FailedInput(paths[1], "failed", "cannot be used (ZeroDivisionError: what nobody thought of)"),
        FailedInput(paths[2], "no_frames", "no frames here"),
    )
    assert [clip.path for clip in result.model.training.clips] == [paths[0], *paths[3:]]


def test_stopping_by_hand_is_not_taken_for_a_bad_file(clips, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(extraction, "raw_frames", stopped)
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(clips, SMALL)


def test_progress_sees_every_clip_and_their_number(clips):
    seen = []

    def watch(results, total, doing):
        for result in results:
            seen.append((total, doing))
            yield result

    pipeline.train(clips, SMALL, progress=watch)
    stages = Counter(seen)
    assert stages[18, "extracting features"] == 18
    assert stages[5, "inner folds"] == 5
    model = pipeline.train(clips, SMALL).model
    for run in (
        lambda: pipeline.crossval(clips, SMALL, progress=watch),
        lambda: pipeline.evaluate(model, clips, progress=watch),
    ):
        seen.clear()
        run()
        assert Counter(seen)[18, "extracting features"] == 18


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_classify_keeps_the_order_of_the_paths(model, corpus, n_jobs):
    paths = [str(corpus.root / row["path"]) for row in corpus.rows[::-2]]
    paths.insert(3, "gone.wav")
    found = list(pipeline.classify(model, paths, n_jobs=n_jobs))
    assert [item.path for item in found] == paths
    reason = {"code": "vanished", "message": "is not there; check the path"}
    assert found[3] == Prediction("gone.wav", "error", **reason)
    del found[3]
    assert [item.label for item in found] == [row["label"] for row in corpus.rows[::-2]]
    assert {item.duration_s for item in found} == {1.0}


def test_classify_scores_are_the_same_bits_for_one_worker_and_two(model, corpus):
    paths = [str(corpus.root / row["path"]) for row in corpus.rows]
    assert list(pipeline.classify(model, paths, n_jobs=1)) == list(pipeline.classify(model, paths, n_jobs=2))


def test_classify_is_lazy(model, corpus):
    path = str(corpus.root / corpus.rows[0]["path"])
    found = pipeline.classify(model, [path] * 1000)
    assert next(found).label == "low"


def test_rows_are_those_of_extract(corpus):
    config = PRESETS["genre"]["frames"].features
    path = str(corpus.root / corpus.rows[7]["path"])
    found = next(pipeline.read_rows(config, [path]))
    with threadpool_limits(limits=1):  # as the engine does
        expected = extract(read_audio(path, config.frames.sample_rate_hz), config)
    np.testing.assert_array_equal(found.rows.values, expected.values)
    np.testing.assert_array_equal(found.rows.time_s, expected.time_s)
    assert found.duration_s == 1.0


def test_a_dead_worker_is_an_error_of_ours(clips, monkeypatch):
    def dies(_):
        import os

        os._exit(1)

    monkeypatch.setattr(extraction, "extract_clip", dies)
    with pytest.raises(WorkerError, match="a worker process died"):
        pipeline.train(clips, SMALL, n_jobs=2)


# Evaluation.


def test_evaluate_joins_and_normalises_as_it_is_told(model, corpus):
    segments = tuple(Clip(row["path"], row["label"], group=row["group"]) for row in corpus.rows)
    report = pipeline.evaluate(model, Corpus(corpus.root, segments), trial_s=2.0)
    assert report.n == 9
    assert all(len(clip.paths) == 2 for clip in report.clips)
    assert report.protocol.trial_s == 2.0
    assert report.accuracy == 1.0


def test_evaluate_says_how_the_model_was_made(model, clips):
    settings = pipeline.evaluate(model, clips).protocol.settings
    assert settings["features"] == model.features.to_dict()
    assert settings["training"]["clips"] == 12
    assert settings["training"]["kind_settings"]["n_components"] == 4


def test_a_trained_model_without_groups_makes_its_evaluation_uncertain(clips):
    blind = replace(clips, clips=tuple(replace(c, group=None) for c in clips.clips))
    model = pipeline.train(blind, SMALL).model
    assert "groups_unknown" in {finding.code for finding in pipeline.evaluate(model, clips).warnings}


def test_the_same_training_gives_the_same_bytes_in_one_process(clips):
    assert to_bytes(train_function(clips, SMALL).model) == to_bytes(train_function(clips, SMALL).model)
