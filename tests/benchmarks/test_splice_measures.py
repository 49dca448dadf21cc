"""Measures of timelines beside known turns, on timelines whose answers are plain to see."""

import math

import numpy as np
import pytest

from benchmarks import splice_measures as measures
from gmmaudio.timelines import Timeline, TimelineSegment


def line(*parts, duration_s=0.0):
    """Return the timeline of (start, end, label); unknown and silence are labels here."""
    statuses = ("unknown", "silence")
    return Timeline(
        tuple(
            TimelineSegment(start, end, None if label in statuses else label, label if label in statuses else "ok")
            for start, end, label in parts
        ),
        duration_s=duration_s,
    )


TRUTH = line((0, 20, "fr"), (21, 25, "de"), (25, 60, "fr"))


def test_a_timeline_is_wholly_right_beside_itself():
    found = measures.measure(TRUTH, TRUTH)
    assert found.pop("boundary_error_s") == (0, 2)
    assert found.pop("segment_error_rate")[0] == 0
    assert found.pop("log_loss") == (0, 0)
    assert {name: parts[0] / parts[1] for name, parts in found.items()} == dict.fromkeys(found, 1.0)


def test_windows_are_judged_by_what_holds_most_of_them():
    # windows 0-10, 10-20, ... 50-60 of fr fr fr fr fr fr: "de" holds 4 s of the third
    assert measures.share_right(TRUTH, line((0, 60, "fr")), measures.windows(60)) == (6, 6)
    assert measures.share_right(TRUTH, line((0, 34.9, "fr"), (34.9, 60, "de")), measures.windows(60)) == (3, 6)
    assert measures.share_right(TRUTH, line((0, 54, "fr"), (54, 60, "unknown")), measures.windows(60)) == (5, 6)
    assert measures.share_right(TRUTH, line((0, 54, "fr")), measures.windows(60)) == (6, 6)
    assert measures.windows(29.9) == [(0, 10), (10, 20)]


def test_windows_inside_turns_begin_with_the_turn():
    assert measures.windows_inside(TRUTH) == [(0, 10), (10, 20), (25, 35), (35, 45), (45, 55)]


def test_pauses_between_turns_are_not_judged():
    assert measures.labelled_seconds(TRUTH, line((0, 60, "fr"))) == (55, 59)
    assert measures.labelled_seconds(TRUTH, line((0, 5, "fr"), (5, 60, "silence"))) == (5, 59)


@pytest.mark.parametrize(
    ("found", "errors"),
    [
        # anywhere in the pause from 20 to 21 s is right; the nearest change between the two labels counts
        (line((0, 20.5, "fr"), (20.5, 26, "de"), (26, 60, "fr")), [0, 1]),
        (line((0, 3, "fr"), (3, 4, "de"), (4, 19, "fr"), (19, 60, "de")), [1, 21]),
        (line((0, 23, "fr"), (23, 24.5, "de"), (24.5, 60, "fr")), [2, 0.5]),
        # a change goes over silence and what is unknown
        (line((0, 20, "fr"), (20, 22, "silence"), (22, 25, "de"), (25, 60, "fr")), [1, 0]),
        (line((0, 17, "fr"), (17, 21, "unknown"), (21, 60, "de")), [3, math.inf]),
        # and is none where the label comes again, or another one does
        (line((0, 19, "fr"), (19, 22, "silence"), (22, 60, "fr")), [math.inf, math.inf]),
        (line((0, 20, "fr"), (20, 25, "it"), (25, 60, "fr")), [math.inf, math.inf]),
    ],
)
def test_the_error_of_a_boundary_is_how_far_the_change_between_its_labels_lies_outside_the_pause(found, errors):
    assert measures.boundary_errors(TRUTH, found) == pytest.approx(errors)


def test_an_error_counts_as_ten_seconds_at_most():
    parts = ((0, 20, "fr"), (20, 39, "de"), (39, 60, "fr"))
    assert measures.measure(TRUTH, line(*parts))["boundary_error_s"] == (10, 2)
    assert measures.measure(TRUTH, line((0, 60, "fr")))["boundary_error_s"] == (20, 2)


def test_boundaries_between_short_turns_are_left_out():
    short = line((0, 9, "fr"), (9, 18, "de"), (18, 28, "fr"))
    assert measures.boundary_errors(short, short) == [0]


@pytest.mark.parametrize(
    ("found", "n_found"),
    [
        # of the turns of 20 and 35 s the last begins 1.5 s too late; the short one is left out
        (line((0, 20, "fr"), (20, 26.5, "de"), (26.5, 60, "fr")), 1),
        (line((0, 21.9, "fr"), (21.9, 24.1, "de"), (24.1, 60, "fr")), 2),
        (line((0, 22.1, "fr"), (22.1, 24.1, "de"), (24.1, 60, "fr")), 1),
        # silence and unknown may be inside a turn, another label may not, however short
        (line((0, 9, "fr"), (9, 12, "silence"), (12, 20, "fr"), (21, 25, "de"), (25, 60, "fr")), 2),
        (line((0, 9, "fr"), (9, 9.5, "de"), (9.5, 20, "fr"), (21, 25, "de"), (25, 60, "fr")), 1),
        (line((0, 20, "it"), (21, 25, "de"), (25, 60, "fr")), 1),
        (line((0, 20, "fr"), (21, 25, "de"), (25, 58.9, "fr"), duration_s=60), 1),
    ],
)
def test_a_turn_is_found_by_one_stretch_of_its_label_with_both_ends_near(found, n_found):
    assert measures.turns_found(TRUTH, found) == (n_found, 2)


def test_the_probability_of_a_segment_is_judged_by_the_share_that_is_right():
    def part(start, end, label, probability):
        return TimelineSegment(start, end, label, probability=probability)

    # the second segment: 4 s of "de" in 19 s of turns
    found = Timeline((part(0, 20, "fr", 0.9), part(20, 40, "de", 0.75)))
    assert measures.judged_segments(TRUTH, found) == [(0.9, 1), (0.75, pytest.approx(4 / 19))]
    expected = -math.log2(0.9) - 4 / 19 * math.log2(0.75) - 15 / 19 * math.log2(0.25)
    assert measures.log_loss(TRUTH, found) == (pytest.approx(expected), 2)
    # two bins of one segment each
    assert measures.calibration_error([(0.9, 1), (0.75, 0.25)]) == pytest.approx((0.1 + 0.5) / 2)
    # one bin: only the means differ
    assert measures.calibration_error([(0.71, 1), (0.79, 0.5)]) == pytest.approx(0)
    assert measures.calibration_error([(1.0, 0)]) == 1
    assert measures.calibration_error([]) is None


def test_a_quotient_of_recordings_has_the_interval_of_its_mean():
    # equal sizes: the quotient is the mean, and its standard error the usual one
    rng = np.random.default_rng(1)
    above = rng.uniform(3, 7, 40)
    found = measures.quotient([(value, 10) for value in above], "linear")
    half = 2.02 * above.std(ddof=1) / 10 / math.sqrt(40)
    assert found.value == pytest.approx(above.mean() / 10)
    # 2,000 draws know a standard deviation to 2 %
    assert found.interval == pytest.approx((found.value - half, found.value + half), abs=0.06 * half)
    assert measures.quotient([(0, 0), (0, 0)]) == measures.Measured(None, None)
    assert measures.quotient([(1, 2)]) == measures.Measured(0.5, None)
    # all right, so the draws say nothing: as many trials as recordings
    assert measures.quotient([(9, 9)] * 5).interval == pytest.approx((0.025 ** (1 / 5), 1))


def test_a_difference_of_quotients_is_paired_by_recording():
    rng = np.random.default_rng(2)
    parts = [(value, 10) for value in rng.uniform(1, 9, 30)]
    found = measures.difference(parts, [(above - 0.5, 10) for above, _ in parts])
    assert found.value == pytest.approx(0.05)
    # what all recordings share has no spread
    assert found.interval == pytest.approx((0.05, 0.05))
    assert measures.difference(parts, [(0, 0)] * 30) == measures.Measured(None, None)
