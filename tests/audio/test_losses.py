"""Notes of damaged places, and the refusal of files that lost too much."""

import pytest

from gmmaudio.audio.losses import Loss, note_of_losses
from gmmaudio.errors import AudioError


def test_the_note_adds_up_the_places_and_names_the_first():
    note = note_of_losses([Loss(float(at), 0.1) for at in range(5)], 10.0)
    assert (note.code, note.text) == ("lost", "0.50 s lost in 5 damaged places, at 0.00, 1.00, 2.00 s and later")
    assert note.seconds == pytest.approx(0.5)


def test_a_single_place_is_named():
    assert note_of_losses([Loss(1.5, 0.25)], 10.0).text == "0.25 s lost in 1 damaged place, at 1.50 s"


@pytest.mark.parametrize(("lost_s", "refused"), [(1.0, False), (1.001, True), (9.0, True)])
def test_a_file_that_lost_more_than_a_tenth_is_damaged(lost_s, refused):
    kept_s = 10.0 - lost_s
    if not refused:
        assert note_of_losses([Loss(0.0, lost_s)], kept_s).seconds == lost_s
        return
    with pytest.raises(AudioError) as caught:
        note_of_losses([Loss(0.0, lost_s)], kept_s)
    assert caught.value.code == "damaged"
    assert caught.value.message == (
        f"{lost_s:.2f} s lost in 1 damaged place, at 0.00 s, of 10.00 s; at most 10% may be lost: "
        "copy or record it again"
    )
