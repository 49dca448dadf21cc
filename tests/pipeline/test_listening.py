"""Answers for sound that arrives: those of classify for the last seconds, silence, unknown, and every setting."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import gmmaudio
from conftest import GENRES, SR, synthetic_clip
from gmmaudio.errors import AudioError, SettingError
from gmmaudio.pipeline import ListenSettings, listen
from gmmaudio.pipeline.listening import _Listener

JAZZ_S, METAL_S = 8.0, 7.0


@pytest.fixture(scope="module")
def model(music_folder):
    return gmmaudio.train(music_folder / "my_music", preset="genre", group_by="parent").model


@pytest.fixture(scope="module")
def sound():
    return np.concatenate([synthetic_clip(GENRES["jazz"], 1, JAZZ_S), synthetic_clip(GENRES["metal"], 2, METAL_S)])


def times_and_names(answers):
    return [(round(answer.end_s, 3), answer.name) for answer in answers]


def quiet(seconds, level=0.0, offset=0.0):
    return (offset + level * np.random.default_rng(0).normal(size=round(seconds * SR))).astype(np.float32)


@pytest.mark.parametrize(("window_s", "hop_s"), [(3.0, 1.0), (6.5, 2.5), (0.4, 0.4)])
@pytest.mark.parametrize("priors", [None, {"jazz": 0.99, "metal": 0.01}])
def test_an_answer_is_that_of_classify_for_the_last_seconds(model, sound, tmp_path, window_s, hop_s, priors):
    answers = list(listen(model, [sound], ListenSettings(window_s, hop_s, priors)))
    assert len(answers) >= len(sound) / SR // hop_s
    for i, answer in enumerate(answers):
        last = round(answer.end_s * SR)
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, sound[max(0, last - round(window_s * SR)) : last], SR, subtype="FLOAT")
        (alone,) = gmmaudio.classify(model, [path], priors=priors, min_duration_s=0.4)
        assert (answer.label, answer.status) == (alone.label, alone.status)
        assert answer.probability == alone.probability[alone.label]
        assert answer.duration_s == pytest.approx(alone.duration_s)


def test_answers_do_not_depend_on_how_samples_arrive(model, sound):
    whole = list(listen(model, [sound], ListenSettings(window_s=2.0)))
    assert len(whole) == 15
    for n in (777, 50_000):
        blocks = (sound[start : start + n] for start in range(0, len(sound), n))
        assert list(listen(model, blocks, ListenSettings(window_s=2.0))) == whole


def test_an_answer_comes_with_the_last_sample_of_its_window(model, sound):
    taken = 0

    def blocks():
        nonlocal taken
        for start in itertools.count(0, 441):
            taken += 1
            yield sound[start : start + 441]

    answers = listen(model, blocks(), ListenSettings(window_s=2.0, hop_s=0.5))
    for i in range(1, 5):
        assert next(answers).end_s == pytest.approx(0.5 * i)
        assert taken == 25 * i


def test_labels_follow_the_sound(model, sound):
    answers = list(listen(model, [sound], ListenSettings(window_s=2.0)))
    assert [answer.label for answer in answers[:8]] == 8 * ["jazz"]
    assert [answer.label for answer in answers[9:]] == 6 * ["metal"]


def test_the_first_answer_waits_for_half_a_second(model, sound):
    ends = [answer.end_s for answer in listen(model, [sound[: 2 * SR]], ListenSettings(window_s=2.0, hop_s=0.2))]
    np.testing.assert_allclose(ends, np.arange(0.6, 2.1, 0.2), atol=1e-4)


@pytest.mark.parametrize(("seconds", "ends"), [(3.5, [1.0, 2.0, 3.0, 3.5]), (3.05, [1.0, 2.0, 3.0]), (0.7, [0.7])])
def test_what_is_left_at_the_end_is_answered(model, sound, seconds, ends):
    answers = list(listen(model, [sound[: round(seconds * SR)]], ListenSettings(window_s=2.0)))
    np.testing.assert_allclose([answer.end_s for answer in answers], ends, atol=1e-4)


def test_too_little_sound_is_refused(model):
    for blocks in ([], [quiet(0.4)]):
        with pytest.raises(AudioError) as caught:
            list(listen(model, blocks))
        assert caught.value.code == "too_short"


def test_silence_is_said_two_seconds_after_the_sound(model, sound):
    # 70 dB below the sound, digital silence, and that of a converter with an offset
    for level, offset in ((5e-5, 0.0), (0.0, 0.0), (0.0, 0.3)):
        blocks = [sound[: 4 * SR], quiet(5.0, level, offset), sound[: 2 * SR]]
        answers = list(listen(model, blocks, ListenSettings(window_s=3.0, hop_s=0.5)))
        assert [answer.name == "silence" for answer in answers] == [*11 * [False], *7 * [True], *4 * [False]]
        assert {answer.probability for answer in answers if answer.name == "silence"} == {1.0}


def test_a_pause_that_is_less_far_below_the_sound_is_none(model, sound):
    answers = list(listen(model, [sound[: 4 * SR], quiet(4.0, 3e-3)], ListenSettings(window_s=3.0)))
    assert "silence" not in {answer.name for answer in answers}


def test_the_loudest_second_of_a_long_hop_counts(model, sound):
    answers = listen(model, [sound[: 2 * SR], quiet(4.0, 5e-5)], ListenSettings(window_s=6.0, hop_s=6.0))
    assert [answer.name for answer in answers] == ["silence"]


def test_what_was_loud_more_than_a_minute_ago_is_forgotten(model, sound):
    answers = list(listen(model, [sound[: 2 * SR], quiet(66.0, 5e-5)], ListenSettings(window_s=2.0, hop_s=2.0)))
    names = [answer.name for answer in answers]
    assert names[0] == "jazz"
    assert names[1:29] == 28 * ["silence"]
    assert "silence" not in names[31:]


def test_without_speech_it_is_silent_where_the_model_has_a_speech_gate(model, monkeypatch):
    from gmmaudio.pipeline import listening

    frames = listening.raw_frames
    speech = {"now": 1.0}

    def with_speech(blocks, *_):
        raw = frames(blocks, model.features.frames, model.tables)
        return replace(raw, speech=np.full(len(raw), speech["now"], dtype=np.float32))

    speech_features = model.features.replace(
        sample_rate_hz=16_000, fmax_hz=8_000.0, measure_speech=True, speech_gate=0.5
    )
    gated = replace(model, features=speech_features, tables=None)
    monkeypatch.setattr(listening, "raw_frames", with_speech)
    answers = listen(gated, [synthetic_clip(GENRES["jazz"], 1, 4.0)], ListenSettings(window_s=2.0))
    assert next(answers).name == "jazz"
    speech["now"] = 0.1
    assert {answer.name for answer in answers} == {"silence"}


def test_what_the_open_set_threshold_rejects_is_unknown(model, sound):
    strict = gmmaudio.models.OpenSetThreshold("score", 1e9, 0.05, 0.9, 20, 20, "")
    answers = list(listen(replace(model, open_set=strict), [sound], ListenSettings(window_s=3.0)))
    assert {(answer.label, answer.status) for answer in answers} == {(None, "unknown")}
    line = gmmaudio.pipeline.Scan(replace(model, open_set=strict), gmmaudio.pipeline.TimelineSettings())
    (segment,) = line.follow([sound])
    assert answers[0].probability == segment.probability


def test_a_model_without_probabilities_has_answers_without(model, sound):
    bare = replace(model, calibration=None, open_set=None)
    answers = list(listen(bare, [sound], ListenSettings(window_s=3.0)))
    assert {answer.probability for answer in answers} == {None}
    assert answers[0].label == "jazz"


def test_every_setting_changes_the_answers(model, sound):
    plain = list(listen(model, [sound]))
    # the window is that of training, and the hop a second
    assert [(answer.start_s, answer.end_s) for answer in plain[6:9]] == [(0.5, 7.0), (1.5, 8.0), (2.5, 9.0)]
    assert [answer.start_s for answer in listen(model, [sound], ListenSettings(window_s=3.0))][3:5] == [1.0, 2.0]
    assert len(list(listen(model, [sound], ListenSettings(hop_s=0.5)))) == 2 * len(plain)
    assert list(listen(model, [sound], ListenSettings(seconds=4.0))) == plain[:4]
    assert times_and_names(listen(model, [sound], ListenSettings(seconds=2.5)))[-1] == (2.5, "jazz")
    likely = list(listen(model, [sound], ListenSettings(priors={"jazz": 0.999, "metal": 0.001})))
    assert sum(a.probability != b.probability for a, b in zip(likely, plain, strict=True)) > 5
    # a short window has a short hop
    assert len(list(listen(model, [sound[:SR]], ListenSettings(window_s=0.5)))) == 2


def test_no_more_is_read_than_is_asked_for(model, sound):
    def blocks():
        yield sound[: 2 * SR]
        yield sound[2 * SR : 3 * SR]
        raise AssertionError("read on")

    assert len(list(listen(model, blocks(), ListenSettings(seconds=2.5)))) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window_s": 0.1}, "`window_s` is 0.1; expected 0.2 to 3600 s"),
        ({"hop_s": 10.0}, "`hop_s` is 10; expected 0.02 s to the window's 6.5 s"),
        ({"window_s": 2.0, "hop_s": 3.0}, "`hop_s` is 3; expected 0.02 s to the window's 2 s"),
        ({"seconds": 0.0}, "`seconds` is 0; expected more than 0 s"),
        ({"priors": {"jazz": 1.0}}, "priors are of jazz"),
    ],
)
def test_settings_outside_their_bounds_are_refused_at_once(model, settings, message):
    with pytest.raises(SettingError, match=message):
        listen(model, [], ListenSettings(**settings))


def test_memory_does_not_grow(model, monkeypatch):
    monkeypatch.setattr(_Listener, "_said", lambda self: self._levels.append(0.0))
    listener = _Listener(model, ListenSettings(window_s=2.0, hop_s=1.0))
    for _ in range(600):
        listener.hold(np.zeros(SR, dtype=np.float32))
        listener.answer()
    assert len(listener._held) == 2 * SR
    assert len(listener._levels) == 60
