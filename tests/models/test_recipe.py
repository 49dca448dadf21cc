"""Settings of a training run."""

from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.models import PRESETS, FrameGmmSettings, preset_of


def test_a_recipe_with_warps_needs_a_kind_that_takes_them():
    recipe = pipeline.make_recipe("language")
    assert recipe.features.frames.n_warps == 3
    with pytest.raises(SettingError, match="vtln makes 3 warps of a frame; frames take one"):
        replace(recipe, kind_settings=FrameGmmSettings())


def test_a_recipe_has_the_settings_of_the_preset_and_those_that_are_passed():
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
            assert made.augment == preset.augment
            assert made.kind_settings.kind == kind
            assert pipeline.make_recipe(name, kind=kind, trial_s=0).trial_s is None
            assert pipeline.make_recipe(name, kind=kind, trial_s=4.0).trial_s == 4.0
        changed = pipeline.make_recipe(name, kind="frames", n_components=3, covariance_type="full", init="random")
        assert changed.kind_settings == replace(
            kinds["frames"].kind_settings, n_components=3, covariance_type="full", init="random"
        )


def test_copies_are_those_of_the_preset_unless_others_or_none_are_named(monkeypatch):
    noisy = replace(preset_of(None), augment=("noise",))
    monkeypatch.setitem(PRESETS, None, {"frames": noisy})
    augments = [pipeline.make_recipe(augment=names).augment for names in (None, (), ("gain", "noise"))]
    assert augments == [("noise",), (), ("gain", "noise")]


@pytest.mark.parametrize(("wrong", "words"), [({"seed": -1}, "`seed` is -1"), ({"preset": "pop"}, "preset is 'pop'")])
def test_invalid_settings_are_refused(wrong, words):
    with pytest.raises(SettingError, match=words):
        pipeline.make_recipe(**wrong)
