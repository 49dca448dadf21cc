"""Tables that ``gmmaudio mixture fit`` refuses, or uses in part: exact codes and messages."""

import numpy as np
import pytest

from gmmaudio.mixture import load_mixture
from tests.cli.conftest import QUICK_FIT, csv_of, json_of

NUMBER_NEEDED = "expected a finite number"
MISSING_AS = "write a number, or an empty cell, NA, NaN or null where it is missing"
TABLE_NEEDED = "expected a CSV or parquet table with a row of column names"
TOO_LARGE = f"is infinite, or too large a number; {NUMBER_NEEDED}: {MISSING_AS}"
NO_FIT = "to which no mixture can be fitted; leave it out of --columns"
RANGE = "expected a range of 1e-22 to 1e+24: choose another unit"
# text of the table, options, message after its name
REFUSED = {
    "missing": (None, "", f": cannot be read (No such file or directory); {TABLE_NEEDED}"),
    "empty": ("", "", f": has no columns; {TABLE_NEEDED}"),
    "no rows": ("a,b\n", "", ": has names of columns and no rows; add rows"),
    "one row": (
        "a,b\n1,2\n",
        "",
        ": has no column of numbers that vary ('a': one value, 1; 'b': one value, 2); expected at least one",
    ),
    "one row, named": ("a,b\n1,2\n", "a", ": has 1 row with a value; expected 2 or more"),
    "ragged": (
        "a,b\n1,2\n3\n",
        "",
        ", line 3: ends before the column 'b'; fill the row, with empty cells for missing values",
    ),
    "too wide": ("a,b\n1,2,3\n", "", ", line 2: more values than columns; quote values that hold the separator"),
    "duplicate": ("a,a\n1,2\n", "", ": column 'a' occurs twice; rename or remove one"),
    "infinite": ("a,b\n1,2\n3,inf\n5,6\n", "", f", line 3: column 'b' {TOO_LARGE}"),
    "overflow": ("a\n1\n1e400\n", "", f", line 3: column 'a' {TOO_LARGE}"),
    "text, named": (
        "a,b\n1,2\nold,3\n4,5\n",
        "a",
        f", line 3: column 'a' is 'old'; {NUMBER_NEEDED}: {MISSING_AS}",
    ),
    "decimal comma": (
        "a;b\n1,5;2\n2,5;3\n",
        "a",
        f", line 2: column 'a' is '1,5'; {NUMBER_NEEDED}, with a decimal point: {MISSING_AS}",
    ),
    "negative decimal comma": (
        "a;b\n-1,5;2\n2,5;3\n",
        "a",
        f", line 2: column 'a' is '-1,5'; {NUMBER_NEEDED}, with a decimal point: {MISSING_AS}",
    ),
    "only decimal commas": (
        "a;b\n-1,5;x\n,25;y\n",
        "",
        ": has no column of numbers that vary ('a': a decimal comma in line 2; 'b': text in line 2); expected at least "
        "one",
    ),
    "constant, named": ("a,b\n1,2\n1,3\n", "a,b", f": column 'a' has one value, 1, {NO_FIT}"),
    "nothing, named": ("a,b\n,2\n,3\n", "a,b", f": column 'a' has no value, {NO_FIT}"),
    "only text": (
        "a,b\nx,y\nz,w\n",
        "",
        ": has no column of numbers that vary ('a': text in line 2; 'b': text in line 2); expected at least one",
    ),
    "huge": ("a\n1e200\n-1e200\n3e200\n", "", f": column 'a' has numbers from -1e+200 to 3e+200; {RANGE}"),
    "tiny": ("a\n1e-30\n2e-30\n", "", f": column 'a' has numbers from 1e-30 to 2e-30; {RANGE}"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_tables_that_are_refused(command, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    text, columns, message = REFUSED[name]
    if text is not None:
        (tmp_path / "t.csv").write_text(text)
    words = ("--columns", columns) if columns else ()
    done = command("mixture", "fit", "t.csv", "-o", "m.safetensors", *QUICK_FIT, *words)
    assert (done.code, done.out, done.err) == (3, "", f"gmmaudio: t.csv{message}\n")
    assert not (tmp_path / "m.safetensors").exists()


def test_columns_that_are_left_out_are_named_with_the_reason(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = [f"r{i},{i + 1},{rng.normal():.3f},x{i},5,,{'oops' if i == 30 else rng.normal()},NA" for i in range(40)]
    (tmp_path / "t.csv").write_text(",id,x,name,five,none,typo,nothing\n" + "\n".join(rows) + "\n,,,,,,,\n")
    done = command("mixture", "fit", "t.csv", "-o", "m", *QUICK_FIT)
    assert done.code == 0
    assert done.err.splitlines()[:3] == [
        "warning: columns that hold numbers for the most part are left out: 'typo' (text in line 32); "
        f"{MISSING_AS}, or name the columns to use (--columns)",
        "note: columns that are left out: '' (it has no name); 'id' (it counts the rows); 'name' (text in line 2); "
        "'five' (one value, 5); 'none' (no value); 'typo' (text in line 32); 'nothing' (no value)",
        "note: 1 of 41 rows have no value in the columns that are used, the first in line 42: they say nothing of "
        "clusters, and get the weights of the mixture",
    ]
    assert load_mixture("m").names == ("x",)


def test_columns_with_decimal_commas_are_left_out_with_a_warning(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i * i};{i},5;r{i}" for i in range(20)]
    (tmp_path / "t.csv").write_text("n;x;name\n" + "\n".join(rows) + "\n")
    done = command("mixture", "fit", "t.csv", "-o", "m", *QUICK_FIT)
    assert (done.code, load_mixture("m").names) == (0, ("n",))
    assert done.err.splitlines()[0] == (
        "warning: columns that hold numbers for the most part are left out: 'x' (a decimal comma in line 2); "
        f"{MISSING_AS}, or name the columns to use (--columns)"
    )


def test_huge_and_tiny_numbers_are_fitted(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.concatenate([np.random.default_rng(0).normal(m, 1.0, (50, 2)) for m in (-9, 9)]) * [1e20, 1e-20]
    (tmp_path / "t.csv").write_text(csv_of(X, "ab"))
    done = command("mixture", "fit", "t.csv", "-o", "m", *QUICK_FIT)
    assert done.code == 0
    assert load_mixture("m").mixture.n_components == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--components", "0"), "'0' is no list of numbers above 0 such as 3, 1-10 or 2,4,8."),
        (("--components", "5-2"), "'5-2' is no list of numbers above 0 such as 3, 1-10 or 2,4,8."),
        (("--components", "1-5000"), "'1-5000' is no list of numbers above 0"),
        (("--components", "two"), "'two' is no list of numbers above 0"),
        (("--covariance", "full,round"), "'round' is not one of 'diag', 'full', 'tied', 'spherical'."),
        (("--criterion", "bayes"), "'bayes' is not one of 'bic', 'aic', 'icl', 'held-out'"),
        (("--starts", "0"), "--starts is 0; expected 1 or more"),
        (("--restarts", "-1"), "--restarts is -1; expected 0 or more"),
        (("--seed", "-1"), "--seed is -1; expected 0 or more"),
        (("-j", "0"), "--jobs is 0; expected 1 or more threads, or -1 for one on each core"),
        (("--held-out", "1"), "--held-out is 1.0; expected a share of the rows, 0 (none) or more and below 1"),
        (
            ("--held-out", "0", "--criterion", "held-out"),
            "--criterion is 'held_out' and no rows are held out; expected --held-out above 0",
        ),
        (("--columns", "a,c"), "--columns names 'a'; expected columns of iris.csv: 'sepal_length', 'sepal_width', "),
        (("--columns", "petal_width,petal_width"), "--columns names 'petal_width' twice; expected each column once"),
        (("--group-by", "g"), "--group-by names 'g', which is no column of iris.csv"),
        (("--columns", "a\nb"), "'a\\nb' is no line of CSV; quote names with line ends in them."),
        (("--columns", ""), "--columns is empty; expected each column once, such as those of iris.csv"),
    ],
)
def test_usage_errors(command, iris_folder, words, complaint):
    done = command("mixture", "fit", "iris.csv", "-o", "m.safetensors", *words)
    assert (done.code, done.out) == (2, "")
    assert complaint in done.err
    assert not (iris_folder / "m.safetensors").exists()


def test_lists_and_ranges_of_components(command, iris_folder):
    words = (
        "mixture",
        "fit",
        "iris.csv",
        "-o",
        "m",
        "--covariance",
        "tied",
        "--starts",
        "1",
        "--restarts",
        "0",
        "--json",
    )
    record = json_of(command(*words, "--components", "4, 1-2,2"))
    assert [row["n_components"] for row in record["selection"]] == [4, 1, 2]


def test_outputs_never_overwrite_inputs(command, iris_folder, iris_mixture):
    before = (iris_folder / "iris.csv").read_bytes(), iris_mixture.read_bytes()
    for words in (
        ("fit", "iris.csv", "-o", "iris.csv"),
        ("assign", "m.safetensors", "iris.csv", "-o", "iris.csv", "--overwrite"),
        ("impute", "m.safetensors", "iris.csv", "-o", "m.safetensors", "--overwrite"),
    ):
        done = command("mixture", *words)
        assert (done.code, done.out) == (2, "")
        assert "would overwrite the input" in done.err
    assert ((iris_folder / "iris.csv").read_bytes(), iris_mixture.read_bytes()) == before


def test_a_folder_that_is_not_there_is_told_before_the_work(command, iris_folder, iris_mixture):
    for words in (
        ("fit", "iris.csv"),
        ("assign", "m.safetensors", "iris.csv"),
        ("impute", "m.safetensors", "iris.csv"),
    ):
        done = command("mixture", *words, "-o", "nowhere/x.csv")
        assert (done.code, done.out) == (4, "")
        assert done.err == "gmmaudio: nowhere/x.csv: the folder nowhere is not there; make it first\n"
