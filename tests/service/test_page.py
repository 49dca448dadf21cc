"""The files of the page as they are served: types and policy, nothing from elsewhere, names and tables that agree."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gmmaudio.audio import REASONS
from gmmaudio.canvas.look import SERIES
from gmmaudio.pictures.timeline_areas import OTHERS_COLOUR, STATUS_COLOURS
from gmmaudio.service.problems import LOST, SERVICE_REASONS
from gmmaudio.service.static_files import read_static
from tests.service.conftest import ask

ROOT = Path(__file__).parents[2]
STATIC = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "gmmaudio/service/static").iterdir()}
SCRIPTS = {name: text for name, text in STATIC.items() if name.endswith(".js")}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the text of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.code, self._is_code = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._is_code = tag in ("script", "style")

    def handle_endtag(self, _tag):
        self._is_code = False

    def handle_data(self, data):
        if self._is_code:
            self.code.append(data)


PAGE = Elements(STATIC["index.html"])
IDS = [attributes["id"] for _, attributes in PAGE.found if "id" in attributes]


def without_comments(script):
    return re.sub(r"(?m)^\s*//.*$", "", script)


# as they are served


@pytest.mark.parametrize("address", ["/", *(f"/{name}" for name in sorted(STATIC))])
def test_every_file_is_served_with_its_type_and_a_strict_policy(app, address):
    answer = ask(app, "GET", address)
    name = address[1:] or "index.html"
    assert (answer.status, answer.content.decode()) == (200, STATIC[name])
    assert answer.headers["content-type"].split(";")[0] == TYPES[name.rpartition(".")[2]]
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    # the recording that plays is a blob; scripts, workers and styles are files of the service alone
    assert policy["media-src"] == "'self' blob:"
    assert not {"script-src", "style-src", "worker-src", "connect-src"} & set(policy)
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "microphone=(self)" in answer.headers["permissions-policy"]


def test_all_files_of_the_page_are_served():
    assert set(read_static()) == {"/", *(f"/{name}" for name in STATIC)}


# what the policy would block, and what would leave


@pytest.mark.parametrize("name", STATIC)
def test_no_file_names_another_host(name):
    text = STATIC[name].replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"""(?:https?:|wss?:|["'(=]\s*)//[\w.]""", text) == []
    assert re.findall(r"@import|url\((?!['\"]?#)", text) == []


def test_the_page_has_no_inline_code_and_no_missing_file():
    assert "".join(PAGE.code).strip() == ""
    for tag, attributes in PAGE.found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name] in STATIC


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_html_or_code_of_text(name):
    risky = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc|javascript:"
    assert re.findall(risky, without_comments(SCRIPTS[name])) == []
    assert re.findall(r"localStorage|sessionStorage|document\.cookie|indexedDB", SCRIPTS[name]) == []
    # an attribute would be blocked; the style of an element is set by its properties
    assert re.findall(r"""setAttribute\(\s*["']style|\bstyle:\s*["'`]""", SCRIPTS[name]) == []


# names that have to fit


def test_ids_are_unique_and_all_that_are_named_exist():
    assert len(IDS) == len(set(IDS))
    for _, attributes in PAGE.found:
        for name in ("for", "aria-labelledby", "aria-describedby", "aria-controls"):
            assert set(attributes.get(name, "").split()) <= set(IDS)
    calls = r"\b(?:element|hide|show|lead|isVisible)\(((?:\"[\w-]+\"(?:, )?)+)"
    named = {
        each for text in SCRIPTS.values() for found in re.findall(calls, text) for each in re.findall('"(.+?)"', found)
    }
    named |= {
        each
        for found in re.findall(r"for \(const name of \[(.*?)\]\) element\(name\)", STATIC["player.js"])
        for each in re.findall('"(.+?)"', found)
    }
    assert len(named) > 30
    assert named <= set(IDS)


def test_every_import_is_a_file_that_exports_the_name():
    seen = {"app.js", "recording_worklet.js"}
    for text in SCRIPTS.values():
        for names, file in re.findall(r'(?m)^import \{ (.+?) \} from "\./(.+?)";', text):
            seen.add(file)
            exported = re.findall(r"(?m)^export (?:async )?(?:const|class|function) (\w+)", STATIC[file])
            exported += re.findall(r"(?m)^export const \w+ = .+?, (\w+) =", STATIC[file])
            assert set(names.split(", ")) <= set(exported), file
    assert seen == set(SCRIPTS)


def test_colours_are_those_of_reports_and_of_timelines():
    tokens = r"--[\w-]+: [^;]+;"
    report = (ROOT / "gmmaudio/evaluation/templates/page.css").read_text(encoding="utf-8")
    light, dark = (re.findall(tokens, part) for part in report.split("@media")[:2])
    own_light, own_dark = (re.findall(tokens, part) for part in STATIC["style.css"].split("@media")[:2])
    assert len(light) >= 10
    assert (light, dark) == (own_light[: len(light)], own_dark[: len(dark)])
    areas = STATIC["timeline_areas.js"]
    assert re.findall("#[0-9a-f]{6}", areas) == [*SERIES, OTHERS_COLOUR, *STATUS_COLOURS.values()]


# reasons that an upload of the page can never have: they are of files on disk, of corpora, or of other clients
ELSEWHERE = {"vanished", "not_a_file", "bad_segment", "bad_request", "no_file", "not_found", "bad_method"}


def test_every_reason_has_a_heading_and_a_cure():
    table = STATIC["words.js"].split("const PROBLEMS = {")[1].split("\n};")[0]
    coded = set(re.findall(r"(?m)^  (\w+): \[", table))
    assert (set(REASONS) | set(SERVICE_REASONS) | set(LOST) | {"no_frames"}) - ELSEWHERE <= coded


def test_the_words_for_probabilities_are_those_of_the_manual():
    table = STATIC["words.js"].split("CERTAINTY = [")[1].split("];")[0]
    words = {word: float(lowest) for lowest, word in re.findall(r'\[([\d.]+), "(.+?)"\]', table)}
    assert list(words.values()) == sorted(words.values(), reverse=True)
    assert list(words.values())[-1] == 0
    (first, high), *rest = words.items()
    rows, above = [f"| {high:g} or more | {first} |"], high
    for word, lowest in rest:
        rows.append(f"| {lowest:g} to {above:g} | {word} |" if lowest else f"| below {above:g} | {word} |")
        above = lowest
    manual = (ROOT / "docs/service.md").read_text(encoding="utf-8")
    assert "\n".join(["| probability | word |", "|---|---|", *rows, ""]) in manual
