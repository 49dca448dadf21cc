"""The application of a service: its addresses, and the way of an upload to a worker and back."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import tempfile
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gmmaudio.compute.standing_pool import FullQueueError, StandingPool
from gmmaudio.errors import SettingError, WorkerError, WriteError
from gmmaudio.json_text import to_json
from gmmaudio.models import Model
from gmmaudio.service.answers import VERBS, Question, Reply, make_answerer
from gmmaudio.service.guard import Guard, record_of
from gmmaudio.service.model_facts import facts_of
from gmmaudio.service.openapi_description import describe_interface
from gmmaudio.service.problems import Problem, busy, of_sound, stopped
from gmmaudio.service.request_metrics import MEDIA_TYPE as METRICS_TYPE
from gmmaudio.service.request_metrics import Log, RequestMetrics
from gmmaudio.service.service_settings import ServiceSettings
from gmmaudio.service.static_files import read_static, static_response
from gmmaudio.service.uploads import receive_upload
from gmmaudio.temporary_files import remove_left_over, temporary_file, temporary_folder

# the sound that warms workers up, seconds, and its rate
WARM_S, WARM_HZ = 3.0, 22_050


@dataclass
class Engine:
    """The model of a service, its workers, and the folder of uploads.

    Parameters
    ----------
    model : Model
        The model.
    settings : ServiceSettings
        The limits.
    folder : str
        Folder that uploads are written to.
    pool : StandingPool
        The workers.
    """

    model: Model
    settings: ServiceSettings
    folder: str
    pool: StandingPool[Question, Reply]
    n_arriving: int = field(default=0, init=False)

    async def ask(self, verb: str, request: Request) -> Reply:
        """Return the reply to a question about the sound that a request brings.

        Parameters
        ----------
        verb : str
            What is asked for.
        request : Request
            The request.

        Raises
        ------
        Problem
            If it is not answered.
        ClientDisconnect
            If the client is gone.
        """
        record = record_of(request.state)
        self.check_open()
        try:
            self._keep_folder()
            with temporary_file(self.folder) as (handle, name):
                with self._arriving():
                    record.n_bytes = await receive_upload(request, handle, self.settings)
                reply = await self._reply(Question(verb, name), request)
        except OSError as error:
            record.note = f"{type(error).__name__}: {error}"
            raise busy("the service has no room for the upload; try again later", 10) from error
        record.duration_s, record.cpu_s = reply.duration_s, reply.cpu_s
        if reply.code is not None:
            record.note = reply.message if reply.code == "failed" else None
            raise of_sound(reply.code, reply.message or "", self.settings.time_limit_s)
        return reply

    def _keep_folder(self) -> None:
        """Make the folder of uploads again where the system has cleaned up temporary files."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.folder, 0o700)  # noqa: PTH102 - a name, not a Path

    @contextlib.contextmanager
    def _arriving(self) -> Iterator[None]:
        """Count an upload while it arrives; raise where there are too many, or no worker would take it."""
        if self.pool.n_queued >= max(1, self.settings.n_queued) or self.n_arriving >= self.settings.n_uploads:
            raise busy("too many uploads at the same time; try again later")
        self.n_arriving += 1
        try:
            yield
        finally:
            self.n_arriving -= 1

    def check_open(self) -> None:
        """Raise the problem that no worker takes anything any more."""
        if not self.pool.is_open:
            raise stopped()

    async def _reply(self, question: Question, request: Request) -> Reply:
        """Return the reply of a worker."""
        try:
            future = self.pool.submit(question, self.settings.item_limits)
        except FullQueueError as error:
            self.check_open()
            raise busy("too many uploads wait for a worker; try again later") from error
        try:
            return await _wait(future, request, self.settings.wait_s)
        except FullQueueError:
            self.check_open()
            raise
        except WorkerError as error:
            return Reply(code=error.code, message=str(error))


async def _wait(future: Future[Reply], request: Request, wait_s: float) -> Reply:
    """Return a reply; work that has not begun is given up where it takes too long, or the client is gone."""
    reply = asyncio.wrap_future(future)
    gone = asyncio.ensure_future(request.receive())
    left_s: float | None = wait_s
    try:
        while not reply.done():
            await asyncio.wait(
                (reply, *(() if gone.done() else (gone,))), timeout=left_s, return_when="FIRST_COMPLETED"
            )
            if reply.done():
                break
            if gone.done() and gone.result()["type"] == "http.disconnect":
                future.cancel()
                raise ClientDisconnect
            if left_s is not None and not gone.done() and future.cancel():
                raise busy(f"no worker was free for {wait_s:g} s; try again later", math.ceil(wait_s / 4))
            left_s = None
        return reply.result()
    finally:
        gone.cancel()


@contextlib.contextmanager
def open_engine(model: Model, settings: ServiceSettings) -> Iterator[Engine]:
    """Return a context manager that starts workers, warms them up, and ends them.

    Parameters
    ----------
    model : Model
        The model, which takes sound.
    settings : ServiceSettings
        Number and limits of workers.

    Raises
    ------
    SettingError
        If the model takes rows of another program, or cannot score a clip.
    WorkerError
        If worker processes cannot be started.
    WriteError
        If there is no folder for uploads.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre").model
    >>> with open_engine(model, ServiceSettings(n_jobs=1)) as engine:
    ...     engine.pool.n_workers
    1
    """
    longest_s = dict.fromkeys(VERBS, settings.max_duration_s)
    longest_s["explain"] = min(settings.max_duration_s, settings.max_explained_s)
    model.features.sound_frames  # noqa: B018 - raises where rows are given
    model.check_of_sound()
    function = make_answerer(model, longest_s)
    parent = tempfile.gettempdir()
    remove_left_over(parent)
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder(parent))
            warm = Path(folder, "warm.wav")
            _write_sweep(warm)
        except OSError as error:
            raise WriteError(f"{parent}: no uploads can be written there ({error.strerror}); set TMPDIR") from error
        question = Question("classify", str(warm))
        pool = stack.enter_context(StandingPool(function, settings.n_jobs, settings.n_queued, question))
        for reply in pool.warm_results():
            if reply.code in ("failed", "no_frames"):
                raise SettingError(f"the model cannot score a clip: {reply.message}")
        yield Engine(model, settings, folder, pool)


def _write_sweep(path: Path) -> None:
    """Write some seconds of a rising tone, by which workers load all that they need."""
    time_s = np.arange(int(WARM_S * WARM_HZ)) / WARM_HZ
    samples = (6_000 * np.sin(1_000 * time_s**2)).astype("<i2")
    with path.open("wb") as raw, wave.open(raw, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(WARM_HZ)
        sound.writeframes(samples.tobytes())


def make_app(engine: Engine, log: Log = lambda _line: None) -> ASGIApp:
    """Return the ASGI application of a service.

    Parameters
    ----------
    engine : Engine
        The model and its workers, open.
    log : callable
        Takes the values of a line for every request; by default nothing is logged.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre").model
    >>> with open_engine(model, ServiceSettings(n_jobs=1)) as engine:
    ...     callable(make_app(engine, print))
    True
    """
    metrics = RequestMetrics(log, partial(_gauges, engine))
    addresses = _Addresses(engine, metrics)
    return Guard(addresses, engine.settings, metrics, addresses.route_of)


class _Addresses:
    """The addresses of a service, an ASGI application within a guard."""

    def __init__(self, engine: Engine, metrics: RequestMetrics) -> None:
        self.engine, self.metrics, self.files = engine, metrics, read_static()
        model, interface = facts_of(engine.model, engine.settings), describe_interface(engine.settings)
        self.posts = {f"/v1/{verb}": verb for verb in VERBS}
        self.gets: dict[str, Callable[[], Response]] = {
            "/v1/model": partial(_json_response, to_json(model)),
            "/openapi.json": partial(_json_response, to_json(interface)),
            "/healthz": self._health,
            "/metrics": self._metrics,
        }

    def route_of(self, path: str) -> str:
        """Return the name of an address: itself, or ``static``, or ``other``."""
        return path if path in self.posts or path in self.gets else "static" if path in self.files else "other"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        response = await self._response(Request(scope, receive), scope["path"])
        await response(scope, receive, send)

    async def _response(self, request: Request, path: str) -> Response:
        """Return the answer to a request."""
        if path in self.posts:
            _check_method(request.method, "POST")
            reply = await self.engine.ask(self.posts[path], request)
            return Response(reply.body, media_type="application/json")
        if path not in self.gets and path not in self.files:
            raise Problem(404, "not_found", "nothing is at this address; the interface is described at /openapi.json")
        _check_method(request.method, "GET", "HEAD")
        return self.gets[path]() if path in self.gets else static_response(self.files[path], request)

    def _health(self) -> Response:
        """Return the answer that uploads are taken, or raise the problem that they are not."""
        self.engine.check_open()
        return _json_response(to_json({"status": "ok"}))

    def _metrics(self) -> Response:
        """Return counts and times."""
        return Response(self.metrics.text(), headers={"Content-Type": METRICS_TYPE})


def _json_response(text: str) -> Response:
    """Return an answer in JSON."""
    return Response(text, media_type="application/json")


def _check_method(method: str, *allowed: str) -> None:
    """Raise the problem of a method that an address does not take."""
    if method not in allowed:
        names = ", ".join(allowed)
        raise Problem(405, "bad_method", f"this address takes {names}", {"Allow": names})


def _gauges(engine: Engine) -> dict[str, tuple[str, str, float]]:
    """Return the numbers of the moment."""
    pool = engine.pool
    return {
        "workers": ("Worker processes.", "gauge", pool.n_workers),
        "workers_busy": ("Workers that have an upload.", "gauge", pool.n_busy),
        "workers_replaced_total": ("Workers that were started in the place of others.", "counter", pool.n_replaced),
        "queue_length": ("Uploads that wait for a worker.", "gauge", pool.n_queued),
        "uploads_arriving": ("Uploads that arrive.", "gauge", engine.n_arriving),
    }
