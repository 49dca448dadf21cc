"""Connections with limits of time: for the head of a request, and for a client that does not take its answer.

uvicorn waits without end for the first byte of a connection, for the rest of a head, and for a client that does not
read.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gmmaudio.service.problems import MEDIA_TYPE, Problem
from gmmaudio.service.service_settings import ServiceSettings


def make_protocol(settings: ServiceSettings) -> type[H11Protocol]:
    """Return the class of the connections of a service.

    Parameters
    ----------
    settings : ServiceSettings
        Number of connections, and their limits of time.
    """

    class Connection(TimedProtocol):
        """A connection under the limits of these settings."""

        limits = settings

    return Connection


class TimedProtocol(H11Protocol):
    """A connection that is closed where no head of a request comes, or nobody takes the answer."""

    limits = ServiceSettings()
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; where there are too many connections, the one that has waited longest for a request is closed."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.n_connections:
            idle = [each for each in self.connections if isinstance(each, TimedProtocol) and each._head_timer]
            # the new one, which waits too, goes where all others are at work
            oldest = min(idle, key=lambda each: each._head_timer.when() if each._head_timer else 0.0, default=self)
            oldest.transport.abort()
        if not transport.is_closing():
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """End an answer, and go on with the next request."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is None:
            self._look()

    def _look(self) -> None:
        """Start or stop the timer of the head: it runs while no request is at work."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop("_head_timer")
        elif self._head_timer is None and not self.transport.is_closing():
            self._wait_for_head()

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.header_s, self.transport.close)

    def pause_writing(self) -> None:
        """Wait for a client that does not take its answer."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client took some of it."""
        self._stop("_write_timer")
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._stop("_head_timer")
        self._stop("_write_timer")
        super().connection_lost(exc)

    def _stop(self, name: str) -> None:
        timer: asyncio.TimerHandle | None = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no request."""
        del msg
        problem = Problem(400, "bad_request", "this is no request of HTTP/1.1, or its head is too long")
        body = problem.response().body
        headers: list[Any] = [(b"content-type", MEDIA_TYPE.encode()), (b"connection", b"close")]
        events = (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.Data(data=bytes(body)))
        for event in (*events, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
