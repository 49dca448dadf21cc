"""Properties of files by which labels can be told apart, so that a model may learn them instead of the labels.

A property that the head of every file declares (format, sample rate, bit rate of lossy files) is compared between
labels. Two labels are told apart by it where the distributions of their files differ by :data:`MIN_DIFFERENCE` or more,
in total variation for formats and sample rates, and in the distance of Kolmogorov and Smirnov for bit rates. A label
that is told apart from at least half of the others is reported.

A property that takes decoding (level, band limit) is known of a few files only. It is compared between a label and all
others. Beside the difference, the two-sided test of Kolmogorov and Smirnov must give :data:`MAX_P`, divided by the
number of labels, or less, and the medians must differ by an amount that is heard.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gmmaudio.findings import Finding, first_of

Floats = npt.NDArray[np.float64]

# the difference of two distributions, 0..1, from which a property tells them apart
MIN_DIFFERENCE = 0.8
# of labels with fewer files nothing is said
MIN_FILES = 3
# level of the test on files that are a sample, for all labels together
MAX_P = 0.01
# medians that differ by less are not reported: a factor, decibels, hertz
MIN_BIT_RATE_RATIO, MIN_LEVEL_DB, MIN_BAND_HZ = 1.25, 3.0, 500.0
# where distributions of bit rates are compared, bits per second
BIT_RATES = np.geomspace(4e3, 4e6, 128)


def check_formats(labels: Sequence[str], formats: Sequence[str]) -> tuple[Finding, ...]:
    """Return the finding that formats of files tell labels apart.

    Parameters
    ----------
    labels : sequence of str
        Label of every file.
    formats : sequence of str
        Name of the format of every file.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(*check_formats(["a"] * 4 + ["b"] * 4, ["MP3"] * 4 + ["FLAC"] * 4))
    the format tells labels apart: 'a' (100 % MP3, others 0 %); 'b' (100 % FLAC, others 0 %): a model may learn the \
coding instead; take clips of every label in one format, or train on coded copies too (`augment="codec"`)
    """
    cases = _told_by_value(labels, formats, str)
    if not cases:
        return ()
    return (
        Finding(
            "format_confounded",
            "alarm",
            f"the format tells labels apart: {first_of(cases)}: a model may learn the coding instead",
            'take clips of every label in one format, or train on coded copies too (`augment="codec"`)',
        ),
    )


def check_rates(labels: Sequence[str], rates_hz: Sequence[int]) -> tuple[Finding, ...]:
    """Return the finding that sample rates of files tell labels apart.

    Parameters
    ----------
    labels : sequence of str
        Label of every file.
    rates_hz : sequence of int
        Sample rate of every file.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(check_rates(["a"] * 4 + ["b"] * 4, [8_000] * 4 + [44_100] * 4)[0].text)
    the sample rate tells labels apart: 'a' (100 % 8000 Hz, others 0 %); 'b' (100 % 44100 Hz, others 0 %): a model may \
learn the missing band instead
    """
    cases = _told_by_value(labels, rates_hz, lambda rate: f"{rate} Hz")
    if not cases:
        return ()
    return (
        Finding(
            "sample_rate_confounded",
            "alarm",
            f"the sample rate tells labels apart: {first_of(cases)}: a model may learn the missing band instead",
            'bring all to one rate, or train on band-limited copies too (`augment="band"`)',
        ),
    )


def check_bit_rates(labels: Sequence[str], bit_rates: Sequence[float | None]) -> tuple[Finding, ...]:
    """Return the finding that bit rates of lossy files tell labels apart.

    Parameters
    ----------
    labels : sequence of str
        Label of every file.
    bit_rates : sequence of float or None
        Bits per second of every file; None where its coding loses nothing, which is not compared.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(check_bit_rates(["a"] * 4 + ["b"] * 4, [64e3] * 4 + [320e3] * 4)[0].text)
    the bit rate tells labels apart: 'a' (median 64 kbit/s, others 320); 'b' (median 320 kbit/s, others 64): a model \
may learn the losses of coding instead
    """
    by_label = _by_label(labels, bit_rates)
    values = {label: np.asarray(rates, dtype=float) for label, rates in by_label.items()}
    shares = np.array([np.searchsorted(np.sort(rates), BIT_RATES) / len(rates) for rates in values.values()])
    cases = []
    for i, label in enumerate(values):
        others = np.concatenate([np.empty(0), *(rates for other, rates in values.items() if other != label)])
        distances = np.abs(shares - shares[i]).max(axis=1)
        if _tells(distances, i):
            ours, theirs = float(np.median(values[label])), float(np.median(others))
            if max(ours, theirs) >= MIN_BIT_RATE_RATIO * min(ours, theirs):
                cases.append(f"{label!r} (median {ours / 1000:.0f} kbit/s, others {theirs / 1000:.0f})")
    if not cases:
        return ()
    return (
        Finding(
            "bit_rate_confounded",
            "alarm",
            f"the bit rate tells labels apart: {first_of(cases)}: a model may learn the losses of coding instead",
            'take clips of every label at one bit rate, or train on coded copies too (`augment="codec"`)',
        ),
    )


def check_levels(labels: Sequence[str], levels_db: Sequence[float]) -> tuple[Finding, ...]:
    """Return the finding that levels of files, which are a sample, tell labels apart.

    Parameters
    ----------
    labels : sequence of str
        Label of every file of the sample.
    levels_db : sequence of float
        Level of every file, decibels below full scale.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(*check_levels(["a"] * 8 + ["b"] * 8, [*range(-50, -42), *range(-20, -12)]))
    the level tells labels apart: 'a' (median -46 dB, others -16); 'b' (median -16 dB, others -46): a model may learn \
how loud recordings were made; bring all to one level, or train on copies of other levels too (`augment="gain"`)
    """
    cases = [
        f"{label!r} (median {ours:.0f} dB, others {others:.0f})"
        for label, ours, others in _told_by_sample(labels, levels_db, MIN_LEVEL_DB)
    ]
    if not cases:
        return ()
    return (
        Finding(
            "level_confounded",
            "warning",
            f"the level tells labels apart: {first_of(cases)}: a model may learn how loud recordings were made",
            'bring all to one level, or train on copies of other levels too (`augment="gain"`)',
        ),
    )


def check_bands(labels: Sequence[str], bands_hz: Sequence[float]) -> tuple[Finding, ...]:
    """Return the finding that band limits of files, which are a sample, tell labels apart.

    Parameters
    ----------
    labels : sequence of str
        Label of every file of the sample.
    bands_hz : sequence of float
        Frequency at which the sound of every file ends, hertz.

    Returns
    -------
    tuple of Finding
        One or none.

    Examples
    --------
    >>> print(check_bands(["a"] * 8 + ["b"] * 8, [4e3] * 8 + [11e3] * 8)[0].text)
    the band limit tells labels apart: 'a' (median 4.0 kHz, others 11.0); 'b' (median 11.0 kHz, others 4.0): a model \
may learn the missing band instead
    """
    cases = [
        f"{label!r} (median {ours / 1000:.1f} kHz, others {others / 1000:.1f})"
        for label, ours, others in _told_by_sample(labels, bands_hz, MIN_BAND_HZ)
    ]
    if not cases:
        return ()
    return (
        Finding(
            "band_limit_confounded",
            "alarm",
            f"the band limit tells labels apart: {first_of(cases)}: a model may learn the missing band instead",
            'take clips of every label from sources of one band, or train on limited copies too (`augment="band"`)',
        ),
    )


def _by_label(labels: Sequence[str], values: Iterable[float | None]) -> dict[str, list[float]]:
    """Return the values that are known of each label that has enough, labels sorted."""
    by_label: dict[str, list[float]] = defaultdict(list)
    for label, value in zip(labels, values, strict=True):
        if value is not None:
            by_label[label].append(value)
    return {label: known for label, known in sorted(by_label.items()) if len(known) >= MIN_FILES}


def _tells(distances: Floats, i: int) -> bool:
    """Return whether a label, of all in a row of distances, is told apart from half of the others or more."""
    n_others = len(distances) - 1
    n_told = int((np.delete(distances, i) >= MIN_DIFFERENCE).sum())
    return n_others > 0 and 2 * n_told >= n_others


def _told_by_value(labels: Sequence[str], values: Sequence[Hashable], text: Callable[[Hashable], str]) -> list[str]:
    """Return, of every label that a property of few values tells apart, its name and the value that does most."""
    counts: Mapping[str, dict[Hashable, int]] = defaultdict(lambda: defaultdict(int))
    for label, value in zip(labels, values, strict=True):
        counts[label][value] += 1
    named = sorted(label for label, of_label in counts.items() if sum(of_label.values()) >= MIN_FILES)
    columns = sorted({value for label in named for value in counts[label]}, key=str)
    n = np.array([[counts[label].get(value, 0) for value in columns] for label in named], dtype=float)
    if len(named) < 2 or len(columns) < 2:
        return []
    shares = n / n.sum(axis=1, keepdims=True)
    cases = []
    for i, label in enumerate(named):
        if _tells(np.abs(shares - shares[i]).sum(axis=1) / 2, i):
            others = (n.sum(axis=0) - n[i]) / (n.sum() - n[i].sum())
            k = int(np.argmax(shares[i] - others))
            cases.append(
                f"{label!r} ({shares[i, k]:.0%} {text(columns[k])}, others {others[k]:.0%})".replace("%", " %")
            )
    return cases


def _told_by_sample(labels: Sequence[str], values: Sequence[float], least: float) -> list[tuple[str, float, float]]:
    """Return the labels that a property of a sample tells from all others, with the medians of both."""
    by_label = {label: np.sort(known) for label, known in _by_label(labels, values).items()}
    told = []
    for label, ours in by_label.items():
        others = np.sort(np.concatenate([np.empty(0), *(known for key, known in by_label.items() if key != label)]))
        if not len(others):
            continue
        at = np.concatenate([ours, others])
        shares = (np.searchsorted(known, at, side="right") / len(known) for known in (ours, others))
        medians = float(np.median(ours)), float(np.median(others))
        is_far = abs(medians[0] - medians[1]) >= least and np.abs(np.subtract(*shares)).max() >= MIN_DIFFERENCE
        if is_far and _p_value(ours, others) * len(by_label) <= MAX_P:
            told.append((label, *medians))
    return told


def _p_value(ours: Floats, others: Floats) -> float:
    """Return the probability of such a difference between two samples of one distribution."""
    from scipy.stats import ks_2samp  # takes long to import, and is seldom needed

    return float(ks_2samp(ours, others).pvalue)
