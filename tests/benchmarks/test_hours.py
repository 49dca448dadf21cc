"""Files of hours, made by saying one recording again and again."""

import numpy as np
import soundfile

from benchmarks import hours


def test_a_recording_is_repeated_until_the_hours_are_full(tmp_path):
    ramp = np.arange(700, dtype=np.int16)
    soundfile.write(tmp_path / "short.flac", ramp, 100)
    hours.write_hours(tmp_path / "long.flac", tmp_path / "short.flac", 2)
    samples, sr = soundfile.read(tmp_path / "long.flac", dtype="int16")
    assert (sr, len(samples)) == (100, 2 * 3600 * 100)
    assert (samples == np.resize(ramp, len(samples))).all()
