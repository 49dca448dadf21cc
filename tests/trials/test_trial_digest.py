"""The digest of trials: other content, another digest."""

from dataclasses import replace

import numpy as np

from gmmaudio import pipeline
from gmmaudio.trials import Degradation, build_trial_set, digest_trials
from tests.conftest import trials_of

RECIPE = pipeline.make_recipe(n_components=1)


def with_clip(trial, **changes):
    """Return a trial whose first clip is changed."""
    first = trial.segments[0]
    clip = replace(first.extracted.clip, **changes)
    return replace(trial, segments=(replace(first, extracted=replace(first.extracted, clip=clip)), *trial.segments[1:]))


def with_extracted(trial, **changes):
    """Return a trial whose first clip has other frames."""
    first = trial.segments[0]
    return replace(trial, segments=(replace(first, extracted=replace(first.extracted, **changes)), *trial.segments[1:]))


def test_all_that_a_fit_or_a_prediction_takes_from_trials_is_in_the_digest(clips):
    one, two, *_ = trials_of(clips, RECIPE)
    segment, rows = one.segments[0], one.rows
    last_row = np.array(rows.values)
    last_row[-1, -1] += 1
    changed = [
        [one, two],
        [two, one],
        [one],
        [],
        [replace(one, name="other"), two],
        [replace(one, unit="other"), two],
        [replace(one, duration_s=9.0), two],
        [with_clip(one, label="other"), two],
        [with_clip(one, group="other"), two],
        [with_clip(one, held_out_by="other"), two],
        [with_clip(one, source="other"), two],
        [with_clip(one, path="other"), two],
        [with_extracted(one, sha256="00"), two],
        [replace(one, segments=(replace(segment, first=1),)), two],
        [replace(one, segments=(replace(segment, last=segment.last - 1),)), two],
        [replace(one, segments=(segment, segment)), two],
        [replace(one, held_rows=replace(rows, values=rows.values[1:])), two],
        [replace(one, held_rows=replace(rows, values=last_row)), two],
        [replace(one, copies=(two,))],
        [replace(one, copies=(two,)), two],
    ]
    assert len({digest_trials(trials) for trials in changed}) == len(changed)


def test_the_same_clips_have_the_same_digest_wherever_they_lie(clips):
    augmented = [Degradation("noise", 0)]
    sets = [
        build_trial_set(clips.root, clips.clips[:4], RECIPE.trial_settings, augment=augment)
        for augment in ((), (), augmented, augmented)
    ]
    digests = [digest_trials(each.trials) for each in sets]
    assert digests[0] == digests[1] != digests[2] == digests[3]
