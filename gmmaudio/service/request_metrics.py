"""Counts and times of the requests of a service, as text for Prometheus and as lines of a log."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# upper ends of the classes of times, seconds
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
Log = Callable[[Mapping[str, Any]], None]


@dataclass
class RequestRecord:
    """A request, without anything that its client wrote.

    Parameters
    ----------
    method : str
        Method of HTTP.
    client : str
        Address of the client.
    route : str
        The address that it asked for, as the service knows it: ``/v1/classify``, ``static`` or ``other``.
    status : int
        Status of the answer; 499 where the client was gone.
    code : str or None
        Reason code, where it was not answered.
    n_bytes : int
        Bytes of sound that it brought.
    duration_s : float or None
        Decoded length, seconds.
    cpu_s : float
        Time of a worker's processor, seconds.
    note : str or None
        What an error of the service was.
    """

    method: str
    client: str
    route: str = "other"
    status: int = 499
    code: str | None = None
    n_bytes: int = 0
    duration_s: float | None = None
    cpu_s: float = 0.0
    note: str | None = None
    started_s: float = field(default_factory=time.monotonic)

    def line(self, seconds: float) -> dict[str, Any]:
        """Return the values of a line of the log.

        Parameters
        ----------
        seconds : float
            How long the request took.
        """
        known = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "client": self.client,
            "method": self.method if self.method in METHODS else "other",
            "route": self.route,
            "status": self.status,
            "ms": round(1000 * seconds, 1),
        }
        if self.n_bytes:
            known |= {"bytes": self.n_bytes, "cpu_ms": round(1000 * self.cpu_s, 1)}
        optional = {
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
            "code": self.code,
            "error": self.note,
        }
        return known | {name: value for name, value in optional.items() if value is not None}


class RequestMetrics:
    """Counts and times of all requests since the start.

    Parameters
    ----------
    log : callable
        Takes the values of a line for every request.
    gauges : callable
        Returns the numbers of the moment: name -> help, type and value.
    """

    def __init__(self, log: Log, gauges: Callable[[], Mapping[str, tuple[str, str, float]]]) -> None:
        self._log, self._gauges = log, gauges
        self._requests = Counter[tuple[str, int]]()
        self._problems = Counter[str]()
        self._times: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_S) + 1))
        self._seconds: dict[str, float] = defaultdict(float)
        self._totals = dict.fromkeys(("received_bytes", "sound_seconds", "work_cpu_seconds"), 0.0)

    def add(self, record: RequestRecord) -> None:
        """Count a request that is over, and log it.

        Parameters
        ----------
        record : RequestRecord
            The request.
        """
        seconds = time.monotonic() - record.started_s
        self._requests[record.route, record.status] += 1
        if record.code is not None:
            self._problems[record.code] += 1
        self._times[record.route][bisect_left(BUCKETS_S, seconds)] += 1
        self._seconds[record.route] += seconds
        self._totals["received_bytes"] += record.n_bytes
        self._totals["sound_seconds"] += record.duration_s or 0.0
        self._totals["work_cpu_seconds"] += record.cpu_s
        self._log(record.line(seconds))

    def text(self) -> str:
        """Return all numbers in the text format of Prometheus, version 0.0.4."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        """Yield the lines of the text."""
        yield from _head("requests_total", "counter", "Requests by address and status.")
        for (route, status), n in sorted(self._requests.items()):
            yield f'gmmaudio_requests_total{{route="{route}",status="{status}"}} {n}'
        yield from _head("problems_total", "counter", "Requests that were not answered, by reason code.")
        for code, n in sorted(self._problems.items()):
            yield f'gmmaudio_problems_total{{code="{code}"}} {n}'
        yield from _head("request_seconds", "histogram", "Time from the head of a request to the end of its answer.")
        for route, counts in sorted(self._times.items()):
            total = 0
            for end, n in zip((*map(str, BUCKETS_S), "+Inf"), counts, strict=True):
                total += n
                yield f'gmmaudio_request_seconds_bucket{{route="{route}",le="{end}"}} {total}'
            yield f'gmmaudio_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}'
            yield f'gmmaudio_request_seconds_count{{route="{route}"}} {total}'
        for name, words in TOTALS.items():
            yield from _head(f"{name}_total", "counter", words)
            yield f"gmmaudio_{name}_total {self._totals[name]:.6g}"
        for name, (words, kind, value) in self._gauges().items():
            yield from _head(name, kind, words)
            yield f"gmmaudio_{name} {value:.6g}"


TOTALS = {
    "received_bytes": "Bytes of sound that were received.",
    "sound_seconds": "Seconds of sound that were decoded.",
    "work_cpu_seconds": "Time of the processor that workers took.",
}


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    """Return the lines before the values of a metric."""
    return f"# HELP gmmaudio_{name} {words}", f"# TYPE gmmaudio_{name} {kind}"
