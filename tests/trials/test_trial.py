"""A trial, its segments and clips, and the units that a split must not divide."""

from dataclasses import replace

import numpy as np

from gmmaudio.corpus import Clip
from gmmaudio.features import RawFrames, Rows
from gmmaudio.trials import Extracted, Segment, Trial, clips_of, units_of


def extracted(path, n_frames=10, **fields):
    """Return a clip of numbered frames."""
    values = np.arange(n_frames, dtype=np.float32)[:, None]
    raw = RawFrames(values, np.zeros(n_frames, dtype=np.float32), values[:, 0] / 100)
    return Extracted(Clip(path, "jazz", **fields), raw, n_frames / 100, f"hash of {path}")


def trial_of(*clips, **settings):
    """Return a trial of whole clips."""
    segments = tuple(Segment(clip, 0, len(clip.raw), clip.duration_s) for clip in clips)
    rows = Rows(
        np.concatenate([clip.raw.values for clip in clips]), np.concatenate([clip.raw.time_s for clip in clips])
    )
    return Trial(clips[0].clip.path, segments, rows, sum(clip.duration_s for clip in clips), **settings)


def test_a_segment_has_the_frames_between_its_indices():
    segment = Segment(extracted("a.wav"), 3, 7, 0.04)
    np.testing.assert_array_equal(segment.raw.time_s, extracted("a.wav").raw.time_s[3:7])
    # deltas of its first frames depend on those before
    assert (len(segment.raw), segment.raw.n_before) == (4, 3)


def test_a_trial_has_the_fields_of_its_clips():
    fields = {"group": "bob", "source": "studio", "held_out_by": "album 1", "fold": "2"}
    trial = trial_of(extracted("a.wav", **fields), extracted("b.wav", **fields))
    assert (trial.label, trial.group, trial.source) == ("jazz", "bob", "studio")
    assert (trial.held_out_by, trial.fold) == ("album 1", "2")
    assert trial.paths == ("a.wav", "b.wav")
    assert trial.clip.path == "a.wav"


def test_the_clips_of_a_trial_are_listed_once():
    clip, other = extracted("a.wav"), extracted("b.wav")
    segments = (Segment(clip, 0, 4, 0.04), Segment(other, 0, 10, 0.1), Segment(clip, 4, 8, 0.04))
    trial = replace(trial_of(clip), segments=segments)
    assert trial.parts == (clip, other)
    assert clips_of([trial, trial_of(other), trial_of(clip)]) == [clip, other]


def test_training_rows_are_those_of_the_trial_and_of_its_copies():
    trial, copy = trial_of(extracted("a.wav")), trial_of(extracted("a.wav"))
    assert trial.training_rows == (trial.rows,)
    assert replace(trial, copies=(copy, copy)).training_rows == (trial.rows, copy.rows, copy.rows)


def test_units_are_the_values_by_which_trials_are_held_out_or_their_files():
    trials = [
        trial_of(extracted("a.wav", held_out_by="ann", group="album")),
        trial_of(extracted("b.wav", group="album")),
        trial_of(extracted("./b.wav")),
        trial_of(extracted("c.wav", held_out_by="ann")),
    ]
    assert units_of(trials) == ("ann", "file b.wav", "file b.wav", "ann")
