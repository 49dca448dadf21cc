"""The density of a mixture as it is drawn, against scipy, the definition of an ellipse and rows that are drawn."""

import numpy as np
import pytest
from scipy import integrate, stats

from gmmaudio.canvas.look import SERIES
from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.plot import plot_mixture
from gmmaudio.mixture.plot.mixture_shapes import MAX_BINS, MAX_COLOURED
from gmmaudio.mixture.plot.projection import MAX_POINTS
from tests.mixture.plot.conftest import TURNED, mixture_of

pytest.importorskip("matplotlib")


def outline(ellipse):
    """Return points on the edge of a patch, in the units of the data."""
    return ellipse.get_patch_transform().transform(ellipse.get_path().vertices[:-1])


@pytest.mark.parametrize("covariance_type", ["diag", "full", "tied", "spherical"])
@pytest.mark.parametrize("features", [(0, 1), (1, 0), (2, 0)])
def test_the_edge_of_an_ellipse_is_as_many_deviations_from_the_mean(covariance_type, features):
    mixture, matrices = mixture_of(covariance_type)
    axes = plot_mixture(mixture, None, features, deviations=[1.5])
    assert len(axes.patches) == 2
    for ellipse, mean, matrix in zip(axes.patches, mixture.means, matrices, strict=True):
        away = outline(ellipse) - mean[list(features)]
        distance = np.sqrt(np.einsum("ni,ij,nj->n", away, np.linalg.inv(matrix[np.ix_(features, features)]), away))
        # the circle of a patch is made of Bezier curves, which are off by less than 3e-4, and of their handles
        assert distance.min() == pytest.approx(1.5, rel=1e-3)
        corners = np.sqrt(np.linalg.eigvalsh(matrix[np.ix_(features, features)])) * 2 * 1.5
        assert sorted([ellipse.width, ellipse.height]) == pytest.approx(list(corners), rel=1e-12)
        assert np.allclose(ellipse.center, mean[list(features)])


def test_the_long_axis_of_an_ellipse_points_where_the_covariance_does():
    mixture = GaussianMixture([1.0], [[0.0, 0.0]], [TURNED], "full")
    (ellipse,) = plot_mixture(mixture, deviations=[1.0]).patches
    assert (ellipse.width, ellipse.height) == pytest.approx((6.0, 2.0))
    assert ellipse.angle % 180 == pytest.approx(30.0)


def test_principal_axes_are_those_of_the_rows_of_the_whole_mixture():
    mixture, _ = mixture_of("full")
    rows = mixture.sample(200_000, np.random.default_rng(0))
    axes = plot_mixture(mixture, None, "principal", deviations=[1.0])
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    shares = [float(text.partition("(")[2].partition(" %")[0]) for text in (axes.get_xlabel(), axes.get_ylabel())]
    # rounded to per cent; 200,000 rows tell a variance to some tenths of a per cent
    assert shares == pytest.approx(list(100 * values[:2] / values.sum()), abs=1.0)
    centres = np.array([ellipse.center for ellipse in axes.patches])
    # a turn keeps distances, and the third axis has little of this one
    assert np.linalg.norm(centres[0] - centres[1]) == pytest.approx(
        np.linalg.norm(np.diff(mixture.means, axis=0)), rel=0.02
    )
    assert np.allclose([0.75, 0.25] @ centres, 0.0, atol=1e-9)


def test_the_heavier_component_is_darker_and_of_each_the_larger_ellipse_is_below():
    mixture, _ = mixture_of("diag")
    patches = plot_mixture(mixture, None, (0, 1), deviations=[1.0, 2.0]).patches
    assert patches[0].get_facecolor()[3] > patches[2].get_facecolor()[3]
    # variances of 4 and 1, then of 16 and 0.25
    assert [patch.width for patch in patches] == [8.0, 4.0, 16.0, 8.0]


def test_rows_are_points_in_the_same_plane():
    mixture, _ = mixture_of("diag")
    rows = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0], [7.0, 8.0, np.nan]])
    (points,) = plot_mixture(mixture, rows, (2, 0)).collections
    assert points.get_offsets().tolist() == [[3.0, 1.0], [6.0, 4.0]]
    many = mixture.sample(2 * MAX_POINTS + 1, np.random.default_rng(0))
    (points,) = plot_mixture(mixture, many, (0, 1)).collections
    assert np.array_equal(points.get_offsets(), many[::3, :2])


def test_all_ellipses_are_inside_the_frame():
    mixture, _ = mixture_of("full")
    axes = plot_mixture(mixture, None, (0, 1), deviations=[3.0])
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for ellipse in axes.patches:
        x, y = outline(ellipse)[::3].T
        assert left < x.min() < x.max() < right
        assert bottom < y.min() < y.max() < top


def test_names_of_features_are_on_the_axes():
    mixture, _ = mixture_of("diag")
    axes = plot_mixture(mixture, None, (2, 0), names=["a", "b", "$c$"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$c$", "a")
    axes = plot_mixture(mixture, None, (2, 0))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("feature 2", "feature 0")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"features": (0, 0)}, r"`features` is \(0, 0\); expected different columns from 0 to 2, or principal"),
        ({"features": (0, 3)}, "expected different columns from 0 to 2"),
        ({"features": (-1, 0)}, "expected different columns from 0 to 2"),
        ({"features": ()}, "expected different columns from 0 to 2"),
        ({"features": (True, 0)}, "expected different columns from 0 to 2"),
        ({"features": 1.0}, "expected different columns from 0 to 2"),
        ({"features": "pca"}, "`features` is 'pca'; expected different columns from 0 to 2, or principal"),
        ({"names": ["a"]}, "`names` has 1 names; expected one for each of 3 features"),
        ({"deviations": [0.0]}, r"`deviations` is \[0.0\]; expected numbers above 0"),
        ({"deviations": [np.nan]}, "expected numbers above 0"),
        ({"contours": [0.0]}, r"`contours` is \[0.0\]; expected shares between 0 and 1"),
        ({"contours": [1.0]}, "expected shares between 0 and 1"),
        ({"axes": np.zeros((2, 2))}, r"`axes` has shape \(2, 2\); expected \(3, 3\)"),
    ],
)
def test_what_does_not_fit_a_mixture_is_refused(given, complaint):
    with pytest.raises(SettingError, match=complaint):
        plot_mixture(mixture_of("diag")[0], **given)


def test_a_mixture_of_one_feature_has_no_plane_and_other_rows_do_not_fit():
    with pytest.raises(SettingError, match="the mixture has one feature; a plane needs two"):
        plot_mixture(GaussianMixture([1.0], [[0.0]], [[1.0]]), features="principal")
    with pytest.raises(MixtureError):
        plot_mixture(mixture_of("diag")[0], rows=[[0.0, 0.0]])


@pytest.mark.parametrize("features", [0, (0, 1), (0, 1, 2), "principal"])
def test_rows_that_are_infinite_are_refused(features):
    with pytest.raises(MixtureError, match="row 1, column 2 is inf; rows must be finite"):
        plot_mixture(mixture_of("diag")[0], [[0.0, 0.0, 0.0], [0.0, 0.0, np.inf]], features)


@pytest.mark.parametrize("covariance_type", ["diag", "full", "tied", "spherical"])
@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_an_ellipse_holds_the_share_of_a_component_that_chi_squared_gives(covariance_type, size):
    mixture, _ = mixture_of(covariance_type)
    one = GaussianMixture([1.0], mixture.means[:1], taken(mixture), covariance_type)
    rows = one.sample(100_000, np.random.default_rng(0))
    (ellipse,) = plot_mixture(one, None, (2, 0), deviations=[size]).patches
    inside = ellipse.contains_points(ellipse.get_data_transform().transform(rows[:, [2, 0]]))
    # four standard errors of a share of 100,000 rows are 0.0063 at most
    assert inside.mean() == pytest.approx(stats.chi2.cdf(size**2, 2), abs=0.0063)


def taken(mixture):
    """Return the covariances of the first component."""
    return mixture.covariances if mixture.covariance_type == "tied" else mixture.covariances[:1]


# one feature


def density_of(mixture, matrices, feature, at):
    """Return the weighted density of every component over a feature, by scipy."""
    parts = zip(mixture.weights, mixture.means, matrices, strict=True)
    return np.array([w * stats.norm.pdf(at, m[feature], np.sqrt(c[feature, feature])) for w, m, c in parts])


@pytest.mark.parametrize("covariance_type", ["diag", "full", "tied", "spherical"])
@pytest.mark.parametrize("feature", [0, 2])
def test_the_curves_over_a_feature_are_its_marginal_density_and_those_of_components(covariance_type, feature):
    mixture, matrices = mixture_of(covariance_type)
    *components, whole = plot_mixture(mixture, None, feature).lines
    at = whole.get_xdata()
    expected = density_of(mixture, matrices, feature, at)
    for line, density in zip(components, expected, strict=True):
        assert np.allclose(line.get_ydata(), density, rtol=1e-9, atol=1e-12)
    assert np.allclose(whole.get_ydata(), expected.sum(axis=0), rtol=1e-9, atol=1e-12)
    # four deviations around every component hold all but 6e-5 of it
    assert integrate.trapezoid(whole.get_ydata(), at) == pytest.approx(1.0, abs=1e-3)


def test_the_curve_of_a_mixture_of_one_feature_is_the_exponential_of_its_log_density():
    mixture = GaussianMixture([0.3, 0.7], [[0.0], [1000.0]], [[1e-4], [4.0]])
    line = plot_mixture(mixture).lines[-1]
    at, density = line.get_xdata(), line.get_ydata()
    # log densities are sums that cancel: this component has 5e-10 of the variance of the whole
    assert np.allclose(density, np.exp(mixture.log_density(at[:, None])), rtol=1e-6, atol=0)
    # a component that is narrow beside the distance to the other has its whole shape all the same
    assert integrate.trapezoid(density, at) == pytest.approx(1.0, abs=2e-3)
    assert density.max() == pytest.approx(0.3 * stats.norm.pdf(0.0, 0.0, 0.01), rel=1e-6)


def test_rows_over_a_feature_are_a_histogram_of_area_1():
    mixture, _ = mixture_of("full")
    rows = mixture.sample(500, np.random.default_rng(0))
    rows[::7, 1] = np.nan
    bars = plot_mixture(mixture, rows, 1).patches
    assert sum(bar.get_width() * bar.get_height() for bar in bars) == pytest.approx(1.0)
    known = rows[~np.isnan(rows[:, 1]), 1]
    assert bars[0].get_x() == pytest.approx(known.min())
    counts = [bar.get_height() * bar.get_width() * len(known) for bar in bars]
    assert np.allclose(counts, np.histogram(known, "auto")[0])
    assert not plot_mixture(mixture, None, 1).patches


@pytest.mark.parametrize("rows", [[[5.0]], [[2.0]] * 9, [[0.0]] * 500 + [[1.0]] * 500 + [[1e9]]])
def test_a_histogram_of_few_equal_or_far_rows_has_no_more_bins_than_can_be_seen(rows):
    bars = plot_mixture(GaussianMixture([1.0], [[0.0]], [[1.0]]), rows).patches
    assert 1 <= len(bars) <= MAX_BINS


def test_one_component_has_no_line_beside_that_of_the_mixture():
    assert len(plot_mixture(GaussianMixture([1.0], [[0.0]], [[1.0]])).lines) == 1


def test_a_component_has_one_colour_over_a_feature_and_in_a_plane():
    mixture, _ = mixture_of("diag")
    lines = plot_mixture(mixture, None, 0).lines[:2]
    ellipses = plot_mixture(mixture, None, (0, 1), deviations=[1.0]).patches
    for line, ellipse in zip(lines, ellipses, strict=True):
        assert ellipse.get_facecolor()[:3] == tuple(line.get_color())
        assert line.get_label() == ellipse.get_label()
    assert lines[0].get_color() != lines[1].get_color()
    n = MAX_COLOURED + 1
    many = GaussianMixture(np.ones(n) / n, np.arange(2.0 * n).reshape(n, 2), np.ones((n, 2)))
    assert len({ellipse.get_facecolor()[:3] for ellipse in plot_mixture(many, deviations=[1.0]).patches}) == 1
    assert len({line.get_color() for line in plot_mixture(many, None, 0).lines[:-1]} - {SERIES[0]}) == 0


# contours


@pytest.mark.parametrize("features", [(0, 1), "principal"])
def test_a_contour_holds_its_share_of_the_rows_of_the_mixture(features):
    mixture, _ = mixture_of("full")
    shares = [0.5, 0.9]
    axes = plot_mixture(mixture, mixture.sample(40_000, np.random.default_rng(1)), features, contours=shares)
    points, drawn = axes.collections
    place = points.get_offsets()
    for share, path in zip(shares, sorted(drawn.get_paths(), key=lambda path: np.ptp(path.vertices)), strict=True):
        inside = np.any([part.contains_points(place) for part in polygons(path)], axis=0)
        # the level is a quantile of 20,000 draws, and 20,000 rows are looked at: four standard errors are 0.02
        assert inside.mean() == pytest.approx(share, abs=0.02)
    assert len(plot_mixture(mixture, None, features).collections) == 0


def polygons(path):
    """Return the closed parts of a contour's path, each as a path."""
    return [type(path)(part) for part in path.to_polygons(closed_only=True)]


# pairs


def test_a_grid_of_pairs_has_every_feature_and_every_pair():
    mixture, _ = mixture_of("full")
    rows = mixture.sample(50, np.random.default_rng(0))
    grid = plot_mixture(mixture, rows, names=["a", "b", "c"])
    assert grid.shape == (3, 3)
    for row, column in np.ndindex(3, 3):
        axes = grid[row, column]
        if row < column:
            assert not axes.axison
        elif row == column:
            assert np.array_equal(axes.lines[-1].get_ydata(), plot_mixture(mixture, rows, row).lines[-1].get_ydata())
        else:
            (points,) = axes.collections
            assert np.array_equal(points.get_offsets(), rows[:, [column, row]])
            assert [e.center for e in axes.patches] == [
                e.center for e in plot_mixture(mixture, None, (column, row)).patches
            ]
            assert axes.get_xlim() == grid[column, column].get_xlim()
            assert axes.get_ylim() == grid[row, row].get_xlim()
    assert [axes.get_xlabel() for axes in grid[2]] == ["a", "b", "c"]
    assert [axes.get_ylabel() for axes in grid[:, 0]] == ["density", "b", "c"]
    chosen = plot_mixture(mixture, None, [2, 0, 1], names=["a", "b", "c"], axes=grid)
    assert chosen is not None
    assert [axes.get_xlabel() for axes in grid[2]] == ["c", "a", "b"]


def test_a_grid_of_very_many_pairs_is_refused():
    wide = GaussianMixture([1.0], np.zeros((1, 9)), np.ones((1, 9)))
    with pytest.raises(SettingError, match="the mixture has 9 features; name up to 8 of them by `features`"):
        plot_mixture(wide)
    with pytest.raises(SettingError, match="expected different columns"):
        plot_mixture(wide, features=range(9))
    assert plot_mixture(wide, features=[8, 1]).get_xlabel() == "feature 8"


def test_axes_that_are_passed_are_drawn_on_and_returned():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    mixture, _ = mixture_of("diag")
    figure, axes = pyplot.subplots()
    assert plot_mixture(mixture, features=0, axes=axes) is axes
    assert len(axes.lines) == 3
    pyplot.close(figure)
    _, cells = pyplot.subplots(3, 3)
    assert np.array_equal(plot_mixture(mixture, axes=cells), cells)
    pyplot.close("all")
