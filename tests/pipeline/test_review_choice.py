"""The choice of clips: bounds, numbers, spread, and that it depends on the seed and not on the order."""

import numpy as np
import pytest

from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.pipeline import review_choice
from gmmaudio.pipeline.classified_rows import ClassifiedClip
from gmmaudio.pipeline.review_choice import ReviewSettings, choose_clips


def clip(i, p, label="jazz", status="ok"):
    best = None if status == "error" else label
    return ClassifiedClip(f"{i}.wav", status, label if status == "ok" else None, {label: p, "x": 1 - p}, best)


def many(n=200, low=0.5, high=1.0):
    return [clip(i, p) for i, p in enumerate(np.random.default_rng(0).uniform(low, high, n))]


def paths(clips):
    return [each.path for each in clips]


def test_the_clips_lie_between_the_bounds():
    chosen = choose_clips(many(), [""] * 200, ReviewSettings(between=(0.6, 0.7), per_label=1000))
    expected = {each.path for each in many() if 0.6 <= each.best_probability <= 0.7}
    assert set(paths(chosen)) == expected
    default = choose_clips(many(), [""] * 200, ReviewSettings(per_label=1000))
    assert set(paths(default)) == {each.path for each in many() if each.best_probability <= 0.7}


def test_a_bound_is_inside():
    chosen = choose_clips([clip(0, 0.4), clip(1, 0.7), clip(2, 0.7001)], [""] * 3, ReviewSettings())
    assert sorted(paths(chosen)) == ["0.wav", "1.wav"]


def test_each_part_of_the_probabilities_gives_one_clip():
    settings = ReviewSettings(between=(0.5, 1.0), per_label=10)
    chosen = choose_clips(many(), [""] * 200, settings)
    ranks = np.argsort(np.argsort([each.best_probability for each in many()]))
    by_path = dict(zip(paths(many()), ranks, strict=True))
    assert sorted(by_path[path] // 20 for path in paths(chosen)) == list(range(10))


def test_clips_are_spread_over_folders():
    folders = ["big"] * 190 + [f"small {i}" for i in range(10)]
    n_small = [
        sum(
            int(path.split(".")[0]) >= 190
            for path in paths(choose_clips(many(), folders, ReviewSettings(between=(0, 1), seed=seed)))
        )
        for seed in range(20)
    ]
    # by chance alone it would be one in twenty: 0.5 of ten
    assert np.mean(n_small) > 3


def test_every_label_and_unknown_have_their_number():
    clips = [clip(f"{label}{i}", 0.5, label) for label in ("jazz", "rock") for i in range(30)]
    clips += [clip(f"u{i}", 0.95, "rock", "unknown") for i in range(30)]
    clips += [clip("m", 0.5, "rock", "mixed"), clip("e", 0.5, "rock", "error")]
    chosen = choose_clips(clips, [""] * len(clips), ReviewSettings(per_label=4))
    assert sorted((each.label or "-") for each in chosen) == ["-"] * 4 + ["jazz"] * 4 + ["rock"] * 4


def test_the_seed_drives_choice_and_order_and_the_order_of_rows_does_not():
    clips, settings = many(), ReviewSettings(between=(0.5, 1.0))
    first = paths(choose_clips(clips, [""] * 200, settings))
    assert paths(choose_clips(clips[::-1], [""] * 200, settings)) == first
    other = paths(choose_clips(clips, [""] * 200, ReviewSettings(between=(0.5, 1.0), seed=1)))
    assert set(other) != set(first)
    everything = ReviewSettings(between=(0, 1), per_label=1000)
    assert paths(choose_clips(clips, [""] * 200, everything)) != sorted(paths(clips))


def test_without_probabilities_clips_are_drawn_at_random():
    clips = [ClassifiedClip(f"{i:02}.wav", "ok", "jazz", {}, "jazz") for i in range(40)]
    chosen = paths(choose_clips(clips, [""] * 40, ReviewSettings()))
    assert len(set(chosen)) == 10
    assert sorted(chosen) != paths(clips)[:10]
    with pytest.raises(SettingError, match="`between` goes with probabilities"):
        choose_clips(clips, [""] * 40, ReviewSettings(between=(0.4, 0.7)))


def test_nothing_between_the_bounds_is_an_error_that_says_so():
    with pytest.raises(CorpusError, match=r"none of 2 clips with a label has a probability from 0.4 to 0.7; widen"):
        choose_clips([clip(0, 0.9), clip(1, 0.8), clip(2, 0.5, status="error")], [""] * 3, ReviewSettings())


def test_more_clips_than_anybody_hears_are_refused(monkeypatch):
    monkeypatch.setattr(review_choice, "MAX_CLIPS", 20)
    with pytest.raises(SettingError, match="21 clips would be chosen; expected 20 at most"):
        choose_clips(many(), [""] * 200, ReviewSettings(between=(0, 1), per_label=21))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"between": (0.7, 0.4)}, "`between` is 0.7,0.4; expected two numbers from 0 to 1, the lower one first"),
        ({"between": (0.4, 1.1)}, "`between` is 0.4,1.1"),
        ({"between": (float("nan"), 0.5)}, "`between`"),
        ({"per_label": 0}, "`per_label` is 0; expected 1 to 1,000"),
        ({"excerpt_s": 0.5}, "`excerpt_s` is 0.5; expected 1 to 60 s"),
        ({"seed": -1}, "`seed` is -1; expected 0 or more"),
    ],
)
def test_settings_out_of_bounds_are_refused(settings, message):
    with pytest.raises(SettingError) as caught:
        ReviewSettings(**settings)
    assert message in str(caught.value)
