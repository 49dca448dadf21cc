"""Model cards, by the command."""

import pytest

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture
def folder(command, model_file, corpus, tmp_path, monkeypatch):
    """The current folder, with a report of the model."""
    monkeypatch.chdir(tmp_path)
    done = command("evaluate", model_file, corpus.split, "--durations", "none", "--json", "report.json")
    assert done.code == 0
    return tmp_path


def test_the_card_of_a_model_and_its_report(command, model_file, folder):
    result = command("card", model_file, "--report", "report.json", "--license", "mit", "-o", "README.md")
    assert (result.code, result.out) == (0, "")
    assert result.err.endswith(
        "wrote README.md; read it before you share it: lines with 'Not known' are yours to fill\n"
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlibrary_name: "gmmaudio"\n')
    assert command("card", model_file, "--report", "report.json", "--license", "mit").out == card
    again = command("card", model_file, "--output", "README.md")
    assert (again.code, "README.md: is there already; replace it (--overwrite)" in again.err) == (2, True)
    assert command("card", model_file, "-o", "README.md", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--name", "Three bands"), "# Three bands\n"),
        (("--dataset", "a/b", "--dataset", "c"), "The data: a/b and c."),
        (("--tag", "noise"), '- "noise"\n'),
        (("--use", "Sorting noises."), "\nSorting noises.\n"),
        (("--license", "cc0-1.0"), 'license: "cc0-1.0"\n'),
    ],
)
def test_options_are_facts_of_the_card(command, model_file, words, text):
    plain = command("card", model_file)
    assert (plain.code, text in plain.out) == (0, False)
    assert text in command("card", model_file, *words).out


def test_a_report_of_another_model_is_refused(command, corpus, folder, tmp_path):
    command("train", corpus.split, "-o", "other.gmm", "--components", "1")
    result = command("card", "other.gmm", "--report", "report.json", "-o", "README.md")
    assert (result.code, result.out) == (3, "")
    assert "report.json: is of another model" in result.err
    assert not (folder / "README.md").exists()


def test_what_is_no_report_or_no_model_is_refused(command, model_file, folder):
    (folder / "x.json").write_text("[]")
    assert "x.json: is not the JSON of a report" in command("card", model_file, "--report", "x.json").err
    assert command("card", "x.json").code == 3
    same = command("card", model_file, "--report", "report.json", "-o", "report.json", "--overwrite")
    assert same.code == 2
