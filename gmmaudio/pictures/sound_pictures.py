"""Pictures of a clip: waveform, spectrogram and label track under one time axis; the figure of a timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gmmaudio.arrays import as_numbers
from gmmaudio.canvas.paper import PAPER, require_matplotlib, several_axes
from gmmaudio.errors import SettingError
from gmmaudio.pictures.time_axis import set_time_axis, shown_range
from gmmaudio.pictures.timeline_pictures import WIDE, plot_label_track, plot_posteriors, track_heights

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gmmaudio.timelines import Timeline

Samples = npt.NDArray[np.float32]

# more columns than a wide figure has dots cannot be seen
MAX_COLUMNS = 2000
HOP = 256
WINDOW_S = 0.064
N_MELS = 128
RANGE_DB = 80.0
SOUND_HEIGHTS = (0.9, 1.8)


def plot_clip(
    samples: npt.ArrayLike, sr: float, timeline: Timeline | None = None, axes: Sequence[Axes] | None = None
) -> tuple[Axes, ...]:
    """Return Axes with a clip's waveform, its mel spectrogram, and its label track where there is one.

    The waveform is drawn from the least to the greatest sample of each of 2,000 stretches. The spectrogram has 2,000
    columns at most: of a long recording it shows frames evenly taken.

    Parameters
    ----------
    samples : array_like, shape (n,)
        Mono, in -1..1.
    sr : float
        Sampling rate, Hz.
    timeline : Timeline or None
        Labels of the clip.
    axes : sequence of Axes, or None
        Two, or three with a timeline, drawn on; None, those of a new figure.

    Raises
    ------
    SettingError
        If matplotlib is not installed, samples are not finite numbers in one dimension, or the rate is not above 0.

    Examples
    --------
    >>> wave, spectrogram = plot_clip(np.sin(np.arange(8000.0)), 8000)
    >>> wave.get_ylabel(), spectrogram.get_ylabel()
    ('sample', 'Hz')
    """
    y = _as_samples(samples, sr)
    heights = SOUND_HEIGHTS + (() if timeline is None else track_heights(timeline, False))
    with several_axes(axes, heights, (WIDE, 0.8 + sum(heights))) as drawn:
        _draw_clip(drawn, y, sr, timeline)
    return drawn


def timeline_figure(timeline: Timeline, samples: npt.ArrayLike | None = None, sr: float | None = None) -> Figure:
    """Return the figure of a timeline: waveform and spectrogram where there are samples, label track, posteriors.

    Parameters
    ----------
    timeline : Timeline
        The timeline; without posteriors, its label track is drawn.
    samples : array_like, shape (n,), or None
        Mono, of the whole recording.
    sr : float or None
        Sampling rate, Hz; needed with samples.

    Raises
    ------
    SettingError
        If matplotlib is not installed, or samples or rate do not fit, as in :func:`plot_clip`.

    Examples
    --------
    >>> from gmmaudio.timelines import Timeline, TimelineSegment
    >>> figure = timeline_figure(Timeline((TimelineSegment(0.0, 4.0, "fr"),)), np.zeros(32_000), 8000)
    >>> len(figure.axes)
    3
    """
    if (samples is None) != (sr is None):
        raise SettingError("`samples` and `sr` belong together; pass both or none")
    y = None if samples is None or sr is None else _as_samples(samples, sr)
    has_posteriors = len(timeline.times) > 0
    tracks = track_heights(timeline, has_posteriors)
    heights = tracks if y is None else SOUND_HEIGHTS + tracks
    with several_axes(None, heights, (WIDE, 0.8 + sum(heights))) as drawn:
        # a tuple, for the last is that of the posteriors where there are any
        upper = drawn[: len(heights) - has_posteriors]
        if y is None or sr is None:
            plot_label_track(timeline, upper[0])
        else:
            _draw_clip(upper, y, sr, timeline)
        if has_posteriors:
            plot_posteriors(timeline, drawn[-1])
            upper[-1].set_xlabel("")
    figure: Figure = drawn[0].get_figure()  # type: ignore[assignment]
    return figure


def _draw_clip(axes: Sequence[Axes], y: Samples, sr: float, timeline: Timeline | None) -> None:
    """Draw a clip on two Axes, and its label track on the third."""
    _draw_wave(axes[0], y, sr)
    _draw_spectrogram(axes[1], y, sr)
    start, end = 0.0, len(y) / sr
    if timeline is not None:
        plot_label_track(timeline, axes[2])
        start = shown_range(timeline)[0] if shown_range(timeline)[0] < end else 0.0
        axes[1].set_xlabel("")
    for one in axes:
        set_time_axis(one, start, end)
    for one in axes[:-1]:
        one.tick_params(axis="x", labelbottom=False)


def _draw_wave(axes: Axes, y: Samples, sr: float) -> None:
    """Draw the least and the greatest sample of each of many stretches."""
    starts = np.unique(np.linspace(0, len(y), MAX_COLUMNS, endpoint=False).astype(np.intp))
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    axes.fill_between(starts / sr, low, high, color=PAPER.accent, linewidth=0.4, step="post")
    limit = max(1.05 * float(np.abs(y).max()), 1e-3)
    axes.set(ylim=(-limit, limit), ylabel="sample")


def _draw_spectrogram(axes: Axes, y: Samples, sr: float) -> None:
    """Draw the mel spectrogram, decibels below its greatest value."""
    import librosa
    import librosa.display

    n_fft = 2 ** int(np.ceil(np.log2(WINDOW_S * sr)))
    hop = max(HOP, -(-len(y) // MAX_COLUMNS))
    padded = np.pad(y, (0, max(0, n_fft - len(y))))
    power = librosa.feature.melspectrogram(y=padded, sr=sr, n_fft=n_fft, hop_length=hop, n_mels=N_MELS)
    level = librosa.power_to_db(power, ref=np.max, top_db=RANGE_DB)
    times = np.arange(level.shape[1]) * hop / sr
    mesh = librosa.display.specshow(level, sr=sr, x_coords=times, y_axis="mel", ax=axes, cmap="magma")
    mesh.set_clim(-RANGE_DB, 0.0)
    axes.grid(visible=False)
    axes.set(ylabel="Hz", xlabel="time")


def _as_samples(samples: npt.ArrayLike, sr: float) -> Samples:
    """Return samples as float32, or raise where they are no sound."""
    require_matplotlib()
    y = np.asarray(as_numbers(samples, "`samples` must be real numbers", SettingError), np.float32)
    if y.ndim != 1 or len(y) == 0 or not np.isfinite(y).all():
        raise SettingError(f"`samples` have shape {y.shape}; expected finite numbers (n,), mono, one or more")
    if not 0 < sr < np.inf:
        raise SettingError(f"`sr` is {sr}; expected a sampling rate above 0 Hz")
    return y
