"""Components as ellipses, against the definition of an ellipse; the likelihood by iteration."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.pictures import plot_components, plot_likelihood
from gmmaudio.pictures.mixture_pictures import MAX_POINTS
from tests.pictures.conftest import TURNED, mixture_of

pytest.importorskip("matplotlib")


def outline(ellipse):
    """Return points on the edge of a patch, in the units of the data."""
    return ellipse.get_patch_transform().transform(ellipse.get_path().vertices[:-1])


@pytest.mark.parametrize("covariance_type", ["diag", "full", "tied", "spherical"])
@pytest.mark.parametrize("features", [(0, 1), (1, 0), (2, 0)])
def test_the_edge_of_an_ellipse_is_as_many_deviations_from_the_mean(covariance_type, features):
    mixture, matrices = mixture_of(covariance_type)
    axes = plot_components(mixture, features, deviations=[1.5])
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
    (ellipse,) = plot_components(mixture, deviations=[1.0]).patches
    assert (ellipse.width, ellipse.height) == pytest.approx((6.0, 2.0))
    assert ellipse.angle % 180 == pytest.approx(30.0)


def test_principal_axes_are_those_of_the_rows_of_the_whole_mixture():
    mixture, _ = mixture_of("full")
    rows = mixture.sample(200_000, np.random.default_rng(0))
    axes = plot_components(mixture, "principal", deviations=[1.0])
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
    patches = plot_components(mixture, deviations=[1.0, 2.0]).patches
    assert patches[0].get_facecolor()[3] > patches[2].get_facecolor()[3]
    # variances of 4 and 1, then of 16 and 0.25
    assert [patch.width for patch in patches] == [8.0, 4.0, 16.0, 8.0]


def test_rows_are_points_in_the_same_plane():
    mixture, _ = mixture_of("diag")
    rows = np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0], [7.0, 8.0, np.nan]])
    (points,) = plot_components(mixture, (2, 0), rows).collections
    assert points.get_offsets().tolist() == [[3.0, 1.0], [6.0, 4.0]]
    many = mixture.sample(2 * MAX_POINTS + 1, np.random.default_rng(0))
    (points,) = plot_components(mixture, (0, 1), many).collections
    assert np.array_equal(points.get_offsets(), many[::3, :2])


def test_all_ellipses_are_inside_the_frame():
    mixture, _ = mixture_of("full")
    axes = plot_components(mixture, deviations=[3.0])
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for ellipse in axes.patches:
        x, y = outline(ellipse)[::3].T
        assert left < x.min() < x.max() < right
        assert bottom < y.min() < y.max() < top


def test_names_of_features_are_on_the_axes():
    mixture, _ = mixture_of("diag")
    axes = plot_components(mixture, (2, 0), names=["a", "b", "$c$"])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$c$", "a")
    axes = plot_components(mixture, (2, 0))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("feature 2", "feature 0")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"features": (0, 0)}, r"`features` is \(0, 0\); expected two columns from 0 to 2"),
        ({"features": (0, 3)}, "expected two columns from 0 to 2"),
        ({"features": (-1, 0)}, "expected two columns from 0 to 2"),
        ({"features": "pca"}, "expected two columns from 0 to 2, or principal"),
        ({"names": ["a"]}, "`names` has 1 names; expected one for each of 3 features"),
        ({"deviations": [0.0]}, r"`deviations` is \[0.0\]; expected numbers above 0"),
        ({"deviations": [np.nan]}, "expected numbers above 0"),
    ],
)
def test_what_does_not_fit_a_mixture_is_refused(given, complaint):
    with pytest.raises(SettingError, match=complaint):
        plot_components(mixture_of("diag")[0], **given)


def test_a_mixture_of_one_feature_has_no_plane_and_other_rows_do_not_fit():
    with pytest.raises(SettingError, match="the mixture has one feature; a plane needs two"):
        plot_components(GaussianMixture([1.0], [[0.0]], [[1.0]]))
    with pytest.raises(MixtureError):
        plot_components(mixture_of("diag")[0], rows=[[0.0, 0.0]])


# the likelihood


@pytest.fixture(scope="module")
def trace():
    """The course of a fit of some iterations."""
    rows = np.random.default_rng(0).normal(size=(200, 2)) + np.repeat([[0.0], [5.0]], 100, axis=0)
    return fit_gmm(rows, 3, rng=np.random.default_rng(0))[1]


def test_the_line_has_the_likelihoods_of_the_trace(trace):
    axes = plot_likelihood(trace)
    assert axes.lines[0].get_xydata().tolist() == [[float(i), value] for i, value in enumerate(trace.log_likelihoods)]
    assert axes.get_legend() is None
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_hollow_end_and_triangles_say_what_happened(trace):
    done = plot_likelihood(replace(trace, converged=True, reseeded=()))
    assert done.lines[1].get_xdata().tolist() == []
    assert done.lines[2].get_markerfacecolor() == done.lines[0].get_color()
    stopped = plot_likelihood(replace(trace, converged=False, reseeded=((1, (0,)),)))
    assert stopped.lines[1].get_xydata().tolist() == [[1.0, trace.log_likelihoods[1]]]
    assert stopped.lines[2].get_markerfacecolor() == "white"


def test_several_fits_have_a_line_and_a_name_each(trace):
    axes = plot_likelihood({"_jazz$": trace, "rock": replace(trace, log_likelihoods=(1.0, 2.0))})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["_jazz$", "rock"]
    lines = axes.lines[::3]
    assert lines[1].get_ydata().tolist() == [1.0, 2.0]
    assert lines[0].get_color() != lines[1].get_color()
    with pytest.raises(SettingError, match="no trace"):
        plot_likelihood({})
