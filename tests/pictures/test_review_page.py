"""The page of a review: its data are those of the review, and nothing in it is a name's."""

import base64
import hashlib
import json
import re

import pytest

from gmmaudio.pictures.review_page import render_review
from gmmaudio.pipeline.review_run import Review, ReviewClip
from tests.evaluation.conftest import Page
from tests.timelines.conftest import HOSTILE

CLIPS = (
    ReviewClip("00aa", "/music/ann/1.wav", "ann", "jazz", (("jazz", 0.6), ("rock", 0.4)), "00aa.mp3", 12.34),
    ReviewClip("00bb", "/music/bob/2.wav", "bob", None, (("rock", 0.45), ("jazz", 0.4)), "00bb.mp3"),
)
REVIEW = Review(CLIPS, ("jazz", "rock"), "folder")


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_data_are_those_of_the_review():
    data = data_of(render_review(REVIEW, "results.csv"))
    assert data["id"] == REVIEW.sha256[:32]
    assert data["labels"] == ["jazz", "rock"]
    assert data["clips"][0] == {
        "key": "00aa",
        "path": "/music/ann/1.wav",
        "name": "1.wav",
        "folder": "/music/ann",
        "group": "ann",
        "label": "jazz",
        "ranked": [["jazz", 0.6], ["rock", 0.4]],
        "audio": "excerpts/00aa.mp3",
        "start": 12.3,
    }
    assert data["clips"][1]["label"] is None


def test_the_policy_allows_this_script_and_this_style_and_no_more():
    page = render_review(REVIEW, "results.csv")
    policy = dict(
        part.split(" ", 1) for part in re.search(r'Content-Security-Policy" content="(.*?)"', page)[1].split("; ")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["media-src"] == "'self' file:"
    for name, inside in (("script", r"<script>(.*?)</script>"), ("style", r"<style>(.*?)</style>")):
        text = re.search(inside, page, re.DOTALL)[1]
        found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert policy[f"{name}-src"] == f"'sha256-{found}'"
    assert "style=" not in page
    assert not re.search(r"https?:|//[a-z]", page)


@pytest.mark.parametrize("name", [*HOSTILE, "</script><script>alert(1)</script>", "<!--", "&lt;"])
def test_hostile_names_are_data(name):
    page = render_review(
        Review((ReviewClip("0a", f"/{name}/{name}.wav", name, name, ((name, 0.5),), "0a.mp3"),), (name,), "column"),
        name,
    )
    plain = Page(render_review(REVIEW, "results.csv"))
    read = Page(page)
    assert read.tags == plain.tags
    (clip,) = data_of(page)["clips"]
    assert (clip["path"], clip["group"], clip["label"]) == (f"/{name}/{name}.wav", name, name)
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    page.encode("utf-8")


@pytest.mark.parametrize(
    ("groups", "words"),
    [("column", "those of the results"), ("folder", "is its folder"), ("none", "the column group is empty")],
)
def test_the_source_of_groups_is_said(groups, words):
    assert words in Page(render_review(Review(CLIPS, ("jazz",), groups), "r.csv")).text
