"""All that reads a file, each with small good files, mutations of them, and all that is done with what was read."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from gmmaudio import crossval, load_model, make_recipe, read_audio, read_corpus
from gmmaudio.audio import REASONS, read_info
from gmmaudio.cli import main
from gmmaudio.cli.inputs import resolve
from gmmaudio.errors import AudioError, GmmaudioError
from gmmaudio.evaluation.report_file import to_json
from gmmaudio.mixture import fit_gmm
from gmmaudio.models import to_bytes
from gmmaudio.pipeline import evaluate_predictions
from tests.fuzz.mutations import damage, mutate_container, mutate_json, mutate_model, mutate_run, mutate_table
from tests.fuzz.sounds import sounds_of_libsndfile, sounds_of_media

GOLDEN = Path(__file__).parents[1] / "golden"
MANIFEST = b"path,label,group,source,split,start,end,singer\n" + b"".join(
    f"{label}/{i}.wav,{label},{label}{i % 2},studio,train,0,{i + 1}.5,ann\n".encode()
    for label in "ab"
    for i in range(3)
)
TABLE = b"path,label,group,source,fold,repeat,duration_s,predicted,score:a,score:b\n" + b"".join(
    f"{i}.wav,{'ab'[i % 2]},g{i // 2},s,{i % 3},0,3.5,a,{-i}.5,-2\n".encode() for i in range(8)
)
PROBABILITIES = b"name,label,probability:a,probability:b\n1,a,0.75,0.25\n2,b,0.5,0.5\n3,b,0.125,0.875\n"
LIST = b"#EXTM3U\none.wav\ntwo three.flac\n-\n\xc3\xa9.mp3\ncaf\xe9.ogg\n"
# what a command may answer, see the contract of the command line
EXIT_CODES = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Reader:
    """Something that reads files of one kind.

    Parameters
    ----------
    read : callable
        Reads the file at a path, and uses what was read; it raises a GmmaudioError or nothing.
    seeds : callable
        Returns good files, name -> content; it may leave in the folder that it is passed what they name.
    mutate : callable
        Returns other bytes from those of a good file and a random generator.
    few, many : int
        Mutations of every good file in a run of all tests, and in a slow one.
    """

    read: Callable[[Path], object]
    seeds: Callable[[Path], dict[str, bytes]]
    mutate: Callable[[bytes, np.random.Generator], bytes]
    few: int
    many: int


def outcome(reader, path):
    """Return "read", or the code or class of the error with which a file is refused; any other exception is a fault."""
    try:
        return reader.read(path) or "read"
    except AudioError as error:
        assert error.code in REASONS
        assert error.message.strip()
        return error.code
    except GmmaudioError as error:
        assert str(error).strip()
        return type(error).__name__


def run_command(*words):
    """Run the command in this process; return its exit code, one of the contract, and what it wrote to stdout."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code
    assert code in EXIT_CODES, (words, code)
    assert code == 0 or err.getvalue().strip() or code == 1, (words, code)
    return code, out.getvalue()


def strict_json(text):
    """Return the values of JSON text, which must be valid."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


# --- readers -------------------------------------------------------------------------------------------------------


def read_sound(path):
    """Read an audio file, and a segment of it."""
    read_info(path)
    samples = read_audio(path, 16_000)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) > 0
    assert np.isfinite(samples).all()
    assert np.isfinite(read_audio(path, 8_000, start_s=0.2, end_s=0.4)).all()


def read_manifest(path):
    """Read a manifest of clips."""
    for clip in read_corpus(path).clips:
        assert clip.path
        assert clip.label
        assert 0 <= clip.start_s < (np.inf if clip.end_s is None else clip.end_s)


def read_table(path):
    """Read a table of predictions, and write its report."""
    strict_json(to_json(evaluate_predictions(path)))


def read_list(path):
    """Read a list of paths."""
    with resolve((), str(path)) as inputs:
        assert inputs


def read_json(path):
    """Compare a report with itself and with another, and run it again where that reads nothing else."""
    table = GOLDEN / "report-0-predictions.csv"
    codes = [
        run_command("compare", path, path)[0],
        run_command("compare", path, GOLDEN / "report-0-predictions.json", "--json", path.with_suffix(".out"))[0],
        run_command("reproduce", path)[0],
        run_command("reproduce", path, "--corpus", table, "--json", path.with_suffix(".out"))[0],
    ]
    if path.with_suffix(".out").exists():
        strict_json(path.with_suffix(".out").read_text())
    return f"codes {codes}"


def read_run(path):
    """Run a report again, with its clips."""
    return f"code {run_command('reproduce', path)[0]}"


def read_model(path):
    """Load a model, describe it, classify rows with it and save it."""
    code, out = run_command("info", path, "--json")
    assert run_command("info", path)[0] == code
    if code == 0:
        strict_json(out)
    model = load_model(path)
    rows = np.random.default_rng(0).normal(size=(40, model.features.n_features)).astype(np.float32)
    prediction = model.recogniser.predict(rows)
    assert all(np.isfinite(score) for score in prediction.scores.values())
    assert all(0 <= share <= 1 for share in (prediction.probability or {}).values())
    path.with_suffix(".saved").write_bytes(to_bytes(model))
    load_model(path.with_suffix(".saved"))


def read_matrix(path):
    """Fit a mixture to the rows in a .npy file."""
    fit_gmm([path], 1, max_iter=2)


# --- good files ----------------------------------------------------------------------------------------------------


def sounds(_folder):
    """Return half a second of sound in every format that libsndfile writes."""
    return sounds_of_libsndfile()


def cross_validation(folder):
    """Return the report of a cross-validation of six clips, which stay in a folder."""
    rng = np.random.default_rng(0)
    for label, scale in (("a", 0.1), ("b", 0.5)):
        (folder / "music" / label).mkdir(parents=True, exist_ok=True)
        for i in range(3):
            samples = (scale * rng.normal(size=5_000)).clip(-1, 1)
            soundfile.write(folder / "music" / label / f"{i}.wav", samples, 8_000)
    report = crossval(folder / "music", make_recipe(n_components=1), folds=2, durations_s=())
    return {"crossval": to_json(report).encode()}


def golden(pattern, _folder):
    """Return the golden files of a pattern."""
    return {path.name: path.read_bytes() for path in sorted(GOLDEN.glob(pattern))}


def matrices(_folder):
    """Return rows as .npy files."""
    files = {}
    for name, rows in {"float32": np.ones((9, 2), np.float32), "int": np.arange(8).reshape(4, 2)}.items():
        out = io.BytesIO()
        np.save(out, rows)
        files |= {name: out.getvalue()}
    return files


READERS = {
    "sound": Reader(read_sound, sounds, mutate_container, few=8, many=300),
    "media": Reader(read_sound, sounds_of_media, mutate_container, few=8, many=200),
    "manifest": Reader(read_manifest, lambda _: {"manifest": MANIFEST}, mutate_table, few=60, many=4_000),
    "table": Reader(read_table, lambda _: {"scores": TABLE, "votes": PROBABILITIES}, mutate_table, few=15, many=1_500),
    "list": Reader(read_list, lambda _: {"list": LIST}, damage, few=60, many=4_000),
    "report": Reader(read_json, partial(golden, "report-*.json"), mutate_json, few=8, many=500),
    "run": Reader(read_run, cross_validation, mutate_run, few=12, many=400),
    "model": Reader(read_model, partial(golden, "model-2.0-*.safetensors"), mutate_model, few=12, many=500),
    "matrix": Reader(read_matrix, matrices, damage, few=40, many=4_000),
}
