"""Settings of a training run."""

from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.models import (
    FrameGmmSettings,
)


def test_a_recipe_with_warps_needs_a_kind_that_takes_them():
    recipe = pipeline.make_recipe("language")
    assert recipe.features.frames.n_warps == 3
    with pytest.raises(SettingError, match="vtln makes 3 warps of a frame; frames take one"):
        replace(recipe, kind_settings=FrameGmmSettings())
