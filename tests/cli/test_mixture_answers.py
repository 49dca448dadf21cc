"""``gmmaudio mixture assign``, ``impute`` and ``describe``: what they write, say and refuse."""

import csv
import io

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from gmmaudio.mixture import fit_gmm, load_mixture, save_mixture
from gmmaudio.mixture.conditional_draws import draw_missing
from tests.cli.conftest import IRIS_COLUMNS, QUICK_FIT, csv_of, json_of


def rows_of(text):
    """Return the rows of CSV text as dicts."""
    return list(csv.DictReader(io.StringIO(text)))


# --- assign ----------------------------------------------------------------------------------------------------------


def test_assign_adds_clusters_and_memberships_to_the_rows(command, iris_folder, iris_mixture, iris):
    done = command("mixture", "assign", "m.safetensors", "iris.csv")
    assert (done.code, done.err) == (0, "")
    rows, mixture = rows_of(done.out), load_mixture(iris_mixture).mixture
    assert list(rows[0]) == [*IRIS_COLUMNS, "species", "cluster", "membership_0", "membership_1", "log_density"]
    assert [row["species"] for row in rows] == [iris.target_names[label] for label in iris.target]
    memberships = np.array([[float(row[f"membership_{k}"]) for k in range(2)] for row in rows])
    np.testing.assert_array_equal(memberships, mixture.responsibilities(iris.data))
    np.testing.assert_array_equal([int(row["cluster"]) for row in rows], memberships.argmax(axis=1))
    np.testing.assert_array_equal([float(row["log_density"]) for row in rows], mixture.log_density(iris.data))
    assert done.out.splitlines()[1].startswith("5.1,3.5,1.4,0.2,setosa,1,")


def test_the_order_of_columns_and_other_columns_do_not_count(command, iris_folder, iris_mixture, iris):
    order = [2, 0, 3, 1]
    text = csv_of(np.column_stack([iris.data[:, order], np.arange(150)]), [*(IRIS_COLUMNS[i] for i in order), "id"])
    (iris_folder / "other.csv").write_text(text)
    first, second = (
        rows_of(command("mixture", "assign", iris_mixture, f"{name}.csv").out) for name in ("iris", "other")
    )
    for name in ("cluster", "membership_0", "log_density"):
        assert [row[name] for row in first] == [row[name] for row in second]


def test_a_row_with_missing_values_is_assigned_by_the_others(command, iris_folder, iris_mixture):
    (iris_folder / "t.csv").write_text(",".join(IRIS_COLUMNS) + "\n,NA,1.4,\n,,null,nan\n")
    done = command("mixture", "assign", iris_mixture, "t.csv")
    mixture = load_mixture(iris_mixture).mixture
    first, second = rows_of(done.out)
    expected = mixture.responsibilities([[np.nan, np.nan, 1.4, np.nan]])[0]
    assert [float(first[f"membership_{k}"]) for k in range(2)] == expected.tolist()
    assert first["petal_length"], first["sepal_length"] == ("1.4", "")
    assert [float(second[f"membership_{k}"]) for k in range(2)] == pytest.approx(mixture.weights.tolist())
    assert (second["cluster"], float(second["log_density"])) == ("0", 0.0)
    assert done.err == (
        "note: 1 of 2 rows have no value in the columns that are used, the first in line 3: they say nothing of "
        "clusters, and get the weights of the mixture\n"
    )


def test_standard_input_is_a_table_too(command, iris_folder, iris_mixture):
    data = (iris_folder / "holes.csv").read_bytes()
    for verb in ("assign", "impute"):
        assert (
            command("mixture", verb, iris_mixture, "-", stdin=data).out
            == command("mixture", verb, iris_mixture, "holes.csv").out
        )
    assert command("mixture", "fit", "-", "-o", "piped", *QUICK_FIT, stdin=data).code == 0
    assert load_mixture("piped").details["table"] == "standard input"
    done = command("mixture", "assign", iris_mixture, "-", stdin=b"")
    said = "standard input: has no columns; expected a CSV or parquet table with a row of column names"
    assert (done.code, done.out, done.err) == (3, "", f"gmmaudio: {said}\n")


def test_a_missing_column_is_refused_with_what_there_is(command, iris_folder, iris_mixture):
    (iris_folder / "t.csv").write_text("sepal_length,Sepal_width,petal_length\n1,2,3\n")
    for verb in ("assign", "impute"):
        done = command("mixture", verb, iris_mixture, "t.csv")
        assert (done.code, done.out) == (3, "")
        assert done.err == (
            "gmmaudio: t.csv: has no column 'sepal_width', 'petal_width'; expected the columns of the mixture, "
            "'sepal_length', 'sepal_width', 'petal_length', 'petal_width', and found 'sepal_length', 'Sepal_width', "
            "'petal_length': rename columns, or add empty ones for missing values\n"
        )


def test_values_in_other_units_are_told(command, iris_folder, iris_mixture, iris):
    (iris_folder / "mm.csv").write_text(csv_of(iris.data * [10, 1, 1, 1]))
    done = command("mixture", "assign", iris_mixture, "mm.csv")
    assert done.code == 0
    assert done.err == (
        "warning: values lie far outside the rows that the mixture was fitted to: 'sepal_length': 150 of 150 values, "
        "the first 51 in line 2, where the mixture saw 4.3 to 7.9; check the units and the scales of these columns\n"
    )


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("long", "is 'long'; expected a finite number"),
        ("-inf", "is infinite, or too large a number; expected a finite number"),
    ],
)
def test_cells_that_are_no_numbers_are_refused(command, iris_folder, iris_mixture, cell, problem):
    (iris_folder / "t.csv").write_text(",".join(IRIS_COLUMNS) + f"\n{cell},1,1,1\n")
    done = command("mixture", "assign", iris_mixture, "t.csv")
    said = (
        f"gmmaudio: t.csv, line 2: column 'sepal_length' {problem}: write a number, or an empty cell, NA, NaN or null"
    )
    assert (done.code, done.out, done.err) == (3, "", f"{said} where it is missing\n")


def test_columns_that_would_be_added_twice_are_refused(command, iris_folder, iris_mixture):
    assert command("mixture", "assign", iris_mixture, "iris.csv", "-o", "once.csv").code == 0
    done = command("mixture", "assign", iris_mixture, "once.csv")
    said = "gmmaudio: once.csv: has a column 'cluster', which would be added; rename it, or leave it out\n"
    assert (done.code, done.out, done.err) == (3, "", said)


def test_an_output_that_is_there_is_replaced_only_where_asked(command, iris_folder, iris_mixture):
    words = ("mixture", "assign", iris_mixture, "iris.csv", "-o", "out.csv")
    first = command(*words)
    assert (first.code, first.out, first.err) == (0, "", "wrote out.csv: 150 rows, 9 columns\n")
    content = (iris_folder / "out.csv").read_bytes()
    second = command(*words)
    said = "gmmaudio: out.csv: is there already; replace it (--overwrite), or name another file\n"
    assert (second.code, second.out, second.err) == (2, "", said)
    (iris_folder / "out.csv").write_text("older")
    assert command(*words, "--overwrite").code == 0
    assert (iris_folder / "out.csv").read_bytes() == content
    assert content.decode() == command("mixture", "assign", iris_mixture, "iris.csv").out
    done = command("mixture", "assign", iris_mixture, "iris.csv", "--overwrite")
    assert (done.code, "--overwrite is of an output; name one with -o." in done.err) == (2, True)


@pytest.mark.parametrize("content", [None, b"", b"a,b\n1,2\n", b"\x80\x04."])
def test_files_that_are_no_mixture_are_refused(command, iris_folder, content):
    if content is not None:
        (iris_folder / "m").write_bytes(content)
    for words in (("assign", "m", "iris.csv"), ("impute", "m", "iris.csv"), ("describe", "m")):
        done = command("mixture", *words)
        assert (done.code, done.out) == (3, "")
        assert done.err.startswith("gmmaudio: m: ")


def test_a_mixture_without_names_is_refused(command, iris_folder, iris):
    save_mixture("m", fit_gmm(iris.data, 1)[0])
    done = command("mixture", "assign", "m", "iris.csv")
    assert (done.code, done.out) == (3, "")
    assert "the mixture has no names of columns" in done.err


# --- impute ----------------------------------------------------------------------------------------------------------


def numbers_of(text):
    return np.array([[float(row[name] or "nan") for name in IRIS_COLUMNS] for row in rows_of(text)])


def test_impute_fills_what_is_missing_and_leaves_the_rest(command, iris_folder, iris_mixture, iris):
    done = command("mixture", "impute", iris_mixture, "holes.csv")
    assert (done.code, done.err) == (0, "filled in 86 missing values\n")
    holes, filled = numbers_of((iris_folder / "holes.csv").read_text()), numbers_of(done.out)
    np.testing.assert_array_equal(filled, load_mixture(iris_mixture).mixture.impute(holes))
    missing = np.isnan(holes)
    np.testing.assert_array_equal(filled[~missing], holes[~missing])
    # it knows more than the means of the columns
    means = np.broadcast_to(np.nanmean(holes, axis=0), holes.shape)
    error, plain = ((values - iris.data)[missing].std() for values in (filled, means))
    assert error < 0.5 * plain


def test_draws_are_numbered_copies_with_the_same_values_but_for_the_missing(command, iris_folder, iris_mixture):
    done = command("mixture", "impute", iris_mixture, "holes.csv", "--draws", "3", "--seed", "7")
    assert (done.code, done.err) == (0, "filled in 86 missing values\n")
    rows = rows_of(done.out)
    assert [row["imputation"] for row in rows] == ["1"] * 150 + ["2"] * 150 + ["3"] * 150
    holes, drawn = numbers_of((iris_folder / "holes.csv").read_text()), numbers_of(done.out).reshape(3, 150, 4)
    rng = np.random.default_rng(7)
    for copy in drawn:
        np.testing.assert_array_equal(copy, draw_missing(load_mixture(iris_mixture).mixture, holes, rng))
    assert command("mixture", "impute", iris_mixture, "holes.csv", "--draws", "3", "--seed", "7").out == done.out
    assert command("mixture", "impute", iris_mixture, "holes.csv", "--draws", "3").out != done.out


@pytest.mark.parametrize("draws", ["0", "1001"])
def test_a_number_of_draws_outside_its_bounds(command, iris_folder, iris_mixture, draws):
    done = command("mixture", "impute", iris_mixture, "holes.csv", "--draws", draws)
    assert (done.code, done.out, done.err) == (2, "", f"gmmaudio: --draws is {draws}; expected 1 to 1000\n")


def test_draws_that_no_memory_would_hold(command, iris_mixture, monkeypatch):
    monkeypatch.setattr("gmmaudio.pipeline.table_scoring.MAX_CELLS", 1000)
    done = command("mixture", "impute", iris_mixture, "holes.csv", "--draws", "2")
    said = "gmmaudio: --draws is 2, which makes 1,500 cells; expected at most 1,000\n"
    assert (done.code, done.out, done.err) == (2, "", said)


def test_a_table_with_the_column_of_imputations_is_refused(command, iris_folder, iris_mixture):
    assert command("mixture", "impute", iris_mixture, "holes.csv", "--draws", "2", "-o", "drawn.csv").code == 0
    done = command("mixture", "impute", iris_mixture, "drawn.csv", "--draws", "2")
    said = "gmmaudio: drawn.csv: has a column 'imputation', which would be added; rename it, or leave it out\n"
    assert (done.code, done.out, done.err) == (3, "", said)


def test_a_table_without_rows_is_refused(command, iris_folder, iris_mixture):
    (iris_folder / "t.csv").write_text(",".join(IRIS_COLUMNS) + "\n")
    for verb in ("assign", "impute"):
        done = command("mixture", verb, iris_mixture, "t.csv")
        said = "gmmaudio: t.csv: has names of columns and no rows; add rows\n"
        assert (done.code, done.out, done.err) == (3, "", said)


def test_fit_impute_and_assign_round_trip(command, iris_folder):
    assert command("mixture", "fit", "holes.csv", "-o", "h", *QUICK_FIT).code == 0
    assert command("mixture", "impute", "h", "holes.csv", "--output", "filled.csv").code == 0
    assert command("mixture", "impute", "h", "filled.csv").out == (iris_folder / "filled.csv").read_text()
    assert command("mixture", "assign", "h", "filled.csv", "-o", "assigned.csv", "--overwrite").code == 0
    assert command("mixture", "fit", "filled.csv", "-o", "again", *QUICK_FIT).code == 0
    labels = [
        [row["cluster"] for row in rows_of(command("mixture", "assign", name, "filled.csv").out)]
        for name in ("h", "again")
    ]
    assert adjusted_rand_score(*labels) > 0.9


# --- parquet ---------------------------------------------------------------------------------------------------------


def test_parquet_in_and_out_says_the_same_as_csv(command, iris_folder, iris_mixture):
    pytest.importorskip("pyarrow")
    assert command("mixture", "impute", iris_mixture, "holes.csv", "-o", "filled.parquet").code == 0
    assert command("mixture", "impute", iris_mixture, "holes.csv", "-o", "filled.csv").code == 0
    by_csv, by_parquet = (command("mixture", "assign", iris_mixture, f"filled.{s}").out for s in ("csv", "parquet"))
    assert by_csv == by_parquet
    assert command("mixture", "fit", "filled.parquet", "-o", "p", *QUICK_FIT).code == 0
    assert command("mixture", "fit", "filled.csv", "-o", "c", *QUICK_FIT).code == 0
    first, second = load_mixture("p").mixture, load_mixture("c").mixture
    np.testing.assert_array_equal(first.means, second.means)
    assert command("mixture", "assign", iris_mixture, "filled.parquet", "-o", "a.parquet").code == 0
    once = (iris_folder / "a.parquet").read_bytes()
    assert command("mixture", "assign", iris_mixture, "filled.parquet", "-o", "a.parquet", "--overwrite").code == 0
    assert (iris_folder / "a.parquet").read_bytes() == once


def test_without_pyarrow_parquet_is_refused_before_the_work(command, iris_folder, iris_mixture, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    done = command("mixture", "assign", iris_mixture, "iris.csv", "-o", "a.parquet")
    said = "parquet files need pyarrow; install the parquet extra: pip install 'gmmaudio[parquet]', or use CSV"
    assert (done.code, done.out, done.err) == (2, "", f"gmmaudio: {said}\n")


# --- describe --------------------------------------------------------------------------------------------------------


def test_describe_prints_parameters_and_training(command, iris_mixture):
    done = command("mixture", "describe", iris_mixture)
    assert (done.code, done.err) == (0, "")
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0] == "mixture: full covariances, 2 components, 4 columns"
    assert "weight 0.6667 0.3333" in lines
    assert "sepal_length 6.262 ± 0.66 5.006 ± 0.349" in lines
    assert "petal_width 0 0.1 2.5 1.1993 0.75969" in lines
    assert "chosen by BIC: full, 2 components, 29 parameters" in lines
    assert "note: columns that are left out: 'species' (text in line 2)" in lines
    assert lines[-1].startswith("seed: 0; versions: ")


def test_describe_as_json_has_all_numbers(command, iris_mixture):
    values, saved = json_of(command("mixture", "describe", iris_mixture, "--json")), load_mixture(iris_mixture)
    assert values["weights"] == saved.mixture.weights.tolist()
    assert values["means"] == saved.mixture.means.tolist()
    assert values["covariances"] == saved.mixture.covariances.tolist()
    deviations = np.sqrt(np.diagonal(saved.mixture.covariances, axis1=1, axis2=2))
    assert values["deviations"] == deviations.tolist()
    assert (values["columns"], values["training"]) == (list(IRIS_COLUMNS), saved.details)


@pytest.mark.parametrize("details", [None, {"columns": 5}, {"n_rows": "many", "selection": [{}]}])
def test_describe_a_mixture_of_another_hand(command, iris_folder, iris, details):
    save_mixture("m", fit_gmm(iris.data, 9, covariance_type="spherical")[0], details=details)
    done = command("mixture", "describe", "m")
    assert done.code == 0
    assert "component 8" in done.out
    assert done.out.splitlines()[-1] == "training: no record of mixture fit"
