"""Responsibilities as they are drawn: those of the mixture, and 1 in sum."""

import numpy as np
import pytest
from scipy import stats

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.plot import plot_responsibilities
from gmmaudio.mixture.plot.component_colours import component_colours
from gmmaudio.mixture.plot.memberships import MAX_STACKED
from gmmaudio.mixture.plot.projection import MAX_POINTS
from tests.mixture.plot.conftest import mixture_of

pytest.importorskip("matplotlib")


def heights(axes, at):
    """Return the heights of stacked areas at places that are no corner of theirs, shape (n, n_areas)."""
    stacked = []
    for area in axes.collections:
        (x0, y0), (x1, y1) = area.get_paths()[0].vertices[:-1].T, area.get_paths()[0].vertices[1:].T
        crossed = [np.flatnonzero((x0 < x) != (x1 < x)) for x in at]
        edges = [y0[c] + (x - x0[c]) / (x1[c] - x0[c]) * (y1[c] - y0[c]) for x, c in zip(at, crossed, strict=True)]
        stacked.append([np.ptp(edge) for edge in edges])
    return np.array(stacked).T


@pytest.mark.parametrize("covariance_type", ["diag", "full", "tied", "spherical"])
def test_areas_over_a_feature_are_what_this_feature_alone_tells_and_sum_to_1(covariance_type):
    mixture, matrices = mixture_of(covariance_type)
    axes = plot_responsibilities(mixture, None, 0)
    # very near to the corners of the areas, between which they are straight
    at = np.unique(axes.collections[0].get_paths()[0].vertices[:, 0])[5:-5] + 1e-9
    shown = heights(axes, at)
    assert np.allclose(shown.sum(axis=1), 1.0, atol=1e-12)
    parts = zip(mixture.weights, mixture.means, matrices, strict=True)
    expected = np.array([w * stats.norm.pdf(at, m[0], np.sqrt(c[0, 0])) for w, m, c in parts]).T
    assert np.allclose(shown, expected / expected.sum(axis=1, keepdims=True), atol=1e-8)


def test_rows_over_a_feature_are_strokes_below_the_areas():
    mixture, _ = mixture_of("diag")
    axes = plot_responsibilities(mixture, [[1.0, 0.0, 0.0], [3.0, 0.0, np.nan], [np.nan, 0.0, 0.0]], 0)
    (strokes,) = axes.lines
    assert strokes.get_xdata().tolist() == [1.0, 3.0]
    assert strokes.get_ydata().max() < 0 > axes.get_ylim()[0]
    assert axes.get_ylabel() == "responsibility"


@pytest.mark.parametrize("features", [(0, 1), (2, 0), "principal"])
def test_colours_of_points_are_mixed_by_responsibility(features):
    mixture, _ = mixture_of("full")
    rows = mixture.sample(40, np.random.default_rng(0))
    (points,) = plot_responsibilities(mixture, rows, features, names=["a", "b", "c"]).collections
    expected = mixture.responsibilities(rows) @ np.array(component_colours(2))
    assert np.allclose(points.get_facecolors()[:, :3], expected, atol=1e-12)
    if features != "principal":
        assert np.array_equal(points.get_offsets(), rows[:, features])


def test_of_very_many_points_some_are_drawn():
    mixture, _ = mixture_of("diag", d=2)
    rows = mixture.sample(2 * MAX_POINTS, np.random.default_rng(0))
    (points,) = plot_responsibilities(mixture, rows).collections
    assert np.array_equal(points.get_offsets(), rows[::2])


@pytest.mark.parametrize("given", [{}, {"features": "rows"}])
def test_bars_are_the_responsibilities_of_rows_sorted_and_sum_to_1(given):
    mixture, _ = mixture_of("full")
    rows = mixture.sample(30, np.random.default_rng(0)) * 0.5
    shown = heights(plot_responsibilities(mixture, rows, **given), np.arange(30) + 0.5)
    assert np.allclose(shown.sum(axis=1), 1.0, atol=1e-12)
    known = mixture.responsibilities(rows)
    assert np.allclose(np.sort(shown[:, 0]), np.sort(known[:, 0]), atol=1e-12)
    surest = shown.argmax(axis=1)
    assert np.array_equal(surest, np.sort(surest))
    for k in range(2):
        assert np.all(np.diff(shown[surest == k, k]) <= 1e-12)


def test_of_very_many_rows_some_have_a_bar():
    mixture, _ = mixture_of("diag")
    axes = plot_responsibilities(mixture, mixture.sample(3 * MAX_STACKED, np.random.default_rng(0)))
    assert axes.get_xlim() == (0, MAX_STACKED)


def test_many_components_have_colours_and_no_legend():
    n = 30
    mixture = GaussianMixture(np.ones(n) / n, np.arange(n)[:, None], np.full((n, 1), 0.01))
    axes = plot_responsibilities(mixture)
    assert axes.get_legend() is None
    assert len({tuple(area.get_facecolor()[0]) for area in axes.collections}) == n


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"features": (0, 1)}, "`rows` is None; expected rows, as only one feature can be drawn without them"),
        ({"features": "rows"}, "`rows` is None; expected rows"),
        ({"features": (0, 1, 2), "rows": np.eye(3)}, "expected one or two columns, principal or rows"),
        ({"features": 3}, "expected different columns from 0 to 2"),
        ({"features": 0, "names": ["a"]}, "`names` has 1 names"),
    ],
)
def test_what_does_not_fit_is_refused(given, complaint):
    with pytest.raises(SettingError, match=complaint):
        plot_responsibilities(mixture_of("diag")[0], **given)


def test_rows_of_other_columns_do_not_fit():
    with pytest.raises(MixtureError):
        plot_responsibilities(mixture_of("diag")[0], [[0.0, 0.0]])
    for features in (0, (0, 1), "rows"):
        with pytest.raises(MixtureError, match="row 0, column 2 is -inf; rows must be finite"):
            plot_responsibilities(mixture_of("diag")[0], [[0.0, 0.0, -np.inf]], features)


def test_axes_that_are_passed_are_drawn_on():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    assert plot_responsibilities(mixture_of("diag")[0], features=0, axes=axes) is axes
