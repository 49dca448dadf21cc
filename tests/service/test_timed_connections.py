"""Connections over loopback: what is half-open, trickles or does not read is closed, and the rest is answered."""

import contextlib
import json
import socket
import threading
import time

import pytest
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from gmmaudio.service.listening_server import make_server
from gmmaudio.service.service_settings import ServiceSettings

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def answer(scope, receive, send):
    """Answer with many bytes for /much, and with few for all else."""
    body = b"x" * (50_000_000 if scope["path"] == "/much" else 2)
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def serving(**limits):
    """Run a server in a thread, and give the function that connects to it."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready = threading.Event()
    settings = ServiceSettings(**{"header_s": 0.4, "write_s": 0.4, "stop_s": 1.0} | limits)
    server = make_server(answer, settings, listener, lambda _address: ready.set())
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    address = listener.getsockname()
    try:
        assert ready.wait(10)
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(socket.create_connection(address, timeout=10))
    finally:
        server.should_exit = True
        thread.join(10)


def seconds_until_closed(connection, trickle=b""):
    """Return how long a connection stays open, while bytes are sent one by one."""
    start_s = time.monotonic()
    connection.settimeout(0.05)
    rest = list(trickle)
    while time.monotonic() - start_s < 10:
        with contextlib.suppress(TimeoutError):
            try:
                if rest:
                    connection.send(bytes([rest.pop(0)]))
                if not connection.recv(65_536):
                    break
            except (ConnectionResetError, BrokenPipeError):
                break
    return time.monotonic() - start_s


def test_what_the_parser_of_forms_says_is_not_between_the_lines_of_the_log(caplog):
    with serving(), pytest.raises(FormParserError):
        MultipartParser(b"a").write(b"no form")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("first", "trickle"),
    [
        (b"", b""),
        (b"GET / HT", b""),
        (b"", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100),
        (GET, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100),
        # an answer was given, and a body that nobody reads goes on
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n", b"x" * 600),
    ],
)
def test_a_connection_without_a_whole_head_is_closed(first, trickle):
    with serving() as connect:
        connection = connect()
        connection.sendall(first)
        assert 0.2 < seconds_until_closed(connection, trickle) < 5


def test_a_client_that_does_not_read_is_closed():
    with serving() as connect:
        connection = connect()
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1.5)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(2**20):
                received += len(piece)
        assert received < 50_000_000


def test_a_client_that_reads_slowly_has_its_whole_answer():
    with serving(write_s=2.0) as connect:
        connection = connect()
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = 0
        while piece := connection.recv(2**22):
            received += len(piece)
            time.sleep(0.005)
        assert received > 50_000_000


def test_requests_one_after_another_on_one_connection_are_answered():
    with serving() as connect:
        connection = connect()
        for _ in range(3):
            connection.sendall(GET)
            received = b""
            while not received.endswith(b"\r\n\r\nxx"):
                received += connection.recv(4_096)
            assert received.startswith(b"HTTP/1.1 200 OK")
            time.sleep(0.2)


def test_where_there_are_too_many_connections_the_one_that_waits_longest_is_closed():
    with serving(n_connections=3, header_s=30.0) as connect:
        idle = []
        for _ in range(3):
            idle.append(connect())
            time.sleep(0.05)
        connection = connect()
        connection.sendall(GET)
        assert connection.recv(4_096).startswith(b"HTTP/1.1 200 OK")
        assert seconds_until_closed(idle[0]) < 5
        idle[2].sendall(GET)
        assert idle[2].recv(4_096).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "junk",
    [b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\na: " + b"b" * 40_000 + b"\r\n\r\n", b"\r\n\r\n\0\0\r\n\r\n"],
)
def test_bytes_that_are_no_request_are_a_problem_or_nothing(junk):
    with serving() as connect:
        connection = connect()
        connection.sendall(junk)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(4_096):
                received += piece
        if received:
            head, _, body = received.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert json.loads(body)["code"] == "bad_request"
