"""The command ``features``."""

import shutil

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gmmaudio.audio import read_audio
from gmmaudio.features import extract, make_features


def test_features_writes_what_extract_gives(command, corpus, good, tmp_path):
    result = command("features", good, "-o", tmp_path / "out")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{tmp_path}/out/0.wav.npy\n"
    values = np.load(tmp_path / "out" / "0.wav.npy", allow_pickle=False)
    assert values.dtype == np.float32
    with threadpool_limits(limits=1):  # as the engine does: float32 products differ by the last bit on more threads
        np.testing.assert_array_equal(values, extract(read_audio(good, 22050), make_features()).values)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_features_keeps_the_folders(command, corpus, tmp_path, n_jobs):
    result = command("features", corpus.root, "-o", tmp_path / "out", "-j", n_jobs)
    assert result.code == 0
    made = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.npy")}
    assert made == {row["path"] + ".npy" for row in corpus.rows}
    assert result.out.splitlines() == sorted(f"{tmp_path}/out/{name}" for name in made)


def test_features_of_files_with_one_name_in_two_folders_do_not_meet(command, corpus, tmp_path):
    result = command("features", corpus.root / "low/ann/0.wav", corpus.root / "mid/ann/0.wav", "-o", tmp_path)
    assert result.out.splitlines() == [f"{tmp_path}/low/ann/0.wav.npy", f"{tmp_path}/mid/ann/0.wav.npy"]


def test_features_skips_bad_files(command, corpus, tmp_path, tools):
    codes = tools.make_bad_files(tmp_path / "bad", corpus.root / "low" / "ann" / "0.wav")
    shutil.copy(corpus.root / "low/cy/0.wav", tmp_path / "bad" / "good.wav")
    result = command("features", tmp_path / "bad", "-o", tmp_path / "out")
    assert result.code == 1
    assert result.out == f"{tmp_path}/out/good.wav.npy\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.wav.npy"]
    for name, code in codes.items():
        assert f"skipped [{code}] {tmp_path}/bad/{name}: " in result.err


def test_features_of_nothing_usable_is_3(command, tmp_path):
    result = command("features", tmp_path / "gone.wav", "-o", tmp_path / "out")
    assert (result.code, result.out) == (3, "")
    assert not (tmp_path / "out").exists()


def test_features_into_a_file_is_4(command, good, tmp_path):
    (tmp_path / "out").write_bytes(b"a file")
    result = command("features", good, "-o", tmp_path / "out")
    assert (result.code, result.out) == (4, "")
    assert result.err == f"gmmaudio: {tmp_path}/out: the folder cannot be made (File exists); choose another path\n"
    assert (tmp_path / "out").read_bytes() == b"a file"


def test_features_are_named_below_what_was_named(command, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "set" / "low")
    result = command("features", tmp_path / "set", "-o", tmp_path / "out")
    assert result.out.splitlines()[0] == f"{tmp_path}/out/low/ann/0.wav.npy"
