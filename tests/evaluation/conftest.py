"""Predictions, reports and a reader of pages, shared by the tests of evaluation."""

import re
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from gmmaudio.evaluation import (
    FailedInput,
    Protocol,
    ScoredClip,
    make_report,
    make_slice,
    render_html,
)
from gmmaudio.findings import Finding

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
    scheme="5-fold cross-validation by group",
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


VOID = {"input", "meta"}
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
            # a cell of several columns is empty in all of them
            self.tables[self.caption][-1] += [""] * int(dict(attributes).get("colspan", "1"))
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


FINDINGS = (Finding("a_gap", "alarm", "=mind", "-jump"), Finding("a_check", "passed", "-fine"))


def example_report(labels=("jazz", "rock", "-folk"), calibrated=True, n=60):
    """Return a report of random predictions whose names are formulas too."""
    rng = np.random.default_rng(5)
    clips = []
    for i in range(n):
        label = labels[i % len(labels)]
        scores = {name: float(rng.normal() + 2 * (name == label)) for name in labels}
        total = sum(np.exp(list(scores.values())))
        probability = {name: float(np.exp(score) / total) for name, score in scores.items()}
        clips.append(
            ScoredClip(
                name=f"=clip{i}.wav",
                paths=(f"=clip{i}.wav",),
                label=label,
                group=f"+g{i // 3}",
                unit=f"+g{i // 3}",
                source=("@x", "y")[i % 2],
                fold=str(i % 2),
                repeat=0,
                predicted=max(scores, key=scores.get),
                scores=scores,
                probability=probability if calibrated else None,
                duration_s=float(rng.uniform(1, 40)),
            )
        )
    return make_report(clips, list(labels), PROTOCOL, FINDINGS)


def uneven_clips():
    """Return clips in groups of all sizes, so that the ends of an interval hardly ever repeat by chance."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(1, 30), np.arange(1, 30)).astype(str)
    return rng.random(len(groups)) < 0.7, groups


@pytest.fixture(scope="module")
def plotted():
    """Pages have plots."""
    pytest.importorskip("matplotlib")


def random_trials(seed, n_targets=40, n_nontargets=70, decimals=1):
    """Return overlapping scores; rounding makes many of them equal."""
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, n_targets).round(decimals), rng.normal(-0.5, 1.3, n_nontargets).round(decimals)


def random_rows(seed, n=60, n_labels=4, shift=1.5, decimals=None):
    """Return scores and true labels, uneven in number; every label has clips."""
    rng = np.random.default_rng(seed)
    true = np.append(np.arange(n_labels), np.minimum(rng.geometric(0.4, n - n_labels) - 1, n_labels - 1))
    rows = rng.normal(size=(n, n_labels))
    rows[np.arange(n), true] += shift
    return (rows if decimals is None else rows.round(decimals)), true


def swept_rates(targets, nontargets):
    """Return (miss, false alarm) rates at every threshold that matters, by counting."""
    thresholds = [*np.unique([*targets, *nontargets]), None]
    return [
        (1.0, 0.0) if t is None else (np.mean(np.less(targets, t)), np.mean(np.greater_equal(nontargets, t)))
        for t in thresholds
    ]


@pytest.fixture
def quick(request, monkeypatch):
    """Intervals from few draws, for it is looked at how they are shown; no matplotlib but where plots are looked at."""
    monkeypatch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
    if "plotted" not in request.fixturenames:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
