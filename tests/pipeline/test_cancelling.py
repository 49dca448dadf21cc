"""Runs that their progress callable interrupts, as Ctrl-C does: every stage stops at once, and workers live on."""

from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.compute import ordered_map
from gmmaudio.evaluation import intervals
from gmmaudio.models import KINDS
from gmmaudio.pipeline import analyses

NOISE = "noise 20 dB"
FITS = ["fitting mixtures", "fitting the UBM", "inner folds", "leaving sources out"]
# all stages of each run that have items
STAGES = {
    "train": ["extracting features", "extracting features, noise", "tuning", *FITS, "leaving labels out"],
    "crossval": [
        *("extracting features", "cross-validation folds", "tuning", *FITS, "leaving labels out", "learning curve"),
        *("random split", "robustness", f"extracting features, {NOISE}", "bootstrap", "permutation test", "scoring"),
    ],
    "evaluate": ["extracting features", "robustness", f"extracting features, {NOISE}", "bootstrap", "scoring"],
    "classify": ["classifying"],
    "read_rows": ["extracting features"],
}


@pytest.fixture
def run(monkeypatch, corpus, model):
    """A function that runs a verb with everything on: one candidate of each kind, one degradation, few draws."""
    monkeypatch.setattr(analyses, "DEGRADATIONS", {NOISE: analyses.DEGRADATIONS[NOISE]})
    monkeypatch.setattr(intervals, "N_DRAWS", 50)
    for name, kind in KINDS.items():
        monkeypatch.setitem(KINDS, name, replace(kind, candidates=kind.candidates[:1]))
    recipe = pipeline.make_recipe(kind="supervector", n_components=2)
    paths = [corpus.root / row["path"] for row in corpus.rows[:4]]
    everything = {"learning_curve": True, "compare_random_split": True, "robustness": True, "open_set": True}

    def run_verb(verb, progress):
        settings = {"n_jobs": 2, "progress": progress}
        if verb == "train":
            degraded = replace(recipe, augment=("noise",))
            return pipeline.train(pipeline.read_corpus(corpus.plain), degraded, tune=True, **settings)
        if verb == "crossval":
            clips = pipeline.read_corpus(corpus.plain)
            return pipeline.crossval(clips, recipe, folds=2, tune=True, durations_s=(), **everything, **settings)
        if verb == "evaluate":
            clips = pipeline.read_corpus(corpus.split)
            return pipeline.evaluate(model, clips, durations_s=(), robustness=True, **settings)
        if verb == "classify":
            return list(pipeline.classify(model, paths, **settings))
        return list(pipeline.read_rows(model.features, paths, **settings))

    return run_verb


class Interrupter:
    """A progress callable that interrupts the run at the first item of a stage, and notes the stages that begin."""

    def __init__(self, stage=None):
        self.stage = stage
        self.stages = []
        self.stages_afterwards = []
        self.interrupted = False

    def __call__(self, items, _total, stage, /):
        if self.interrupted:
            self.stages_afterwards.append(stage)
        for item in items:
            self.stages.append(stage)
            if stage == self.stage:
                self.interrupted = True
                raise KeyboardInterrupt
            yield item


@pytest.mark.parametrize("verb", STAGES)
def test_every_stage_reports_progress(run, verb):
    progress = Interrupter()
    run(verb, progress)
    assert set(progress.stages) == set(STAGES[verb])


@pytest.mark.parametrize(("verb", "stage"), [(verb, stage) for verb in STAGES for stage in STAGES[verb]])
def test_an_interrupt_leaves_a_run_from_every_stage(run, verb, stage):
    progress = Interrupter(stage)
    with pytest.raises(KeyboardInterrupt):
        run(verb, progress)
    assert progress.stages_afterwards == []
    assert list(ordered_map(abs, [-1, -2], 2)) == [1, 2]


def test_a_run_after_an_interrupt_gives_the_same_numbers(run):
    before = run("evaluate", Interrupter()).to_dict()
    with pytest.raises(KeyboardInterrupt):
        run("evaluate", Interrupter("robustness"))
    after = run("evaluate", Interrupter()).to_dict()
    for report in (before, after):
        for key in ("began", "seconds"):
            del report["protocol"][key]
    assert before == after


@pytest.mark.parametrize("verb", ["train", "crossval"])
def test_a_command_that_is_interrupted_leaves_the_files_as_they_were(command, corpus, tmp_path, monkeypatch, verb):
    from gmmaudio.cli import progress_display

    monkeypatch.setattr(
        progress_display.ProgressDisplay, "__call__", lambda _, *stage: Interrupter("inner folds")(*stage)
    )
    path = tmp_path / "old"
    path.write_bytes(b"old")
    words = {"train": ["-o", path], "crossval": ["--json", path]}[verb]
    result = command(verb, corpus.plain, "--components", "2", *words)
    assert (result.code, result.out) == (130, "")
    assert result.err.endswith("stopped\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["old"]
    assert path.read_bytes() == b"old"
