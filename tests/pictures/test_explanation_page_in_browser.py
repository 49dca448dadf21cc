"""The page of an explanation in a browser: nothing is fetched, nothing is wider than a phone, and axe finds nothing.

Needs a chromium on the PATH, and playwright and axe-playwright-python from PyPI, which no extra but ``browser`` brings.
"""

import importlib.util
import shutil
from pathlib import Path

import pytest

from gmmaudio.models import Explanation, Prediction
from gmmaudio.pictures.explanation_page import render_explanation
from tests.evaluation.conftest import HOSTILE
from tests.pictures.test_explanation_page import example

CHROMIUM = shutil.which("chromium")
SIZES = {"desk": (1280, 900), "phone": (360, 780)}
PAGES = {
    "everything": example(),
    "hostile": example(HOSTILE[0], HOSTILE[1], HOSTILE[4]),
    "long names": example("a" * 200, "b" * 80, "c" * 80),
    "gone": Explanation(Prediction("gone.wav", "error", code="vanished", message="is not there; check the path")),
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a chromium on the PATH"),
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None or importlib.util.find_spec("axe_playwright_python") is None,
        reason="needs playwright and axe: pip install .[browser]",
    ),
]


@pytest.fixture(scope="module")
def browser():
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # the sandbox needs rights that containers do not give
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_whole_and_accessible(browser, tmp_path, name, size, scheme):
    width, height = SIZES[size]
    (tmp_path / "page.html").write_text(render_explanation(PAGES[name]), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "page.html").as_uri())
    assert (asked, said) == ([page.url], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    bars = page.evaluate(
        "[...document.querySelectorAll('td.lead span')].map(e => getComputedStyle(e, '::after').width)"
    )
    assert bool(bars) == (name != "gone")
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    axe = next(Path(importlib.util.find_spec("axe_playwright_python").origin).parent.rglob("axe.min.js"))
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(v["impact"], v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    page.close()
