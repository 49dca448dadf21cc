"""The addresses of a service: the answers of the commands, and a code for everything that is refused."""

import asyncio
import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from gmmaudio.compute import ItemLimits
from gmmaudio.compute.standing_pool import StandingPool
from gmmaudio.service import application, make_app
from gmmaudio.service.answers import Question
from tests.service.conftest import ask, form_of


@pytest.fixture
def good(corpus):
    return corpus.root / "low" / "cy" / "0.wav"


def resist(question):
    """Pass a limit, or crash: another way for each verb."""
    import os
    import time

    if question.path == "":
        if question.verb == "timeline":
            time.sleep(60)
        return
    if question.verb == "timeline":
        time.sleep(60)
    elif question.verb == "explain":
        os.abort()
    else:
        bytearray(2**31)
    return


@pytest.fixture(scope="module")
def stubborn(opened):
    """An engine whose worker resists. The last test closes it."""
    with StandingPool(resist, 1, 4, Question("classify", "")) as pool:
        pool.warm_results()
        settings = replace(opened.settings, time_limit_s=0.3, memory_limit=2**28, wait_s=20.0)
        engine = replace(opened.engine, settings=settings, pool=pool)
        yield SimpleNamespace(engine=engine, app=make_app(engine))


# --- the same answers as those of the command --------------------------------------------------


def without_path(record):
    return {name: value for name, value in record.items() if name != "path"}


def test_classify_answers_a_line_of_json_of_the_command(app, command, model_file, good):
    line = json.loads(command("classify", model_file, good, "--format", "jsonl").out)
    answer = ask(app, "POST", "/v1/classify", good.read_bytes())
    assert (answer.status, answer.json) == (200, without_path(line))


def test_a_timeline_is_that_of_the_command(app, command, model_file, good):
    line = json.loads(command("timeline", model_file, good, "--format", "json").out)
    answer = ask(app, "POST", "/v1/timeline", good.read_bytes())
    assert (answer.status, answer.json) == (200, without_path(line))
    assert len(answer.json["posteriors"][0]) == len(answer.json["labels"]) + 2


def test_an_explanation_is_that_of_the_command(app, command, model_file, good):
    whole = json.loads(command("explain", model_file, good, "--format", "json", "--cache", "none").out)
    whole["prediction"] = without_path(whole["prediction"])
    assert ask(app, "POST", "/v1/explain", good.read_bytes()).json == whole


def test_a_form_and_pieces_of_any_size_are_the_same_sound(app, good):
    content = good.read_bytes()
    plain = ask(app, "POST", "/v1/classify", content).json
    body, headers = form_of(content)
    assert ask(app, "POST", "/v1/classify", body, headers).json == plain
    pieces = [(0.0, body[i : i + 997]) for i in range(0, len(body), 997)]
    assert ask(app, "POST", "/v1/classify", headers=headers, pieces=pieces).json == plain
    beside = b'--bnd\r\nContent-Disposition: form-data; name="title"\r\n\r\nBlue\r\n'
    assert ask(app, "POST", "/v1/classify", *form_of(content, beside=beside)).json == plain


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "x" * 2000, "caf\xe9", "-", ".."])
def test_a_name_of_a_file_does_nothing(app, opened, good, name):
    answer = ask(app, "POST", "/v1/classify", *form_of(good.read_bytes(), filename=name))
    assert answer.status == 200
    assert set(opened.lines[-1]) == {
        *("time", "client", "method", "route", "status", "ms", "bytes", "cpu_ms", "duration_s")
    }
    assert list(Path(opened.engine.folder).iterdir()) == [Path(opened.engine.folder, "warm.wav")]


def test_the_model_is_described_with_its_limits_and_without_its_clips(app, opened):
    facts = ask(app, "GET", "/v1/model").json
    assert facts["labels"] == list(opened.engine.model.scorer.labels)
    assert facts["limits"] == {"bytes": 300_000, "duration_s": 5.0, "explained_s": 5.0, "time_s": 60.0}
    assert not [clip.path for clip in opened.engine.model.training.clips if clip.path in json.dumps(facts)]


# --- caps --------------------------------------------------


def test_too_many_bytes_are_413_whether_they_are_declared_or_not(app):
    much = b"\0" * 400_001
    for headers, pieces in (
        ((), None),
        ([("content-length", "10")], [(0.0, much[:200_000]), (0.0, much[200_000:])]),
        ([("transfer-encoding", "chunked")], [(0.0, much[i : i + 9_999]) for i in range(0, len(much), 9_999)]),
    ):
        answer = ask(app, "POST", "/v1/classify", much, headers, pieces=pieces)
        assert (answer.status, answer.json["code"]) == (413, "too_large")
    body, headers = form_of(much)
    answer = ask(app, "POST", "/v1/classify", headers=headers, pieces=[(0.0, body[:370_000]), (0.0, body[370_000:])])
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_a_connection_whose_body_is_not_read_is_closed(app):
    # what waits to be asked for its body is not asked
    waiting = [("content-length", "999999999"), ("expect", "100-continue")]
    answer = ask(app, "POST", "/v1/classify", headers=waiting, pieces=[(9.0, b"")])
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def test_too_much_sound_is_422(app, tmp_path):
    time_s = np.arange(6 * 8_000) / 8_000
    path = tmp_path / "long.flac"
    soundfile.write(path, 0.3 * np.sin(2_000 * time_s), 8_000)
    for verb in ("classify", "timeline", "explain"):
        answer = ask(app, "POST", f"/v1/{verb}", path.read_bytes())
        assert (answer.status, answer.json["code"]) == (422, "too_long")
        assert "more than 5 s of sound" in answer.json["detail"]


def test_a_limit_of_time_or_memory_and_a_crash_are_422(stubborn):
    for verb, code in (("timeline", "timeout"), ("explain", "crashed"), ("classify", "memory")):
        answer = ask(stubborn.app, "POST", f"/v1/{verb}", b"sound")
        assert (answer.status, answer.json["code"]) == (422, code)
        assert "process" not in answer.json["detail"]
    assert stubborn.engine.pool.n_replaced >= 2


def test_an_upload_that_waits_too_long_is_503(stubborn, monkeypatch):
    limits = replace(stubborn.engine.settings, time_limit_s=5.0, wait_s=0.1)
    monkeypatch.setattr(stubborn.engine, "settings", limits)
    stubborn.engine.pool.submit(Question("timeline", ""), ItemLimits(2.0))
    answer = ask(stubborn.app, "POST", "/v1/classify", b"sound")
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "busy", "1")


def test_a_pool_that_is_closed_is_503_everywhere(stubborn):
    stubborn.engine.pool.close()
    for method, path in (("GET", "/healthz"), ("POST", "/v1/classify")):
        answer = ask(stubborn.app, method, path, b"sound")
        assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "stopped", "10")


def test_an_upload_that_is_cut_off_at_the_end_is_503_stopped(app, opened, monkeypatch):
    async def cut_off(*_):
        raise asyncio.CancelledError

    monkeypatch.setattr(application, "receive_upload", cut_off)
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/classify", "raw_path": b"", "query_string": b""}
    scope |= {"http_version": "1.1", "headers": [(b"host", b"localhost")]}
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(app(scope, None, send))
    assert (sent[0]["status"], json.loads(sent[1]["body"])["code"]) == (503, "stopped")
    assert opened.lines[-1]["code"] == "stopped"


def test_a_full_queue_is_503_with_retry_after(app, opened, good, monkeypatch):
    monkeypatch.setattr(type(opened.engine.pool), "n_queued", 2)
    answer = ask(app, "POST", "/v1/classify", good.read_bytes())
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "busy", "2")


def test_too_many_that_arrive_are_503(app, opened, good, monkeypatch):
    monkeypatch.setattr(opened.engine, "n_arriving", opened.settings.n_uploads)
    assert ask(app, "POST", "/v1/classify", good.read_bytes()).status == 503


def test_a_body_that_does_not_come_is_408(app):
    answer = ask(app, "POST", "/v1/classify", pieces=[(0.0, b"RIFF"), (5.0, b"WAVE")])
    assert (answer.status, answer.json["code"]) == (408, "slow")


def test_a_body_that_trickles_is_408_too(app):
    answer = ask(app, "POST", "/v1/classify", pieces=[(0.05, b"R")] * 100)
    assert (answer.status, answer.json["code"]) == (408, "slow")


def test_a_client_that_is_gone_is_not_answered(app, opened):
    assert ask(app, "POST", "/v1/classify", pieces=[(0.0, b"RI"), (0.0, b"FF")], gone_after=1).status is None
    assert [line["status"] for line in opened.lines] == [499]


# --- sound that cannot be used --------------------------------------------------


def test_every_bad_file_has_its_reason_code(app, corpus, tools, tmp_path):
    codes = tools.make_bad_files(tmp_path / "bad", corpus.root / "low" / "ann" / "0.wav")
    for name, code in codes.items():
        if code == "vanished":
            continue
        answer = ask(app, "POST", "/v1/classify", (tmp_path / "bad" / name).read_bytes())
        assert (answer.json["code"], answer.status) == (code, 415 if code == "not_audio" else 422)
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json) == {"type", "title", "status", "detail", "code"}
        assert "/" not in answer.json["detail"]


FORM_A = ([("content-type", "multipart/form-data; boundary=a")],)


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"xx", [("content-type", "multipart/form-data")], "bad_request"),
        (b"xx", *FORM_A, "bad_request"),
        (b"--a\r\n\r\n", *FORM_A, "bad_request"),
        (b'--a\r\nContent-Disposition: form-data; name="title"\r\n\r\nBlue\r\n--a--\r\n', *FORM_A, "no_file"),
        (b"--a\r\n\r\n\r\n" * 30 + b"--a--\r\n", *FORM_A, "bad_request"),
        (b"--a\r\n" + b"x" * 9_000, *FORM_A, "bad_request"),
    ],
)
def test_a_form_that_cannot_be_read_is_400(app, body, headers, code):
    answer = ask(app, "POST", "/v1/classify", body, headers)
    assert (answer.status, answer.json["code"]) == (400, code)


# --- addresses and methods --------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/v1/classify", 405, "POST"),
        ("POST", "/v1/model", 405, "GET, HEAD"),
        ("OPTIONS", "/healthz", 405, "GET, HEAD"),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/v1/", 404, None),
        ("GET", "/index.html/", 404, None),
        ("GET", "/../../etc/passwd", 404, None),
        ("GET", "/static/\x00", 404, None),
    ],
)
def test_other_addresses_and_methods(app, method, path, status, allow):
    answer = ask(app, method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_page_has_strict_headers_and_a_tag(app):
    page = ask(app, "GET", "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["content-security-policy"].startswith("default-src 'self'; media-src 'self' blob:; base-uri")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not [name for name in page.headers if name.startswith("access-control")]
    again = ask(app, "GET", "/", headers=[("if-none-match", page.headers["etag"])])
    assert (again.status, again.content) == (304, b"")


def test_an_error_of_the_service_shows_no_trace(app, opened, good, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(opened.engine.pool, "submit", fail)
    answer = ask(app, "POST", "/v1/classify", good.read_bytes())
    assert (answer.status, answer.json["code"]) == (500, "internal")
    assert b"secret" not in answer.content
    assert opened.lines[-1]["error"] == "ZeroDivisionError: secret"


def test_the_log_has_a_line_a_request_without_what_clients_write(app, opened, good):
    ask(app, "POST", "/v1/classify", good.read_bytes())
    ask(app, "GET", "/secret-name", headers=[("user-agent", "secret")])
    first, second = opened.lines
    assert {first[name] for name in ("method", "route", "status")} == {"POST", "/v1/classify", 200}
    assert (first["bytes"], first["duration_s"]) == (good.stat().st_size, 1.0)
    assert first["cpu_ms"] > 0
    assert (second["route"], second["status"], second["code"]) == ("other", 404, "not_found")
    assert "secret" not in json.dumps(opened.lines)


def test_metrics_are_text_that_prometheus_reads(app, good):
    ask(app, "POST", "/v1/classify", good.read_bytes())
    answer = ask(app, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    values = {}
    for line in answer.content.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            values[name] = float(value)
    assert values['gmmaudio_requests_total{route="/v1/classify",status="200"}'] >= 1
    buckets = [value for name, value in values.items() if 'bucket{route="/v1/classify"' in name]
    assert buckets == sorted(buckets)
    assert buckets[-1] == values['gmmaudio_request_seconds_count{route="/v1/classify"}']
    assert values["gmmaudio_workers"] == 1


def test_a_head_that_is_too_long_is_400(app):
    assert ask(app, "GET", "/healthz", headers=[("x", "a" * 16_000)]).status == 200
    for headers in ([("x", "a" * 17_000)], [("x", "a")] * 4_000):
        assert ask(app, "GET", "/healthz", headers=headers).status == 400


def test_a_body_of_two_lengths_is_400_and_the_connection_is_closed(app):
    # RFC 9112, section 6.1
    headers = [("transfer-encoding", "chunked"), ("content-length", "4")]
    answer = ask(app, "POST", "/v1/classify", b"abcd", headers)
    assert (answer.status, answer.json["code"], answer.headers["connection"]) == (400, "bad_request", "close")


def test_a_disk_that_is_full_is_503_and_named_in_the_log(app, opened, good, monkeypatch):
    async def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(application, "receive_upload", fail)
    answer = ask(app, "POST", "/v1/classify", good.read_bytes())
    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "busy", "10")
    assert opened.lines[-1]["error"] == "OSError: [Errno 28] No space left on device"


def test_a_folder_of_uploads_that_the_system_removes_is_made_again(app, opened, good):
    shutil.rmtree(opened.engine.folder)
    assert ask(app, "POST", "/v1/classify", good.read_bytes()).status == 200
    assert Path(opened.engine.folder).stat().st_mode & 0o777 == 0o700


def test_a_problem_names_no_parameter(app, tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(1_600) / 5.0), 8_000)
    detail = ask(app, "POST", "/v1/classify", path.read_bytes()).json["detail"]
    assert detail == "0.2 s of sound; at least 0.5 s is needed"


# --- who may ask --------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example", "", "127.0.0.1.evil"])
def test_another_host_name_is_421(app, host):
    assert ask(app, "GET", "/healthz", headers=[("host", host)]).status == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_names_of_this_computer_are_answered(app, host):
    assert ask(app, "GET", "/healthz", headers=[("host", host)]).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("origin", "http://evil.example")], 403),
        ([("origin", "http://127.0.0.1:9")], 403),
        ([("origin", "null")], 403),
        ([("origin", "http://[")], 403),
        ([("origin", "http://127.0.0.1:8000")], 415),
        ([("origin", "null"), ("sec-fetch-site", "same-origin")], 415),
        ([("sec-fetch-site", "same-site")], 403),
        ([("sec-fetch-site", "cross-site")], 403),
    ],
)
def test_pages_of_other_sites_may_not_ask(app, headers, status):
    assert ask(app, "POST", "/v1/classify", b"no sound at all", headers).status == status


def test_a_token_is_asked_for_where_there_is_one(opened, good):
    token = "correct-horse-battery"  # noqa: S105
    guarded = make_app(replace(opened.engine, settings=replace(opened.settings, token=token)))
    bearer = [("authorization", f"Bearer {token}")]
    for path, method, body in (
        ("/v1/classify", "POST", good.read_bytes()),
        ("/v1/model", "GET", b""),
        ("/metrics", "GET", b""),
    ):
        for wrong in ("", f"Bearer {token[:-1]}", f"bearer {token}é", f"Basic {token}", f"Bearer  {token}", token):
            answer = ask(guarded, method, path, body, [("authorization", wrong)] if wrong else [])
            assert (answer.status, answer.json["code"]) == (401, "token")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert ask(guarded, method, path, body, bearer).status == 200
        assert ask(guarded, method, path, body, [("authorization", f"bearer {token}")]).status == 200
    assert {ask(guarded, "GET", path).status for path in ("/healthz", "/", "/openapi.json")} == {200}
