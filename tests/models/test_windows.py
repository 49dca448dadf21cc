import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmmaudio.errors import SettingError
from gmmaudio.features import frame_chunks, make_features, make_rows, raw_frames
from gmmaudio.models.windows import FrameBuffer, WindowSettings

FEATURES = make_features(n_deltas=2, sdc=(7, 1, 3, 7), gate_range_db=30.0, normalise="mean_variance")


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    return (rng.normal(size=15 * 22050) * np.repeat(rng.uniform(0.01, 1, 150), 2205)).astype(np.float32)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 600), st.integers(1, 40))
def test_a_part_gives_the_rows_that_the_whole_recording_gives(samples, first, n):
    whole = raw_frames([samples], FEATURES.frames)
    buffer = FrameBuffer(FEATURES)
    for chunk in frame_chunks([samples], FEATURES.frames):
        buffer.add(chunk)
    buffer.forget(first)
    expected = make_rows([whole.slice(first, first + n)], FEATURES)
    found = make_rows([buffer.part(first, first + n)], FEATURES)
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.time_s, expected.time_s)


def test_what_is_forgotten_is_not_held(samples):
    buffer = FrameBuffer(FEATURES)
    for chunk in frame_chunks([samples], FEATURES.frames):
        buffer.add(chunk)
        buffer.forget(buffer.n_frames - 50)
        assert len(buffer._pieces) <= 2


@pytest.mark.parametrize(("window_s", "hop_s"), [(6.0, 0.5), (30.0, 0.5), (1.0, 1.0), (3.0, 2.0), (0.2, 0.02)])
def test_an_odd_number_of_steps_is_a_window(window_s, hop_s):
    length, step = WindowSettings(window_s, hop_s).in_frames(100.0)
    assert length % step == 0
    assert length // step % 2 == 1
    assert abs(length / 100 - window_s) <= max(0.05 * window_s, 0.1)
    assert step / 100 <= hop_s


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.1, 0.1), "`window_s` is 0.1; expected 0.2 to 3600 s"),
        ((6.0, 7.0), "`hop_s` is 7; expected 0.02 s to the window's 6 s"),
        ((6.0, 0.0), "`hop_s` is 0; expected"),
    ],
)
def test_lengths_outside_their_bounds_are_refused(arguments, message):
    with pytest.raises(SettingError, match=message):
        WindowSettings(*arguments)
