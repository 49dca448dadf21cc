"""Where reports are written, and what is refused before any work is done."""

import shutil

import pytest

from tests.cli.conftest import UNKNOWN_GROUPS

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "{0}/folder: is a folder; name a file in it"),
        ("missing/file", "{0}/missing/file: the folder {0}/missing is not there; make it first"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "option"),
    [
        ("train", "-o"),
        ("train", "--output"),
        ("evaluate", "--json"),
        ("evaluate", "--report"),
        ("crossval", "--json"),
        ("crossval", "--report"),
    ],
)
def test_an_output_that_cannot_be_written_is_4_before_any_work(
    command, corpus, model_file, tmp_path, monkeypatch, verb, option, name, message
):
    import gmmaudio.corpus.reading

    monkeypatch.setattr(gmmaudio.corpus.reading, "read_corpus", None)  # fails where the corpus is looked at first
    (tmp_path / "folder").mkdir()
    result = command(verb, *([model_file] if verb == "evaluate" else []), corpus.split, option, tmp_path / name)
    assert (result.code, result.out) == (4, "")
    assert result.err == f"gmmaudio: {message.format(tmp_path)}\n"


def test_one_place_cannot_take_both_reports(command, model_file, corpus, tmp_path):
    assert command("evaluate", model_file, corpus.split, "--json", tmp_path / "r", "--report", tmp_path / "r").code == 2


@pytest.mark.parametrize("option", ["--report", "--json"])
def test_dash_is_no_file_name(command, model_file, corpus, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    command("evaluate", model_file, corpus.split, option, "-")
    command("train", corpus.split, "-o", "-")
    assert not (tmp_path / "-").exists()


def test_a_report_is_one_page_that_needs_nothing_else(command, model_file, corpus, tmp_path):
    shutil.copytree(corpus.root / "low", tmp_path / "c" / "low")
    shutil.copytree(corpus.root / "mid", tmp_path / "c" / "<script>alert(1)")
    result = command("train", tmp_path / "c", "-o", tmp_path / "m.gmm", "--components", "2")
    result = command("evaluate", tmp_path / "m.gmm", tmp_path / "c", "--report", tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert result.err == f"wrote {tmp_path}/r.html\n"
    assert "<h1>m.gmm on c</h1>" in page
    assert "100.0 %" in page
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "://" not in page
    assert UNKNOWN_GROUPS.replace("'", "&#39;") in page


@pytest.mark.parametrize(
    ("folder", "code", "complaint"),
    [
        ("{same}", 2, "--csv {same} would overwrite --json {same}; choose another path"),
        ("{corpus.plain}", 2, "--csv {corpus.plain} would overwrite the input {corpus.plain}"),
        ("{corpus.root}", 2, "--csv {corpus.root} holds the input {corpus.plain}; choose another folder"),
        ("{corpus.root}/low/ann/0.wav", 4, "the folder cannot be made"),
    ],
)
def test_an_output_named_twice_or_closed_is_refused(command, corpus, tmp_path, folder, code, complaint):
    names = {"same": tmp_path / "r", "corpus": corpus}
    result = command("crossval", corpus.plain, "--csv", folder.format(**names), "--json", names["same"])
    assert (result.code, complaint.format(**names) in result.err) == (code, True)
