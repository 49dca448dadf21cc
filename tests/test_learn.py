"""The pages of docs/learn: each runs alone as a script, draws, and has the parts that a page has."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "learn").glob("[0-9][0-9]_*.py"))
# those that take more than five seconds of one core
SLOW = {"05_how_many", "06_missing_values"}
# pyplot says where there is no screen; matplotlib 3.8 calls pyparsing by names that pyparsing 3.3 deprecates
RUN = """
import runpy, sys, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
warnings.filterwarnings("ignore", ".*deprecated", DeprecationWarning, r"matplotlib\\.|pyparsing\\.")
from matplotlib import pyplot
runpy.run_path(sys.argv[1], run_name="__main__")
print("figures:", len(pyplot.get_fignums()))
"""


def marked(path):
    return pytest.param(path, marks=[pytest.mark.slow] if path.stem in SLOW else [], id=path.stem)


@pytest.mark.parametrize("path", [marked(path) for path in PAGES])
def test_a_page_runs_alone_without_a_warning_and_draws(path, tmp_path):
    pytest.importorskip("matplotlib")
    paths = os.pathsep.join([str(path.parent), str(ROOT)])
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": paths, "MPLCONFIGDIR": str(tmp_path)}
    words = [sys.executable, "-c", RUN, str(path)]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.rpartition("figures: ")[2]) >= 1


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_has_a_title_cells_three_questions_and_the_next_page(path):
    text = path.read_text(encoding="utf-8")
    title, underline, *_ = ast.get_docstring(ast.parse(text)).splitlines()
    assert underline == "=" * len(title)
    assert text.count("\n# %%\n") >= 3
    questions = text.rpartition("# Questions\n# ---------\n")[2]
    assert re.findall(r"^# (\d)\. ", questions, re.MULTILINE) == ["1", "2", "3"]
    following = [page.stem for page in PAGES if int(page.name[:2]) == int(path.name[:2]) + 1]
    assert all(f"</generated/learn/{page}>" in questions for page in following)


def test_no_two_pages_have_one_number():
    assert len({path.name[:2] for path in PAGES}) == len(PAGES)
