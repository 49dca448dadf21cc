"""The manual in a headless browser: nothing scrolls sideways or is fetched, search works, axe finds nothing serious.

Needs the pages that `make docs` writes, a chromium on the PATH, and the extra ``browser``.
"""

import functools
import http.server
import threading
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[1] / "build" / "docs"
# sources with colours are alike: one stands for all; the reports have a test of their own
NAMES = sorted(
    path.relative_to(PAGES).as_posix()
    for path in PAGES.rglob("*.html")
    if not {"_modules", "reports"} & set(path.relative_to(PAGES).parts)
)
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not NAMES, reason="needs the pages: make docs")]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a log."""

    def log_message(self, *given):
        pass


@pytest.fixture(scope="module")
def address():
    """The address of the manual on this computer."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PAGES)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request):
    """A colour scheme that a reader may prefer."""
    return request.param


@pytest.fixture(scope="module", params=SIZES)
def context(request, browser, scheme):
    """A browser of one size and scheme."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A page with what was asked of the network and what the console said."""
    page = context.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_whole_and_accessible(page, address, axe, name, scheme):
    page.goto(address + name)
    assert page.said == []
    assert [url for url in page.asked if not url.startswith((address, "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    assert page.evaluate("document.querySelectorAll('h1').length") == 1 or name == "search.html"
    # both schemes and both widths, without the two other pairs: axe takes seconds for a long page
    if (scheme == "light") == (page.viewport_size["width"] > 1000):
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        assert len(found["passes"]) > 10
        serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert [(v["id"], node["html"][:200]) for v in serious for node in v["nodes"]] == []


def test_pictures_of_a_learn_page_are_there_and_have_a_text(page, address):
    page.goto(address + "generated/learn/05_how_many.html")
    pictures = page.evaluate("[...document.querySelectorAll('article img')].map(e => [e.naturalWidth, e.alt])")
    assert len(pictures) >= 3
    assert all(width > 0 and text for width, text in pictures)


def test_the_search_finds_supervector_without_another_host(page, address):
    page.goto(address + "search.html?q=supervector")
    page.wait_for_selector("#search-results li a")
    found = page.evaluate("[...document.querySelectorAll('#search-results li a')].map(e => e.textContent)")
    assert any("Glossary" in text or "supervector" in text.lower() for text in found)
    assert [url for url in page.asked if not url.startswith((address, "data:"))] == []
    assert page.said == []


def test_the_search_works_from_a_folder_of_files(page):
    page.goto((PAGES / "search.html").as_uri() + "?q=supervector")
    page.wait_for_selector("#search-results li a")
    assert len(page.query_selector_all("#search-results li a")) > 3
    assert {url.partition(":")[0] for url in page.asked} <= {"file", "data"}


def test_a_wide_formula_and_a_wide_block_scroll_by_themselves(page, address):
    page.goto(address + "generated/learn/05_how_many.html")
    wide = "[...document.querySelectorAll('div.math, pre')].filter(e => e.scrollWidth > e.clientWidth)"
    overflow = page.evaluate(f"{wide}.map(e => [getComputedStyle(e).overflowX, e.tabIndex])")
    assert all(how in ("auto", "scroll") and index == 0 for how, index in overflow)
    assert page.evaluate("document.querySelectorAll('math').length") > 3
