"""Metrics of segments: worked by hand, their identities, and pyannote.metrics on the same timelines."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import SEGMENT_METRICS, compare_segments, segment_metrics
from gmmaudio.evaluation.intervals import weighted_interval
from gmmaudio.evaluation.segmentation import count_matches, sum_counts
from gmmaudio.timelines import Timeline, TimelineSegment

FIXED = settings(derandomize=True, deadline=None, database=None, max_examples=150)
NAMES = ("a", "b", "unknown")


def line(*parts, duration_s=0.0):
    """Return a timeline of (start, end, label), with ? for unknown and - for silence."""
    status = {"?": "unknown", "-": "silence"}
    return Timeline(
        tuple(TimelineSegment(s, e, None if n in status else n, status.get(n, "ok")) for s, e, n in parts),
        duration_s=duration_s,
    )


@st.composite
def lines(draw, names="aabb?-"):
    """Return a timeline on a grid of milliseconds, with gaps, neighbours of one label, and a tail without segments."""
    parts, now = [], draw(st.integers(0, 2)) * 700
    for name in draw(st.lists(st.sampled_from(names), max_size=8)):
        end = now + draw(st.integers(1, 5000))
        parts.append((now / 1000, end / 1000, name))
        now = end + draw(st.sampled_from((0, 0, 1, 900)))
    return line(*parts, duration_s=now / 1000 + draw(st.sampled_from((0.0, 0.0, 2.0))))


TRUE = line((0, 10, "a"), (10, 20, "b"), (22, 30, "?"), duration_s=32)
FOUND = line((0, 11, "a"), (11, 18, "b"), (18, 19, "?"), (19, 21, "-"), (21, 26, "?"), (26, 29, "a"), duration_s=30)


def test_errors_in_seconds_by_hand():
    counts = compare_segments(TRUE, FOUND, tolerance_s=1.5)
    assert counts.labels == ("a", "b")
    # a, b, unknown, silence
    assert counts.seconds.tolist() == [
        [10.0, 0.0, 0.0, 0.0],
        [1.0, 7.0, 1.0, 1.0],
        [3.0, 0.0, 4.0, 1.0],
        [0.0, 0.0, 1.0, 3.0],
    ]
    assert (counts.sound_s, counts.confusion_s, counts.missed_s, counts.false_alarm_s) == (28.0, 5.0, 2.0, 1.0)
    # true: 10, 20, 22, 30; found: 11, 18, 19, 21, 26, 29
    assert (counts.n_reference, counts.n_hypothesis, counts.n_matched) == (4, 6, 4)
    values = segment_metrics([counts]).values
    assert values == {
        "segment_error_rate": 8 / 28,
        "confusion_rate": 5 / 28,
        "missed_rate": 2 / 28,
        "false_alarm_rate": 1 / 28,
        "frame_accuracy": 24 / 32,
        "boundary_precision": 4 / 6,
        "boundary_recall": 1.0,
        "boundary_f1": 8 / 10,
        # longest parts of a, b, unknown
        "coverage": (10 + 7 + 4) / 28,
        # of a, b, unknown, silence, unknown, a, silence, cut to the sound of the reference
        "purity": (10 + 7 + 1 + 1 + 4 + 3 + 1) / 28,
    }


def test_unknown_for_a_label_and_a_label_for_unknown_are_errors():
    assert compare_segments(line((0, 2, "a")), line((0, 2, "?"))).confusion_s == 2.0
    assert compare_segments(line((0, 2, "?")), line((0, 2, "a"))).confusion_s == 2.0
    assert compare_segments(line((0, 2, "?")), line((0, 2, "?"))).correct_s == 2.0
    # the label of that name is another state than the status
    counts = compare_segments(line((0, 2, "unknown")), line((0, 2, "?")))
    assert counts.confusion_s == 2.0
    assert counts.labels == ("unknown",)


def test_what_has_no_segment_is_silence():
    silent = line((0, 4, "-"), (4, 9, "a"), (9, 12, "-"))
    left = line((4, 9, "a"), duration_s=12)
    for one, other in ((silent, left), (left, silent)):
        counts = compare_segments(one, other)
        assert (counts.correct_s, counts.n_reference, counts.n_hypothesis, counts.n_matched) == (12.0, 2, 2, 2)


def test_neighbours_of_one_state_have_no_boundary_between_them():
    counts = compare_segments(line((0, 2, "a"), (2, 5, "a")), line((0, 5, "a")))
    assert (counts.n_reference, counts.n_hypothesis) == (0, 0)
    assert math.isnan(segment_metrics([counts]).values["boundary_f1"])


@pytest.mark.parametrize(("tolerance_s", "n_matched"), [(0.0, 0), (0.999, 0), (1.0, 1), (5.0, 1)])
def test_the_tolerance_of_boundaries_includes_its_end(tolerance_s, n_matched):
    # 8.3 - 7.3 is more than 1 in binary
    found = line((0, 8.3, "a"), (8.3, 10, "b"))
    assert compare_segments(line((0, 7.3, "a"), (7.3, 10, "b")), found, tolerance_s=tolerance_s).n_matched == n_matched


@FIXED
@given(lines(), lines())
def test_parts_sum_to_the_whole_and_exchanged_timelines_exchange_them(true, found):
    counts, back = compare_segments(true, found), compare_segments(found, true)
    end_s = max(true.duration_s, found.duration_s)
    # sums of at most 30 times
    close = {"abs": 1e-9}
    assert counts.seconds.sum() == pytest.approx(end_s, **close)
    assert counts.correct_s + counts.confusion_s + counts.missed_s + counts.false_alarm_s == pytest.approx(
        end_s, **close
    )
    assert pytest.approx(back.seconds, **close) == counts.seconds.T
    assert (counts.missed_s, counts.false_alarm_s) == pytest.approx((back.false_alarm_s, back.missed_s), **close)
    assert (counts.n_reference, counts.n_matched) == (back.n_hypothesis, back.n_matched)
    assert counts.n_matched <= min(counts.n_reference, counts.n_hypothesis)
    assert max(counts.covered_s, counts.pure_s) <= counts.sound_s + 1e-9
    values = segment_metrics([counts]).values
    if counts.sound_s:
        parts = [values[name] for name in ("confusion_rate", "missed_rate", "false_alarm_rate")]
        assert values["segment_error_rate"] == pytest.approx(sum(parts), **close)
    true_s = {part.label: 0.0 for part in true.segments}
    for part in true.segments:
        true_s[part.label] += part.duration_s
    for row, label in enumerate(counts.labels):
        assert counts.seconds[row].sum() == pytest.approx(true_s.get(label, 0.0), **close)


@FIXED
@given(lines())
def test_a_timeline_has_no_error_against_itself(true):
    counts = compare_segments(true, true)
    assert counts.confusion_s == counts.missed_s == counts.false_alarm_s == 0.0
    assert counts.n_matched == counts.n_reference == counts.n_hypothesis
    assert (counts.covered_s, counts.pure_s) == pytest.approx((counts.sound_s,) * 2, abs=1e-9)
    values = segment_metrics([counts]).values
    assert values["segment_error_rate"] == 0.0 or counts.sound_s == 0


@FIXED
@given(
    st.lists(st.integers(0, 300), unique=True, max_size=14).map(sorted),
    st.lists(st.integers(0, 300), unique=True, max_size=14).map(sorted),
    st.integers(0, 60),
)
def test_no_assignment_of_boundaries_pairs_more(one, other, tolerance):
    near = np.abs(np.subtract.outer(np.array(one, dtype=int), np.array(other, dtype=int))) <= tolerance
    pairs = maximum_bipartite_matching(csr_array(near), perm_type="column") if near.size else np.array([-1])
    found = count_matches(np.array(one) / 10, np.array(other) / 10, tolerance / 10)
    assert found == (pairs >= 0).sum()


def annotation(core, true):
    """Return the annotation of pyannote with the sound of a timeline."""
    made = core.Annotation()
    for i, part in enumerate(true.support().segments):
        if part.status != "silence":
            made[core.Segment(part.start_s, part.end_s), i] = f"{part.status} {part.label}"
    return made


@pytest.fixture(scope="module")
def core():
    return pytest.importorskip("pyannote.core", reason="pyannote is not installed")


@FIXED
@given(lines(), lines())
def test_the_error_rate_is_that_of_pyannote(core, true, found):
    metrics = pytest.importorskip("pyannote.metrics.identification", reason="pyannote is not installed")
    counts = compare_segments(true, found)
    end_s = max(true.duration_s, found.duration_s, 0.001)
    detail = metrics.IdentificationErrorRate().compute_components(
        annotation(core, true), annotation(core, found), uem=core.Timeline([core.Segment(0, end_s)])
    )
    ours = {
        "confusion": counts.confusion_s,
        "missed detection": counts.missed_s,
        "false alarm": counts.false_alarm_s,
        "total": counts.sound_s,
    }
    # pyannote takes what is shorter than a microsecond for nothing
    assert {name: detail[name] for name in ours} == pytest.approx(ours, abs=1e-6)


@FIXED
@given(lines(), lines())
def test_coverage_and_purity_are_those_of_pyannote(core, true, found):
    metrics = pytest.importorskip("pyannote.metrics.segmentation", reason="pyannote is not installed")
    counts = compare_segments(true, found)
    # what the hypothesis has no segment for is no part of pyannote's total: silence is a segment too
    of_core = annotation(core, true), pieces(core, found, max(true.duration_s, found.duration_s))
    for name, ours in (("Coverage", counts.covered_s), ("Purity", counts.pure_s)):
        metric = getattr(metrics, f"Segmentation{name}")(tolerance=0.0)
        detail = metric.compute_components(*of_core)
        assert detail["intersection duration"] == pytest.approx(ours, abs=1e-6)
        assert detail["total duration"] == pytest.approx(counts.sound_s, abs=1e-6)


def pieces(core, true, end_s):
    """Return the timeline of pyannote with every piece of one state."""
    filled, now = [], 0.0
    for part in true.segments:
        filled += [(now, part.start_s, "-")] if part.start_s > now else []
        filled.append((part.start_s, part.end_s, {"silence": "-", "unknown": "?"}.get(part.status, part.label)))
        now = part.end_s
    filled += [(now, end_s, "-")] if end_s > now else []
    joined = line(*filled).support().segments
    return core.Timeline([core.Segment(part.start_s, part.end_s) for part in joined])


@FIXED
@given(lines(), lines(), st.sampled_from((0.0, 0.25, 1.0, 3.0)))
def test_boundaries_are_those_of_pyannote_which_pairs_the_closest_first(core, true, found, tolerance_s):
    metrics = pytest.importorskip("pyannote.metrics.segmentation", reason="pyannote is not installed")
    counts = compare_segments(true, found, tolerance_s=tolerance_s)
    end_s = max(true.duration_s, found.duration_s)
    of_core = pieces(core, true, end_s), pieces(core, found, end_s)
    precision = metrics.SegmentationPrecision(tolerance=tolerance_s + 1e-9).compute_components(*of_core)
    recall = metrics.SegmentationRecall(tolerance=tolerance_s + 1e-9).compute_components(*of_core)
    assert precision["number of boundaries"] == counts.n_hypothesis
    assert recall["number of boundaries"] == counts.n_reference
    # a greedy choice has at least half of the best
    assert counts.n_matched / 2 <= precision["number of matches"] <= counts.n_matched
    true_s, found_s = ([segment.end for segment in each][:-1] for each in of_core)
    if min([*np.diff(true_s), *np.diff(found_s)], default=9.0) > 2 * tolerance_s:
        assert precision["number of matches"] == counts.n_matched


def some_counts(n=12):
    """Return the counts of recordings with different errors."""
    rng = np.random.default_rng(4)
    return [
        compare_segments(
            line((0, 10, "a"), (10, 20 + 5 * i, "b")),
            line((0, 10 + rng.uniform(-3, 3), "a"), (14, 20 + 5 * i + rng.uniform(-2, 2), "b")),
            ["a", "b"],
        )
        for i in range(n)
    ]


@pytest.mark.parametrize("name", SEGMENT_METRICS)
def test_intervals_are_those_of_the_bootstrap_over_recordings(name):
    counts = some_counts()
    metric, units = SEGMENT_METRICS[name], [str(i) for i in range(len(counts))]
    parts = np.array([metric.parts(each) for each in counts], dtype=float)

    def statistic(weights):
        above, below = weights @ parts
        return above / below

    made = segment_metrics(counts)
    plain = weighted_interval(statistic, [""] * 12, units, np.random.default_rng(0), 2000, metric.scale)
    assert made.values[name] == pytest.approx(parts[:, 0].sum() / parts[:, 1].sum())
    assert plain is None or made.intervals[name] == pytest.approx(plain, rel=1e-9)
    assert made.intervals[name] is not None


def test_intervals_cover_the_error_rate_of_other_recordings():
    rng = np.random.default_rng(7)

    def recording(wrong_s):
        return compare_segments(
            line((0, 100, "a")), line((0, 100 - wrong_s, "a"), (100 - wrong_s, 100, "b")), ["a", "b"]
        )

    mean_s, inside, n_rounds = 20.0, 0, 60
    for _ in range(n_rounds):
        low, high = segment_metrics([recording(s) for s in rng.gamma(4, mean_s / 4, 15).clip(0.001, 99)]).intervals[
            "segment_error_rate"
        ]
        inside += low <= mean_s / 100 <= high
    # 95 % of 60, minus four standard deviations
    assert inside / n_rounds > 0.95 - 4 * math.sqrt(0.95 * 0.05 / n_rounds)


def test_recordings_of_one_unit_are_drawn_together():
    counts = some_counts()
    pairs = [str(i // 2) for i in range(12)]
    apart, together = segment_metrics(counts), segment_metrics(counts, pairs)
    assert apart.values == together.values
    assert apart.intervals != together.intervals
    assert segment_metrics(counts, ["x"] * 12).intervals == dict.fromkeys(SEGMENT_METRICS)


def test_other_draws_give_other_intervals():
    counts = some_counts()
    name = "segment_error_rate"
    one, other = (segment_metrics(counts, rng=np.random.default_rng(seed)).intervals[name] for seed in (1, 2))
    assert one != other
    assert one == pytest.approx(other, rel=0.1)


def test_recordings_without_errors_have_exact_intervals_of_shares():
    perfect = [compare_segments(TRUE, TRUE)] * 10
    made = segment_metrics(perfect)
    # Clopper and Pearson's for 10 of 10
    assert made.intervals["frame_accuracy"] == pytest.approx((0.025 ** (1 / 10), 1.0))
    assert made.intervals["segment_error_rate"] is None
    assert segment_metrics(perfect[:1]).intervals["frame_accuracy"] is None


def test_long_recordings_weigh_more():
    short, long = compare_segments(line((0, 1, "a")), line()), compare_segments(line((0, 9, "a")), line((0, 9, "a")))
    assert segment_metrics([short, long]).values["missed_rate"] == pytest.approx(0.1)
    assert sum_counts([short, long]).seconds.tolist() == [[9.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_silence_alone_has_no_rate_of_errors():
    values = segment_metrics([compare_segments(line(duration_s=5), line((0, 1, "a"), duration_s=5))]).values
    assert math.isnan(values["segment_error_rate"])
    assert values["frame_accuracy"] == 0.8
    empty = segment_metrics([compare_segments(line(), line())]).values
    assert all(math.isnan(value) for value in empty.values())


def test_wrong_arguments_are_refused():
    with pytest.raises(SettingError, match="label 'a' is not among b"):
        compare_segments(TRUE, FOUND, ["b"])
    with pytest.raises(SettingError, match="tolerance of boundaries is -1 s; expected 0 or more"):
        compare_segments(TRUE, FOUND, tolerance_s=-1)
    with pytest.raises(SettingError, match="2 recordings with 2 lists of labels"):
        segment_metrics([compare_segments(TRUE, TRUE), compare_segments(TRUE, TRUE, ["a", "b", "c"])])
    with pytest.raises(SettingError, match="0 recordings with 0 lists"):
        segment_metrics([])


def test_every_metric_says_what_it_is():
    for metric in SEGMENT_METRICS.values():
        assert metric.better in ("lower", "higher")
        assert metric.explanation
