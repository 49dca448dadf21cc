"""The libraries that commands import: a budget, held by the modules that are there when a command ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

GOLDEN = Path(__file__).parents[1] / "golden"
# the classic model, one as the preset genre has it, and one as the preset language has it
MODELS = ("frames", "blocks-shared", "supervector-warps")
SR = 8000
# what takes long to import, and is needed to train, to report, on a terminal or in other processes
HEAVY = {
    *("librosa", "numba", "scipy", "sklearn", "joblib", "pandas", "matplotlib", "jinja2", "rich", "cloudpickle"),
    *("multiprocessing", "asyncio", "email", "http", "html", "unittest", "pydoc", "importlib.metadata"),
    *("numpy.random", "numpy.polynomial", "numpy.testing", "numpy.f2py"),
}
# read by the entry point of the command, as its script does it
ENTRY = (
    "import atexit, json, sys; report = sys.argv.pop(1);"
    "atexit.register(lambda: open(report, 'w').write(json.dumps(sorted(sys.modules))));"
    "from gmmaudio.cli import main; main()"
)


def model_path(kind):
    return GOLDEN / f"model-2.0-{kind}.safetensors"


@pytest.fixture(scope="module")
def heavy():
    """Those of the modules HEAVY that numpy does not bring by itself, as versions before 2 do."""
    code = "import sys, json, numpy; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY - set(json.loads(done.stdout))


def write_tone(path):
    """Write three seconds of two tones in noise, in the format of the suffix."""
    time_s = np.arange(3 * SR) / SR
    sound = np.sin(880 * np.pi * time_s) + np.sin(1760 * np.pi * time_s) * (time_s % 0.5 < 0.25)
    soundfile.write(path, 0.2 * sound + 0.01 * np.random.default_rng(0).normal(size=len(time_s)), SR)
    return path


def run(tmp_path, *words, stdin=""):
    """Run a command in a process of its own, and return its output and the names of the modules it imported."""
    report = tmp_path / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", ENTRY, report, *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(json.loads(report.read_text()))


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_import_click_and_nothing_numeric(heavy, tmp_path, word):
    text, modules = run(tmp_path, word)
    assert "gmmaudio" in text
    if word == "--version":
        # the versions of libraries are in files that it reads in place of the libraries
        modules -= {"importlib.metadata", "email", "csv"}
    assert modules & (heavy | {"numpy", "soundfile", "safetensors", "csv", "json.decoder"}) <= {"json.decoder"}


@pytest.mark.parametrize("kind", MODELS)
def test_info_imports_no_heavy_library(heavy, tmp_path, kind):
    text, modules = run(tmp_path, "info", model_path(kind))
    assert text.startswith("labels: fado, ")
    assert modules & (heavy | {"soundfile", "soxr", "av", "gmmaudio.pipeline", "gmmaudio.evaluation.report"}) == set()


@pytest.mark.parametrize("output_format", ["text", "csv", "jsonl"])
@pytest.mark.parametrize("kind", MODELS)
def test_classify_imports_no_heavy_library(heavy, tmp_path, kind, output_format):
    words = ("classify", model_path(kind), write_tone(tmp_path / "tone.wav"), "--format", output_format)
    text, modules = run(tmp_path, *words)
    assert "tone.wav" in text
    assert modules & heavy == set()
    assert {"numpy", "soundfile", "safetensors"} <= modules
    # the parts of the package that train and report
    others = (
        "pipeline.training",
        "pipeline.crossvalidation",
        "evaluation.report",
        "evaluation.page",
    )
    assert modules & {f"gmmaudio.{name}" for name in others} == set()


@pytest.mark.parametrize("output_format", ["text", "json"])
@pytest.mark.parametrize("kind", MODELS)
def test_explain_imports_no_heavy_library(heavy, tmp_path, kind, output_format):
    words = ("explain", model_path(kind), write_tone(tmp_path / "tone.wav"), "--format", output_format)
    text, modules = run(tmp_path, *words)
    assert "tone.wav" in text
    assert modules & heavy == set()


@pytest.mark.parametrize("rate", [22_050, 16_000])
@pytest.mark.parametrize("kind", MODELS)
def test_listen_imports_no_heavy_library(heavy, tmp_path, kind, rate):
    # samples that are text too
    text, modules = run(tmp_path, "listen", model_path(kind), "--raw", rate, stdin="~!" * 3 * rate)
    assert len(text.splitlines()) == 3
    assert modules & (heavy | {"sounddevice", "soundfile"}) <= {"soundfile"}


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_classify_of_any_format_imports_no_heavy_library(heavy, tmp_path, suffix):
    words = ("classify", model_path("frames"), write_tone(tmp_path / f"tone.{suffix}"), "--cache", "none")
    assert run(tmp_path, *words)[1] & heavy == set()


def test_a_model_of_an_older_format_needs_librosa(tmp_path):
    words = ("classify", GOLDEN / "model-1.4-frames.safetensors", write_tone(tmp_path / "tone.wav"))
    assert "librosa" in run(tmp_path, *words)[1]


def test_worker_processes_import_no_heavy_library(heavy, tmp_path):
    (tmp_path / "spy.py").write_text(
        "import sys, gmmaudio\n"
        "def modules(model, path):\n"
        "    assert [answer.status for answer in gmmaudio.classify(model, [path])] != ['error']\n"
        "    return sorted(sys.modules)\n"
    )
    code = (
        "import json, spy, sys; from functools import partial; from gmmaudio import load_model;"
        "from gmmaudio.compute import ordered_map; model, path = sys.argv[1:];"
        "print(json.dumps(list(ordered_map(partial(spy.modules, load_model(model)), [path] * 2, 2))))"
    )
    tone = write_tone(tmp_path / "tone.wav")
    for kind in MODELS:
        words = [sys.executable, "-c", code, model_path(kind), tone]
        paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
        environment = {**os.environ, "PYTHONPATH": paths}
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        for modules in json.loads(done.stdout):
            assert set(modules) & heavy == set()


def test_workers_that_extract_for_training_import_no_heavy_library(heavy, tmp_path):
    (tmp_path / "spy.py").write_text(
        "import sys\n"
        "from gmmaudio.trials import Extracted, extract_clip\n"
        "def modules(extraction, clip):\n"
        "    extracted = extract_clip(extraction, clip).result\n"
        "    assert isinstance(extracted, Extracted) and len(extracted.fingerprint), extracted\n"
        "    return sorted(sys.modules)\n"
    )
    code = (
        "import json, spy, sys; from functools import partial; from pathlib import Path; import gmmaudio;"
        "from gmmaudio.compute import ordered_map;"
        "from gmmaudio.corpus import Clip; from gmmaudio.features import design_tables;"
        "from gmmaudio.trials import Extraction; preset, path = sys.argv[1:];"
        "features = gmmaudio.make_recipe(preset).features; tables = design_tables(features.frames);"
        "function = partial(spy.modules, Extraction(Path(), features, 0.5, tables=tables));"
        "print(json.dumps(list(ordered_map(function, [Clip(path, '')] * 2, 2))))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    tone = write_tone(tmp_path / "tone.wav")
    for preset in ("genre", "language"):
        words = [sys.executable, "-c", code, preset, str(tone)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        for modules in json.loads(done.stdout):
            assert set(modules) & heavy == set()


@pytest.mark.parametrize(("given", "used"), [(None, "1"), ("2", "2")])
def test_a_command_starts_no_threads_of_openblas_unless_asked_to(given, used):
    code = (
        "import atexit, os, sys; from gmmaudio.cli import main;"
        "atexit.register(lambda: print(os.environ['OPENBLAS_NUM_THREADS'], file=sys.stderr)); main()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    environment |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    words = [sys.executable, "-c", code, "info", model_path("frames")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == f"{used}\n"


def test_import_of_the_package_imports_nothing_of_it_but_its_table_of_names():
    code = "import sys, gmmaudio; print(sorted(name for name in sys.modules if name.startswith('gmmaudio')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['gmmaudio', 'gmmaudio.lazy_names']\n"


def test_training_imports_of_librosa_what_designs_tables_and_no_scikit_learn(tmp_path):
    for label, name in (("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")):
        (tmp_path / label).mkdir(exist_ok=True)
        write_tone(tmp_path / label / f"{name}.wav")
    _, modules = run(tmp_path, "train", tmp_path, "-o", tmp_path / "model", "--components", "2", "--cache", "none")
    assert "librosa.filters" in modules
    parts = {"librosa.feature", "librosa.core.audio", "librosa.core.spectrum", "librosa.decompose", "librosa.display"}
    assert modules & {*parts, "sklearn", "pandas", "matplotlib"} == set()
