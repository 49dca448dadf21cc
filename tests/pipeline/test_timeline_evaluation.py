import numpy as np
import pytest

from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.models import model_sha256
from gmmaudio.pipeline import TimelineSettings, compare_timelines, evaluate_timelines
from gmmaudio.pipeline.timeline_evaluation import fit_to_model, with_end_of
from gmmaudio.timelines import Timeline, TimelineSegment

TRUTH = "path,start,end,label\n1.wav,0,6,fran\u00e7ais\n1.wav,6,10,de\n2.wav,0,5,de\n2.wav,7,10,[unknown]\n"
FOUND = (
    "SPEAKER 1.wav 1 0 7 <NA> <NA> franc\u0327ais 0.9 <NA>\nSPEAKER 1.wav 1 7 3 <NA> <NA> de 0.9 <NA>\n"
    "SPEAKER 2.wav 1 0 4 <NA> <NA> de 0.9 <NA>\nSPEAKER 2.wav 1 6.5 3.5 <NA> <NA> [unknown] 0.9 <NA>\n"
)


@pytest.fixture
def files(tmp_path):
    """A function that writes the truth and what was found, and returns their paths."""

    def write(truth=TRUTH, found=FOUND):
        paths = tmp_path / "truth.csv", tmp_path / "found.rttm"
        for path, text in zip(paths, (truth, found), strict=True):
            path.write_text(text, encoding="utf-8")
        return paths

    return write


def test_files_of_two_formats_are_compared(files):
    truth, found = files()
    report = compare_timelines(truth, found, command="gmmaudio evaluate")
    assert [each.path for each in report.recordings] == ["1.wav", "2.wav"]
    counts = report.counts
    assert (counts.confusion_s, counts.missed_s, counts.false_alarm_s, counts.sound_s) == (1.0, 1.0, 0.5, 18.0)
    # one spelling, that of what was found
    assert report.states == ("de", "franc\u0327ais", "[unknown]", "[silence]")
    assert (counts.n_reference, counts.n_hypothesis, counts.n_matched) == (3, 3, 3)
    assert report.findings == ()
    assert (report.protocol["truth"], report.protocol["found"]) == (str(truth), str(found))
    assert report.protocol["command"] == "gmmaudio evaluate"
    assert report.tolerance_s == 1.0


def test_the_tolerance_counts(files):
    assert compare_timelines(*files(), tolerance_s=0.6).counts.n_matched == 1
    with pytest.raises(SettingError, match="tolerance of boundaries is -1 s"):
        compare_timelines(*files(), tolerance_s=-1)


def test_a_recording_without_segments_is_silent_and_one_without_truth_left_out(files):
    truth, found = files(found=FOUND.replace("2.wav", "3.wav"))
    report = compare_timelines(truth, found)
    assert report.counts.missed_s == 8.0
    assert [(finding.code, finding.level) for finding in report.findings] == [
        ("recordings_without_segments", "warning"),
        ("recordings_without_truth", "information"),
    ]
    assert report.findings[0].text == f"recordings of the truth without segments in {found} count as silent: '2.wav'"
    assert "'3.wav'" in report.findings[1].text


def test_names_of_recordings_are_matched_in_one_normal_form(files):
    truth, found = files(TRUTH.replace("1.wav", "Zo\u00e9.wav"), FOUND.replace("1.wav", "Zoe\u0301.wav"))
    report = compare_timelines(truth, found)
    assert report.recordings[0].path == "Zo\u00e9.wav"
    assert report.findings == ()


def test_files_without_a_common_recording_are_refused(files):
    truth, found = files(found=FOUND.replace(".wav", ".mp3"))
    with pytest.raises(CorpusError) as error:
        compare_timelines(truth, found)
    assert str(error.value) == (
        f"{found}: its recordings ('1.mp3', '2.mp3') are not those of the truth ('1.wav', '2.wav'); name them alike"
    )


# --- timelines of a model ----------------------------------------------------------------------------------------


def test_labels_that_a_model_does_not_have_count_as_unknown():
    true = Timeline(
        (
            TimelineSegment(0, 1, "fran\u00e7ais"),
            TimelineSegment(1, 3, "xx"),
            TimelineSegment(3, 4, "silence"),
            TimelineSegment(4, 5, None, "unknown"),
            TimelineSegment(5, 7, "yy"),
        )
    )
    fitted, findings = fit_to_model({"a": true, "b": true}, ["franc\u0327ais"])
    assert [part.key for part in fitted["b"].segments] == [
        ("ok", "franc\u0327ais"),
        ("unknown", None),
        ("silence", None),
        ("unknown", None),
        ("unknown", None),
    ]
    assert [str(finding) for finding in findings] == [
        "8.0 s of the truth have labels that the model does not have, and count as unknown: 'xx', 'yy'; train on them, "
        "or spell them as the model does",
        "the labels 'silence' of the truth are taken for the statuses of that name: the model has no such label",
    ]


def test_a_label_of_the_model_with_the_name_of_a_status_stays_a_label():
    true = Timeline((TimelineSegment(0, 1, "silence"), TimelineSegment(1, 2, "unknown")))
    fitted, findings = fit_to_model({"a": true}, ["silence", "unknown"])
    assert fitted["a"].segments == true.segments
    assert findings == ()


@pytest.mark.parametrize(("end_s", "expected"), [(9.95, 10.0), (10.08, 10.0), (9.8, 9.8), (10.2, 10.2)])
def test_a_truth_ends_with_the_recording_where_it_nearly_does(end_s, expected):
    true = Timeline((TimelineSegment(0, 4, "a"), TimelineSegment(4, end_s, "b")))
    moved = with_end_of(true, 10.0)
    assert (moved.duration_s, moved.segments[-1].end_s) == (expected, expected)
    assert moved.segments[0] == true.segments[0]
    assert with_end_of(Timeline(()), 10.0).segments == ()


@pytest.fixture
def recordings(tmp_path, tools):
    """A folder with two long recordings and a broken one, and their truth in CSV and in RTTM."""
    folder = tmp_path / "long"
    (folder / "more").mkdir(parents=True)
    silence = np.zeros(3 * tools.sr, dtype=np.float32)
    low, mid, high = (tools.band_noise(label, 50 + i, 8.0) for i, label in enumerate(("low", "mid", "high")))
    tools.write(folder / "one.wav", np.concatenate([low, silence, high]), tools.sr)
    tools.write(folder / "more" / "two.wav", np.concatenate([mid, low]), tools.sr)
    (folder / "broken.wav").write_bytes(b"")
    rows = [("one.wav", 0, 8, "low"), ("one.wav", 11, 18.95, "high")]
    rows += [("more/two.wav", 0, 8, "mid"), ("more/two.wav", 8, 16, "low"), ("broken.wav", 0, 5, "low")]
    table = "".join(f"{path},{start},{end},{label}\n" for path, start, end, label in rows)
    (folder / "truth.csv").write_text(f"path,start,end,label\n{table}")
    lines = (
        f"SPEAKER {path.removesuffix('.wav')} 1 {start} {end - start:g} <NA> <NA> {label} <NA> <NA>\n"
        for path, start, end, label in rows
    )
    (folder / "truth.rttm").write_text("".join(lines))
    return folder


def test_a_model_is_evaluated_on_the_recordings_of_a_truth(model, recordings):
    report = evaluate_timelines(model, recordings / "truth.csv", tolerance_s=1.5, command="gmmaudio evaluate")
    assert [each.path for each in report.recordings] == ["one.wav", "more/two.wav"]
    assert [each.duration_s for each in report.recordings] == [19.0, 16.0]
    assert [(each.path, each.code) for each in report.failed] == [("broken.wav", "empty")]
    assert report.states == ("high", "low", "mid", "[unknown]", "[silence]")
    # three bands of noise that any model tells apart, and boundaries within a window
    assert report.metrics.values["segment_error_rate"] < 0.15
    assert report.metrics.values["boundary_recall"] == 1.0
    assert ", 2 recordings, 1 failed, 0.6 min" in report.headline
    assert report.protocol["settings"]["min_turn_s"] == 2.0
    assert report.protocol["model_sha256"] == model_sha256(model)


def test_rttm_names_recordings_without_a_suffix(model, recordings):
    of_csv, of_rttm = (evaluate_timelines(model, recordings / f"truth.{suffix}") for suffix in ("csv", "rttm"))
    assert of_rttm.metrics == of_csv.metrics
    assert [each.path for each in of_rttm.recordings] == ["one", "more/two"]


def test_settings_and_workers(model, recordings):
    truth = recordings / "truth.csv"
    plain = evaluate_timelines(model, truth)
    assert evaluate_timelines(model, truth, n_jobs=2).counts.seconds.tolist() == plain.counts.seconds.tolist()
    long_alone = evaluate_timelines(model, truth, TimelineSettings(min_duration_s=17.0))
    assert [(each.path, each.code) for each in long_alone.failed] == [
        ("more/two.wav", "too_short"),
        ("broken.wav", "empty"),
    ]
    assert long_alone.protocol["settings"]["min_duration_s"] == 17.0


def test_recordings_that_all_fail_are_an_error(model, recordings):
    truth = recordings / "truth.csv"
    for name in ("one.wav", "more/two.wav"):
        (recordings / name).unlink()
    with pytest.raises(CorpusError, match=r"all 3 recordings failed; first: one\.wav: is not there; check the path"):
        evaluate_timelines(model, truth)


def test_a_wrong_tolerance_is_refused_before_the_work(model, recordings):
    with pytest.raises(SettingError, match="tolerance of boundaries is -1 s"):
        evaluate_timelines(model, recordings / "none.csv", tolerance_s=-1.0)
