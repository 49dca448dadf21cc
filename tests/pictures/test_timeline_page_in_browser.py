"""The page of a timeline in a browser: seeking by mouse and keyboard, both themes, a phone's width, axe-core."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from gmmaudio.pictures import render_timeline
from tests.pictures.conftest import make_timeline
from tests.timelines.conftest import HOSTILE, one_of_each

SOUND = "talk #1 50%.wav"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
LONG = "x" * 300
PAGES = {
    "with sound": (make_timeline(), SOUND),
    "no posteriors": (make_timeline(posteriors=False), None),
    "hostile names": (replace(one_of_each((*HOSTILE, LONG, "long " * 60)), notes=(*HOSTILE, LONG)), "gone.wav"),
    "8 hours": (make_timeline([f"label {i}" for i in range(20)], 8 * 3600.0, turn_s=6.0), None),
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every page as a file, and a recording of a minute."""
    folder = tmp_path_factory.mktemp("pages")
    noise = 0.01 * np.random.default_rng(0).normal(size=60 * 8000)
    soundfile.write(folder / SOUND, noise, 8000)
    for name, (line, sound) in PAGES.items():
        (folder / f"{name}.html").write_text(render_timeline(line, sound, name), encoding="utf-8")
    return folder


@pytest.fixture(params=PAGES)
def name(request):
    """A page's name."""
    return request.param


@pytest.fixture
def open_page(browser, files):
    """Open a page at a size and in a scheme, with what was asked of the network and what the console said."""
    contexts = []

    def opened(name, size="desk", scheme="light"):
        width, height = SIZES[size]
        # waiting for a condition is a script that the page forbids
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=False
        )
        contexts.append(context)
        page = context.new_page()
        page.asked, page.said = [], []
        page.on("request", lambda asked: page.asked.append(asked.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.goto((files / f"{name}.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(open_page, axe, name, size, scheme):
    page = open_page(name, size, scheme)
    width = SIZES[size][0]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.body.scrollWidth") <= width
    if name == "8 hours":
        # its table has the tags of the others, thousands of times, which axe takes half an hour to look at
        page.evaluate("document.querySelectorAll('.segments tbody tr:nth-child(n+20)').forEach(row => row.remove())")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(v["impact"], v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []


def test_nothing_but_the_recording_is_fetched(open_page, files, name):
    page = open_page(name)
    page.wait_for_load_state("networkidle")
    sound = [(files / PAGES[name][1]).as_uri()] if PAGES[name][1] else []
    assert page.asked[:1] == [page.url]
    assert set(page.asked[1:]) == set(sound)
    # the one recording that is not there
    assert [text for text in page.said if "ERR_FILE_NOT_FOUND" not in text] == []
    assert page.evaluate("document.scripts.length") == 1


def played(page):
    """Return the place of the player and that of the chart, seconds."""
    return page.evaluate(
        "[document.querySelector('audio').currentTime, +document.getElementById('stage').ariaValueNow]"
    )


def test_keys_on_the_chart_seek(open_page):
    page = open_page("with sound")
    page.focus("#stage")
    for key, at in (
        ("PageUp", 5.0),
        ("PageUp", 10.0),
        ("PageDown", 5.0),
        ("ArrowRight", 5.6),
        ("ArrowLeft", 5.0),
        ("End", 60.0),
        ("Home", 0.0),
    ):
        page.keyboard.press(key)
        assert played(page) == pytest.approx([at, at], abs=1e-6), key
    page.keyboard.press("PageUp")
    assert page.inner_text("#now") == "0:05.0 · de, 0:05.0 to 0:10.0, 90.0 %"
    assert page.get_attribute("#stage", "aria-valuetext") == page.inner_text("#now")
    assert page.inner_text("tr[aria-current] th") == "de"
    assert page.evaluate("document.querySelectorAll('tr[aria-current]').length") == 1


def test_a_button_of_a_segment_plays_it_by_mouse_and_by_keyboard(open_page):
    page = open_page("with sound")
    page.click("tbody button >> nth=3")
    assert played(page)[1] == pytest.approx(15.0, abs=1.0)
    page.focus("tbody button >> nth=5")
    page.keyboard.press("Enter")
    assert played(page)[1] == pytest.approx(25.0, abs=1.0)
    assert page.inner_text("tr[aria-current] th") == "fr"
    page.focus("#stage")
    page.keyboard.press(" ")
    assert page.evaluate("document.querySelector('audio').paused")


def test_a_click_on_a_segment_goes_to_its_start_and_one_on_the_areas_to_that_time(open_page):
    page = open_page("with sound")
    box = page.locator("#stage").bounding_box()
    lanes, areas = page.locator(".lanes").bounding_box(), page.locator(".areas").bounding_box()
    # 7.5 s of 60 is in the middle of the second segment
    x = box["x"] + box["width"] * 7.5 / 60
    page.mouse.click(x, lanes["y"] + 5)
    assert played(page)[1] == pytest.approx(5.0, abs=1.0)
    page.evaluate("document.querySelector('audio').pause()")
    page.mouse.click(x, areas["y"] + 5)
    # a pixel is a twentieth of a second
    assert played(page) == pytest.approx([7.5, 7.5], abs=0.1)
    cursor = page.locator("#cursor").bounding_box()
    assert cursor["x"] == pytest.approx(x, abs=2)


def test_a_recording_that_is_not_there_is_said(open_page):
    page = open_page("hostile names")
    page.wait_for_selector("#no-sound:not([hidden])")
    assert "gone.wav" in page.inner_text("#no-sound")
    assert not open_page("with sound").is_visible("#no-sound")


def test_text_is_that_of_the_scheme_and_the_chart_has_a_focus_ring(open_page):
    for scheme, dark in (("light", False), ("dark", True)):
        page = open_page("with sound", scheme=scheme)
        ink = page.evaluate("getComputedStyle(document.body).color")
        assert (max(int(part) for part in ink[4:-1].split(",")) > 128) == dark
        page.keyboard.press("Tab")
        while page.evaluate("document.activeElement.id") != "stage":
            page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
