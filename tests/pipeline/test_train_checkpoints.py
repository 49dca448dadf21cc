"""Training that is started again: the same bytes of a model, and nothing that was kept is computed again."""

from dataclasses import fields, replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import QUIET, digest_of
from gmmaudio.compute import checkpoints as checkpoints_module
from gmmaudio.errors import CacheWarning
from gmmaudio.features import FeatureStore
from gmmaudio.mixture import replay
from gmmaudio.mixture.fit_rows import FitRows
from gmmaudio.models import Recipe, fit_trials, to_bytes, tuning
from gmmaudio.models.inner_folds import TrialFits, fresh_trial_fits
from gmmaudio.pipeline.training import fit_model
from tests.conftest import trials_of
from tests.pipeline.conftest import SMALL
from tests.pipeline.test_fold_checkpoints import OTHER, RECIPES, refuse


class InMemory(dict):
    """Checkpoints in a dictionary, and the keys that were asked for."""

    def __init__(self):
        super().__init__()
        self.keys_asked = []

    def read(self, key):
        self.keys_asked.append(key)
        return self.get(digest_of(key))

    def write(self, key, arrays, record):
        self[digest_of(key)] = arrays, record


@pytest.fixture(autouse=True)
def keep_all(monkeypatch):
    """Keep what takes no time, too."""
    monkeypatch.setattr(checkpoints_module, "LEAST_S", 0.0)
    monkeypatch.setattr(replay, "PASS_S", 0.0)


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "cache")


def bytes_of(clips, recipe, cache=None, **settings):
    return to_bytes(pipeline.train(clips, recipe, cache=cache, **settings).model)


def damage(store):
    """Change a bit of every third entry, and remove every third."""
    rng = np.random.default_rng(0)
    files = sorted(file.path for file in store.files())
    for path in files[::3]:
        data = bytearray(path.read_bytes())
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
    for path in files[1::3]:
        path.unlink()


@pytest.mark.parametrize("name", RECIPES)
def test_a_model_is_the_same_bytes_without_checkpoints_and_with_empty_full_and_damaged(clips, store, monkeypatch, name):
    recipe = RECIPES[name]
    plain = bytes_of(clips, recipe)
    assert bytes_of(clips, recipe, store) == plain
    with monkeypatch.context() as patch:
        # neither a fit to a part of the training set nor a pass of EM
        patch.setattr(TrialFits, "fit", refuse)
        patch.setattr(TrialFits, "score", refuse)
        patch.setattr(FitRows, "statistics", refuse)
        assert bytes_of(clips, recipe, store) == plain
        # workers read what this process kept
        if name == "frames":
            assert bytes_of(clips, recipe, store, n_jobs=2) == plain
    damage(store)
    with pytest.warns(CacheWarning, match="damaged"):
        assert bytes_of(clips, recipe, store) == plain


def test_candidates_that_were_tried_are_not_tried_again(clips, store, monkeypatch, few_candidates):
    plain = bytes_of(clips, SMALL, tune=True)
    assert bytes_of(clips, SMALL, store, tune=True) == plain
    monkeypatch.setattr(tuning, "out_of_fold_scores", refuse)
    assert bytes_of(clips, SMALL, store, tune=True) == plain


def test_a_corpus_that_cannot_be_tuned_on_says_so_with_checkpoints_too(clips, store):
    alone = replace(clips, clips=tuple(replace(clip, group=clip.label) for clip in clips.clips))
    results = [pipeline.train(alone, SMALL, cache=cache, tune=True) for cache in (None, store, store)]
    assert {result.model.training.tuning["reason"] for result in results} == {
        "no label has two groups to tune on: the settings are left as they were"
    }


def test_everything_that_scores_of_parts_depend_on_is_in_their_key(clips):
    trials, run = trials_of(clips, SMALL), replace(QUIET, checkpoints=InMemory())
    fresh, shared = fresh_trial_fits(trials, SMALL, QUIET), fit_trials(trials, SMALL, QUIET).fits
    assert set(OTHER) == {field.name for field in fields(Recipe)}
    asked = [
        (fresh, SMALL, "inner fold", [0], [1]),
        (shared, SMALL, "inner fold", [0], [1]),
        (TrialFits(trials[1:], fresh.partial), SMALL, "inner fold", [0], [1]),
        (fresh, SMALL, "labels left out", [0], [1]),
        (fresh, SMALL, "inner fold", [0, 1], [1]),
        (fresh, SMALL, "inner fold", [0], [2]),
        (fresh, SMALL, "inner fold", [0], [1], []),
        *((fresh, recipe, "inner fold", [0], [1]) for recipe in OTHER.values()),
    ]
    for i, (fits, recipe, kind, *places) in enumerate(asked):
        (scores,) = fits.resume(lambda i=i: [np.array([i])], run, recipe, kind, *places)
        assert scores == [i]
    assert len(run.checkpoints) == len(asked)
    # places are the same as indices of numpy
    (again,) = fresh.resume(refuse, run, SMALL, "inner fold", np.array([0]), (np.int64(1),))
    assert again == [0]


def test_a_fit_without_the_rows_of_its_trials_keeps_nothing(clips):
    trials, run = trials_of(clips, SMALL), replace(QUIET, checkpoints=InMemory())
    fitted = fit_trials(trials, SMALL, QUIET)
    from gmmaudio.models.partial_fits import Fit

    given = Fit(fitted.recogniser.scorer, fitted.traces, fitted.fits.partial)
    model, _ = fit_model(trials, SMALL, run, (), fit=given)
    assert run.checkpoints.keys_asked == []
    assert to_bytes(model) == to_bytes(fit_model(trials, SMALL, run, ())[0])
    assert run.checkpoints.keys_asked
