"""Training: settings that reach the model, its summary and findings, and clips that cannot be used."""

import hashlib
from collections import Counter
from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.audio import read_audio
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, FeatureError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import make_features
from gmmaudio.models import FrameGmmSettings, to_bytes
from gmmaudio.trials import extraction
from tests.pipeline.conftest import SMALL

# --- settings and summary --------------------------------------------------------------------------------------------


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


def test_order_in_the_manifest_is_the_order_in_the_model(clips):
    turned = replace(clips, clips=clips.clips[::-1])
    model = pipeline.train(turned, SMALL).model
    assert [clip.path for clip in model.training.clips] == [clip.path for clip in turned.clips]


def test_the_same_training_gives_the_same_bytes_in_one_process(clips):
    assert to_bytes(pipeline.train(clips, SMALL).model) == to_bytes(pipeline.train(clips, SMALL).model)


def test_training_does_not_change_the_corpus(clips):
    before = tuple(clips.clips)
    pipeline.train(clips, SMALL)
    assert clips.clips == before


# --- findings --------------------------------------------------------------------------------------------------------


def test_more_components_than_frames_have_a_finding(clips):
    few = Corpus(clips.root, tuple(replace(c, end_s=0.5) for c in clips.clips[::6]) + clips.clips[1::6])
    recipe = pipeline.make_recipe(n_components=80)
    result = pipeline.train(few, recipe)
    kept = {label: trace.n_components for label, trace in result.traces.items()}
    assert kept["low"] < 80
    assert (
        f"low: 80 components were asked and {kept['low']} kept: there are no more distinct frames; "
        "lower `n_components`, or add audio"
    ) in map(str, result.model.training.findings)


def test_the_same_file_in_two_classes_has_a_finding(corpus):
    clips = [Clip(row["path"], row["label"]) for row in corpus.rows[::3]]
    clips.append(Clip(corpus.rows[0]["path"], "mid"))
    findings = pipeline.train(Corpus(corpus.root, tuple(clips)), SMALL).model.training.findings
    texts = {finding.code: finding.text for finding in findings}
    assert texts["same_audio_two_labels"] == "same audio under two labels: low/ann/0.wav (low) = low/ann/0.wav (mid)"


# --- clips -----------------------------------------------------------------------------------------------------------


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


def test_failures_that_leave_one_class_are_an_error_that_names_the_first(clips):
    gone = tuple(c if c.label == "low" else replace(c, path="gone/" + c.path) for c in clips.clips)
    with pytest.raises(CorpusError) as caught:
        pipeline.train(replace(clips, clips=gone), SMALL)
    assert str(caught.value) == (
        "one label is left to use: 12 clips failed, the first: gone/mid/ann/0.wav: is not there; check the path"
    )


@pytest.mark.parametrize("min_duration_s", [-0.1, float("nan"), 3601.0])
def test_a_shortest_duration_outside_its_bounds_is_refused(clips, min_duration_s):
    with pytest.raises(SettingError, match="`min_duration_s` is"):
        pipeline.train(clips, replace(SMALL, min_duration_s=min_duration_s))


def test_an_unexpected_error_at_one_file_does_not_lose_the_others(clips, monkeypatch):
    whole = extraction.raw_frames

    def surprised(blocks, config, tables=None):
        blocks = list(blocks)
        surprised.calls += 1
        if surprised.calls == 2:
            raise ZeroDivisionError("what nobody thought of")
        if surprised.calls == 3:
            raise FeatureError("no frames here")
        return whole(blocks, config, tables)

    surprised.calls = 0
    monkeypatch.setattr(extraction, "raw_frames", surprised)
    # in one thread the files are read in their order
    result = pipeline.train(clips, SMALL, n_jobs=1)
    paths = [clip.path for clip in clips.clips]
    assert result.failed == (
        FailedInput(paths[1], "failed", "cannot be used (ZeroDivisionError: what nobody thought of)"),
        FailedInput(paths[2], "no_frames", "no frames here"),
    )
    assert [clip.path for clip in result.model.training.clips] == [paths[0], *paths[3:]]


# --- worker processes and progress -----------------------------------------------------------------------------------


def test_an_interrupt_in_a_decoder_is_not_taken_for_a_bad_file(clips, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(extraction, "raw_frames", stopped)
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(clips, SMALL)


def test_progress_counts_every_clip_and_fold(clips):
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


@pytest.mark.parametrize("kind", ["blocks", "nope"])
def test_a_kind_without_tuning_is_refused_rather_than_ignored(clips, kind):
    with pytest.raises(SettingError, match=rf"`kind` is '{kind}' and `tune` is off"):
        pipeline.train(clips, SMALL, kind=kind)
