"""The template of a kind of model in docs/contributing.md, added to the table of kinds and used throughout."""

import ast
import json
import re
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.errors import SettingError
from gmmaudio.models import KINDS, from_bytes, preset_of, settings_from_dict, to_bytes

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/contributing.md").read_text(encoding="utf-8")


@pytest.fixture
def kind(monkeypatch):
    """The kind of the guide, in the table."""
    source = re.search(r"<!-- template: kind module -->\n```python\n(.*?)```", GUIDE, flags=re.DOTALL)[1]
    module = types.ModuleType("gmmaudio.models.kinds.nearest_mean")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, "nearest_mean.py", "exec"), vars(module))  # noqa: S102 - the project's own page
    monkeypatch.setitem(KINDS, module.NEAREST_MEAN.name, module.NEAREST_MEAN)
    return module.NEAREST_MEAN


@pytest.fixture
def clips(corpus):
    return pipeline.read_corpus(corpus.plain)


def test_a_new_kind_trains_is_saved_and_classifies(kind, clips, corpus):
    recipe = pipeline.make_recipe(kind="nearest_mean")
    model = pipeline.train(clips, recipe).model
    rows = np.random.default_rng(0).normal(size=(30, model.scorer.n_features))
    by_hand = [-((rows - m.means[0]) ** 2).sum(axis=1).mean() / 200 for m in model.scorer.mixtures]
    # the densities differ from the distances by the same constant for every label
    scores = model.scorer.score(rows)
    np.testing.assert_allclose(scores - scores[0], np.array(by_hand) - by_hand[0], rtol=1e-9)
    again = from_bytes(to_bytes(model))
    assert to_bytes(again) == to_bytes(model)
    assert again.training.kind_settings == kind.settings()
    paths = [str(corpus.root / row["path"]) for row in corpus.rows]
    labels = [prediction.label for prediction in pipeline.classify(again, paths)]
    assert np.mean(np.array(labels) == [row["label"] for row in corpus.rows]) > 0.8
    # what was learned of probabilities and unknown clips came from inner folds with this kind
    assert model.calibration is not None
    assert model.open_set is not None


def test_a_new_kind_is_cross_validated_with_any_preset(kind, clips):
    report = pipeline.crossval(clips, pipeline.make_recipe("genre", kind="nearest_mean"), folds=3, durations_s=())
    assert len(report.clips) == 18
    assert report.protocol.settings["kind_settings"] == {"kind": "nearest_mean", "variance": 100.0}
    for name in (None, "genre", "language"):
        assert preset_of(name, "nearest_mean").kind_settings == kind.settings()
        assert preset_of(name, "nearest_mean").features == preset_of(name, "frames").features


def test_a_new_kind_is_tuned_beside_the_others(kind, clips, monkeypatch):
    for name, other in KINDS.items():
        if other is not kind:
            monkeypatch.setitem(KINDS, name, replace(other, candidates=()))
    tuning = pipeline.train(clips, pipeline.make_recipe(n_components=1), tune=True).model.training.tuning
    assert sorted((row["kind"], row.get("variance")) for row in tuning["table"]) == [
        ("frames", None),
        ("nearest_mean", 25.0),
        ("nearest_mean", 100.0),
    ]


def test_the_command_offers_a_new_kind_and_shows_it(kind, command, corpus, tmp_path):
    made = command("train", corpus.plain, "-o", tmp_path / "m.gmm", "--kind", "nearest_mean")
    assert made.code == 0, made.err
    shown = command("info", tmp_path / "m.gmm")
    assert "model: the mean of each label's frames, variance 100, preset none (classic), seed 0" in shown.out
    settings = json.loads(command("info", tmp_path / "m.gmm", "--json").out)["training"]["kind_settings"]
    assert settings == {"kind": "nearest_mean", "variance": 100.0}
    refused = command("train", corpus.plain, "-o", tmp_path / "n.gmm", "--kind", "nearest_mean", "--components", "4")
    assert refused.code == 2
    assert "nearest_mean models have no setting" in refused.err


def test_settings_of_a_new_kind_have_bounds(kind):
    assert settings_from_dict({"kind": "nearest_mean", "variance": 4.0}).variance == 4.0
    with pytest.raises(SettingError, match="variance is 0; expected a number above 0"):
        settings_from_dict({"kind": "nearest_mean", "variance": 0})


def test_no_other_module_names_a_kind():
    # the presets name the kinds that they have settings for, and old formats those that there were
    allowed = {"gmmaudio/models/presets.py", "gmmaudio/models/old_formats.py"}
    naming = set()
    for path in (ROOT / "gmmaudio").rglob("*.py"):
        values = {node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)}
        if "supervector" in values:
            naming.add(path.relative_to(ROOT).as_posix())
    assert naming - allowed == {"gmmaudio/models/kinds/supervector.py"}
