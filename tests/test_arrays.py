"""Numbers from callers: masks honoured or refused, and nothing cast that is no real number."""

import numpy as np
import pytest
from scipy import sparse

from gmmaudio.arrays import as_numbers, fill_masked, has_masked, refuse_masked
from gmmaudio.audio import degrade
from gmmaudio.corpus.fingerprint import compute_fingerprint
from gmmaudio.errors import FeatureError, GmmaudioError, MixtureError, SettingError
from gmmaudio.evaluation import (
    accuracy,
    balanced_accuracy,
    binary_cllr,
    cavg,
    cllr,
    confusion_matrix,
    det_curve,
    detection_llrs,
    eer,
    label_trials,
    log_loss,
    macro_f1,
    min_binary_cllr,
    min_cavg,
    min_cllr,
    min_dcf,
    pooled_trials,
    reliability_curve,
    top_k_accuracy,
)
from gmmaudio.features import (
    FeatureSettings,
    FrameSettings,
    RawFrames,
    block_features,
    extract,
    feature_warping,
    normalise_values,
    rasta,
    raw_frames,
    shifted_deltas,
    sliding_cmvn,
)
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import Calibration, Linear, gmm_scorer

MASKED = "some are masked: leave them out, or replace them by numbers"


def read(values, missing=True):
    return as_numbers(values, "rows must be real numbers", ValueError, missing=missing)


class Frame:
    """A data frame with missing values of a type of its own, as pandas has them."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=object).astype(dtype or object)

    def to_numpy(self, dtype, na_value):
        return np.array([[na_value if item is NotImplemented else item for item in row] for row in self.values], dtype)


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([[1, 2], [3, 4]], [[0, 1], [0, 0]]),
        np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], [[0, 1], [0, 0]], dtype=np.float32),
        np.ma.masked_array([["1", "x"], ["3", "4"]], [[0, 1], [0, 0]]),
        np.ma.masked_array([[1, "x"], [3, 4]], [[0, 1], [0, 0]], dtype=object),
        [np.ma.masked_array([1, 2], [0, 1]), [3, 4]],
        (np.ma.masked_array([1, 2], [0, 1]), np.array([3, 4])),
        [[1, np.ma.masked], [3, 4]],
        np.array([[1, np.ma.masked], [3, 4]], dtype=object),
        [[1, None], [3, 4]],
        Frame([[1, NotImplemented], [3, 4]]),
    ],
)
def test_missing_values_of_every_kind_become_nan(values):
    numbers = read(values)
    assert numbers.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(numbers, [[1, np.nan], [3, 4]])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", ">f4", ">f8"])
def test_a_mask_without_masked_values_changes_nothing(dtype):
    values = np.array([[0, 1], [1, 0]], dtype=dtype)
    for masked in (np.ma.masked_array(values), np.ma.masked_array(values, np.zeros((2, 2), bool))):
        numbers = read(masked)
        assert type(numbers) is np.ndarray
        assert numbers.dtype == values.dtype
        np.testing.assert_array_equal(numbers, values)


@pytest.mark.parametrize(
    ("dtype", "filled"), [("bool", "f8"), ("int16", "f8"), ("float16", "f8"), ("f4", "f4"), (">f4", "f8")]
)
def test_masked_values_need_a_float_that_holds_all_others(dtype, filled):
    assert fill_masked(np.ma.masked_array([0, 1], [1, 0], dtype=dtype)).dtype == filled


def test_a_plain_array_is_not_copied():
    values = np.ones((2, 2), np.float32)
    assert read(values) is values
    with pytest.warns(PendingDeprecationWarning, match="matrix"):
        matrix = np.matrix([[1.0]])
    assert type(read(matrix)) is np.ndarray


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1 + 2j]], "they are complex128"),
        (np.ma.masked_array([[1 + 2j]], [[True]]), "they are complex128"),
        (np.array([1j], dtype=object), "float"),
        (np.array(["2026-01-01"], "datetime64[D]"), r"they are datetime64\[D\]"),
        ([np.datetime64("2026-01-01")], r"they are datetime64\[D\]"),
        (np.array([np.datetime64("2026-01-01")], dtype=object), r"they are datetime64\[D\]"),
        (np.array([3], "timedelta64[s]"), r"they are timedelta64\[s\]"),
        (np.zeros(2, [("a", "f8")]), "they are .*'a'"),
        (np.ma.masked_array(np.zeros(2, [("a", "f8")]), [(True,), (False,)]), "they are .*'a'"),
        (sparse.csr_matrix(np.eye(2)), r"they are a sparse csr_matrix: pass its toarray\(\)"),
        (sparse.coo_array(np.eye(2)), r"they are a sparse coo_array: pass its toarray\(\)"),
        ([["a", "b"]], "could not convert string to float: 'a'"),
        ([[10**400]], "too large"),
        ([[1], [1, 2]], "inhomogeneous"),
        ({"a": 1}, "not 'dict'"),
    ],
)
def test_what_is_no_real_number_is_refused_without_a_warning(values, message):
    # warnings are errors here: the cast of complex numbers would give one
    for missing in (True, False):
        if missing or not has_masked(values):
            with pytest.raises(ValueError, match=f"rows must be real numbers; .*{message}"):
                read(values, missing)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.ma.masked_array([1, 2], [0, 1]), True),
        (np.ma.masked_array([1, 2], [0, 0]), False),
        (np.ma.masked, True),
        (["a", np.ma.masked], True),
        (np.ma.masked_array(["a", "b"], [0, 1]), True),
        (np.ma.masked_array(np.zeros(1, [("a", "f8")]), [(True,)]), True),
        (np.array(["a", np.ma.masked], dtype=object), True),
        (np.ones(3), False),
        (["a", None], False),
        (None, False),
    ],
)
def test_masks_are_found_in_arrays_and_sequences_of_any_dtype(values, expected):
    assert has_masked(values) is expected
    if expected:
        with pytest.raises(SettingError, match=f"^labels must be known; {MASKED}$"):
            refuse_masked(values, "labels must be known", SettingError)


# --- every function that takes arrays and has no use for missing values ----------------------------------------------


def masked(values, dtype=np.float64):
    """Return the values with the last one masked; what lies under the mask would be taken as it is."""
    array = np.ma.masked_array(np.array(values, dtype=dtype), False)
    array.mask.flat[-1] = True
    return array


SCORES, TRUE, SHARES = [[0.1, 0.9], [0.7, 0.3]], [1, 0], [[0.2, 0.8], [0.6, 0.4]]
SOUND = np.zeros(22050, np.float32)
FRAMES = np.zeros((300, 7), np.float32)
MIXTURES = tuple(GaussianMixture([1.0], [[mean]], [[1.0]]) for mean in (0.0, 1.0))

USES = {
    "accuracy": lambda: accuracy(masked([[1, 1], [0, 2]])),
    "balanced accuracy": lambda: balanced_accuracy(masked([[1, 1], [0, 2]])),
    "macro F1": lambda: macro_f1(masked([[1, 1], [0, 2]])),
    "true labels by name": lambda: confusion_matrix(masked(["a", "b"], str), ["a", "b"], ["a", "b"]),
    "predicted labels by name": lambda: confusion_matrix(["a", "b"], masked(["a", "b"], str), ["a", "b"]),
    "weights of a matrix": lambda: confusion_matrix(["a", "b"], ["a", "b"], ["a", "b"], weights=masked([1, 2])),
    "top k": lambda: top_k_accuracy(masked(SCORES), TRUE, 1),
    "true labels": lambda: top_k_accuracy(SCORES, masked(TRUE, int), 1),
    "log loss": lambda: log_loss(masked(SHARES), TRUE),
    "weights of a loss": lambda: log_loss(SHARES, TRUE, masked([1, 1])),
    "log-likelihood ratios": lambda: detection_llrs(masked(SCORES)),
    "a prior": lambda: detection_llrs(SCORES, masked([0.5, 0.5])),
    "a DET curve": lambda: det_curve(masked([1, 2]), [0, 1]),
    "the equal error rate": lambda: eer([1, 2], masked([0, 1])),
    "min DCF": lambda: min_dcf(masked([1, 2]), [0, 1]),
    "Cavg": lambda: cavg(masked(SCORES), TRUE),
    "min Cavg": lambda: min_cavg(SCORES, masked(TRUE, int)),
    "trials of a label": lambda: label_trials(masked(SCORES), TRUE, 0),
    "pooled trials": lambda: pooled_trials(masked(SCORES), TRUE),
    "Cllr": lambda: cllr(masked(SCORES), TRUE),
    "min Cllr": lambda: min_cllr(masked(SCORES), TRUE),
    "Cllr of trials": lambda: binary_cllr(masked([1, 2]), [0, 1]),
    "min Cllr of trials": lambda: min_binary_cllr([1, 2], masked([0, 1])),
    "a reliability curve": lambda: reliability_curve(masked(SHARES), TRUE),
    "a degradation": lambda: degrade.clip(masked(SOUND, np.float32), 0.5),
    "a fingerprint": lambda: compute_fingerprint(masked(FRAMES), 100.0),
    "blocks of sound": lambda: raw_frames([SOUND, masked(SOUND, np.float32)], FrameSettings()),
    "sound": lambda: extract(masked(SOUND, np.float32), FeatureSettings()),
    "raw frames": lambda: RawFrames(masked(FRAMES), FRAMES[:, 0], FRAMES[:, 0]),
    "normalisation": lambda: normalise_values(masked(FRAMES), "mean", 301),
    "sliding normalisation": lambda: sliding_cmvn(masked(FRAMES), 301),
    "warping": lambda: feature_warping(masked(FRAMES), 301),
    "RASTA": lambda: rasta(masked(FRAMES)),
    "shifted deltas": lambda: shifted_deltas(masked(FRAMES), 7, 1, 3, 7),
    "blocks of frames": lambda: block_features(
        masked(FRAMES), FRAMES[:, 0], size=100, step=50, n_modulation=2, frames_per_s=100.0
    ),
    "a scorer": lambda: gmm_scorer(("a", "b"), MIXTURES).score(masked([[1.0]])),
    "a scorer of rows": lambda: gmm_scorer(("a", "b"), MIXTURES).score_rows(masked([[1.0]])),
    "a linear head": lambda: Linear(np.eye(2, dtype=np.float32), np.zeros(2)).score(masked([[1.0, 2.0]])),
    "a calibration": lambda: Calibration(1.0, np.zeros(2)).probability(masked([0.0, 1.0])),
}


@pytest.mark.parametrize("use", USES)
def test_masked_values_are_refused_where_none_may_be_missing(use):
    with pytest.raises((SettingError, FeatureError, MixtureError), match=f"{MASKED}$") as caught:
        USES[use]()
    assert isinstance(caught.value, GmmaudioError)
