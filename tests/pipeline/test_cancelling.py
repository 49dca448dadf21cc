"""A run that is stopped from its progress callable, as Ctrl-C stops it: at once, in every stage, with nothing left."""

from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.compute import ordered_map
from gmmaudio.models import KINDS
from gmmaudio.pipeline import analyses


def record(stages):
    """Return a progress callable that adds the name of each stage to a set."""

    def progress(items, _total, name, /):
        stages.add(name)
        return items

    return progress


def interrupt(stage):
    """Return a progress callable that interrupts the run at the first item of a stage."""

    def progress(items, _total, name, /):
        for item in items:
            if name == stage:
                raise KeyboardInterrupt
            yield item

    return progress


def assert_stops_everywhere(run, expected):
    """Assert that a run can be stopped in each of its stages, and that its workers serve the next one."""
    stages = set()
    run(record(stages))
    assert stages >= expected
    for stage in sorted(stages):
        with pytest.raises(KeyboardInterrupt):
            run(interrupt(stage))
        assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2], stage


@pytest.fixture
def quick(monkeypatch):
    """One candidate of each kind to choose from, and one degradation."""
    monkeypatch.setattr(analyses, "DEGRADATIONS", {"noise 20 dB": analyses.DEGRADATIONS["noise 20 dB"]})
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, candidates=kind.candidates[:1]))


@pytest.mark.usefixtures("quick")
def test_training_stops_in_every_stage(corpus):
    labelled_clips = pipeline.read_corpus(corpus.plain)
    recipe = pipeline.make_recipe(kind="supervector", n_components=2)

    def run(progress):
        pipeline.train(labelled_clips, recipe, tune=True, kind="supervector", n_jobs=2, progress=progress)

    assert_stops_everywhere(run, {"extracting features", "tuning", "inner folds", "leaving labels out"})


@pytest.mark.usefixtures("quick")
def test_crossvalidation_stops_in_every_stage(corpus):
    labelled_clips = pipeline.read_corpus(corpus.plain)
    recipe = pipeline.make_recipe(n_components=2)
    extras = {"learning_curve": True, "compare_random_split": True, "robustness": True, "durations_s": ()}

    def run(progress):
        pipeline.crossval(labelled_clips, recipe, folds=2, **extras, n_jobs=2, progress=progress)

    stages = {"extracting features", "cross-validation folds", "inner folds", "learning curve"}
    assert_stops_everywhere(run, stages | {"extracting features, noise 20 dB"})


@pytest.mark.usefixtures("quick")
def test_evaluation_stops_in_every_stage(corpus, model):
    labelled_clips = pipeline.read_corpus(corpus.split)

    def run(progress):
        pipeline.evaluate(model, labelled_clips, robustness=True, durations_s=(), n_jobs=2, progress=progress)

    assert_stops_everywhere(run, {"extracting features", "extracting features, noise 20 dB"})


def test_classification_and_features_stop(corpus, model):
    paths = [corpus.root / row["path"] for row in corpus.rows[:4]]
    assert_stops_everywhere(
        lambda progress: list(pipeline.classify(model, paths, n_jobs=2, progress=progress)), {"classifying"}
    )
    assert_stops_everywhere(
        lambda progress: list(pipeline.read_rows(model.features, paths, n_jobs=2, progress=progress)),
        {"extracting features"},
    )


@pytest.mark.parametrize("verb", ["train", "crossval"])
def test_a_command_that_is_stopped_leaves_the_files_as_they_were(command, corpus, tmp_path, monkeypatch, verb):
    from gmmaudio.cli import progress_display

    monkeypatch.setattr(
        progress_display.ProgressDisplay, "__call__", lambda _, *stage: interrupt("inner folds")(*stage)
    )
    path = tmp_path / "old"
    path.write_bytes(b"old")
    words = {"train": ["-o", path], "crossval": ["--json", path]}[verb]
    result = command(verb, corpus.plain, "--components", "2", *words)
    assert (result.code, result.out) == (130, "")
    assert result.err.endswith("stopped\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["old"]
    assert path.read_bytes() == b"old"
