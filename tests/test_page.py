"""The report as a page: what it shows, that it needs nothing else, and that no name can be more than text."""

import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from gmmaudio.evaluation import (
    FailedInput,
    Protocol,
    ScoredClip,
    Similarity,
    make_report,
    make_slice,
    plots,
    printable,
    render_html,
)
from gmmaudio.evaluation.detection import FALSE_ALARMS
from gmmaudio.evaluation.page import FEW_LABELS, N_CONFUSIONS, named
from gmmaudio.evaluation.plots import classical_mds, det_plot, learning_plot, map_plot, reliability_plot, shorten
from gmmaudio.findings import LEVELS, Finding

HOSTILE = (
    "<img src=x onerror=document.title='pwned'>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><style>*{background:url(http://evil.example/x)}",
    "</title></pre></details><h1>owned</h1>",
    "{{7*7}} {% for i in range(9) %}x{% endfor %}",
    "&lt;b&gt; & <!-- ]]> <script>alert(1)</script>",
    "$\\frac{1}{0$ $x^$",
    "w001nnn",
    "javascript:alert(1)",
    "a\u202egnp.wav\u2066",
    "a\nb\r\x00\x1b[31m\x07",
    "a\udcff.wav",
    "日本語 ไทย العربية 🎵",
    "long " * 60,
    "x" * 300,
    "",
    "items",
)
PROTOCOL = Protocol(
    scheme="5 folds by group",
    group_by="group",
    seed=7,
    folds=("0", "1"),
    repeats=1,
    scored_labels=("a", "b"),
    unscored_labels=(),
    settings={"features": {"n_mfcc": 20}},
    versions={"gmmaudio": "1.2.3", "numpy": "9.9"},
    command="gmmaudio crossval corpus",
)


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    """Intervals from few draws, for it is looked at how they are shown; no matplotlib but where plots are looked at."""
    monkeypatch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
    if "plotted" not in request.fixturenames:
        monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture(scope="module")
def plotted():
    """Pages have plots."""
    pytest.importorskip("matplotlib")


def clip_of(i, label="a", predicted="a", **changed):
    """Return a prediction whose score for the label given is 1 above the others."""
    known = {
        "name": f"{i}.wav",
        "paths": (f"{i}.wav",),
        "label": label,
        "group": f"g{i}",
        "unit": f"g{i}",
        "source": None,
        "fold": "0",
        "repeat": 0,
        "predicted": predicted,
        "scores": {label: -2.0} | {predicted: -1.0},
    }
    return ScoredClip(**(known | changed))


def report_of(pairs, labels="ab", **rest):
    """Return the report of (true, predicted) pairs."""
    clips = [clip_of(i, true, predicted) for i, (true, predicted) in enumerate(pairs)]
    return make_report(clips, list(labels), PROTOCOL, **rest)


def example(n_labels=3, names=None, *, probabilities=True, full=False, repeats=1, seed=0):
    """Return a report of random predictions, most of them right; with all parts that a report may have."""
    labels = list(names or (f"{'abcdefghij'[i % 10]}-label {i}" for i in range(n_labels)))
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(len(labels), 8))
    places = [(repeat, i, j) for repeat in range(repeats) for i in range(len(labels)) for j in range(10 + i % 4)]
    clips = [random_clip(labels, means, *place, rng, probabilities) for place in places]
    protocol = replace(
        PROTOCOL,
        repeats=repeats,
        folds=tuple("01234"),
        scored_labels=tuple(labels),
        settings={"features": {"n_mfcc": 20}, "labels": labels},
        machine="x86_64, Linux",
        model_sha256="0123456789abcdef" * 4,
        began="2026-01-02T03:04:05Z",
        seconds=12.3,
    )
    return make_report(clips, labels, protocol, **(all_parts(clips, labels) if full else {}))


def random_clip(labels, means, repeat, i, j, rng, probabilities):
    """Return a clip whose scores are log densities of Gaussians, one for each label."""
    point = means[i] + 0.9 * rng.normal(size=means.shape[1])
    scores = -((point - means) ** 2).sum(axis=1) / 1.6
    shares = np.exp(scores - scores.max())
    label = labels[i]
    file = f"{label}/{j:02d}.wav"
    return ScoredClip(
        name=f"{i}-{j}",
        paths=(file, f"{label}/more.wav") if j == 3 else (file,),
        label=label,
        group=f"artist {i}.{j // 2} {label}" if j else None,
        unit=f"{i}.{j // 2}",
        source=("radio", "phone")[j % 2],
        fold=str(j % 5),
        repeat=repeat,
        predicted=labels[int(scores.argmax())],
        scores=dict(zip(labels, scores.tolist(), strict=True)),
        probability=dict(zip(labels, (shares / shares.sum()).tolist(), strict=True)) if probabilities else None,
        duration_s=float(1 + 7 * (j % 6)),
    )


def all_parts(clips, labels):
    """Return what a report may have besides clips."""
    some = clips[::2]
    worse = make_slice("babble, 10 dB", some, difference=-0.125, difference_interval=(-0.2, 0.03))
    return {
        "findings": [
            Finding("a_gap", "alarm", "label and source are confounded for every label"),
            *(Finding("a_text", "information", label) for label in labels[:3]),
            Finding("a_check", "passed", "no group is on both sides of a split", labels[0]),
        ],
        "failed": [FailedInput(f"{labels[0]}/gone.wav", "vanished", f"no such file: {labels[0]}")],
        "slices": {
            f"{labels[0]} by hand": [make_slice(name, some) for name in labels[:3]],
            "random_split": [make_slice("by group", clips), make_slice("random", some, difference=0.1)],
            "learning_curve": [make_slice(f"{k} of 5", clips[k::5], hours=0.4 * k) for k in (1, 2, 4)],
            "durations": [make_slice("3 s", some), make_slice("10 s", clips)],
            "robustness": [make_slice("clean", clips), worse],
        },
        "run": {"folds": 5},
    }


VOID = {"meta"}
# tags that load nothing and run nothing
HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "div", "p", "h1", "h2"),
    *("h3", "span", "small", "strong", "pre", "code", "a", "bdi", "details", "summary", "dl", "dt", "dd", "ul", "li"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
DRAWN = {"svg", "g", "path", "defs", "use", "text", "clippath", "rect"}


class Page(HTMLParser):
    """Reads a page as a browser would: tags, attributes, text, sections, and the cells of every table by caption."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.headings = [], [], [], []
        self.tables, self.items, self.styles, self.text, self.caption = {}, [], "", "", ""
        self.drawn = []
        self.feed(text)
        self.close()
        assert self.open == [], "a tag is not closed"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.tables.setdefault(self.caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self.caption][-1].append("")
        elif tag == "li":
            self.items.append("")
        elif re.fullmatch(r"h\d", tag):
            self.headings.append((tag, ""))
        elif tag == "text":
            self.drawn.append("")

    def handle_endtag(self, tag):
        assert self.open, f"a stray </{tag}>"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            self.styles += data
            return
        self.text += data
        if self.open[-1:] == ["caption"]:
            self.caption += data
        elif re.fullmatch(r"h\d", self.open[-1] if self.open else ""):
            tag, words = self.headings[-1]
            self.headings[-1] = (tag, words + data)
        elif self.open[-1:] == ["text"]:
            self.drawn[-1] += data
        elif "small" in self.open:
            return
        elif {"td", "th"} & set(self.open):
            self.tables[self.caption][-1][-1] += data
        elif "li" in self.open:
            self.items[-1] += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def rows(self, caption):
        """Return the cells of a table below its head."""
        return self.tables[caption][1:]

    def values(self, tag, name):
        """Return an attribute of all tags of a kind."""
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


def page_of(report, title="Cross-validation of corpus"):
    """Return a page that was checked to be self-contained and without scripts."""
    text = render_html(report, title)
    text.encode("utf-8")
    page = Page(text)
    assert set(page.tags) <= HARMLESS | DRAWN
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name, value)
        assert name not in ("src", "srcset", "action", "background", "data", "poster"), (tag, name, value)
        if name.endswith("href"):
            assert re.fullmatch(r"#[\w-]+", value), value
        if name == "style" and tag not in DRAWN:
            assert re.fullmatch(r"--rate:[01]\.\d{3}", value), value
        if name == "style":
            assert not re.search(r"url\((?!#)", value), value
    assert not re.search(r"url\(|@import|expression|//", page.styles)
    assert page.values("meta", "http-equiv") == ["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in page.values("meta", "content")
    assert all(c.isprintable() or c == "\n" for c in text)
    return page


# --- the whole -------------------------------------------------------------------------------------------------------


def test_a_page_shows_figures_title_and_protocol():
    failed = [FailedInput("gone.wav", "decode", "no sound in it")]
    report = report_of(
        [("a", "a")] * 3 + [("b", "a")], findings=[Finding("a_gap", "alarm", "mind the gap")], failed=failed
    )
    page = page_of(report)
    low, high = report.intervals["accuracy"]
    for words in (
        "Cross-validation of corpus",
        "75.0 %",
        f"{100 * low:.1f} to {100 * high:.1f} %",
        f"{100 * report.metrics.values['macro_f1']:.1f} %",
        "1 input failed",
        "2 labels",
        PROTOCOL.scheme,
        PROTOCOL.command,
        "gmmaudio 1.2.3, numpy 9.9",
        '"n_mfcc": 20',
    ):
        assert words in page.text, words
    assert page.rows("Inputs that failed") == [["gone.wav", "decode", "no sound in it"]]


def test_a_page_of_a_full_report_has_all_parts_in_order_and_leads_to_each():
    page = page_of(example(full=True, repeats=2))
    keys = [
        "checks",
        "repeats",
        "confusion",
        "labels",
        "scores",
        "slices",
        "mistakes",
        "similarity",
        "failed",
        "run",
    ]
    assert page.values("section", "id") == keys
    assert page.values("a", "href") == [f"#{key}" for key in keys]
    for words in (
        "gmmaudio reproduce FILE.json",
        "0123456789abcdef" * 4,
        "x86_64, Linux",
        "2026-01-02T03:04:05Z",
        "12.3 s",
    ):
        assert words in page.text, words


def test_a_page_of_a_bare_report_leaves_out_what_there_is_not():
    page = page_of(report_of([("a", "a")] * 12))
    assert page.values("section", "id") == ["checks", "confusion", "labels", "scores", "mistakes", "run"]
    assert "None: every clip was named rightly." in page.text
    assert "every input was scored" in page.text
    for words in ("Read these first", "no interval", "reproduce", "failed,", "Most frequent confusions", "Looked for"):
        assert words not in page.text, words
    one_group = page_of(make_report([clip_of(0), clip_of(1, unit="g0")], ["a"], PROTOCOL))
    assert one_group.text.count("no interval: fewer than two groups") >= 2


@pytest.mark.parametrize("n_labels", [1, 2, 3, FEW_LABELS, FEW_LABELS + 1, 50])
def test_a_page_is_sound_html_with_one_h1_headings_in_order_and_named_tables(plotted, n_labels):
    page = page_of(example(n_labels, full=n_labels >= 3))
    levels = [int(tag[1]) for tag, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(words.strip() for _, words in page.headings)
    assert page.values("html", "lang") == ["en"]
    assert page.tags.count("table") == page.tags.count("caption")
    assert page.tags.count("th") == len(page.values("th", "scope"))
    # what scrolls can be reached by keyboard, and has a name of its own
    regions = page.values("div", "aria-label")
    assert len(regions) == len(set(regions)) == page.values("div", "role").count("region")
    assert page.values("div", "tabindex") == ["0"] * len(regions)


def test_ids_are_unique_and_every_reference_is_to_one(plotted):
    page = page_of(example(9, full=True))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    text = " ".join(value for _, _, value in page.attributes if value)
    used = {value[1:] for _, name, value in page.attributes if name == "href"} | set(re.findall(r"url\(#(.*?)\)", text))
    assert used <= set(ids)
    assert len(used) > 10


def test_the_same_report_is_the_same_page_whatever_the_users_matplotlib_is_set_to(plotted):
    import matplotlib

    report = example(3, full=True)
    page = render_html(report, "t")
    with matplotlib.rc_context({"font.size": 31, "xtick.labelsize": 31, "svg.fonttype": "path", "svg.hashsalt": "x"}):
        before = dict(matplotlib.rcParams)
        assert render_html(report, "t") == page
        assert dict(matplotlib.rcParams) == before


def test_warnings_stand_first_then_information_then_checks_passed():
    findings = [
        Finding("a_check", "passed", "no gap elsewhere"),
        Finding("a_step", "information", "there is a step"),
        Finding("a_hole", "warning", "mind the hole", "jump"),
        Finding("a_gap", "alarm", "mind the gap", "jump"),
    ]
    page = page_of(report_of([("a", "a")] * 12, findings=findings))
    assert page.headings[1:4] == [("h2", "Read these first"), ("h3", "Information"), ("h3", "Checks passed")]
    assert page.items[-4:] == [
        "Alarm: mind the gap; jump",
        "mind the hole; jump",
        "there is a step",
        "no gap elsewhere",
    ]
    quiet = page_of(report_of([("a", "a")] * 12))
    assert quiet.headings[1] == ("h2", "Checks")
    assert "Nothing was found that may make these metrics wrong." in quiet.text


def test_repeats_have_their_spread():
    clips = [clip_of(i, "a", "a" if i < 2 + r else "b", repeat=r) for r in range(3) for i in range(4)]
    page = page_of(make_report(clips, ["a", "b"], replace(PROTOCOL, repeats=3)))
    assert page.rows("Least, mean and largest of the repeats")[0] == [
        "accuracy",
        "50.0 %",
        "75.0 %",
        "100.0 %",
        "25.0 points",
    ]
    assert [row[:3] for row in page.rows("Figures of every repeat")] == [
        ["7", "4", "50.0 %"],
        ["8", "4", "75.0 %"],
        ["9", "4", "100.0 %"],
    ]
    assert "12 predictions in 3 repeats" in page.text
    assert "summed over 3 repeats" in page.text
    assert "7 to 9" in page.text


def test_labels_that_were_not_scored_are_listed():
    report = make_report([clip_of(0)], ["a", "rare"], replace(PROTOCOL, unscored_labels=("rare",)))
    assert (
        "rare (candidates, or labels the model does not know, without a clip that could be scored)"
        in page_of(report).text
    )


# --- confusion -------------------------------------------------------------------------------------------------------


def test_a_small_matrix_has_counts_and_per_cent():
    pairs = [("a", "a")] * 3 + [("a", "b")] + [("b", "c")] * 12
    page = page_of(report_of(pairs, "abc"))
    # a label without clips has a column and no row
    assert page.tables["Clips, and per cent of the row"] == [
        ["true \\ called", "a", "b", "c", "n"],
        ["a", "3", "1", "·", "4"],
        ["b", "·", "·", "12", "12"],
    ]
    assert "Labels without clips have a column only." in page.text
    assert "75 %" in page.text


@pytest.mark.parametrize("n_labels", [1, 3, FEW_LABELS, FEW_LABELS + 1, 50])
def test_no_count_of_the_matrix_is_lost(n_labels):
    report = example(n_labels, probabilities=False)
    page = page_of(report)
    large = n_labels > FEW_LABELS
    head, *rows = page.tables["Clips" if large else "Clips, and per cent of the row"]
    assert head[1:-1] == [row[0] for row in rows] == list(report.labels)
    none = "" if large else "·"
    shown = [[0 if cell == none else int(cell) for cell in row[1:]] for row in rows]
    assert [row[:-1] for row in shown] == report.confusion.tolist() == report.to_dict()["confusion"]
    assert [row[-1] for row in shown] == report.confusion.sum(axis=1).tolist()


def test_a_square_of_a_large_matrix_says_all_in_its_title():
    labels = [f"l{i}" for i in range(FEW_LABELS + 1)]
    page = page_of(report_of([("l0", "l0")] * 3 + [("l0", "l7")], labels))
    assert page.values("td", "title") == ["l0 called l0: 3 of 4, 75.0 %", "l0 called l7: 1 of 4, 25.0 %"]


def test_most_frequent_confusions_come_first_and_of_equal_ones_the_greater_share():
    pairs = [("a", "b")] * 2 + [("a", "a")] * 8 + [("b", "c")] * 2 + [("c", "a")] * 5 + [("c", "c")] * 5
    page = page_of(report_of(pairs, "abc"))
    assert page.rows("Most frequent confusions") == [
        ["c", "a", "5", "50.0 %"],
        ["b", "c", "2", "100.0 %"],
        ["a", "b", "2", "20.0 %"],
    ]


def test_of_many_confusions_the_first_are_listed_and_all_are_counted():
    labels = [f"l{i}" for i in range(N_CONFUSIONS + 5)]
    page = page_of(report_of(list(itertools.pairwise(labels)), labels))
    assert len(page.rows("Most frequent confusions")) == N_CONFUSIONS
    assert f"The first {N_CONFUSIONS} of {N_CONFUSIONS + 4} pairs" in page.text


# --- figures ---------------------------------------------------------------------------------------------------------


def test_the_table_of_labels_has_their_figures():
    report = report_of([("a", "a")] * 3 + [("a", "b")], "abc")
    assert page_of(report).tables["Figures per label"] == [
        ["label", "precision", "recall", "F1", "n"],
        ["a", "100.0 %", "75.0 %", "85.7 %", "4"],
        ["b", "0.0 %", "–", "–", "0"],
        ["c", "–", "–", "–", "0"],
    ]
    report = example(3)
    table = page_of(report).tables["Figures per label"]
    assert table[0][-2:] == ["EER", "min DCF"]
    for label, *_, eer, min_dcf in table[1:]:
        row = report.per_label[label]
        assert (eer, min_dcf) == (f"{100 * row['eer']:.1f} %", f"{row['min_dcf']:.3f}")


def test_every_figure_is_on_the_page_with_its_interval_and_a_meaning():
    report = example(4)
    values, intervals = report.metrics.values, report.intervals
    report = replace(report, metrics=replace(report.metrics, values={**values, "new_one": 0.5, "lost": None}))
    rows = {name: rest for name, *rest in page_of(report).rows("Metrics from scores")}
    assert rows["Pooled EER"][0] == f"{100 * values['eer']:.1f} %"
    assert rows["Cavg"][:2] == [f"{values['cavg']:.3f}", "{:.3f} to {:.3f}".format(*intervals["cavg"])]
    assert rows["min Cllr"][0] == f"{values['min_cllr']:.3f} bits"
    assert rows["Log-loss"][0] == f"{values['log_loss']:.3f} nats"
    assert rows["Top-2 accuracy"][0] == f"{100 * values['top_2_accuracy']:.1f} %"
    assert (rows["new_one"][0], rows["lost"][0]) == ("0.500", "–")
    # three are in the headline
    assert len(rows) == len(values) + 2 - 3
    assert all(len(row[-1]) > 10 for name, row in rows.items() if name not in ("new_one", "lost"))


def test_the_page_says_what_the_figures_were_computed_from(plotted):
    with_probabilities, with_scores = page_of(example(3)), page_of(example(3, probabilities=False))
    only = [clip_of(i, label, "a", scores={}) for i, label in enumerate("aab")]
    with_decisions = page_of(make_report(only, ["a", "b"], PROTOCOL))
    assert "Computed from probabilities." in with_probabilities.text
    assert "not calibrated" in with_scores.text
    assert "No diagram: it needs probabilities" in with_scores.text
    assert "Only decisions are known" in with_decisions.text
    assert "reliability" not in " ".join(v for v in with_scores.values("svg", "class"))
    assert with_decisions.values("svg", "class") == []
    assert "Metrics from scores" not in with_decisions.tables
    assert with_decisions.rows("Most confident mistakes")[0][3:5] == ["–", "–"]


def test_the_numbers_of_the_det_plot_are_the_least_misses_that_the_false_alarms_allow():
    report = example(3)
    head, *rows = page_of(report).tables["Misses, at the most false alarms allowed"]
    assert head == ["curve", "1.0 %", "2.0 %", "5.0 %", "10.0 %", "20.0 %", "40.0 %"]
    assert [row[0] for row in rows] == ["all labels pooled", *report.labels]
    assert [label for label, _ in report.metrics.det] == [None, *report.labels]
    clips = report.clips
    targets = np.array([np.log(clip.probability[clip.label] / (1 - clip.probability[clip.label])) for clip in clips])
    others = np.array([np.log(p / (1 - p)) for c in clips for label, p in c.probability.items() if label != c.label])
    for limit, shown in zip(FALSE_ALARMS, rows[0][1:], strict=True):
        allowed = [t for t in [*targets, *others, np.inf] if (others >= t).mean() <= limit]
        assert shown == f"{100 * min((targets < t).mean() for t in allowed):.1f} %"


def test_the_numbers_of_the_reliability_diagram_are_its_bins():
    report = example(3)
    curve = report.metrics.reliability
    rows = page_of(report).rows("Share right in each bin of probability")
    assert len(rows) == len(curve.n)
    assert sum(int(row[1]) for row in rows) == report.n
    assert rows[-1] == [
        f"{curve.edges[-2]:.2f} to {curve.edges[-1]:.2f}",
        str(curve.n[-1]),
        f"{100 * curve.confidence[-1]:.1f} %",
        f"{100 * curve.accuracy[-1]:.1f} %",
    ]
    assert rows[0] == ["0.00 to 0.10", "0", "–", "–"]
    assert f"ECE {100 * curve.ece:.1f} %" in page_of(report).text


def test_without_matplotlib_the_page_says_so_and_has_the_numbers():
    assert not plots.can_plot()
    page = page_of(example(9, full=True))
    assert "svg" not in page.tags
    assert page.text.count("plots need the plot extra, pip install 'gmmaudio[plot]'") == 4
    assert page.rows("Misses, at the most false alarms allowed")
    assert page.rows("Share right in each bin of probability")
    assert page.rows("Accuracy: Learning curve")
    assert page.rows("The nearest of each label")


# --- conditions, mistakes, likeness ----------------------------------------------------------------------------------


def test_conditions_have_a_table_each_in_a_fixed_order_and_unknown_ones_come_last():
    report = example(3, full=True)
    page = page_of(report)
    captions = [caption for caption in page.tables if caption.startswith("Accuracy: ")]
    assert captions == [
        "Accuracy: By source",
        "Accuracy: By duration",
        "Accuracy: Cut to durations",
        "Accuracy: Degraded audio",
        "Accuracy: Learning curve",
        "Accuracy: Random-split gap",
        "Accuracy: a-label 0 by hand",
    ]
    clean, worse = report.slices["robustness"]
    figures = [
        [
            f"{100 * row.accuracy:.1f} %",
            "{:.1f} to {:.1f} %".format(*(100 * end for end in row.interval)),
            f"{100 * row.balanced_accuracy:.1f} %",
            str(row.n),
            str(row.n_groups),
        ]
        for row in (clean, worse)
    ]
    head, *rows = page.tables["Accuracy: Degraded audio"]
    assert head == ["slice", "accuracy", "95 % interval", "balanced", "n", "groups", "difference", "95 % interval"]
    assert rows == [
        ["clean", *figures[0], "–", "–"],
        ["babble, 10 dB", *figures[1], "−12.5", "−20.0 to +3.0"],
    ]
    head, *rows = page.tables["Accuracy: Learning curve"]
    assert (head[1], [row[1] for row in rows]) == ("hours", ["0.40", "0.80", "1.60"])
    assert "difference" not in page.tables["Accuracy: By source"][0]


def test_a_learning_curve_of_one_step_has_a_table_and_no_plot(plotted):
    clips = [clip_of(i) for i in range(3)]
    page = page_of(make_report(clips, ["a"], PROTOCOL, slices={"learning_curve": [make_slice("all", clips, hours=1)]}))
    assert page.rows("Accuracy: Learning curve")[0][:2] == ["all", "1.00"]
    assert "plot extra" not in page.text
    assert "svg" not in page.tags


def test_mistakes_have_margin_runner_up_group_source_fold_and_all_their_paths():
    clips = [
        clip_of(0, "a", "a"),
        clip_of(1, "a", "b", scores={"a": -3.5, "b": -1.25}, fold="4", source="radio"),
        clip_of(2, "z", "b", scores={"b": -1.0}, group=None, paths=("one.wav", "two.wav", "three.wav")),
    ]
    page = page_of(make_report(clips, ["a", "b", "z"], PROTOCOL))
    assert page.rows("Most confident mistakes") == [
        ["one.wav and 2 moretwo.wavthree.wav", "z", "b", "–", "not a candidate", "–", "–", "0"],
        ["1.wav", "a", "b", "a", "2.250", "g1", "radio", "4"],
    ]


def test_of_many_mistakes_the_page_says_how_many_there_are():
    page = page_of(report_of([("a", "b")] * 30))
    assert len(page.rows("Most confident mistakes")) == 20
    assert "20 of 30, the widest margins first." in page.text


def similar(distance, labels="abcd"):
    """Return the page of a report whose labels are as far apart as given."""
    given = Similarity(tuple(labels), np.array(distance, dtype=np.float64), "furlongs")
    return page_of(report_of([(label, label) for label in labels], labels, similarity=given))


def test_the_nearest_labels_are_listed_with_ties_and_what_is_unknown():
    page = similar([[0, 1, 1, 3], [1, 0, 2, 3], [1, 2, 0, 3], [3, 3, 3, 0]])
    assert page.rows("The nearest of each label") == [
        ["a", "b, c", "1.000"],
        ["b", "a", "1.000"],
        ["c", "a", "1.000"],
        ["d", "all as far", "3.000"],
    ]
    assert "Distance: furlongs." in page.text
    nan = np.nan
    page = similar([[0, 1, 2, nan], [1, 0, 2, nan], [2, 2, 0, nan], [nan, nan, nan, 0]])
    assert page.rows("The nearest of each label")[-1] == ["d", "unknown", "–"]
    assert "Not on the map, for a distance is unknown: d." in page.text
    page = similar([[0, 2], [2, 0]], "ab")
    assert page.rows("The nearest of each label") == [["a", "b", "2.000"], ["b", "a", "2.000"]]
    assert "By classical scaling" not in page.text


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


# --- hostile names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_they_are_everywhere_on_the_page(name):
    clips = [
        clip_of(0, name, "b", name=name, paths=(name,), group=name, unit=name, source=name, fold=name),
        clip_of(1, "b", name),
        clip_of(2, "c", "b", paths=("first", name)),
    ]
    protocol = Protocol(
        scheme=name,
        group_by=name,
        seed=0,
        folds=(name,),
        repeats=1,
        scored_labels=(name, "b"),
        unscored_labels=(name,),
        settings={name: name},
        versions={name: name, "gmmaudio": name},
        command=name,
        machine=name,
        model_sha256=name,
        began=name,
    )
    rest = {"slices": {name: [make_slice(name, clips)]}, "run": {name: name}}
    findings = [Finding("a_text", level, name, name) for level in LEVELS]
    report = make_report(clips, [name, "b", "c"], protocol, findings, [FailedInput(name, name, name)], **rest)
    page = page_of(replace(report, similarity=replace(report.similarity, kind=name)), title=name)
    shown = named(name)
    assert page.headings[0] == ("h1", shown)
    matrix = page.tables["Clips, and per cent of the row"]
    assert matrix[0] == ["true \\ called", shown, "b", "c", "n"]
    assert matrix[1] == [shown, "·", "1", "·", "1"]
    assert page.rows("Figures per label")[0][0] == shown
    mistakes = page.rows("Most confident mistakes")
    assert [shown, shown, "b", shown, "1.000", shown, shown, shown] in mistakes
    assert f"first and 1 more{shown}" in [row[0] for row in mistakes]
    assert page.rows("Inputs that failed") == [[shown] * 3]
    assert page.rows(f"Accuracy: {printable(name)}")[0][0] == shown
    assert f"gmmaudio {printable(name)}" in page.values("meta", "content")
    assert printable(json.dumps({name: name}, ensure_ascii=False)[1:-1]) in page.text
    assert set(page.tags) <= HARMLESS, "a name became a tag"
    assert page.tags.count("h1") == 1


@pytest.mark.parametrize("probabilities", [True, False])
def test_hostile_names_all_at_once(plotted, probabilities):
    page = page_of(example(names=HOSTILE, full=True, probabilities=probabilities, repeats=2), title=HOSTILE[0])
    assert {row[0] for row in page.rows("Figures per label")} == {named(name) for name in HOSTILE}
    assert {shorten(named(name)) for name in HOSTILE} <= set(page.drawn)


@pytest.mark.parametrize(("n_labels", "n_curves"), [(FEW_LABELS, FEW_LABELS + 1), (FEW_LABELS + 1, 1)])
def test_each_of_a_few_labels_has_a_curve_and_of_many_only_all_together(plotted, n_labels, n_curves):
    report = example(n_labels)
    page = page_of(report)
    known = ["all labels pooled", *report.labels]
    legend = page.drawn[page.drawn.index("all labels pooled") :]
    assert len([name for name in legend[: n_labels + 1] if name in known]) == n_curves
    assert ("Only the curve of all labels pooled is drawn." in page.text) == (n_curves == 1)
    assert [row[0] for row in page.rows("Misses, at the most false alarms allowed")] == known


def test_every_name_is_escaped_in_a_legend_too(plotted):
    page = page_of(example(names=HOSTILE[:FEW_LABELS], probabilities=False))
    legend = page.drawn[page.drawn.index("all labels pooled") + 1 :][:FEW_LABELS]
    assert sorted(legend) == sorted(shorten(named(name)) for name in HOSTILE[:FEW_LABELS])


def test_a_name_of_nothing_or_blanks_can_be_seen():
    assert [named(name) for name in (None, "", "  ", "\t", "a\u200bb", "é")] == [
        "–",
        '""',
        '"  "',
        '"\\t"',
        "a\\u200bb",
        "é",
    ]


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
        "learning": learning_plot(report.slices["learning_curve"]),
        "map": map_plot(list(report.labels), classical_mds(report.similarity.distance)[0]),
    }


def tree_of(svg):
    """Return an SVG element, parsed."""
    return ElementTree.fromstring(svg)  # noqa: S314


@pytest.mark.parametrize("key", ["det", "reliability", "learning", "map"])
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
    for colour in plots.SERIES:
        for card in (light, dark):
            # WCAG 2.2, 1.4.11: graphical objects have 3:1
            high, low = sorted((luminance(colour), luminance(card)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3, (colour, card)
    looks = {tuple(map(str, plots._line_of(i).values())) for i in range(FEW_LABELS + 1)}
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
    assert page.rows("Figures per label")[0][0] == name


def test_matplotlib_is_imported_for_plots_only_and_pyplot_never(plotted):
    program = (
        "import sys; from gmmaudio.evaluation import plots, render_html; assert 'matplotlib' not in sys.modules;"
        "plots.map_plot(['a'], plots.np.zeros((1, 2))); assert 'matplotlib' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
