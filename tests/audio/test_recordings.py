"""Several recordings in one file, decoded as one sound."""

import io

import numpy as np
import pytest

from gmmaudio.audio import decode, read_audio, recordings
from gmmaudio.audio.formats import AudioInfo
from tests.audio.conftest import SR, chirp, encode, keep, refusal


@pytest.mark.parametrize(("n_joined", "is_whole"), [(1, True), (8, True), (8, False)])
def test_each_of_joined_recordings_may_declare_a_little_more_than_it_has(tmp_path, monkeypatch, n_joined, is_whole):
    class Declaring(recordings.SndfileDecoder):
        """A decoder of a format whose headers round the length up, as those of WMA do."""

        def __init__(self, *args):
            super().__init__(*args)
            excess_s = 0.06 if is_whole else 0.2
            self.info = AudioInfo(SR, 1, self.info.duration_s + excess_s, "WMA")

    monkeypatch.setattr(recordings, "SndfileDecoder", Declaring)
    path = keep(tmp_path / "clip", encode(chirp(1.0)) * n_joined)
    if is_whole:
        assert np.array_equal(read_audio(path, SR), np.tile(chirp(1.0), n_joined) / np.float32(32768))
    else:
        assert refusal(path)[0] == "truncated"


def test_the_tolerance_is_for_each_recording():
    content = io.BytesIO(encode(chirp(0.5)) * 3)
    with recordings.open_decoder(content) as decoder:
        assert decoder.n_recordings == 3
        decode._check_length(1.25, 0.0, decoder, 0.0, None)
