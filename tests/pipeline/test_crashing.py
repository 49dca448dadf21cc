"""Runs in which worker processes die: the file at fault is named, and all else is as in a run without it."""

from dataclasses import replace

import pytest

from gmmaudio import pipeline
from gmmaudio.errors import WorkerError
from gmmaudio.models import save_model
from gmmaudio.models.kinds import frame_gmm
from tests.crashing import crash_at

DEADLY = "mid/bob/1.flac"
WHY = (
    "the worker process died twice, the second time alone (SIGKILL: the system does so when memory runs out); "
    "leave the file out, or convert it with another program"
)


@pytest.fixture
def deadly(monkeypatch):
    """One file at which every worker process dies."""
    return crash_at(monkeypatch, DEADLY)


@pytest.fixture
def without(clips):
    """The corpus in which that file is not there."""
    gone = (replace(clip, path="gone.wav") if clip.path == DEADLY else clip for clip in clips.clips)
    return replace(clips, clips=tuple(gone))


def bytes_of(model, folder):
    """Return the bytes of a model's file."""
    save_model(model, folder / "m.gmm")
    return (folder / "m.gmm").read_bytes()


def test_training_goes_on_without_the_file(deadly, clips, without, tmp_path):
    recipe = pipeline.make_recipe(n_components=2)
    crashed = pipeline.train(clips, recipe, n_jobs=2)
    (failed,) = crashed.failed
    assert (failed.path, failed.code, failed.message) == (DEADLY, "crashed", WHY)
    expected = pipeline.train(without, recipe)
    assert [item.code for item in expected.failed] == ["vanished"]
    assert bytes_of(crashed.model, tmp_path) == bytes_of(expected.model, tmp_path)


# each death takes a fresh process, which imports all that a decoder needs; training shows the same in the quick tests
@pytest.mark.slow
@pytest.mark.parametrize("verb", ["crossval", "evaluate"])
def test_a_report_goes_on_without_the_file(deadly, clips, without, model, verb):
    def report(corpus, n_jobs):
        settings = {"durations_s": (), "n_jobs": n_jobs}
        if verb == "evaluate":
            return pipeline.evaluate(model, corpus, **settings)
        return pipeline.crossval(corpus, pipeline.make_recipe(n_components=2), folds=2, **settings)

    crashed, expected = report(clips, 2), report(without, 1)
    assert [(item.path, item.code, item.message) for item in crashed.failed] == [(DEADLY, "crashed", WHY)]
    assert [clip.to_dict() for clip in crashed.clips] == [clip.to_dict() for clip in expected.clips]


def test_classification_goes_on_without_the_file(deadly, corpus, model):
    paths = [str(corpus.root / row["path"]) for row in corpus.rows]
    crashed = list(pipeline.classify(model, paths, n_jobs=2))
    i = next(i for i, path in enumerate(paths) if path.endswith(DEADLY))
    assert (crashed[i].path, crashed[i].status, crashed[i].label) == (paths[i], "error", None)
    assert (crashed[i].code, crashed[i].message) == ("crashed", WHY)
    assert [*crashed[:i], *crashed[i + 1 :]] == list(pipeline.classify(model, [*paths[:i], *paths[i + 1 :]]))


def test_reading_of_rows_goes_on_without_the_file(deadly, corpus, model):
    paths = [str(corpus.root / row["path"]) for row in corpus.rows]
    crashed = list(pipeline.read_rows(model.features, paths, n_jobs=2))
    assert [item.path for item in crashed] == paths
    codes = [getattr(item, "code", None) for item in crashed]
    assert codes == ["crashed" if path.endswith(DEADLY) else None for path in paths]
    whole = pipeline.read_rows(model.features, [path for path in paths if not path.endswith(DEADLY)])
    read = (item for item in crashed if not item.path.endswith(DEADLY))
    for got, expected in zip(read, whole, strict=True):
        assert got.rows.values.tobytes() == expected.rows.values.tobytes()


@pytest.mark.parametrize("kind", ["frames", pytest.param("blocks", marks=pytest.mark.slow)])
def test_a_fit_that_kills_its_worker_is_an_error_that_names_the_label(clips, monkeypatch, kind):
    crash_at(monkeypatch, 1, owner=frame_gmm, names=("_fit_label",), key=lambda task: task.seed[1])
    with pytest.raises(WorkerError) as caught:
        pipeline.train(clips, pipeline.make_recipe(kind=kind, covariance_type="diag", n_components=2), n_jobs=2)
    assert "label 'low': the worker process died twice, the second time alone (SIGKILL" in str(caught.value)
    assert "at the fit of 2 components to" in str(caught.value)
