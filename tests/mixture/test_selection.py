"""Selection of the number of components: held-out rows, hard input, refusals and the table."""

import tracemalloc

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import COVARIANCE_TYPES, GaussianMixture, fit_gmm
from gmmaudio.mixture.selection import CRITERIA, Candidate, Selection, responsibility_entropy, select_gmm
from tests.mixture.conftest import as_scikit_learn, blobs, criteria_of, entropy_of

# --- what is held out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "held_out", "expected"), [(100, 0.2, 20), (100, 0.5, 50), (10, 0.01, 1), (10, 0.99, 9), (2, 0.2, 1)]
)
def test_share_of_rows_is_held_out(n, held_out, expected, fits):
    X = np.arange(n, dtype=float)[:, None] ** 2
    select_gmm(X, [1], held_out=held_out)
    every, kept = (fit.rows for fit in fits)
    np.testing.assert_array_equal(every, X)
    assert len(kept) == n - expected
    # rows are all different: each is kept once at most, in its order
    assert (np.diff(kept[:, 0]) > 0).all()
    assert np.isin(kept, X).all()


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(12),
        [f"singer {i}" for i in range(12)],
        np.array([None, *(f"singer {i}" for i in range(11))], dtype=object),
        np.array([np.nan, *range(11)]),
    ],
    ids=["numbers", "names", "names and None", "numbers and NaN"],
)
def test_groups_are_held_out_whole(labels, fits):
    rng = np.random.default_rng(0)
    places = rng.permutation(np.repeat(np.arange(12), np.arange(3, 15)))
    X = np.stack([places, rng.normal(size=len(places))], axis=1)
    groups = np.asarray(labels)[places]
    select_gmm(X, [1, 2], ["diag", "full"], groups=groups, held_out=0.25)
    kept = [fit.rows for fit in fits[1::2]]
    left = set(kept[0][:, 0])
    assert len(left) == 9
    # a group that is kept at all is kept whole
    assert len(kept[0]) == np.isin(places, list(left)).sum()
    # the same split for all candidates
    for rows in kept:
        np.testing.assert_array_equal(rows, kept[0])


def test_held_out_rows_are_those_not_kept(fits):
    # two groups far apart: the one held out has next to no density under the other, and fits itself well
    X = np.concatenate([np.random.default_rng(0).normal(m, 1, (50, 1)) for m in (0.0, 100.0)])
    groups = np.repeat(["a", "b"], 50)
    (row,) = select_gmm(X, [1], groups=groups, held_out=0.5).rows
    kept = fits[1].rows
    held = X[~np.isin(X, kept)]
    assert (len(kept), len(held)) == (50, 50)
    # the textbook density of a Gaussian; rounding of float64
    expected = -0.5 * np.log(2 * np.pi * kept.var()) - ((held - kept.mean()) ** 2).mean() / (2 * kept.var())
    assert row.held_out == pytest.approx(expected, rel=1e-9)
    assert row.held_out < -1000


def test_split_is_drawn_by_rng(fits):
    X = blobs(200)
    first = select_gmm(X, [2], rng=np.random.default_rng(5))
    again = select_gmm(X, [2], rng=np.random.default_rng(5))
    other = select_gmm(X, [2], rng=np.random.default_rng(6))
    np.testing.assert_array_equal(criteria_of(again), criteria_of(first))
    assert other.rows[0].held_out != first.rows[0].held_out
    kept = [fit.rows for fit in fits[1::2]]
    np.testing.assert_array_equal(kept[0], kept[1])
    assert not np.array_equal(kept[0], kept[2])
    np.testing.assert_array_equal(
        criteria_of(select_gmm(X, [2])), criteria_of(select_gmm(X, [2], rng=np.random.default_rng(0)))
    )


def test_every_source_gives_the_same_bits(tmp_path):
    X = blobs(9000)[:8500].astype(np.float32)
    weights = np.random.default_rng(0).uniform(0, 2, len(X))
    parts = [X[:10], X[10:8400], X[8400:]]
    paths = []
    for i, part in enumerate(parts):
        np.save(tmp_path / f"{i}.npy", part)
        paths.append(tmp_path / f"{i}.npy")
    tries = {"n_components": [1, 3], "weights": weights, "groups": np.arange(len(X)) // 100, "max_iter": 5}
    expected = criteria_of(select_gmm(X, **tries))
    for source in (parts, paths, lambda: iter(parts)):
        np.testing.assert_array_equal(criteria_of(select_gmm(source, **tries)), expected)
    np.testing.assert_array_equal(criteria_of(select_gmm(X, n_threads=2, **tries)), expected)


# --- hard input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("covariance_type", COVARIANCE_TYPES)
def test_criteria_are_those_of_the_components_kept(covariance_type):
    X = np.repeat([[0.0, 1.0], [1.0, 5.0], [5.0, 2.0]], 4, axis=0)
    three, five = select_gmm(X, [3, 5], [covariance_type], held_out=0).rows
    assert (five.n_components_asked, five.n_components, five.mixture.n_components) == (5, 3, 3)
    assert (three.n_components_asked, three.n_components) == (3, 3)
    assert five.n_parameters == three.mixture.n_parameters
    assert (five.bic, five.aic, five.icl) == (three.bic, three.aic, three.icl)
    selection = Selection((five, three))
    # equal ones: the first
    assert all(selection.best(name) is five for name in ("bic", "aic", "icl"))


def test_rows_that_are_all_alike_are_selected_from():
    selection = select_gmm(np.ones((10, 2)), [1, 4], COVARIANCE_TYPES)
    assert np.isfinite(criteria_of(selection)).all()
    assert {row.n_components for row in selection.rows} == {1}


def test_float32_rows_are_as_good_as_float64(faithful):
    tries = {"n_components": [3], "covariance_types": COVARIANCE_TYPES, "max_iter": 10, "tol": 0}
    single = criteria_of(select_gmm(faithful.astype(np.float32), **tries))
    double = criteria_of(select_gmm(faithful.astype(np.float32).astype(np.float64), **tries))
    # docs/decisions/0004: 1e-4 nats a row at most, of which 272 add up to far less
    np.testing.assert_allclose(single, double, atol=0.01)


def test_entropy_equals_scipys_and_is_summed_over_chunks():
    X = blobs(9000)
    mixture, _ = fit_gmm(X[:500], 3, covariance_type="full", max_iter=3)
    weights = np.random.default_rng(0).uniform(0, 2, len(X))
    entropy = entropy_of(as_scikit_learn(mixture)._estimate_weighted_log_prob(X))
    # rounding of float64
    assert responsibility_entropy(mixture, X) == pytest.approx(entropy.sum(), rel=1e-9)
    assert responsibility_entropy(mixture, X, weights) == pytest.approx(weights @ entropy, rel=1e-9)
    assert responsibility_entropy(mixture, X, n_threads=2) == responsibility_entropy(mixture, X)
    assert responsibility_entropy(mixture, X[:0]) == 0
    with pytest.raises(MixtureError, match="rows have 1 features"):
        responsibility_entropy(mixture, X[:, :1])


def test_memory_does_not_grow_with_the_rows():
    part = blobs(30_000)
    mixture, _ = fit_gmm(part[:2000], 64, init="random", max_iter=1)
    peaks = []
    for n_parts in (1, 10):
        tracemalloc.start()
        responsibility_entropy(mixture, lambda n=n_parts: iter([part] * n))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # the responsibilities of all rows would be ten times those of a tenth
    assert peaks[1] < 1.2 * peaks[0]


def test_column_without_a_value_among_the_rows_kept_is_named():
    X = np.random.default_rng(0).normal(size=(40, 2))
    X[:39, 1] = np.nan
    with pytest.raises(MixtureError) as caught:
        select_gmm(X, [1], groups=np.arange(40) // 39, held_out=0.5, rng=np.random.default_rng(1))
    assert str(caught.value) == ("among the rows that are not held out: column 1 has no value in any row; drop it")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_components": []}, "n_components is empty; expected one or more to try, such as [1, 2, 4, 8]"),
        ({"n_components": 3}, "n_components is 3; expected a list, such as [1, 2, 4, 8]"),
        ({"n_components": [2, 1, 2]}, "n_components has 2 twice; expected each once, such as [1, 2, 4, 8]"),
        ({"covariance_types": ()}, "covariance_types is empty; expected one or more to try, such as ['diag', 'full']"),
        ({"covariance_types": "full"}, "covariance_types is 'full'; expected a list, such as ['diag', 'full']"),
        (
            {"covariance_types": ["diag", "diag"]},
            "covariance_types has 'diag' twice; expected each once, such as ['diag', 'full']",
        ),
        ({"held_out": 1}, "`held_out` is 1; expected a share of the rows, 0 (none) or more and below 1"),
        ({"held_out": -0.1}, "`held_out` is -0.1; expected a share of the rows, 0 (none) or more and below 1"),
        ({"held_out": np.nan}, "`held_out` is nan; expected a share of the rows, 0 (none) or more and below 1"),
        ({"held_out": "half"}, "`held_out` is 'half'; expected a share of the rows, 0 (none) or more and below 1"),
        ({"criterion": "mdl"}, "`criterion` is 'mdl'; expected one of bic, aic, icl, held_out"),
        (
            {"criterion": "held_out", "held_out": 0},
            "`criterion` is 'held_out' and no rows are held out; expected `held_out` above 0, such as 0.2",
        ),
        ({"rng": 7}, "rng is 7; expected a numpy.random.Generator, such as numpy.random.default_rng(0)"),
    ],
    ids=str,
)
def test_bad_settings_are_refused_before_any_fit(bad, message, fits):
    with pytest.raises(SettingError) as caught:
        select_gmm(blobs(30), **({"n_components": [1, 2]} | bad))
    assert str(caught.value) == message
    assert not fits


@pytest.mark.parametrize(
    ("bad", "beginning"),
    [
        ({"n_components": [1, 0]}, "n_components is 0;"),
        ({"covariance_types": ["diag", "round"]}, "covariance_type is 'round';"),
        ({"init": "magic"}, "init is 'magic';"),
        ({"n_init": 0}, "n_init is 0;"),
        ({"max_iter": -1}, "max_iter is -1;"),
        ({"tol": -1}, "tol is -1;"),
        ({"variance_floor": 2}, "variance_floor is 2;"),
        ({"n_threads": 0}, "n_threads is 0;"),
    ],
    ids=str,
)
def test_what_a_fit_refuses_is_refused_before_any_fit(bad, beginning, fits):
    with pytest.raises(SettingError) as caught:
        select_gmm(blobs(30), **({"n_components": [1, 2]} | bad))
    assert str(caught.value).startswith(beginning)
    assert not fits


@pytest.mark.parametrize(
    ("X", "settings", "message"),
    [
        (
            blobs(30),
            {"groups": np.zeros(29)},
            "groups have shape (29,) and there are 30 rows; expected one label for each row",
        ),
        (
            blobs(30),
            {"groups": np.zeros((30, 1))},
            "groups have shape (30, 1) and there are 30 rows; expected one label for each row",
        ),
        (
            blobs(30),
            {"groups": np.zeros(30)},
            "groups with rows that count: 1; expected 2 or more, so that some can be held out, or held_out=0",
        ),
        (
            blobs(30),
            {"groups": np.arange(30), "weights": np.r_[1.0, np.zeros(29)]},
            "groups with rows that count: 1; expected 2 or more, so that some can be held out, or held_out=0",
        ),
        (
            np.ones((1, 2)),
            {},
            "rows that count: 1; expected 2 or more, so that some can be held out, or held_out=0",
        ),
        (np.full((3, 2), np.nan), {}, "there are no rows; at least one is needed"),
        (np.zeros((0, 2)), {}, "there are no rows; at least one is needed"),
        (blobs(30), {"weights": np.ones(29)}, "there are 29 weights and 30 rows or more; expected one for each row"),
        (blobs(30), {"weights": np.zeros(30)}, "all weights are 0; at least one row must count"),
    ],
    ids=[
        "short groups",
        "two-dimensional groups",
        "one group",
        "one group that counts",
        "one row",
        "all missing",
        "no rows",
        "short weights",
        "no weight",
    ],
)
def test_rows_that_cannot_be_selected_from_are_refused(X, settings, message):
    with pytest.raises(MixtureError) as caught:
        select_gmm(X, [1], **settings)
    assert str(caught.value) == message


def test_one_row_is_enough_where_none_is_held_out():
    (row,) = select_gmm([[1.0, 2.0]], [1], held_out=0).rows
    assert np.isfinite([row.bic, row.aic, row.icl]).all()
    assert row.held_out is None


# --- every parameter changes the outcome -----------------------------------------------------------------------------


MANY = blobs(240, seed=3)


@pytest.mark.parametrize(
    "change",
    [
        {"n_components": [2, 6]},
        {"covariance_types": ["full"]},
        {"weights": np.arange(1, 241)},
        {"groups": np.arange(240) // 10},
        {"held_out": 0.4},
        {"init": "hierarchical"},
        {"n_init": 4},
        {"max_iter": 3},
        {"tol": 1e-1},
        {"variance_floor": 0.5},
        {"accelerate": True},
        {"rng": np.random.default_rng(9)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_parameter_changes_the_outcome(change):
    base = {"n_components": [3, 6], "init": "random", "max_iter": 30}
    assert not np.array_equal(criteria_of(select_gmm(MANY, **base)), criteria_of(select_gmm(MANY, **(base | change))))


def test_criterion_changes_the_best():
    X = np.concatenate([np.random.default_rng(0).normal(0, s, (300, 1)) for s in (1, 4)])
    by_bic = select_gmm(X, [1, 2], criterion="bic")
    by_icl = select_gmm(X, [1, 2], criterion="icl")
    assert (by_bic.best().n_components, by_icl.best().n_components) == (2, 1)
    assert (by_bic.best("icl").n_components, by_icl.best("bic").n_components) == (1, 2)


# --- the table -------------------------------------------------------------------------------------------------------


def candidate(covariance_type, asked, kept, bic, aic, icl, held_out, converged=True):
    one = GaussianMixture(np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    return Candidate(covariance_type, asked, kept, 7 * kept, -bic / 100, bic, aic, icl, held_out, converged, one)


ROWS = (
    candidate("diag", 1, 1, 1000.0, 995.456, 1000.0, -5.25),
    candidate("spherical", 16, 4, 900.25, 890.0, 12000.0, -4.0),
    candidate("full", 2, 2, 950.0, 888.0, 960.0, -4.5, converged=False),
)


def test_best_is_lowest_of_all_but_held_out():
    selection = Selection(ROWS)
    assert [selection.best(name) for name in CRITERIA] == [ROWS[1], ROWS[2], ROWS[2], ROWS[1]]
    assert selection.best() is ROWS[1]
    assert Selection(ROWS, "aic").best() is ROWS[2]


def test_table_marks_the_best_of_every_criterion():
    assert str(Selection(ROWS)).splitlines() == [
        "covariance  components  parameters  log likelihood       bic      aic        icl  held out  converged",
        "diag                 1           7        -10.0000  1000.00   995.46    1000.00   -5.2500         yes",
        "spherical      4 of 16          28         -9.0025   900.25*  890.00   12000.00   -4.0000*        yes",
        "full                 2          14         -9.5000   950.00   888.00*    960.00*  -4.5000          no",
        "* best of its column; best by bic: spherical, 4 of 16",
    ]


def test_table_without_rows_held_out():
    rows = tuple(candidate("tied", k, k, 10.0 / k, 5.0, 8.0 * k, None) for k in (1, 2))
    assert str(Selection(rows, "icl")).splitlines() == [
        "covariance  components  parameters  log likelihood     bic    aic     icl  held out  converged",
        "tied                 1           7         -0.1000  10.00   5.00*   8.00*         -        yes",
        "tied                 2          14         -0.0500   5.00*  5.00   16.00          -        yes",
        "* best of its column; best by icl: tied, 1",
    ]
    with pytest.raises(SettingError) as caught:
        Selection(rows).best("held_out")
    assert str(caught.value) == (
        "`criterion` is 'held_out' and no rows are held out; expected `held_out` above 0, such as 0.2"
    )
    with pytest.raises(SettingError) as caught:
        Selection(rows).best("entropy")
    assert str(caught.value) == "`criterion` is 'entropy'; expected one of bic, aic, icl, held_out"
