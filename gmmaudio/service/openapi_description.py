"""The description of the interface of a service, as OpenAPI 3.1 has it."""

from __future__ import annotations

from typing import Any

from gmmaudio import __version__
from gmmaudio.service.problems import MEDIA_TYPE
from gmmaudio.service.request_metrics import MEDIA_TYPE as METRICS_TYPE
from gmmaudio.service.service_settings import ServiceSettings

Schema = dict[str, Any]
SUMMARIES = {
    "classify": ("The label of a clip", "Prediction"),
    "timeline": ("The labels of a recording over time", "Timeline"),
    "explain": ("Why the label leads over the runner-up", "Explanation"),
}
# statuses of problems -> what they mean
PROBLEMS = {
    400: "A form that cannot be read, or without a file.",
    401: "No token, or a wrong one.",
    403: "A request by a page of another site.",
    408: "A body that arrives too slowly.",
    413: "More bytes than the limit.",
    415: "No decoder of this service reads the content: not_audio, needs_media.",
    421: "The Host header names another host.",
    422: "Sound that cannot be used: too_short, too_long, silent, truncated, timeout, ...",
    503: "Too many uploads at the same time, or the service is about to end; Retry-After says when to try again.",
}
OF_UPLOADS, OF_OTHERS = tuple(PROBLEMS), (400, 401, 403, 421)


def describe_interface(settings: ServiceSettings) -> dict[str, Any]:
    """Return the description of the interface.

    Parameters
    ----------
    settings : ServiceSettings
        The limits, and whether there is a token.

    Examples
    --------
    >>> describe_interface(ServiceSettings())["openapi"]
    '3.1.0'
    """
    security: list[dict[str, list[str]]] = [] if settings.token is None else [{"token": []}]
    uploads = {f"/v1/{verb}": {"post": _upload(verb, security)} for verb in SUMMARIES}
    model = _get("The model and the limits of the service", "describeModel", _json("Model"), OF_OTHERS)
    health = _get("Whether uploads are taken", "checkHealth", _json("Health"), (400, 403, 421, 503))
    interface = _get(
        "This description", "describeInterface", {"application/json": {"schema": _object()}}, (400, 403, 421)
    )
    metrics = _get("Counts and times", "readMetrics", {METRICS_TYPE: {"schema": {"type": "string"}}}, OF_OTHERS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gmmaudio",
            "version": __version__,
            "description": "Genre of music or language of speech, by the model that this service was started with.",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            **uploads,
            "/v1/model": {"get": model | {"security": security}},
            "/healthz": {"get": health | {"security": []}},
            "/metrics": {"get": metrics | {"security": security}},
            "/openapi.json": {"get": interface | {"security": []}},
        },
        "components": {
            "schemas": _schemas(),
            "responses": {f"Problem{status}": _problem(status, words) for status, words in PROBLEMS.items()},
            "securitySchemes": {} if settings.token is None else {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _upload(verb: str, security: list[dict[str, list[str]]]) -> Schema:
    """Return the operation that takes sound."""
    summary, schema = SUMMARIES[verb]
    form = _object({"file": {"type": "string", "contentMediaType": "application/octet-stream"}}, ["file"])
    return {
        "operationId": verb,
        "summary": summary,
        "description": "The body is the sound in any format that the service decodes, or a form with one file. The "
        "format is recognised by the content: neither the name of the file nor its type matters.",
        "security": security,
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {}},
                "audio/*": {"schema": {}},
                "multipart/form-data": {"schema": form},
            },
        },
        "responses": {"200": {"description": summary, "content": _json(schema)}, **_references(OF_UPLOADS)},
    }


def _get(summary: str, name: str, content: Schema, problems: tuple[int, ...]) -> Schema:
    """Return an operation without a body."""
    responses = {"200": {"description": summary, "content": content}, **_references(problems)}
    return {"operationId": name, "summary": summary, "responses": responses}


def _references(statuses: tuple[int, ...]) -> Schema:
    """Return the responses that are problems."""
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}


def _problem(status: int, words: str) -> Schema:
    """Return the response that is a problem."""
    response: Schema = {
        "description": words,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    names = {503: "Retry-After", 401: "WWW-Authenticate"}
    if status in names:
        response["headers"] = {names[status]: {"required": True, "schema": {"type": "string"}}}
    return response


def _json(name: str) -> Schema:
    """Return the content that has a schema."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _object(properties: Schema | None = None, required: list[str] | None = None) -> Schema:
    """Return the schema of an object; all of its properties are there unless some are named."""
    if properties is None:
        return {"type": "object"}
    return {"type": "object", "properties": properties, "required": list(properties) if required is None else required}


def _array(items: Schema) -> Schema:
    """Return the schema of an array."""
    return {"type": "array", "items": items}


def _by_label(items: Schema) -> Schema:
    """Return the schema of an object with a value for each label."""
    return {"type": "object", "additionalProperties": items}


def _or_null(kind: str) -> Schema:
    """Return the schema of a value that may be null."""
    return {"type": [kind, "null"]}


NUMBER: Schema = {"type": "number"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
SECONDS: Schema = {"type": "number", "minimum": 0, "description": "seconds"}


def _schemas() -> Schema:
    """Return the schemas of all answers."""
    return {
        "Prediction": _prediction(),
        "Timeline": _timeline(),
        "Explanation": _explanation(),
        "Model": _model(),
        "Health": _object({"status": {"const": "ok"}}),
        "Problem": _object(
            {
                "type": TEXT,
                "title": TEXT,
                "status": {"type": "integer"},
                "detail": TEXT,
                "code": {**TEXT, "description": "reason code"},
            }
        ),
    }


def _prediction() -> Schema:
    """Return the schema of a prediction: the fields of a line of JSON of ``classify``, without the path."""
    note = _object({"code": TEXT, "text": TEXT, "seconds": SECONDS})
    caveat = _finding()
    fields = {
        "status": {"enum": ["ok", "mixed", "unknown"]},
        "label": _or_null("string"),
        "scores": _by_label(NUMBER),
        "probability": {"type": ["object", "null"], "additionalProperties": SHARE},
        "duration_s": SECONDS,
        "shares": {"type": ["object", "null"], "additionalProperties": SHARE},
        "familiarity": {
            **_or_null("number"),
            "description": "deviations from the scores of held-out recordings",
        },
        "code": _or_null("string"),
        "message": _or_null("string"),
        "notes": _array(note),
        "caveats": _array(caveat),
    }
    return _object(fields, ["status", "label", "scores", "probability", "duration_s"])


def _finding() -> Schema:
    """Return the schema of a caveat."""
    return _object({"code": TEXT, "level": TEXT, "text": TEXT, "remedy": TEXT})


def _timeline() -> Schema:
    """Return the schema of a timeline."""
    segment = _object(
        {
            "start": SECONDS,
            "end": SECONDS,
            "status": {"enum": ["ok", "unknown", "silence"]},
            "label": _or_null("string"),
            "probability": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "tolerance": _or_null("number"),
        }
    )
    fields = {
        "duration_s": SECONDS,
        "window_s": _or_null("number"),
        "hop_s": _or_null("number"),
        "labels": _array(TEXT),
        "segments": _array(segment),
        "shares": _by_label(SHARE),
        "times": _array(SECONDS),
        "posteriors": {**_array(_array(SHARE)), "description": "labels, then unknown, then silence"},
        "notes": _array(TEXT),
    }
    return _object({**fields, "caveats": _array(_finding())}, list(fields))


def _explanation() -> Schema:
    """Return the schema of an explanation, in which the lead is divided in several ways."""
    part = _object({"name": TEXT, "quantity": TEXT, "aspect": TEXT, "lead": NUMBER}, ["name", "lead"])
    window = _object(
        {"start_s": SECONDS, "end_s": SECONDS, "lead": _or_null("number"), "label": _or_null("string")}, ["start_s"]
    )
    return _object(
        {
            "prediction": {"$ref": "#/components/schemas/Prediction"},
            "winner": TEXT,
            "runner_up": TEXT,
            "lead": NUMBER,
            "log_odds": _or_null("number"),
            "parts": _array(part),
            "windows": _array(window),
        }
    )


def _model() -> Schema:
    """Return the schema of the facts of a model."""
    limits = {"bytes": COUNT, "duration_s": NUMBER, "explained_s": NUMBER, "time_s": NUMBER}
    return _object(
        {
            "labels": _array(TEXT),
            "kind": TEXT,
            "preset": _or_null("string"),
            "is_calibrated": {"type": "boolean"},
            "is_open_set": {"type": "boolean"},
            "sample_rate_hz": COUNT,
            "n_clips": COUNT,
            "n_groups": _or_null("integer"),
            "seconds": _by_label(SECONDS),
            "sha256": TEXT,
            "version": TEXT,
            "suffixes": _array(TEXT),
            "reads_media": {"type": "boolean"},
            "needs_token": {"type": "boolean"},
            "limits": _object(dict(limits)),
        }
    )
