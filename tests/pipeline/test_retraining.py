"""What more clips and other labels change: against separate runs of train and crossval, and where it is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio import GivenRows, pipeline
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.models import make_recipe
from gmmaudio.pipeline.retraining import compare_training, recipe_of

RECIPE = make_recipe(n_components=1)
N_GROUPS, N_TAKES = 10, 4


@pytest.fixture(scope="module")
def world():
    """Rows of two labels that overlap, the corpus of all clips, and an old corpus: fewer clips, some labels wrong."""
    rng = np.random.default_rng(7)
    rows, clips = {}, []
    for label, sign in (("a", -0.5), ("b", 0.5)):
        for group in range(N_GROUPS):
            for take in range(N_TAKES):
                path = f"{label}{group}-{take}.wav"
                rows[path] = rng.normal(sign + rng.normal(scale=0.7), 1.0, size=(40, 2))
                clips.append(Clip(path, label, f"{label}{group}"))
    known = [clip for i, clip in enumerate(clips) if i % N_TAKES != 3]
    wrong = {clip.path for clip in known if clip.path.endswith(("1-0.wav", "5-1.wav"))}
    old = [replace(clip, label="b" if clip.label == "a" else "a") if clip.path in wrong else clip for clip in known]
    return GivenRows(rows, rows_name="ours"), Corpus(Path(), tuple(clips)), Corpus(Path(), tuple(old)), wrong


def trained(corpus, rows, recipe=RECIPE):
    return pipeline.train(corpus, recipe, rows=rows).model


@pytest.fixture(scope="module")
def old(world):
    return trained(world[2], world[0])


def test_clips_are_counted_by_their_sound(world, old):
    rows, corpus, _, wrong = world
    change = compare_training(corpus, old, rows=rows)
    assert (change.n_kept, change.n_relabelled, change.n_new, change.n_gone) == (60 - len(wrong), len(wrong), 20, 0)
    assert (change.on_kept.n, change.on_others.n, change.n_not_compared) == (60 - len(wrong), 20 + len(wrong), 0)
    # other names, the same rows
    renamed = Corpus(Path(), tuple(replace(clip, path=f"x{clip.path}") for clip in corpus.clips))
    by_name = GivenRows({f"x{path}": values for path, values in rows.rows.items()}, rows_name="ours")
    assert compare_training(renamed, old, rows=by_name).on_kept.n == change.on_kept.n


def test_both_sides_are_those_of_separate_runs(world, old):
    rows, corpus, old_corpus, wrong = world
    change = compare_training(corpus, old, rows=rows)
    report = pipeline.crossval(corpus, RECIPE, rows=rows, durations_s=(), open_set=False)
    fold_of = {clip.paths[0]: clip.fold for clip in report.clips}
    b = {clip.paths[0]: clip.predicted for clip in report.clips}
    label_of = {clip.path: clip.label for clip in corpus.clips}
    old_paths = {clip.path for clip in old_corpus.clips}
    a = {}
    for fold in sorted(set(fold_of.values())):
        side = tuple(clip for clip in old_corpus.clips if fold_of[clip.path] != fold)
        tested = [path for path, name in fold_of.items() if name == fold]
        model = trained(replace(old_corpus, clips=side), rows)
        a |= {p.path: p.best_label for p in pipeline.classify(model, tested, rows=rows)}
    for chosen, comparison in (
        (old_paths - wrong, change.on_kept),
        (set(label_of) - old_paths | wrong, change.on_others),
    ):
        for predicted, accuracy in ((a, comparison.accuracy_a), (b, comparison.accuracy_b)):
            assert accuracy == pytest.approx(np.mean([predicted[path] == label_of[path] for path in chosen]), abs=1e-12)
    # the sides differ, or the test would prove nothing
    assert sum(a[path] != b[path] for path in a) > 1
    assert change.on_kept.interval is not None


def test_a_new_label_is_not_compared(world, old):
    rows, corpus, *_ = world
    clips = tuple(replace(clip, label="c") if clip.path.endswith("-3.wav") else clip for clip in corpus.clips)
    change = compare_training(replace(corpus, clips=clips), old, rows=rows)
    assert change.n_not_compared == 20
    assert change.on_others.n == change.n_relabelled


def test_trials_are_joined_of_clips_of_one_kind(world, old):
    rows, corpus, old_corpus, wrong = world
    rows = GivenRows(rows.rows, rows_name="ours", rows_rate_hz=40.0)
    recipe = make_recipe(n_components=1, trial_s=2.0)
    change = compare_training(corpus, trained(old_corpus, rows, recipe), rows=rows)
    assert (change.n_kept, change.n_relabelled, change.n_new) == (60 - len(wrong), len(wrong), 20)
    # of a group three known clips are a trial of two and a remainder of one, the new one is a trial of its own
    assert change.on_others.n >= 20
    assert change.on_kept.n < 60


def test_groups_on_both_sides_are_never_and_unknown_ones_are_said(world, old):
    rows, corpus, *_ = world
    assert "groups_unknown" not in [finding.code for finding in compare_training(corpus, old, rows=rows).findings]
    change = compare_training(corpus, old, rows=rows, group_by="none")
    assert "groups_unknown" in [finding.code for finding in change.findings]
    assert change.on_kept.n_groups > 20


def test_a_new_clip_under_another_group_beside_old_ones_is_said(world, old):
    rows, corpus, *_ = world

    def move(clip, group):
        return replace(clip, path=f"{clip.group}/{clip.path}", group=group)

    moved = GivenRows({f"{path.split('-')[0]}/{path}": values for path, values in rows.rows.items()}, rows_name="ours")
    for other, is_found in ((None, False), ("artist 1", True)):
        clips = [move(clip, other if other and clip.path == "a0-3.wav" else clip.group) for clip in corpus.clips]
        codes = [f.code for f in compare_training(replace(corpus, clips=tuple(clips)), old, rows=moved).findings]
        assert ("new_groups_in_old_folders" in codes) == is_found


def test_a_part_of_the_old_corpus_is_refused(world, old):
    rows, corpus, *_ = world
    few = replace(corpus, clips=tuple(clip for clip in corpus.clips if clip.group not in ("a0", "b0", "a1")))
    with pytest.raises(SettingError, match=r"holds 51 of the 60 clips .*; expected 90 % or more.*`no_comparison`"):
        compare_training(few, old, rows=rows)
    most = replace(corpus, clips=tuple(clip for clip in corpus.clips if clip.group != "a0"))
    change = compare_training(most, old, rows=rows)
    assert change.n_gone == 3


def test_the_same_corpus_is_refused(world, old):
    rows, _, old_corpus, _ = world
    with pytest.raises(SettingError, match=r"is what the old model was trained on \(60 clips with the same labels\)"):
        compare_training(old_corpus, old, rows=rows)


def test_a_new_clip_that_is_not_there_is_named_in_the_refusal(world, old):
    rows, _, old_corpus, _ = world
    corpus = replace(old_corpus, clips=(*old_corpus.clips, Clip("gone.wav", "a", "a99")))
    with pytest.raises(SettingError, match=r"same labels\) \(1 of its files failed, such as gone\.wav: .+\): there is"):
        compare_training(corpus, old, rows=rows)


def test_a_remainder_that_is_never_trained_on_is_not_new(world):
    rows, _, old_corpus, _ = world
    short = {"short.wav": np.ones((20, 2))}
    rows = GivenRows(rows.rows | short, rows_name="ours", rows_rate_hz=40.0)
    corpus = replace(old_corpus, clips=(*old_corpus.clips, Clip("short.wav", "a", "a99")))
    with pytest.raises(SettingError, match=r"is what the old model was trained on \(60 clips with the same labels\)"):
        compare_training(corpus, trained(corpus, rows, make_recipe(n_components=1, trial_s=2.0)), rows=rows)


def test_a_ubm_of_other_clips_is_refused(world, old):
    rows, corpus, *_ = world
    merged = replace(old, training=replace(old.training, ubm_clips=old.training.clips))
    with pytest.raises(SettingError, match="the UBM of the old model was fitted to other clips"):
        compare_training(corpus, merged, rows=rows)


def test_labels_of_one_group_cannot_be_compared(world, old):
    rows, corpus, *_ = world
    clips = tuple(replace(clip, group=clip.label) for clip in corpus.clips)
    with pytest.raises(CorpusError, match="no label can be scored"):
        compare_training(replace(corpus, clips=clips), old, rows=rows)


def test_the_result_does_not_depend_on_workers_or_the_cache(world, old, tmp_path):
    rows, corpus, *_ = world
    first = compare_training(corpus, old, rows=rows, n_jobs=1)
    assert compare_training(corpus, old, rows=rows, n_jobs=2, cache=tmp_path) == first


@pytest.mark.parametrize("preset", [None, "genre", "language"])
def test_the_settings_are_those_of_the_training(clips, preset):
    recipe = make_recipe(
        preset, kind="frames", n_components=2, min_duration_s=0.25, trial_s=0.5, seed=4, augment=["gain"]
    )
    assert recipe_of(pipeline.train(clips, recipe).model) == recipe
