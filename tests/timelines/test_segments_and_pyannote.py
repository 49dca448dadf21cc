"""The algebra of timelines against that of pyannote.core on the same segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmmaudio.timelines import Timeline, TimelineSegment
from tests.timelines.conftest import FIXED

# pyannote takes what is shorter than a microsecond for nothing
CLOSE = {"abs": 1e-6}


@pytest.fixture(scope="module")
def core():
    return pytest.importorskip("pyannote.core", reason="pyannote is not installed")


@st.composite
def lines(draw):
    """Return a timeline on a grid of milliseconds."""
    parts, now = [], 0
    for name in draw(st.lists(st.sampled_from("aab"), max_size=8)):
        now += draw(st.sampled_from((0, 0, 200, 1500)))
        end = now + draw(st.integers(1, 4000))
        parts.append(TimelineSegment(now / 1000, end / 1000, name))
        now = end
    return Timeline(tuple(parts))


def annotation(core, line):
    made = core.Annotation()
    for i, part in enumerate(line.segments):
        made[core.Segment(part.start_s, part.end_s), i] = part.label
    return made


def numbers(spans):
    """Return all times in a row, and the names."""
    return [time for *times, _ in spans for time in times], [name for *_, name in spans]


def of_core(made):
    return numbers(sorted((segment.start, segment.end, name) for segment, _, name in made.itertracks(yield_label=True)))


def of_line(line):
    return numbers([(part.start_s, part.end_s, part.label) for part in line.segments])


@FIXED
@given(lines(), st.integers(0, 9000), st.integers(1, 9000))
def test_a_crop_is_that_of_pyannote(core, line, start_ms, length_ms):
    start_s, end_s = start_ms / 1000, (start_ms + length_ms) / 1000
    times, names = of_line(line.crop(start_s, end_s))
    expected, expected_names = of_core(annotation(core, line).crop(core.Segment(start_s, end_s), mode="intersection"))
    assert names == expected_names
    assert times == pytest.approx(expected, **CLOSE)


@FIXED
@given(lines())
def test_durations_of_labels_are_those_of_pyannote(core, line):
    assert line.label_durations() == pytest.approx(dict(annotation(core, line).chart()), **CLOSE)


@FIXED
@given(lines())
def test_the_support_of_each_label_is_that_of_pyannote(core, line):
    times, names = of_line(line.support())
    # with a collar pyannote also joins over other labels, which a timeline cannot: one label at a time
    expected, expected_names = of_core(annotation(core, line).support(collar=0.0))
    assert names == expected_names
    assert times == pytest.approx(expected, **CLOSE)


@FIXED
@given(lines(), st.integers(0, 20_000))
def test_the_segment_at_a_time_is_that_of_pyannote(core, line, time_ms):
    # between the milliseconds of the grid, where no end lies
    time_s = time_ms / 1000 + 0.0005
    found = line.at(time_s)
    names = [
        name for segment, _, name in annotation(core, line).itertracks(yield_label=True) if segment.overlaps(time_s)
    ]
    assert ([] if found is None else [found.label]) == names
