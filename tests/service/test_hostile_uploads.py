"""Uploads that are made to harm: mutated files of many formats, and answers that fit their description."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from gmmaudio.service import ServiceSettings
from gmmaudio.service.openapi_description import describe_interface
from tests.service.conftest import ask, form_of

ALLOWED = {200, 413, 415, 422}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """A second of sound in the formats that libsndfile writes, by suffix."""
    folder, found = tmp_path_factory.mktemp("seeds"), {}
    y = 0.3 * np.sin(np.arange(8_000) / 5.0)
    for suffix in ("wav", "flac", "ogg", "mp3", "aiff", "caf", "au", "w64"):
        soundfile.write(folder / f"a.{suffix}", y, 8_000)
        found[suffix] = (folder / f"a.{suffix}").read_bytes()
    return found


def mutations(content, rng, n):
    """Yield a file with bytes changed, lost, doubled and cut."""
    for i in range(n):
        data = bytearray(content)
        at = int(rng.integers(0, min(len(data), 200 if i % 2 else len(data))))
        kind = i % 4
        if kind == 0:
            data[at : at + 4] = rng.bytes(4)
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 64))]
        elif kind == 2:
            data[at:at] = data[: int(rng.integers(1, 512))]
        else:
            data[at : at + 4] = b"\xff\xff\xff\x7f"
        yield bytes(data)


def check_all(app, seeds, n):
    rng = np.random.default_rng(0)
    for suffix, content in seeds.items():
        for i, data in enumerate(mutations(content, rng, n)):
            verb = ("classify", "timeline", "explain")[i % 3]
            answer = ask(app, "POST", f"/v1/{verb}", data)
            assert answer.status in ALLOWED, (suffix, answer.content)
            text = answer.content.decode()
            assert not [word for word in ("Traceback", ".gmmaudio", "/tmp", "Error:") if word in text]  # noqa: S108


def test_mutated_files_are_answered_or_refused_with_a_code(app, opened, seeds):
    check_all(app, seeds, 4)
    assert opened.engine.pool.is_open
    assert {line["status"] for line in opened.lines} <= ALLOWED
    assert not [line for line in opened.lines if "error" in line]
    # nothing stays of an upload
    assert [path.name for path in Path(opened.engine.folder).iterdir()] == ["warm.wav"]


@pytest.mark.slow
def test_many_mutated_files_are_answered_or_refused_with_a_code(app, seeds):
    check_all(app, seeds, 40)


def test_a_small_file_that_is_long_when_decoded_is_refused_before_it_is_decoded_to_its_end(app, tmp_path):
    path = tmp_path / "bomb.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1) as sound:
        for _ in range(60):
            sound.write(np.zeros(60 * 8_000))
    content = path.read_bytes()
    assert len(content) < 300_000
    start_s = time.monotonic()
    answer = ask(app, "POST", "/v1/classify", content)
    assert (answer.status, answer.json["code"]) == (422, "too_long")
    assert time.monotonic() - start_s < 5


@pytest.mark.parametrize("boundary", ["a" * 5_000, '"', "\x7f", "a b", ""])
def test_strange_boundaries_are_400(app, boundary):
    body, headers = form_of(b"sound", boundary=boundary)
    answer = ask(app, "POST", "/v1/classify", body, headers)
    assert answer.status in (400, 415)
    assert answer.json["code"] in ("bad_request", "no_file", "not_audio")


def test_the_answers_are_those_of_the_description(app, opened, corpus):
    jsonschema = pytest.importorskip("jsonschema", reason="needs the service-test extra")
    description = ask(app, "GET", "/openapi.json").json
    assert description == json.loads(json.dumps(describe_interface(opened.settings)))
    parts = {"components": description["components"]}
    good = (corpus.root / "low" / "cy" / "0.wav").read_bytes()
    answers = [(path, ask(app, "POST", path, good).json) for path in ("/v1/classify", "/v1/timeline", "/v1/explain")]
    answers += [(path, ask(app, "GET", path).json) for path in ("/v1/model", "/healthz")]
    for path, answer in answers:
        (operation,) = description["paths"][path].values()
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator = jsonschema.Draft202012Validator(parts | schema)
        assert [error.message for error in validator.iter_errors(answer)] == []
        assert list(validator.iter_errors({}))
    problem = ask(app, "POST", "/v1/classify", b"none").json
    validator = jsonschema.Draft202012Validator(parts | {"$ref": "#/components/schemas/Problem"})
    assert list(validator.iter_errors(problem)) == []


def test_a_token_is_in_the_description():
    described = describe_interface(ServiceSettings(token="correct-horse-battery"))  # noqa: S106
    assert described["components"]["securitySchemes"] == {"token": {"type": "http", "scheme": "bearer"}}
    assert described["paths"]["/v1/classify"]["post"]["security"] == [{"token": []}]
    assert described["paths"]["/healthz"]["get"]["security"] == []


@pytest.mark.slow
def test_schemathesis_finds_nothing(model_file, tmp_path):
    beside = Path(sys.executable).with_name("schemathesis")
    program = str(beside) if beside.exists() else shutil.which("schemathesis")
    if program is None:
        pytest.skip("needs schemathesis: pip install .[service-test]")
    with (tmp_path / "log").open("wb") as log:
        words = [sys.executable, "-m", "gmmaudio", "serve", str(model_file), "--port", "0", "-j", "1"]
        process = subprocess.Popen(words, stderr=log)
    try:
        while b"Ctrl-C" not in (tmp_path / "log").read_bytes():
            assert process.poll() is None
            time.sleep(0.1)
        address = (tmp_path / "log").read_text().split(" at ")[1].split()[0]
        # no schema says which bytes are sound
        words = ["--max-examples", "50", "--exclude-checks", "positive_data_acceptance", "--seed", "1"]
        words = [program, "run", f"{address}/openapi.json", *words]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout
        lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line[:1] == "{"]
        assert lines
        assert not [line for line in lines if line["status"] >= 500]
    finally:
        process.terminate()
        process.wait(60)
