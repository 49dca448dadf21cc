"""The command ``features``."""

import errno
import os
import resource
import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from threadpoolctl import threadpool_limits

from gmmaudio.audio import read_audio
from gmmaudio.features import extract, make_features
from tests.cli.conftest import GMMAUDIO


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
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["features.journal", "good.wav.npy"]
    for name, code in codes.items():
        assert f"skipped [{code}] {tmp_path}/bad/{name}: " in result.err


def test_features_of_nothing_usable_is_3(command, tmp_path):
    result = command("features", tmp_path / "gone.wav", "-o", tmp_path / "out")
    assert (result.code, result.out) == (3, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["features.journal"]


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


@pytest.mark.parametrize("name", ["a" * 252 + ".wav", "é" * 125 + ".wav"])
def test_a_name_that_is_too_long_for_an_array_stops_no_other_file(command, corpus, good, tmp_path, name):
    folder = tmp_path / "set"
    folder.mkdir()
    for copy in ("a.wav", name[-255:], "z.wav"):
        shutil.copy(good, folder / copy)
    result = command("features", folder, "-o", tmp_path / "out")
    assert result.code == 1
    assert result.out.splitlines() == [f"{tmp_path}/out/a.wav.npy", f"{tmp_path}/out/z.wav.npy"]
    n_bytes = len((name[-255:] + ".npy").encode())
    assert result.err.splitlines()[0] == (
        f"skipped [name_too_long] {folder}/{name[-255:]}: File name too long: that of its array would have {n_bytes} "
        "bytes; shorten the file's name"
    )


def test_a_file_whose_array_cannot_be_named_is_not_decoded(command, good, tmp_path, monkeypatch):
    from gmmaudio import pipeline

    monkeypatch.setattr(pipeline, "read_rows", lambda _features, paths, **_options: iter(paths[:0]))
    shutil.copy(good, tmp_path / ("a" * 252))
    result = command("features", tmp_path / ("a" * 252), "-o", tmp_path / "out")
    assert (result.code, "name_too_long" in result.err) == (3, True)


def test_the_longest_name_that_fits_is_written(command, good, tmp_path):
    shutil.copy(good, tmp_path / ("a" * 251))
    assert command("features", tmp_path / ("a" * 251), "-o", tmp_path / "out").code == 0


def test_a_path_that_is_too_long_as_a_whole_stops_no_other_file(command, good, tmp_path, monkeypatch):
    deep = tmp_path / "set" / "x"
    deep.mkdir(parents=True)
    for name in ("set/1.wav", "set/x/2.wav", "set/3.wav"):
        shutil.copy(good, tmp_path / name)
    mkdir = type(tmp_path).mkdir

    def refuse(self, *arguments, **options):
        if self.name == "x":
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    result = command("features", tmp_path / "set", "-o", tmp_path / "out")
    assert (result.code, len(result.out.splitlines())) == (1, 2)
    assert f"skipped [name_too_long] {deep}/2.wav: File name too long" in result.err


@pytest.fixture
def unread(monkeypatch):
    """No file may be decoded."""
    from gmmaudio import pipeline

    monkeypatch.setattr(pipeline, "read_rows", None)


def make_file(path):
    """Make an empty file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def spoil(place, out):
    """Put what takes no array where arrays are to be written."""
    if place == "file":
        make_file(out)
    elif place == "link below /proc":
        out.symlink_to("/proc/self/fd")
    else:
        out.mkdir()
        array = out / "0.wav.npy"
        {"folder": array.mkdir, "pipe": lambda: os.mkfifo(array), "link": lambda: array.symlink_to("/dev/null")}[
            place
        ]()


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("file", "out: the folder cannot be made (File exists); choose another path"),
        ("folder", "0.wav.npy: is a folder; name a file in it"),
        ("pipe", "0.wav.npy: is a pipe or a device; name a file"),
        ("link", "0.wav.npy: leads to /dev/null, below /dev, where no file can be kept"),
        ("link below /proc", "below /proc, where no file can be kept"),
    ],
)
def test_a_place_that_takes_no_array_is_4_before_any_file_is_read(command, corpus, tmp_path, place, complaint):
    spoil(place, tmp_path / "out")
    result = command("features", corpus.root / "low" / "ann", "-o", tmp_path / "out")
    assert (result.code, result.out) == (4, "")
    assert complaint in result.err


@pytest.mark.usefixtures("unread")
def test_a_disk_that_is_full_within_an_array_is_named_as_the_reason(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 80_000), 16_000)

    def limit():
        # more than the check of the folder takes, and less than an array of 5 s
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000))

    words = ["features", "long.wav", "-o", "out", "--cache", "none"]
    done = subprocess.run(
        [*GMMAUDIO, *words], cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "gmmaudio: out/long.wav.npy: cannot be written (File too large); choose another path\n" in done.stderr


def test_a_folder_of_arrays_that_is_a_file_is_4_before_any_file_is_read(command, corpus, tmp_path):
    make_file(tmp_path / "out" / "mid" / "cy")
    result = command("features", corpus.root, "-o", tmp_path / "out")
    assert (result.code, result.out) == (4, "")
    assert f"{tmp_path}/out/mid/cy: the folder cannot be made (File exists); choose another path" in result.err


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_no_array_replaces_a_file_that_is_read(command, good, tmp_path, link):
    shutil.copy(good, tmp_path / "a.wav")
    victim = tmp_path / ("a.wav.npy" if link is None else "b.flac")
    shutil.copy(good, victim)
    if link is not None:
        link(victim, tmp_path / "a.wav.npy")
    result = command("features", tmp_path / "a.wav", victim, "-o", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"gmmaudio: -o {tmp_path} would overwrite the input {victim}; choose another path\n"
    assert victim.read_bytes() == good.read_bytes()


@pytest.mark.usefixtures("unread")
def test_a_name_that_would_be_a_file_and_a_folder_is_refused(command, good, tmp_path):
    (tmp_path / "set" / "a.wav.npy").mkdir(parents=True)
    for name in ("a.wav", "a.wav.npy/b.wav"):
        shutil.copy(good, tmp_path / "set" / name)
    result = command("features", tmp_path / "set", "-o", tmp_path / "out")
    assert (result.code, result.out) == (2, "")
    assert f"-o {tmp_path}/out: {tmp_path}/out/a.wav.npy would be a file and a folder" in result.err


def test_no_array_replaces_another_of_the_same_run(command, corpus, tmp_path):
    (tmp_path / "out" / "low").mkdir(parents=True)
    (tmp_path / "out" / "mid").symlink_to("low")
    result = command("features", corpus.root / "low", corpus.root / "mid", "-o", tmp_path / "out")
    assert (result.code, len(result.out.splitlines())) == (1, 6)
    assert result.err.count("skipped [name_taken]") == 6
    first = f"{tmp_path}/out/low/ann/0.wav.npy"
    assert (
        f"mid/ann/0.wav: its array would overwrite {first}, which is the same file; name another folder" in result.err
    )
