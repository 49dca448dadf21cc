"""The page in a browser: every status, refused files, a service in trouble, cancelling, and tokens."""

import contextlib

import numpy as np
import pytest

from tests.service.page_steps import answers, give, heading, until, wait, wav

TOKEN = "correct-horse-battery"  # noqa: S105
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("prediction", "first", "words"),
    [
        (
            {"status": "unknown", "code": "no_label", "message": "far from every class"},
            "unknown",
            "The model does not know this sound: far from every class.",
        ),
        (
            {"status": "mixed", "shares": {"low": 0.6, "mid": 0.4}, "code": "mixed", "message": "low 60 %, mid 40 %"},
            "mixed low 60\u00a0% and mid 40\u00a0%",
            "The recording has parts of several labels",
        ),
        ({"status": "ok", "label": "low", "probability": None}, "low by the highest score", "was not calibrated"),
        ({"status": "ok", "label": "low"}, "low 50\u00a0%: uncertain", "mid is nearly as likely"),
        (
            {"status": "ok", "label": "low", "notes": [{"code": "lost", "text": "0.2 s <b>lost</b>", "seconds": 0.2}]},
            "low 50\u00a0%: uncertain",
            "0.2 s <b>lost</b> (0.2\u00a0s)",
        ),
    ],
)
def test_every_status_is_said_in_words(open_page, songs, prediction, first, words):
    page = open_page(prepare=lambda page: answers(page, prediction))
    give(page, songs["low"])
    assert heading(page) == first
    assert words in page.inner_text("#answer-body")
    assert page.evaluate("document.activeElement.id") == "answer-heading"
    assert page.said == []


@pytest.mark.parametrize(
    ("content", "title", "cure"),
    [
        (b"these are words", "This is no sound that the service reads", "Convert it"),
        (wav(np.zeros(30_000)), "There is nothing but silence", "microphone"),
        (wav(0.1 * np.ones(2_000)), "The recording is too short", "half a minute"),
        (wav(np.zeros(22_050 * 31)), "The recording is too long", "shorter part"),
        (bytes(2_000_001), "The file is too large", "shorter part"),
        (b"", "The file is empty", "another file"),
    ],
)
def test_what_cannot_be_used_is_said_with_a_cure(open_page, songs, content, title, cure):
    page = open_page()
    give(page, songs["low"])
    give(page, content)
    assert page.inner_text("#problem-heading") == title
    assert cure in page.inner_text("#problem-cure")
    # the same file would be refused again, and the old answer is not that of this file
    assert not page.is_visible("#again")
    assert not page.is_visible("#answer")
    assert page.evaluate("document.activeElement.id") == "problem-heading"
    give(page, songs["low"])
    assert not page.is_visible("#problem")


@pytest.mark.parametrize(("stated", "n_sent"), [(2_000_000, 0), (4_000_000, 1)])
def test_what_is_too_large_is_not_sent_and_a_refusal_is_said_the_same(open_page, stated, n_sent):
    def other_limit(route):
        facts = route.fetch().json()
        facts["limits"]["bytes"] = stated
        route.fulfill(json=facts)

    page = open_page(prepare=lambda page: page.route("**/v1/model", other_limit))
    give(page, bytes(3_000_000))
    assert page.inner_text("#problem-heading") == "The file is too large"
    assert len([url for url in page.asked if url.endswith("/v1/classify")]) == n_sent


@pytest.mark.parametrize(
    ("status", "headers", "title", "cure"),
    [
        (503, {"Retry-After": "2"}, "The service is busy", "in 2 seconds"),
        (429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "The service is busy", "now"),
        (500, {}, "The service has an error", "log"),
        (502, {}, "The service has an error", "Try again"),
        (0, {}, "The service cannot be reached", "still runs"),
    ],
)
def test_a_service_that_is_in_trouble_is_asked_again(open_page, songs, status, headers, title, cure):
    page = open_page()
    trouble = [True]

    def reply(route):
        if not trouble:
            route.continue_()
        elif status:
            route.fulfill(status=status, headers=headers, body="<h1>trouble</h1>", content_type="text/html")
        else:
            route.abort()

    page.route("**/v1/classify", reply)
    give(page, songs["high"])
    assert page.inner_text("#problem-heading") == title
    assert cure in page.inner_text("#problem-cure")
    trouble.clear()
    page.click("#again")
    page.wait_for_selector("#answer:not([hidden])")
    assert heading(page).startswith("high ")
    assert not page.is_visible("#problem")


def test_an_answer_stays_where_its_timeline_fails(open_page, songs):
    page = open_page()
    page.route("**/v1/timeline", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}), times=1)
    give(page, songs["mid"])
    assert heading(page).startswith("mid ")
    page.wait_for_selector("#problem:not([hidden])")
    until(page, "document.getElementById('problem-cure').textContent.endsWith('now.')")
    page.click("#again")
    page.wait_for_selector("#names li")
    assert len([url for url in page.asked if url.endswith("/v1/classify")]) == 1


def test_work_is_cancelled_by_escape_and_by_another_file(open_page, songs):
    page = open_page()
    held = []

    def hold(route):
        held.append(route)

    page.route("**/v1/classify", hold)
    for cancel in (lambda: page.keyboard.press("Escape"), lambda: page.click("#cancel")):
        page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": songs["low"]})
        page.wait_for_selector("#work:not([hidden])")
        assert page.evaluate("document.activeElement.id") == "cancel"
        cancel()
        page.wait_for_selector("#work", state="hidden")
        assert page.evaluate("document.getElementById('live').textContent") == "Cancelled."
        assert page.evaluate("document.activeElement.id") == "file"
        assert not page.is_visible("#problem")
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": songs["low"]})
    until(page, "!document.getElementById('work').hidden")
    page.unroute("**/v1/classify")
    give(page, songs["high"])
    assert heading(page).startswith("high ")
    assert page.said == []
    for route in held:
        with contextlib.suppress(Exception):
            route.abort()


def test_a_model_that_knew_no_groups_is_not_said_to_be_right_so_often(open_page, songs, address):
    page = open_page()
    give(page, songs["low"])
    assert "of 100 answers" in page.inner_text("#answer-body") or "hardly any answer" in page.inner_text("#answer-body")

    def without_groups(route):
        route.fulfill(json=route.fetch().json() | {"n_groups": None})

    page = open_page(prepare=lambda page: page.route("**/v1/model", without_groups))
    give(page, songs["low"])
    assert "The probability is likely too high" in page.inner_text("#answer-body")
    assert "probabilities are likely too high" in page.inner_text("#model-body")


def test_a_mixed_recording_is_explained_as_one_of_one_label(open_page, songs):
    shares = {"low": 0.6, "mid": 0.4}
    page = open_page(prepare=lambda page: answers(page, {"status": "mixed", "shares": shares, "code": "mixed"}))
    give(page, songs["low"])
    page.click("#explain")
    page.wait_for_selector("#why-body table")
    assert "as if it were of one label" in page.inner_text("#why-body")
    assert "unknown" not in page.inner_text("#why-body")


def test_a_reader_who_is_elsewhere_is_told_and_not_moved(open_page, songs):
    page = open_page()
    held = []

    def hold(route):
        held.append(route)

    page.route("**/v1/classify", hold)
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": songs["low"]})
    until(page, "document.activeElement.id === 'cancel'")
    page.focus("#model summary")
    until(page, "true")
    held[0].continue_()
    wait(page)
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.evaluate("document.getElementById('live').textContent").startswith("Answer: low ")


def test_a_token_is_asked_for_and_kept_in_memory_alone(open_page, serve, model_file, songs):
    page = open_page(at=serve(model_file, GMMAUDIO_TOKEN=TOKEN))
    page.wait_for_selector("#token-part:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "token"
    for wrong in ("nonsense-nonsense", "caf\u00e9-caf\u00e9-caf\u00e9"):
        page.keyboard.type(wrong)
        page.keyboard.press("Enter")
        until(page, "document.getElementById('token-words').textContent.includes('not accepted')")
        until(page, "document.activeElement.id === 'token' && !document.activeElement.value")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#model-body dl")
    give(page, songs["low"])
    assert heading(page).startswith("low ")
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    assert TOKEN not in page.evaluate(kept)
    assert TOKEN not in page.content()
    assert [text for text in page.said if "401" not in text] == []
    page.reload()
    page.wait_for_selector("#token-part:not([hidden])")


def test_a_file_that_is_gone_is_not_taken_for_a_broken_connection(open_page, songs, tmp_path):
    path = tmp_path / "gone.wav"
    path.write_bytes(songs["low"])
    page = open_page()
    page.set_input_files("#file", path)
    wait(page)
    path.unlink()
    page.click("#explain")
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("#problem-heading") == "The file cannot be read"
    assert not page.is_visible("#again")
    assert heading(page).startswith("low ")
