"""The table of metrics: what is in it is shown everywhere, and a new row needs nothing else."""

import json
import re
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.cli.report_tables import show_report
from gmmaudio.evaluation import (
    METRICS,
    Metric,
    MetricInput,
    Protocol,
    ScoredClip,
    cavg,
    compute_metrics,
    detection_llrs,
    make_report,
    render_html,
)
from gmmaudio.evaluation.csv_tables import tables
from gmmaudio.evaluation.intervals import weighted_interval
from gmmaudio.evaluation.metrics import metrics_markdown, shown_metrics

LABELS = ["a", "b", "c"]
PROTOCOL = Protocol("by hand", "group", 0, ("1",), 1, tuple(LABELS), ())


def scored_clips(n=24, seed=0, calibrated=True):
    """Return random predictions, most of them right."""
    rng = np.random.default_rng(seed)
    clips = []
    for i in range(n):
        label = LABELS[i % 3]
        scores = {name: float(rng.normal() + 2 * (name == label)) for name in LABELS}
        total = sum(np.exp(list(scores.values())))
        probability = {name: float(np.exp(score) / total) for name, score in scores.items()}
        place = (f"{i}.wav", (f"{i}.wav",), label, f"g{i // 2}", f"g{i // 2}", None, "1", 0)
        clips.append(ScoredClip(*place, max(scores, key=scores.get), scores, probability if calibrated else None))
    return clips


# metrics of predictions that have an open-set threshold
OPEN_SET = {"coverage", "selective_accuracy", "out_of_set_recall"}


def test_the_open_set_is_counted_by_hand():
    clips = [replace(clip, rejected=i % 4 == 0) for i, clip in enumerate(scored_clips())]
    out_of_set = [replace(clip, label="z", rejected=i < 3) for i, clip in enumerate(clips[:5])]
    report = make_report(clips, LABELS, PROTOCOL, out_of_set=out_of_set)
    accepted = [clip for clip in clips if not clip.rejected]
    values = report.metrics.values
    assert values["coverage"] == len(accepted) / len(clips)
    assert values["selective_accuracy"] == pytest.approx(np.mean([clip.correct for clip in accepted]), rel=1e-15)
    assert values["out_of_set_recall"] == 3 / 5
    for name in ("coverage", "selective_accuracy"):
        low, high = report.intervals[name]
        assert low < values[name] < high
    # clips of unknown labels are in no other metric
    plain = make_report([replace(clip, rejected=None) for clip in clips], LABELS, PROTOCOL)
    assert {name: value for name, value in values.items() if name not in OPEN_SET} == plain.metrics.values
    assert [row["label"] for row in report.to_dict()["out_of_set"]] == ["z"] * 5
    assert len(tables(report)["out_of_set"]) == 6


def test_where_all_clips_are_called_unknown_the_rest_has_no_accuracy():
    report = make_report([replace(clip, rejected=True) for clip in scored_clips()], LABELS, PROTOCOL)
    assert (report.metrics.values["coverage"], report.metrics.values["selective_accuracy"]) == (0.0, None)


@pytest.mark.parametrize("rejected", [False, True])
def test_a_coverage_of_all_or_nothing_has_the_exact_interval(rejected):
    clips = [replace(clip, rejected=rejected) for clip in scored_clips()]
    report = make_report(clips, LABELS, PROTOCOL)
    n_groups = 1 / sum((n / len(clips)) ** 2 for n in Counter(clip.unit for clip in clips).values())
    low, high = report.intervals["coverage"]
    # Clopper and Pearson: the share at which n of n groups are seen once in 40 times
    edge = 0.025 ** (1 / n_groups)
    assert (low, high) == pytest.approx((0.0, 1 - edge) if rejected else (edge, 1.0), abs=1e-12)
    alone = make_report([replace(clip, unit="one") for clip in clips], LABELS, PROTOCOL)
    assert alone.intervals["coverage"] is None


def test_names_are_unique_and_no_other_key_of_the_json():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    report = make_report(scored_clips(), [*LABELS, "d"], PROTOCOL)
    others = set(report.to_dict()) - set(report.metrics.values)
    assert not set(names) & others
    assert set(names) - OPEN_SET == set(report.metrics.values)


def test_every_metric_is_explained_and_shown_somewhere_besides_the_files():
    for metric in METRICS:
        assert metric.unit in ("%", "bits", "nats", "")
        assert metric.direction in ("higher", "lower")
        assert len(metric.explanation) > 20
        assert not metric.explanation.endswith(".")
        assert {"headline", "page"} & set(metric.shown), "every metric is on the page"


def test_predictions_lack_what_they_cannot_have():
    clips = scored_clips()
    decisions = [
        ScoredClip(**{f.name: getattr(c, f.name) for f in fields(c)} | {"scores": {}, "probability": None})
        for c in clips
    ]
    counts = {"accuracy", "balanced_accuracy", "macro_f1"}
    assert set(make_report(decisions, LABELS, PROTOCOL).metrics.values) == counts
    names = {metric.name for metric in METRICS} - OPEN_SET
    scores = make_report(scored_clips(calibrated=False), LABELS, PROTOCOL).metrics
    assert set(scores.values) == names - {"log_loss", "ece", "top_3_accuracy"}
    one_label = [clip for clip in clips if clip.label == "a"]
    assert set(make_report(one_label, LABELS, PROTOCOL).metrics.values) == counts | {
        "top_2_accuracy",
        "aurc",
        "log_loss",
        "ece",
    }
    assert set(make_report(clips, [*LABELS, "d"], PROTOCOL).metrics.values) == names


def test_metrics_that_have_an_interval_are_those_of_the_table():
    metrics = make_report(scored_clips(), LABELS, PROTOCOL).metrics
    assert set(metrics.intervals) == {metric.name for metric in METRICS if metric.interval} - OPEN_SET
    for name, (low, high) in metrics.intervals.items():
        assert low < metrics.values[name] < high, name


def test_arrays_are_those_of_the_clips():
    clips = scored_clips(6)
    data = MetricInput.of(clips, LABELS)
    assert [data.labels[i] for i in data.columns] == [clip.label for clip in clips]
    assert [data.labels[i] for i in data.predicted] == [clip.predicted for clip in clips]
    np.testing.assert_array_equal(data.scores, [[clip.scores[label] for label in LABELS] for clip in clips])
    np.testing.assert_array_equal(data.log_likelihoods, np.log(data.probabilities))
    assert data.confusion.sum() == 6
    assert data.weights is None


TOY = Metric(
    "share_of_a",
    "Share of a",
    unit="%",
    direction="higher",
    explanation="share of the clips that are predicted to be the first label",
    function=lambda data: float(np.average(data.predicted == 0, weights=data.weights)),
    interval="logit",
)


@pytest.fixture
def with_toy(monkeypatch):
    monkeypatch.setattr("gmmaudio.evaluation.metrics.METRICS", (*METRICS, TOY))


@pytest.mark.usefixtures("with_toy")
def test_a_metric_added_to_the_table_is_in_json_csv_page_console_and_guide(capsys):
    clips = scored_clips()
    report = make_report(clips, LABELS, PROTOCOL)
    share = float(np.mean([clip.predicted == "a" for clip in clips]))
    right = np.array([clip.predicted == "a" for clip in clips])
    truth = [clip.label for clip in clips], [clip.unit for clip in clips]
    pair = weighted_interval(lambda w: np.average(right, weights=w), *truth, np.random.default_rng(0), scale="logit")
    plain = json.loads(json.dumps(report.to_dict()))
    assert (plain["share_of_a"], plain["intervals"]["share_of_a"]) == (share, list(pair))
    assert ("share_of_a", share, *pair) in tables(report)["metrics"]
    page = render_html(report, "toy")
    row = re.search(r'<tr><th scope="row">Share of a</th>.*?</tr>', page)[0]
    assert f"{100 * share:.1f} %" in row
    assert TOY.explanation in row
    assert f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f} %" in row
    show_report(report)
    assert f"Share of a {100 * share:.1f} %" in capsys.readouterr().out
    assert f"| Share of a | `share_of_a` | % | higher | yes | {TOY.explanation} |" in metrics_markdown()


def test_a_metric_of_counts_gets_its_interval_from_the_draws_of_accuracy(monkeypatch):
    mirror = Metric(
        "error_rate",
        "Error rate",
        unit="%",
        direction="lower",
        explanation="share of clips that are not correctly classified",
        function=lambda data: 1 - METRICS[0].function(data),
        interval="share",
        shown=("headline",),
    )
    monkeypatch.setattr("gmmaudio.evaluation.metrics.METRICS", (*METRICS, mirror))
    report = make_report(scored_clips(), LABELS, PROTOCOL)
    low, high = report.intervals["accuracy"]
    assert report.intervals["error_rate"] == pytest.approx((1 - high, 1 - low), rel=1e-9)
    assert ">Error rate</dt>" in render_html(report, "toy")


def test_an_undefined_value_is_null_and_a_missing_one_is_left_out(monkeypatch):
    rows = [
        Metric(name, name, "", "lower", "a metric that cannot be computed here", lambda data, v=value: v, scale)
        for name, value, scale in (
            ("undefined", np.nan, "linear"),
            ("infinite", np.inf, None),
            ("missing", None, "log"),
        )
    ]
    monkeypatch.setattr("gmmaudio.evaluation.metrics.METRICS", (*METRICS, *rows))
    metrics = make_report(scored_clips(), LABELS, PROTOCOL).metrics
    assert (metrics.values["undefined"], metrics.values["infinite"]) == (None, None)
    assert metrics.intervals["undefined"] is None
    assert "missing" not in metrics.values
    assert "missing" not in metrics.intervals


def test_places_show_what_the_table_says():
    assert [metric.name for metric in shown_metrics("console")] == [
        *("macro_f1", "top_3_accuracy", "log_loss", "ece", "eer", "cavg", "min_cavg", "cllr", "min_cllr"),
        *("coverage", "selective_accuracy", "out_of_set_recall"),
    ]


def test_values_are_shown_with_their_unit():
    texts = {metric.name: metric.text(0.25) for metric in METRICS}
    assert (texts["accuracy"], texts["cllr"], texts["log_loss"], texts["cavg"]) == (
        *("25.0 %", "0.250 bits", "0.250 nats", "0.250"),
    )
    assert METRICS[0].text(np.nan) == METRICS[0].text(None) == "–"


class CancelledError(Exception):
    """Raised by a progress that is stopped."""


def recording(stages):
    def progress(items, total, doing):
        seen = 0
        for item in items:
            seen += 1
            yield item
        stages.append((doing, total, seen))

    return progress


def test_progress_counts_every_draw_and_changes_no_number():
    clips, stages = scored_clips(), []
    report = make_report(clips, LABELS, PROTOCOL, progress=recording(stages))
    assert report.to_dict() == make_report(clips, LABELS, PROTOCOL).to_dict()
    assert [(doing, total) for doing, total, _ in stages].count(("bootstrap", 500)) == 3, "cavg, cllr and log-loss"
    assert all(total == seen for _, total, seen in stages)
    assert {doing for doing, *_ in stages} == {"bootstrap"}


def test_an_exception_in_progress_stops_the_bootstrap():
    def progress(items, _total, _doing):
        for i, item in enumerate(items):
            if i == 3:
                raise CancelledError
            yield item

    with pytest.raises(CancelledError):
        make_report(scored_clips(), LABELS, PROTOCOL, progress=progress)


def test_the_guide_holds_the_table():
    guide = Path(__file__).parent.parent.parent / "docs" / "evaluation.md"
    assert metrics_markdown() in guide.read_text(encoding="utf-8")


def test_the_template_of_the_guide_for_contributors_runs(monkeypatch):
    text = (Path(__file__).parent.parent.parent / "docs" / "contributing.md").read_text(encoding="utf-8")
    section = text.split("## Add a metric\n")[1].split("\n## ")[0]
    row, function = re.findall(r"```python\n(.*?)```", section, re.S)
    names = {"np": np, "Metric": Metric, "MetricInput": MetricInput, "Floats": np.ndarray}
    exec(function, names)  # noqa: S102 (the template of our own guide)
    added = eval(row, names)  # noqa: S307
    monkeypatch.setattr("gmmaudio.evaluation.metrics.METRICS", (*METRICS, added))
    report = make_report(scored_clips(), LABELS, PROTOCOL)
    counts = report.confusion
    shares = [1 - (counts[:, i].sum() - counts[i, i]) / (counts.sum() - counts[i].sum()) for i in range(3)]
    assert report.metrics.values["specificity"] == pytest.approx(np.mean(shares))
    low, high = report.intervals["specificity"]
    assert low < report.metrics.values["specificity"] < high
    assert "Mean specificity" in render_html(report, "template")


def test_the_interval_of_cavg_stays_between_0_and_1():
    rng = np.random.default_rng(3)
    scores = [{name: float(rng.normal() + 6 * (name == "ab"[i % 2])) for name in "ab"} for i in range(60)]
    scores[0] = {"a": -1.0, "b": 1.0}
    clips = [
        ScoredClip(str(i), (f"{i}.wav",), "ab"[i % 2], None, f"g{i}", None, "", 0, max(row, key=row.get), row)
        for i, row in enumerate(scores)
    ]
    low, high = compute_metrics(clips, ["a", "b"]).intervals["cavg"]
    rows = np.array([[row["a"], row["b"]] for row in scores])
    llrs, true = detection_llrs(rows), np.arange(60) % 2

    def statistic(weights):
        return cavg(llrs, true, weights=weights)

    given = [c.label for c in clips], [c.unit for c in clips]
    assert (low, high) == weighted_interval(statistic, *given, np.random.default_rng(0), scale="logit")
    assert 0 < low < cavg(llrs, true) < high
    assert weighted_interval(statistic, *given, np.random.default_rng(0))[0] < 0, (
        "on the plain scale it leaves the costs"
    )
