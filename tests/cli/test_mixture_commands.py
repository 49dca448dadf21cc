"""``gmmaudio mixture fit``: what it prints and writes, and that every option changes that."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from gmmaudio.cli.mixture_fit import COVARIANCE_TYPES as OFFERED
from gmmaudio.cli.mixture_fit import CRITERIA as OFFERED_CRITERIA
from gmmaudio.mixture import COVARIANCE_TYPES, load_mixture, select_gmm
from gmmaudio.mixture.selection import CRITERIA
from tests.cli.conftest import IRIS_COLUMNS, QUICK_FIT, csv_of, json_of, python

# --- fit -------------------------------------------------------------------------------------------------------------


def test_fit_prints_the_selection_and_the_stability_and_writes_the_mixture(command, iris_folder, iris):
    done = command("mixture", "fit", "iris.csv", "-o", "m.safetensors", *QUICK_FIT[:-1])
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == (
        "fitted to: iris.csv, 150 rows; 4 columns (sepal_length, sepal_width, petal_length, petal_width), 0 missing "
        "values"
    )
    # R's mclust takes VVV with 2 components too; its BIC is 574.0178
    (chosen,) = (line for line in lines if "574.0" in line)
    assert re.fullmatch(
        r" *full +2 +29 +574\.0\d\* +486\.7\d +574\.0\d\* +-1\.\d{4} +-\d\.\d{4} to -\d\.\d{4} +yes *", chosen
    )
    assert "chosen by BIC: full, 2 components, 29 parameters" in lines
    held_out = (
        r"held-out log likelihood: -1\.\d{4} nats a row \(95 % interval -\d\.\d{4} to -\d\.\d{4}\); 20 % of the rows"
    )
    assert any(re.match(held_out, line) for line in lines)
    assert lines[-1] == (
        "stability: adjusted Rand index of 2 other starts with the mixture 1.00 on average, 1.00 at the lowest; 1.00 "
        "between them; 2 reach its likelihood"
    )
    assert "note: columns that are left out: 'species' (text in line 2)\n" in done.err
    assert done.err.endswith("wrote m.safetensors: 2 components, full, 4 columns\n")
    # what cells say of people is not kept
    assert b"setosa" not in (iris_folder / "m.safetensors").read_bytes()
    saved = load_mixture("m.safetensors")
    assert saved.names == IRIS_COLUMNS
    assert (np.diff(saved.mixture.weights) <= 0).all()
    assert adjusted_rand_score(saved.mixture.responsibilities(iris.data).argmax(axis=1), iris.target > 0) == 1.0


def test_json_is_the_record_that_the_file_holds(command, iris_folder):
    done = command("mixture", "fit", "holes.csv", "-o", "m.safetensors", *QUICK_FIT, "--json")
    record = json_of(done)
    assert record == load_mixture("m.safetensors").details
    assert [row["n_components"] for row in record["selection"]] == [1, 2, 3, 1, 2, 3]
    assert sum(column["n_missing"] for column in record["columns"]) == 86
    assert record["stability"]["n_restarts"] == len(record["stability"]["adjusted_rand"]) == 2
    assert {finding["code"] for finding in record["findings"]} <= {"criteria_disagree", "most_components_chosen"}
    text = json.dumps(record)
    assert str(iris_folder) not in text


def test_the_selection_is_that_of_the_library(command, iris_folder, iris):
    record = json_of(command("mixture", "fit", "iris.csv", "-o", "m.safetensors", *QUICK_FIT, "--json"))
    peer = select_gmm(iris.data, [1, 2, 3], ["full", "diag"], max_iter=500, tol=1e-5, rng=np.random.default_rng(0))
    for row, expected in zip(record["selection"], peer.rows, strict=True):
        for name in (*CRITERIA, "log_likelihood", "n_parameters", "covariance_type", "converged"):
            assert row[name] == getattr(expected, name)
        assert row["held_out_interval"] == list(expected.held_out_interval)


def test_the_same_bytes_twice_and_for_any_number_of_threads(command, iris_folder):
    made = []
    for i, jobs in enumerate(("1", "1", "2", "-1")):
        assert command("mixture", "fit", "holes.csv", "-o", f"{i}.safetensors", *QUICK_FIT, "-j", jobs).code == 0
        made.append((iris_folder / f"{i}.safetensors").read_bytes())
    assert made[0] == made[1] == made[2] == made[3]


# what every option of fit changes: the chosen mixture's numbers, the record, or what is printed
OPTIONS = {
    "output": ["--output", "other.safetensors"],
    "columns": ["--columns", "petal_width,sepal_length"],
    "n_components": ["--components", "3"],
    "covariance_types": ["--covariance", "tied"],
    "criterion": ["--criterion", "aic"],
    "held_out": ["--held-out", "0.4"],
    "group_by": ["--group-by", "species"],
    "init": ["--init", "random"],
    "n_starts": ["--starts", "4"],
    "n_restarts": ["--restarts", "3"],
    "seed": ["--seed", "5"],
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_of_fit_changes_the_outcome(command, iris_folder, name):
    words = ("mixture", "fit", "iris.csv", "-o", "m.safetensors", "--components", "2-4", "--covariance", "full,diag")
    words = (*words, "--restarts", "2", "--starts", "1", "--json")
    base, other = command(*words), command(*words, *OPTIONS[name])
    assert (base.code, other.code) == (0, 0)
    if name == "output":
        assert (iris_folder / "other.safetensors").read_bytes() == (iris_folder / "m.safetensors").read_bytes()
        return
    base, other = json_of(base), json_of(other)
    # settings are repeated in the record, and prove nothing
    del base["settings"], other["settings"]
    assert base != other


def test_quiet_prints_no_account_and_still_writes(command, iris_folder):
    done = command("mixture", "fit", "iris.csv", "-o", "m.safetensors", *QUICK_FIT, "--quiet")
    assert (done.code, done.out) == (0, "")
    assert (iris_folder / "m.safetensors").exists()


def test_groups_are_held_out_whole(command, iris_folder):
    words = ("mixture", "fit", "iris.csv", "-o", "m.safetensors", *QUICK_FIT[:-1], "--group-by", "species")
    done = command(*words)
    assert "; 20 % of the groups held out" in done.out
    # one species is held out, which the others say little of
    assert json_of(command(*words, "--json"))["chosen"]["held_out"] < -5
    assert "left out" not in done.err


def test_nothing_held_out_and_no_restarts(command, iris_folder):
    done = command("mixture", "fit", "iris.csv", "-o", "m", *QUICK_FIT[:-1], "--held-out", "0", "--restarts", "0")
    assert done.code == 0
    assert "held-out" not in done.out
    assert "stability: not measured" in done.out


def test_clusters_that_depend_on_the_start_are_told(command, iris_folder):
    X = np.random.default_rng(0).uniform(size=(300, 2))
    (iris_folder / "flat.csv").write_text(csv_of(X, "xy"))
    done = command(
        "mixture", "fit", "flat.csv", "-o", "m", "--components", "6", "--covariance", "full", "--starts", "1"
    )
    assert "warning: other starts give other clusters: their adjusted Rand index with the mixture is 0." in done.err
    assert "; try fewer components (--components) or another covariance type (--covariance)" in done.err
    assert re.search(
        r"warning: one of the other starts has a log likelihood .* above the mixture's; raise --starts", done.err
    )


def test_the_largest_number_of_components_and_small_components_are_told(command, iris_folder):
    X = np.concatenate([np.random.default_rng(0).normal(m, 0.1, (40, 2)) for m in (0, 5, 10, 15)])
    X = np.vstack([X, [[100.0, -100.0], [100.1, -100.0]]])
    (iris_folder / "t.csv").write_text(csv_of(X, "xy"))
    done = command("mixture", "fit", "t.csv", "-o", "m", "--components", "1-5", "--covariance", "spherical", "-q")
    assert "warning: the mixture that was chosen has the most components that were tried, 5" in done.err
    assert "components with the weight of at most 2 rows, as many as there are columns: 4 (2.0 rows)" in done.err


# --- the commands as such --------------------------------------------------------------------------------------------


def test_the_commands_offer_what_the_library_has():
    assert set(OFFERED) == set(COVARIANCE_TYPES)
    assert tuple(name.replace("-", "_") for name in OFFERED_CRITERIA) == CRITERIA


def test_help_names_the_commands_and_imports_nothing_numeric():
    script = (
        "import sys\n"
        "from gmmaudio.cli import main\n"
        "for words in ([], ['fit'], ['assign'], ['impute'], ['describe']):\n"
        "    try: main(['mixture', *words, '--help'])\n"
        "    except SystemExit as stop: assert stop.code == 0\n"
        "print('loaded:', sorted({'numpy', 'scipy', 'sklearn', 'pyarrow', 'rich'} & set(sys.modules)))\n"
    )
    done = python("-c", script)
    assert done.stderr == b""
    assert done.stdout.splitlines()[-1] == b"loaded: []"
    for name in (b"fit", b"assign", b"impute", b"describe"):
        assert b"  " + name + b" " in done.stdout


def test_assign_imports_no_heavy_library(iris_mixture):
    script = (
        "import sys\n"
        "from gmmaudio.cli import main\n"
        "try: main(['mixture', 'assign', 'm.safetensors', 'iris.csv'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print('loaded:', sorted({'scipy', 'sklearn', 'pyarrow', 'librosa', 'rich', 'pandas'} & set(sys.modules)))\n"
    )
    assert python("-c", script).stdout.splitlines()[-1] == b"loaded: []"


def test_an_unknown_command_is_a_usage_error(command):
    done = command("mixture", "melt")
    assert (done.code, done.out) == (2, "")
    assert "No such command 'melt'" in done.err
