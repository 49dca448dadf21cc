"""The model and its file: what is kept, what is refused, and that a write is whole or not at all."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import pickle
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from scipy.special import logsumexp
from scipy.stats import norm

from gmmaudio.errors import ModelFileError, SettingError, WriteError
from gmmaudio.features import Rows, make_features
from gmmaudio.files import check_writable, write_beside
from gmmaudio.findings import Finding
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture
from gmmaudio.models import (
    PRESETS,
    FrameGmmSettings,
    Model,
    Prediction,
    Recogniser,
    Scorer,
    Supervectors,
    TrainingClip,
    TrainingSummary,
    from_bytes,
    gmm_scorer,
    load_model,
    model_sha256,
    preset_of,
    save_model,
    to_bytes,
)
from gmmaudio.models.file import FORMAT_VERSION

GOLDEN = Path(__file__).parent / "golden" / "model-1.0.safetensors"
GOLDEN_SHA256 = "14cbe074bed25a04e7efbe734fc00c0d754740b2b07b497429bb0d5bffe34679"
GOLDEN_LABELS = ("fado", "ραγα", "日本")
GOLDEN_ROWS = (np.arange(35).reshape(5, 7) * 3 % 11 - 5) / 2


def golden_model():
    """Return the model in the golden file; every number is an exact binary fraction."""
    mixtures = []
    for i in range(3):
        weights = np.array([[0.25, 0.75], [0.5, 0.5], [0.875, 0.125]][i])
        means = (np.arange(14).reshape(2, 7) * (3 + i) % 9 - 4) / 4
        variances = 0.5 + (np.arange(14).reshape(2, 7) * (5 + i) % 8) / 8
        mixtures.append(GaussianMixture(weights, means, variances))
    features = make_features(
        sample_rate_hz=16000,
        window_s=0.025,
        hop_s=0.01,
        window="hamming",
        preemphasis=0.97,
        n_mels=23,
        fmin_hz=200.0,
        fmax_hz=3700.0,
        n_mfcc=3,
        sdc=(2, 1, 3, 2),
        gate_range_db=30.0,
        normalise="mean_variance",
    )
    training = TrainingSummary(
        preset="language",
        kind_settings=FrameGmmSettings(n_components=2, variance_floor=0.02),
        seed=7,
        trial_s=10.0,
        min_duration_s=0.25,
        seconds={label: 1.5 + i for i, label in enumerate(GOLDEN_LABELS)},
        rows={label: 100 + i for i, label in enumerate(GOLDEN_LABELS)},
        log_likelihood={label: -8.25 - i for i, label in enumerate(GOLDEN_LABELS)},
        clips=tuple(
            TrainingClip(f"{label}/1.wav", label, ["amália", None, "坂本"][i], f"{i:064x}")
            for i, label in enumerate(GOLDEN_LABELS)
        ),
        findings=(Finding("note", "information", "one clip only for 'fado'"),),
        versions={"gmmaudio": "0.1.0", "numpy": "2.0.0"},
    )
    return Model(features, gmm_scorer(GOLDEN_LABELS, tuple(mixtures)), training)


def small_model(labels=("a", "b"), notes=(), covariance_type="diag"):
    """Return a model of two components over three features."""
    rng = np.random.default_rng(0)
    mixtures = []
    for _ in labels:
        covariances = rng.uniform(0.5, 2.0, size=(2, 3))
        if covariance_type in ("full", "tied"):
            covariances = np.array([np.diag(row) + 0.1 for row in covariances])
        if covariance_type in ("tied", "spherical"):
            covariances = covariances[0] if covariance_type == "tied" else covariances[:, 0]
        mixtures.append(GaussianMixture([0.25, 0.75], rng.normal(size=(2, 3)), covariances, covariance_type))
    training = TrainingSummary(
        preset=None,
        kind_settings=FrameGmmSettings(n_components=2, covariance_type=covariance_type),
        seed=3,
        trial_s=None,
        min_duration_s=0.5,
        seconds=dict.fromkeys(labels, 1.5),
        rows=dict.fromkeys(labels, 60),
        log_likelihood=dict.fromkeys(labels, -3.25),
        clips=tuple(TrainingClip(f"{label}/1.wav", label, None, 64 * "0") for label in labels),
        findings=tuple(Finding("a_text", "warning", note, "mind it") for note in notes),
        versions={"gmmaudio": "0.1.0"},
    )
    return Model(make_features(n_mfcc=3), gmm_scorer(tuple(labels), tuple(mixtures)), training)


def assert_same(one, other):
    """Check that two models are the same to the last bit."""
    assert one.features == other.features
    assert one.training == other.training
    assert one.scorer.labels == other.scorer.labels
    for a, b in zip(one.scorer.mixtures, other.scorer.mixtures, strict=True):
        assert a.covariance_type == b.covariance_type
        for part in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part), strict=True)


def header_and_tensors(data):
    """Return the header and the tensors of a model file, read without the package."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["gmmaudio"]), load_tensors(data)


def checksum(header, tensors):
    """Return the checksum as the format defines it: JSON with sorted keys, then each tensor by name."""
    rest = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"\0{name}\0{tensors[name].dtype.str}\0{tensors[name].shape}\0".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def sealed(header, tensors):
    """Return the bytes of a file with this content and the right checksum."""
    header = header | {"sha256": checksum(header, tensors)}
    return save_tensors(tensors, metadata={"gmmaudio": json.dumps(header)})


def refused(data):
    """Return the message with which bytes are refused."""
    with pytest.raises(ModelFileError) as caught:
        from_bytes(data)
    return str(caught.value)


# The golden file: written once by the first release, loaded by every later one.


def test_golden_file_is_the_one_first_written():
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == GOLDEN_SHA256
    assert GOLDEN.stat().st_size < 20_000


def test_golden_file_holds_the_golden_model():
    assert_same(load_model(GOLDEN), golden_model())


def test_golden_file_scores_fixed_rows_to_fixed_numbers():
    scores = load_model(GOLDEN).scorer.score(GOLDEN_ROWS)
    # a mean of five sums of a few hundred products, each to 1e-16
    np.testing.assert_allclose(scores, [-17.507337109905688, -21.022931927900554, -18.34306083867868], rtol=1e-12)


def test_golden_numbers_are_those_of_scipy():
    for label, score in load_model(GOLDEN).predict(Rows(GOLDEN_ROWS, np.arange(5.0))).scores.items():
        mixture = golden_model().scorer.mixtures[GOLDEN_LABELS.index(label)]
        each = norm.logpdf(GOLDEN_ROWS[:, None], mixture.means, np.sqrt(mixture.covariances)).sum(axis=2)
        rows = logsumexp(each + np.log(mixture.weights), axis=1)
        # the same formula in another order of sums
        assert score == pytest.approx(rows.mean(), rel=1e-12)


def test_golden_file_needs_nothing_of_ours_to_be_read_and_verified():
    header, tensors = header_and_tensors(GOLDEN.read_bytes())
    assert header["format_version"] == "1.0"
    assert header["labels"] == list(GOLDEN_LABELS)
    assert header["sha256"] == checksum(header, tensors)
    assert sorted(tensors) == sorted(f"{i}.{part}" for i in range(3) for part in ("weights", "means", "covariances"))
    assert all(tensor.dtype == np.float64 for tensor in tensors.values())


# What is kept.


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
def test_every_preset_travels_in_the_file(preset):
    d = preset.features.n_features
    training = dataclasses.replace(small_model().training, kind_settings=preset.kind_settings)
    n_warps = preset.features.frames.n_warps
    mixture = GaussianMixture(np.ones(1), np.zeros((1, d // n_warps)), np.ones((1, d // n_warps)))
    scorer = gmm_scorer(("a", "b"), (mixture, mixture))
    if n_warps > 1:
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
        "line\nbreak",
        "nul\0",
        "caf\udce9",
        "0.weights",
        "__metadata__",
        "x" * 300,
    ],
)
def test_a_label_may_be_any_text(label):
    loaded = from_bytes(to_bytes(small_model((label, "z" + label))))
    assert loaded.scorer.labels == (label, "z" + label)
    assert set(loaded.training.seconds) == {label, "z" + label}


def test_labels_are_never_names_of_tensors():
    assert b"samba.means" not in to_bytes(small_model(("rumba", "samba")))


def test_the_header_tells_the_whole_training(tmp_path):
    header, _ = header_and_tensors(to_bytes(golden_model()))
    training = header["training"]
    assert {field.name for field in dataclasses.fields(TrainingSummary)} == set(training)
    told = {"path": "fado/1.wav", "label": "fado", "group": "amália", "sha256": 64 * "0", "fingerprint": ""}
    assert training["clips"][0] == told
    assert training["clips"][1]["group"] is None
    assert training["seed"] == 7
    assert training["seconds"] == {"fado": 1.5, "ραγα": 2.5, "日本": 3.5}
    assert training["versions"] == {"gmmaudio": "0.1.0", "numpy": "2.0.0"}
    assert header["features"] == json.loads(json.dumps(golden_model().features.to_dict()))
    assert header["features"]["rows"]["sdc"] == [2, 1, 3, 2]
    assert header["features"]["frames"]["descriptors"] == header["features"]["frames"]["vtln"] == []


# What is refused.


def test_every_flipped_bit_of_the_header_is_refused_or_changes_nothing():
    data = to_bytes(small_model(("a", "日本"), notes=("a note",)))
    end = 8 + int.from_bytes(data[:8], "little")
    harmless = []
    for i in range(end):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[i] ^= 1 << bit
            try:
                loaded = from_bytes(bytes(flipped))
            except ModelFileError:
                continue
            # the same model and not merely a similar one: saved again it gives the bytes before the flip
            assert to_bytes(loaded) == data, f"bit {bit} of byte {i}: {data[max(0, i - 20) : i + 20]!r}"
            harmless.append(chr(data[i]))
    # JSON has two spellings for the case of \u escapes, and takes the last digit of a number within rounding
    assert set(harmless) <= set("abcdef0123456789.")
    assert len(harmless) < 40


def test_every_value_of_the_first_sixteen_bytes_but_the_right_one_is_refused():
    data = to_bytes(small_model())
    for i in range(16):
        for value in set(range(256)) - {data[i]}:
            refused(data[:i] + bytes([value]) + data[i + 1 :])


def test_every_flipped_bit_of_the_tensors_is_refused_by_the_checksum():
    data = to_bytes(small_model())
    for i in range(8 + int.from_bytes(data[:8], "little"), len(data)):
        for bit in range(8):
            message = refused(data[:i] + bytes([data[i] ^ 1 << bit]) + data[i + 1 :])
            assert message == "is damaged (the checksum differs); copy it again, or train again"


def test_a_file_cut_short_anywhere_is_refused():
    data = to_bytes(small_model())
    for n in range(len(data)):
        refused(data[:n])


@pytest.mark.parametrize("more", [b"\0", b"\n", b"x" * 1000])
def test_a_file_with_bytes_after_its_end_is_refused(more):
    refused(to_bytes(small_model()) + more)


def test_several_bytes_changed_at_once_are_refused():
    data = to_bytes(small_model())
    rng = np.random.default_rng(0)
    for _ in range(3000):
        changed = np.frombuffer(data, np.uint8).copy()
        first = int(rng.integers(len(data)))
        changed[first : first + int(rng.integers(2, 40))] = rng.integers(256)
        if changed.tobytes() != data:
            refused(changed.tobytes())


def test_the_tensors_of_another_model_under_this_header_are_refused():
    header, tensors = header_and_tensors(to_bytes(small_model()))
    swapped = tensors | {"0.means": tensors["1.means"], "1.means": tensors["0.means"]}
    assert "checksum" in refused(save_tensors(swapped, metadata={"gmmaudio": json.dumps(header)}))
    # and the file made in the same way without the swap is accepted: the refusal was for the tensors
    assert_same(from_bytes(save_tensors(tensors, metadata={"gmmaudio": json.dumps(header)})), small_model())


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def zipped():
    """Return the bytes of an .npz archive."""
    archive = io.BytesIO()
    np.savez(archive, weights=np.ones(2))
    return archive.getvalue()


def foreign(metadata=None):
    """Return the bytes of a safetensors file that another program made."""
    return save_tensors({"w": np.ones(2)}, metadata=metadata)


NO_MODEL = "is not a model file; expected one made by gmmaudio train"
NEVER_LOADED = "is a pickle or a zip archive, which is never loaded: it could run code; train again"
NOT_OURS = "is a safetensors file without a readable gmmaudio header: another program's, or damaged; train again"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", NO_MODEL),
        (b"\n", NO_MODEL),
        (b"label,path\na,b\n" * 9, NO_MODEL),
        (b'{"labels": ["a", "b"], "covariance_type": "diag"}', NO_MODEL),
        (b"RIFF" + bytes(100), NO_MODEL),
        (bytes(100), NO_MODEL),
        (b"\xff" * 100, NO_MODEL),
        (pickle.dumps([1, 2, 3] * 9), NEVER_LOADED),
        (zipped(), NEVER_LOADED),
        (foreign(), NOT_OURS),
        (foreign({"format": "pt"}), NOT_OURS),
        (foreign({"gmmaudio": "no json"}), NOT_OURS),
        (foreign({"gmmaudio": "[" * 100_000}), NOT_OURS),
        (foreign({"gmmaudio": "[]"}), "has a damaged gmmaudio header; copy it again, or train again"),
        (to_bytes(small_model())[:200], "is cut short; copy it again, or train again"),
    ],
)
def test_what_is_no_model_is_refused_with_its_reason(tmp_path, data, message):
    path = tmp_path / "some file"
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_run(tmp_path, protocol):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Payload(str(tmp_path / "ran")), protocol))
    with pytest.raises(ModelFileError):
        load_model(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pkl"]


def test_a_zip_with_a_pickle_is_never_run(tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Payload(str(tmp_path / "ran"))))
    with pytest.raises(ModelFileError, match="never loaded"):
        load_model(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "is not a regular file"),
        ("missing", "cannot be read (No such file or directory)"),
        ("", "is not a regular file"),
    ],
)
def test_a_place_that_cannot_be_read_is_named(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(caught.value) == f"{path}: {said}; expected a model made by train"


@pytest.mark.parametrize("version", ["2.0", "10.0", "0.9", "1x", "", None, 2])
def test_another_major_version_is_refused_with_a_cure(version):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    message = refused(sealed(header | {"format_version": version}, tensors))
    assert message == f"has model format {version!r}; this version reads 1.x: upgrade gmmaudio, or train again"


def test_a_newer_minor_version_is_read():
    header, tensors = header_and_tensors(to_bytes(small_model()))
    newer = sealed(header | {"format_version": "1.9", "unheard_of": True}, tensors)
    assert_same(from_bytes(newer), small_model())
    assert FORMAT_VERSION == "1.4"


def test_a_newer_major_version_is_told_before_its_checksum_is_checked():
    header, tensors = header_and_tensors(to_bytes(small_model()))
    changed = header | {"format_version": "2.0", "sha256": "made by other rules"}
    data = save_tensors(tensors, metadata={"gmmaudio": json.dumps(changed)})
    assert refused(data).startswith("has model format '2.0'")


@pytest.mark.parametrize(
    "change",
    [
        {"labels": []},
        {"labels": ["a"]},
        {"labels": ["a", "a"]},
        {"labels": ["a", "b", "c"]},
        {"labels": None},
        {"heads": [{"kind": "mixtures", "covariance_type": "full", "n_labels": 2}]},
        {"heads": [{"kind": "mixtures", "covariance_type": "round", "n_labels": 2}]},
        {"heads": [{"kind": "mixtures", "covariance_type": "diag", "n_labels": 3}]},
        {"heads": [{"kind": "linear"}]},
        {"heads": [{"kind": "unheard of"}]},
        {"heads": []},
        {"heads": None},
        {"weights": [-1.0]},
        {"weights": [1.0, 1.0]},
        {"transform": {"kind": "projection", "soft_clip": None}},
        {"transform": {"kind": "identity", "n_features": 4}},
        {"calibration": {"scale": -1.0, "offsets": [0.0, 0.0], "n": 1, "n_groups": 1, "log_loss": None}},
        {"calibration": {"scale": 1.0, "offsets": [0.0], "n": 1, "n_groups": 1, "log_loss": None}},
        {"open_set": {"statistic": "mood"}},
        {"features": {"n_mfcc": 4}},
        {"features": {"n_mfcc": -3}},
        {"features": {"n_mfcc": "3"}},
        {"features": {"n_mfcc": 3, "unheard_of": 1}},
        {"features": {"frames": {"n_mfcc": 4}, "rows": {}}},
        {"features": {"frames": {"n_mfcc": 3}, "rows": {"unheard_of": 1}}},
        {"features": {"frames": {"n_mfcc": 3}, "rows": None}},
        {"features": {"frames": {"n_mfcc": 3}, "rows": {}, "n_mfcc": 3}},
        {"features": None},
        {"training": {}},
        {"training": None},
    ],
)
def test_a_header_that_describes_no_model_is_refused_even_with_a_right_checksum(change):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    assert refused(sealed(header | change, tensors)).startswith("holds no usable model (")


@pytest.mark.parametrize("lacking", ["features", "labels", "transform", "weights", "training"])
def test_a_header_without_a_part_is_refused(lacking):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    del header[lacking]
    assert refused(sealed(header, tensors)) == f"holds no usable model ('{lacking}'); train again"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensors: tensors | {"0.weights": np.array([0.5, 0.6])},
        lambda tensors: tensors | {"0.weights": np.array([-0.5, 1.5])},
        lambda tensors: tensors | {"0.means": np.full((2, 3), np.nan)},
        lambda tensors: tensors | {"0.means": np.zeros((2, 4))},
        lambda tensors: tensors | {"1.covariances": np.zeros((2, 3))},
        lambda tensors: tensors | {"1.covariances": np.full((2, 3), np.inf)},
        lambda tensors: {name: tensor for name, tensor in tensors.items() if name != "1.means"},
        lambda _: {"w": np.ones(1)},
    ],
)
def test_tensors_that_are_no_mixture_are_refused_even_with_a_right_checksum(spoil):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    assert refused(sealed(header, spoil(tensors))).startswith("holds no usable model (")


# Writing: whole or not at all.


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
    assert str(caught.value) == f"{path}: cannot be written ({os.strerror(number)}); choose another place"
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


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, MemoryError])
def test_an_error_of_the_writer_passes_and_leaves_what_was_there(tmp_path, error):
    (tmp_path / "page.html").write_bytes(b"old")
    with pytest.raises(error), write_beside(tmp_path / "page.html") as handle:
        handle.write(b"half a pa")
        raise error
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("page.html", b"old")]


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
    with pytest.raises(OSError, match="Is a directory"):
        save_model(small_model(), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


def test_check_writable_passes_a_new_and_an_old_file(tmp_path, monkeypatch):
    (tmp_path / "old").write_bytes(b"")
    check_writable(tmp_path / "old")
    check_writable(tmp_path / "new")
    monkeypatch.chdir(tmp_path)
    check_writable("new")
    assert [file.name for file in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "{0}/folder: is a folder; name a file in it"),
        ("missing/m.gmm", "{0}/missing/m.gmm: the folder {0}/missing is not there; make it first"),
        ("file/m.gmm", "{0}/file/m.gmm: the folder {0}/file is not there; make it first"),
    ],
)
def test_check_writable_says_what_is_wrong(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError) as caught:
        check_writable(tmp_path / name)
    assert str(caught.value) == message.format(tmp_path)


def test_check_writable_says_that_a_folder_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(WriteError, match="cannot be written; choose another place"):
        check_writable(tmp_path / "m.gmm")


# The model.


def test_a_model_names_the_label_with_the_highest_mean_score():
    model = small_model(("a", "b"))
    for i, label in enumerate(("a", "b")):
        rows = np.tile(model.scorer.mixtures[i].means[1], (4, 1)).astype(np.float32)
        said = model.predict(Rows(rows, np.zeros(4, np.float32)))
        assert said.label == label == max(said.scores, key=said.scores.get)
        assert list(said.scores.values()) == model.scorer.score(rows).tolist()
        assert said.probability is None


def test_of_equal_scores_the_first_label_wins_everywhere():
    one = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    other = dataclasses.replace(one, means=np.full((1, 1), 2.0))
    said = Recogniser(gmm_scorer(("a", "b", "c"), (other, one, one))).predict(np.zeros((1, 1)))
    assert said.label == "b"
    assert [label for label, _ in said.top(3)] == ["b", "c", "a"]


def test_the_best_labels_come_first_and_are_as_many_as_asked():
    said = Prediction(label="b", scores={"a": -3.0, "b": -1.0, "c": -2.0})
    assert said.top(1) == [("b", -1.0)]
    assert [label for label, _ in said.top(9)] == ["b", "c", "a"]


def test_a_classifier_of_another_front_end_is_refused():
    small = small_model()
    with pytest.raises(SettingError, match="the scorer takes 3 features and the front end makes 4"):
        Model(make_features(n_mfcc=4), small.scorer, small.training)


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


if __name__ == "__main__":
    # how the golden file was made; kept for reading: the file itself is never made again
    save_model(golden_model(), GOLDEN)


def test_a_model_is_known_by_the_file_it_was_read_from_whatever_its_format(tmp_path):
    made = small_model()
    save_model(made, tmp_path / "m.gmm")
    file_sha256 = hashlib.sha256((tmp_path / "m.gmm").read_bytes()).hexdigest()
    assert model_sha256(made) == model_sha256(load_model(tmp_path / "m.gmm")) == file_sha256
    old = Path(__file__).parent / "golden/model-1.0.safetensors"
    model = load_model(old)
    assert model_sha256(model) == hashlib.sha256(old.read_bytes()).hexdigest()
    assert dataclasses.replace(model).file_sha256 is None, "another model may be made of it"
