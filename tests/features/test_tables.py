"""The tables of a front end: the formulas, librosa's, through a file and back, and those of other settings."""

import pickle
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
from scipy.fft import dct

from gmmaudio.errors import SettingError
from gmmaudio.features import (
    DESCRIPTORS,
    FrontEndTables,
    check_designed,
    design_tables,
    make_features,
    raw_frames,
    table_sizes,
    tensor_table,
)
from tests.features.conftest import CONFIGS, QUICK, QUICK_16K, WARPED, noise

ALL = {**CONFIGS, "warped": WARPED, "few bands": QUICK.replace(n_mels=2, n_mfcc=2)}


def dense(tables, n_bins):
    """Return the mel banks, shape (n_warps, n_mels, n_bins)."""
    first, weights = tables.own["mel_first"], tables.own["mel_weights"]
    banks = np.zeros((*first.shape, n_bins), np.float32)
    for place, begin in np.ndenumerate(first):
        banks[place][begin : begin + weights.shape[2]] = weights[place]
    return banks


def slaney_bank(sample_rate_hz, n_fft, n_mels, fmin_hz, fmax_hz):
    """Return triangles of equal area on Slaney's scale: linear up to 1,000 Hz, then 27 steps to 6.4 times as much."""
    scale_hz = np.concatenate([np.arange(15) * 200 / 3, 1_000 * 6.4 ** (np.arange(120) / 27)])
    mel = np.arange(len(scale_hz))

    def to_mel(hz):
        # between whole steps the scale is linear, or goes by factors
        place = min(int(np.searchsorted(scale_hz, hz, side="right")) - 1, len(mel) - 2)
        low, high = scale_hz[place : place + 2]
        return place + ((hz - low) / (high - low) if place < 15 else np.log(hz / low) / np.log(high / low))

    def to_hz(step):
        place = min(int(step), len(mel) - 2)
        low, high = scale_hz[place : place + 2]
        return low + (step - place) * (high - low) if place < 15 else low * (high / low) ** (step - place)

    edges = [to_hz(step) for step in np.linspace(to_mel(fmin_hz), to_mel(fmax_hz), n_mels + 2)]
    bins_hz = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    triples = zip(edges, edges[1:], edges[2:], strict=False)
    return np.array([np.interp(bins_hz, triple, [0, 2 / (triple[2] - triple[0]), 0]) for triple in triples])


@pytest.mark.parametrize("name", ALL)
def test_tables_are_those_of_the_formulas(name):
    settings = ALL[name].frames
    tables = design_tables(settings)
    constant = {"hann": 0.5, "hamming": 0.54}[settings.window]
    n = settings.win_length
    window = constant - (1 - constant) * np.cos(2 * np.pi * np.arange(n) / n)
    start = (settings.n_fft - n) // 2
    np.testing.assert_allclose(tables.window, np.pad(window, (start, settings.n_fft - n - start)), rtol=0, atol=1e-14)
    for bank, factor in zip(dense(tables, settings.n_fft // 2 + 1), (1.0, *settings.vtln), strict=True):
        edges = factor * settings.fmin_hz, factor * settings.fmax_hz
        expected = slaney_bank(settings.sample_rate_hz, settings.n_fft, settings.n_mels, *edges)
        # weights are float32
        np.testing.assert_allclose(bank, expected, rtol=0, atol=2e-7 * expected.max())
    angles = np.outer(np.arange(settings.n_mfcc), np.arange(settings.n_mels) + 0.5) * np.pi / settings.n_mels
    transform = np.sqrt(2 / settings.n_mels) * np.cos(angles)
    transform[0] /= np.sqrt(2)
    np.testing.assert_allclose(tables.own["dct"], transform, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_tables_are_librosas_and_scipys(name):
    settings = ALL[name].frames
    tables = design_tables(settings)
    window = librosa.util.pad_center(
        librosa.filters.get_window(settings.window, settings.win_length), size=settings.n_fft
    )
    assert np.array_equal(tables.window, window)
    n_bins = settings.n_fft // 2 + 1
    for bank, factor in zip(dense(tables, n_bins), (1.0, *settings.vtln), strict=True):
        expected = librosa.filters.mel(
            sr=settings.sample_rate_hz,
            n_fft=settings.n_fft,
            n_mels=settings.n_mels,
            fmin=factor * settings.fmin_hz,
            fmax=factor * settings.fmax_hz,
        )
        assert np.array_equal(bank, expected)
    log_mel = np.random.default_rng(0).normal(size=settings.n_mels)
    np.testing.assert_allclose(
        tables.own["dct"] @ log_mel, dct(log_mel, norm="ortho")[: settings.n_mfcc], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("name", ALL)
def test_tables_are_of_the_types_shapes_and_bounds_they_say(name):
    settings = ALL[name].frames
    tensors = design_tables(settings).tensors()
    sizes, bounds = table_sizes(settings)
    assert list(tensor_table(settings)) and set(tensor_table(settings)) == set(tensors)
    for key, layout in tensor_table(settings).items():
        tensor = tensors[key]
        assert tensor.dtype == layout.dtype
        assert layout.low <= tensor.min() and tensor.max() <= layout.high
        assert len(tensor.shape) == len(layout.shape)
        for axis, n in zip(layout.shape, tensor.shape, strict=True):
            assert n == sizes[axis] if axis in sizes else 1 <= n <= bounds[axis]


def test_frames_by_tables_that_went_through_a_file_are_the_same_bits():
    settings = WARPED.frames
    tensors = {name: np.array(tensor) for name, tensor in design_tables(settings).tensors().items()}
    tables = FrontEndTables.from_tensors(tensors, settings)
    check_designed(tables, settings)
    samples = noise(30_000)
    assert np.array_equal(raw_frames([samples], settings, tables).values, raw_frames([samples], settings).values)


def test_the_tables_given_are_those_applied():
    settings = QUICK.frames
    tensors = design_tables(settings).tensors()
    doubled = FrontEndTables.from_tensors({**tensors, "mel_weights": tensors["mel_weights"] * 2}, settings)
    levels = [raw_frames([noise(8_000)], settings, tables).level_db for tables in (doubled, None)]
    np.testing.assert_allclose(levels[0] - levels[1], 10 * np.log10(2), rtol=0, atol=1e-4)


WITHOUT_LIBRARIES = """
import pickle, sys
tables, features, samples = pickle.load(sys.stdin.buffer)
from gmmaudio.features import raw_frames
raw = raw_frames([samples], features.frames, tables)
loaded = {"librosa", "numba", "scipy", "sklearn", "joblib"} & {name.split(".")[0] for name in sys.modules}
assert not loaded, loaded
sys.stdout.buffer.write(raw.values.tobytes())
"""


@pytest.mark.parametrize("name", ["classic", "warped", "descriptors"])
def test_frames_by_given_tables_need_numpy_only(name):
    config = {**ALL, "descriptors": QUICK_16K.replace(descriptors=DESCRIPTORS)}[name]
    samples = noise(30_000)
    tables = design_tables(config.frames)
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES],
        input=pickle.dumps((tables, config, samples)),
        capture_output=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert result.stdout == raw_frames([samples], config.frames, tables).values.tobytes()


def test_tables_are_designed_once_and_nobody_can_change_them():
    tables = design_tables(QUICK.frames)
    assert design_tables(make_features(**QUICK.to_dict()["frames"]).frames) is tables
    with pytest.raises(ValueError, match="read-only"):
        tables.own["dct"][0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_mfcc": 7}, r"dct has shape \(8, 20\)"),
        ({"n_mels": 21}, r"mel_first has shape \(1, 20\)"),
        ({"window_s": 0.064}, r"window has shape \(256,\)"),
        ({"vtln": (1.1,), "fmax_hz": 3_000.0}, r"mel_first has shape \(1, 20\)"),
    ],
)
def test_tables_of_other_settings_are_refused(changes, message):
    with pytest.raises(SettingError, match=f"^`tables` were designed for other settings: {message}$"):
        raw_frames([noise(1_000)], QUICK.replace(**changes).frames, design_tables(QUICK.frames))


def test_a_band_beyond_the_spectrum_is_refused():
    tensors = dict(design_tables(QUICK.frames).tensors())
    tensors["mel_first"] = tensors["mel_first"] + 100
    with pytest.raises(SettingError, match=r"^a mel band ends at bin 2\d\d; expected at most 129$"):
        FrontEndTables.from_tensors(tensors, QUICK.frames)
