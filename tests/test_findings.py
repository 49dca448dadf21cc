"""Findings: their levels, their order, how files hold them, and the codes that never change."""

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import Protocol, ScoredClip, make_report, render_html, warnings
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.findings import LEVELS, Finding, at_level, first_of, some_names, sort_findings
from results.finding_calls import collect_findings, findings_markdown

DOCS = Path(__file__).parent.parent / "docs"

# what files and programs may rely on: add to it, and rename nothing
CODES = {
    "alarm": {
        *("file_in_several_groups", "group_in_several_folds", "group_on_both_sides", "group_trained_on"),
        *("band_limit_confounded", "bit_rate_confounded", "format_confounded", "sample_rate_confounded"),
        *("media_extra_missing",),
        *("groups_unknown", "near_duplicate", "no_label_in_common", "same_audio_on_both_sides", "source_confounded"),
        *("new_groups_in_old_folders", "trained_on"),
        *("confounded_training_set",),
    },
    "warning": {
        *(
            "class_folder_of_folders",
            "label_named_as_answer",
            "label_named_as_split",
            "similar_sources",
            "similar_values",
        ),
        *(
            "splits_in_class_folders",
            "copies_failed",
            "empty_folder",
            "few_groups",
            "file_outside_folders",
            "files_as_groups",
        ),
        *("few_groups_of_label", "groups_not_named", "label_not_in_train", "level_confounded"),
        *("most_sound_of_one_group",),
        *("recordings_without_segments", "shards_missing", "truth_labels_unknown"),
        *("clusters_depend_on_start", "column_nearly_numeric", "component_of_few_rows", "most_components_chosen"),
        *("start_found_better", "values_far_outside"),
        *("groups_not_comparable", "label_lost", "label_never_candidate", "label_not_scored", "label_of_one_source"),
        *("labels_not_in_model", "little_audio", "no_fingerprint", "not_calibrated", "one_group"),
        *("prediction_not_best", "same_audio_twice", "same_audio_two_labels", "sample_rates_differ", "short_clips"),
        *(
            "similar_groups",
            "similar_labels",
            "single_clip_groups",
            "single_clip_label",
            "sound_lost",
            "training_unknown",
            "unfamiliar_parts",
            "unfamiliar_recording",
            "unfamiliar_recordings",
            "unreadable_folder",
            "utterances_left_out",
            "vectors_lose",
        ),
    },
    "information": {
        *("class_folders_alike", "inner_splits_read"),
        *("fewer_components", "fold_column_divides_group", "interval_inside_groups", "no_random_split", "note"),
        *("open_set_counts", "open_set_not_measured", "random_split_gap", "remainders_left_out", "sound_as_read"),
        *("group_of_several_sources", "source_gap", "sources_not_left_out"),
        *("sources_not_trained_on", "sources_trained_on"),
        *("recordings_without_truth", "source_unknown", "truth_labels_as_statuses"),
        *("given_rows", "given_vectors", "group_in_several_statistics", "ubm_of_other_clips"),
        *("columns_left_out", "criteria_disagree", "rows_without_values"),
        *("in_domain_probabilities", "probabilities_near_priors", "single_training_source"),
    },
    "passed": {
        *("groups_known", "labels_have_two_groups", "labels_have_two_sources", "no_audio_on_both_sides"),
        *("no_audio_trained_on", "no_group_in_two_folds", "no_group_on_both_sides", "no_group_trained_on"),
        *("familiar_recordings", "one_source", "sources_held_out", "tuned_inside"),
    },
}


# --- one finding -------------------------------------------------------------------------------------------------


def test_a_finding_reads_as_one_sentence_with_its_remedy():
    assert str(Finding("a_gap", "alarm", "mind the gap", "jump (`trial_s`)")) == "mind the gap; jump (`trial_s`)"
    assert str(Finding("a_gap", "passed", "there is no gap")) == "there is no gap"


@pytest.mark.parametrize("level", ["Alarm", "note", "", None])
def test_a_level_that_does_not_exist_is_refused(level):
    with pytest.raises(SettingError) as caught:
        Finding("a_gap", level, "mind the gap")
    assert str(caught.value) == (
        f"the level of a finding is {level!r}; expected one of alarm, warning, information, passed"
    )


@pytest.mark.parametrize("code", ["", "Gap", "a gap", "a-gap", "_gap", "gap_", "a__gap", "gap2"])
def test_a_code_that_is_not_made_of_words_is_refused(code):
    with pytest.raises(SettingError) as caught:
        Finding(code, "alarm", "mind the gap")
    assert str(caught.value) == f"the code of a finding is {code!r}; expected words such as groups_unknown"


@pytest.mark.parametrize("level", LEVELS)
def test_a_finding_comes_back_from_its_fields(level):
    finding = Finding("a_gap", level, "mind the gap", "jump")
    assert Finding.of(asdict(finding)) == finding


def test_a_note_of_an_older_file_is_information():
    assert Finding.of("one clip only for 'fado'") == Finding("note", "information", "one clip only for 'fado'", "")


@pytest.mark.parametrize("fields", [{}, {"code": "a_gap"}, {"code": "a", "level": "alarm", "text": "b", "more": 1}])
def test_fields_that_are_no_finding_are_refused(fields):
    with pytest.raises(TypeError):
        Finding.of(fields)


# --- many findings -----------------------------------------------------------------------------------------------


def test_findings_are_sorted_by_level_and_stable_within_one():
    made = [Finding("a_text", level, str(i)) for i, level in enumerate([*LEVELS[::-1], *LEVELS])]
    assert [finding.text for finding in sort_findings(made)] == ["3", "4", "2", "5", "1", "6", "0", "7"]


def test_findings_of_some_levels_keep_their_order():
    made = [Finding("a_text", level, level) for level in ("passed", "warning", "alarm", "information")]
    assert [finding.text for finding in at_level(made, "alarm", "warning")] == ["warning", "alarm"]
    assert at_level(made) == ()


@pytest.mark.parametrize(
    ("cases", "text"),
    [([], ""), (["a"], "a"), (["a", "b", "c"], "a; b; c"), (["a", "b", "c", "d", "e"], "a; b; c and 2 more")],
)
def test_the_first_cases_are_listed_and_the_others_counted(cases, text):
    assert first_of(cases) == text
    assert some_names(cases) == re.sub(r"[a-c](?=;|$| and)", lambda m: f"'{m.group()}'", text).replace(";", ",")


def test_more_cases_are_listed_where_asked():
    assert first_of(["a", "b", "c"], most=2) == "a; b and 1 more"
    assert some_names(["a", "b", "c"], most=1) == "'a' and 2 more"


# --- the codes of the package ------------------------------------------------------------------------------------


def test_the_codes_are_these_each_at_one_level():
    calls = collect_findings()
    assert {level: {call.code for call in calls if call.level == level} for level in LEVELS} == CODES
    assert {call.level for call in calls} <= set(LEVELS), "a level is written in the call of Finding"
    assert len({call.code for call in calls}) == sum(map(len, CODES.values())), "a code has one level"


def test_every_code_is_reported_from_one_place_with_its_words():
    calls = collect_findings()
    assert len({call.code for call in calls}) == len(calls)
    wordless = {call.code for call in calls if not re.search("[a-z]{3}", call.text)}
    assert wordless == {"note"}, "a text is written in the call of Finding"


def test_the_page_of_findings_lists_them_all():
    assert findings_markdown() in (DOCS / "findings.md").read_text(encoding="utf-8")


def test_the_template_of_the_guide_for_contributors_runs(monkeypatch, capsys):
    from gmmaudio.cli.report_tables import show_report

    guide = (DOCS / "contributing.md").read_text(encoding="utf-8")
    function, row = (
        re.search(rf"<!-- template: warning {part} -->\n```python\n(.*?)```", guide, re.DOTALL)[1]
        for part in ("function", "row")
    )
    names = dict(vars(warnings))
    exec("from __future__ import annotations\n" + function + row, names)  # noqa: S102 - the project's own page
    monkeypatch.setattr(warnings, "SCORED_CLIP_CHECKS", names["SCORED_CLIP_CHECKS"])
    clips = [
        ScoredClip(f"{i}.wav", (f"{i}.wav",), label, f"g{i}", f"g{i}", None, "1", 0, label, {})
        for i, label in enumerate(["a"] * 20 + ["b"] * 10)
    ]
    report = make_report(clips, ["a", "b"], Protocol("by hand", "group", 0, ("1",), 1, ("a", "b"), ()))
    (finding,) = report.findings
    assert (finding.code, finding.level) == ("majority_label", "warning")
    text = "20 of 30 clips are of 'a': accuracy is mostly about that label"
    assert finding.text == text
    assert report.to_dict()["findings"] == [asdict(finding)]
    assert tables(report)["checks"][1:] == [("warning", "majority_label", text, finding.remedy)]
    assert "accuracy is mostly about that label" in render_html(report, "template")
    show_report(report)
    assert f"warning: {text}; compare balanced accuracy, or choose clips by --split" in capsys.readouterr().out
