"""Baselines: windows, paths and the timelines they give."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import soundfile

from benchmarks import segmenters, spliced
from gmmaudio.features import make_rows, raw_frames
from gmmaudio.models import save_model
from gmmaudio.timelines import TimelineSegment


@pytest.fixture(scope="module")
def posteriors():
    return np.random.default_rng(3).dirichlet([0.6] * 3, 7)


@pytest.mark.parametrize("penalty", [0.0, 0.5, 2.0, 50.0])
def test_the_path_is_the_best_of_all_paths(posteriors, penalty):
    def score(path):
        return sum(np.log(posteriors[i, k]) for i, k in enumerate(path)) - penalty * np.count_nonzero(np.diff(path))

    best = max(product(range(3), repeat=7), key=score)
    assert segmenters.viterbi(posteriors, penalty).tolist() == list(best)


def test_windows_of_one_label_are_one_segment_with_their_mean_probability():
    windows = segmenters.Windows(np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]]), np.array([0.0, 10, 20, 24]))
    found = segmenters.as_timeline(windows, np.array([0, 0, 1]), ("de", "fr"))
    assert [(part.start_s, part.end_s, part.label) for part in found.segments] == [(0, 20, "de"), (20, 24, "fr")]
    assert [part.probability for part in found.segments] == pytest.approx([0.8, 0.8])


@pytest.fixture
def case(model, tools, tmp_path):
    """A fold's recording of 26 s: 12 s of each of two labels that the model tells apart, and a pause between."""
    save_model(model.in_domain(), tmp_path / "model.safetensors")
    first, second = (tools.band_noise(label, 7, 12.0) for label in ("low", "high"))
    samples = np.concatenate([first, np.zeros(2 * tools.sr, np.float32), second])
    turns = (spliced.Turn(0, 12, "low"), spliced.Turn(14, 26, "high"))
    recording = spliced.Recording("turns-00", "turns", "digital", samples, tools.sr, turns)
    spliced.write_recordings(tmp_path, iter([recording]))
    (found,) = segmenters.read_cases(tmp_path, "bands")
    return found


def test_a_case_is_what_was_written(case, model):
    assert (case.corpus, case.path.name, case.kind, case.gap) == ("bands", "turns-00.flac", "turns", "digital")
    assert case.truth.segments == (TimelineSegment(0, 12, "low"), TimelineSegment(14, 26, "high"))
    assert case.truth.duration_s == 26
    assert case.model.scorer.labels == model.scorer.labels


def test_the_posteriors_of_windows_are_those_of_the_sound_cut_there(case, tools):
    windows = case.windows(10.0, 10.0)
    assert windows.edges.tolist() == [0, 10, 20, 26]
    samples, _ = soundfile.read(case.path, dtype="float32")
    settings = case.model.features
    cut = raw_frames([samples[: 10 * tools.sr]], settings.frames)
    alone = case.model.predict(make_rows([cut], settings))
    # the last frames of the cut sound see its end
    assert windows.posteriors[0] == pytest.approx(list(alone.probability.values()), abs=0.02)
    case.path.unlink()
    # kept, so the recording is not read again
    assert (replace(case).windows(10.0, 10.0).posteriors == windows.posteriors).all()


def test_overlapping_windows_hold_for_what_is_nearest_to_their_middle(case):
    windows = case.windows(4.0, 1.0)
    assert len(windows.posteriors) == 23
    assert windows.edges.tolist() == [0, *np.arange(2.5, 24, 1.0), 26]


def test_a_window_without_frames_says_nothing(case):
    found = segmenters.posterior(case.model, case.frames, 27, 28)
    assert found == pytest.approx(np.full(3, 1 / 3))


@pytest.mark.parametrize(("name", "setting"), [("vote", None), ("viterbi", (4.0, 1.0, 2.0)), ("ruptures", (4.0, 0.5))])
def test_a_baseline_finds_both_labels_and_the_change(case, name, setting):
    if name == "ruptures":
        pytest.importorskip("ruptures")
    found = getattr(segmenters, f"by_{name}")(case, setting)
    assert [part.label for part in found.segments] == ["low", "high"]
    # windows of 4 s, or of 10 s, that have some of the pause from 12 to 14 s
    assert found.segments[1].start_s == pytest.approx(13, abs=3)
    assert found.segments[0].start_s == 0
    assert found.duration_s == 26


def test_the_answers_of_the_peer_are_read_and_neighbours_of_one_label_joined(case):
    rows = [(0, 1, "low"), (1, 2, "low"), (2, 26, "high")]
    table = [{"path": "turns-00.flac", "start": start, "end": end, "label": label} for start, end, label in rows]
    spliced.write_rows(case.path.with_name(segmenters.PEER_FILE), table)
    found = segmenters.by_peer(case, None)
    assert [(part.start_s, part.end_s, part.label) for part in found.segments] == [(0, 2, "low"), (2, 26, "high")]


def test_settings_are_of_our_windows_and_of_ten_seconds():
    found = segmenters.segmenters(6.0)
    assert {window_s for window_s, *_ in found[segmenters.SLIDING].settings} == {6.0, 10.0}
    assert {window_s for window_s, _ in found[segmenters.RUPTURES].settings} == {6.0, 10.0}
    assert len(segmenters.segmenters(10.0)[segmenters.SLIDING].settings) < len(found[segmenters.SLIDING].settings)
