"""Cross-validation with sources left out: held out means held out, the same figures by hand, and why there are none."""

from dataclasses import replace

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.compute import RunContext
from gmmaudio.evaluation.warnings import FEW_GROUPS
from gmmaudio.features import FeatureStore
from gmmaudio.models import KINDS
from gmmaudio.pipeline.crossvalidation import CrossvalOptions, run_crossval
from gmmaudio.pipeline.recorded_run import read_run
from gmmaudio.trials import GivenVectors
from tests.pipeline.conftest import QUICK, SMALL, texts_of


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals are tested elsewhere, and are most of the time that a report takes."""
    monkeypatch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 50)


def with_sources(clips, *, groups="inside"):
    """Return the clips with other sources: ``high`` in one; groups inside sources, across them, or in ``high`` only."""

    def changed(clip):
        source = "studio" if clip.label == "high" else clip.source
        if groups == "are":
            return replace(clip, source=clip.group, group=clip.group)
        return replace(clip, source=source, group=f"{clip.group} {source}" if groups == "inside" else clip.group)

    return replace(clips, clips=tuple(map(changed, clips.clips)))


def plain(clips):
    """Return predictions without what belongs to the division: fold, and the unit of intervals."""
    return {clip.name: replace(clip, fold="", unit="", group="", nearest_group=None) for clip in clips}


@pytest.fixture
def nested(clips):
    """Two labels of two sources with three singers each, and one label of one source; no singer is in two."""
    return with_sources(clips)


# --- the figures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [SMALL, pipeline.make_recipe(kind="supervector", n_components=2)])
def test_the_predictions_are_those_of_folds_by_hand_to_the_bit(nested, recipe):
    report = pipeline.crossval(nested, recipe, folds=2, **QUICK)
    by_hand = pipeline.crossval(nested, recipe, fold_column="source", leave_sources_out=False, **QUICK)
    # by the fold column the label of one source is scored nowhere too: without it there is none to train on
    assert {clip.label for clip in by_hand.clips} == {"low", "mid"}
    assert plain(report.sources_left_out.clips) == {
        name: replace(clip, rejected=None) for name, clip in plain(by_hand.clips).items()
    }
    assert report.sources_left_out.clips[0].probability is not None
    assert report.sources_left_out.metrics.values["cllr"] == by_hand.metrics.values["cllr"]


def test_the_scores_are_those_of_one_source_left_out_as_a_group_to_the_bit(nested):
    left_out = pipeline.crossval(nested, SMALL, folds=2, **QUICK).sources_left_out
    by_hand = pipeline.crossval(nested, SMALL, folds="loo", group_by="source", **QUICK)
    # inner folds are by singer here and by source there: probabilities differ, scores do not
    assert {c.name: c.scores for c in left_out.clips} == {c.name: c.scores for c in by_hand.clips}
    assert left_out.metrics.values["accuracy"] == by_hand.accuracy
    assert left_out.metrics.intervals["accuracy"] == by_hand.intervals["accuracy"]
    assert np.array_equal(left_out.metrics.confusion, by_hand.confusion)
    assert by_hand.sources_left_out is None


def test_no_model_is_trained_on_clips_of_the_source_or_the_group_that_it_scores(nested, monkeypatch):
    frames, seen = KINDS["frames"], []

    def watched(training, settings):
        seen.append((set(training.labels), set(training.groups)))
        return frames.fit(training, settings)

    monkeypatch.setitem(KINDS, "frames", replace(frames, fit=watched))
    report = pipeline.crossval(nested, SMALL, folds=2, **QUICK)
    assert report.sources_left_out.folds == ("field", "studio")
    without_field, without_studio = seen[2:]
    assert without_field[0] == {"low", "mid", "high"}
    assert without_studio[0] == {"low", "mid"}
    assert all(group.endswith("studio") for group in without_field[1])
    assert all(group.endswith("field") for group in without_studio[1])
    assert report.sources_left_out.n_candidates == (2, 3)


def test_the_gap_and_each_source_are_slices(nested):
    report = pipeline.crossval(nested, SMALL, folds=2, **QUICK)
    rows = {row.name: row for row in report.slices["sources_left_out"]}
    assert {name: row.n for name, row in rows.items()} == {"field": 6, "studio": 6}
    clips = report.sources_left_out.clips
    for name, row in rows.items():
        assert row.accuracy == np.mean([clip.correct for clip in clips if clip.source == name])
    known, left_out = report.slices["source_gap"]
    assert (known.n, left_out.n) == (12, 12)
    assert known.accuracy == report.sources_left_out.known_sources["accuracy"]
    assert left_out.difference == left_out.accuracy - known.accuracy
    text = texts_of(report)["source_gap"]
    assert text.startswith("with their source left out 12 clips of 2 labels show 100.0 % among 2 to 3 labels, which ")
    assert text.endswith("not scored, for want of a second source: 'high'")


def test_the_remedy_of_confounded_sources_is_not_what_was_done(nested):
    done, not_done = (
        {
            each.code: each
            for each in pipeline.crossval(nested, SMALL, folds=2, leave_sources_out=done, **QUICK).findings
        }
        for done in (True, False)
    )
    assert done["source_confounded"].remedy == "add clips of another source"
    assert not_done["source_confounded"].remedy.startswith('leave a source out (`folds="loo"`')
    assert done["in_domain_probabilities"].remedy == ""
    assert "(`leave_sources_out`)" in not_done["in_domain_probabilities"].remedy
    for code in ("source_confounded", "in_domain_probabilities"):
        assert done[code].text == not_done[code].text


def test_the_option_leaves_it_out_and_nothing_else_changes(nested):
    whole, without = (
        pipeline.crossval(nested, SMALL, folds=2, leave_sources_out=each, **QUICK).to_dict() for each in (True, False)
    )
    assert (without["sources_left_out"], without["for_new_recordings"]) == (None, "protocol")
    assert whole["clips"] == without["clips"]
    assert whole["slices"].keys() - without["slices"].keys() == {"source_gap", "sources_left_out"}
    for key in ("accuracy", "intervals", "confusion", "per_label", "cllr", "labels"):
        assert whole[key] == without[key], key


def test_a_choice_of_settings_is_made_without_the_source_that_is_left_out(nested, few_candidates, monkeypatch):
    from gmmaudio.pipeline import fold_runs

    chosen_on, tune = [], fold_runs.tune

    def watched(train, recipe, run):
        chosen_on.append({trial.source for trial in train})
        return tune(train, recipe, run)

    monkeypatch.setattr(fold_runs, "tune", watched)
    pipeline.crossval(nested, SMALL, folds=2, tune=True, **QUICK)
    assert chosen_on[2:] == [{"studio"}, {"field"}]


def test_of_ten_sources_the_intervals_are_over_sources(clips):
    many = [replace(c, source=f"s{k % FEW_GROUPS}", group=f"g{k}") for k, c in enumerate(clips.clips)]
    many += [replace(c, source=f"s{k % FEW_GROUPS}", group=f"h{k}") for k, c in enumerate(clips.clips[:5], start=3)]
    many = [replace(c, label="ab"[k % 2]) for k, c in enumerate(many)]
    left_out = pipeline.crossval(replace(clips, clips=tuple(many)), SMALL, folds=2, **QUICK).sources_left_out
    assert (len(left_out.sources), left_out.intervals_over) == (FEW_GROUPS, "sources")
    assert all(clip.unit == clip.source for clip in left_out.clips)


def test_of_twelve_sources_some_are_left_out_together(clips):
    first = clips.clips[:12]
    many = [
        replace(c, label=label, source=f"s{k:02}", group=f"{label}{k}") for label in "ab" for k, c in enumerate(first)
    ]
    left_out = pipeline.crossval(replace(clips, clips=tuple(many)), SMALL, folds=2, **QUICK).sources_left_out
    assert (left_out.scheme, left_out.n, len(left_out.folds)) == ("10 folds of 12 sources", 24, 10)


def test_repeats_do_not_repeat_it(nested):
    once, twice = (pipeline.crossval(nested, SMALL, folds=2, repeats=n, **QUICK).sources_left_out for n in (1, 2))
    assert once.to_dict() == twice.to_dict()


def test_groups_of_several_sources_are_named_and_left_out_of_training(clips):
    shared = [replace(c, group=c.group if c.group.endswith("ann") else f"{c.group} {c.source}") for c in clips.clips]
    report = pipeline.crossval(replace(clips, clips=tuple(shared)), SMALL, folds=2, **QUICK)
    assert "'high-ann', 'low-ann', 'mid-ann'" in texts_of(report)["group_of_several_sources"]
    assert report.sources_left_out.findings == ()


def test_the_same_audio_in_two_sources_is_an_alarm_on_the_division_by_source(nested):
    clips = [replace(c, path=nested.clips[0].path) if c.path == nested.clips[1].path else c for c in nested.clips]
    report = pipeline.crossval(replace(nested, clips=tuple(clips)), SMALL, folds=2, **QUICK)
    assert [each.code for each in report.sources_left_out.findings] == ["same_audio_on_both_sides"]


# --- where there are none --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda c: replace(c, source="here"), "all clips are of one source, 'here'"),
        (lambda c: replace(c, source=c.label), "no label has clips of two sources"),
        (lambda c: c, "without a source and the groups of its clips too little is left to train on"),
    ],
)
def test_where_no_source_can_be_left_out_the_report_says_why(clips, changed, reason):
    report = pipeline.crossval(replace(clips, clips=tuple(map(changed, clips.clips))), SMALL, folds=2, **QUICK)
    assert report.sources_left_out is None
    assert texts_of(report)["sources_not_left_out"].endswith(f" is not measured: {reason}")
    finding = next(each for each in report.findings if each.code == "sources_not_left_out")
    assert finding.level == "information"
    assert finding.remedy


def test_groups_that_are_whole_sources_are_not_left_out_twice(clips):
    for corpus, settings in ((clips, {"group_by": "source"}), (with_sources(clips, groups="are"), {})):
        report = pipeline.crossval(corpus, SMALL, folds=2, **settings, **QUICK)
        assert report.sources_left_out is None
        assert "sources_held_out" in {each.code for each in report.checks_passed}
        assert "sources_not_left_out" not in texts_of(report)


def test_without_sources_nothing_is_said(twins):
    report = pipeline.crossval(twins, SMALL, folds=2, **QUICK)
    assert report.sources_left_out is None
    assert not {code for code in texts_of(report) if "source" in code}


def test_models_that_cannot_be_trained_without_a_source_leave_the_rest_of_the_report(clips):
    # of each label one singer in the studio: without the field there are no probabilities, which vectors need
    halves = [replace(c, source="studio" if c.group.endswith("cy") else "field") for c in clips.clips]
    corpus = replace(clips, clips=tuple(halves))
    rng = np.random.default_rng(3)
    vectors = GivenVectors({c.path: rng.normal(size=3) + (c.label == "low") for c in clips.clips}, vectors_name="ours")
    report = pipeline.crossval(corpus, SMALL, folds=3, vectors=vectors, **QUICK)
    assert report.n == 18
    assert report.sources_left_out is None
    assert "without a source no model can be trained (`vectors` are joined " in texts_of(report)["sources_not_left_out"]
    # without vectors there are scores
    left_out = pipeline.crossval(corpus, SMALL, folds=3, **QUICK).sources_left_out
    assert left_out.metrics.computed_from == "score"


# --- run again -------------------------------------------------------------------------------------------------------


def test_finished_folds_are_kept(nested, tmp_path, monkeypatch):
    monkeypatch.setattr("gmmaudio.compute.checkpoints.LEAST_S", 0.0)
    said = []
    store = FeatureStore(tmp_path)
    options = CrossvalOptions(folds=2, durations_s=())
    first = run_crossval(nested, SMALL, options, RunContext(), cache=store)
    monkeypatch.setattr(RunContext, "say", lambda self, text: said.append(text))
    monkeypatch.setattr("gmmaudio.pipeline.fold_checkpoints.run_fold", None)
    again = run_crossval(nested, SMALL, options, RunContext(), cache=store)
    assert said == [
        "goes on from 2 of 2 folds, which an earlier run finished",
        "goes on from 2 of 2 folds with sources left out, which an earlier run finished",
    ]
    assert again.sources_left_out.to_dict() == first.sources_left_out.to_dict()


def test_a_report_is_reproduced_with_it_and_an_older_one_without(nested):
    recorded = pipeline.crossval(nested, SMALL, folds=2, **QUICK).to_dict()
    found = pipeline.reproduce(recorded)
    assert found.identical
    assert found.report.sources_left_out is not None
    other = {**recorded, "sources_left_out": {**recorded["sources_left_out"], "accuracy": 0.25}}
    assert pipeline.reproduce(other).changed_values == ("sources_left_out.accuracy: 0.25 -> 1.0",)
    older = pipeline.crossval(nested, SMALL, folds=2, leave_sources_out=False, **QUICK).to_dict()
    del older["sources_left_out"], older["run"]["options"]["division"]["leave_sources_out"]
    del older["for_new_recordings"]
    older["format"] = "1.2"
    assert read_run(older["run"]).division.leave_sources_out is False
    assert pipeline.reproduce(older).identical
