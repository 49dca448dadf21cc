"""The page of the check of a corpus in a browser: nothing is fetched or wider than a phone, and axe finds nothing."""

import pytest

from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding
from gmmaudio.pictures.corpus_page import render_check
from tests.evaluation.conftest import HOSTILE
from tests.pictures.test_corpus_page import check_of, facts

SIZES = {"desk": (1280, 900), "phone": (360, 780)}


def everything(label="jazz"):
    """Return a check that has all that a page shows."""
    more = {"splits": {"train": 2, "test": 1}, "level_db": -20.4, "band_hz": 4e3}
    return check_of(
        *(facts(f"{label} {k}", **more) for k in range(3)),
        findings=(
            Finding("format_confounded", "alarm", f"the format tells {label} apart", "take others"),
            Finding("inner_splits_read", "information", "read as splits"),
        ),
        failed=(FailedInput(f"{label}/a.wav", "empty", "has no bytes; copy the file again"),),
        n_skipped=3,
        n_decoded=8,
    )


PAGES = {
    "everything": everything(),
    "hostile": everything(HOSTILE[0]),
    "long names": everything("a" * 200),
    "refused": check_of(facts(), refusal="only one label, 'jazz'; expected two or more"),
}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_whole_and_accessible(browser, axe, tmp_path, name, size, scheme):
    width, height = SIZES[size]
    (tmp_path / "page.html").write_text(render_check(PAGES[name], name), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme, bypass_csp=True)
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "page.html").as_uri())
    assert (asked, said) == ([page.url], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('h1').length") == 1
    page.evaluate(axe)
    violations = page.evaluate("axe.run().then(found => found.violations.map(v => [v.id, v.impact]))")
    assert violations == []
    page.close()
