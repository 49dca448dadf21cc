"""The figures of a report: which there are, that they are checked, written together and the same in every run."""

import pytest

from gmmaudio.cli.output_paths import OutputFolder, OutputPaths
from gmmaudio.cli.report_files import figure_names
from gmmaudio.errors import SettingError

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.usefixtures("few_draws")

STARTS = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG"}


@pytest.fixture
def scores(tmp_path):
    """A table of predictions without scores or probabilities: its report has a confusion matrix only."""
    path = tmp_path / "scores.csv"
    path.write_text("path,label,group,predicted\n1,a,g,a\n2,a,h,b\n3,b,i,b\n4,b,j,b\n")
    return path


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_figure_of_a_report_is_written_in_every_format(command, model_file, corpus, tmp_path):
    result = command("evaluate", model_file, corpus.split, "--figures", tmp_path / "f")
    assert result.code == 0
    assert result.err.endswith(f"wrote the figures in {tmp_path}/f\n")
    written = files_in(tmp_path / "f")
    assert {f"{name}{suffix}" for name in ("confusion", "det", "reliability") for suffix in STARTS} <= written.keys()
    assert written.keys() <= set(figure_names())
    assert all(content.startswith(STARTS[name[-4:]]) for name, content in written.items())


def test_crossval_has_the_learning_curve_and_the_map_too(command, corpus, tmp_path):
    words = ["crossval", corpus.plain, "--components", "1", "--folds", "3", "--learning-curve"]
    assert command(*words, "--figures", tmp_path / "f").code == 0
    assert files_in(tmp_path / "f").keys() == set(figure_names())


def test_two_runs_write_the_same_bytes_and_what_a_report_lacks_is_left_out(command, scores, tmp_path):
    for folder in ("f", "g"):
        assert command("evaluate", "--scores", scores, "--figures", tmp_path / folder).code == 0
    assert files_in(tmp_path / "f") == files_in(tmp_path / "g")
    assert files_in(tmp_path / "f").keys() == {"confusion.pdf", "confusion.svg", "confusion.png"}


def test_figures_of_an_earlier_run_are_replaced_or_named(command, scores, tmp_path):
    (tmp_path / "f").mkdir()
    for name in ("confusion.pdf", "det.svg", "mine.pdf"):
        (tmp_path / "f" / name).write_bytes(b"older")
    result = command("evaluate", "--scores", scores, "--figures", tmp_path / "f")
    assert f"note: {tmp_path}/f also holds figures of an earlier run: det.svg\n" in result.err
    after = files_in(tmp_path / "f")
    assert after["confusion.pdf"].startswith(b"%PDF")
    assert (after["det.svg"], after["mine.pdf"]) == (b"older", b"older")


def test_tables_and_figures_may_share_a_new_folder(command, scores, tmp_path):
    words = ["evaluate", "--scores", scores, "--csv", tmp_path / "out", "--figures", tmp_path / "out"]
    assert command(*words).code == 0
    assert {"clips.csv", "confusion.pdf"} <= files_in(tmp_path / "out").keys()


def test_where_one_file_fails_there_are_no_figures_and_no_folder(command, scores, tmp_path, monkeypatch):
    import os

    replace, n = os.replace, []

    def failing(source, target):
        n.append(target)
        if len(n) == 4:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    words = ["evaluate", "--scores", scores, "--figures", tmp_path / "f", "--csv", tmp_path / "t"]
    assert command(*words).code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["scores.csv"]


def test_without_matplotlib_it_is_said_before_any_work(command, corpus, tmp_path, monkeypatch):
    import gmmaudio.corpus.reading

    monkeypatch.setattr(gmmaudio.corpus.reading, "read_corpus", None)  # fails where the corpus is looked at first
    monkeypatch.setattr("gmmaudio.canvas.paper.can_plot", lambda: False)
    result = command("crossval", corpus.plain, "--figures", tmp_path / "f")
    assert (result.code, result.out) == (2, "")
    assert result.err == ("gmmaudio: pictures need matplotlib; install the plot extra: pip install 'gmmaudio[plot]'\n")
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_no_figure(tmp_path):
    (tmp_path / "det.svg").write_bytes(b"a list of songs, by chance of this name")
    outputs = OutputPaths(folders=[OutputFolder("--figures", tmp_path, figure_names())])
    with pytest.raises(SettingError, match=r"--figures .* holds the input .*det\.svg; choose another folder"):
        outputs.keep([tmp_path / "det.svg"])
    with pytest.raises(SettingError, match=r"--figures .* would overwrite --report .*; choose another path"):
        OutputPaths({"--report": tmp_path / "det.svg"}, outputs.folders).check()


def test_figures_have_no_effect_on_segments(command, scores, tmp_path):
    result = command("evaluate", "--timeline", scores, "--scores", scores, "--figures", tmp_path / "f")
    assert result.code == 2
    assert "these have no effect: --figures." in result.err
