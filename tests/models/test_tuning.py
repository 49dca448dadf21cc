"""Settings chosen on inner folds."""

from dataclasses import replace

import numpy as np

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.models import fitting, tuning
from tests.conftest import trials_of

SMALL = pipeline.make_recipe(n_components=2)


def test_candidates_of_another_front_end_have_warps_where_their_kind_takes_them():
    recipe = pipeline.make_recipe("language")
    for own in (recipe, replace(recipe, features=recipe.features.replace(n_mels=24))):
        kinds = {}
        for candidate in tuning._candidates(own, None):
            kinds.setdefault(candidate.kind_settings.kind, set()).add(candidate.features.frames.n_warps)
        assert kinds == {"supervector": {3}, "blocks": {1}, "frames": {1}}


def test_the_table_of_candidates_holds_the_accuracies_on_inner_folds(clips, few_candidates):
    trials = trials_of(clips, SMALL)
    choice = tuning.tune(trials, replace(SMALL, seed=3), QUIET)
    assert len(choice.table) == 4  # the recipe itself is compared too
    for row in choice.table:
        changes = {name: row[name] for name in ("covariance_type", "n_components")}
        settings = replace(SMALL.kind_settings, **changes)
        scored = fitting.out_of_fold_scores(trials, replace(SMALL, kind_settings=settings, seed=3), QUIET)
        predicted = [scored.labels[i] for i in scored.fused((1.0,)).argmax(axis=1)]
        correct = [trials[i].label == label for i, label in zip(scored.indices, predicted, strict=True)]
        assert row["n"] == len(correct) == 18
        assert row["accuracy"] == np.mean(correct)
    assert [row["balanced_accuracy"] for row in choice.table] == sorted(
        (row["balanced_accuracy"] for row in choice.table), reverse=True
    )
    best = max(row["balanced_accuracy"] for row in choice.table)
    chosen = next(row for row in choice.table if row["balanced_accuracy"] == best)
    settings = choice.recipe.kind_settings
    assert (settings.covariance_type, settings.n_components) == (chosen["covariance_type"], chosen["n_components"])
    assert choice.reason.startswith("best balanced accuracy, ")


def test_a_training_set_of_one_group_each_keeps_its_settings(clips, few_candidates):
    one_each = [trial for trial in trials_of(clips, SMALL) if trial.group.endswith("ann")]
    choice = tuning.tune(one_each, SMALL, QUIET)
    assert (choice.recipe, choice.table) == (SMALL, ())
    assert choice.reason == "no label has two groups to tune on: the settings are left as they were"
    assert fitting.out_of_fold_scores(one_each, SMALL, QUIET) is None
