"""Damaged places of a file: the sound that is lost there, and the share above which the file is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gmmaudio.audio.formats import AudioNote
from gmmaudio.errors import AudioError

# a file that lost more of its sound is refused: what is left may not be what it was recorded for
MAX_LOST_SHARE = 0.1
N_PLACES_SHOWN = 3


class Loss(NamedTuple):
    """A damaged place.

    Parameters
    ----------
    at_s : float
        Position in the sound that is left, seconds from its start.
    seconds : float
        Duration of the sound that is lost there.
    """

    at_s: float
    seconds: float


def note_of_losses(losses: Sequence[Loss], kept_s: float) -> AudioNote:
    """Return the note of the damaged places of a file that is used.

    Parameters
    ----------
    losses : sequence of Loss
        The places, in order; one or more.
    kept_s : float
        Duration of the sound that is left, seconds.

    Returns
    -------
    AudioNote
        With the code ``lost``.

    Raises
    ------
    AudioError
        ``damaged`` if more than a tenth of the sound is lost.

    Examples
    --------
    >>> note_of_losses([Loss(3.5, 0.026), Loss(8.0, 0.026)], 20.0).text
    '0.05 s lost in 2 damaged places, at 3.50, 8.00 s'
    """
    lost_s = sum(loss.seconds for loss in losses)
    places = ", ".join(f"{loss.at_s:.2f}" for loss in losses[:N_PLACES_SHOWN])
    places += " s and later" if len(losses) > N_PLACES_SHOWN else " s"
    noun = "damaged place" if len(losses) == 1 else "damaged places"
    text = f"{lost_s:.2f} s lost in {len(losses)} {noun}, at {places}"
    if lost_s > MAX_LOST_SHARE * (lost_s + kept_s):
        raise AudioError(
            "damaged",
            f"{text}, of {lost_s + kept_s:.2f} s; at most {MAX_LOST_SHARE:.0%} may be lost: copy or record it again",
        )
    return AudioNote("lost", text, lost_s)
