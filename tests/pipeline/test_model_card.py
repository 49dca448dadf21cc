"""Model cards: front matter that YAML reads, the numbers of reports, refusals of what does not belong."""

import json
import math
import re
from dataclasses import replace

import pytest

from gmmaudio.errors import CorpusError
from gmmaudio.models import load_model
from gmmaudio.pipeline import crossval, evaluate, make_recipe, read_corpus, train
from gmmaudio.pipeline.card_reports import match_report
from gmmaudio.pipeline.front_matter import front_matter
from gmmaudio.pipeline.model_card import CardFacts, make_card

FACTS = CardFacts(name="Bands", file_name="bands.gmm")
# the keys of the hub's specification that are written here, with those that it requires
KEYS = {"library_name", "pipeline_tag", "license", "tags", "datasets", "metrics", "model-index"}
REQUIRED = {"task": {"type"}, "dataset": {"type", "name"}, "metrics": {"type", "value"}}


def head_of(card):
    """Return the front matter of a card as another hand reads it."""
    yaml = pytest.importorskip("yaml")
    match = re.match(r"---\n(.*?\n)---\n\n", card, re.DOTALL)
    return yaml.safe_load(match[1])


@pytest.fixture(scope="module")
def corpus_clips(corpus):
    """The corpus with its split."""
    return read_corpus(corpus.split)


@pytest.fixture(scope="module")
def trained(corpus_clips):
    """A model of the training clips."""
    return train(corpus_clips, make_recipe(n_components=2)).model


@pytest.fixture(scope="module")
def crossval_report(corpus_clips):
    """The JSON of a cross-validation with the settings of the model."""
    report = crossval(corpus_clips, make_recipe(n_components=2), folds=2, split="train", durations_s=())
    return json.loads(json.dumps(report.to_dict(), default=float))


@pytest.fixture(scope="module")
def evaluate_report(corpus_clips, trained):
    """The JSON of an evaluation of the model."""
    return json.loads(json.dumps(evaluate(trained, corpus_clips, durations_s=(0.5,)).to_dict(), default=float))


def test_the_head_follows_the_specification_of_the_hub(trained, crossval_report):
    facts = replace(FACTS, license="cc-by-4.0", datasets=("my/bands",), tags=("noise",))
    head = head_of(make_card(trained, facts, [match_report(trained, crossval_report, "r.json")]))
    assert set(head) <= KEYS
    assert (head["license"], head["pipeline_tag"], head["library_name"]) == (
        *("cc-by-4.0", "audio-classification", "gmmaudio"),
    )
    assert head["tags"] == ["audio", "gaussian-mixture-model", "noise"]
    assert (head["datasets"], head["metrics"]) == (["my/bands"], ["accuracy", "balanced_accuracy", "f1"])
    ((model,),) = [head["model-index"]]
    assert model["name"] == "Bands"
    for result in model["results"]:
        assert set(result) == {"task", "dataset", "metrics"}
        for part in (result["task"], result["dataset"], *result["metrics"]):
            kind = "metrics" if part in result["metrics"] else "task" if part is result["task"] else "dataset"
            assert REQUIRED[kind] <= set(part) <= REQUIRED[kind] | {"name"}
            assert all(part.values())
    values = {metric["type"]: metric["value"] for metric in model["results"][0]["metrics"]}
    assert values["accuracy"] == round(crossval_report["accuracy"], 4)
    assert values["f1"] == round(crossval_report["macro_f1"], 4)


def test_what_speaks_of_new_sources_comes_first(trained, crossval_report):
    per_label = {"mid": {"recall": 0.25, "precision": 0.75, "n": 12}}
    part = {"accuracy": 0.125, "ece": 0.5, "n": 12, "scheme": "one source left out at a time", "per_label": per_label}
    part |= {"intervals": {"accuracy": [0.1, 0.2]}}
    report = match_report(trained, {**crossval_report, "sources_left_out": part}, "r.json")
    card = make_card(trained, FACTS, [report])
    words = "On recordings of a new source (one source left out at a time, 12 clips of labels that have two):"
    first, second = card.index(words), card.index("On new groups of sources that were trained on:")
    assert first < card.index("| Accuracy | 12.5 % | 10.0 % to 20.0 % |") < second
    assert first < card.index("| mid | 25.0 % | 75.0 % | 12 |") < second
    assert "50.0 percentage points (one source left out at a time)" in card
    metrics = head_of(card)["model-index"][0]["results"][0]["metrics"]
    assert metrics[0] == {"type": "accuracy", "value": 0.125, "name": "Accuracy, one source left out at a time"}
    assert "On recordings of a new source" not in make_card(
        trained, FACTS, [match_report(trained, crossval_report, "r")]
    )


def test_the_training_data_are_not_named_as_those_of_an_evaluation(trained, crossval_report, evaluate_report):
    facts = replace(FACTS, datasets=("my/bands",))
    reports = [match_report(trained, values, "r.json") for values in (crossval_report, evaluate_report)]
    results = head_of(make_card(trained, facts, reports))["model-index"][0]["results"]
    folder = reports[0].corpus
    assert [result["dataset"] for result in results] == [
        {"type": "my/bands", "name": folder},
        {"type": folder, "name": folder},
    ]


def test_what_is_not_known_is_not_in_the_head(trained):
    assert set(head_of(make_card(trained, FACTS))) == {"library_name", "pipeline_tag", "tags"}


def test_hub_reads_the_head(trained, evaluate_report):
    hub = pytest.importorskip("huggingface_hub.repocard_data")
    card = make_card(trained, FACTS, [match_report(trained, evaluate_report, "r.json")])
    data = hub.ModelCardData(**head_of(card))
    (result, *_) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("accuracy", round(evaluate_report["accuracy"], 4))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a: b",
            "- a",
            "# a",
            "no",
            "1.0",
            "null",
            "",
            "a\nb",
            'a"b\\',
            "\u2028",
            "\x85\x07",
            "caf\u00e9",
            "\U0001f3b5",
        ),
        *("---", "{a: 1}", "[a]", "&a *b", "!!python/object:os.system", "%TAG", "@a", "`a`", "a\ttab", "\ufeff"),
    ],
)
def test_every_text_is_read_back_as_it_was(text):
    yaml = pytest.importorskip("yaml")
    made = front_matter({"name": text, "tags": [text, "x"], "parts": [{"deep": {"deeper": text}, text or "k": 1}]})
    read = yaml.safe_load(made.removeprefix("---\n").removesuffix("---"))
    expected = {"deep": {"deeper": text}, text or "k": 1}
    assert read == {"name": text, "tags": [text, "x"], "parts": [expected]}


@pytest.mark.parametrize("value", [0.5, 1.0, 0.0, 1e-5, 12345.678, 3, True, False])
def test_every_number_is_read_back_as_a_number(value):
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load(front_matter({"value": value}).removeprefix("---\n").removesuffix("---"))["value"]
    assert (read, type(read)) == (value, type(value))


def test_half_a_surrogate_pair_is_written_as_words():
    assert front_matter({"name": "a\udce9"}) == '---\nname: "a\\\\udce9"\n---'


def test_a_card_has_the_numbers_of_the_model_and_of_the_report(trained, crossval_report):
    card = make_card(trained, FACTS, [match_report(trained, crossval_report, "cv.json")])
    for label in trained.scorer.labels:
        assert f"| {label} | 4 | 2 | 0.1 |" in card
    low, high = crossval_report["intervals"]["accuracy"]
    accuracy = crossval_report["accuracy"]
    assert f"| Accuracy | {100 * accuracy:.1f} % | {100 * low:.1f} % to {100 * high:.1f} % |" in card
    assert "2-fold cross-validation by group" in card
    assert "Of the 12 clips that this model was trained on, 12 are in that corpus" in card
    assert "Not the file of this model was evaluated" in card
    assert "no report was given" not in card
    assert "Not known: what noise, band limits and lossy codecs do to it" in card
    assert "Not known: which recordings these are" in card


def test_a_report_of_the_file_is_known_by_its_hash(trained, evaluate_report):
    card = make_card(trained, FACTS, [match_report(trained, evaluate_report, "r.json")])
    assert "The file of this model was evaluated: its hash is the one in the report." in card
    assert "of its training clips are among" not in card
    assert "The same clips, cut to shorter ones:" in card


def test_clips_that_were_trained_on_are_counted(trained, corpus_clips):
    report = evaluate(trained, corpus_clips, split="train", durations_s=())
    card = make_card(trained, FACTS, [match_report(trained, report.to_dict(), "r.json")])
    assert "12 of its training clips are among those of the report" in card


def test_a_report_that_does_not_record_the_hash_is_not_taken_for_checked(trained, evaluate_report):
    del evaluate_report["run"]["options"]["model_sha256"]
    values = evaluate_report | {"protocol": evaluate_report["protocol"] | {"model_sha256": None}}
    assert "Not checked: the report does not record the hash" in make_card(
        trained, FACTS, [match_report(trained, values, "r.json")]
    )


def changed(values, path, value):
    """Return a deep copy of plain values with one of them replaced."""
    copy = json.loads(json.dumps(values))
    *above, last = path
    inner = copy
    for key in above:
        inner = inner[key]
    inner[last] = value
    return copy


def test_a_report_of_another_model_is_refused(corpus_clips, evaluate_report):
    other = train(corpus_clips, make_recipe(n_components=2, seed=1)).model
    evaluate_report["protocol"]["model_sha256"] = "0" * 64
    with pytest.raises(CorpusError, match=r"r.json: is of another model \(SHA-256 0{12}..., and not"):
        match_report(other, evaluate_report, "r.json")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("run", "options", "recipe", "seed"), 5, r"is of models with other settings \(seed\)"),
        (("run", "options", "recipe", "kind_settings", "n_components"), 3, "other settings .kind_settings."),
        (("run", "options", "recipe", "features", "frames", "n_mfcc"), 13, "other settings .features."),
        (("run", "options", "recipe", "augment"), ["gain"], "other settings .augment."),
        (("run", "options", "recipe"), {}, "other settings|no settings that can be compared"),
        (("run", "options", "recipe"), {"nosuch": 1}, "holds no settings that can be compared"),
        (("run", "options", "division", "tune"), True, "the model was not tuned, and those of the report were"),
        (("labels",), ["low", "mid", "fado"], "has labels that the model does not know: 'fado'|fado"),
        (("labels",), None, "has no labels"),
        (("run", "kind"), "predictions", "is no report of evaluate or crossval that names a model"),
        (("run",), [], "is no report of evaluate or crossval"),
    ],
)
def test_a_report_that_does_not_belong_to_the_model_is_refused(trained, crossval_report, path, value, message):
    with pytest.raises(CorpusError, match=message):
        match_report(trained, changed(crossval_report, path, value), "r.json")


def test_a_report_of_other_clips_is_refused(trained, crossval_report):
    rows = [row | {"sha256": "f" * 64} for row in crossval_report["run"]["manifest"]]
    with pytest.raises(CorpusError, match="is of other clips"):
        match_report(trained, changed(crossval_report, ("run", "manifest"), rows), "r.json")
    rows = [row | {"sha256": None} for row in rows]
    report = match_report(trained, changed(crossval_report, ("run", "manifest"), rows), "r.json")
    assert "the report has no hashes of them" in make_card(trained, FACTS, [report])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("accuracy",), "high"),
        (("intervals",), {"accuracy": ["a", 2]}),
        (("intervals",), 3),
        (("per_label",), {"low": 1}),
        (("per_label", "low"), {"recall": None, "n": math.nan}),
        (("confusion",), [["x"], 3]),
        (("slices",), {"durations": [1, {"name": "<b>"}], "robustness": 2}),
        (("findings",), [3, {"level": "warning"}]),
        (("protocol", "scheme"), None),
        (("run", "root"), 7),
        (("n",), None),
    ],
)
def test_damaged_values_of_a_report_are_left_out(trained, crossval_report, path, value):
    values = changed(crossval_report, path, value)
    card = make_card(trained, FACTS, [match_report(trained, values, "r.json")])
    assert "## Limits" in card
    assert "nan" not in card.split("## How to use it")[0]


def test_names_are_no_markup(trained, crossval_report):
    values = changed(crossval_report, ("protocol", "scheme"), "<img src=x> | *a*\n# b")
    facts = replace(FACTS, name="<script>\n# x", file_name="a b`c.gmm", use="[x](javascript:1)")
    card = make_card(trained, facts, [match_report(trained, values, "`r`.json")])
    body = card.split("---\n\n", 1)[1]
    assert "# \\<script\\> \\# x\n" in body
    assert "<script>" not in body
    assert "\\<img src=x\\> \\| \\*a\\* \\# b" in body
    assert "\\[x\\](javascript:1)" in body
    assert "(from \\`r\\`.json)" in body
    assert "gmmaudio classify 'a b`c.gmm' recording.wav" in body


def test_a_model_without_probabilities_says_so(trained):
    plain = replace(trained, calibration=None, open_set=None)
    card = make_card(plain, FACTS)
    assert "The model gives scores and no probabilities" in card
    assert "It has no threshold for unknown clips" in card


def test_the_golden_models_have_cards():
    from pathlib import Path

    folder = Path(__file__).parents[1] / "golden"
    models = sorted(folder.glob("model-*.safetensors"))
    assert models
    for path in models:
        assert "## Limits" in make_card(load_model(path), FACTS)
