"""Plots of a report: elements of a page, names as text, colours of the page; the map of labels."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from gmmaudio.canvas.look import SERIES, line_look, shorten
from gmmaudio.evaluation import (
    Similarity,
    render_html,
)
from gmmaudio.evaluation.page import FEW_LABELS
from gmmaudio.evaluation.plots import (
    PAGE,
    classical_mds,
    det_plot,
    learning_plot,
    map_plot,
    reliability_plot,
    risk_coverage_plot,
)
from gmmaudio.names import named
from tests.evaluation.conftest import HOSTILE, example, page_of, report_of

pytestmark = pytest.mark.usefixtures("quick")


def similar(distance, labels="abcd"):
    """Return the page of a report whose labels are as far apart as given."""
    given = Similarity(tuple(labels), np.array(distance, dtype=np.float64), "furlongs")
    return page_of(report_of([(label, label) for label in labels], labels, similarity=given))


def test_points_of_a_plane_are_found_again_from_their_distances():
    points = np.random.default_rng(0).normal(size=(12, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    found, share = classical_mds(distance)
    # float64, twelve points of size 1
    assert np.allclose(np.linalg.norm(found[:, None] - found, axis=2), distance, atol=1e-9)
    assert share == pytest.approx(1.0, abs=1e-9)
    assert np.ptp(found[:, 0]) > np.ptp(found[:, 1])
    assert np.allclose(found.mean(axis=0), 0.0, atol=1e-9)


def test_labels_all_as_far_from_one_another_have_a_plane_that_shows_two_axes_of_n_minus_1():
    for n in (3, 5, 9):
        found, share = classical_mds(1.0 - np.eye(n))
        assert share == pytest.approx(2 / (n - 1), abs=1e-9)
        assert found.shape == (n, 2)


def test_labels_in_one_place_are_on_one_point(plotted):
    found, share = classical_mds(np.zeros((4, 4)))
    assert (found == 0).all()
    assert share == 1.0
    assert map_plot(list("abcd"), found).count("<text") == 4


@pytest.mark.parametrize(("n_labels", "n_curves"), [(FEW_LABELS, FEW_LABELS + 1), (FEW_LABELS + 1, 1)])
def test_each_of_a_few_labels_has_a_curve_and_of_many_only_all_together(plotted, monkeypatch, n_labels, n_curves):
    monkeypatch.setattr("gmmaudio.evaluation.page.DET_CLIPS", 1)
    report = example(n_labels)
    page = page_of(report)
    known = ["all labels pooled", *report.labels]
    drawn = render_html(report, "t").partition('class="plot det"')[2].partition("</svg>")[0]
    assert [name in drawn for name in known] == [True] + [n_curves > 1] * n_labels
    assert ("Only the curve of all labels pooled is drawn." in page.text) == (n_curves == 1)
    assert [row[0] for row in page.rows("Miss rate, by false-alarm rate")] == known


def test_every_name_is_escaped_in_a_legend_too(plotted, monkeypatch):
    monkeypatch.setattr("gmmaudio.evaluation.page.DET_CLIPS", 1)
    page = page_of(example(names=HOSTILE[:FEW_LABELS], probabilities=False))
    legend = page.drawn[page.drawn.index("all labels pooled") + 1 :][:FEW_LABELS]
    assert sorted(legend) == sorted(shorten(named(name)) for name in HOSTILE[:FEW_LABELS])


# --- plots -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(plotted):
    """Every plot of a report with nine labels, by its class."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
        report = example(9, full=True)
    det, curve = report.metrics.det, report.metrics.reliability
    return {
        "det": det_plot([label or "all labels pooled" for label, _ in det], [curve for _, curve in det]),
        "reliability": reliability_plot(curve),
        "risk": risk_coverage_plot(report.metrics.risk_coverage, (0.9, 0.2)),
        "learning": learning_plot(report.slices["learning_curve"]),
        "map": map_plot(list(report.labels), classical_mds(report.similarity.distance)[0]),
    }


def tree_of(svg):
    """Return an SVG element, parsed."""
    return ElementTree.fromstring(svg)  # noqa: S314


@pytest.mark.parametrize("key", ["det", "reliability", "risk", "learning", "map"])
def test_a_plot_is_an_element_with_a_name_and_nothing_of_its_own_outside(drawn, key):
    root = tree_of(drawn[key])
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"].strip()
    assert root.attrib["class"] == f"plot {key}"
    assert set(root.attrib) == {"role", "aria-label", "class", "viewBox"}
    assert {element.tag for element in root.iter()} <= {"svg", "g", "path", "defs", "use", "text", "clipPath", "rect"}
    ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}
    assert all(name.startswith(f"{key}-") for name in ids)
    assert "://" not in drawn[key]
    assert "font-family" not in drawn[key]
    # all that is black or grey is the page's own colour
    assert not re.search(r"#0[0-9a-f]0[0-9a-f]0[0-9a-f]\b", drawn[key])
    assert "var(--" in drawn[key]
    assert len(drawn[key]) < 60_000


def test_the_text_of_plots_stays_text(drawn):
    texts = [element.text for element in tree_of(drawn["det"]).iter("text")]
    assert {"misses, %", "false alarms, %", "all labels pooled", "a-label 0", "i-label 8"} <= set(texts)
    assert [e.text for e in tree_of(drawn["map"]).iter("text")] == [f"{'abcdefghi'[i]}-label {i}" for i in range(9)]


def test_lines_can_be_told_apart_and_seen_in_light_and_dark():
    css = render_html(report_of([("a", "a")]), "t")
    light, dark = re.findall(r"--card: (#\w{6})", css)[:2]
    assert luminance(light) > 0.9 > 0.1 > luminance(dark)
    for colour in SERIES:
        for card in (light, dark):
            # WCAG 2.2, 1.4.11: graphical objects have 3:1
            high, low = sorted((luminance(colour), luminance(card)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, card)
    looks = {tuple(map(str, line_look(i, PAGE).values())) for i in range(FEW_LABELS + 1)}
    assert len(looks) == FEW_LABELS + 1


def luminance(colour):
    """Return the relative luminance of #rrggbb, as WCAG defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_names_on_a_map_stand_apart_where_there_is_room(plotted):
    points = np.array([[0, 0], [0.01, 0], [1, 0], [0, 1], [0.99, 1], [1, 1]], dtype=np.float64)
    texts = list(tree_of(map_plot(["a name here"] * 6, points)).iter("text"))
    boxes = []
    for text in texts:
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        # eleven letters of about 6 units; a line of 10
        anchor = re.search(r"text-anchor: (\w+)", text.attrib["style"])
        left = x - 60 * {"start": 0, "middle": 0.5, "end": 1}[anchor[1] if anchor else "start"]
        boxes.append((left, y, left + 60, y + 9))
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)


def test_a_long_name_is_shortened_in_plots_only(plotted):
    name = "n" * 300
    page = page_of(report_of([(name, name), ("b", "c"), ("c", "c")], [name, "b", "c"]))
    assert "n" * 17 + "…" in page.drawn
    assert name not in page.drawn
    assert page.rows("Metrics per label")[0][0] == name


def test_matplotlib_is_imported_for_plots_only_and_pyplot_never(plotted):
    program = (
        "import sys; from gmmaudio.evaluation import plots, render_html; assert 'matplotlib' not in sys.modules;"
        "plots.map_plot(['a'], plots.np.zeros((1, 2))); assert 'matplotlib' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
