"""The files of the page, which are read once: no address that a client writes reaches the file system."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/x-icon",
    "woff2": "font/woff2",
    "txt": "text/plain; charset=utf-8",
    "webmanifest": "application/manifest+json",
}
INDEX = "index.html"


@dataclass(frozen=True)
class StaticFile:
    """A file of the page.

    Parameters
    ----------
    content : bytes
        Its bytes.
    media_type : str
        Their type.
    """

    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        """The tag by which a browser knows it again."""
        return f'"{hashlib.sha256(self.content).hexdigest()[:32]}"'


def read_static() -> dict[str, StaticFile]:
    """Return all files of the page by the address below which they are found."""
    files = dict(_files(resources.files("gmmaudio.service") / "static", "/"))
    return files | ({"/": files[f"/{INDEX}"]} if f"/{INDEX}" in files else {})


def _files(folder: Traversable, address: str) -> list[tuple[str, StaticFile]]:
    """Return the files in a folder and in those below it; files of other types are left out."""
    found = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            found += _files(entry, f"{address}{entry.name}/")
        elif entry.name.rpartition(".")[2] in TYPES:
            found.append((address + entry.name, StaticFile(entry.read_bytes(), TYPES[entry.name.rpartition(".")[2]])))
    return found


def static_response(file: StaticFile, request: Request) -> Response:
    """Return the response with a file of the page, or that the browser has it already.

    Parameters
    ----------
    file : StaticFile
        The file.
    request : Request
        A request with GET or HEAD.
    """
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
