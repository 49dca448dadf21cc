"""Mutated model files are refused, or read as exactly what they say; and what judges them sees a reader that errs."""

from pathlib import Path

import numpy as np
import pytest

from gmmaudio.models import file as model_file
from tests.fuzz import model_files
from tests.fuzz.model_files import mutate_kept, mutate_sealed, outcome_of

MODELS = sorted((Path(__file__).parents[1] / "golden").glob("model-*-*.safetensors"))
NEWEST = [path for path in MODELS if "-2." in path.name]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_mutated_models_are_refused_or_read_as_what_they_say(path, tmp_path):
    original, outcomes = path.read_bytes(), set()
    for seed in range(8):
        for is_sealed, mutate in ((False, mutate_kept), (True, mutate_sealed)):
            (tmp_path / "model").write_bytes(mutate(original, np.random.default_rng(seed)))
            outcomes.add(outcome_of(tmp_path / "model", original, is_sealed=is_sealed))
    assert "refused" in outcomes


def mutations(tmp_path, mutate, *, is_sealed):
    for path in NEWEST:
        for seed in range(12):
            (tmp_path / "model").write_bytes(mutate(path.read_bytes(), np.random.default_rng(seed)))
            outcome_of(tmp_path / "model", path.read_bytes(), is_sealed=is_sealed)


def test_a_reader_that_looks_at_no_checksum_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "refuse_damaged", lambda *_: None)
    with pytest.raises(AssertionError, match="read as another model"):
        mutations(tmp_path, mutate_kept, is_sealed=False)


def test_a_reader_that_mends_a_tensor_is_seen(tmp_path, monkeypatch):
    read = model_file.read_tensors
    monkeypatch.setattr(
        model_file,
        "read_tensors",
        lambda data, described, kind: {
            name: np.maximum(tensor, -0.5) if name.endswith("means") else tensor
            for name, tensor in read(data, described, kind).items()
        },
    )
    monkeypatch.setattr(model_file, "refuse_damaged", lambda *_: None)
    with pytest.raises(AssertionError, match=r"numbers of the file that the model does not have: \['.*means'"):
        mutations(tmp_path, mutate_sealed, is_sealed=True)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": True}, {"a": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": [1.0, 2.0]}, {"a": [1.0]}),
        ({"a": [0.1]}, {"a": [np.nextafter(0.1, 1)]}),
        ({"a": {"b": None}}, {"a": {}}),
        ({"a": {}}, {"a": None}),
    ],
)
def test_values_of_a_header_that_differ_are_seen(one, other):
    assert len(list(model_files._unlike(one, other, ""))) == 1
    assert not list(model_files._unlike(one, one | {"more": 1}, ""))
