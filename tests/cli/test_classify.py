"""Class priors, by the command."""

import json


def test_the_command_takes_priors(command, corpus, tmp_path):
    command("train", corpus.plain, "-o", tmp_path / "m.gmm", "--components", "2")
    path = corpus.root / corpus.rows[0]["path"]
    words = ("classify", tmp_path / "m.gmm", path, "--format", "jsonl")
    plain, low = (json.loads(command(*words, *more).out) for more in ((), ("--prior", "low=0.0")))
    assert plain["probability"]["low"] > low["probability"]["low"] == 0.0
    assert command(*words, "--prior", "low").code == 2
    assert command(*words, "--prior", "none=0.5").code == 2
