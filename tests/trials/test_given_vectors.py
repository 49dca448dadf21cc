"""Vectors that are given beside sound: those of each clip, whatever holds them, and what is wrong with them."""

import unicodedata

import numpy as np
import pytest

from gmmaudio import GivenRows, GivenVectors
from gmmaudio.corpus import Clip
from gmmaudio.errors import CorpusError, RowsError, SettingError
from gmmaudio.features import FeatureSettings, GivenFrames
from gmmaudio.trials import TrialSettings, digest_trials, read_vectors, trials_of_rows
from tests.trials.test_array_files import write

CLIPS = [Clip("jazz/1.wav", "jazz"), Clip("jazz/2.wav", "jazz"), Clip("rock/1.wav", "rock")]
ARRAYS = {clip.path: np.arange(3.0) + i for i, clip in enumerate(CLIPS)}


def failures(given, clips=CLIPS, frames=None):
    return [(each.path, each.code, each.message) for each in read_vectors(given, clips, frames).failed]


# --- where they are -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".parquet"])
def test_every_place_and_order_of_the_arrays_gives_the_same_vectors(tmp_path, suffix):
    known = read_vectors(GivenVectors(ARRAYS, "ours"), CLIPS)
    turned = dict(reversed(ARRAYS.items()))
    for path, array in ARRAYS.items():
        write(tmp_path / "folder" / f"{path}{suffix}", {"": array})
    for place in (
        tmp_path / "folder",
        write(tmp_path / f"all{suffix}", ARRAYS),
        write(tmp_path / f"b{suffix}", turned),
    ):
        found = read_vectors(GivenVectors(place, "ours"), CLIPS)
        assert found.sha256() == known.sha256()
        assert [found.by_place[clip.path, 0.0, None].tolist() for clip in CLIPS] == [
            [array.tolist()] for array in ARRAYS.values()
        ]


def test_several_vectors_of_a_clip_are_its_rows():
    found = read_vectors(GivenVectors({"jazz/1": np.ones((4, 2))}, "ours"), CLIPS[:1])
    assert found.by_place["jazz/1.wav", 0.0, None].shape == (4, 2)


def test_names_are_also_those_below_the_root():
    clips = [Clip(f"/music/{clip.path}", clip.label) for clip in CLIPS]
    assert not failures(GivenVectors(ARRAYS, "ours", vectors_root="/music"), clips)
    damaged = ARRAYS | {"/music/jazz/1.wav": np.zeros((2, 2, 2))}
    assert [code for _, code, _ in failures(GivenVectors(damaged, "ours", vectors_root="/music"), clips)] == [
        "not_rows"
    ]
    with pytest.raises(CorpusError, match="none of 3 clips has vectors that can be used, the first: /music/jazz"):
        read_vectors(GivenVectors(ARRAYS, "ours"), clips)


def test_the_vectors_of_segments_are_named_by_a_column():
    halves = [Clip("a.wav", "jazz", start_s=s, end_s=s + 1.0, extra={"utt": f"u{s:g}"}) for s in (0.0, 1.0)]
    arrays = {"a.wav": np.zeros(2), "u0": np.zeros(2), "u1": np.ones(2)}
    found = read_vectors(GivenVectors(arrays, "ours", vectors_column="utt"), halves)
    assert found.by_place["a.wav", 1.0, 2.0].tolist() == [[1.0, 1.0]]
    with pytest.raises(
        CorpusError, match=r"is a segment of a file; name the column that names .* \(`vectors_column`\)"
    ):
        read_vectors(GivenVectors(arrays, "ours"), halves)


def test_the_name_is_that_of_the_file_or_folder_unless_one_is_given(tmp_path):
    assert GivenVectors(write(tmp_path / "musicnn.npz", ARRAYS)).training_name() == "musicnn"
    (tmp_path / "wav2vec2.base").mkdir()
    assert GivenVectors(tmp_path / "wav2vec2.base").training_name() == "wav2vec2.base"
    assert GivenVectors(tmp_path / "musicnn.npz", "ours").training_name() == "ours"
    with pytest.raises(SettingError, match="`vectors_name` is None; expected the name of what made the vectors"):
        read_vectors(GivenVectors(ARRAYS), CLIPS)


# --- what is wrong with them --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "code", "message"),
    [
        (np.zeros(4), "wrong_dimension", "vectors: has 4 columns; expected 3, as 'ours' has in the other clips or in"),
        ([0.0, np.nan, 1.0], "missing_values", "vectors: has missing values (NaN) in 1 of 1 vectors; make them again"),
        ([0.0, np.inf, 1.0], "non_finite", "vectors: row 0, column 1 is inf; expected finite numbers"),
        (np.zeros((2, 2, 2)), "not_rows", "vectors: has shape (2, 2, 2); expected"),
        (np.array([object()]), "not_rows", "vectors: holds "),
        (np.zeros(0), "no_rows", "vectors: has shape (0,); expected at least one row"),
        (None, "vanished", "vectors: has no array in rows, by its path or by that without suffix; check both"),
    ],
)
def test_a_clip_without_usable_vectors_is_named_and_no_other(array, code, message):
    arrays = ARRAYS | {"jazz/2.wav": array} if array is not None else {k: v for k, v in ARRAYS.items() if "2" not in k}
    (failed,) = failures(GivenVectors(arrays, "ours"))
    assert failed[:2] == ("jazz/2.wav", code)
    assert failed[2].startswith(message)


def test_a_file_that_cannot_be_used_at_all_is_an_error_of_vectors(tmp_path):
    (tmp_path / "v.npz").write_bytes(b"no archive")
    for name, message in (
        ("v.npz", r"v\.npz: cannot be read as \.npz .*; expected a folder, or a file, of vectors \(`vectors`\)"),
        ("gone.npz", r"gone\.npz: is not there; check the path; expected a folder, or a file, of vectors"),
    ):
        with pytest.raises(CorpusError, match=message):
            read_vectors(GivenVectors(tmp_path / name, "ours"), CLIPS)
    with pytest.raises(CorpusError, match=r"gone\.npz: cannot be read \(No such file"):
        GivenVectors(tmp_path / "gone.npz").sha256()


def test_python_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "v.npz", **{"jazz/1": np.array([print], dtype=object)})
    with pytest.raises(CorpusError, match="holds Python objects, which are never unpickled"):
        read_vectors(GivenVectors(tmp_path / "v.npz"), CLIPS[:1])


def test_two_arrays_of_one_name_are_refused(tmp_path):
    forms = [unicodedata.normalize(form, "é.wav") for form in ("NFC", "NFD")]
    arrays = dict.fromkeys(forms, np.zeros(2))
    with pytest.raises(SettingError, match=r"`vectors` holds 2 arrays called .* \(in two Unicode forms\)"):
        GivenVectors(arrays)
    with pytest.raises(CorpusError, match=r"v\.safetensors holds 2 arrays called"):
        read_vectors(GivenVectors(write(tmp_path / "v.safetensors", arrays)), [Clip(forms[0], "a")])


def test_vectors_of_another_name_or_width_than_the_model_takes_are_refused():
    frames = GivenFrames(rows_name="theirs", n_columns=5)
    with pytest.raises(
        SettingError, match=r"`vectors_name` is 'ours', and the model takes vectors of 'theirs' \(5 col"
    ):
        read_vectors(GivenVectors(ARRAYS, "ours"), CLIPS, frames)
    with pytest.raises(CorpusError, match="vectors: has 3 columns; expected 5, as 'theirs' has"):
        read_vectors(GivenVectors(ARRAYS), CLIPS, frames)


# --- hashes -------------------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_content(tmp_path):
    file = GivenVectors(write(tmp_path / "v.npz", ARRAYS))
    first = file.sha256()
    assert first == file.sha256()
    write(tmp_path / "v.npz", ARRAYS | {"rock/1.wav": np.zeros(3)})
    assert file.sha256() != first
    for path, array in ARRAYS.items():
        write(tmp_path / "folder" / f"{path}.npy", {"": array})
    folder = GivenVectors(tmp_path / "folder")
    before = folder.sha256()
    write(tmp_path / "folder" / "jazz/1.wav.npy", {"": np.ones(3)})
    assert folder.sha256() != before
    assert GivenVectors(ARRAYS).sha256() == GivenVectors(dict(reversed(ARRAYS.items()))).sha256()


def test_the_digest_of_trials_has_every_vector_and_stays_as_it_was_without_any():
    features = FeatureSettings(GivenFrames(rows_name="sound", n_columns=2))
    made = trials_of_rows(GivenRows({clip.path: np.zeros(2) for clip in CLIPS}), CLIPS, TrialSettings(features))
    digests = {digest_trials(made.trials)}
    for middle in (0.0, 1.0):
        arrays = {clip.path: [[0.0], [middle], [0.0]] for clip in CLIPS}
        attached = read_vectors(GivenVectors(arrays, "a"), CLIPS).attach(made, CLIPS)
        assert attached.sha256 == made.sha256
        digests.add(digest_trials(attached.trials))
    assert len(digests) == 3


def test_an_error_has_the_code_of_its_rows():
    with GivenVectors({}, "ours").open() as reader, pytest.raises(RowsError) as caught:
        reader.read(CLIPS[0])
    assert caught.value.code == "vanished"
