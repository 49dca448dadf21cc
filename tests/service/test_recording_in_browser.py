"""Recording by the page in a browser whose microphone plays a file."""

import base64
import io
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from tests.service.page_steps import heading, until, wait

pytestmark = pytest.mark.slow


@pytest.fixture
def listen(browser, open_page):
    """Open the page in a browser whose microphone plays a file, over and over."""
    browsers = []

    def opened(sound, at):
        arguments = [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={sound}",
        ]
        other = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=arguments)
        browsers.append(other)
        # what is sent is kept, so that it can be looked at
        keep = "const send = XMLHttpRequest.prototype.send; XMLHttpRequest.prototype.send = function (body) "
        keep += "{ window.sent = body || window.sent; return send.call(this, body); };"
        return open_page(at=at, browser=other, prepare=lambda page: page.add_init_script(keep))

    yield opened
    for each in browsers:
        each.close()


def record(page, seconds):
    """Record for some seconds by the keyboard, and return the samples that were sent and their rate."""
    page.focus("#record-start")
    page.keyboard.press("Enter")
    page.wait_for_selector("#record-stop:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "record-stop"
    until(page, f"document.getElementById('record-clock').textContent >= '0:{seconds:02d}'")
    assert page.evaluate("+document.getElementById('record-meter').style.getPropertyValue('--share')") > 0.3
    page.keyboard.press("Enter")
    wait(page)
    text = page.evaluate(
        """async () => {
          const bytes = new Uint8Array(await window.sent.arrayBuffer());
          return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
        }"""
    )
    content = base64.b64decode(text)
    assert soundfile.info(io.BytesIO(content)).subtype == "PCM_16"
    return soundfile.read(io.BytesIO(content), dtype="float32")


def likeness(recorded, rate, played, played_rate):
    """Return the highest normalised correlation of a second of what was recorded with what was played."""
    from scipy.signal import fftconvolve, resample_poly

    step = np.gcd(rate, played_rate)
    original = resample_poly(played, rate // step, played_rate // step)
    # the microphone begins anywhere, and comes round to the beginning
    original = np.concatenate([original, original])
    piece = recorded[rate : 2 * rate].astype(float)
    products = fftconvolve(original, piece[::-1], mode="valid")
    energy = fftconvolve(original**2, np.ones(len(piece)), mode="valid")
    return np.abs(products / np.sqrt(np.maximum(energy, 1e-9) * (piece**2).sum())).max()


def test_a_recording_is_what_the_microphone_heard(listen, address, tools, tmp_path):
    sound = tools.band_noise("mid", 5, 6.0, 48_000)
    soundfile.write(tmp_path / "mid.wav", sound, 48_000, subtype="PCM_16")
    page = listen(tmp_path / "mid.wav", address)
    recorded, rate = record(page, 3)
    assert len(recorded) / rate == pytest.approx(3.3, abs=1.0)
    assert likeness(recorded, rate, sound, 48_000) > 0.95
    assert heading(page).startswith("mid ")
    assert page.inner_text("#answer-file").startswith("recording.wav")
    assert page.is_visible("#record-start")
    assert page.said == []
    # recorded once more, and thrown away: nothing is sent
    n_sent = len([url for url in page.asked if "/v1/" in url])
    page.click("#record-start")
    page.wait_for_selector("#record-discard:not([hidden])")
    page.click("#record-discard")
    assert page.is_visible("#record-start")
    assert page.evaluate("document.activeElement.id") == "record-start"
    assert len([url for url in page.asked if "/v1/" in url]) == n_sent


@pytest.fixture(scope="module")
def songs_of_data(tmp_path_factory):
    """A model of two genres of real music, and a clip of one of them that it was not trained on."""
    from gmmaudio import pipeline
    from gmmaudio.models import save_model

    root = Path(__file__).parents[2]
    folder = (root / os.environ.get("GMMAUDIO_DATA", "../shared/data") / "genre").resolve()
    if not folder.is_dir():
        pytest.skip(f"no real audio: {folder} is not there (set GMMAUDIO_DATA)")
    own = tmp_path_factory.mktemp("songs")
    for genre in ("classical", "metal"):
        *known, held_out = sorted((folder / genre).glob("*.flac"))[:7]
        (own / "corpus" / genre).mkdir(parents=True)
        for path in known:
            (own / "corpus" / genre / path.name).symlink_to(path)
    path = own / "songs.gmm"
    save_model(pipeline.train(pipeline.read_corpus(own / "corpus"), pipeline.make_recipe(n_components=4)).model, path)
    return SimpleNamespace(model=path, clip=held_out, label="metal")


def test_real_music_is_recorded_and_named(listen, serve, songs_of_data, tmp_path):
    sound, rate = soundfile.read(songs_of_data.clip)
    soundfile.write(tmp_path / "song.wav", sound, rate, subtype="PCM_16")
    page = listen(tmp_path / "song.wav", serve(songs_of_data.model))
    recorded, recorded_rate = record(page, 8)
    assert likeness(recorded, recorded_rate, sound, rate) > 0.9
    assert heading(page).startswith(songs_of_data.label)
    assert page.said == []


def test_a_muted_microphone_is_said_while_it_is_recorded(listen, address, tmp_path):
    soundfile.write(tmp_path / "muted.wav", np.zeros(48_000), 48_000, subtype="PCM_16")
    page = listen(tmp_path / "muted.wav", address)
    page.click("#record-start")
    until(page, "document.getElementById('record-note').textContent.startsWith('Nothing is heard')")
    page.click("#record-stop")
    wait(page)
    assert page.inner_text("#problem-heading") == "There is nothing but silence"
    assert page.inner_text("#problem-detail").startswith("recording.wav: ")


def test_a_microphone_that_is_refused_or_missing_is_said(open_page, browser):
    page = open_page()
    # a browser without permission, or without a device
    page.click("#record-start")
    until(page, "/microphone|Recording could not/i.test(document.getElementById('record-note').textContent)")
    assert page.is_visible("#record-start")
    assert page.evaluate("document.activeElement.id") == "record-start"
    insecure = "Object.defineProperty(window, 'isSecureContext', { value: false });"
    page = open_page(prepare=lambda page: page.add_init_script(insecure))
    assert not page.is_visible("#record-start")
    assert "https" in page.inner_text("#record-note")
    assert page.is_visible("label[for=file]")
