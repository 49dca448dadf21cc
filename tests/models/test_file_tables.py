"""The tables of the front end in a model file: they are those that are used, and hostile ones are refused."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gmmaudio import pipeline
from gmmaudio.errors import ModelFileError
from gmmaudio.features import FrontEndTables, design_tables, extract
from gmmaudio.models import from_bytes, load_model, save_model, to_bytes
from tests.models.conftest import header_and_tensors, noise, sealed

GOLDEN = Path(__file__).parents[1] / "golden"
OLD, NEW = (GOLDEN / f"model-{version}-frames.safetensors" for version in ("1.4", "2.0"))
NAMES = ("window", "mel_first", "mel_weights", "dct")


@pytest.fixture
def sound(tmp_path):
    """The path of two seconds of noise at the models' rate."""
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise(16_000), 8_000, subtype="FLOAT")
    return path


def changed(**tables):
    """Return the bytes of a golden file with other tables, and a right checksum."""
    header, tensors = header_and_tensors(NEW.read_bytes())
    return sealed(header, tensors | {f"front_end.{name}": table for name, table in tables.items()})


def table(name):
    return header_and_tensors(NEW.read_bytes())[1][f"front_end.{name}"].copy()


def test_a_file_holds_the_tables_that_are_designed():
    model = load_model(NEW)
    designed = design_tables(model.features.frames).tensors()
    assert tuple(designed) == NAMES
    for name, tensor in model.tables.tensors().items():
        # by other versions of librosa and scipy, the last place may differ
        np.testing.assert_allclose(tensor, designed[name], rtol=1e-6, atol=1e-12)
        assert tensor.dtype == designed[name].dtype


def test_a_trained_model_saved_and_loaded_classifies_the_same_to_the_bit(tmp_path, sound):
    trained = dataclasses.replace(load_model(OLD), tables=design_tables(load_model(OLD).features.frames))
    save_model(trained, tmp_path / "m.gmm")
    answers = [list(pipeline.classify(model, [sound])) for model in (trained, load_model(tmp_path / "m.gmm"))]
    assert answers[0] == answers[1]


def test_a_file_of_an_older_format_has_no_tables_and_gets_those_that_are_designed(sound):
    model = load_model(OLD)
    assert model.tables is None
    assert model.front_end_tables() is design_tables(model.features.frames)
    saved = from_bytes(to_bytes(model))
    assert list(pipeline.classify(model, [sound])) == list(pipeline.classify(saved, [sound]))


def test_the_tables_of_the_file_are_used_to_classify(sound):
    plain, other = load_model(NEW), from_bytes(changed(dct=-table("dct")))
    rows = extract(noise(16_000), other.features, other.tables).values
    assert not np.allclose(rows, extract(noise(16_000), plain.features, plain.tables).values)
    (answer,), (usual,) = (list(pipeline.classify(model, [sound])) for model in (other, plain))
    labels = other.scorer.labels
    np.testing.assert_array_equal([answer.scores[label] for label in labels], other.scorer.score(rows))
    assert answer.scores != usual.scores


def test_the_tables_of_the_file_are_used_to_evaluate(sound, tmp_path):
    (tmp_path / "m.csv").write_text(f"path,label\n{sound.name},fado\n")
    reports = [
        pipeline.evaluate(model, tmp_path / "m.csv", durations_s=())
        for model in (load_model(NEW), from_bytes(changed(dct=-table("dct"))))
    ]
    scores = [dict(report.clips[0].scores) for report in reports]
    assert scores[0] != scores[1]


def test_a_file_without_tables_or_with_a_table_of_another_name_is_refused():
    header, tensors = header_and_tensors(NEW.read_bytes())
    for name in NAMES:
        rest = {key: tensor for key, tensor in tensors.items() if key != f"front_end.{name}"}
        with pytest.raises(ModelFileError, match=re.escape(f"the tensors ['{name}'] are missing")):
            from_bytes(sealed(header, rest))
    with pytest.raises(ModelFileError, match=re.escape("the tensors ['filters'] are unknown")):
        from_bytes(changed(filters=np.zeros(3)))


def test_tables_in_a_file_of_an_older_format_are_refused():
    header, tensors = header_and_tensors(OLD.read_bytes())
    with pytest.raises(ModelFileError, match="are unknown"):
        from_bytes(sealed(header, tensors | {"front_end.dct": table("dct")}))


def put(name, value):
    """Return a table with its last number replaced."""
    tensor = table(name)
    tensor.flat[-1] = value
    return tensor


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("window", put("window", np.nan), "the tensor window holds nan; expected numbers of -1 to 1"),
        ("window", put("window", 1.5), "the tensor window holds 1.5; expected numbers of -1 to 1"),
        ("window", np.zeros(255), "the tensor window has shape (255,); expected (n_fft,), with n_fft 256"),
        ("window", np.zeros(256, np.float32), "the tensor window holds float32; expected float64"),
        ("mel_first", put("mel_first", 125), "a mel band ends at bin"),
        ("mel_first", put("mel_first", -1), "the tensor mel_first holds -1; expected numbers of 0 to 65536"),
        ("mel_first", put("mel_first", 2**31 - 1), "the tensor mel_first holds 2.14748e+09; expected numbers of 0"),
        ("mel_weights", put("mel_weights", np.inf), "the tensor mel_weights holds inf; expected numbers of 0 to 2"),
        ("mel_weights", put("mel_weights", -1), "the tensor mel_weights holds -1; expected numbers of 0 to 2"),
        ("mel_weights", put("mel_weights", 3e38), "the tensor mel_weights holds 3e+38; expected numbers of 0 to 2"),
        ("mel_weights", np.zeros((1, 16, 0), np.float32), "the mel bands have no weights; expected at least one each"),
        (
            "mel_weights",
            np.zeros((1, 16, 130), np.float32),
            "the tensor mel_weights has shape (1, 16, 130); exp",
        ),
        (
            "mel_weights",
            np.zeros((2, 16, 9), np.float32),
            "the tensor mel_weights has shape (2, 16, 9); expec",
        ),
        ("dct", put("dct", -np.inf), "the tensor dct holds -inf; expected numbers of -1 to 1"),
        ("dct", np.zeros((5, 16)), "the tensor dct has shape (5, 16); expected (n_coefficients, n_mels), with"),
    ],
)
def test_a_hostile_table_is_refused_with_what_is_wrong(name, tensor, said):
    with pytest.raises(ModelFileError, match=re.escape(f"holds no usable model ({said}")):
        from_bytes(changed(**{name: tensor}))


def test_tables_that_do_not_fit_the_settings_are_refused():
    header, tensors = header_and_tensors(NEW.read_bytes())
    frames = header["features"]["frames"] | {"n_mels": 20}
    with pytest.raises(ModelFileError, match="n_mels 20"):
        from_bytes(sealed(header | {"features": header["features"] | {"frames": frames}}, tensors))


def test_bands_without_weights_give_the_floor_and_no_error(sound):
    model = from_bytes(changed(mel_weights=np.zeros_like(table("mel_weights"))))
    assert isinstance(model.tables, FrontEndTables)
    (answer,) = pipeline.classify(model, [sound])
    assert answer.status in ("ok", "unknown")
