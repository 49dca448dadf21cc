"""The model file: what is kept, and that a write is whole or not at all."""

import dataclasses
import errno
import hashlib
import json
import os
import re
import resource
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.errors import CorpusError, ModelFileError, WriteError
from gmmaudio.findings import Finding
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture
from gmmaudio.models import (
    PRESETS,
    Model,
    Scorer,
    Supervectors,
    TrainingClip,
    TrainingSummary,
    file,
    from_bytes,
    gmm_scorer,
    load_model,
    model_sha256,
    save_model,
    to_bytes,
)
from gmmaudio.models.heads import Mixtures
from gmmaudio.models.kinds.block_gaussian import Projection
from tests.models.conftest import (
    assert_same,
    golden_model,
    header_and_tensors,
    small_model,
)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_loading_what_was_saved_gives_the_same_model(tmp_path, covariance_type):
    made = small_model(covariance_type=covariance_type, notes=("a note", "another"))
    save_model(made, tmp_path / "m.gmm")
    assert_same(load_model(tmp_path / "m.gmm"), made)


@pytest.mark.parametrize("made", [golden_model(), *(small_model(covariance_type=t) for t in COVARIANCE_TYPES)])
def test_saving_what_was_loaded_gives_the_same_bytes(made):
    data = to_bytes(made)
    assert to_bytes(made) == data
    assert to_bytes(from_bytes(data)) == data


@pytest.mark.parametrize("preset", [preset for kinds in PRESETS.values() for preset in kinds.values()])
def test_the_settings_of_every_preset_are_kept(preset):
    d = preset.features.n_features
    training = dataclasses.replace(small_model().training, kind_settings=preset.kind_settings)
    n_warps = preset.features.frames.n_warps
    mixture = GaussianMixture(np.ones(1), np.zeros((1, d // n_warps)), np.ones((1, d // n_warps)))
    scorer = gmm_scorer(("a", "b"), (mixture, mixture))
    if preset.kind_settings.kind == "blocks":
        unit = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
        scorer = Scorer(("a", "b"), Projection(np.zeros(d), np.ones(d), np.ones((d, 1))), (Mixtures((unit, unit)),))
    if preset.kind_settings.kind == "supervector":
        size = d // n_warps
        mean, directions = np.zeros(size, np.float32), np.zeros((0, size), np.float32)
        scorer = Scorer(("a", "b"), Supervectors(mixture, 8.0, 0, mean, directions, n_warps), scorer.heads)
    loaded = from_bytes(to_bytes(Model(preset.features, scorer, training)))
    assert loaded.features == preset.features
    assert loaded.training.kind_settings == preset.kind_settings


@pytest.mark.parametrize(
    "label",
    [
        "हिन्दी",
        "العربية",
        "中文",
        "ไทย",
        "😀",
        "e\u0301",
        "\u00e9",
        "with space ",
        'a "quote"',
        "back\\slash",
        "0.weights",
        "__metadata__",
        "x" * 300,
    ],
)
def test_a_label_may_be_any_text(label):
    loaded = from_bytes(to_bytes(small_model((label, "z" + label))))
    assert loaded.scorer.labels == (label, "z" + label)
    assert set(loaded.training.seconds) == {label, "z" + label}


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("line\nbreak", "holds '\\n'"),
        ("nul\0", "holds '\\x00'"),
        ("escape\x1b[2J", "holds '\\x1b'"),
        ("two\u2028lines", "holds '\\u2028'"),
        ("caf\udce9", "holds '\\udce9'"),
        ("", "is of 0 characters"),
        ("  ", "is of 2 characters"),
        ("x" * 1001, "is of 1001 characters"),
    ],
)
def test_a_label_is_a_name_on_one_line(label, said):
    with pytest.raises(CorpusError, match=re.escape(said)):
        small_model((label, "z"))


def test_two_spellings_of_one_label_are_refused():
    with pytest.raises(CorpusError, match="differ only by the normal form"):
        small_model(("caf\u00e9", "cafe\u0301"))


def test_labels_are_never_names_of_tensors():
    assert b"samba.means" not in to_bytes(small_model(("rumba", "samba")))


def test_sources_of_training_clips_are_kept_and_counted():
    model = small_model()
    assert "source" not in header_and_tensors(to_bytes(model))[0]["training"]["clips"]
    assert model.training.count_sources() == {"a": 0, "b": 0}
    sources = {"a": ("gcompris", "asterisk", "gcompris", None), "b": (None, None, "asterisk", "")}
    clips = tuple(
        TrainingClip(f"{label}/{i}.wav", label, f"speaker {i // 2}", 64 * "0", source=source)
        for label, each in sources.items()
        for i, source in enumerate(each)
    )
    again = from_bytes(to_bytes(dataclasses.replace(model, training=dataclasses.replace(model.training, clips=clips))))
    assert again.training.clips == clips
    assert again.training.count_sources() == {"a": 2, "b": 1}
    assert again.training.count_groups() == {"a": 2, "b": 2}


def test_the_header_holds_the_whole_training_summary(tmp_path):
    header, _ = header_and_tensors(to_bytes(golden_model()))
    training = header["training"]
    # only a merged model has clips of a UBM beside its own
    assert {field.name for field in dataclasses.fields(TrainingSummary)} - {"ubm_clips"} == set(training)
    told = {"path": "fado/1.wav", "label": "fado", "group": "amália", "sha256": 64 * "0", "fingerprint": ""}
    # one list for each field of the clips
    assert {name: column[0] for name, column in training["clips"].items()} == told
    assert training["clips"]["group"] == ["amália", None, "坂本"]
    assert training["seed"] == 7
    assert training["seconds"] == {"fado": 1.5, "ραγα": 2.5, "日本": 3.5}
    assert training["versions"] == {"gmmaudio": "0.1.0", "numpy": "2.0.0"}
    assert header["features"] == json.loads(json.dumps(golden_model().features.to_dict()))
    assert header["features"]["rows"]["sdc"] == [2, 1, 3, 2]
    assert header["features"]["frames"]["descriptors"] == header["features"]["frames"]["vtln"] == []


def fail_with(number):
    """Return a function that fails as the system would."""

    def fail(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["os.fsync", "os.replace", "os.chmod", "tempfile.mkstemp"])
@pytest.mark.parametrize("before", [None, b"the old model"])
def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch, call, number, before):
    path = tmp_path / "m.gmm"
    if before is not None:
        path.write_bytes(before)
    monkeypatch.setattr(call, fail_with(number))
    with pytest.raises(WriteError) as caught:
        save_model(small_model(), path)
    assert str(caught.value) == f"{path}: cannot be written ({os.strerror(number)}); choose another path"
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == ([("m.gmm", before)] if before else [])


def test_a_disk_that_fills_up_while_writing_leaves_what_was_there(tmp_path):
    (tmp_path / "m.gmm").write_bytes(b"the old model")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(WriteError, match="cannot be written"):
            save_model(small_model(), tmp_path / "m.gmm")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("m.gmm", b"the old model")]


def test_the_whole_is_on_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        steps.append(("fsync", os.fstat(descriptor).st_size))
        fsync(descriptor)

    def watched_replace(source, target):
        steps.append(("replace", Path(target).exists()))
        assert Path(source).parent == Path(target).parent  # a rename within one file system
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    save_model(small_model(), tmp_path / "m.gmm")
    assert steps[:2] == [("fsync", len(to_bytes(small_model()))), ("replace", False)]
    assert [file.name for file in tmp_path.iterdir()] == ["m.gmm"]


def test_an_old_file_is_replaced(tmp_path):
    save_model(small_model(("a", "b", "c")), tmp_path / "m.gmm")
    save_model(small_model(), tmp_path / "m.gmm")
    assert_same(load_model(tmp_path / "m.gmm"), small_model())
    assert [file.name for file in tmp_path.iterdir()] == ["m.gmm"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o000, 0o666)])
def test_the_file_has_the_rights_that_the_mask_leaves(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        save_model(small_model(), tmp_path / "m.gmm")
        assert os.umask(mask) == mask  # asking for the mask did not change it
    finally:
        os.umask(before)
    assert (tmp_path / "m.gmm").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("name", ["m.gmm", "-o", "a b", "модель", "a\nb", "caf\udce9", ".hidden", "x" * 255])
def test_the_file_may_have_any_name(tmp_path, name):
    save_model(small_model(), tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert_same(load_model(tmp_path / name), small_model())


def test_a_missing_folder_is_a_write_error(tmp_path):
    with pytest.raises(WriteError, match=r"m\.gmm: cannot be written \(No such file or directory\)"):
        save_model(small_model(), tmp_path / "missing" / "m.gmm")


def test_a_write_error_is_an_os_error_too(tmp_path):
    with pytest.raises(OSError, match="is a folder; name a file in it"):
        save_model(small_model(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


def test_a_model_is_known_by_the_file_it_was_read_from_whatever_its_format(tmp_path):
    made = small_model()
    save_model(made, tmp_path / "m.gmm")
    file_sha256 = hashlib.sha256((tmp_path / "m.gmm").read_bytes()).hexdigest()
    assert model_sha256(made) == model_sha256(load_model(tmp_path / "m.gmm")) == file_sha256
    old = Path(__file__).parents[1] / "golden/model-1.0.safetensors"
    model = load_model(old)
    assert model_sha256(model) == hashlib.sha256(old.read_bytes()).hexdigest()
    assert dataclasses.replace(model).file_sha256 is None, "another model may be made of it"


def test_a_header_of_any_length_is_read():
    base = small_model()
    for n in range(256):
        findings = (Finding("a_text", "information", "x" * n),)
        made = Model(base.features, base.scorer, dataclasses.replace(base.training, findings=findings))
        assert_same(from_bytes(to_bytes(made)), made)


@pytest.mark.parametrize("name", ["अ" * 84, "語" * 81 + ".gmm"])
def test_a_model_may_have_a_long_name_in_any_script(tmp_path, name):
    assert len(name.encode()) <= 255
    save_model(small_model(), tmp_path / name)


def test_a_model_that_could_not_be_read_again_is_not_written(monkeypatch, tmp_path):
    monkeypatch.setattr(file, "MODEL_BYTES", file.MAX_HEADER_BYTES + 100)
    with pytest.raises(ModelFileError, match="could not be read again; take fewer components"):
        save_model(small_model(), tmp_path / "m.gmm")
    assert list(tmp_path.iterdir()) == []
