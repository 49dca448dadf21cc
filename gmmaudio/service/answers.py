"""The answers to questions about uploads, as a worker process makes them: JSON, or the reason why there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from gmmaudio.evaluation import FailedInput
from gmmaudio.json_text import to_json
from gmmaudio.models import Model
from gmmaudio.pipeline.file_answers import FileAnswers


@dataclass(frozen=True)
class Question:
    """A question about an upload.

    Parameters
    ----------
    verb : {"classify", "timeline", "explain"}
        What is asked for.
    path : str
        The temporary file that the service wrote it to.
    """

    verb: str
    path: str


@dataclass(frozen=True)
class Reply:
    """The reply to a question.

    Parameters
    ----------
    body : bytes
        The answer as JSON; empty where there is none.
    code, message : str or None
        Why there is none: a reason code, and words.
    duration_s : float or None
        Decoded length, seconds.
    cpu_s : float
        Time of the processor that it took, seconds.
    """

    body: bytes = b""
    code: str | None = None
    message: str | None = None
    duration_s: float | None = None
    cpu_s: float = 0.0


def answer_question(model: Model, longest_s: Mapping[str, float], question: Question) -> Reply:
    """Return the reply to a question; any trouble with the sound is a reply too.

    Parameters
    ----------
    model : Model
        The model.
    longest_s : mapping of str to float
        Longest sound for each verb, seconds.
    question : Question
        The question.
    """
    started_s = time.process_time()
    answers = FileAnswers(model, max_duration_s=longest_s[question.verb])
    plain, duration_s, failure = VERBS[question.verb](answers, question.path)
    if failure is not None:
        cpu_s = time.process_time() - started_s
        return Reply(code=failure.code, message=failure.message, duration_s=duration_s, cpu_s=cpu_s)
    body = to_json(plain).encode()
    return Reply(body, duration_s=duration_s, cpu_s=time.process_time() - started_s)


def make_answerer(model: Model, longest_s: Mapping[str, float]) -> Callable[[Question], Reply]:
    """Return the function of a question that workers receive.

    Parameters
    ----------
    model : Model
        The model.
    longest_s : mapping of str to float
        Longest sound for each verb, seconds.
    """
    return partial(answer_question, model, dict(longest_s))


# plain values, decoded length in seconds, and the failure where there are none
Answer = tuple[dict[str, Any], float | None, FailedInput | None]


def _classify(answers: FileAnswers, path: str) -> Answer:
    """Return the fields of ``classify`` in JSON lines, without the path."""
    prediction = answers.classify(path)
    if not prediction.scores:
        failure = FailedInput("", prediction.code or "failed", prediction.message or "")
        return {}, prediction.duration_s, failure
    return _without_path(prediction.to_dict()), prediction.duration_s, None


def _timeline(answers: FileAnswers, path: str) -> Answer:
    """Return the fields of ``timeline`` in JSON, without the path."""
    line = answers.timeline(path)
    if isinstance(line, FailedInput):
        return {}, None, line
    return _without_path(line.to_dict()), line.duration_s, None


def _explain(answers: FileAnswers, path: str) -> Answer:
    """Return the fields of ``explain`` in JSON, without the path."""
    explanation = answers.explain(path)
    prediction = explanation.prediction
    if explanation.lead is None:
        return {}, prediction.duration_s, FailedInput("", prediction.code or "failed", prediction.message or "")
    plain = explanation.to_dict()
    plain["prediction"] = _without_path(plain["prediction"])
    return plain, prediction.duration_s, None


def _without_path(plain: dict[str, Any]) -> dict[str, Any]:
    """Return values without the path, which is that of a temporary file."""
    return {name: value for name, value in plain.items() if name != "path"}


VERBS: Mapping[str, Callable[[FileAnswers, str], Answer]] = {
    "classify": _classify,
    "timeline": _timeline,
    "explain": _explain,
}
