"""The server of a service: its socket, connections that are closed where nothing comes, and an end in order."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gmmaudio.errors import SettingError
from gmmaudio.models import Model
from gmmaudio.service.service_settings import ServiceSettings

if TYPE_CHECKING:
    import uvicorn

# packages of the extra, by the names they are imported by
PACKAGES = ("starlette", "uvicorn", "python_multipart")
# connections that the system holds until they are accepted
BACKLOG = 256


def require_service() -> None:
    """Raise where the packages of the ``serve`` extra are not installed.

    Raises
    ------
    SettingError
        With what to install.

    Examples
    --------
    >>> require_service()
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            f"a service needs {', '.join(missing)}; install the serve extra: pip install 'gmmaudio[serve]'"
        )


def run_service(
    model: Model,
    settings: ServiceSettings,
    log: Callable[[Any], None] = lambda _line: None,
    on_ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Answer requests until a signal ends the process.

    On SIGINT, SIGTERM and SIGHUP no connection is accepted any more, requests are finished within ``stop_s`` seconds,
    workers are ended, and the handler that was set before is called.

    Parameters
    ----------
    model : Model
        The model, which takes sound.
    settings : ServiceSettings
        Where to listen, and the limits.
    log : callable
        Takes the values of a line for every request.
    on_ready : callable
        Called with the address of the service once it answers.

    Raises
    ------
    SettingError
        If it cannot listen there, or the model takes no sound.
    WorkerError
        If worker processes cannot be started.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre").model
    >>> run_service(model, ServiceSettings(n_jobs=1), print)  # doctest: +SKIP
    """
    from gmmaudio.service.application import make_app, open_engine

    with _listening(settings) as listener, open_engine(model, settings) as engine:
        make_server(make_app(engine, log), settings, listener, on_ready).run(sockets=[listener])


@contextmanager
def _listening(settings: ServiceSettings) -> Iterator[socket.socket]:
    """Give a socket that listens."""
    where = f"`host` {settings.host}, `port` {settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, ValueError) as error:
        # an empty or long part of a name cannot be encoded
        reason = (error.strerror or "") if isinstance(error, OSError) else "not a name of a host"
        raise SettingError(f"{where}: no such address ({reason}); name one of this computer") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError as error:
            cure = (
                "end what listens there, or choose another port"
                if error.errno == errno.EADDRINUSE
                else ("name an address of this computer, and a port that you may use")
            )
            raise SettingError(f"{where}: cannot listen ({os.strerror(error.errno or 0)}); {cure}") from error
        yield listener


@contextmanager
def _also_taken(handler: Any) -> Iterator[None]:
    """Take SIGHUP as uvicorn takes SIGTERM, where the caller does not ignore it."""
    number = getattr(signal, "SIGHUP", None)
    is_main = threading.current_thread() is threading.main_thread()
    if number is None or not is_main or signal.getsignal(number) is signal.SIG_IGN:
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address of a service.

    Parameters
    ----------
    listener : socket
        Its socket.
    host : str
        The host, as it was named.

    Examples
    --------
    >>> with socket.create_server(("127.0.0.1", 0)) as listener:
    ...     address_of(listener, "localhost").rpartition(":")[0]
    'http://localhost'
    """
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def make_server(
    app: Any, settings: ServiceSettings, listener: socket.socket, on_ready: Callable[[str], None]
) -> uvicorn.Server:
    """Return the server of an application.

    Parameters
    ----------
    app : callable
        ASGI application.
    settings : ServiceSettings
        Limits of connections.
    listener : socket
        A socket that listens.
    on_ready : callable
        Called with the address once the server answers.
    """
    import uvicorn

    from gmmaudio.service.guard import MAX_HEAD
    from gmmaudio.service.timed_connections import make_protocol

    # what they say is in our log, or is a trace
    for name in ("uvicorn", "python_multipart"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False

    class Server(uvicorn.Server):
        """A server that says when it answers, and ends in order where it is hung up too."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Begin to accept connections."""
            await super().startup(sockets)
            on_ready(address_of(listener, settings.host))

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """Take signals, and raise them again at the end, when the handlers that were set before are back."""
            with super().capture_signals(), _also_taken(self.handle_exit):
                yield

    return Server(
        uvicorn.Config(
            app,
            http=make_protocol(settings),
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_keep_alive=round(settings.header_s) or 1,
            timeout_graceful_shutdown=round(settings.stop_s) or 1,
        )
    )
