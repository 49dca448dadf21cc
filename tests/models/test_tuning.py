"""Settings chosen on inner folds."""

from dataclasses import replace

from gmmaudio import pipeline
from gmmaudio.models import (
    tuning,
)


def test_candidates_of_another_front_end_have_warps_where_their_kind_takes_them():
    recipe = pipeline.make_recipe("language")
    for own in (recipe, replace(recipe, features=recipe.features.replace(n_mels=24))):
        kinds = {}
        for candidate in tuning._candidates(own, None):
            kinds.setdefault(candidate.kind_settings.kind, set()).add(candidate.features.frames.n_warps)
        assert kinds == {"supervector": {3}, "blocks": {1}, "frames": {1}}
