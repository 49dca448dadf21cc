"""Finished folds that are kept: the same bits, found by all that they depend on, and costing time only when lost."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.compute import checkpoints as checkpoints_module
from gmmaudio.corpus import Fold
from gmmaudio.errors import CacheWarning
from gmmaudio.features import FeatureStore, make_features
from gmmaudio.models import BlockGaussianSettings, FrameGmmSettings, Recipe, SupervectorSettings
from gmmaudio.pipeline import analyses, fold_checkpoints, fold_runs
from gmmaudio.pipeline.fold_checkpoints import describe_fold, kept_fold, restore_fold, resume_fold
from gmmaudio.pipeline.stored_checkpoints import StoredCheckpoints
from tests.conftest import trials_of
from tests.pipeline.conftest import QUICK, SMALL

BLOCKS = make_features(block_s=0.2, block_step_s=0.1)
WARPS = make_features(fmax_hz=8000.0, vtln=(0.9, 1.1), normalise="mean_variance")
RECIPES = {
    "frames": SMALL,
    "frames, UBM": Recipe(kind_settings=FrameGmmSettings(n_components=2, relevance=8.0)),
    "frames, full": Recipe(kind_settings=FrameGmmSettings(n_components=2, covariance_type="full")),
    "frames, tied": Recipe(kind_settings=FrameGmmSettings(n_components=2, covariance_type="tied")),
    "frames, spherical": Recipe(kind_settings=FrameGmmSettings(n_components=2, covariance_type="spherical")),
    "blocks": Recipe(features=BLOCKS, kind_settings=BlockGaussianSettings(n_pca=5, soft_clip=3.0)),
    "blocks, two heads": Recipe(features=BLOCKS, kind_settings=BlockGaussianSettings(n_pca=5, back_end="trained")),
    "blocks, diag": Recipe(features=BLOCKS, kind_settings=BlockGaussianSettings(n_pca=5, covariance_type="diag")),
    "supervector": Recipe(features=WARPS, kind_settings=SupervectorSettings(n_components=2, n_nuisance=2)),
    "supervector, two heads": Recipe(
        kind_settings=SupervectorSettings(n_components=2, n_nuisance=1, bigram_lag=2, back_end="trained")
    ),
}
# of a report, what tells of the run and not of its result
OF_THE_RUN = ("began", "seconds", "command")


@pytest.fixture(autouse=True)
def keep_all(monkeypatch):
    """Keep what takes no time, too."""
    monkeypatch.setattr(checkpoints_module, "LEAST_S", 0.0)


@pytest.fixture
def trials(clips):
    return trials_of(clips, SMALL)


@pytest.fixture
def fold(trials):
    """The singer cy of each label held out."""
    held_out = [trial.group.endswith("cy") for trial in trials]
    return Fold("cy", tuple(np.flatnonzero(np.invert(held_out))), tuple(np.flatnonzero(held_out)))


@pytest.fixture
def run(tmp_path):
    return replace(QUIET, checkpoints=StoredCheckpoints.of(tmp_path / "cache"))


def text_of(report):
    """Return a report as JSON, without what tells of the run."""
    values = report.to_dict()
    return json.dumps({**values, "protocol": {k: v for k, v in values["protocol"].items() if k not in OF_THE_RUN}})


def refuse(*_args, **_kwargs):
    raise AssertionError("was computed again")


@pytest.mark.parametrize("name", RECIPES)
def test_a_kept_fold_has_the_same_bits(clips, fold, run, name):
    recipe, settings = RECIPES[name], {"open_set": True, "durations_s": (0.4, 9.0)}
    trials = trials_of(clips, recipe)
    computed = resume_fold(trials, fold, recipe, 1, run, **settings)
    read = kept_fold(trials, fold, recipe, 1, run, **settings)
    assert read.scored == computed.scored
    assert read.durations == computed.durations
    assert list(read.durations) == [0.4, 9.0]
    assert len(read.durations[9.0]) == 0 < len(read.durations[0.4])
    assert (read.fold, read.repeat, read.features, read.tuned) == (fold, 1, recipe.features, None)
    assert read.recogniser.open_set == computed.recogniser.open_set is not None
    assert read.recogniser.calibration.to_dict() == computed.recogniser.calibration.to_dict()
    # what the recogniser scores later, as under degradations, has the same bits too
    for trial in trials:
        assert read.recogniser.predict(trial.rows.values) == computed.recogniser.predict(trial.rows.values)


def test_the_choice_of_settings_is_kept(clips, fold, run, few_candidates):
    recipe = replace(SMALL, seed=3)
    trials = trials_of(clips, recipe)
    computed = resume_fold(trials, fold, recipe, 2, run, tuned=True)
    read = kept_fold(trials, fold, recipe, 2, run, tuned=True)
    assert read.tuned == computed.tuned
    assert read.tuned.recipe.seed == 5
    assert read.features == computed.features


# another value of every field of a recipe
OTHER = {
    "preset": replace(SMALL, preset="genre"),
    "features": replace(SMALL, features=SMALL.features.replace(normalise="mean")),
    "kind_settings": replace(SMALL, kind_settings=FrameGmmSettings(n_components=3)),
    "min_duration_s": replace(SMALL, min_duration_s=0.4),
    "trial_s": replace(SMALL, trial_s=1.0),
    "augment": replace(SMALL, augment=("noise",)),
    "seed": replace(SMALL, seed=1),
}


def test_everything_that_a_fold_depends_on_is_in_its_key(trials, fold):
    assert set(OTHER) == {field.name for field in fields(Recipe)}
    settings = {"tuned": False, "open_set": False, "durations_s": (3.0,)}

    def key(trials=trials, fold=fold, recipe=SMALL, repeat=0, **changes):
        return json.dumps(fold_checkpoints._fold_key(trials, fold, recipe, repeat, settings | changes))

    keys = [key(), *(key(recipe=recipe) for recipe in OTHER.values()), key(repeat=1)]
    keys += [key(fold=Fold("other", fold.train, fold.test)), key(fold=Fold("cy", fold.train[1:], fold.test))]
    keys += [key(fold=Fold("cy", fold.train, fold.test[1:])), key(trials=[*trials[1:], trials[0]])]
    keys += [key(tuned=True), key(open_set=True), key(durations_s=(3.0, 10.0))]
    assert len(set(keys)) == len(keys)
    # trials on neither side are not of the fold
    assert key(trials=[*trials, trials[0]]) == key()


@pytest.mark.parametrize("field", [field.name for field in fields(FrameGmmSettings)])
def test_every_setting_of_a_kind_is_in_the_key(trials, fold, field):
    other = {"covariance_type": "full", "init": "random", "relevance": 3.0, "n_ubm_rows": 500}
    value = other[field] if field in other else 2 * getattr(SMALL.kind_settings, field)
    changed = replace(SMALL, kind_settings=replace(SMALL.kind_settings, **{field: value}))
    one, two = (fold_checkpoints._fold_key(trials, fold, recipe, 0, {}) for recipe in (SMALL, changed))
    assert one != two


def everything(clips, cache):
    """Return the report of a cross-validation with all analyses."""
    return pipeline.crossval(
        clips,
        SMALL,
        folds=2,
        repeats=2,
        durations_s=(0.5,),
        learning_curve=True,
        compare_random_split=True,
        robustness=True,
        cache=cache,
    )


def test_a_report_is_the_same_without_checkpoints_and_with_empty_full_damaged_and_some(
    clips, tmp_path, two_degradations, monkeypatch
):
    plain, store = text_of(everything(clips, None)), FeatureStore(tmp_path / "cache")
    assert text_of(everything(clips, store)) == plain
    with monkeypatch.context() as patch:
        patch.setattr(fold_checkpoints, "run_fold", refuse)
        patch.setattr(fold_checkpoints, "score_fold", refuse)
        patch.setattr(analyses, "degraded_trials", refuse)
        assert text_of(everything(clips, store)) == plain
    rng = np.random.default_rng(0)
    files = sorted(file.path for file in store.files())
    for path in files[::2]:
        data = bytearray(path.read_bytes())
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
    for path in files[1::4]:
        path.unlink()
    with pytest.warns(CacheWarning, match="damaged"):
        assert text_of(everything(clips, store)) == plain
    assert text_of(everything(clips, store)) == plain


def test_a_run_goes_on_from_the_folds_that_were_finished(clips, tmp_path, monkeypatch):
    class Talking:
        def __init__(self):
            self.lines = []

        def __call__(self, items, _total, _stage, /):
            return items

        def say(self, line):
            self.lines.append(line)

    plain = text_of(pipeline.crossval(clips, SMALL, folds=3, **QUICK))
    real, computed = fold_runs.run_fold, []

    def stop_at_third(trials, fold, *args, **settings):
        if len(computed) == 2:
            raise KeyboardInterrupt
        computed.append(fold.name)
        return real(trials, fold, *args, **settings)

    said = [Talking() for _ in range(3)]
    monkeypatch.setattr(fold_checkpoints, "run_fold", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        pipeline.crossval(clips, SMALL, folds=3, **QUICK, progress=said[0], cache=tmp_path / "cache")
    computed.clear()
    resumed = pipeline.crossval(clips, SMALL, folds=3, **QUICK, progress=said[1], cache=tmp_path / "cache")
    assert computed == ["2"]
    again = pipeline.crossval(clips, SMALL, folds=3, **QUICK, progress=said[2], cache=tmp_path / "cache")
    assert computed == ["2"]
    assert [each.lines for each in said] == [
        [],
        ["goes on from 2 of 3 folds, which an earlier run finished"],
        ["goes on from 3 of 3 folds, which an earlier run finished"],
    ]
    assert text_of(resumed) == text_of(again) == plain


def test_a_condition_that_lacks_a_trial_is_computed_again(trials, fold, run):
    result = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET)
    key = fold_checkpoints.condition_key(trials, [result], SMALL, {})
    lacking, whole = [result.scored[1:]], [result.scored]
    for scored in (lacking, whole):
        assert fold_checkpoints.resume_condition(key, [result], run, lambda scored=scored: scored) == scored[0]
    # the whole is kept, another condition is not known
    assert fold_checkpoints.resume_condition(key, [result], run, refuse) == result.scored
    assert fold_checkpoints.resume_condition(key | {"other": 1}, [result], run, lambda: lacking) == lacking[0]


def test_everything_that_a_condition_depends_on_is_in_its_key(trials, fold):
    result = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET)
    other = replace(result, fold=Fold("cy", fold.train[1:], fold.test))
    keys = [
        fold_checkpoints.condition_key(*arguments)
        for arguments in (
            (trials, [result], SMALL, {"tune": False}),
            (trials[1:], [result], SMALL, {"tune": False}),
            (trials, [other], SMALL, {"tune": False}),
            (trials, [replace(result, repeat=1)], SMALL, {"tune": False}),
            (trials, [result], replace(SMALL, seed=1), {"tune": False}),
            (trials, [result], SMALL, {"tune": True}),
        )
    ]
    assert len({json.dumps(key) for key in keys}) == len(keys)


def test_a_record_of_another_form_is_refused(trials, fold):
    result = fold_runs.run_fold(trials, fold, SMALL, 0, QUIET, durations_s=(0.5,))
    arrays, record = describe_fold(result)
    assert restore_fold(fold, 0, SMALL, arrays, json.loads(json.dumps(record))).scored == result.scored
    for bad in ({}, {**record, "durations_s": []}, {**record, "scorer": {**record["scorer"], "labels": ["a"]}}):
        with pytest.raises(checkpoints_module.UNUSABLE):
            restore_fold(fold, 0, SMALL, arrays, bad)
    with pytest.raises(checkpoints_module.UNUSABLE):
        restore_fold(fold, 0, SMALL, {}, record)
