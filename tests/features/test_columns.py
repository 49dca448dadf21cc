"""The columns of rows in plain words, beside rows whose columns are known."""

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.features import DESCRIPTORS, FRONT_ENDS, Descriptor, RawFrames, describe_columns, make_features, make_rows
from gmmaudio.models import PRESETS

SETTINGS = {
    **{f"{preset}-{kind}": found.features for preset, kinds in PRESETS.items() for kind, found in kinds.items()},
    "deltas-sdc-descriptors": make_features(
        n_mfcc=5, n_deltas=2, sdc=(3, 1, 3, 2), descriptors=("contrast", "onset", "flatness")
    ),
    "warps-deltas": make_features(sample_rate_hz=16000, fmax_hz=4000.0, n_mfcc=3, vtln=(0.9, 1.1), n_deltas=1),
    "blocks-deltas": make_features(n_mfcc=4, n_deltas=1, sdc=(2, 1, 3, 2), block_s=2.0, n_modulation=3),
    "all-descriptors": make_features(descriptors=tuple(DESCRIPTORS)),
}


@pytest.mark.parametrize("features", SETTINGS.values(), ids=SETTINGS)
def test_each_column_has_a_name_of_its_own(features):
    names = [column.name for column in describe_columns(features)]
    assert len(names) == features.n_features
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("features", SETTINGS.values(), ids=SETTINGS)
def test_a_column_depends_on_the_quantity_that_it_names_and_on_no_other(features):
    plain = features.replace(normalise="none", gate_range_db=None, gate_floor_db=None)
    frames = plain.frames
    rng = np.random.default_rng(0)
    n, n_raw = 300, frames.n_warps * frames.n_coefficients + frames.n_descriptor_columns
    columns = describe_columns(plain)
    quantities = [(column.quantity, column.warp) for column in columns]
    # the first column of each quantity is itself, in the order of raw frames
    order = list(dict.fromkeys(quantities))
    assert len(order) == n_raw
    values = rng.normal(size=(n, n_raw)).astype(np.float32)
    level = np.zeros(n, dtype=np.float32)
    time_s = (np.arange(n) / frames.frames_per_s).astype(np.float32)
    before = make_rows([RawFrames(values, level, time_s)], plain).values
    for j in rng.permutation(n_raw)[:8]:
        changed = values.copy()
        changed[:, j] = rng.normal(size=n) + 3
        after = make_rows([RawFrames(changed, level, time_s)], plain).values
        moved = [
            quantity for quantity, differs in zip(quantities, (before != after).any(axis=0), strict=True) if differs
        ]
        assert set(moved) == {order[j]}
        assert len(moved) == quantities.count(order[j])


def rows_by_name(features, signal):
    """Return the rows of one coefficient that follows a signal, by the names of their columns."""
    n = len(signal)
    values = np.asarray(signal, dtype=np.float32)[:, None]
    raw = RawFrames(values, np.zeros(n), (np.arange(n) / features.frames.frames_per_s).astype(np.float32))
    rows = make_rows([raw], features).values
    return {column.name: rows[:, j] for j, column in enumerate(describe_columns(features))}


def test_derivatives_are_named_after_their_order():
    steps = np.arange(60.0)
    columns = rows_by_name(make_features(n_mfcc=1, n_deltas=2), steps**2)
    # away from the edges
    np.testing.assert_allclose(columns["slope of MFCC 0 (level)"][10:-10], 2 * steps[10:-10], rtol=1e-5)
    np.testing.assert_allclose(columns["curvature of MFCC 0 (level)"][10:-10], 2.0, rtol=1e-4)


def test_shifted_deltas_are_named_after_their_time():
    features = make_features(n_mfcc=1, hop_s=0.01, sample_rate_hz=16000, fmax_hz=8000.0, sdc=(1, 1, 3, 4))
    impulse = np.zeros(60)
    impulse[40] = 1.0
    columns = rows_by_name(features, impulse)
    # a frame 90 ms before the impulse, less one step, sees it ahead
    assert columns["change 90 ms later of MFCC 0 (level)"].argmax() == 40 - 9 - 1
    assert columns["change 0 ms later of MFCC 0 (level)"].argmax() == 39


def test_statistics_of_blocks_are_named_after_what_they_measure():
    features = make_features(n_mfcc=1, block_s=6.0)
    n = features.block_frames
    time_s = np.arange(n) / features.frames.frames_per_s
    columns = rows_by_name(features, 5 + np.sin(2 * np.pi * 3.0 * time_s))
    assert columns["mean of MFCC 0 (level)"] == pytest.approx(5, abs=0.05)
    assert columns["standard deviation of MFCC 0 (level)"] == pytest.approx(0.5**0.5, rel=0.05)
    bands = {name: float(values[0]) for name, values in columns.items() if name.startswith("modulation")}
    loudest = max(bands, key=bands.get)
    low, high = (float(word) for word in loudest.split()[2:5:2])
    assert low <= 3.0 <= high


def test_columns_of_a_table_without_names_have_its_key_and_numbers(monkeypatch):
    monkeypatch.setitem(DESCRIPTORS, "two_tones", Descriptor(2, "1", "two", lambda spectra: np.zeros((1, 2))))
    names = [column.name for column in describe_columns(make_features(n_mfcc=1, descriptors=("two_tones",)))]
    assert names == ["MFCC 0 (level)", "two tones 0", "two tones 1"]


def test_a_descriptor_with_a_name_too_few_is_refused():
    with pytest.raises(SettingError, match="names are one; expected one for each of 2 columns"):
        Descriptor(2, "1", "two", lambda spectra: np.zeros((1, 2)), names=("one",))


def test_hints_are_for_coefficients_that_there_are():
    assert len(FRONT_ENDS["mfcc"].hints) == 2
    assert [column.name for column in describe_columns(make_features(n_mfcc=1))] == ["MFCC 0 (level)"]
