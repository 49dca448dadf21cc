"""Properties that tell labels apart, against simulated corpora: those that are confounded, and those that are not."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from gmmaudio.corpus.confounding import (
    BIT_RATES,
    MIN_DIFFERENCE,
    check_bands,
    check_bit_rates,
    check_formats,
    check_levels,
    check_rates,
)

GENRES = [f"genre{k}" for k in range(10)]


def codes(findings):
    return [finding.code for finding in findings]


def labels_of(n, names=("a", "b")):
    return [name for name in names for _ in range(n)]


# --- formats and rates, which are known of every file --------------------------------------------------------------


@pytest.mark.parametrize(
    ("share_of_a", "share_of_b", "is_found"),
    [(10, 0, True), (9, 1, True), (10, 2, True), (10, 3, False), (5, 5, False), (0, 0, False)],
)
def test_the_difference_of_shares_decides(share_of_a, share_of_b, is_found):
    formats = ["MP3"] * share_of_a + ["FLAC"] * (10 - share_of_a) + ["MP3"] * share_of_b + ["FLAC"] * (10 - share_of_b)
    assert bool(check_formats(labels_of(10), formats)) == is_found == (share_of_a - share_of_b >= 10 * MIN_DIFFERENCE)


def test_the_text_names_labels_values_and_shares():
    labels = labels_of(10, ("a", "b", "c"))
    (finding,) = check_formats(labels, ["MP3"] * 9 + ["FLAC"] * 21)
    assert (finding.code, finding.level) == ("format_confounded", "alarm")
    assert finding.text == (
        "the format tells labels apart: 'a' (90 % MP3, others 0 %); 'b' (100 % FLAC, others 55 %); 'c' (100 % FLAC, "
        "others 55 %): a model may learn the coding instead"
    )
    (finding,) = check_rates(labels, [8_000] * 10 + [44_100] * 20)
    assert (finding.code, finding.level) == ("sample_rate_confounded", "alarm")
    assert "'a' (100 % 8000 Hz, others 0 %)" in finding.text


def test_a_property_that_halves_the_labels_is_found_although_it_names_none():
    formats = [("MP3", "FLAC")[k % 2] for k in range(10) for _ in range(8)]
    (finding,) = check_formats(labels_of(8, GENRES), formats)
    assert finding.text.count("%") == 6 and "and 7 more" in finding.text


def test_labels_of_two_files_say_nothing():
    assert check_formats(["a", "a", "b", "b", "b"], ["MP3", "MP3", "FLAC", "FLAC", "FLAC"]) == ()
    assert check_formats([], []) == ()
    assert check_rates(["a"] * 5, [8_000] * 5) == ()


@pytest.mark.parametrize("seed", range(20))
def test_formats_by_chance_are_no_finding(seed):
    rng = np.random.default_rng(seed)
    labels = labels_of(12, GENRES)
    assert check_formats(labels, rng.choice(["MP3", "FLAC", "Vorbis"], len(labels)).tolist()) == ()


# --- bit rates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("of_a", "of_b", "is_found"), [(128, 320, True), (128, 150, False), (128, 128, False)])
def test_bit_rates_that_differ_by_a_factor_are_found(of_a, of_b, is_found):
    rng = np.random.default_rng(0)
    rates = np.concatenate([1_000 * rng.normal(mean, 2, 20) for mean in (of_a, of_b)]).tolist()
    assert codes(check_bit_rates(labels_of(20), rates)) == ["bit_rate_confounded"] * is_found


def test_overlapping_bit_rates_are_found_where_their_distributions_differ_enough():
    rng = np.random.default_rng(0)
    for mean in np.linspace(130_000, 260_000, 9):
        ours, others = rng.normal(128_000, 30_000, 50), rng.normal(mean, 30_000, 50)
        distance = ks_2samp(ours, others).statistic
        if abs(distance - MIN_DIFFERENCE) > 0.05:  # they are compared at steps of 6 %
            found = check_bit_rates(labels_of(50), [*ours, *others])
            assert bool(found) == (distance >= MIN_DIFFERENCE), distance


def test_files_without_a_bit_rate_are_left_out():
    rates = [None] * 5 + [128_000.0] * 2 + [None] * 5 + [320_000.0] * 2
    assert check_bit_rates(labels_of(7), rates) == ()
    assert check_bit_rates(labels_of(7), [None] * 14) == ()
    assert BIT_RATES[0] < 8_000 < 1e6 < BIT_RATES[-1]


# --- level and band limit, which are known of a sample --------------------------------------------------------------


def test_a_label_of_other_level_is_found_with_the_medians():
    rng = np.random.default_rng(0)
    levels = np.concatenate([rng.normal(-35, 3, 8), *(rng.normal(-15, 3, 8) for _ in range(9))])
    (finding,) = check_levels(labels_of(8, GENRES), levels.tolist())
    assert (finding.code, finding.level) == ("level_confounded", "warning")
    assert finding.text.startswith("the level tells labels apart: 'genre0' (median -34 dB, others -15): ")


def test_levels_and_bands_by_chance_are_seldom_a_finding():
    found = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        # two labels are told apart by chance most easily
        for names in (GENRES, GENRES[:2]):
            labels = labels_of(8, names)
            found += bool(check_levels(labels, rng.normal(-20, 6, len(labels)).tolist()))
            found += bool(check_bands(labels, rng.choice([4e3, 8e3, 11e3], len(labels)).tolist()))
    # of 600 corpora at a level of 1 %
    assert found <= 12


@pytest.mark.parametrize(("n", "is_found"), [(4, False), (8, True)])
def test_a_sample_that_is_too_small_shows_nothing(n, is_found):
    # four above four have a probability of 3 %, eight above eight one of 0.02 %
    levels = [*range(-60, -60 + n), *range(-20, -20 + n)]
    assert ks_2samp(levels[:n], levels[n:]).pvalue == pytest.approx({4: 2 / 70, 8: 2 / 12_870}[n])
    assert bool(check_levels(labels_of(n), levels)) == is_found


@pytest.mark.parametrize(("step", "is_found"), [(2.0, False), (4.0, True)])
def test_levels_must_differ_by_decibels_that_are_heard(step, is_found):
    levels = [*np.linspace(-20, -19.9, 8), *np.linspace(-20 + step, -19.9 + step, 8)]
    assert bool(check_levels(labels_of(8), levels)) == is_found


@pytest.mark.parametrize(("other", "is_found"), [(11_025.0, True), (4_300.0, False)])
def test_a_label_of_another_band_is_found(other, is_found):
    findings = check_bands(labels_of(8), [4_000.0] * 8 + [other] * 8)
    assert codes(findings) == ["band_limit_confounded"] * is_found
