"""The settings of a service: where it listens, who may ask, and the limits of what is asked."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from gmmaudio.compute import ItemLimits
from gmmaudio.errors import SettingError
from gmmaudio.files import in_units
from gmmaudio.values import convert_fields

# a shorter one can be guessed
LEAST_TOKEN = 16
LEAST_MEMORY = 256 * 2**20


@dataclass(frozen=True)
class ServiceSettings:
    """The settings of a service.

    Parameters
    ----------
    host : str
        Name or address to listen at.
    port : int
        Port to listen at; 0 takes one that is free.
    token : str or None
        What a client must name to be answered; None answers everybody.
    n_jobs : int
        Worker processes.
    n_queued : int
        Uploads at most that wait for a worker.
    max_bytes : int
        Largest upload, bytes.
    max_duration_s : float
        Longest sound of an upload, decoded, seconds.
    max_explained_s : float
        Longest sound that is explained, seconds: an explanation has a row for each frame.
    time_limit_s : float
        Time that a worker may take for an upload, seconds.
    memory_limit : int
        Memory that a worker may take for it, bytes.
    wait_s : float
        Time that an upload may wait for a worker, seconds.
    n_uploads : int
        Uploads at most that arrive at the same time.
    n_connections : int
        Connections at most.
    header_s : float
        Time for the head of a request to arrive, seconds.
    body_s : float
        Time for each part of its body, and beyond ``body_bytes_per_s`` for all of it, seconds.
    body_bytes_per_s : float
        Bytes each second that a body must bring, once ``body_s`` is over.
    write_s : float
        Time in which a client must take some of its answer, seconds.
    stop_s : float
        Time in which requests are finished once the service is to end, seconds.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> ServiceSettings(port=0).is_loopback
    True
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    n_jobs: int = 2
    n_queued: int = 16
    max_bytes: int = 64 * 2**20
    max_duration_s: float = 3600.0
    max_explained_s: float = 600.0
    time_limit_s: float = 60.0
    memory_limit: int = 2**30
    wait_s: float = 30.0
    n_uploads: int = 32
    n_connections: int = 512
    header_s: float = 10.0
    body_s: float = 10.0
    body_bytes_per_s: float = 16_384.0
    write_s: float = 20.0
    stop_s: float = 20.0

    def __post_init__(self) -> None:
        convert_fields(self, mark="`", skip=("token",))
        bounds = {
            "port": (0, 65_535, ""),
            "n_jobs": (1, 1_000, " worker processes"),
            "n_queued": (0, 10_000, " uploads"),
            "max_bytes": (1, 2**40, " bytes"),
            "max_duration_s": (1, 86_400, " s"),
            "time_limit_s": (0.1, 86_400, " s"),
        }
        for name, (low, high, unit) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise SettingError(f"`{name}` is {value:g}; expected {low:g} to {high:g}{unit}")
        if self.memory_limit < LEAST_MEMORY:
            raise SettingError(
                f"`memory_limit` is {in_units(self.memory_limit)}; expected {in_units(LEAST_MEMORY)} or more"
            )
        if self.token is not None and (len(self.token) < LEAST_TOKEN or not self.token.isascii()):
            raise SettingError(f"the token is shorter than {LEAST_TOKEN} characters, or not of ASCII; choose another")

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this computer reach the service."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def item_limits(self) -> ItemLimits:
        """Time and memory that a worker may take for an upload."""
        return ItemLimits(self.time_limit_s, self.memory_limit)
