import pytest

from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.pipeline import compare_timelines

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
