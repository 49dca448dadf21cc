"""Sounds, corpora, a model and a way to run the command, shared by the tests."""

import csv
import importlib.util
import io
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

SR = 22050
# noise in three bands that do not touch: any front end tells them apart
BANDS_HZ = {"low": (100, 700), "mid": (1200, 2400), "high": (4000, 8000)}
SINGERS = ("ann", "bob", "cy")


def band_noise(label, seed, seconds=1.0, sr=SR):
    """Return noise in the band of a label, over a faint floor; float32, peak 0.3."""
    from scipy.signal import butter, sosfilt

    rng = np.random.default_rng(seed)
    n = round(seconds * sr)
    y = sosfilt(butter(4, BANDS_HZ[label], btype="band", fs=sr, output="sos"), rng.normal(size=n))
    y += 0.01 * rng.normal(size=n)
    return (0.3 * y / np.abs(y).max()).astype(np.float32)


def write_manifest(path, rows):
    """Write rows (dicts with the same keys) as a CSV manifest, and return its path."""
    with Path(path).open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return Path(path)


def make_bad_files(folder, good_wav):
    """Put one file of every bad kind into a folder; return {name: reason code}."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    whole = Path(good_wav).read_bytes()
    sound = band_noise("low", 99)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("these are words, and no sound\n" * 9)
    (folder / "truncated.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "header_only.wav").write_bytes(whole[:40] + bytes(4))
    (folder / "vanished.wav").symlink_to("nowhere.wav")
    soundfile.write(folder / "nan.wav", np.where(np.arange(SR) == 77, np.nan, sound), SR, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(SR), SR)
    soundfile.write(folder / "short.wav", sound[:2000], SR)
    return {
        "empty.wav": "empty",
        "text.wav": "not_audio",
        "truncated.wav": "truncated",
        "header_only.wav": "no_samples",
        "vanished.wav": "vanished",
        "nan.wav": "non_finite",
        "silent.wav": "silent",
        "short.wav": "too_short",
    }


@pytest.fixture(scope="session")
def tools():
    """The functions above: test modules cannot import this file."""
    return SimpleNamespace(
        sr=SR,
        band_noise=band_noise,
        write_manifest=write_manifest,
        make_bad_files=make_bad_files,
        write=soundfile.write,
    )


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Three classes of six clips of 1 s, half wav and half flac: a folder for each class, and manifests beside them.

    ``root`` is the folder; ``plain`` a manifest with groups and no split; ``split`` one in which cy is the test set;
    ``rows`` the rows of ``split``. Tests must not write here.
    """
    root = tmp_path_factory.mktemp("corpus")
    rows = []
    for label in BANDS_HZ:
        for fold, singer in enumerate(SINGERS):
            (root / label / singer).mkdir(parents=True)
            for take, suffix in enumerate((".wav", ".flac")):
                path = root / label / singer / f"{take}{suffix}"
                soundfile.write(path, band_noise(label, len(rows)), SR)
                rows.append(
                    {
                        "path": path.relative_to(root).as_posix(),
                        "label": label,
                        "group": f"{label}-{singer}",
                        "source": ("field", "studio")[take],
                        "split": "test" if singer == "cy" else "train",
                        "singer": singer,
                        "fold": fold,
                    }
                )
    plain = [{key: value for key, value in row.items() if key != "split"} for row in rows]
    return SimpleNamespace(
        root=root,
        rows=rows,
        plain=write_manifest(root / "plain.csv", plain),
        split=write_manifest(root / "split.csv", rows),
    )


def trials_of(clips, recipe):
    """Return the trials of all clips of a corpus."""
    from gmmaudio.corpus import plan_split
    from gmmaudio.trials import build_trial_set

    return build_trial_set(clips.root, plan_split(clips.clips), recipe.trial_settings).trials


@pytest.fixture
def clips(corpus):
    """The corpus without its split, as a library reads it."""
    from gmmaudio import pipeline

    return pipeline.read_corpus(corpus.plain)


@pytest.fixture(scope="session")
def model_file(corpus, tmp_path_factory):
    """A model trained on the clips of ann and bob. Tests must not write here."""
    from gmmaudio import pipeline
    from gmmaudio.models import save_model

    path = tmp_path_factory.mktemp("model") / "bands.gmm"
    trained = pipeline.train(pipeline.read_corpus(corpus.split), pipeline.make_recipe(n_components=4))
    save_model(trained.model, path)
    return path


@pytest.fixture(scope="session")
def ubm_file(corpus, tmp_path_factory):
    """A model of supervectors trained on the clips of ann and bob, two components. Tests must not write here."""
    from gmmaudio import pipeline
    from gmmaudio.models import save_model

    path = tmp_path_factory.mktemp("ubm") / "ubm.gmm"
    recipe = pipeline.make_recipe(kind="supervector", n_components=2)
    save_model(pipeline.train(pipeline.read_corpus(corpus.split), recipe).model, path)
    return path


@pytest.fixture(scope="session")
def statistics_file(corpus, ubm_file, tmp_path_factory):
    """The statistics of the clips of ann and bob under the UBM in ``ubm_file``. Tests must not write here."""
    from gmmaudio import load_model, pipeline, save_statistics

    path = tmp_path_factory.mktemp("statistics") / "all.stats"
    save_statistics(pipeline.stats(corpus.split, load_model(ubm_file)), path)
    return path


@pytest.fixture
def model(model_file):
    """The model in ``model_file``."""
    from gmmaudio.models import load_model

    return load_model(model_file)


@pytest.fixture
def command(capsys, monkeypatch):
    """Run the command in this process: ``command(*arguments, stdin=bytes)`` has ``code``, ``out`` and ``err``."""

    def run(*arguments, stdin=b""):
        from gmmaudio.cli import main

        words = [os.fsdecode(word) if isinstance(word, bytes) else str(word) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["gmmaudio", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8", "surrogateescape"))
        with pytest.raises(SystemExit) as stop:
            main(words)
        said = capsys.readouterr()
        return SimpleNamespace(code=stop.value.code, out=said.out, err=said.err)

    return run


@pytest.fixture
def few_candidates(monkeypatch):
    """Three candidates for tuning, all of them mixtures on frames."""
    from gmmaudio.models import KINDS, Candidate

    few = tuple(
        Candidate(k, {"covariance_type": covariance_type, "n_components": k})
        for covariance_type, k in (("diag", 1), ("diag", 6), ("full", 1))
    )
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, candidates=few if name == "frames" else ()))


@pytest.fixture(scope="module")
def browser():
    """A browser without a window, Debian's or another that is called chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs a chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install .[browser]")
    with playwright.sync_playwright() as started:
        # the sandbox needs rights that containers do not give
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe():
    """The text of axe-core, from the package that carries it."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None:
        pytest.skip("needs axe-playwright-python: pip install .[browser]")
    return next(Path(found.origin).parent.rglob("axe.min.js")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def dask_cluster():
    """Two worker processes of a Dask cluster, in use; not for all modules: others count threads."""
    pytest.importorskip("distributed", reason="needs the dask extra")
    from gmmaudio.compute import Cluster

    with Cluster(n_workers=2) as cluster:
        yield cluster


@pytest.fixture
def dask_address(dask_cluster):
    """The address of its scheduler."""
    return dask_cluster.client.scheduler.address
