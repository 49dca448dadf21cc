"""The page of an explanation: its numbers, and names that are hostile."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from gmmaudio.models import Explanation, Prediction
from gmmaudio.models.explanations import (
    BigramPart,
    ComponentPart,
    HeadPart,
    Part,
    RowPart,
    ThresholdDistance,
    WindowLead,
)
from gmmaudio.models.nearest import Neighbour
from gmmaudio.names import named
from gmmaudio.pictures.explanation_page import render_explanation
from tests.evaluation.conftest import HOSTILE

PARTS = (
    Part("mean of MFCC 0", "MFCC 0", "mean", 1.5),
    Part("mean of MFCC 1", "MFCC 1", "mean", -0.25),
    Part("standard deviation of MFCC 0", "MFCC 0", "standard deviation", -2.0),
    Part("intercept of the label", "intercept of the label", "", 1.0),
)


def example(name="song.wav", first="jazz", second="metal"):
    """Return an explanation that has everything."""
    prediction = Prediction(name, "ok", first, {first: 1.0, second: 0.75}, {first: 0.6, second: 0.4}, 9.0)
    return Explanation(
        prediction,
        first,
        second,
        0.25,
        log_odds=0.5,
        scale=2.0,
        offset=0.0,
        parts=PARTS,
        heads=(HeadPart("mixtures", 0.5, 1.25), HeadPart("linear", 0.25, -1.0)),
        rows=(RowPart(1.0, 0.75), RowPart(2.0, -0.25)),
        windows=(
            WindowLead(0.0, 5.0, 0.5, first),
            WindowLead(4.0, 9.0, None, None),
            WindowLead(5.0, 9.0, -1.0, second),
        ),
        components=(ComponentPart(first, 3, 1.0, 0.25, (Neighbour(name, 0.5),), (Neighbour(second, 1.5),)),),
        bigrams=(BigramPart(1, 2, 0.125),),
        open_set=ThresholdDistance("margin", 0.25, 0.75, "by hand"),
        n_known=7,
        window_s=5.0,
    )


def rows_of(page, key):
    """Return the texts of the cells of a section's table, row by row."""
    section = re.search(rf'<section id="{key}">(.*?)</section>', page, re.S)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", section, re.S)
    return [
        [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row, re.S)]
        for row in rows
    ]


def test_every_table_adds_up_to_the_lead():
    page = render_explanation(example(), n_named=1)
    assert rows_of(page, "measured")[1:] == [
        ["intercept of the label", "+1.0000", ""],
        ["all others", "−0.7500", ""],
        ["Total", "+0.2500", ""],
    ]
    assert rows_of(page, "aspects")[1:] == [
        ["standard deviation", "−2.0000", ""],
        ["all others", "+2.2500", ""],
        ["Total", "+0.2500", ""],
    ]
    assert rows_of(page, "heads")[-1][1] == rows_of(page, "time")[-1][1] == "+0.2500"
    assert rows_of(page, "time")[1:3] == [["1.0 s", "+0.3750", ""], ["2.0 s", "−0.1250", ""]]
    assert [row[:2] for row in rows_of(page, "columns")[1:]] == [
        ["standard deviation of MFCC 0", "−2.0000"],
        ["mean of MFCC 0", "+1.5000"],
        ["intercept of the label", "+1.0000"],
        ["mean of MFCC 1", "−0.2500"],
    ]


def test_windows_and_neighbours_are_named():
    page = render_explanation(example())
    assert rows_of(page, "windows")[1:] == [
        ["0.0 to 5.0 s", "+0.5000", "", "jazz"],
        ["4.0 to 9.0 s", "silence", "", "–"],
        ["5.0 to 9.0 s", "−1.0000", "", "metal"],
    ]
    assert rows_of(page, "components")[1] == ["3", "100.0 %", "+0.2500", "song.wav (0.50)", "metal (1.50)"]
    assert "Nearest of 7 training clips" in page
    assert "margin 0.25 is 0.5 below 0.75" in page


def test_bars_are_as_long_as_their_share_of_the_longest():
    page = render_explanation(example())
    section = re.search(r'<section id="measured">(.*?)</section>', page, re.S)[1]
    # intercept 1, MFCC 1 -0.25, MFCC 0 1.5 - 2
    assert re.findall(r'class="lead (\w+)".*?--share:([\d.]+)', section) == [
        ("for", "1.0000"),
        ("against", "0.2500"),
        ("against", "0.5000"),
    ]


def test_what_is_not_there_is_said():
    bare = replace(
        example(), heads=(), bigrams=(), rows=(), windows=(), components=(), open_set=None, n_known=None, log_odds=None
    )
    page = render_explanation(bare)
    for key in ("heads", "sequences", "time", "windows"):
        assert f'id="{key}"' not in page
    assert "none was learned" in page and "Log odds" not in page
    assert "linear functions have no components" in page
    off = replace(example(), open_set=ThresholdDistance("margin", 0.25, None, "off: too few labels"), n_known=None)
    assert "off: too few labels" in render_explanation(off)
    assert "a model file has no features of them" in render_explanation(off)


def test_an_unknown_clip_says_so_first():
    prediction = replace(example().prediction, status="unknown", label=None, message="far from every class")
    assert "far from every class" in render_explanation(replace(example(), prediction=prediction))


def test_a_clip_without_scores_has_its_reason():
    page = render_explanation(Explanation(Prediction("a.wav", "error", code="vanished", message="is not there")))
    assert "<strong>is not there</strong> (vanished)" in page
    assert "<table" not in page


class Tags(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name):
    plain, page = Tags(render_explanation(example())), render_explanation(example(name, name, f"{name} 2"))
    hostile = Tags(page)
    assert hostile.tags == plain.tags
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e\u2066]", page)
    assert named(name) in hostile.text


def test_nothing_on_the_page_is_fetched_or_run():
    tags = Tags(render_explanation(example())).tags
    assert {tag for tag, _ in tags} & {"script", "img", "link", "iframe", "a", "form", "object", "base"} == set()
    attributes = {name for _, names in tags for name in names}
    assert not {name for name in attributes if name in ("src", "href", "action") or name.startswith("on")}
