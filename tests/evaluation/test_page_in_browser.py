"""The report page in a browser: nothing runs, nothing is fetched, nothing is wider than a phone, and axe finds nothing.

Needs Debian's chromium (or another called so), and playwright and axe-playwright-python from PyPI, which no extra of
the package brings.
"""

import importlib.util
import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from gmmaudio.evaluation.left_out_sources import make_sources_left_out
from tests.evaluation.conftest import HOSTILE, example

SIZES = {"desk": (1280, 900), "phone": (360, 780)}
PAGES = {
    "3 labels, scores only": {"n_labels": 3, "probabilities": False},
    "9 labels": {"n_labels": 9, "full": True},
    "50 labels": {"n_labels": 50, "full": True},
    "hostile names": {"names": HOSTILE, "full": True, "repeats": 2},
    "9 labels, no plots": {"n_labels": 9, "full": True},
    "9 labels, with sounds": {"n_labels": 9, "full": True},
    "9 labels, sources left out": {"n_labels": 9, "full": True},
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs matplotlib"),
]


def with_sources_left_out(report):
    """Return a report whose clips are also those with sources left out."""
    clips = [replace(clip, source="xy"[i % 2]) for i, clip in enumerate(report.clips)]
    left_out = make_sources_left_out(clips, clips, report.labels, "one source left out at a time")
    return replace(report, sources_left_out=left_out)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every page as a file."""
    from gmmaudio.evaluation import render_html

    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
        for name, given in PAGES.items():
            patch.setattr("gmmaudio.canvas.paper.can_plot", lambda name=name: "no plots" not in name)
            report = example(**given)
            if "left out" in name:
                report = with_sources_left_out(report)
            listen = {clip.name: "sounds/a%20tone.wav" for clip in report.mistakes} if "sounds" in name else None
            (folder / f"{name}.html").write_text(render_html(report, name, listen=listen), encoding="utf-8")
    (folder / "sounds").mkdir()
    soundfile.write(folder / "sounds" / "a tone.wav", np.sin(np.arange(16_000)), 16_000)
    return folder


@pytest.fixture(params=PAGES)
def name(request):
    """A page's name."""
    return request.param


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    """A colour scheme that a reader may prefer."""
    return request.param


@pytest.fixture(params=SIZES)
def shown(request, browser, files, name, scheme):
    """A page as it is shown, with what was asked of the network and what the console said."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto((files / f"{name}.html").as_uri())
    yield page
    context.close()


def test_nothing_runs_and_nothing_is_fetched(shown, name):
    assert shown.asked == [shown.url]
    assert shown.said == []
    assert shown.title() == name
    assert shown.evaluate("document.images.length + document.scripts.length") == 0
    assert shown.evaluate("document.querySelectorAll('h1').length") == 1


def test_the_body_does_not_scroll_sideways(shown):
    assert shown.evaluate("document.documentElement.scrollWidth") <= shown.viewport_size["width"]
    assert shown.evaluate("document.body.scrollWidth") <= shown.viewport_size["width"]


def test_no_table_is_squeezed_into_a_column_of_letters(shown):
    # a line of text is about 22 px, and only the longest names need ten
    heights = shown.evaluate("[...document.querySelectorAll('tbody th')].map(e => e.getBoundingClientRect().height)")
    assert max(heights) < 400


def test_axe_finds_nothing_serious(shown, axe):
    shown.evaluate(axe)
    found = shown.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(v["impact"], v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []


def test_plots_are_drawn_in_the_colours_of_the_scheme(shown, name, scheme):
    inks = shown.evaluate("[...document.querySelectorAll('.plot text')].map(e => getComputedStyle(e).fill)")
    assert len(inks) > 10 or "no plots" in name or "scores only" in name
    brightness = [max(int(part) for part in ink[4:-1].split(",")) for ink in inks]
    assert all((value > 128) == (scheme == "dark") for value in brightness)


def test_no_plot_is_wider_than_the_page_but_a_map_of_many_labels_in_a_region_that_scrolls(shown, name):
    wide = "[...document.querySelectorAll('.plot')].filter(e => e.getBoundingClientRect().right > innerWidth)"
    assert shown.evaluate(f"{wide}.every(e => e.closest('.scroll.wide'))")
    assert shown.evaluate(f"{wide}.length") <= (name in ("50 labels", "hostile names"))


def test_a_table_that_is_cut_has_a_shade_at_the_edge_that_hides_some_of_it(browser, files):
    # a pixel of the right edge, in the table of mistakes, before and after it is scrolled to its end
    page = browser.new_page(viewport={"width": 390, "height": 780})
    page.goto((files / "9 labels.html").as_uri())
    table = page.locator("#mistakes .scroll")
    assert table.evaluate("e => e.scrollWidth > e.clientWidth + 50")
    edges = {}
    for place in ("start", "end"):
        table.evaluate("(e, place) => { e.scrollLeft = place == 'start' ? 0 : e.scrollWidth }", place)
        box = table.bounding_box()
        strip = {"x": box["x"] + box["width"] - 3, "y": box["y"], "width": 2, "height": box["height"]}
        edges[place] = page.screenshot(clip=strip, full_page=True)
    assert _mean_shade(edges["start"]) < _mean_shade(edges["end"]) - 20
    page.close()


def _mean_shade(picture):
    """Return the mean of the values of a picture, 0 (black) to 255."""
    from matplotlib.image import imread

    return 255 * float(imread(io.BytesIO(picture))[..., :3].mean())


def test_the_first_words_are_what_to_expect_and_costs_are_folded_away(shown):
    first = shown.evaluate("document.querySelector('main p').innerText")
    assert "new clips" in first
    assert shown.evaluate("[...document.querySelectorAll('.costs')].every(e => !e.open)")


def test_sounds_play_and_are_fetched_when_they_are_asked_for(browser, files):
    page = browser.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((files / "9 labels, with sounds.html").as_uri())
    assert page.locator("audio").count() > 10
    assert len(asked) == 1
    play = (
        "async () => { const a = document.querySelector('audio'); a.muted = true; await a.play(); return a.duration; }"
    )
    assert page.evaluate(play) == 1.0
    assert said == []
    page.close()


def test_every_heading_of_the_contents_can_be_reached(shown):
    for link in shown.query_selector_all("nav a"):
        link.click()
        target = link.get_attribute("href")
        top = shown.evaluate(f"document.querySelector('{target} h2').getBoundingClientRect().top")
        assert -1 <= top < shown.viewport_size["height"]


def test_a_wide_matrix_keeps_its_labels_in_view_and_scrolls_by_keyboard(browser, files):
    # waiting for a condition is a script, which the page forbids
    page = browser.new_page(viewport={"width": 360, "height": 780}, bypass_csp=True)
    page.goto((files / "50 labels.html").as_uri())
    place = "document.querySelector('.heat tbody th').getBoundingClientRect().left"
    page.evaluate("document.querySelector('.tall').focus()")
    before = page.evaluate(place)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('.tall').scrollLeft > 10")
    # all but the line round the table stays
    assert abs(page.evaluate(place) - before) <= 1
    page.close()


def test_paper_has_light_colours_all_rows_and_what_was_folded(browser, files, name):
    page = browser.new_page(color_scheme="dark")
    page.goto((files / f"{name}.html").as_uri())
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    clipped = "e => getComputedStyle(e).overflowX != 'visible' || e.scrollHeight > e.clientHeight + 1"
    assert page.evaluate(f"[...document.querySelectorAll('.scroll')].filter({clipped}).length") == 0
    folded = "[...document.querySelectorAll('details > :not(summary)')].filter(e => !e.checkVisibility())"
    assert page.evaluate(f"{folded}.length") == 0
    page.close()
