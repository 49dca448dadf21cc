"""Sounds of mistakes beside a report's page: ``--listen``."""

import re

import pytest

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture(scope="module")
def mislabelled(corpus, tools):
    """A manifest of the test clips of which two have a wrong label, so that the model is mistaken."""
    rows = [row for row in corpus.rows if row["split"] == "test"]
    wrong = [row | {"label": {"low": "mid"}.get(row["label"], row["label"])} for row in rows]
    return tools.write_manifest(corpus.root / "mislabelled.csv", wrong)


@pytest.mark.parametrize("page", ["r.html", "pages/r.html"])
def test_the_page_plays_sounds_by_their_way_from_it(command, model_file, mislabelled, tmp_path, monkeypatch, page):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pages").mkdir()
    words = ("evaluate", model_file, mislabelled, "--durations", "none", "--report", page, "--listen", "a b")
    result = command(*words)
    assert result.code == 0
    assert "wrote 2 sounds in a b" in result.err
    html = (tmp_path / page).read_text(encoding="utf-8")
    found = re.findall(r'<audio [^>]*src="([^"]*)"', html)
    way = "../" if "/" in page else ""
    assert sorted(found) == [f"{way}a%20b/mistake-01.mp3", f"{way}a%20b/mistake-02.mp3"]
    assert "; media-src 'self' file:\"" in html
    assert sorted(path.name for path in (tmp_path / "a b").iterdir()) == ["mistake-01.mp3", "mistake-02.mp3"]


def test_without_listen_the_page_has_no_sounds_and_allows_none(command, model_file, mislabelled, tmp_path):
    page = tmp_path / "r.html"
    assert command("evaluate", model_file, mislabelled, "--durations", "none", "--report", page).code == 0
    html = page.read_text(encoding="utf-8")
    assert "<audio" not in html
    assert "media-src" not in html


def test_sounds_without_a_page_are_a_usage_error(command, model_file, mislabelled, tmp_path):
    result = command("evaluate", model_file, mislabelled, "--listen", tmp_path / "sounds")
    assert (result.code, result.out) == (2, "")
    assert "--listen has an effect with --report only." in result.err
    assert not (tmp_path / "sounds").exists()


def test_predictions_in_a_table_have_no_sounds(command, tmp_path):
    table = tmp_path / "p.csv"
    table.write_text("path,label,predicted\na.wav,a,b\n")
    result = command("evaluate", "--scores", table, "--report", tmp_path / "r.html", "--listen", tmp_path / "sounds")
    assert result.code == 2
    assert "With --scores these have no effect: --listen." in result.err


def test_sounds_do_not_replace_clips(command, corpus, tmp_path):
    folder = corpus.root / "low" / "ann"
    words = ("--durations", "none", "--cache", "none", "--report", tmp_path / "r.html", "--listen", folder)
    result = command("crossval", corpus.plain, "--components", "1", "--folds", "2", *words)
    assert result.code == 2
    assert "would overwrite" in result.err or "holds" in result.err
    assert sorted(path.name for path in folder.iterdir()) == ["0.wav", "1.flac"]
