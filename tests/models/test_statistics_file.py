"""The file of statistics: what it holds, and files that are refused: damaged, hostile, or of another kind."""

import copy
import json
import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from gmmaudio.audio import AudioNote
from gmmaudio.errors import CorpusError, ModelFileError, StatisticsFileError
from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding
from gmmaudio.models import (
    Shard,
    holds_statistics,
    load_model,
    load_statistics,
    save_model,
    save_statistics,
    statistics_file,
)
from gmmaudio.pipeline import merge
from gmmaudio.trials import clips_of
from tests.models.conftest import checksum, small_model, small_statistics
from tests.models.test_hostile_models import FIELD_VALUES

KEY = "gmmaudio_statistics"


@pytest.fixture
def path(tmp_path):
    """A file of small statistics."""
    save_statistics(full_statistics(), tmp_path / "small.stats")
    return tmp_path / "small.stats"


def full_statistics():
    """Return statistics with something in every field."""
    statistics = small_statistics(augment=("gain",))
    trials = [replace(trial, copies=(replace(trial, name="copy"),)) for trial in statistics.trials]
    noted = clips_of(trials)[0]
    note = AudioNote("lost", "0.03 s lost", 0.03)
    segments = tuple(
        replace(segment, extracted=replace(noted, notes=(note,), clip=replace(noted.clip, start_s=1.0, end_s=2.5)))
        for segment in trials[0].segments
    )
    trials[0] = replace(trials[0], segments=segments)
    failed = FailedInput("a/9.wav", "empty", "holds no bytes")
    trial_set = replace(
        statistics.trial_set, trials=trials, failed=[failed], left_out_s=(0.25, 1.5), lost_copies={"gain": (failed,)}
    )
    return replace(
        statistics,
        trial_set=trial_set,
        vectors=np.repeat(statistics.vectors, 2, axis=0),
        labels=("a", "b", "日本"),
        group_by="singer",
        findings=(Finding("empty_folder", "warning", "class folder 'c' holds no audio", "fill it"),),
        shard=Shard(2, 3, "0" * 64),
        versions={"gmmaudio": "0.2.0"},
    )


def content_of(data):
    """Return the header and the tensors of a file, read without the package."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"][KEY]), load_tensors(data)


def sealed(header, tensors):
    """Return the bytes of a file with this content and the right checksum, written without the package."""
    header = header | {"sha256": checksum(header, tensors)}
    return save_tensors(tensors, metadata={KEY: json.dumps(header)})


def refused(path, data):
    """Return the message with which bytes are refused, without the path."""
    path.write_bytes(data)
    with pytest.raises(StatisticsFileError) as caught:
        load_statistics(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(f"{path}: ")


# --- what it holds --------------------------------------------------------------------------------------------------


def test_everything_comes_back(path):
    made, read = full_statistics(), load_statistics(path)
    assert read.described() == made.described()
    for name in ("labels", "group_by", "findings", "versions"):
        assert getattr(read, name) == getattr(made, name)
    assert vars(read.shard) == vars(made.shard)
    np.testing.assert_array_equal(read.vectors, made.vectors, strict=True)
    for name in ("failed", "left_out_s", "lost_copies"):
        assert getattr(read.trial_set, name) == getattr(made.trial_set, name)
    assert read.background.clips == made.background.clips
    assert read.background.log_likelihood == made.background.log_likelihood
    for one, other in zip(read.trials, made.trials, strict=True):
        assert (one.name, one.duration_s, one.clip) == (other.name, other.duration_s, other.clip)
        assert [len(rows) for rows in one.training_rows] == [len(rows) for rows in other.training_rows]
        (part,), (expected,) = one.parts, other.parts
        for name in ("sha256", "duration_s", "notes", "sample_rate_hz"):
            assert getattr(part, name) == getattr(expected, name)
        np.testing.assert_array_equal(part.fingerprint, expected.fingerprint, strict=True)


def test_the_same_statistics_are_the_same_bytes_and_read_ones_too(path, tmp_path):
    save_statistics(load_statistics(path), tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_another_program_reads_the_file_and_writes_one_that_is_read(path):
    header, tensors = content_of(path.read_bytes())
    assert header["sha256"] == checksum(header, tensors)
    np.testing.assert_array_equal(tensors["vectors"], full_statistics().vectors, strict=True)
    path.write_bytes(sealed(header, tensors))
    assert load_statistics(path).described() == full_statistics().described()


def test_vectors_are_in_memory_once_when_they_are_written_and_read(tmp_path):
    small, n = small_statistics(), 20_000
    trials = small.trials * n
    many = replace(small, trial_set=replace(small.trial_set, trials=trials), vectors=np.tile(small.vectors, (n, 1)))
    tensors, path = {"vectors": many.vectors}, tmp_path / "vectors"
    header = {"format_version": "1.0"}
    start = statistics_file._start_of_file(header, tensors)
    tracemalloc.start()
    try:
        statistics_file.checksum(header, tensors)
        with path.open("wb") as handle:
            handle.write(start)
            handle.write(tensors["vectors"].data)
        assert tracemalloc.get_traced_memory()[1] < 0.1 * many.vectors.nbytes
        with path.open("rb") as handle:
            _, read = statistics_file._read(handle)
        assert tracemalloc.get_traced_memory()[1] < 1.1 * many.vectors.nbytes
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(read["vectors"], many.vectors, strict=True)


def test_a_file_says_how_many_vectors_it_holds(path):
    assert statistics_file.count_vectors(path) == 12


# --- what is refused ------------------------------------------------------------------------------------------------


def test_a_file_cut_short_anywhere_or_longer_is_refused(path):
    data = path.read_bytes()
    for n in [*range(0, len(data), 37), len(data) - 1]:
        refused(path, data[:n])
    assert "cut short or damaged" in refused(path, data + b"\0")


def test_flipped_bits_are_refused_or_change_nothing(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    harmless = []
    for place in rng.permutation(len(data))[:1500]:
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            found = load_statistics(path)
        except StatisticsFileError:
            continue
        save_statistics(found, path)
        assert path.read_bytes() == data
        harmless.append(chr(data[place]))
    # JSON has two spellings for the case of escapes, and spaces at its end
    assert set(harmless) <= set("abcdef0123456789. ")
    assert len(harmless) < 60


def test_a_tensor_that_changed_is_refused_by_the_checksum(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    assert refused(path, data) == "is damaged (the checksum differs); copy it again, or make it again with stats"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a statistics file; expected one made by gmmaudio stats"),
        (b"path,label\n" * 9, "is not a statistics file; expected one made by gmmaudio stats"),
        (
            pickle.dumps([1, 2, 3] * 9),
            "is a pickle or a zip archive, which is never loaded: it could run code; make it again with stats",
        ),
        (
            save_tensors({"w": np.ones(2)}),
            "is a safetensors file without a readable gmmaudio_statistics header: another program's, or damaged; make "
            "it again with stats",
        ),
        (
            save_tensors({"w": np.ones(2)}, metadata={KEY: '{"format_version": "2.0"}'}),
            "has statistics format '2.0'; this version reads 1.x: upgrade gmmaudio, or make it again with stats",
        ),
    ],
)
def test_what_is_no_statistics_is_refused_in_words(tmp_path, data, message):
    assert refused(tmp_path / "x", data) == message


def test_other_types_of_numbers_are_refused(tmp_path):
    message = refused(tmp_path / "x", save_tensors({"w": np.ones(2, dtype=np.float16)}, metadata={KEY: "{}"}))
    assert message.startswith("holds no usable statistics (the tensor 'w' is described by ")
    assert message.endswith("; expected the types F32, F64, I32); make it again with stats")


def test_a_model_is_no_statistics_and_statistics_are_no_model(path, tmp_path):
    save_model(small_model(), tmp_path / "m.gmm")
    with pytest.raises(StatisticsFileError) as caught:
        load_statistics(tmp_path / "m.gmm")
    assert "is a model, of which there is nothing to merge; expected statistics made by gmmaudio stats" in str(
        caught.value
    )
    with pytest.raises(
        ModelFileError, match="holds statistics of clips, of which merge makes a model; expected a model"
    ):
        load_model(path)
    assert holds_statistics(path)
    assert not holds_statistics(tmp_path / "m.gmm")
    assert not holds_statistics(tmp_path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    for path, text in ((tmp_path, "is a folder"), (tmp_path / "none", "No such file")):
        with pytest.raises(StatisticsFileError, match=text):
            load_statistics(path)


def test_too_large_ones_are_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(statistics_file, "STATISTICS_BYTES", 1000)
    with pytest.raises(StatisticsFileError, match=r"statistics of 6 clips take .*: divide the corpus into more shards"):
        save_statistics(small_statistics(), tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


# --- hostile content under a right checksum -------------------------------------------------------------------------


def places(value, path=()):
    """Yield the path of every value of JSON, lists by their first and last element."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i in sorted({0, len(value) - 1}) if value else ():
            yield from places(value[i], (*path, i))


def changed(header, path, value):
    """Return a header with the value at a path replaced."""
    header = copy.deepcopy(header)
    inner = header
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return header


def use(path):
    """Load statistics and merge them, alone; return the error with which they are refused."""
    try:
        merge([path])
    except (StatisticsFileError, CorpusError) as error:
        return str(error)
    return None


def test_hostile_values_of_every_field_are_refused_in_words_or_merged(path):
    header, tensors = content_of(path.read_bytes())
    assert use(path) is None
    n_refused = 0
    rng = np.random.default_rng(0)
    # of its format version another one is as good
    for place in [place for place in places(header) if place and place[0] not in ("sha256", "format_version")]:
        for k in rng.choice(len(FIELD_VALUES), 4, replace=False):
            try:
                data = sealed(changed(header, place, FIELD_VALUES[k]), tensors)
            except (ValueError, TypeError, UnicodeError):
                continue
            path.write_bytes(data)
            message = use(path)
            n_refused += message is not None
            assert message is None or (len(message) < 1000 and "\n" not in message), (place, message)
    assert n_refused > 200


def test_every_field_is_needed(path):
    header, tensors = content_of(path.read_bytes())
    for name in set(header) - {"sha256", "format_version"}:
        message = refused(path, sealed({key: value for key, value in header.items() if key != name}, tensors))
        assert message == f"holds no usable statistics (its header lacks {name}); make it again with stats"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.5])
def test_numbers_of_vectors_and_of_the_ubm_out_of_bounds_are_refused(path, value):
    header, tensors = content_of(path.read_bytes())
    for name in ("vectors", "ubm.covariances", "front_end.window"):
        bad = tensors[name].copy()
        bad.flat[1] = value
        assert "holds no usable statistics" in refused(path, sealed(header, tensors | {name: bad}))


def test_tensors_of_other_shapes_types_and_names_are_refused(path):
    header, tensors = content_of(path.read_bytes())
    vectors = tensors["vectors"]
    for changes in (
        {"vectors": vectors[:, :-1].copy()},
        {"vectors": vectors[:-1].copy()},
        {"vectors": vectors.astype(np.float64)},
        {"vectors": vectors.ravel()},
        {"n_rows": tensors["n_rows"][:-1].copy()},
        {"n_rows": tensors["n_rows"] * 0},
        {"ubm.means": tensors["ubm.means"][:1].copy()},
        {"ubm.weights": np.ones(2)},
        {"more": np.ones(2)},
    ):
        assert "holds no usable statistics" in refused(path, sealed(header, tensors | changes))
    assert "missing" in refused(path, sealed(header, {name: t for name, t in tensors.items() if name != "n_rows"}))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("trials", "clips", 0), [99]),
        (("trials", "clips", 0), [-1]),
        (("trials", "clips", 0), []),
        (("trials", "clips", 0), [0, 5]),
        (("trials", "n_copies", 0), -1),
        (("trials", "n_copies", 0), 2),
        (("trials", "duration_s", 0), -1.0),
        (("clips", "label", 0), "other"),
        (("clips", "sha256", 0), "0" * 63),
        (("clips", "fingerprint", 0), "0"),
        (("clips", "end_s", 0), -2.0),
        (("clips", "notes", 0), [["new", "text", 0.0]]),
        (("clips", "path"), []),
        (("clips", "held_out_by", 0), ""),
        (("clips", "held_out_by", 0), "ann\0"),
        (("shard", "index"), 9),
        (("shard", "more"), 9),
        (("recipe", "kind_settings"), {"kind": "frames"}),
        (("recipe", "kind_settings", "bigram_lag"), 0),
        (("recipe", "kind_settings", "n_components"), 1),
        (("labels",), ["a\nb"]),
    ],
)
def test_what_does_not_go_together_is_refused(path, place, value):
    header, tensors = content_of(path.read_bytes())
    message = refused(path, sealed(changed(header, place, value), tensors))
    assert message.startswith("holds no usable statistics (")
    assert message.endswith("); make it again with stats")


def test_offsets_that_overlap_or_leave_gaps_are_refused(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    described = json.loads(data[8 : 8 + size])
    for name, key, value in (
        ("vectors", "data_offsets", [0, 480]),
        ("vectors", "shape", [1, 1]),
        ("vectors", "shape", [-1, -120]),
        ("vectors", "shape", [2**40, 2**40]),
        ("vectors", "shape", "x"),
        ("n_rows", "data_offsets", None),
        ("n_rows", "data_offsets", [2**70, 2**71]),
    ):
        text = json.dumps(described | {name: described[name] | {key: value}}).encode()
        assert "damaged" in refused(path, len(text).to_bytes(8, "little") + text + data[8 + size :])
