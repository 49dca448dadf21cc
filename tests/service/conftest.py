"""A service in this process: its application, and requests to it without a network."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tests.service.page_steps import SIZES, wav

for _package in ("starlette", "uvicorn", "python_multipart"):
    pytest.importorskip(_package, reason="needs the serve extra")


def ask(app, method, path, body=b"", headers=(), *, pieces=None, gone_after=None):
    """Return the answer of an ASGI application to one request.

    ``pieces`` are the parts of the body with the seconds before each; after ``gone_after`` of them the client is gone.
    """
    parts = [(0.0, body)] if pieces is None else list(pieces)
    sent = []

    async def run():
        at = 0

        async def receive():
            nonlocal at
            if gone_after is not None and at >= gone_after:
                return {"type": "http.disconnect"}
            if at >= len(parts):
                await asyncio.sleep(3600)
            wait_s, piece = parts[at]
            at += 1
            await asyncio.sleep(wait_s)
            return {"type": "http.request", "body": piece, "more_body": at < len(parts)}

        async def send(message):
            sent.append(message)

        names = {name.lower() for name, _ in headers}
        has_length = body and "transfer-encoding" not in names
        defaults = {"host": "127.0.0.1:8000"} | ({"content-length": str(len(body))} if has_length else {})
        given = [*((name, value) for name, value in defaults.items() if name not in names), *headers]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8000),
            "scheme": "http",
            "http_version": "1.1",
            "root_path": "",
        }
        await app(scope, receive, send)

    asyncio.run(run())
    if not sent:
        return SimpleNamespace(status=None)
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in sent[1:])
    plain = json.loads(content) if "json" in head.get("content-type", "") and content else None
    return SimpleNamespace(status=sent[0]["status"], headers=head, content=content, json=plain)


def form_of(content, name="file", filename="song.wav", boundary="bnd", beside=b""):
    """Return the body and the header of a form with one file."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
    body = beside + head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, [("content-type", f"multipart/form-data; boundary={boundary}")]


@pytest.fixture(scope="module")
def opened(model_file):
    """An engine with one warm worker, the lines that its application logs, and the application."""
    from gmmaudio.models import load_model
    from gmmaudio.service import ServiceSettings, make_app, open_engine

    settings = ServiceSettings(n_jobs=1, n_queued=2, max_bytes=300_000, max_duration_s=5.0, body_s=0.3)
    with open_engine(load_model(model_file), settings) as engine:
        lines = []
        yield SimpleNamespace(engine=engine, lines=lines, app=make_app(engine, lines.append), settings=settings)


@pytest.fixture
def app(opened):
    """The application, with an empty log."""
    opened.lines.clear()
    return opened.app


# the page in a browser


def start(model, folder, *words, **variables):
    """Start a service, and return its process and its address."""
    log = folder / "log"
    with log.open("wb") as out:
        arguments = [sys.executable, "-m", "gmmaudio", "serve", str(model), "--port", "0", "-j", "1", *words]
        process = subprocess.Popen(arguments, stderr=out, stdout=out, env=os.environ | variables)
    for _ in range(600):
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8"))
        if found:
            return process, found[0]
        assert process.poll() is None, log.read_text(encoding="utf-8")
        time.sleep(0.1)
    raise AssertionError("the service says no address")


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Start services that are ended with the module."""
    processes = []

    def started(model, *words, **variables):
        process, address = start(model, tmp_path_factory.mktemp("service"), *words, **variables)
        processes.append(process)
        return address

    yield started
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(30)


@pytest.fixture(scope="module")
def address(serve, model_file):
    """A service of the model of three bands of noise."""
    return serve(model_file, "--max-bytes", "2MB", "--max-duration", "30")


@pytest.fixture
def open_page(browser, address):
    """Open the page at a size and in a scheme, with what was asked of the network and what the console said."""
    contexts = []

    def opened(size="desk", scheme="light", at=address, browser=browser, prepare=None):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.asked, page.said = [], []
        page.on("request", lambda asked: page.asked.append(asked.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("dialog", lambda dialog: (page.said.append("dialog"), dialog.dismiss()))
        if prepare:
            prepare(page)
        page.goto(at)
        page.wait_for_selector("#model-body dl, #token-part:not([hidden]), #problem:not([hidden])")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def songs(corpus):
    """The bytes of a clip of each label, which the model was not trained on."""
    return {label: (corpus.root / label / "cy" / "0.wav").read_bytes() for label in ("low", "mid", "high")}


@pytest.fixture(scope="module")
def medley(tools):
    """Five seconds of each label, one after another."""
    return wav(np.concatenate([tools.band_noise(label, 7, 5.0) for label in ("low", "high", "mid")]))
