"""The templates of docs/contributing.md: a descriptor and a front end that are added to their tables, and used."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.features import (
    DESCRIPTORS,
    FRONT_ENDS,
    FeatureSettings,
    describe,
    descriptors,
    extract,
    front_ends,
    make_features,
    raw_frames,
)
from gmmaudio.models import from_bytes, preset_of, to_bytes

GUIDE = (Path(__file__).parents[2] / "docs/contributing.md").read_text(encoding="utf-8")


def template(name):
    """Return the block of Python after a mark in the guide."""
    return re.search(rf"<!-- template: {name} -->\n```python\n(.*?)```", GUIDE, flags=re.DOTALL)[1]


def rows_of(kind, module):
    """Return the row that a template adds to a table, its function defined in the table's module."""
    names = dict(vars(module))
    exec("from __future__ import annotations\n" + template(f"{kind} function"), names)  # noqa: S102 - the project's own page
    return eval("{" + template(f"{kind} row") + "}", names)  # noqa: S307


@pytest.fixture
def spread(monkeypatch):
    """The descriptor of the guide, in the table."""
    for name, row in rows_of("descriptor", descriptors).items():
        monkeypatch.setitem(DESCRIPTORS, name, row)


@pytest.fixture
def log_bands(monkeypatch):
    """The front end of the guide, in the table."""
    for name, row in rows_of("front end", front_ends).items():
        monkeypatch.setitem(FRONT_ENDS, name, row)


def train(corpus, features, **settings):
    """Return a model of the corpus with other features than the classic ones, saved and read again."""
    recipe = replace(pipeline.make_recipe(n_components=2, **settings), features=features)
    model = pipeline.train(pipeline.read_corpus(corpus.split), recipe).model
    again = from_bytes(to_bytes(model))
    assert again.features == features
    return again


def test_a_new_descriptor_is_a_column_of_frames(spread, tools):
    features = make_features(descriptors=("spread", "centroid"))
    assert features.frames.descriptors == ("centroid", "spread")
    assert features.n_features == 22
    samples = tools.band_noise("mid", 0)
    values = extract(samples, features).values
    assert np.array_equal(values[:, :21], extract(samples, make_features(descriptors=("centroid",))).values)
    # a band of 1200 Hz of even noise has a standard deviation of 0.35 kHz, the faint floor beside it more
    assert 0.3 < np.median(values[:, 21]) < 1.5
    assert describe(features).startswith("20 MFCC + centroid + spread = 22 numbers a frame")
    assert FeatureSettings.from_dict(json.loads(json.dumps(features.to_dict()))) == features


def test_a_new_descriptor_leaves_the_presets_alone(spread):
    assert "spread" not in preset_of("genre").features.frames.descriptors
    assert preset_of("genre").features.n_features == 352


def test_a_model_is_trained_with_a_new_descriptor(spread, corpus, tools):
    model = train(corpus, make_features(descriptors=("spread",)))
    rows = extract(tools.band_noise("high", 77), model.features)
    assert rows.values.shape[1] == model.scorer.n_features == 21
    assert model.predict(rows).label == "high"


def test_without_its_row_the_descriptor_is_unknown():
    with pytest.raises(SettingError, match="descriptors holds 'spread'; expected any of contrast, centroid"):
        make_features(descriptors=("spread",))


def test_a_new_front_end_makes_the_coefficients(log_bands, tools):
    features = make_features(front_end="log_bands", n_mels=24, n_deltas=1, sdc=(24, 1, 3, 2), descriptors=("onset",))
    assert (features.frames.n_coefficients, features.n_columns) == (24, 24 * 2 + 48 + 1)
    samples = tools.band_noise("high", 0)
    rows = extract(samples, features)
    assert rows.values.shape == (44, 97)
    # the band 4 to 8 kHz of 24 bands up to 11.025 kHz
    assert 9 <= rows.values[:, :24].mean(axis=0).argmax() <= 17
    divided = raw_frames(np.split(samples, [7, 9_000]), features.frames)
    assert np.array_equal(divided.values, raw_frames([samples], features.frames).values)
    assert describe(features).startswith("24 log bands + 1 orders of deltas + SDC 24-1-3-2 + onset = 97 numbers")


def test_a_new_front_end_has_bounds_of_its_own(log_bands):
    # more MFCC than bands are no matter to it; more coefficients in shifted deltas than it has are
    assert make_features(front_end="log_bands", n_mels=12).n_features == 12
    with pytest.raises(SettingError, match=r"sdc is \(13, 1, 3, 2\); .* N at most 12"):
        make_features(front_end="log_bands", n_mels=12, sdc=(13, 1, 3, 2))
    with pytest.raises(SettingError, match="front_end is 'log_bands', which has no warps; leave out `vtln`"):
        make_features(front_end="log_bands", vtln=(0.9,))


@pytest.mark.parametrize("settings", [{}, {"kind": "blocks"}], ids=["frames", "blocks"])
def test_a_model_is_trained_with_a_new_front_end(log_bands, corpus, tools, settings):
    changes = {"block_s": 0.5, "block_step_s": 0.25, "n_modulation": 2} if settings else {}
    covariance = {"covariance_type": "diag"} if settings else {}
    model = train(corpus, make_features(front_end="log_bands", n_mels=16, **changes), **settings, **covariance)
    assert model.predict(extract(tools.band_noise("mid", 78), model.features)).label == "mid"


@pytest.mark.parametrize("table", [DESCRIPTORS, FRONT_ENDS], ids=["descriptors", "front_ends"])
def test_every_row_of_a_table_explains_itself(table):
    for name, row in table.items():
        assert re.fullmatch(r"[a-z_]+", name)
        assert row.unit and row.explanation[0].islower() and not row.explanation.endswith(".")
