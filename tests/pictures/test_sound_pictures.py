"""A clip's waveform and spectrogram against librosa and known tones; the figure of a timeline."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.pictures import plot_clip, timeline_figure
from gmmaudio.pictures.figure_files import figure_bytes
from gmmaudio.pictures.sound_pictures import MAX_COLUMNS
from tests.pictures.conftest import make_timeline

pytest.importorskip("matplotlib")

SR = 16000


def tone(hertz, seconds, sr=SR):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * sr)) / sr)


def mesh_of(axes):
    """Return the levels of a spectrogram, and its edges in time and in hertz."""
    (mesh,) = [drawn for drawn in axes.collections if drawn.get_array() is not None]
    corners = mesh.get_coordinates()
    return mesh.get_array().reshape(corners.shape[0] - 1, -1), corners[0, :, 0], corners[:, 0, 1]


def test_the_spectrogram_is_that_of_librosa():
    import librosa

    y = np.random.default_rng(0).normal(size=SR).astype(np.float32)
    levels, times, _ = mesh_of(plot_clip(y, SR)[1])
    power = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=1024, hop_length=256, n_mels=128)
    assert np.array_equal(levels, librosa.power_to_db(power, ref=np.max))
    assert times[0] <= 0.0
    assert times[-1] == pytest.approx(1.0, abs=256 / SR)


@pytest.mark.parametrize("sr", [8000, 11025, 16000, 22050, 44100, 96000])
def test_a_tone_is_where_its_frequency_and_its_time_are(sr):
    # silence, then a tone: neither mel bands without bins nor windows longer than the clip are warned of
    y = np.concatenate([np.zeros(sr), tone(1000.0, 1.0, sr)])
    levels, times, hertz = mesh_of(plot_clip(y, sr)[1])
    row, column = np.unravel_index(levels.argmax(), levels.shape)
    assert hertz[row] - 40 <= 1000 <= hertz[row + 1] + 40
    assert 0.9 < times[column] < 2.0
    assert levels[:, times[:-1] < 0.9].max() == pytest.approx(-80.0)


def test_a_long_recording_has_no_more_columns_and_all_its_peaks():
    y = np.zeros(20 * 60 * 8000, np.float32)
    y[1_234_567] = -0.5
    wave, spectrogram = plot_clip(y, 8000)
    levels, times, _ = mesh_of(spectrogram)
    assert MAX_COLUMNS / 2 < levels.shape[1] <= MAX_COLUMNS + 1
    assert times[-1] == pytest.approx(20 * 60, rel=1e-2)
    outline = wave.collections[0].get_paths()[0].vertices
    assert outline[:, 1].min() == -0.5
    assert outline[outline[:, 1].argmin(), 0] == pytest.approx(1_234_567 / 8000, abs=2 * 20 * 60 / MAX_COLUMNS)


@pytest.mark.parametrize("n", [1, 2, 100])
def test_a_few_samples_and_silence_are_drawn_without_a_warning(n):
    for y in (np.zeros(n), np.full(n, 0.1)):
        assert figure_bytes(plot_clip(y, SR)[0].figure, "png").startswith(b"\x89PNG")


def test_waveform_spectrogram_and_labels_are_under_one_time_axis():
    line = make_timeline(seconds=20.0)
    axes = plot_clip(tone(440, 20.0), SR, line)
    assert len(axes) == 3
    assert {one.get_xlim() for one in axes} == {(0.0, 20.0)}
    assert [one.get_xlabel() for one in axes] == ["", "", "time"]
    # all labels of ticks but the lowest are hidden
    shown = [any(label.get_visible() and label.get_text() for label in one.get_xticklabels()) for one in axes]
    assert shown == [False, False, True]


@pytest.mark.parametrize(
    ("sound", "posteriors", "n"), [(False, False, 1), (False, True, 2), (True, False, 3), (True, True, 4)]
)
def test_the_figure_of_a_timeline_has_what_there_is(sound, posteriors, n):
    line = make_timeline(seconds=10.0, posteriors=posteriors)
    samples = (tone(440, 10.0), SR) if sound else ()
    figure = timeline_figure(line, *samples)
    assert len(figure.axes) == n
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 10.0)}
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * (n - 1) + ["time"]
    assert figure_bytes(figure, "pdf") == figure_bytes(
        timeline_figure(line, *((tone(440, 10.0), SR) if sound else ())), "pdf"
    )


@pytest.mark.parametrize(
    ("y", "sr", "complaint"),
    [
        (np.zeros((2, 9)), SR, r"`samples` have shape \(2, 9\); expected finite numbers \(n,\), mono"),
        (np.zeros(0), SR, "one or more"),
        ([np.nan], SR, "expected finite numbers"),
        (["a"], SR, "`samples` must be real numbers"),
        ([0.0], 0, "expected a sampling rate above 0 Hz"),
    ],
)
def test_what_is_no_sound_is_refused(y, sr, complaint):
    with pytest.raises(SettingError, match=complaint):
        plot_clip(y, sr)


def test_samples_need_their_rate():
    with pytest.raises(SettingError, match="belong together"):
        timeline_figure(make_timeline(), np.zeros(9))


def test_axes_that_are_passed_are_drawn_on_and_returned():
    from matplotlib.figure import Figure

    given = tuple(Figure().subplots(2, 1))
    assert plot_clip(np.zeros(SR), SR, axes=given) == given
    with pytest.raises(SettingError, match="`axes` has 2 Axes; expected 3"):
        plot_clip(np.zeros(SR), SR, make_timeline(), axes=given)
