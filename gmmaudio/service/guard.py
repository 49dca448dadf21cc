"""The guard before a service: who may ask, the headers of every answer, and the record of every request."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gmmaudio.service.problems import Problem, stopped
from gmmaudio.service.request_metrics import RequestMetrics, RequestRecord
from gmmaudio.service.service_settings import ServiceSettings
from gmmaudio.service.uploads import DRAIN_TIMES, drain

# what a browser may do with an answer; sound that a page was given, or has recorded, is a blob
SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
}
# addresses that a token is asked for; the page and the description of the interface have no secrets
WITH_TOKEN = ("/v1/", "/metrics")
# bytes of the head of a request
MAX_HEAD = 16_384
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Guard:
    """An ASGI application around another one.

    Parameters
    ----------
    app : callable
        The application.
    settings : ServiceSettings
        Host and token.
    metrics : RequestMetrics
        Where requests are counted.
    route_of : callable
        Returns the name of an address in counts and in the log.
    """

    def __init__(
        self, app: ASGIApp, settings: ServiceSettings, metrics: RequestMetrics, route_of: Callable[[str], str]
    ) -> None:
        self.app, self.settings, self.metrics, self.route_of = app, settings, metrics, route_of
        self.hosts = {*LOOPBACK_NAMES, settings.host.lower(), f"[{settings.host.lower()}]"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        client = scope.get("client")
        record = RequestRecord(scope["method"], client[0] if client else "", self.route_of(scope["path"]))
        scope.setdefault("state", {})["record"] = record
        answer = _Answer(receive, send, record)
        try:
            await self._answer(scope, answer)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:
            # the time in which requests are finished at the end is over
            if not answer.has_begun:
                record.code = "stopped"
                await stopped().response()(scope, answer.receive, answer.send)
            raise
        except Exception as error:  # noqa: BLE001 - no trace leaves, and the service goes on
            record.note = f"{type(error).__name__}: {error}"
            if not answer.has_begun:
                await self._refuse(scope, answer, Problem(500, "internal", "an error of the service; see its log"))
        finally:
            self.metrics.add(record)

    async def _answer(self, scope: Scope, answer: _Answer) -> None:
        """Refuse a request, or pass it on."""
        try:
            _check_head(scope)
            self._check(scope["method"], scope["path"], Headers(scope=scope))
            await self.app(scope, answer.receive, answer.send)
        except Problem as problem:
            await self._refuse(scope, answer, problem)

    async def _refuse(self, scope: Scope, answer: _Answer, problem: Problem) -> None:
        """Send a problem."""
        answer.record.code = problem.code
        headers = Headers(scope=scope)
        if answer.has_body_left(headers):
            problem.headers["Connection"] = "close"
            # a client that waits to be asked for its body is not asked
            if "expect" not in headers:
                await drain(answer.receive, DRAIN_TIMES * self.settings.max_bytes)
        await problem.response()(scope, answer.receive, answer.send)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        """Raise the problem of a request that may not ask."""
        host = headers.get("host", "").lower()
        if self.settings.is_loopback and _without_port(host) not in self.hosts:
            raise Problem(421, "wrong_host", "the Host header names another host; ask by the address that is printed")
        if method not in ("GET", "HEAD") and _is_of_another_page(headers, host):
            raise Problem(403, "cross_site", "a page of another site asks; open the page of this service")
        if self.settings.token is not None and path.startswith(WITH_TOKEN):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            is_right = hmac.compare_digest(given.encode("latin-1"), self.settings.token.encode())
            # RFC 9110, section 11.1: the name of a scheme has no case
            if scheme.lower() != "bearer" or not is_right:
                raise Problem(
                    401,
                    "token",
                    "no token, or a wrong one; send the header Authorization: Bearer TOKEN",
                    {"WWW-Authenticate": 'Bearer realm="gmmaudio"'},
                )


class _Answer:
    """The answer to a request on its way: headers are added, and its course is recorded."""

    def __init__(self, receive: Receive, send: Send, record: RequestRecord) -> None:
        self._receive, self._send, self.record = receive, send, record
        self.has_begun = False
        self._is_read = False

    async def receive(self) -> Message:
        """Return the next part of the request."""
        message = await self._receive()
        self._is_read = self._is_read or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            self.record.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await self._send(message)

    def has_body_left(self, headers: Headers) -> bool:
        """Return whether some of the body may not have been read."""
        declared = headers.get("content-length", "0")
        return not self._is_read and (declared != "0" or "transfer-encoding" in headers)


def _is_of_another_page(headers: Headers, host: str) -> bool:
    """Return whether a browser says that a page of another site, or of another port, asks."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site not in ("same-origin", "none")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != host
    except ValueError:
        return True


def _check_head(scope: Scope) -> None:
    """Raise the problem of a head that is too long, or that a proxy may take for that of another request.

    Where a length and chunks are both declared, or chunks in HTTP/1.0, the connection is closed: RFC 9112, section 6.1.
    """
    headers = Headers(scope=scope)
    n_bytes = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    if n_bytes + len(scope["raw_path"]) + len(scope["query_string"]) > MAX_HEAD:
        raise Problem(400, "bad_request", f"the head of the request has more than {MAX_HEAD} bytes")
    if "transfer-encoding" in headers and ("content-length" in headers or scope["http_version"] == "1.0"):
        words = "the length of the body is declared in two ways; send Content-Length, or chunks by HTTP/1.1"
        raise Problem(400, "bad_request", words, {"Connection": "close"})


def _without_port(host: str) -> str:
    """Return a host without its port."""
    name, _, port = host.rpartition(":")
    return name if port.isdecimal() else host


def record_of(state: Any) -> RequestRecord:
    """Return the record of a request.

    Parameters
    ----------
    state : object
        State of the request.
    """
    record: RequestRecord = state.record
    return record
