"""The file of one mixture: the same bits back, the same bytes every time, and nothing damaged or foreign is read."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import gmmaudio
from gmmaudio.errors import MixtureFileError, ModelFileError, SettingError, StatisticsFileError, WriteError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, load_mixture, save_mixture
from gmmaudio.sealed_file import checksum
from tests.mixture.conftest import random_mixture
from tests.models.conftest import small_model, small_statistics

KEY = "gmmaudio_mixture"
# checksum in the file of PLAIN: a change of it means that files differ between versions
PLAIN = GaussianMixture([0.25, 0.75], [[-1.0, 2.0], [3.0, 0.5]], [[1.0, 2.0], [0.5, 4.0]])
PLAIN_SHA256 = "5fb1a6f918cdd97db338667eadabf1658a4626f8f606537783fb05bb1a4784a2"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mixture.safetensors"


def saved_bytes(path, *args, **kwargs):
    save_mixture(path, *args, **kwargs)
    return path.read_bytes()


def header_and_tensors(data):
    size = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"][KEY]), load_tensors(data)


def sealed(header, tensors):
    """Return a file whose checksum is right, whatever it holds."""
    header = header | {"sha256": checksum(header, tensors)}
    return save_tensors(tensors, metadata={KEY: json.dumps(header, sort_keys=True)})


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(MixtureFileError) as caught:
        load_mixture(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_a_mixture_comes_back_with_the_same_bits(path, covariance_type):
    mixture = random_mixture(covariance_type)
    details = {"n_rows": 120, "tol": 1e-4, "table": ["a", None, True], "of": {"nested": "日本"}}
    save_mixture(path, mixture, names=["age", "größe", "c"], details=details)
    saved = load_mixture(path)
    for name in ("weights", "means", "covariances"):
        assert getattr(saved.mixture, name).tobytes() == getattr(mixture, name).tobytes()
    assert saved.mixture.covariance_type == covariance_type
    assert (saved.names, saved.details) == (("age", "größe", "c"), details)


def test_what_was_not_given_is_none_or_empty(path):
    save_mixture(path, PLAIN)
    saved = load_mixture(path)
    assert (saved.names, saved.details) == (None, {})


def test_the_same_mixture_gives_the_same_bytes_in_another_process_and_another_version(path, tmp_path):
    data = saved_bytes(path, PLAIN, names=["a", "b"], details={"y": 1, "x": 2})
    code = (
        "import sys; from gmmaudio.mixture import load_mixture, save_mixture; s = load_mixture(sys.argv[1]); "
        "save_mixture(sys.argv[2], s.mixture, names=s.names, details=s.details)"
    )
    subprocess.run([sys.executable, "-c", code, path, tmp_path / "again"], check=True)
    assert (tmp_path / "again").read_bytes() == data
    assert header_and_tensors(saved_bytes(path, PLAIN))[0]["sha256"] == PLAIN_SHA256


def test_another_program_reads_its_numbers(path):
    tensors = load_tensors(saved_bytes(path, PLAIN))
    np.testing.assert_array_equal(tensors["means"], PLAIN.means)
    assert sorted(tensors) == ["covariances", "means", "weights"]


def test_every_flipped_bit_is_refused_or_changes_nothing(path, tmp_path):
    data = saved_bytes(path, PLAIN, names=["a", "b"])
    for i in range(len(data)):
        flipped = bytearray(data)
        flipped[i] ^= 1 << i % 8
        path.write_bytes(flipped)
        try:
            saved = load_mixture(path)
        except MixtureFileError:
            continue
        assert saved_bytes(tmp_path / "again", saved.mixture, names=saved.names, details=saved.details) == data


def test_a_file_cut_short_or_with_bytes_after_its_end_is_refused(path):
    data = saved_bytes(path, PLAIN)
    for n in range(0, len(data), 7):
        refused(path, data[:n])
    assert "cut short or damaged" in refused(path, data + b"\0")


def test_tensors_of_another_mixture_under_this_header_are_refused(path):
    header, tensors = header_and_tensors(saved_bytes(path, PLAIN))
    other = save_tensors(tensors | {"means": tensors["means"] + 1}, metadata={KEY: json.dumps(header)})
    assert "is damaged (the checksum differs); copy it again, or fit it again" in refused(path, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.array([0.5, 0.6])}, "weights sum to 1.1"),
        ({"means": np.array([[np.nan, 0.0], [0.0, 0.0]])}, "the tensor means holds nan"),
        ({"means": np.zeros((2, 2), np.float32)}, "the tensor means holds float32; expected float64"),
        ({"covariances": -np.ones((2, 2))}, "the tensor covariances holds -1"),
        ({"covariances": np.ones((2, 3))}, "the tensor covariances has shape (2, 3)"),
        ({"more": np.ones(1)}, "['more'] are unknown"),
    ],
)
def test_tensors_that_are_no_mixture_are_refused_with_a_right_checksum_too(path, change, message):
    header, tensors = header_and_tensors(saved_bytes(path, PLAIN))
    assert message in refused(path, sealed(header, tensors | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covariance_type": "round"}, "covariance_type is 'round'; expected one of diag, full, tied, spherical"),
        ({"covariance_type": "full"}, "the tensor covariances has shape (2, 2)"),
        ({"names": ["a"]}, "['a']; expected 2 different names"),
        ({"names": "ab"}, "names is 'ab'"),
        ({"details": []}, "details is []"),
        ({"format_version": "2.0"}, "has mixture format '2.0'; this version reads 1.x: upgrade gmmaudio, or fit it"),
    ],
)
def test_headers_that_describe_no_mixture_are_refused(path, change, message):
    header, tensors = header_and_tensors(saved_bytes(path, PLAIN))
    assert message in refused(path, sealed(header | change, tensors))


def test_a_header_without_a_field_is_refused(path):
    header, tensors = header_and_tensors(saved_bytes(path, PLAIN))
    assert "'names'" in refused(path, sealed({name: header[name] for name in header if name != "names"}, tensors))


def test_pickles_and_other_files_are_never_loaded(path, tmp_path):
    assert "is a pickle or a zip archive, which is never loaded" in refused(path, pickle.dumps(PLAIN, protocol=4))
    assert "is not a mixture file; expected one made by gmmaudio.mixture.save_mixture" in refused(path, b"a" * 100)
    assert "another program's, or damaged" in refused(path, save_tensors({"means": np.ones(2)}, metadata={"a": "b"}))
    with pytest.raises(MixtureFileError, match="expected a file that save_mixture wrote"):
        load_mixture(tmp_path / "missing")


def test_each_kind_of_file_is_named_where_another_is_expected(path, tmp_path):
    gmmaudio.save_model(small_model(), path)
    with pytest.raises(MixtureFileError, match=r"is a model of several labels, which gmmaudio\.load_model reads"):
        load_mixture(path)
    gmmaudio.save_statistics(small_statistics(), path)
    with pytest.raises(MixtureFileError, match=r"holds statistics of clips, which gmmaudio\.load_statistics reads"):
        load_mixture(path)
    save_mixture(path, PLAIN)
    with pytest.raises(ModelFileError, match="holds one Gaussian mixture, which gmmaudio mixture describe prints"):
        gmmaudio.load_model(path)
    with pytest.raises(StatisticsFileError, match="holds one Gaussian mixture; expected statistics"):
        gmmaudio.load_statistics(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"names": ["a"]}, "`names` is ['a']; expected 2 different names, one for each column"),
        ({"names": ["a", "a"]}, "`names` is ['a', 'a']; expected 2 different names"),
        ({"names": "ab"}, "`names` is 'ab'"),
        ({"names": [1, 2]}, "`names`[0] is 1; expected a string"),
        ({"details": {"a": float("nan")}}, "`details` are {'a': nan}, which JSON does not have"),
        ({"details": {"a": object()}}, "which JSON does not have"),
        ({"details": {1: 2}}, "`details` is 1; expected a string"),
        ({"details": [1]}, "`details` is [1]; expected names and values"),
    ],
)
def test_names_and_details_that_would_not_come_back_are_refused(path, given, message):
    with pytest.raises(SettingError) as caught:
        save_mixture(path, PLAIN, **given)
    assert message in str(caught.value)
    assert not path.exists()


def test_a_mixture_that_could_not_be_read_again_is_not_written(path):
    tiny = GaussianMixture([1.0], [[0.0]], [[1e-60]])
    with pytest.raises(MixtureFileError, match="does not fit the file format: the tensor covariances holds 1e-60"):
        save_mixture(path, tiny)
    assert not path.exists()


def test_arguments_of_other_types_and_places_that_cannot_be_written_are_refused(path, tmp_path):
    with pytest.raises(SettingError, match=r"`mixture` is .*; expected a GaussianMixture"):
        save_mixture(path, "mixture")
    with pytest.raises(SettingError, match="`path` is 5; expected a path"):
        load_mixture(5)
    with pytest.raises(WriteError):
        save_mixture(tmp_path / "no" / "folder", PLAIN)
