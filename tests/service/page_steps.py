"""What the tests of the page in a browser do and read."""

import io
import time

import soundfile

SIZES = {"desk": (1280, 900), "phone": (390, 844)}


def wait(page):
    """Wait until the page has an answer or a problem, and no work."""
    page.wait_for_selector("#answer:not([hidden]), #problem:not([hidden])")
    page.wait_for_selector("#work", state="hidden")


def give(page, content, name="song.wav"):
    page.set_input_files("#file", {"name": name, "mimeType": "audio/wav", "buffer": content})
    wait(page)


def heading(page):
    return page.inner_text("#answer-heading")


def place(page):
    return page.evaluate(
        "[document.getElementById('audio').currentTime, +document.getElementById('stage').ariaValueNow]"
    )


def until(page, condition, timeout_s=20.0):
    """Wait for a condition; the browser's own way is a script that the page forbids."""
    end_s = time.monotonic() + timeout_s
    while not page.evaluate(condition):
        assert time.monotonic() < end_s, condition
        page.wait_for_timeout(50)


def wav(samples, rate=22050):
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format="WAV", subtype="PCM_16")
    return target.getvalue()


# answers of other models than the one that the service has

SCORES = {"low": -10.5, "mid": -12.25, "high": -14.0}
SHARES = {"low": 0.5, "mid": 0.45, "high": 0.05}
EMPTY_TIMELINE = {
    "duration_s": 1.0, "window_s": None, "hop_s": None, "labels": ["low", "mid", "high"], "segments": [], "shares": {},
    "times": [], "posteriors": [], "notes": [],
}  # fmt: skip


def answers(page, prediction, timeline=EMPTY_TIMELINE):
    plain = {"label": None, "scores": SCORES, "probability": SHARES, "duration_s": 1.0} | prediction
    page.route("**/v1/classify", lambda route: route.fulfill(json=plain))
    page.route("**/v1/timeline", lambda route: route.fulfill(json=timeline))
