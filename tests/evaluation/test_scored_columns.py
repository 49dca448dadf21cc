"""Predictions as columns and back: nothing is lost."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gmmaudio.errors import SettingError
from gmmaudio.evaluation import ScoredClip
from gmmaudio.evaluation.scored_columns import from_columns, to_columns

CLIP = ScoredClip(
    name="a (+1)",
    paths=("a.wav", "b\udc80.wav"),
    label="fado",
    group="ana",
    unit="ana",
    source="radio",
    fold="2",
    repeat=1,
    predicted="jazz",
    scores={"jazz": 1 / 3, "fado": -math.inf},
    probability={"jazz": 1 - 2**-53, "fado": 5e-324},
    duration_s=2.1,
    rejected=True,
)
BARE = replace(
    CLIP, paths=("c.wav",), group=None, source=None, probability=None, duration_s=None, rejected=None, fold=""
)


@pytest.mark.parametrize("clips", [[], [CLIP], [CLIP, replace(CLIP, name="b", rejected=False)], [BARE, BARE]])
def test_predictions_come_back_as_they_were(clips):
    arrays, record = to_columns(clips)
    # through JSON, which has no tuples
    back = from_columns(arrays, json.loads(json.dumps(record)))
    assert back == clips
    assert [list(clip.scores) for clip in back] == [list(clip.scores) for clip in clips]
    assert all(type(score) is float for clip in back for score in clip.scores.values())


@pytest.mark.parametrize(
    "other",
    [
        replace(CLIP, scores={"fado": 0.0, "jazz": 0.0}),
        replace(CLIP, probability=None),
        replace(CLIP, probability={"jazz": 1.0}),
    ],
)
def test_predictions_of_unlike_labels_are_refused(other):
    with pytest.raises(SettingError, match="have the same labels in the same order"):
        to_columns([CLIP, other])


def test_columns_that_do_not_fit_are_refused():
    arrays, record = to_columns([CLIP, CLIP])
    for bad in ({"scores": arrays["scores"][:1]}, {"scores": np.zeros((2, 3))}):
        with pytest.raises(ValueError, match="zip"):
            from_columns(arrays | bad, record)
