"""Model files that are refused: damaged, cut short, of another program or version, or no model at all."""

import io
import json
import os
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

from gmmaudio.errors import ModelFileError
from gmmaudio.models import (
    from_bytes,
    load_model,
    to_bytes,
)
from gmmaudio.models.file import FORMAT_VERSION
from tests.models.conftest import assert_same, header_and_tensors, sealed, small_model
from tests.test_files import sparse


def refused(data):
    """Return the message with which bytes are refused."""
    with pytest.raises(ModelFileError) as caught:
        from_bytes(data)
    return str(caught.value)


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
        (
            foreign({"gmmaudio": "[" * 100_000}),
            "holds no usable model (more than 32 lists or objects lie within one another); train again",
        ),
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
        ("folder", "is a folder; name a regular file"),
        ("missing", "cannot be read (No such file or directory)"),
        ("", "is a folder; name a regular file"),
    ],
)
def test_a_place_that_cannot_be_read_is_named(tmp_path, name, said):
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert str(caught.value) == f"{path}: {said}; expected a model made by train"


@pytest.mark.parametrize(
    ("start", "size", "said"),
    [
        (
            b"",
            60 * 2**30,
            "holds more than 2 GiB, the most that is read of such a file; expected a model made by train",
        ),
        (to_bytes(small_model()), 60 * 2**30, "holds more than 2 GiB"),
        (b"", 2**31, NO_MODEL),
        ((2**40).to_bytes(8, "little") + b"{}" * 8, 2**31, NO_MODEL),
        ((10**8).to_bytes(8, "little") + b"{}" * 8, 90 * 10**6, "is cut short"),
        (to_bytes(small_model()), 2**31, "has 2147483648 bytes and"),
        (to_bytes(small_model()), len(to_bytes(small_model())) + 1, "cut short or damaged; copy it again"),
    ],
)
def test_a_large_file_that_is_no_model_is_refused_before_it_is_read(tmp_path, start, size, said):
    path = sparse(tmp_path / "model.gmm", start, size)
    tracemalloc.start()
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    # the header of 90 MB is read: safetensors allows as much
    assert peak < 300e6


@pytest.mark.parametrize("entry", [5, {}, {"data_offsets": 5}, {"data_offsets": [0]}, {"data_offsets": [0, None]}])
def test_a_tensor_without_a_place_in_the_file_is_refused(tmp_path, entry):
    header = json.dumps({"__metadata__": {"gmmaudio": "{}"}, "0.means": entry}).encode()
    path = tmp_path / "model.gmm"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelFileError, match="is damaged"):
        load_model(path)


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_a_pipe_or_a_device_is_no_model(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelFileError, match="name a regular file; expected a model made by train"):
        load_model(tmp_path / kind)


@pytest.mark.parametrize("version", ["3.0", "10.0", "0.9", "1x", "", None, 2, 1.0, "2", "1.", "01.0", "1.04", "2.x"])
def test_another_major_version_is_refused_with_a_cure(version):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    message = refused(sealed(header | {"format_version": version}, tensors))
    assert message == f"has model format {version!r}; this version reads 1.x and 2.x: upgrade gmmaudio, or train again"


def test_a_newer_minor_version_is_read():
    header, tensors = header_and_tensors(to_bytes(small_model()))
    newer = sealed(header | {"format_version": "2.9", "unheard_of": True}, tensors)
    assert_same(from_bytes(newer), small_model())
    assert FORMAT_VERSION == "2.1"


def test_a_newer_major_version_is_refused_before_its_checksum_is_checked():
    header, tensors = header_and_tensors(to_bytes(small_model()))
    changed = header | {"format_version": "3.0", "sha256": "made by other rules"}
    data = save_tensors(tensors, metadata={"gmmaudio": json.dumps(changed)})
    assert refused(data).startswith("has model format '3.0'")


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
        {"weights": [float("inf")]},
        {"weights": [10**400]},
        {"weights": ["heavy"]},
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


@pytest.mark.parametrize("soft_clip", ["supervector", [], 0.0, -1.0, float("inf")])
def test_a_projection_whose_limit_is_no_positive_number_is_refused_even_with_a_right_checksum(soft_clip):
    golden = Path(__file__).parents[1] / "golden" / "model-1.4-blocks-shared.safetensors"
    header, tensors = header_and_tensors(golden.read_bytes())
    changed = header | {"transform": header["transform"] | {"soft_clip": soft_clip}}
    said = "Infinity is no JSON number" if soft_clip == float("inf") else "transform.soft_clip "
    assert refused(sealed(changed, tensors)).removeprefix("holds no usable model (").startswith((said, "soft_clip is "))


@pytest.mark.parametrize("lacking", ["features", "labels", "transform", "weights", "training"])
def test_a_header_without_a_part_is_refused(lacking):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    del header[lacking]
    assert refused(sealed(header, tensors)) == f"holds no usable model (its header lacks {lacking}); train again"


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


@pytest.mark.parametrize("change", [{"sample_rate_hz": 10**400}, {"n_mfcc": 10**400}])
def test_a_number_too_large_in_a_sealed_header_is_refused(change):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    features = header["features"] | {"frames": header["features"]["frames"] | change}
    assert "below 2**63" in refused(sealed(header | {"features": features}, tensors))


@pytest.mark.parametrize("change", [{"seconds": None}, {"rows": {}}, {"log_likelihood": "x"}, {"versions": 3}])
def test_a_training_summary_of_the_wrong_kind_is_refused(change):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    refused(sealed(header | {"training": header["training"] | change}, tensors))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([], "clips is []; expected names and values"),
        ({"path": ["a"]}, "clips has ['path']; expected path, label, group, sha256, fingerprint"),
        ({"path": ["a/1.wav"]}, "its clips have columns of unlike lengths"),
        ({"path": "ab"}, "clips.path is 'ab'; expected a list"),
        ({"label": ["a", 3]}, "label is 3; expected a string"),
        ({"sha256": ["0", "00"]}, "sha256 is '0'; expected hexadecimal digits"),
        ({"weight": [1, 2]}, "clips has "),
    ],
)
def test_columns_of_training_clips_that_do_not_go_together_are_refused(columns, said):
    header, tensors = header_and_tensors(to_bytes(small_model()))
    clips = columns if said.startswith(("clips is", "clips has ['path']")) else header["training"]["clips"] | columns
    changed = header | {"training": header["training"] | {"clips": clips}}
    assert said in refused(sealed(changed, tensors))
