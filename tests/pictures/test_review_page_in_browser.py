"""The page of a review in a browser: ten clips by the keyboard alone, the file for train, themes, widths, axe."""

import csv
import os
from dataclasses import replace

import pytest

from gmmaudio.models import load_model
from gmmaudio.pictures.review_page import render_review
from gmmaudio.pipeline.classified_rows import ClassifiedClip
from gmmaudio.pipeline.review_choice import ReviewSettings
from gmmaudio.pipeline.review_run import EXCERPT_FOLDER, plan_review, write_excerpts
from tests.timelines.conftest import HOSTILE

SIZES = {"desk": (1280, 900), "phone": (390, 844)}
# what a file can be called, and what would be markup, a formula or a line of its own
NAMES = ("<script><b>1", 'say "ja", ""nein""', "a,b;c", "line\nend", "=1+1 & co", "\u202efdp", "\u06a9\u062a", "'x'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    """A review of ten clips of the labels low, mid and high, whose files have hostile names, as a page."""
    folder = tmp_path_factory.mktemp("review")
    paths = sorted(corpus.root.rglob("*.wav"))
    clips = []
    for i in range(10):
        source = paths[i % len(paths)]
        label = source.relative_to(corpus.root).parts[0]
        path = folder / "sound" / f"ann {i % 3}" / f"{i} {NAMES[i % len(NAMES)]}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, path)
        chances = {"low": 0.2, "mid": 0.2, "high": 0.1} | {label: 0.6}
        status = "unknown" if i == 9 else "ok"
        clips.append(ClassifiedClip(str(path), status, label if i < 9 else None, chances, label))
    (folder / EXCERPT_FOLDER).mkdir()
    plan = plan_review(clips, ReviewSettings(between=(0, 1)))
    review = write_excerpts(plan, folder / EXCERPT_FOLDER, 1.0, n_jobs=1)
    (folder / "review.html").write_text(render_review(review, "results.csv"), encoding="utf-8")
    hostile = replace(review.clips[0], label="x" * 300, ranked=(("x" * 300, 0.5), (HOSTILE[11], 0.4)))
    wide = replace(review, clips=(hostile, *review.clips[1:]), labels=tuple(sorted(h for h in HOSTILE if h.strip())))
    (folder / "hostile.html").write_text(render_review(wide, HOSTILE[11]), encoding="utf-8")
    return folder, review


@pytest.fixture
def open_page(browser, folder):
    """Open a page at a size and in a scheme, with what was asked of the network and what the console said."""
    contexts = []

    def opened(name="review.html", size="desk", scheme="light"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda asked: page.asked.append(asked.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto((folder[0] / name).as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


def pressed(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def text(page, name):
    return page.evaluate("name => document.getElementById(name).textContent", name)


def wait_until(page, expression):
    """Wait until an expression is true; the page's policy forbids the browser's own way, which is a script."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 5 s: {expression}")


def test_ten_clips_by_the_keyboard_and_train_takes_the_file(open_page, folder, command, tmp_path):
    place, review = folder
    page = open_page()
    # what each clip is answered with; the true label is that of the model, but for the one that is said to be mid
    answers = {}
    for i, clip in enumerate(review.clips):
        assert text(page, "name").startswith(f"{i + 1}. ")
        if clip.label is None:
            # labels are high, low, mid, from 1
            pressed(page, "3")
            answers[clip.key] = "mid"
        elif i == 0:
            pressed(page, "o")
            page.keyboard.type("drone")
            pressed(page, "Enter")
            answers[clip.key] = "drone"
        elif i == 1:
            # first wrongly, then taken back
            pressed(page, "w", "u", "r")
            answers[clip.key] = clip.label
        elif i == 2:
            pressed(page, "s")
        elif i == 3:
            pressed(page, "w")
        else:
            pressed(page, "r")
            answers[clip.key] = clip.label
    assert text(page, "count") == "10 of 10 answered"
    assert page.evaluate("document.activeElement.id") == "save-name"
    with page.expect_download() as download:
        pressed(page, "d")
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    assert saved.name == "reviewed.csv"
    with saved.open(encoding="utf-8-sig", newline="") as handle:
        rows = list(csv.DictReader(handle))
    by_key = {clip.key: clip for clip in review.clips}
    assert {(row["path"], row["label"]) for row in rows} == {(by_key[k].path, label) for k, label in answers.items()}
    assert {row["group"] for row in rows} == {"ann 0", "ann 1", "ann 2"}
    assert {row["answer"] for row in rows} == {"right", "label"}
    # what the browser asked for: the page and excerpts beside it
    assert all(url.startswith(place.as_uri()) for url in page.asked if not url.startswith("blob:"))
    assert page.said == []
    done = command("train", saved, "-o", tmp_path / "new.gmm", "--components", "1", "--cache", "none", "-q")
    assert done.code == 0, done.err
    clips = load_model(tmp_path / "new.gmm").training.clips
    assert {(clip.path, clip.label) for clip in clips} == {(row["path"], row["label"]) for row in rows}


def test_the_browser_keeps_the_answers_of_a_review(open_page):
    page = open_page()
    pressed(page, "r", "2", "s")
    page.reload()
    assert text(page, "count") == "3 of 10 answered"
    assert text(page, "name").startswith("4. ")
    pressed(page, "u", "u", "u", "u")
    assert text(page, "count") == "0 of 10 answered"
    assert text(page, "live") == "Nothing to undo."
    page.reload()
    assert text(page, "count") == "0 of 10 answered"
    # what is kept may be anything
    page.evaluate('localStorage.setItem(Object.keys(localStorage)[0], \'{"answers": {"x": 7}, "history": [{}]}\')')
    page.reload()
    assert (text(page, "count"), page.said) == ("0 of 10 answered", [])


def test_single_keys_can_be_switched_off_and_buttons_do_the_same(open_page):
    page = open_page()
    page.uncheck("#keys")
    pressed(page, "r", "1")
    assert text(page, "count") == "0 of 10 answered"
    page.click("[data-do=wrong]")
    page.click("#labels button:nth-child(2)")
    assert text(page, "summary").startswith("0 right, 1 with another label, 1 wrong, 0 skipped. 1 clip goes")
    page.check("#keys")
    page.focus("#name")
    pressed(page, "ArrowLeft")
    assert text(page, "name").startswith("2. ")
    assert page.get_attribute("#labels button:nth-child(2)", "aria-pressed") == "true"
    # a key of the system, and one that is held down
    pressed(page, "Control+r")
    pressed(page, "ArrowLeft")
    assert text(page, "name").startswith("1. ")


def test_excerpts_play_and_a_lost_one_is_said(open_page, folder):
    page = open_page()
    pressed(page, "ArrowRight")
    wait_until(page, "document.getElementById('audio').readyState > 1")
    assert page.evaluate("document.getElementById('audio').duration") == pytest.approx(1.0, abs=0.1)
    page.evaluate("document.getElementById('audio').src = 'excerpts/gone.mp3'")
    wait_until(page, "!document.getElementById('no-sound').hidden")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["review.html", "hostile.html"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(open_page, axe, name, size, scheme):
    page = open_page(name, size, scheme)
    pressed(page, "r", "1", "w", "s")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.evaluate("document.querySelectorAll('main b').length") == 0
    assert page.said == []
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(v["impact"], v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
