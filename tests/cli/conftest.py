"""Files that the tests of the command share, and readers of what it writes."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from gmmaudio.evaluation import intervals
from gmmaudio.models import load_model

GMMAUDIO = (sys.executable, "-m", "gmmaudio")
UNKNOWN_GROUPS = (
    "groups unknown: this metric may be optimistic; add a group column, or name the groups (--group-by parent)"
)


def python(*arguments, stdin=b"", cwd=None):
    """Run this Python in a process of its own."""
    return subprocess.run([sys.executable, *arguments], input=stdin, capture_output=True, check=False, cwd=cwd)


def json_of(result):
    """Return what a command wrote to stdout as JSON; there must be nothing else there."""
    return json.loads(result.out)


def lines_of_json(result):
    """Return the lines of --format jsonl."""
    return [json.loads(line) for line in result.out.splitlines()]


def rows_of_csv(result):
    """Return the rows of --format csv after the header, as dicts."""
    return list(csv.DictReader(io.StringIO(result.out, newline=""), strict=True))


def tensors_of(path):
    """Return all numbers of a model file as bytes."""
    parts = [(m.weights, m.means, m.covariances) for m in load_model(path).scorer.mixtures]
    return b"".join(array.tobytes() for part in parts for array in part)


def warnings_of(report):
    """Return the codes and texts of a report's warnings but for few groups and short clips: corpora are small here."""
    return [
        (finding["code"], finding["text"])
        for finding in report["findings"]
        if finding["level"] in ("alarm", "warning") and finding["code"] not in ("few_groups", "no_fingerprint")
    ]


@pytest.fixture
def few_draws(monkeypatch):
    """Intervals are tested elsewhere, and are most of the time that a report takes."""
    monkeypatch.setattr(intervals, "N_DRAWS", 50)


@pytest.fixture
def good(corpus):
    """The path of one good file, of the label low, that the model was not trained on."""
    return corpus.root / "low" / "cy" / "0.wav"


@pytest.fixture
def spoiled(corpus, tmp_path, tools):
    """A manifest of the training clips with one file of every bad kind among them: (path, {path: code})."""
    folder = tmp_path / "bad"
    codes = tools.make_bad_files(folder, corpus.root / "low" / "ann" / "0.wav")
    folder.joinpath("folder.wav").mkdir()
    codes["folder.wav"] = "not_a_file"
    rows = [row | {"path": corpus.root / row["path"]} for row in corpus.rows]
    for i, name in enumerate(codes):
        rows.insert(2 * i, rows[0] | {"path": f"bad/{name}", "label": ("low", "mid", "high")[i % 3], "split": ""})
    return tools.write_manifest(tmp_path / "spoiled.csv", rows), {f"bad/{name}": code for name, code in codes.items()}


@pytest.fixture
def absolute(corpus, tmp_path, tools):
    """The same manifest without the bad files."""
    return tools.write_manifest(
        tmp_path / "good.csv", [row | {"path": corpus.root / row["path"]} for row in corpus.rows]
    )


# --- tables of numbers -----------------------------------------------------------------------------------------------

# options of mixture fit by which it takes less than a second
QUICK_FIT = ("--components", "1-3", "--covariance", "full,diag", "--starts", "1", "--restarts", "2", "-q")
IRIS_COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def csv_of(X, names=IRIS_COLUMNS, extra=None):
    """Return rows as the text of a CSV file, NaN as an empty cell, with a column of text where it is given."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *([] if extra is None else ["species"])])
    for i, row in enumerate(X.tolist()):
        writer.writerow([*("" if np.isnan(value) else value for value in row), *([] if extra is None else [extra[i]])])
    return out.getvalue()


@pytest.fixture(scope="session")
def iris():
    """The 150 flowers of Fisher and Anderson, four columns, three species."""
    from sklearn.datasets import load_iris

    return load_iris()


@pytest.fixture
def iris_folder(tmp_path, monkeypatch, iris):
    """The current folder: iris.csv with the species, and holes.csv, in which every seventh value is lost."""
    monkeypatch.chdir(tmp_path)
    species = [iris.target_names[label] for label in iris.target]
    tmp_path.joinpath("iris.csv").write_text(csv_of(iris.data, extra=species))
    holes = iris.data.copy()
    holes.flat[::7] = np.nan
    tmp_path.joinpath("holes.csv").write_text(csv_of(holes))
    return tmp_path


@pytest.fixture
def iris_mixture(command, iris_folder):
    """The file of a mixture that was fitted to iris, in the current folder: two components, full covariances."""
    assert command("mixture", "fit", "iris.csv", "-o", "m.safetensors", *QUICK_FIT).code == 0
    return iris_folder / "m.safetensors"
