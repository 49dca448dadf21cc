"""Predictions for trials, and the units of their intervals."""

from gmmaudio import pipeline
from tests.pipeline.conftest import QUICK, SMALL, texts_of


def test_where_sources_are_few_intervals_are_over_the_groups_within_them(clips):
    report = pipeline.crossval(clips, SMALL, folds="loo", group_by="source", **QUICK)
    assert {clip.unit for clip in report.clips} == {clip.group for clip in clips.clips}
    assert {clip.group for clip in report.clips} == {"field", "studio"}
    note = "intervals are over the 9 groups of the corpus inside the 2 values of 'source' (`group_by`): "
    assert texts_of(report)["interval_inside_groups"].startswith(note)
    by_file = pipeline.crossval(clips, SMALL, folds="loo", group_by="none", **QUICK)
    assert {clip.unit for clip in by_file.clips} == {f"file {clip.path}" for clip in clips.clips}
    assert by_file.protocol.scheme == "cross-validation, one file left out at a time"
    # groups inside singers depend on one another
    by_singer = pipeline.crossval(clips, SMALL, folds="loo", group_by="singer", **QUICK)
    assert {clip.unit for clip in by_singer.clips} == {"ann", "bob", "cy"}
    assert by_singer.protocol.scheme == "cross-validation, one singer left out at a time"
