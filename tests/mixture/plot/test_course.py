"""The likelihood by iteration, and the frames of an animation: what they show is what EM did."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.errors import MixtureError, SettingError
from gmmaudio.mixture import GaussianMixture, fit_gmm
from gmmaudio.mixture.plot import animate_em, plot_mixture, plot_trace

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def trace():
    """The course of a fit of some iterations."""
    rows = np.random.default_rng(0).normal(size=(200, 2)) + np.repeat([[0.0], [5.0]], 100, axis=0)
    return fit_gmm(rows, 3, rng=np.random.default_rng(0))[1]


def test_the_line_has_the_likelihoods_of_the_trace(trace):
    axes = plot_trace(trace)
    assert axes.lines[0].get_xydata().tolist() == [[float(i), value] for i, value in enumerate(trace.log_likelihoods)]
    assert axes.get_legend() is None
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_hollow_end_and_triangles_say_what_happened(trace):
    done = plot_trace(replace(trace, converged=True, reseeded=()))
    assert done.lines[1].get_xdata().tolist() == []
    assert done.lines[2].get_markerfacecolor() == done.lines[0].get_color()
    stopped = plot_trace(replace(trace, converged=False, reseeded=((1, (0,)),)))
    assert stopped.lines[1].get_xydata().tolist() == [[1.0, trace.log_likelihoods[1]]]
    assert stopped.lines[2].get_markerfacecolor() == "white"


def test_several_fits_have_a_line_and_a_name_each(trace):
    axes = plot_trace({"_jazz$": trace, "rock": replace(trace, log_likelihoods=(1.0, 2.0))})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["_jazz$", "rock"]
    lines = axes.lines[::3]
    assert lines[1].get_ydata().tolist() == [1.0, 2.0]
    assert lines[0].get_color() != lines[1].get_color()
    with pytest.raises(SettingError, match="no trace"):
        plot_trace({})


# the animation


@pytest.fixture(scope="module")
def fitted():
    """Rows of two clusters, and the steps of two fits to them."""
    rows = np.random.default_rng(0).normal(size=(60, 2)) + np.repeat([[0.0], [4.0]], 30, axis=0)
    steps = []
    fit_gmm(rows, 2, init="random", n_init=2, rng=np.random.default_rng(0), max_iter=6, callback=steps.append)
    return rows, steps


def frames_of(animation):
    """Return the indices of all frames of an animation."""
    return list(animation.new_frame_seq())


def show(animation, i):
    """Draw a frame, and return both Axes."""
    # matplotlib warns of an animation that was never drawn
    animation._draw_was_started = True
    animation._draw_frame(i)
    return animation._fig.axes


def test_there_is_a_frame_for_each_step(fitted):
    rows, steps = fitted
    animation = animate_em(rows, steps)
    assert frames_of(animation) == list(range(len(steps)))
    for i, step in enumerate(steps):
        picture, likelihood = show(animation, i)
        assert picture.get_title() == f"start {step.start}, iteration {step.iteration}"
        assert likelihood.lines[-1].get_xydata().tolist() == [[step.iteration, step.log_likelihood]]
        expected = plot_mixture(step.mixture)
        assert [e.center for e in picture.patches] == [e.center for e in expected.patches]
        assert [e.width for e in picture.patches] == [e.width for e in expected.patches]
        (points,) = picture.collections
        assert np.array_equal(points.get_offsets(), rows)
        assert len(likelihood.lines) == step.start + 2


def test_the_likelihood_of_a_frame_goes_up_to_its_step(fitted):
    rows, steps = fitted
    first = [step for step in steps if step.start == 0]
    animation = animate_em(rows, first)
    for i in (0, 2, len(first) - 1):
        line = show(animation, i)[1].lines[0]
        assert line.get_xydata().tolist() == [[step.iteration, step.log_likelihood] for step in first[: i + 1]]


def test_limits_are_those_of_all_frames_and_frames_may_be_drawn_in_any_order(fitted):
    rows, steps = fitted
    animation = animate_em(rows, steps)
    limits = {tuple(axes.get_xlim() + axes.get_ylim()) for i in (0, 5, 2) for axes in show(animation, i)}
    assert len(limits) == 2
    assert len(show(animation, 0)[0].collections) == 1


def test_one_feature_is_drawn_as_its_density(fitted):
    rows, steps = fitted
    animation = animate_em(rows, steps, 1, names=["a", "b"])
    picture, _ = show(animation, 3)
    assert (picture.get_xlabel(), picture.get_ylabel()) == ("b", "density")
    assert np.array_equal(picture.lines[-1].get_ydata(), plot_mixture(steps[3].mixture, rows, 1).lines[-1].get_ydata())


def test_a_mixture_is_where_em_starts(fitted):
    rows, _ = fitted
    start = GaussianMixture([0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], np.array([1.0, 2.0]), "spherical")
    animation = animate_em(rows, start)
    steps = []
    fit_gmm(rows, 2, covariance_type="spherical", init=start, callback=steps.append)
    assert frames_of(animation) == list(range(len(steps)))
    picture, _ = show(animation, len(steps) - 1)
    assert [e.center for e in picture.patches[::2]] == [tuple(mean) for mean in steps[-1].mixture.means.tolist()]


def test_the_interval_is_that_of_the_animation_and_axes_are_those_that_are_passed(fitted, tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    image = pytest.importorskip("PIL.Image")
    rows, steps = fitted
    figure, axes = pyplot.subplots(1, 2, figsize=(3, 2))
    animation = animate_em(rows, steps[:3], interval_ms=200, axes=axes)
    assert animation._fig is figure
    animation.save(tmp_path / "em.gif", writer="pillow", dpi=40)
    pyplot.close(figure)
    with image.open(tmp_path / "em.gif") as shown:
        assert shown.n_frames == 3
        assert shown.info["duration"] == 200


@pytest.mark.parametrize(
    ("steps", "given", "complaint"),
    [
        ([], {}, "there are no steps of EM; collect them with `callback=steps.append`, or pass a mixture"),
        (None, {"features": (0, 0)}, "expected different columns"),
        (None, {"names": ["a"]}, "`names` has 1 names"),
        (None, {"axes": [1]}, r"`axes` has shape \(1,\); expected \(2,\)"),
        (None, {"interval_ms": 0}, "`interval_ms` is 0; expected a number of milliseconds above 0"),
    ],
)
def test_what_cannot_be_animated_is_refused(fitted, steps, given, complaint):
    with pytest.raises(SettingError, match=complaint):
        animate_em(fitted[0], fitted[1] if steps is None else steps, **given)


def test_more_than_two_features_cannot_be_animated_and_other_rows_do_not_fit(fitted):
    wide = GaussianMixture([1.0], np.zeros((1, 3)), np.ones((1, 3)))
    with pytest.raises(SettingError, match="the mixture has more than two features; name one or two by `features`"):
        animate_em(np.eye(3), wide)
    with pytest.raises(MixtureError):
        animate_em(np.eye(3), fitted[1])
    with pytest.raises(MixtureError, match="row 0, column 1 is inf; rows must be finite"):
        animate_em([[0.0, np.inf]], fitted[1])
