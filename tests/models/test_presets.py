"""The presets and their recipes, and that each trains, is saved and classifies."""

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.features import make_features
from gmmaudio.models import (
    PRESETS,
    from_bytes,
    preset_of,
    to_bytes,
)


@pytest.mark.parametrize("name", ["genre", "language"])
def test_a_preset_is_found_by_its_name(name):
    assert preset_of(name) is next(iter(PRESETS[name].values()))


def test_no_preset_is_the_classic_model():
    classic = preset_of(None)
    assert classic is PRESETS[None]["frames"]
    assert classic.features == make_features()
    assert (classic.features.frames.n_mfcc, classic.features.rows.n_deltas) == (20, 0)
    assert classic.kind_settings.covariance_type == "diag"


@pytest.mark.parametrize("name", ["", "Genre", "speech"])
def test_an_unknown_preset_is_refused_with_those_there_are(name):
    with pytest.raises(SettingError) as caught:
        preset_of(name)
    assert str(caught.value) == f"preset is {name!r}; expected one of genre, language"


@pytest.mark.parametrize(("kind", "copies"), [("supervector", ("noise",)), ("blocks", ("noise",)), ("frames", ())])
def test_languages_are_learned_in_noise_too(kind, copies):
    assert preset_of("language", kind).augment == copies


@pytest.fixture
def clips(corpus):
    return pipeline.read_corpus(corpus.plain)


@pytest.mark.parametrize("preset", [None, "genre", "language"])
@pytest.mark.parametrize("kind", ["frames", "blocks", "supervector"])
def test_every_preset_and_kind_trains_is_saved_and_classifies(clips, preset, kind):
    recipe = pipeline.make_recipe(preset, kind=kind, n_components=None if kind == "blocks" else 2, trial_s=0)
    model = pipeline.train(clips, recipe).model
    loaded = from_bytes(to_bytes(model))
    assert to_bytes(loaded) == to_bytes(model)
    path = str(clips.root / clips.clips[0].path)
    (one,), (other,) = pipeline.classify(model, [path]), pipeline.classify(loaded, [path])
    assert one == other
    assert one.probability is not None
    assert sum(one.probability.values()) == pytest.approx(1.0)
