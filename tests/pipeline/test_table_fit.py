"""Mixtures of tables in Python: groups, kinds of arguments, and far values at their bound."""

import numpy as np
import pytest
from sklearn.datasets import load_iris

from gmmaudio.data_tables import parse_csv
from gmmaudio.errors import SettingError
from gmmaudio.mixture import SavedMixture, select_gmm
from gmmaudio.pipeline.table_columns import choose_columns
from gmmaudio.pipeline.table_fit import fit_table
from gmmaudio.pipeline.table_scoring import assign_table

SMALL = {"n_components": [1, 2], "covariance_types": ["diag"], "n_starts": 1, "n_restarts": 0}


def iris_table(groups=None):
    """Return iris as a table, with a column of groups where they are given."""
    head, rows = "a,b,c,d", [",".join(map(repr, row)) for row in load_iris().data.tolist()]
    if groups is not None:
        head, rows = f"{head},who", [f"{row},{group}" for row, group in zip(rows, groups, strict=True)]
    return parse_csv("\n".join([head, *rows]), "iris.csv")


@pytest.fixture(scope="module")
def fit():
    """A fit to all of iris."""
    return fit_table(iris_table(), **SMALL)


def test_groups_are_those_of_the_library():
    groups = [f"g{i % 10}" for i in range(150)]
    fit = fit_table(iris_table(groups), group_by="who", **SMALL)
    peer = select_gmm(load_iris().data, [1, 2], groups=groups, max_iter=500, tol=1e-5, rng=np.random.default_rng(0))
    assert [row.held_out for row in fit.selection.rows] == [row.held_out for row in peer.rows]
    assert [row.held_out_interval for row in fit.selection.rows] == [row.held_out_interval for row in peer.rows]


def test_rows_without_a_group_are_groups_of_their_own():
    # a group may be called as a row is counted
    given = ["row 7" if i < 60 else ("", "NA")[i % 2] for i in range(150)]
    fit = fit_table(iris_table(given), group_by="who", **SMALL)
    groups = ["group row 7" if i < 60 else f"row {i}" for i in range(150)]
    peer = select_gmm(load_iris().data, [1, 2], groups=groups, max_iter=500, tol=1e-5, rng=np.random.default_rng(0))
    assert [row.held_out for row in fit.selection.rows] == [row.held_out for row in peer.rows]


def test_columns_of_groups_are_no_columns_of_the_mixture():
    table = iris_table([i % 7 for i in range(150)])
    assert choose_columns(table).names == ("a", "b", "c", "d", "who")
    assert fit_table(table, group_by="who", **SMALL).names == ("a", "b", "c", "d")


def test_the_index_of_a_data_frame_is_no_column_of_the_mixture():
    # pandas writes it where rows were left out, so that it does not count the rows any more
    table = iris_table().with_columns({"__index_level_0__": np.arange(150.0) ** 2})
    chosen = choose_columns(table)
    assert chosen.names == ("a", "b", "c", "d")
    assert ("__index_level_0__", "it is the index of a data frame") in chosen.left_out
    assert choose_columns(table, ["__index_level_0__"]).names == ("__index_level_0__",)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": "ab"}, "`columns` is 'ab'; expected a list of strings, or None"),
        ({"n_components": 3}, "`n_components` is 3; expected a list of whole numbers"),
        ({"n_components": []}, "`n_components` is empty; expected one or more to try, each once"),
        ({"n_components": [2, 2]}, "`n_components` has 2 twice; expected one or more to try, each once"),
        ({"covariance_types": ["diag", "diag"]}, "`covariance_types` has 'diag' twice; expected one or more to try,"),
        ({"covariance_types": ["round"]}, "covariance_type is 'round'; expected one of diag, full, tied, spherical"),
        ({"n_components": [0]}, "n_components is 0; expected a whole number, 1 or more"),
        ({"criterion": "bayes"}, "`criterion` is 'bayes'; expected one of bic, aic, icl, held_out"),
        ({"n_jobs": 0}, "`n_jobs` is 0; expected 1 or more threads, or -1 for one on each core"),
        ({"table": 5}, "`table` is 5; expected "),
    ],
)
def test_arguments_that_are_refused(settings, message):
    with pytest.raises(SettingError) as caught:
        fit_table(**{"table": iris_table()} | SMALL | settings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("value", "is_told"), [(0.71, False), (0.69, True), (11.49, False), (11.51, True)])
def test_a_value_is_far_outside_where_it_is_further_from_the_range_than_that_is_wide(fit, value, is_told):
    # the first column of iris has 4.3 to 7.9
    saved = SavedMixture(fit.mixture, fit.names, fit.details)
    answer = assign_table(saved, parse_csv(f"a,b,c,d\n{value},3,2,1\n", "t.csv"))
    assert [finding.code for finding in answer.findings] == ["values_far_outside"] * is_told


def test_a_record_without_ranges_tells_nothing_of_far_values(fit):
    table = parse_csv("a,b,c,d\n1e6,3,2,1\n", "t.csv")
    for details in ({}, {"columns": None}, {"columns": [{"name": "a", "low": "x"}, 5]}):
        assert assign_table(SavedMixture(fit.mixture, fit.names, details), table).findings == ()
