"""A service in this process: its application, and requests to it without a network."""

import asyncio
import json
from types import SimpleNamespace

import pytest

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
        defaults = {"host": "127.0.0.1:8000"} | ({"content-length": str(len(body))} if body else {})
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

    settings = ServiceSettings(n_jobs=1, n_queued=2, max_bytes=300_000, max_duration_s=5.0, body_s=0.3, wait_s=0.3)
    with open_engine(load_model(model_file), settings) as engine:
        lines = []
        yield SimpleNamespace(engine=engine, lines=lines, app=make_app(engine, lines.append), settings=settings)


@pytest.fixture
def app(opened):
    """The application, with an empty log."""
    opened.lines.clear()
    return opened.app
