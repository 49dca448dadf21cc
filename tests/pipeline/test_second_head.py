"""The second head on vectors that are given beside sound: the answer is the mean, and whatever it takes is named."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gmmaudio
from gmmaudio import GivenRows, GivenVectors, make_recipe
from gmmaudio.compute import RunContext
from gmmaudio.corpus import Corpus, plan_split
from gmmaudio.errors import CorpusError, ModelFileError, SettingError
from gmmaudio.features import Rows, RowSettings
from gmmaudio.models import (
    BlockGaussianSettings,
    explain_rows,
    fit_checked_head,
    fit_trials,
    fit_vector_head,
    vector_fitting,
)
from gmmaudio.models.file import FORMAT_VERSION, from_bytes, to_bytes
from gmmaudio.models.recipe import Recipe
from gmmaudio.models.segmenter import Segmenter, SegmenterSettings
from gmmaudio.models.source_shift import SourceShift
from gmmaudio.models.windows import WindowSettings
from gmmaudio.pipeline.own_rows import training_trials
from gmmaudio.trials import Trial, read_vectors
from tests.models.conftest import header_and_tensors, sealed

RECIPE = make_recipe(n_components=2)
NAME = "an embedding"


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    from gmmaudio.evaluation import intervals

    monkeypatch.setattr(intervals, "N_DRAWS", 50)


@pytest.fixture(scope="module")
def arrays(corpus):
    """A vector of six columns for each clip, which tells its label less well than the sound does."""
    rng = np.random.default_rng(0)
    centres = {label: rng.normal(size=6) for label in ("low", "mid", "high")}
    return {row["path"]: (centres[row["label"]] + rng.normal(size=6)).astype(np.float32) for row in corpus.rows}


@pytest.fixture(scope="module")
def given(arrays):
    return GivenVectors(arrays, NAME)


@pytest.fixture(scope="module")
def trained(corpus, given):
    """Models of the clips of ann and bob: with vectors, and of their sound alone."""
    clips = gmmaudio.read_corpus(corpus.split)
    return gmmaudio.train(clips, RECIPE, vectors=given).model, gmmaudio.train(clips, RECIPE).model


def paths_of(corpus):
    return [row["path"] for row in corpus.rows if row["split"] == "test"]


def below(corpus, given, **settings):
    """The same vectors by the paths that classify is given."""
    return replace(given, vectors_root=corpus.root, **settings)


def answers(model, corpus, given=None, **options):
    paths = [corpus.root / path for path in paths_of(corpus)]
    return list(gmmaudio.classify(model, paths, vectors=given, **options))


# --- the mean -----------------------------------------------------------------------------------------------------


def softmax(logits):
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def by_hand(head, vector, prior=None):
    """Return the probabilities of the head for a vector, from the numbers of its file alone."""
    projection, means = head.scorer.transform, [mixture.means[0] for mixture in head.scorer.mixtures]
    z = 2.0 * np.tanh((vector - projection.mean) / projection.scale / 2.0) @ projection.matrix
    scores = np.array([-0.5 * (np.square(z - mean).sum() + len(z) * np.log(2 * np.pi)) for mean in means])
    logits = head.calibration.scale * scores + head.calibration.offsets
    return softmax(logits if prior is None else logits + np.log(prior))


@pytest.mark.parametrize("priors", [None, {"high": 0.7, "low": 0.2, "mid": 0.1}])
def test_the_answer_is_the_mean_of_the_probabilities_of_sound_and_vectors(corpus, trained, arrays, given, priors):
    both, sound = trained
    options = {"priors": priors, "same_sources": True}
    of_sound = answers(sound, corpus, **options)
    prior = None if priors is None else np.array(list(priors.values()))
    for path, joined, first in zip(
        paths_of(corpus), answers(both, corpus, below(corpus, given), **options), of_sound, strict=True
    ):
        second = by_hand(both.vector_head, arrays[path], prior)
        expected = (np.array(list(first.probability.values())) + second) / 2
        # the same sums of a dozen numbers in another order
        np.testing.assert_allclose(list(joined.probability.values()), expected, rtol=1e-10)
        np.testing.assert_allclose(list(joined.scores.values()), np.log(expected), rtol=1e-9, atol=1e-12)
        assert joined.label == both.scorer.labels[expected.argmax()]
        assert (joined.path, joined.status, joined.duration_s) == (first.path, first.status, first.duration_s)
        assert joined.probability != first.probability


def test_recordings_of_a_new_source_are_pulled_to_the_priors_by_both_heads(corpus, trained, given):
    both, _ = trained
    shift = SourceShift(0.25, 2, 2)
    shifted = replace(both, calibration=replace(both.calibration, source_shift=shift))
    plain = answers(both, corpus, below(corpus, given), same_sources=True)
    for known, new in zip(plain, answers(shifted, corpus, below(corpus, given)), strict=True):
        expected = {label: 0.75 * p + 0.25 / 3 for label, p in known.probability.items()}
        assert new.probability == pytest.approx(expected, rel=1e-12)


def test_the_head_is_that_of_a_model_of_rows_calibrated_on_the_same_inner_folds(corpus, trained, arrays):
    head = trained[0].vector_head
    recipe = Recipe(kind_settings=BlockGaussianSettings(), trial_s=None)
    rows = gmmaudio.train(corpus.split, recipe, rows=GivenRows(arrays, NAME)).model
    for name, array in rows.scorer.transform.tensors().items():
        np.testing.assert_array_equal(head.scorer.transform.tensors()[name], array)
    assert head.calibration.to_dict() == rows.calibration.to_dict()
    assert head.frames == rows.features.frames
    assert head.scorer.transform.n_outputs <= 3  # of 12 clips, one component for four rows
    assert rows.features.rows == RowSettings()


def test_the_sound_is_that_of_a_model_without_vectors(trained):
    both, sound = trained
    assert to_bytes(replace(both.of_sound, training=sound.training)) == to_bytes(sound)
    assert sound.of_sound is sound
    assert both.open_set == sound.open_set


def test_unknown_is_said_by_the_sound_and_several_vectors_count_by_their_mean_score(corpus, trained, arrays):
    both, _ = trained
    strict = replace(both, open_set=replace(both.open_set, statistic="score", threshold=1e9))
    several = GivenVectors({path: np.stack([array, array]) for path, array in arrays.items()})
    one = answers(both, corpus, below(corpus, GivenVectors(arrays)))
    for plain, unknown in zip(one, answers(strict, corpus, below(corpus, several)), strict=True):
        assert (unknown.status, unknown.code, unknown.label) == ("unknown", "no_label", None)
        assert unknown.probability == pytest.approx(plain.probability, rel=1e-12)
        assert unknown.best_label == plain.label


def test_a_long_recording_is_joined_too(corpus, trained, arrays, given, tmp_path, tools):
    both, sound = trained
    tools.write(tmp_path / "long.wav", np.concatenate([tools.band_noise("low", i) for i in range(9)]), tools.sr)
    path = str(tmp_path / "long.wav")
    (first,) = gmmaudio.classify(sound, [path], same_sources=True)
    assert first.shares is not None
    vector = next(iter(arrays.values()))
    (joined,) = gmmaudio.classify(both, [path], vectors=GivenVectors({path: vector}), same_sources=True)
    second = by_hand(both.vector_head, vector)
    expected = (np.array(list(first.probability.values())) + second) / 2
    np.testing.assert_allclose(list(joined.probability.values()), expected, rtol=1e-10)
    assert (joined.status, joined.shares) == (first.status, first.shares)


# --- files --------------------------------------------------------------------------------------------------------


def test_a_model_is_saved_and_loaded_to_the_bit(corpus, trained, given, tmp_path):
    both, sound = trained
    gmmaudio.save_model(both, tmp_path / "m.gmm")
    loaded = gmmaudio.load_model(tmp_path / "m.gmm")
    assert to_bytes(loaded) == (tmp_path / "m.gmm").read_bytes()
    assert loaded.vector_head.frames == both.vector_head.frames
    assert loaded.vector_head.to_dict() == both.vector_head.to_dict()
    assert answers(loaded, corpus, below(corpus, given)) == answers(both, corpus, below(corpus, given))
    header, tensors = header_and_tensors(to_bytes(both))
    assert header["format_version"] == FORMAT_VERSION
    assert header["vector_head"]["vectors_name"] == NAME
    assert {name for name in tensors if name.startswith("vectors:")} >= {"vectors:transform.matrix", "vectors:0.means"}
    # a model without vectors is written as before
    header, tensors = header_and_tensors(to_bytes(sound))
    assert "vector_head" not in header
    assert not [name for name in tensors if name.startswith("vectors:")]


def test_a_file_whose_head_does_not_fit_is_refused(trained):
    header, tensors = header_and_tensors(to_bytes(trained[0]))
    for change, message in (
        ({"vector_head": None}, "there are tensors of a head on vectors, and no such head"),
        ({"vector_head": header["vector_head"] | {"n_columns": 7}}, "expected"),
        ({"vector_head": header["vector_head"] | {"vectors_name": ""}}, "expected the name of what made"),
        ({"calibration": None}, "there is a second head on vectors, and the scores of sound are not calibrated"),
    ):
        with pytest.raises(ModelFileError, match=message):
            from_bytes(sealed(header | change, tensors))


def test_the_model_is_the_same_bytes_for_any_order_of_vectors_and_any_jobs(corpus, trained, arrays):
    turned = GivenVectors(dict(reversed(arrays.items())), NAME)
    again = gmmaudio.train(corpus.split, RECIPE, vectors=turned, n_jobs=2).model
    assert to_bytes(again) == to_bytes(trained[0])
    one, two = (answers(trained[0], corpus, below(corpus, turned), n_jobs=n) for n in (1, 2))
    assert one == two


# --- reports ------------------------------------------------------------------------------------------------------


def test_a_cross_validation_reports_on_both_heads_and_can_be_run_again(clips, given, arrays):
    options = {"folds": 3, "compare_random_split": True, "durations_s": (0.5,)}
    report, sound = (gmmaudio.crossval(clips, RECIPE, vectors=each, **options) for each in (given, None))
    assert "durations" in {name for name, rows in sound.slices.items() if rows}
    assert "durations" not in {name for name, rows in report.slices.items() if rows}
    assert [c.probability for c in report.clips] != [c.probability for c in sound.clips]
    assert [c.scores for c in report.clips] == [
        {label: pytest.approx(np.log(p), rel=1e-9, abs=1e-12) for label, p in c.probability.items()}
        for c in report.clips
    ]
    (finding,) = (each for each in report.findings if each.code == "given_vectors")
    assert "clips are not cut to other lengths" in finding.text
    recorded = json.loads(json.dumps(report.to_dict()))
    assert recorded["run"]["options"]["vectors"]["vectors_name"] == NAME
    assert gmmaudio.reproduce(recorded, vectors=given).identical
    with pytest.raises(CorpusError, match="is the report of vectors that were given beside sound; name these"):
        gmmaudio.reproduce(recorded)
    others = GivenVectors({path: -array for path, array in arrays.items()}, NAME)
    assert "the vectors: are others" in gmmaudio.reproduce(recorded, vectors=others).changed_inputs


def test_an_evaluation_scores_both_heads_and_its_report_is_that_of_classify(corpus, trained, given):
    both, _ = trained
    report = gmmaudio.evaluate(both, corpus.split, vectors=given)
    found = {clip.name: dict(clip.probability) for clip in report.clips}
    known = answers(both, corpus, below(corpus, given), same_sources=True)
    for path, answer in zip(paths_of(corpus), known, strict=True):
        assert found[path] == dict(answer.probability)
    assert gmmaudio.reproduce(json.loads(json.dumps(report.to_dict())), model=both, vectors=given).identical


def test_finished_folds_are_kept_by_the_content_of_the_vectors(clips, given, arrays, tmp_path, monkeypatch):
    from gmmaudio.compute import checkpoints
    from gmmaudio.pipeline import fold_checkpoints

    monkeypatch.setattr(checkpoints, "LEAST_S", 0.0)
    options = {"folds": 3, "cache": tmp_path / "cache"}
    first = gmmaudio.crossval(clips, RECIPE, vectors=given, **options)
    others = {path: array + (path.startswith("low")) for path, array in arrays.items()}
    changed = gmmaudio.crossval(clips, RECIPE, vectors=GivenVectors(others, NAME), **options)
    assert [c.probability for c in changed.clips] != [c.probability for c in first.clips]
    without = gmmaudio.crossval(clips, RECIPE, **options)
    assert [c.probability for c in without.clips] != [c.probability for c in first.clips]

    def run_fold(*_arguments, **_settings):
        raise AssertionError("a finished fold was computed again")

    monkeypatch.setattr(fold_checkpoints, "run_fold", run_fold)
    again = gmmaudio.crossval(clips, RECIPE, vectors=given, **options)
    assert [(c.scores, c.probability) for c in again.clips] == [(c.scores, c.probability) for c in first.clips]


# --- what is refused ----------------------------------------------------------------------------------------------


def test_clips_without_vectors_are_failures_with_a_name(corpus, trained, arrays, given):
    both, _ = trained
    gone, wide = paths_of(corpus)[:2]
    some = {path: array for path, array in arrays.items() if path != gone} | {wide: np.zeros(9)}
    found = answers(both, corpus, below(corpus, GivenVectors(some)))
    assert [(each.status, each.code) for each in found[:3]] == [
        ("error", "vanished"),
        ("error", "wrong_dimension"),
        ("ok", None),
    ]
    assert found[1].message == f"vectors: has 9 columns; expected 6, as {NAME!r} has in the other clips or in the model"
    report = gmmaudio.evaluate(both, corpus.split, vectors=GivenVectors(some))
    assert [(each.path, each.code) for each in report.failed] == [(gone, "vanished"), (wide, "wrong_dimension")]
    assert report.n == 4
    result = gmmaudio.train(corpus.plain, RECIPE, vectors=replace(given, vectors=some))
    assert [each.path for each in result.failed] == [gone, wide]
    assert len(result.model.training.clips) == 16


def test_sound_that_cannot_be_used_keeps_its_own_reason(corpus, trained, given):
    (answer,) = gmmaudio.classify(trained[0], ["gone.wav"], vectors=given)
    assert (answer.status, answer.code, answer.message) == ("error", "vanished", "is not there; check the path")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda both, _sound, _given, corpus: gmmaudio.classify(both, [str(corpus.root)]),
            r"has a second head on vectors of 'an embedding' \(6 columns\), and none are given; name .* \(`vectors`\)",
        ),
        (
            lambda both, _sound, _given, corpus: gmmaudio.evaluate(both, corpus.split),
            r"has a second head on vectors of 'an embedding' \(6 columns\), and none are given",
        ),
        (
            lambda _both, sound, given, _corpus: gmmaudio.classify(sound, [], vectors=given),
            "`vectors` are given, and the model has no head on vectors; leave them out, or train a model with them",
        ),
        (
            lambda both, _sound, given, _corpus: gmmaudio.classify(both, [], vectors=replace(given, vectors_name="b")),
            r"`vectors_name` is 'b', and the model takes vectors of 'an embedding' \(6 columns\)",
        ),
        (
            lambda both, _sound, given, corpus: gmmaudio.evaluate(both, corpus.split, vectors=given, robustness=True),
            "`robustness` degrades sound, and the vectors that are given are those of clips as they are; leave it out",
        ),
        (
            lambda _both, _sound, given, corpus: gmmaudio.crossval(corpus.plain, vectors=given, robustness=True),
            "`robustness` degrades sound, and the vectors",
        ),
        (
            lambda _both, _sound, given, corpus: gmmaudio.crossval(corpus.plain, vectors=given, learning_curve=True),
            "`learning_curve` trains on parts that are too small for probabilities",
        ),
        (
            lambda _both, _sound, given, corpus: gmmaudio.train(
                corpus.plain, rows=GivenRows(given.vectors, "r"), vectors=given
            ),
            "`vectors` go beside sound, and `rows` stand in its place; leave one of them out",
        ),
        (lambda both, _sound, _given, _corpus: gmmaudio.timeline(both, "song.wav"), "only classify and evaluate take"),
        (lambda both, _sound, _given, _corpus: gmmaudio.explain(both, "song.wav"), "only classify and evaluate take"),
        (
            lambda both, _sound, _given, _corpus: explain_rows(both, Rows(np.zeros((3, 20)), np.zeros(3))),
            "only classify and evaluate take",
        ),
        (
            lambda both, _sound, _given, _corpus: Segmenter(both, SegmenterSettings(WindowSettings(1.0, 0.5))),
            "only classify and evaluate take",
        ),
        (
            lambda both, _sound, _given, _corpus: both.predict(Rows(np.zeros((3, 20)), np.zeros(3))),
            "and none are given",
        ),
    ],
)
def test_what_takes_no_vectors_or_lacks_them_is_refused(corpus, trained, given, call, message):
    both, sound = trained
    with pytest.raises(SettingError, match=message):
        call(both, sound, given, corpus)


def test_services_and_statistics_refuse_the_model_before_they_start(trained, corpus):
    pytest.importorskip("starlette")
    from gmmaudio.service.application import open_engine
    from gmmaudio.service.service_settings import ServiceSettings

    with (
        pytest.raises(SettingError, match="only classify and evaluate take"),
        open_engine(trained[0], ServiceSettings(n_jobs=1)),
    ):
        pass
    with pytest.raises(SettingError, match="only classify and evaluate take"):
        gmmaudio.stats(corpus.plain, trained[0])


def test_vectors_without_two_groups_of_a_label_are_refused(corpus, given):
    from gmmaudio.corpus import Clip

    one = [row["path"] for row in corpus.rows if row["singer"] == "ann" and row["path"].endswith(".wav")]
    lone = Corpus(corpus.root, tuple(Clip(path, path.split("/")[0], group=path) for path in one))
    with pytest.raises(SettingError, match="no label has two groups to learn these from; name artists or speakers"):
        gmmaudio.train(lone, RECIPE, vectors=given)


def test_degraded_copies_of_the_sound_are_not_rows_of_the_head(corpus, clips, given):
    recipe = make_recipe(n_components=1, augment=("noise",))
    planned = plan_split(clips.clips)
    vectors = read_vectors(given, planned)
    trials = training_trials(Path(corpus.root), planned, recipe, None, vectors=vectors).trials
    assert all(isinstance(trial, Trial) and trial.copies for trial in trials)
    head = fit_vector_head(trials, 0, RunContext())
    bare = [replace(trial, copies=()) for trial in trials]
    assert head.calibration.to_dict() == fit_vector_head(bare, 0, RunContext()).calibration.to_dict()
    assert fit_vector_head([replace(trial, vectors=None) for trial in trials], 0, RunContext()) is None
    assert fit_trials(trials, recipe, RunContext()).recogniser.vector_head is None


# --- a head that makes it worse -----------------------------------------------------------------------------------


def test_vectors_that_make_the_mean_worse_are_warned_of(corpus, clips, given, trained):
    """The sound of this corpus tells its labels without an error, so that any vectors lose."""
    planned, run = plan_split(clips.clips), RunContext()
    noise = GivenVectors({clip.path: np.random.default_rng(i).normal(size=3) for i, clip in enumerate(planned)}, "n")
    strong, weak = (
        training_trials(Path(corpus.root), planned, RECIPE, None, vectors=read_vectors(each, planned)).trials
        for each in (given, noise)
    )
    assert fit_checked_head(strong, 0, run, vector_fitting._fit_vectors(weak, 0, run))[1] == ()
    _, (found,) = fit_checked_head(weak, 0, run, vector_fitting._fit_vectors(strong, 0, run))
    (of_model,) = (each for each in trained[0].training.findings if each.code == "vectors_lose")
    for finding in (found, of_model):
        assert re.match(
            r"on inner folds the log-loss of the sound is \d\.\d{3} nats, that of the vectors \d\.\d{3}, and",
            finding.text,
        )


def test_losses_on_inner_folds_are_those_of_sound_vectors_and_mean(corpus, given, clips):
    planned = plan_split(clips.clips)
    trials = training_trials(Path(corpus.root), planned, RECIPE, None, vectors=read_vectors(given, planned)).trials
    run = RunContext()
    of_sound, of_vectors = fit_trials(trials, RECIPE, run), vector_fitting._fit_vectors(trials, RECIPE.seed, run)
    losses = vector_fitting.inner_losses(trials, of_sound, of_vectors)
    # never the truth less than half of what either gives it
    assert losses[2] <= min(losses[:2]) + np.log(2)
    # by hand: every label has as many clips and groups, so that all weigh the same
    each = []
    for fitted in (of_sound, of_vectors):
        scores = fitted.out_of_fold
        p = fitted.recogniser.calibration.probability(scores.fused(fitted.recogniser.scorer.weights))
        true = [scores.labels.index(trials[i].label) for i in scores.indices]
        each.append(p[np.arange(len(true)), true])
    expected = [-np.mean(np.log(p)) for p in (*each, (each[0] + each[1]) / 2)]
    np.testing.assert_allclose(losses, expected, rtol=1e-9)
