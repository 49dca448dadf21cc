"""Settings of a project: what they change, what the command line says against them, and what is refused."""

import json
import shutil
from pathlib import Path

import click
import pytest

from gmmaudio.cli.config_file import ACTIONS, _is_setting, _options_of
from gmmaudio.cli.flags import all_commands
from tests.cli.conftest import rows_of_csv

pytestmark = pytest.mark.usefixtures("few_draws")


@pytest.fixture
def folder(tmp_path, monkeypatch, model_file, corpus):
    """The current folder, with a model and a corpus."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(model_file, "m.gmm")
    return tmp_path


def settings(text, name="gmmaudio.toml"):
    """Write a file of settings."""
    Path(name).write_text(text, encoding="utf-8")


def test_settings_are_defaults_which_the_command_line_replaces(command, folder, good):
    settings('[classify]\nformat = "csv"\ntop = 2\n')
    result = command("classify", "m.gmm", good)
    assert (result.code, result.err) == (0, "settings of gmmaudio.toml: --format csv --top 2\n")
    (row,) = rows_of_csv(result)
    assert "label_2" in row
    other = command("classify", "m.gmm", good, "--top", "1", "--format=text")
    assert (other.out.split("\t")[1], other.err) == ("low", "")
    assert command("info", "m.gmm").err == ""


def test_config_names_another_file_or_none(command, folder, good):
    settings('[classify]\nformat = "csv"\n')
    settings('[classify]\nformat = "jsonl"\nprior = ["low=0.9"]\n', "other.toml")
    named = command("--config", "other.toml", "classify", "m.gmm", good)
    assert json.loads(named.out)["label"] == "low"
    assert named.err == "settings of other.toml: --format jsonl --prior low=0.9\n"
    prior = command("classify", "m.gmm", good, "--format", "jsonl", "--prior", "low=0.9")
    assert prior.out == named.out
    none = command("--config", "none", "classify", "m.gmm", good)
    assert (none.out.split("\t")[1], none.err) == ("low", "")
    gone = command("--config", "gone.toml", "classify", "m.gmm", good)
    assert (gone.code, "gone.toml: cannot be read" in gone.err) == (2, True)


def test_a_file_of_a_folder_above_is_not_read(command, folder, good, monkeypatch):
    settings('[classify]\nformat = "csv"\n')
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert command("classify", "../m.gmm", good).out.split("\t")[1] == "low"


def test_help_shows_a_default_from_the_file(command, folder):
    settings("[train]\nseed = 7\n")
    assert "default: 7" in command("train", "--help").out
    assert "default: 7" not in command("--config", "none", "train", "--help").out


def test_a_group_of_commands_has_tables_of_its_own(command, iris_folder):
    settings('[mixture.fit]\ncomponents = "2"\ncovariance = "full"\nstarts = 1\nrestarts = 2\n')
    result = command("mixture", "fit", "iris.csv", "-o", "m.safetensors", "-q")
    first, last = result.err.splitlines()[0], result.err.splitlines()[-1]
    assert first == "settings of gmmaudio.toml: --components 2 --covariance full --starts 1 --restarts 2"
    assert last.startswith("wrote m.safetensors: 2 components, full")


def test_a_report_records_the_command_with_its_settings(command, folder, corpus):
    settings('[evaluate]\ndurations = "none"\nmin-duration = 0.25\n')
    report = json.loads(command("evaluate", "m.gmm", corpus.split, "--json", "-").out)
    assert report["protocol"]["command"] == (
        f"gmmaudio evaluate --min-duration 0.25 --durations none m.gmm {corpus.split} --json -"
    )
    assert report["run"]["options"]["min_duration_s"] == 0.25
    assert report["run"]["options"]["durations_s"] == []


def test_a_run_with_settings_goes_on_with_the_same(command, folder, corpus, monkeypatch):
    from gmmaudio.journal import Journal

    settings('[classify]\nformat = "csv"\n', "my.toml")
    words = ("--config", "my.toml", "classify", "m.gmm", corpus.root / "low", "-o", "out")
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        stopped = command(*words)
    goes_on = stopped.err.splitlines()[-3]
    assert goes_on.startswith("gmmaudio --config my.toml classify --resume m.gmm ")
    assert command(*goes_on.split()[1:]).code == 0
    refused = command("--config", "none", *words[2:], "--resume")
    assert (refused.code, "--format was 'csv' and is 'text' now" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[clasify]\n", "'clasify' is no command; expected a table for each command"),
        ("[clasify]\n", "Did you mean 'classify'?"),
        ("[mixture.ft]\n", "'mixture.ft' is no command"),
        ("[mixture.ft]\n", "Did you mean 'fit'?"),
        ('[classify]\nformt = "csv"\n', "[classify] formt is no option of classify. Did you mean 'format'?"),
        ('[classify]\noutput_format = "csv"\n', "[classify] output_format is no option of classify."),
        ('[classify]\nformat = "xml"\n', "[classify] format: 'xml' is not one of 'text', 'csv'"),
        ("[classify]\nformat = 3\n", "[classify] format: '3' is not one of"),
        ('[classify]\njobs = "2"\n', "[classify] jobs is '2'; expected a whole number"),
        ("[classify]\njobs = 1.5\n", "[classify] jobs is 1.5; expected a whole number"),
        ("[classify]\njobs = true\n", "[classify] jobs is True; expected a whole number"),
        ('[classify]\nmin-duration = "1"\n', "[classify] min-duration is '1'; expected a number"),
        ("[classify]\nexcel = 1\n", "[classify] excel is 1; expected true or false"),
        ('[classify]\nexcel = "yes"\n', "[classify] excel is 'yes'; expected true or false"),
        ('[classify]\nprior = "low=1"\n', "[classify] prior is 'low=1'; expected a list of text in quotes"),
        ("[classify]\nprior = [true]\n", "[classify] prior is [True]; expected a list of text in quotes"),
        ('[classify]\ntop = ["2"]\n', "[classify] top is ['2']; expected a whole number"),
        ("[classify]\ntop = 0\n", "[classify] top: 0 is not in the range x>=1."),
        ("[classify]\noverwrite = true\n", "overwrite is of a single run, and no setting; name --overwrite"),
        ('[classify]\noutput = "a"\n', "output is of a single run, and no setting; name --output"),
        ('format = "csv"\n', "'format' is no command"),
        ("classify = 1\n", "'classify' is no table"),
        ("[classify\n", "gmmaudio.toml: is no TOML in UTF-8 (Expected"),
    ],
)
def test_what_is_no_setting_is_refused_whatever_command_runs(command, folder, text, message):
    settings(text)
    result = command("info", "m.gmm")
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert command("--config", "none", "info", "m.gmm").code == 0


def test_bytes_that_are_no_text_are_refused(command, folder):
    Path("gmmaudio.toml").write_bytes(b"\xff\xfe\x00")
    assert "gmmaudio.toml: is no TOML in UTF-8" in command("info", "m.gmm").err


def test_no_setting_names_a_file_of_a_run_or_changes_files():
    for name, command in all_commands().items():
        if isinstance(command, click.Group):
            continue
        for flag, option in _options_of(command).items():
            if _is_setting(flag, option):
                assert flag not in ACTIONS, name
                assert flag == "cache" or not isinstance(option.type, click.Path), (name, flag)


def test_help_and_version_need_no_valid_file(command, folder):
    settings("[nosuch]\n")
    assert command("--help").code == 0
    assert command("--version").code == 0
