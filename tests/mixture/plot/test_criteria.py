"""The lines of a selection are its criteria."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.mixture import select_gmm
from gmmaudio.mixture.plot import plot_selection
from gmmaudio.mixture.selection import CRITERIA

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def selection():
    """Two covariance types, numbers of components out of order."""
    rows = np.random.default_rng(0).normal(size=(90, 2)) + np.repeat([[0.0], [4.0], [8.0]], 30, axis=0)
    return select_gmm(rows, [3, 1, 2], ["full", "spherical"])


@pytest.mark.parametrize("criterion", [None, *CRITERIA])
def test_a_line_has_the_criterion_of_a_covariance_type(selection, criterion):
    axes = plot_selection(selection, criterion)
    name = criterion or "bic"
    lines = [line for line in axes.lines if len(line.get_xdata()) > 1]
    for line, covariance_type in zip(lines, ["full", "spherical"], strict=True):
        expected = {c.n_components: getattr(c, name) for c in selection.rows if c.covariance_type == covariance_type}
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert dict(line.get_xydata().tolist()) == expected
    best = selection.best(name)
    assert axes.lines[-1].get_xydata().tolist() == [[best.n_components, getattr(best, name)]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["full", "spherical"]
    assert ("higher is better" in axes.get_ylabel()) == (name == "held_out")
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_fit_that_did_not_converge_is_hollow(selection):
    rows = tuple(replace(row, converged=row.n_components != 2) for row in selection.rows)
    marks = [line for line in plot_selection(replace(selection, rows=rows)).lines if len(line.get_xdata()) == 1][:-1]
    hollow = {float(mark.get_xdata()[0]) for mark in marks if mark.get_markerfacecolor() == "white"}
    assert hollow == {2.0}
    assert len(marks) == 6


def test_the_default_is_the_criterion_of_the_selection(selection):
    axes = plot_selection(replace(selection, criterion="icl"))
    assert axes.get_ylabel() == "ICL (lower is better)"


def test_a_criterion_that_was_not_computed_is_refused(selection):
    with pytest.raises(SettingError, match="criterion"):
        plot_selection(selection, "wic")
    with pytest.raises(SettingError, match="held_out"):
        plot_selection(select_gmm([[0.0], [1.0], [3.0]], [1], held_out=0), "held_out")


def test_axes_that_are_passed_are_drawn_on(selection):
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.subplots()
    assert plot_selection(selection, axes=axes) is axes


def test_a_held_out_likelihood_has_its_interval_and_other_criteria_have_none(selection):
    drawn = plot_selection(selection, "held_out").collections
    expected = [
        list(c.held_out_interval) for c in sorted(selection.rows, key=lambda c: (c.covariance_type, c.n_components))
    ]
    assert [line.get_segments()[0][:, 1].tolist() for line in drawn] == expected
    assert not plot_selection(selection, "bic").collections
    none = replace(selection, rows=tuple(replace(row, held_out_interval=None) for row in selection.rows))
    assert not plot_selection(none, "held_out").collections
