"""Settings of frames that are given: they stand where those of a front end stand, and nothing is known of the sound."""

from __future__ import annotations

from dataclasses import dataclass, fields

from gmmaudio.errors import SettingError
from gmmaudio.names import printable
from gmmaudio.values import convert_fields, shown

MAX_GIVEN_COLUMNS = 2**16
MAX_NAME = 200
# frames in a second: from one in three hours to each sample
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1e-4, 384_000.0


@dataclass(frozen=True, kw_only=True)
class GivenFrames:
    """Settings of frames that another program made: embeddings, filter banks, or whatever else has columns.

    Parameters
    ----------
    rows_name : str
        Name of what made the frames, such as ``wav2vec2-base layer 7``. Frames of another name are refused.
    n_columns : int
        Columns of a frame, 1 to 65,536. Frames of another width are refused.
    rows_rate_hz : float or None
        Frames in a second; None where that is not known, or clips have one vector each: then each frame counts as one
        second.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.

    Examples
    --------
    >>> frames = GivenFrames(rows_name="wav2vec2-base layer 7", n_columns=768, rows_rate_hz=50.0)
    >>> frames.n_coefficients, frames.frames_per_s, frames.n_warps
    (768, 50.0, 1)
    """

    rows_name: str
    n_columns: int
    rows_rate_hz: float | None = None

    def __post_init__(self) -> None:
        convert_fields(self, mark="`")
        check_name(self.rows_name)
        check_rate(self.rows_rate_hz)
        if not 1 <= self.n_columns <= MAX_GIVEN_COLUMNS:
            raise SettingError(f"n_columns is {self.n_columns}; expected 1 to {MAX_GIVEN_COLUMNS:,}")

    @property
    def is_rated(self) -> bool:
        """Whether the number of frames in a second is known."""
        return self.rows_rate_hz is not None

    @property
    def frames_per_s(self) -> float:
        """Frames in a second; 1 where that is not known."""
        return self.rows_rate_hz or 1.0

    @property
    def n_coefficients(self) -> int:
        """Columns of a frame, of which deltas can be taken."""
        return self.n_columns

    @property
    def n_warps(self) -> int:
        """VTLN warps that a frame holds: 1."""
        return 1

    @property
    def n_descriptor_columns(self) -> int:
        """Columns of descriptors: 0."""
        return 0

    @property
    def vtln(self) -> tuple[float, ...]:
        """Factors of VTLN warps: none."""
        return ()

    @property
    def descriptors(self) -> tuple[str, ...]:
        """Descriptors: none."""
        return ()

    @property
    def measure_speech(self) -> bool:
        """Whether the probability of speech is measured: it is not, for that needs the sound."""
        return False


GIVEN_NAMES = tuple(field.name for field in fields(GivenFrames))


def check_name(name: str) -> None:
    """Raise SettingError where a name of frames is empty, long, or no printable text.

    Parameters
    ----------
    name : str
        Name of what made the frames.

    Examples
    --------
    >>> check_name(" ")
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `rows_name` is ' '; expected the name of what made the rows, at most 200 characters
    """
    if not name.strip() or len(name) > MAX_NAME or printable(name) != name:
        raise SettingError(
            f"`rows_name` is {shown(name)}; expected the name of what made the rows, at most {MAX_NAME} characters"
        )


def check_rate(rate_hz: float | None) -> None:
    """Raise SettingError where a rate of frames is outside its bounds.

    Parameters
    ----------
    rate_hz : float or None
        Frames in a second; None where that is not known.

    Examples
    --------
    >>> check_rate(0.0)
    Traceback (most recent call last):
    gmmaudio.errors.SettingError: `rows_rate_hz` is 0; expected 0.0001 to 384000 rows in a second
    """
    if rate_hz is not None and not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise SettingError(
            f"`rows_rate_hz` is {rate_hz:g}; expected {LOWEST_RATE_HZ:g} to {HIGHEST_RATE_HZ:.0f} rows in a second"
        )
