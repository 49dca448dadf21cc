"""The page in a browser: upload, drop, timeline, explanation, hostile names, keyboard, themes, widths, axe.

Needs a chromium on the PATH, and playwright and axe-playwright-python from PyPI, which no extra but ``browser`` brings.
"""

import base64
import io
import json
import re
import time

import pytest
import soundfile

from tests.service.page_steps import EMPTY_TIMELINE, SIZES, answers, give, heading, place, until, wait

HOSTILE = [
    "<img src=x onerror=alert(1)>.wav",
    '"><script>alert(1)</script>.wav',
    "\u202egnp.wav",
    "x" * 200 + ".wav",
    "\u06a9\u062a\u0627\u0628 & ${name}.wav",
]
pytestmark = pytest.mark.slow


# --- choose and drop -------------------------------------------------------------------------------


def test_a_chosen_file_is_answered_in_words(open_page, songs, address):
    page = open_page()
    for label, content in songs.items():
        give(page, content)
        assert re.fullmatch(
            rf"{label} (over )?\d+\s%: (nearly sure|fairly sure|likely|uncertain|a guess)", heading(page)
        )
        assert page.inner_text("#answer-file").startswith("song.wav · 0:01 · ")
        assert page.inner_text(".bars li >> nth=0").split()[0] == label
        assert "with such a probability" in page.inner_text("#answer-body")
    assert page.evaluate("document.activeElement.id") == "answer-heading"
    page.click("#answer summary:has-text('words')")
    assert page.locator("#answer tbody tr").all_inner_texts() == [
        "nearly sure\t95\u00a0% or more",
        "fairly sure\t80\u00a0% to 95\u00a0%",
        "likely\t60\u00a0% to 80\u00a0%",
        "uncertain\t40\u00a0% to 60\u00a0%",
        "a guess\tbelow 40\u00a0%",
    ]
    assert page.said == []
    assert all(url.startswith((address, "blob:")) for url in page.asked)
    # twice for each, and never for an explanation that nobody asked for
    assert [url.rpartition("/")[2] for url in page.asked if "/v1/" in url] == ["model", *["classify", "timeline"] * 3]


def test_a_dropped_file_is_answered_and_dropped_text_is_not(open_page, songs):
    page = open_page()
    dropped = page.evaluate_handle(
        """([name, text]) => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([Uint8Array.from(atob(text), c => c.charCodeAt(0))], name));
          transfer.items.add(new File(["no sound"], "second.wav"));
          return transfer;
        }""",
        ["dropped.wav", base64.b64encode(songs["high"]).decode()],
    )
    page.dispatch_event("#model", "dragover", {"dataTransfer": dropped})
    assert page.evaluate("document.documentElement.classList.contains('dragging')")
    page.dispatch_event("#model", "drop", {"dataTransfer": dropped})
    wait(page)
    assert heading(page).startswith("high ")
    assert re.fullmatch(
        r"dropped\.wav · 0:01 · .+ · the first of 2 files: one at a time", page.inner_text("#answer-file")
    )
    assert not page.evaluate("document.documentElement.classList.contains('dragging')")
    # text that is dragged over the page is not a file
    text = page.evaluate_handle("() => { const t = new DataTransfer(); t.setData('text/plain', 'x'); return t; }")
    page.dispatch_event("#model", "drop", {"dataTransfer": text})
    assert heading(page).startswith("high ")
    assert page.said == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(open_page, songs, name):
    page = open_page("phone")
    give(page, songs["low"], name)
    shown = page.inner_text("#answer-file")
    assert shown.startswith(name.replace("\u202e", "\\u{202e}"))
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    give(page, b"no sound", name)
    assert page.inner_text("#problem-detail").startswith(shown.partition(" · ")[0])
    assert page.evaluate("document.querySelectorAll('img, main script').length") == 0
    assert [text for text in page.said if "415" not in text] == []


# --- over time and why -----------------------------------------------------------------------------


def test_the_timeline_follows_keys_clicks_and_sound(open_page, medley):
    page = open_page()
    give(page, medley)
    rows = page.locator("#timeline-body tbody tr")
    labels = [rows.nth(i).locator("td").nth(2).inner_text() for i in range(rows.count())]
    assert [label for label in labels if label in ("low", "mid", "high")] == ["low", "high", "mid"]
    assert page.locator("#wave.drawn path").get_attribute("d").startswith("M")
    assert page.locator("#areas path").count() == page.locator("#names li").count() >= 3
    page.focus("#stage")
    for key, at in (("End", 15.0), ("Home", 0.0), ("ArrowRight", 0.15), ("ArrowLeft", 0.0)):
        page.keyboard.press(key)
        assert place(page) == pytest.approx([at, at], abs=0.06), key
    page.keyboard.press("PageUp")
    assert place(page)[1] == pytest.approx(5.0, abs=1.0)
    assert "high" in page.get_attribute("#stage", "aria-valuetext")
    assert page.inner_text("tr[aria-current] td >> nth=2") == "high"
    box = page.locator("#stage").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.8, box["y"] + 20)
    assert place(page) == pytest.approx([12.0, 12.0], abs=0.1)
    page.focus("#timeline-body button >> nth=1")
    page.keyboard.press("Enter")
    until(page, "document.getElementById('audio').currentTime > 5.3")
    sound, shown = place(page)
    assert shown == pytest.approx(sound, abs=5.0)
    assert page.locator("#played").bounding_box()["width"] > box["width"] * 0.33
    page.focus("#stage")
    page.keyboard.press(" ")
    assert page.evaluate("document.getElementById('audio').paused")
    assert page.said == []


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_place_glides_with_the_sound_unless_motion_is_not_wanted(browser, address, medley, motion):
    context = browser.new_context(reduced_motion=motion)
    page = context.new_page()
    page.goto(address)
    give(page, medley)
    page.focus("#stage")
    page.keyboard.press(" ")
    widths, start_s = set(), time.monotonic()
    for _ in range(40):
        widths.add(page.evaluate("document.getElementById('played').style.width"))
        page.wait_for_timeout(20)
    # a player says its time four times a second by itself
    if motion == "reduce":
        assert 1 < len(widths) < 5 * (time.monotonic() - start_s) + 3
    else:
        assert len(widths) > 24
    context.close()


def test_an_explanation_on_demand_sums_to_the_lead(open_page, songs):
    page = open_page()
    give(page, songs["mid"])
    page.click("#explain")
    page.wait_for_selector("#why-body table")
    assert page.inner_text("#why-heading").startswith("Why mid rather than ")
    assert page.evaluate("document.activeElement.id") == "why-heading"
    cells = page.locator("#why-body tbody td:nth-child(2), #why-body tfoot td:nth-child(2)").all_inner_texts()
    *parts, total = [float(text.replace("\u2212", "-")) for text in cells]
    # each is rounded to hundredths
    assert sum(parts) == pytest.approx(total, abs=0.005 * (len(parts) + 1))
    assert "Most of what speaks for mid" in page.inner_text("#why-body")
    assert not page.is_visible("#explain")
    # another recording has another explanation
    give(page, songs["low"])
    assert page.inner_text("#why-heading") == "Why"
    assert page.is_visible("#explain")


def test_a_format_that_the_browser_does_not_play_is_answered_all_the_same(open_page, songs):
    samples, rate = soundfile.read(io.BytesIO(songs["low"]))
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format="W64", subtype="PCM_16")
    page = open_page()
    give(page, target.getvalue(), "song.w64")
    assert heading(page).startswith("low ")
    page.wait_for_selector("#no-sound:not([hidden])")
    page.wait_for_selector("#no-wave:not([hidden])")
    page.focus("#stage")
    page.keyboard.press("End")
    assert place(page)[1] == pytest.approx(1.0)


# --- keyboard, themes, widths ----------------------------------------------------------------------


def test_everything_is_done_by_the_keyboard(open_page, songs, tmp_path):
    (tmp_path / "song.wav").write_bytes(songs["mid"])
    # listened for from the beginning: the browser is asked to hand a dialog over, which takes a moment
    page = open_page(prepare=lambda page: page.on("filechooser", lambda _: None))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    assert page.evaluate("getComputedStyle(document.querySelector('#file + label')).outlineStyle") == "solid"
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(tmp_path / "song.wav")
    wait(page)
    assert page.evaluate("document.activeElement.id") == "answer-heading"
    seen = []
    visible = (
        "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle === 'solid'"
    )
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        # the browser draws the focus within the player, and the button for files that of its field
        assert seen[-1] in ("file", "audio") or page.evaluate(visible), seen[-1]
        if seen[-1] == "explain":
            page.keyboard.press("Enter")
            page.wait_for_selector("#why-body table")
        if seen[-1] == "BODY":
            break
    # past the last element the focus leaves the page: there is no trap
    assert seen[-1] == "BODY"
    # each button of the player is one stop
    assert list(dict.fromkeys(name for name in seen if name in ("audio", "stage", "explain"))) == [
        "audio",
        "stage",
        "explain",
    ]
    assert seen.index("SUMMARY") < seen.index("audio")


STATES = ("start", "answer", "problem", "token", "recording")


def bring(page, state, content):
    """Bring the page into a state."""
    if state == "answer":
        give(page, content)
        page.click("#explain")
        page.wait_for_selector("#why-body table")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    elif state == "problem":
        give(page, b"no sound")
    elif state in ("token", "recording"):
        names = {"token": ["token-part"], "recording": ["record-stop", "record-discard", "record-level", "work"]}[state]
        page.evaluate("names => names.forEach(name => { document.getElementById(name).hidden = false; })", names)
        page.evaluate("document.getElementById('work-words').textContent = 'Classifying'")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(open_page, axe, medley, size, scheme, state):
    page = open_page(size, scheme)
    bring(page, state, medley)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert (max(int(part) for part in ink[4:-1].split(",")) > 128) == (scheme == "dark")
    page.evaluate(axe)
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 10
    assert [(v["impact"], v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
    assert [text for text in page.said if "415" not in text] == []


def test_long_and_strange_labels_do_not_widen_a_phone(open_page, songs):
    names = ["x" * 120, "<b>bold</b>", "\u202eltr", "long words " * 12]
    shares = dict(zip(names, (0.6, 0.2, 0.15, 0.05), strict=True))
    segments = [
        {"start": float(i), "end": i + 1.0, "status": "ok", "label": name, "probability": 0.9, "tolerance": None}
        for i, name in enumerate(names)
    ]
    timeline = EMPTY_TIMELINE | {"labels": names, "segments": segments, "shares": shares, "duration_s": 4.0}
    prediction = {"status": "ok", "label": names[0], "scores": shares, "probability": shares, "duration_s": 4.0}
    part = {"name": "y" * 90, "quantity": "y" * 90, "aspect": "mean", "lead": -1.0}
    explanation = {"prediction": prediction, "winner": names[0], "runner_up": names[1], "lead": -1.0, "log_odds": None}
    explanation |= {"parts": [part], "rows": [], "windows": [], "open_set": None}

    def prepare(page):
        answers(page, prediction, timeline)
        page.route("**/v1/explain", lambda route: route.fulfill(json=explanation))

    page = open_page("phone", prepare=prepare)
    give(page, songs["low"])
    page.click("#explain")
    page.wait_for_selector("#why-body table")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"][0]
    assert page.evaluate("document.querySelectorAll('main b').length") == 0
    assert page.locator("#lanes path").count() == len(names)
    assert page.said == []


def test_without_motion_and_without_script_the_page_still_works(browser, address, songs, tmp_path):
    (tmp_path / "song.wav").write_bytes(songs["low"])
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.set_input_files("noscript input, form input[name=file]", tmp_path / "song.wav")
    page.click("form button:has-text('Classify')")
    page.wait_for_url("**/v1/classify")
    assert json.loads(page.inner_text("pre, body"))["label"] == "low"
    context.close()
    still = browser.new_context(reduced_motion="reduce")
    page = still.new_page()
    page.goto(address)
    give(page, songs["low"])
    assert page.evaluate("getComputedStyle(document.querySelector('.bar')).transitionDuration") == "0s"
    still.close()
