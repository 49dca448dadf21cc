"""Pictures of a report hold the report's numbers."""

import numpy as np
import pytest
from scipy.special import ndtri

from gmmaudio.canvas.look import shorten
from gmmaudio.errors import SettingError
from gmmaudio.evaluation import Similarity, make_report
from gmmaudio.evaluation.page import FEW_LABELS
from gmmaudio.names import named
from gmmaudio.pictures import (
    plot_confusion,
    plot_det,
    plot_learning_curve,
    plot_reliability,
    plot_risk_coverage,
    plot_similarity,
)
from gmmaudio.pictures.report_pictures import CONFUSION_LABELS, POOLED, REPORT_FIGURES, report_figures
from tests.evaluation.conftest import PROTOCOL, clip_of, example, report_of

pytest.importorskip("matplotlib")


def texts_of(ticks):
    return [text.get_text() for text in ticks]


def names_of(report):
    return [shorten(named(label)) for label in report.labels]


@pytest.fixture
def quick(monkeypatch):
    """Intervals from few draws."""
    monkeypatch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)


def test_the_shades_of_the_confusion_are_shares_of_rows_and_the_numbers_are_clips(report):
    axes = plot_confusion(report)
    (image,) = axes.images
    counts = report.confusion
    assert np.allclose(image.get_array(), counts / counts.sum(axis=1, keepdims=True))
    assert image.get_clim() == (0.0, 1.0)
    assert texts_of(axes.get_xticklabels()) == texts_of(axes.get_yticklabels()) == names_of(report)
    written = {text.get_position(): int(text.get_text()) for text in axes.texts}
    assert written == {(j, i): counts[i, j] for i, j in np.argwhere(counts)}


def test_a_label_without_clips_has_a_column_only(quick):
    axes = plot_confusion(report_of([("a", "c"), ("b", "b")], ["a", "b", "c"]))
    assert texts_of(axes.get_xticklabels()) == ["a", "b", "c"]
    assert texts_of(axes.get_yticklabels()) == ["a", "b"]
    assert axes.images[0].get_array().tolist() == [[0, 0, 1], [0, 1, 0]]


def test_numbers_stand_in_a_small_matrix_only_and_too_many_labels_are_refused(quick):
    labels = [f"l{i}" for i in range(CONFUSION_LABELS + 1)]
    right = [(label, label) for label in labels]
    assert len(plot_confusion(report_of(right[:FEW_LABELS], labels[:FEW_LABELS])).texts) == FEW_LABELS
    assert len(plot_confusion(report_of(right[: FEW_LABELS + 1], labels[: FEW_LABELS + 1])).texts) == 0
    with pytest.raises(SettingError, match="has 101 labels; a picture shows 100 at most"):
        plot_confusion(report_of(right, labels))


def test_det_curves_are_those_of_the_report_on_probit_axes(report):
    axes = plot_det(report)
    det = report.metrics.det
    assert texts_of(axes.get_legend().get_texts()) == [POOLED, *names_of(report)]
    assert len(axes.lines) == 1 + len(det)
    for line, (_, curve) in zip(axes.lines[1:], det, strict=True):
        inside = (curve.p_fa > 0) & (curve.p_fa < 1) & (curve.p_miss > 0) & (curve.p_miss < 1)
        assert np.allclose(line.get_xdata()[inside], ndtri(curve.p_fa[inside]))
        assert np.allclose(line.get_ydata()[inside], ndtri(curve.p_miss[inside]))
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx(ndtri([0.001, 0.9]))


def test_of_many_labels_only_the_pooled_curve_is_drawn(quick):
    axes = plot_det(example(FEW_LABELS + 1))
    assert texts_of(axes.get_legend().get_texts()) == [POOLED]


def test_the_reliability_diagram_has_the_bins_of_the_report(report):
    axes, bars = plot_reliability(report)
    curve = report.metrics.reliability
    known = curve.n > 0
    assert np.allclose(axes.lines[1].get_xydata(), np.column_stack([curve.confidence, curve.accuracy])[known])
    assert [bar.get_height() for bar in bars.patches] == curve.n.tolist()
    assert [bar.get_x() for bar in bars.patches] == pytest.approx(curve.edges[:-1])


def test_the_learning_curve_has_the_accuracy_by_hours_with_intervals(report):
    axes = plot_learning_curve(report)
    rows = sorted(report.slices["learning_curve"], key=lambda row: row.hours)
    assert axes.lines[0].get_xydata().tolist() == [[row.hours, row.accuracy] for row in rows]
    bars = [segment.tolist() for collection in axes.collections for segment in collection.get_segments()]
    assert bars == [[[row.hours, end] for end in row.interval] for row in rows if row.interval is not None]


def test_distances_on_the_map_are_those_of_the_labels(quick):
    plane = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 1.0], [5.0, 4.0]])
    distance = np.linalg.norm(plane[:, None] - plane, axis=2)
    given = Similarity(("a", "b", "c", "d"), distance, "furlongs")
    axes = plot_similarity(report_of([(label, label) for label in "abcd"], "abcd", similarity=given))
    points = axes.collections[0].get_offsets()
    shown = np.linalg.norm(points[:, None] - points, axis=2)
    assert np.allclose(shown / shown.max(), distance / distance.max())
    assert texts_of(axes.texts) == ["a", "b", "c", "d"]
    assert axes.get_title(loc="right") == "100 % of the variation"


def test_what_a_report_lacks_is_refused_by_name(quick):
    bare = make_report([clip_of(0, scores={}), clip_of(1, "b", "b", scores={})], ["a", "b"], PROTOCOL)
    for plot, complaint in (
        (plot_det, "has no scores"),
        (plot_reliability, "has no probabilities"),
        (plot_risk_coverage, "the report has decisions only, so it has no risk-coverage curve; give scores"),
        (plot_learning_curve, "has no learning curve; cross-validate with `learning_curve=True`"),
        (plot_similarity, "a map needs the distances between 3 to 100 labels; the report has 0"),
    ):
        with pytest.raises(SettingError, match=complaint):
            plot(bare)
    assert [name for name, _ in report_figures(bare)] == ["confusion"]


def test_all_pictures_of_a_report_are_figures(report):
    figures = dict(report_figures(report))
    assert tuple(figures) == REPORT_FIGURES
    assert [len(figure.axes) for figure in figures.values()] == [1, 1, 2, 1, 1, 1]


@pytest.mark.parametrize(
    ("plot", "n"),
    [(plot_confusion, 0), (plot_det, 0), (plot_reliability, 2), (plot_learning_curve, 0), (plot_similarity, 0)],
)
def test_axes_that_are_passed_are_drawn_on_and_returned(report, plot, n):
    from matplotlib.figure import Figure

    if n:
        given = tuple(Figure().subplots(n, 1))
        assert plot(report, given) == given
        with pytest.raises(SettingError, match=r"`axes` has 1 Axes; expected 2"):
            plot(report, given[:1])
    else:
        given = Figure().subplots()
        assert plot(report, given) is given
        assert given.has_data()
