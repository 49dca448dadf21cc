"""Uploads: the bytes of a request's body, or of the file in its form, counted and timed while they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import BinaryIO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from gmmaudio.files import in_units
from gmmaudio.service.problems import Problem
from gmmaudio.service.service_settings import ServiceSettings

# the head of a part of a form, bytes; parts of a form; and what a form has beside its file, bytes
MAX_PART_HEAD, MAX_PARTS, MAX_BESIDE = 8_192, 20, 65_536
# a body that is not wanted is read on for so many seconds, and up to so many times the limit of bytes: its sender reads
# the answer then
DRAIN_S, DRAIN_TIMES = 10.0, 4


async def receive_upload(request: Request, target: BinaryIO, settings: ServiceSettings) -> int:
    """Return the number of bytes of sound that a request brings, which are written to a file.

    Parameters
    ----------
    request : Request
        A request whose body is sound, or a form with one file.
    target : file
        A file that is open for writing.
    settings : ServiceSettings
        The limits.

    Raises
    ------
    Problem
        If the body is too large or too slow, or a form that cannot be read or has no file.
    ClientDisconnect
        If the client is gone.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    form = None
    if kind == b"multipart/form-data":
        form = _Form(target, options.get(b"boundary", b""), settings.max_bytes)
    limit = settings.max_bytes + (MAX_BESIDE if form is not None else 0)
    _check_declared(request, limit, settings.max_bytes)
    n_bytes = 0
    async for piece in _timed(request, settings):
        n_bytes += len(piece)
        if n_bytes > limit:
            raise _too_large(settings.max_bytes)
        if form is None:
            target.write(piece)
        else:
            form.feed(piece)
    target.flush()
    return n_bytes if form is None else form.finish()


async def drain(receive: Receive, n_bytes: int) -> None:
    """Read on a body that is not wanted, for a while and up to a number of bytes.

    A connection that is closed while its client still sends is reset, and the client may never read the answer.

    Parameters
    ----------
    receive : callable
        Of ASGI.
    n_bytes : int
        Bytes at most.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while n_bytes > 0:
                message = await receive()
                n_bytes -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def _check_declared(request: Request, limit: int, max_bytes: int) -> None:
    """Raise where a client says itself that its body is too large; what it says otherwise is not believed."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> Problem:
    """Return the problem of an upload that is too large."""
    return Problem(413, "too_large", f"more than {in_units(max_bytes)}; send a shorter part, or a compressed format")


async def _timed(request: Request, settings: ServiceSettings) -> AsyncIterator[bytes]:
    """Yield the pieces of a body, each of which must arrive in time."""
    started_s, n_bytes = time.monotonic(), 0
    while True:
        left_s = settings.body_s + n_bytes / settings.body_bytes_per_s - (time.monotonic() - started_s)
        try:
            async with asyncio.timeout(min(settings.body_s, max(left_s, 0.0))):
                message = await request.receive()
        except TimeoutError as error:
            raise Problem(
                408, "slow", f"{n_bytes} bytes in {time.monotonic() - started_s:.0f} s; send the body without a break"
            ) from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece = message.get("body", b"")
        n_bytes += len(piece)
        yield piece
        if not message.get("more_body", False):
            return


class _Form:
    """A form whose file is written on as it arrives. Names of files and all other parts are left out."""

    def __init__(self, target: BinaryIO, boundary: bytes, max_bytes: int) -> None:
        self.target, self.max_bytes = target, max_bytes
        self.n_bytes, self.n_parts, self.is_whole = 0, 0, False
        self._name, self._value = bytearray(), bytearray()
        self._n_head, self._is_file, self._had_file = 0, False, False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_name,
                    "on_header_value": self._add_value,
                    "on_header_end": self._end_header,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _bad_form() from error

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _bad_form() from error

    def finish(self) -> int:
        """Return the number of bytes of the file."""
        if not self.is_whole:
            raise _bad_form()
        if not self._had_file:
            raise Problem(400, "no_file", "the form has no file; add the sound as a file")
        return self.n_bytes

    def _begin_part(self) -> None:
        self.n_parts += 1
        if self.n_parts > MAX_PARTS:
            raise _bad_form()
        self._n_head, self._is_file = 0, False

    def _add_name(self, data: bytes, start: int, end: int) -> None:
        self._add_head(self._name, data[start:end])

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._add_head(self._value, data[start:end])

    def _add_head(self, text: bytearray, piece: bytes) -> None:
        self._n_head += len(piece)
        if self._n_head > MAX_PART_HEAD:
            raise _bad_form()
        text += piece

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            has_name = b"filename" in options or options.get(b"name") == b"file"
            # the first file is the sound
            self._is_file = has_name and not self._had_file
            self._had_file = self._had_file or self._is_file
        self._name.clear()
        self._value.clear()

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if not self._is_file:
            return
        self.n_bytes += end - start
        if self.n_bytes > self.max_bytes:
            raise _too_large(self.max_bytes)
        self.target.write(memoryview(data)[start:end])

    def _end(self) -> None:
        self.is_whole = True


def _bad_form() -> Problem:
    """Return the problem of a form that cannot be read."""
    return Problem(400, "bad_request", "the form cannot be read; send one file as multipart/form-data, or its bytes")
