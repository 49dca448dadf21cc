"""Reproduction of a report from its JSON, and the differences between two reports."""

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import CorpusError
from gmmaudio.evaluation.report_file import UPGRADED_FROM
from gmmaudio.models.old_formats import upgrade_report_settings
from gmmaudio.pipeline.reproduction import differences
from tests.pipeline.conftest import QUICK, SMALL


def test_a_difference_names_its_key_and_both_values():
    old = {
        "a": [1, 2.0],
        "b": {"c": None},
        "run": {"folds": [1], "root": "a"},
        "only": 0,
        "clips": [{"name": "x", "n": 1}],
    }
    new = {
        "a": [1, 2.5, 3],
        "b": {"c": "d"},
        "run": {"folds": [2], "root": "b"},
        "more": 0,
        "clips": [{"name": "x", "n": True}],
    }
    assert differences(old, new, 0.0) == [
        "a: 2 entries -> 3",
        "a[1]: 2.0 -> 2.5",
        "b.c: None -> d",
        "run.folds[0]: 1 -> 2",
        "only: only before",
        "more: only now",
    ]
    timed = [{"protocol": {"seed": seed, "began": str(seed), "seconds": seed}} for seed in (1, 2)]
    assert differences(*timed, 0.0) == ["protocol.seed: 1 -> 2"]
    assert differences({"a": 1.0}, {"a": 1.0 + 5e-7}, 1e-6) == []
    assert differences({"a": 10**400}, {"a": 1.0}, 1e-6) == [f"a: {10**400} -> 1.0"]
    assert differences({"a": 1.0}, {"a": 1.0 + 5e-6}, 1e-6) == ["a: 1.0 -> 1.000005"]


def test_a_report_without_a_run_is_refused():
    with pytest.raises(CorpusError, match="holds no run"):
        pipeline.reproduce({"run": {}})


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_cross_validation_is_reproduced_from_its_report_alone(clips, n_jobs):
    report = pipeline.crossval(clips, SMALL, folds=3, repeats=2, **QUICK)
    reproduction = pipeline.reproduce(report.to_dict(), n_jobs=n_jobs)
    assert reproduction.identical
    assert (reproduction.changed_inputs, reproduction.changed_values) == ((), ())
    assert reproduction.changed_environment == ()
    assert reproduction.report.clips == report.clips


def test_an_evaluation_is_reproduced_with_its_model(corpus, model):
    recorded = pipeline.evaluate(model, corpus.split, **QUICK).to_dict()
    assert pipeline.reproduce(recorded, model=model).identical
    with pytest.raises(CorpusError, match=r"is the report of a model; name its file \(`model`\)"):
        pipeline.reproduce(recorded)


def test_an_older_evaluation_that_did_not_decode_unknown_labels_is_reproduced(corpus, model):
    document = pipeline.evaluate(model, corpus.split).to_dict()
    row = document["run"]["manifest"][0]
    document["run"]["manifest"].append(row | {"label": "alien", "sha256": None, "extra": {}, "start_s": 0.5})
    document["protocol"] |= {"unscored_labels": ["alien"], "scheme": "a trained model"}
    assert not pipeline.reproduce(document, model=model).identical
    assert pipeline.reproduce(document | {UPGRADED_FROM: "0"}, model=model).identical


def test_an_older_choice_of_settings_may_be_worded_otherwise():
    older = {"tuning": [{"chosen": {"kind": "frames"}, "table": [], "reason": "points ahead"}]}
    assert "reason" not in upgrade_report_settings(older)["tuning"][0]


def test_another_model_is_a_changed_input(corpus, model):
    recorded = pipeline.evaluate(model, corpus.split, **QUICK).to_dict()
    other = pipeline.train(corpus.split, pipeline.make_recipe(n_components=1)).model
    reproduction = pipeline.reproduce(recorded, model=other)
    assert not reproduction.identical
    assert reproduction.changed_inputs == ("the model: is another one",)


def test_a_value_that_differs_is_named(clips):
    recorded = pipeline.crossval(clips, SMALL, folds=3, **QUICK).to_dict()
    recorded["clips"][0]["scores"]["low"] += 1.0
    reproduction = pipeline.reproduce(recorded)
    (difference,) = reproduction.changed_values
    assert difference.startswith(f"clips[{recorded['clips'][0]['name']}].scores.low: ")


def test_other_versions_are_named_and_allow_for_rounding(clips):
    recorded = pipeline.crossval(clips, SMALL, folds=3, **QUICK).to_dict()
    recorded["protocol"]["versions"]["numpy"] = "0.1"
    recorded["clips"][0]["scores"]["low"] *= 1 + 1e-9
    reproduction = pipeline.reproduce(recorded)
    assert reproduction.identical
    (change,) = reproduction.changed_environment
    assert change.startswith("numpy 0.1 then, ")


def test_a_run_of_an_unknown_kind_is_refused(clips):
    recorded = pipeline.crossval(clips, SMALL, folds=3, **QUICK).to_dict()
    recorded["run"]["kind"] = "dance"
    with pytest.raises(CorpusError, match="holds a run of kind 'dance', which cannot be run again"):
        pipeline.reproduce(recorded)
