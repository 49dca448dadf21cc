"""Problems: what a client is told where it is not answered, as problem details of RFC 9457."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response

from gmmaudio.json_text import to_json

MEDIA_TYPE = "application/problem+json"
# reason codes of files -> the status where it is not 422
STATUS = {"not_audio": 415, "needs_media": 415}
# the name of a parameter of Python in a message, between backticks
PARAMETER = re.compile(r" \(\x60\w+\x60\)")
# reason codes of the service itself -> their meaning
SERVICE_REASONS = {
    "bad_request": "a request that cannot be understood",
    "no_file": "a form without a file",
    "too_large": "an upload larger than the limit",
    "slow": "a body that arrives too slowly",
    "token": "no token, or a wrong one",
    "wrong_host": "a host name that this service does not have",
    "cross_site": "a request by a page of another site",
    "not_found": "no such address",
    "bad_method": "a method that the address does not take",
    "busy": "too many uploads at the same time; try again later",
    "stopped": "the service is about to end",
    "internal": "an error of the service",
}
# reason codes of work that passed a limit, or crashed -> words for a client
LOST = {
    "timeout": "the sound took longer to work on than the limit of {time_s:g} s; send a shorter part",
    "memory": "the sound took more memory than the limit; send a shorter part",
    "crashed": "a decoder crashed at the sound; convert it with another program",
    "failed": "the sound cannot be used, for a reason that is in the log of the service",
}


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """A request that is not answered, with a reason code.

    Parameters
    ----------
    status : int
        Status of HTTP.
    code : str
        One of :data:`SERVICE_REASONS`, of :data:`gmmaudio.audio.REASONS`, or of the feature stage.
    detail : str
        What was found, what is expected, and a remedy.
    headers : mapping of str to str, optional
        Headers of the response.

    Examples
    --------
    >>> Problem(413, "too_large", "more than 10 bytes").title
    'Content Too Large'
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, code, detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The status in words."""
        # the names of RFC 9110, which Python has from 3.13 on
        later = {413: "Content Too Large", 422: "Unprocessable Content"}
        return later.get(self.status) or HTTPStatus(self.status).phrase

    def response(self) -> Response:
        """Return the response that states the problem."""
        body = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        return Response(to_json(body), self.status, self.headers, MEDIA_TYPE)


def busy(detail: str, retry_s: int = 2) -> Problem:
    """Return the problem of too much work at the same time.

    Parameters
    ----------
    detail : str
        What there is too much of.
    retry_s : int
        When to try again, seconds.

    Examples
    --------
    >>> busy("the queue is full").headers
    {'Retry-After': '2'}
    """
    return Problem(503, "busy", detail, {"Retry-After": str(retry_s)})


def stopped() -> Problem:
    """Return the problem of a service that is about to end.

    Examples
    --------
    >>> stopped().headers["Retry-After"]
    '10'
    """
    headers = {"Retry-After": "10", "Connection": "close"}
    return Problem(503, "stopped", "the service is about to end; start it again", headers)


def of_sound(code: str, message: str, time_s: float) -> Problem:
    """Return the problem of an upload whose sound cannot be used.

    Parameters
    ----------
    code : str
        Its reason code.
    message : str
        The reason in words, without the path.
    time_s : float
        Limit of time, seconds.

    Examples
    --------
    >>> of_sound("not_audio", "no decoder knows it", 60.0).status
    415
    """
    # a client has no parameters
    words = LOST[code].format(time_s=time_s) if code in LOST else PARAMETER.sub("", message)
    return Problem(STATUS.get(code, 422), code, words)
