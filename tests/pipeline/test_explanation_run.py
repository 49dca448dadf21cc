"""Explanations of files: windows, neighbours among training clips, and files that cannot be explained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import pipeline
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.features import make_features
from gmmaudio.models import load_model
from gmmaudio.trials import TrialSettings, build_trial_set, cut_trial

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def song(tmp_path, tools):
    """A path to three seconds, of which the middle one is of another label."""
    parts = [tools.band_noise(label, 40 + i) for i, label in enumerate(("low", "high", "low"))]
    tools.write(tmp_path / "song.wav", np.concatenate(parts), tools.sr)
    return tmp_path / "song.wav"


def test_the_lead_is_that_of_the_scores_of_classify(model, corpus):
    path = str(corpus.root / corpus.rows[7]["path"])
    (prediction,) = pipeline.classify(model, [path])
    explanation = pipeline.explain(model, path)
    assert explanation.prediction == prediction
    (winner, first), (runner_up, second) = prediction.top(2)
    assert (explanation.winner, explanation.runner_up) == (winner, runner_up)
    # frames are scored in single precision
    assert explanation.lead == pytest.approx(first - second, abs=1e-6 * abs(first))
    assert explanation.lead + explanation.rounding == pytest.approx(first - second, abs=1e-12 * abs(first))
    assert sum(part.lead for part in explanation.parts) == pytest.approx(explanation.lead, abs=1e-9 * abs(first))


def test_windows_are_scored_as_trials_that_are_cut(model, song):
    explanation = pipeline.explain(model, song, window_s=0.5, hop_s=0.5)
    (trial,) = build_trial_set(song.parent, [Clip("song.wav", "low")], TrialSettings(model.features)).trials
    cuts = cut_trial(trial, 0.5, model.features)
    winner, runner_up = explanation.winner, explanation.runner_up
    windows = explanation.windows[: len(cuts)]
    assert len(explanation.windows) == len(cuts)
    windows, cuts = windows[:-1], cuts[:-1]  # the last one ends where the file ends
    predictions = [model.predict(cut.rows) for cut in cuts]
    leads = [p.scores[winner] - p.scores[runner_up] for p in predictions]
    # scored here on several threads, in float32
    assert [w.lead for w in windows] == pytest.approx(leads, rel=1e-6)
    assert [w.label for w in windows] == [p.best_label for p in predictions]


def test_windows_tell_which_seconds_speak_against_the_winner(model, song):
    windows = pipeline.explain(model, song, window_s=0.5).windows
    assert {window.label for window in windows if window.end_s <= 1.0 or window.start_s >= 2.0} == {"low"}
    assert {window.label for window in windows if window.start_s >= 1.0 and window.end_s <= 2.0} == {"high"}


def test_windows_cover_the_file_and_end_with_it(model, song):
    for window_s, hop_s in ((0.7, 0.4), (0.5, None), (1.9, 0.2)):
        windows = pipeline.explain(model, song, window_s=window_s, hop_s=hop_s).windows
        step_s = window_s / 2 if hop_s is None else hop_s
        assert windows[0].start_s == 0.0
        assert windows[-1].end_s == pytest.approx(3.0, abs=0.05)
        starts = [window.start_s for window in windows]
        # the last step may be half as long, or half longer
        assert np.diff(starts)[:-1] == pytest.approx(step_s, abs=0.03)
        assert 0.5 * step_s - 0.03 <= np.diff(starts)[-1] <= 1.5 * step_s + 0.03
        assert {round(w.end_s - w.start_s, 1) for w in windows} <= {round(window_s, 1), round(window_s - 0.03, 1)}


def test_a_file_shorter_than_a_window_is_one_window(model, song):
    explanation = pipeline.explain(model, song, window_s=60.0)
    assert explanation.window_s == 60.0
    (window,) = explanation.windows
    assert (window.start_s, window.end_s) == (0.0, 3.0)
    assert window.lead == pytest.approx(explanation.lead + explanation.rounding, rel=1e-12)


@pytest.mark.parametrize(("trial_s", "expected"), [(None, 1.0), (1.5, 1.5), (0.1, 0.2)])
def test_windows_are_as_long_as_what_the_model_was_trained_on(model, song, trial_s, expected):
    changed = replace(model, training=replace(model.training, trial_s=trial_s))
    explanation = pipeline.explain(changed, song)
    assert explanation.window_s == pytest.approx(expected)
    assert explanation.windows[0].end_s == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("gate_db", "seconds"), [(40.0, 1), (None, 4)], ids=["by the gate", "2 s and more"])
def test_a_window_of_silence_has_no_lead(model, tmp_path, tools, gate_db, seconds):
    gated = replace(model, features=model.features.replace(gate_range_db=gate_db))
    parts = [tools.band_noise("low", 50), np.zeros(seconds * tools.sr), tools.band_noise("low", 51)]
    tools.write(tmp_path / "gap.wav", np.concatenate(parts), tools.sr)
    windows = pipeline.explain(gated, tmp_path / "gap.wav", window_s=0.5, hop_s=0.25).windows
    silent = [window for window in windows if window.lead is None]
    assert len(silent) >= 2 * seconds - 1
    # a frame is 0.09 s long
    assert all(window.start_s >= 0.95 and window.end_s <= seconds + 1.05 for window in silent)
    assert all(window.label is None for window in silent)
    assert all(window.lead is not None for window in windows if window.end_s <= 1.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_s": 0.0}, "`window_s` is 0; expected 0.2 to 3600 s"),
        ({"window_s": 1.0, "hop_s": 0.001}, "`hop_s` is 0.001; expected 0.02 s to the window's 1 s"),
        ({"n_neighbours": 0}, "`n_neighbours` is 0; expected 1 or more"),
        ({"min_duration_s": -1.0}, "`min_duration_s` is -1; expected 0 to 3600 s"),
    ],
)
def test_settings_outside_their_bounds_are_refused(model, song, settings, message):
    with pytest.raises(SettingError, match=message):
        pipeline.explain(model, song, **settings)


def test_files_without_scores_have_their_reason_and_no_lead(model, corpus, tmp_path, tools):
    codes = tools.make_bad_files(tmp_path, corpus.root / corpus.rows[0]["path"])
    for name, code in codes.items():
        explanation = pipeline.explain(model, tmp_path / name)
        assert explanation.prediction.code == code
        assert explanation.prediction == next(pipeline.classify(model, [tmp_path / name]))
        assert (explanation.winner, explanation.lead, explanation.parts, explanation.windows) == (None, None, (), ())


def test_an_unknown_clip_is_explained_as_well(model, song):
    strict = replace(model.open_set, threshold=1e9) if model.open_set else None
    assert strict is not None
    explanation = pipeline.explain(replace(model, open_set=strict), song)
    assert explanation.prediction.status == "unknown"
    assert explanation.winner == explanation.prediction.best_label is not None
    assert explanation.open_set.distance < 0
    assert explanation.parts


def test_a_training_clip_is_its_own_nearest_neighbour(model, corpus):
    row = next(row for row in corpus.rows if row["split"] == "train" and row["label"] == "mid")
    explanation = pipeline.explain(model, corpus.root / row["path"], corpus=corpus.split, n_neighbours=2)
    components = [part for part in explanation.components if part.owner == "mid" and part.share > 0.1]
    assert components
    for part in components:
        assert (part.clips[0].name, part.clips[0].distance) == (row["path"], 0.0)
        assert len(part.clips) == 2 and part.clips[1].distance > 0
        assert all(neighbour.name.startswith("mid/") for neighbour in part.clips)
        assert {neighbour.name for neighbour in part.groups} <= {"mid-ann", "mid-bob"}
    # clips of the test split were not trained on; two labels have four training clips each
    assert explanation.n_known == 8


def test_without_a_corpus_no_neighbours_are_looked_for(model, song):
    explanation = pipeline.explain(model, song)
    assert explanation.n_known is None
    assert all(part.clips == part.groups == () for part in explanation.components)


def test_a_corpus_that_the_model_does_not_know_is_refused(model, song, tools):
    tools.write_manifest(song.parent / "other.csv", [{"path": "song.wav", "label": "low"}])
    with pytest.raises(CorpusError, match="none of its clips was trained on, by path and samples"):
        pipeline.explain(model, song, corpus=song.parent / "other.csv")


def test_a_training_clip_that_has_changed_is_no_neighbour(model, corpus, tmp_path, tools):
    rows = [row for row in corpus.rows if row["split"] == "train"]
    for i, row in enumerate(rows):
        (tmp_path / row["path"]).parent.mkdir(parents=True, exist_ok=True)
        data = (corpus.root / row["path"]).read_bytes()
        if i == 0:
            tools.write(tmp_path / row["path"], tools.band_noise(row["label"], 999), tools.sr)
        else:
            (tmp_path / row["path"]).write_bytes(data)
    clips = Corpus(tmp_path, tuple(Clip(row["path"], row["label"], group=row["group"]) for row in rows))
    path = corpus.root / rows[1]["path"]
    explanation = pipeline.explain(model, path, corpus=clips)
    named = {neighbour.name for part in explanation.components for neighbour in part.clips}
    assert rows[0]["path"] not in named and named
    assert explanation.n_known == 7


@pytest.mark.parametrize("n_jobs", [2, None])
def test_the_explanation_does_not_depend_on_the_cache_or_the_workers(model, corpus, song, tmp_path, n_jobs):
    plain = pipeline.explain(model, song, corpus=corpus.split, n_jobs=1)
    for _ in range(2):
        cached = pipeline.explain(model, song, corpus=corpus.split, n_jobs=n_jobs, cache=tmp_path / "cache")
        assert cached.to_dict() == plain.to_dict()


@pytest.mark.parametrize("kind", ["supervector-warps", "blocks-logistic", "supervector"])
def test_the_other_kinds_are_explained_too(kind, tmp_path, tools):
    model = load_model(GOLDEN / f"model-2.0-{kind}.safetensors")
    tools.write(tmp_path / "a.wav", tools.band_noise("low", 3, seconds=4.0), tools.sr)
    explanation = pipeline.explain(model, tmp_path / "a.wav")
    total = sum(part.lead for part in explanation.parts)
    assert total == pytest.approx(explanation.lead, abs=1e-9)
    assert bool(explanation.components) == ("logistic" not in kind)
    assert bool(explanation.rows) == ("supervector" not in kind)
    assert all(window.lead is not None for window in explanation.windows)


def test_components_of_a_ubm_have_clips_of_all_labels_for_neighbours(clips):
    recipe = pipeline.make_recipe(kind="supervector", n_components=2)
    model = pipeline.train(clips, replace(recipe, features=make_features(n_mfcc=6))).model
    path = clips.root / clips.clips[0].path
    explanation = pipeline.explain(model, path, corpus=clips, n_neighbours=18)
    assert explanation.n_known == 18
    assert {part.owner for part in explanation.components} == {"ubm"}
    widest = explanation.components[0]
    assert widest.clips[0].name == clips.clips[0].path
    assert len({neighbour.name.split("/")[0] for neighbour in widest.clips}) > 1
