"""Figures as files: the same bytes in every run, fonts inside, whole or not there; names that nobody expects."""

import os
import re
import subprocess
import sys
import warnings

import pytest

from gmmaudio.canvas import name_text
from gmmaudio.canvas.name_text import write_name
from gmmaudio.errors import SettingError, WriteError
from gmmaudio.pictures import plot_confusion, plot_det, save_figure
from gmmaudio.pictures.figure_files import FORMATS, figure_bytes, figure_format
from tests.evaluation.conftest import HOSTILE, example

mpl = pytest.importorskip("matplotlib")
Figure = pytest.importorskip("matplotlib.figure").Figure

# writes a figure in three formats, and prints their hashes
PROGRAM = """
import hashlib, sys, numpy as np
from gmmaudio.mixture import GaussianMixture
from gmmaudio.mixture.plot import plot_mixture
from gmmaudio.pictures.figure_files import FORMATS, figure_bytes
mixture = GaussianMixture([0.5, 0.5], [[0.0, 0.0], [5.0, 1.0]], [[1.0, 4.0], [1.0, 1.0]])
rows = mixture.sample(50, np.random.default_rng(0))
figure = plot_mixture(mixture, rows=rows, names=["Größe", "$y$"]).figure
for _ in range(2):
    print(*(hashlib.sha256(figure_bytes(figure, name)).hexdigest() for name in FORMATS))
"""


def test_bytes_are_the_same_in_every_run():
    shown = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": seed}
        words = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
        shown += done.stdout.splitlines()
    assert len(shown) == 4
    assert len(set(shown)) == 1


def test_the_users_settings_do_not_change_a_new_figure(report):
    plain = figure_bytes(plot_det(report).figure, "svg")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.facecolor": "red", "lines.linewidth": 9}):
        assert figure_bytes(plot_det(report).figure, "svg") == plain


def test_a_pdf_has_its_fonts_inside_and_no_date(report):
    content = figure_bytes(plot_confusion(report).figure, "pdf")
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content.replace(b" ", b"")
    for key in (b"/CreationDate", b"/Producer", b"/Creator"):
        assert key not in content
    svg = figure_bytes(plot_confusion(report).figure, "svg")
    assert b"<dc:date>" not in svg
    assert b"font-family" not in svg


@pytest.mark.parametrize("name", ["a.pdf", "a.SVG", "b.c.png"])
def test_the_suffix_is_the_format(tmp_path, name):
    figure = Figure()
    save_figure(figure, tmp_path / name)
    start = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}[figure_format(name)]
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a", "a.jpg", "pdf", ".png"])
def test_another_suffix_is_refused(tmp_path, name):
    with pytest.raises(SettingError, match=r"expected one that ends in \.pdf, \.svg, \.png"):
        save_figure(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_figure_that_cannot_be_written_leaves_the_older_file(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"older")
    with pytest.raises(WriteError, match="missing"):
        save_figure(Figure(), tmp_path / "missing" / "a.png")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(WriteError, match="No space"):
        save_figure(Figure(), tmp_path / "a.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"older"}


# names


@pytest.mark.parametrize("file_format", FORMATS)
def test_hostile_names_are_drawn_without_a_warning(monkeypatch, file_format):
    monkeypatch.setattr("gmmaudio.evaluation.intervals.N_DRAWS", 20)
    report = example(names=HOSTILE[:12], probabilities=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for plot in (plot_confusion, plot_det):
            content = figure_bytes(plot(report).figure, file_format)
    assert len(content) > 10_000


@pytest.mark.parametrize("name", ["$x^2$", "$\\frac{1}{0$", "_private", "a\\$b$", "{%&#}~", "$$"])
def test_dollars_are_dollars_whatever_the_users_settings(name):
    with mpl.rc_context({"text.parse_math": True, "text.usetex": True}):
        text = Figure().text(0, 0, "")
        write_name(text, name)
    assert text.get_text() == name
    assert not text.get_usetex()
    assert not text.get_parse_math()


def test_what_no_font_has_is_written_as_its_number(monkeypatch):
    monkeypatch.setattr(name_text, "_family_with", lambda _letter: None)
    text = Figure().text(0, 0, "")
    write_name(text, "日本 a")
    assert text.get_text() == r"\u65e5\u672c a"
    write_name(text, "日" * 30)
    assert text.get_text() == r"\u65e5\u65e5\u65e…"


def test_a_font_that_has_the_letters_is_added_to_the_texts_own(monkeypatch):
    monkeypatch.setattr(name_text, "_family_with", {"日": "Big CJK"}.get)
    text = Figure().text(0, 0, "")
    write_name(text, "日x")
    assert text.get_text() == "日x"
    assert text.get_fontfamily() == ["sans-serif", "Big CJK"]


def test_a_family_is_one_that_has_the_letter():
    # matplotlib brings DejaVu Sans, which has Armenian and no Ethiopic, and a font with boxes for all there is
    assert name_text._family_with("Ա") is not None
    family = name_text._family_with("\U0010fffd")
    assert family is None or not family.startswith("Last Resort")


def test_names_are_shortened_and_control_characters_shown():
    text = Figure().text(0, 0, "")
    for name, shown in (("x" * 300, "x" * 17 + "…"), ("a\u202eb", r"a\u202eb"), ("", '""'), (None, "–")):
        write_name(text, name)
        assert text.get_text() == shown


def test_without_matplotlib_a_picture_says_how_to_install_it(report, monkeypatch):
    monkeypatch.setattr("gmmaudio.canvas.paper.can_plot", lambda: False)
    with pytest.raises(SettingError, match=re.escape("install the plot extra: pip install 'gmmaudio[plot]'")):
        plot_confusion(report)


def test_the_package_imports_neither_matplotlib_nor_the_mixtures_by_itself():
    heavy = "{'matplotlib', 'scipy', 'gmmaudio.mixture'} & set(sys.modules)"
    code = f"import sys, gmmaudio.pictures; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
