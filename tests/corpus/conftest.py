"""What the tests of corpora share."""

import numpy as np
import pytest

from gmmaudio.corpus import compute_fingerprint
from gmmaudio.errors import CorpusError
from gmmaudio.features import raw_frames
from gmmaudio.models import preset_of

FRONT_ENDS = {"classic": preset_of(None).features, "language": preset_of("language", "frames").features}


def fails(function, *args, **settings):
    """Return the message of the CorpusError that a call raises."""
    with pytest.raises(CorpusError) as caught:
        function(*args, **settings)
    return str(caught.value)


@pytest.fixture(params=sorted(FRONT_ENDS))
def front_end(request):
    return FRONT_ENDS[request.param]


def melody(seed, config, seconds=8.0):
    """Return notes of random pitch, timbre, length and loudness with bursts of noise between, float32."""
    rng, sr = np.random.default_rng(seed), config.frames.sample_rate_hz
    sound = 1e-4 * rng.standard_normal(round(seconds * sr))
    at = 0.0
    while at < seconds:
        n = round(rng.uniform(0.1, 0.5) * sr)
        t = np.arange(n) / sr
        pitch = rng.uniform(100, 900)
        tone = sum(
            rng.uniform(0, 1) ** 2 * np.sin(2 * np.pi * pitch * k * t) for k in range(1, 9) if pitch * k < sr / 2
        )
        note = 0.1 * rng.uniform(0.2, 1) * (tone + rng.uniform(0, 1) * rng.standard_normal(n)) * np.exp(-t / 0.15)
        part = slice(round(at * sr), round(at * sr) + n)
        sound[part] += note[: len(sound[part])]
        at += rng.uniform(0.1, 0.4)
    return sound.astype(np.float32)


def print_of(sound, config):
    return compute_fingerprint(raw_frames([sound.astype(np.float32)], config.frames).values, config.frames.frames_per_s)
