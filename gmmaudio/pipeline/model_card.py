"""Model cards: a model and the reports on it, in words that a reader without this program understands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmmaudio import __version__
from gmmaudio.evaluation.metrics import METRICS
from gmmaudio.features import describe
from gmmaudio.findings import sort_findings
from gmmaudio.models import Calibration, Model, find_kind
from gmmaudio.models.file import model_sha256
from gmmaudio.names import printable
from gmmaudio.pipeline.card_reports import CardReport, interval_of, number_of
from gmmaudio.pipeline.front_matter import front_matter

# characters that Markdown or HTML would take for markup
MARKUP = re.compile(r"([\\`*_\[\]<>|&~$#])")
# metrics in the head of the file, with the name that the hub has for them
HUB_METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "macro_f1": "f1"}
SHOWN_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece", "coverage", "selective_accuracy")
# tables of a report: what stands above each
SLICES = {
    "durations": "The same clips, cut to shorter ones:",
    "robustness": "The same clips, degraded before they were classified:",
    "source": "By source of the recordings:",
}
# below this recall a label is named among the limits; and so is one of fewer groups
LOW_RECALL, FEW_GROUPS = 0.6, 3
# confusions of labels that are named
MOST_CONFUSIONS = 3
OPEN = "Not known: "


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """Facts that only the maker of a model knows.

    Parameters
    ----------
    name : str
        Name of the model.
    file_name : str
        Name of the model's file, for the commands.
    license : str or None
        Identifier of the licence of the model.
    datasets : tuple of str
        Names of the data sets that it was trained on.
    tags : tuple of str
        More words under which it is found.
    use : str or None
        What it is meant for, in words.
    """

    name: str
    file_name: str
    license: str | None = None
    datasets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    use: str | None = None


def make_card(model: Model, facts: CardFacts, reports: Sequence[CardReport] = ()) -> str:
    """Return the card of a model as Markdown, with the front matter that Hugging Face reads.

    What is not known is said to be missing. Nothing is in it that neither the model's file, nor a report, nor ``facts``
    holds, but for general warnings on any such model.

    Parameters
    ----------
    model : Model
        The model.
    facts : CardFacts
        What only its maker knows.
    reports : sequence of CardReport
        Reports that belong to it, from :func:`gmmaudio.pipeline.card_reports.match_report`.

    References
    ----------
    Mitchell et al., "Model cards for model reporting", FAT* (2019).

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> card = make_card(model, CardFacts(name="My music", file_name="my_music.gmm"))
    >>> card.splitlines()[:4]
    ['---', 'library_name: "gmmaudio"', 'pipeline_tag: "audio-classification"', 'tags:']
    >>> "no report was given" in card
    True
    """
    sections = {
        "What it was trained on": _training(model, facts),
        "How often it is right": _results(model, reports),
        "Probabilities, and clips of no known label": _confidence(model, reports),
        "Other conditions": _conditions(reports),
        "Limits": _limits(model, reports),
        "Intended use": _use(facts),
        "How to use it": _commands(model, facts),
        "How it was made": _making(model),
    }
    labels = _and([f"**{_md(label)}**" for label in model.scorer.labels])
    parts = [
        front_matter(_metadata(facts, reports)),
        f"# {_md(facts.name)}",
        f"A model that tells by its sound which of {len(model.scorer.labels)} labels a recording has: {labels}.",
    ]
    for title, lines in sections.items():
        parts += [f"## {title}", *lines]
    return "\n\n".join(parts) + "\n"


def _metadata(facts: CardFacts, reports: Sequence[CardReport]) -> dict[str, Any]:
    """Return the front matter as plain values."""
    results = [result for report in reports for result in _hub_results(report, facts)]
    index = [{"name": facts.name, "results": results}] if results else None
    measured = [name for name in HUB_METRICS.values() if any(_has(results, name))]
    return {
        "library_name": "gmmaudio",
        "pipeline_tag": "audio-classification",
        "license": facts.license,
        "tags": list(dict.fromkeys(["audio", "gaussian-mixture-model", *facts.tags])),
        "datasets": list(facts.datasets),
        "metrics": measured,
        "model-index": index,
    }


def _has(results: Iterable[Mapping[str, Any]], name: str) -> Iterator[bool]:
    """Yield for every result whether it has a metric."""
    return (any(metric["type"] == name for metric in result["metrics"]) for result in results)


def _hub_results(report: CardReport, facts: CardFacts) -> Iterator[dict[str, Any]]:
    """Yield the result of a report as the hub has it, where there are metrics."""
    corpus = report.corpus or "not recorded"
    metrics = []
    left_out = report.left_out()
    # first what holds for new recordings
    for part in (left_out, report) if left_out else (report,):
        for name, hub_name in HUB_METRICS.items():
            value = part.number(name)
            if value is not None:
                title = next(metric.title for metric in METRICS if metric.name == name)
                metrics.append({"type": hub_name, "value": round(value, 4), "name": f"{title}, {_scheme(part)}"})
    if metrics:
        # a cross-validation is of the training data; of what else was evaluated, the folder alone is known
        is_of_training = bool(facts.datasets) and not report.is_of_file
        dataset = {"type": facts.datasets[0] if is_of_training else corpus, "name": corpus}
        yield {"task": {"type": "audio-classification"}, "dataset": dataset, "metrics": metrics}


def _training(model: Model, facts: CardFacts) -> list[str]:
    """Return the paragraphs on the training data."""
    training = model.training
    rows = []
    for label in model.scorer.labels:
        clips = [clip for clip in training.clips if clip.label == label]
        groups = {clip.group for clip in clips} - {None}
        rows.append((label, str(len(clips)), str(len(groups) or "not known"), f"{training.seconds[label] / 60:.1f}"))
    groups = {clip.group for clip in training.clips} - {None}
    by = f", by the column {_md(training.group_by)}" if training.group_by else ""
    known = f"{len(groups)} groups{by}" if groups else "groups not known"
    total = f"{len(training.clips)} clips, {known}, {sum(training.seconds.values()) / 60:.1f} minutes in all."
    named = [_md(name) for name in facts.datasets]
    source = f"The data: {_and(named)}." if named else f"{OPEN}which recordings these are, and under what licence."
    lines = [
        _table(("label", "clips", "groups", "minutes"), rows),
        f"{total} A group is what must not be both trained on and tested: an artist, an album, a speaker.",
        source,
    ]
    if training.augment:
        lines.append(f"Degraded copies of the clips were trained on as well: {_and(training.augment)}.")
    warnings = [finding for finding in sort_findings(training.findings) if finding.level in ("alarm", "warning")]
    if warnings:
        lines += ["Warnings of the training run:", _list(_md(finding.text) for finding in warnings)]
    return lines


def _results(model: Model, reports: Sequence[CardReport]) -> list[str]:
    """Return the numbers of the reports, each with its protocol and interval."""
    if not reports:
        return [
            f"{OPEN}no report was given to this card. The command ``gmmaudio crossval`` measures models of the same "
            "settings, and ``gmmaudio evaluate`` this one on clips that it was not trained on."
        ]
    return [line for report in reports for line in _result(model, report)]


def _result(model: Model, report: CardReport) -> list[str]:
    """Return the numbers of a report."""
    n_clips = number_of(report.values.get("n")) or 0
    corpus = f"the corpus {_md(report.corpus)}" if report.corpus else "a corpus that is not recorded"
    lines = [f"**{_md(_scheme(report))}**, {n_clips:.0f} clips of {corpus} (from {_md(report.name)})."]
    if report.is_of_file:
        lines.append("The file of this model was evaluated: its hash is the one in the report.")
        if report.n_known:
            lines.append(
                f"{report.n_known} of its training clips are among those of the report: for these it is better than "
                "for others, and the numbers are too good."
            )
    else:
        lines.append(
            "Not the file of this model was evaluated, but models of the same settings, each trained on a part of the "
            f"clips and scored on the others. Of the {len(model.training.clips)} clips that this model was trained on, "
            f"{report.n_known} are in that corpus, by the hash of their samples."
        )
    left_out = report.left_out()
    if left_out is not None:
        n_clips = number_of(left_out.values.get("n")) or 0
        lines += [
            f"On recordings of a new source ({_md(_scheme(left_out))}, {n_clips:.0f} clips of labels that have two):",
            *_numbers(left_out),
            "On new groups of sources that were trained on:",
        ]
    lines += _numbers(report)
    if report.unchecked:
        lines.append(f"Not checked: {_and(report.unchecked)}.")
    return lines


def _numbers(report: CardReport) -> list[str]:
    """Return the metrics of a report, and those of its labels, as tables."""
    rows = []
    for metric in METRICS:
        value, ends = report.number(metric.name), report.interval(metric.name)
        if metric.name in SHOWN_METRICS and value is not None:
            interval = "none" if ends is None else f"{metric.text(ends[0])} to {metric.text(ends[1])}"
            rows.append((metric.title, metric.text(value), interval, metric.explanation))
    labels = [
        (label, _percent(row.get("recall")), _percent(row.get("precision")), f"{number_of(row.get('n')) or 0:.0f}")
        for label, row in report.per_label().items()
    ]
    return [
        _table(("metric", "value", "95 % interval", "meaning"), rows),
        _table(("label", "found (recall)", "right where said (precision)", "clips"), labels),
    ]


def _confidence(model: Model, reports: Sequence[CardReport]) -> list[str]:
    """Return the paragraphs on probabilities and on the open-set threshold."""
    calibration, threshold = model.calibration, model.open_set
    if calibration is None:
        lines = ["The model gives scores and no probabilities: it was not calibrated."]
    else:
        lines = [
            f"Probabilities are calibrated ({calibration.method}) on {calibration.n} clips of {calibration.n_groups} "
            "groups that were left out in turn. They take all labels for equally frequent, and each clip to have one."
        ]
        lines += _of_other_sources(calibration)
    if model.vector_head is not None:
        frames = model.vector_head.frames
        lines.append(
            f"They are the mean of two: of the sound, and of vectors that {_md(repr(frames.rows_name))} makes of it "
            f"({frames.n_columns} numbers for each clip), with which a recording is classified. Whether that program "
            "was itself trained on these recordings is not known here."
        )
    parts = [part for report in reports for part in (report.left_out(), report) if part is not None]
    errors = [(part, part.number("ece")) for part in parts]
    known = [
        f"{100 * value:.1f} percentage points ({_md(_scheme(report))})" for report, value in errors if value is not None
    ]
    if known:
        lines.append(f"Mean difference between probability and accuracy: {_and(known)}.")
    elif calibration is not None:
        lines.append(f"{OPEN}how far they are off on new recordings; no report says so.")
    if threshold is None or threshold.threshold is None:
        lines.append(
            "It has no threshold for unknown clips: every clip gets one of the labels, also one of none of them."
        )
    else:
        auroc = (
            ""
            if threshold.auroc is None
            else (
                f" With each label left out in turn, a clip of a known label was above one of the label left out in "
                f"{100 * threshold.auroc:.0f} % of the comparisons (50 % is chance)."
            )
        )
        lines.append(
            'A clip that is far from all labels is answered with "unknown", at the price of up to '
            f"{100 * threshold.false_rejection:.0f} % of the clips that have a known label.{auroc}"
        )
    if model.familiarity is not None:
        lines.append(
            "Whether many recordings together score lower than groups that were held out in training, so that "
            f"probabilities are not to be trusted: {_md(model.familiarity.description)}."
        )
    return lines


def _of_other_sources(calibration: Calibration) -> list[str]:
    """Return the paragraphs on recordings of other sources than those that were trained on."""
    shift = calibration.source_shift
    if shift is None:
        return [
            f"{OPEN}of which recording sources the training clips are. The corpus did not say, so whether labels and "
            "sources can be told apart was not checked."
        ]
    lines = [f"Caveat: {_md(caveat.text)}." for caveat in shift.caveats]
    if shift.is_measured:
        lines.append(
            f"For recordings of other sources the class priors have a share of {100 * shift.prior_share:.0f} % in the "
            f"probabilities, learned by leaving out {shift.n_left_out} of {shift.n_sources} sources in turn."
        )
    return lines


def _conditions(reports: Sequence[CardReport]) -> list[str]:
    """Return accuracies by length, degradation and source."""
    lines = []
    for kind, text in SLICES.items():
        for report in reports:
            rows = [
                (
                    str(row.get("name", "")),
                    _percent(row.get("accuracy")),
                    _ends(row.get("interval")),
                    _count(row.get("n")),
                )
                for row in report.slices(kind)
            ]
            if rows:
                lines += [text, _table(("", "accuracy", "95 % interval", "clips"), rows)]
    if not any(report.slices("robustness") for report in reports):
        lines.append(
            f"{OPEN}what noise, band limits and lossy codecs do to it. The commands ``gmmaudio crossval`` and "
            "``gmmaudio evaluate`` measure it when asked for robustness."
        )
    return lines


def _limits(model: Model, reports: Sequence[CardReport]) -> list[str]:
    """Return the limits of the model, as far as they are known."""
    training = model.training
    groups = {label: {c.group for c in training.clips if c.label == label} - {None} for label in model.scorer.labels}
    few = [_md(label) for label, names in groups.items() if len(names) < FEW_GROUPS]
    limits = [
        "It knows these labels alone. Whatever else a recording is, it is measured against them.",
        "It knows the spectrum of short frames, and no words, melody or form. Recordings that were made in another way "
        "than those it was trained on (microphones, codecs) can be wrong more often than the numbers above say.",
    ]
    if few:
        limits.append(
            f"Fewer than {FEW_GROUPS} known groups in training, so that the label may stand for an artist or a "
            f"recording: {_and(few)}."
        )
    for report in reports:
        low = [
            f"{_md(label)} ({_percent(row.get('recall'))})"
            for label, row in report.per_label().items()
            if (number_of(row.get("recall")) or 0.0) < LOW_RECALL and number_of(row.get("n"))
        ]
        if low:
            limits.append(
                f"Less than {100 * LOW_RECALL:.0f} % of their clips are found ({_md(_scheme(report))}): {_and(low)}."
            )
        confused = [f"{_md(true)} taken for {_md(said)} ({n})" for true, said, n in _confusions(report)]
        if confused:
            limits.append(f"Most frequent confusions ({_md(_scheme(report))}): {_and(confused)}.")
        limits += [_md(text) for text in report.texts("alarm", "warning")]
    limits.append(f"A clip needs at least {training.min_duration_s:g} s of sound.")
    return [_list(limits)]


def _confusions(report: CardReport) -> list[tuple[str, str, int]]:
    """Return the pairs of labels that are confused most often: the true one, the predicted one, clips."""
    labels, matrix = report.values.get("labels"), report.values.get("confusion")
    if not (isinstance(labels, list) and isinstance(matrix, list)):
        return []
    counts: Counter[tuple[str, str]] = Counter()
    for true, row in zip(labels, matrix, strict=False):
        for said, n in zip(labels, row if isinstance(row, list) else [], strict=False):
            if true != said and number_of(n):
                counts[str(true), str(said)] = int(n)
    return [(true, said, n) for (true, said), n in counts.most_common(MOST_CONFUSIONS)]


def _use(facts: CardFacts) -> list[str]:
    """Return the use that the model is meant for, and those that no such model is for."""
    return [
        _md(facts.use) if facts.use else f"{OPEN}what its maker means it for.",
        "Not for decisions about people: a label is a guess, wrong as often as the numbers above say. A language "
        "or a genre says nothing about who somebody is, and the model does not identify speakers or artists.",
    ]


def _commands(model: Model, facts: CardFacts) -> list[str]:
    """Return the commands that use the model."""
    import shlex

    file = shlex.quote(facts.file_name)
    if model.features.is_given:
        return [
            "It takes rows of numbers that another program makes of a recording, and no sound: see "
            "``gmmaudio classify``."
        ]
    alone = f"gmmaudio classify {file} recording.wav\n" if model.vector_head is None else ""
    beside = "" if model.vector_head is None else ', vectors=gmmaudio.GivenVectors("vectors.npz")'
    return [
        f"It was made by gmmaudio {model.training.versions.get('gmmaudio', 'of a version that is not recorded')}.",
        f"```bash\n{alone}gmmaudio info {file}\n```",
        f"```python\nimport gmmaudio\n\nmodel = gmmaudio.load_model({facts.file_name!r})\n"
        f'for answer in gmmaudio.classify(model, ["recording.wav"]{beside}):\n    print(answer.label, '
        "answer.probability)\n```",
    ]


def _making(model: Model) -> list[str]:
    """Return the settings of the model."""
    training = model.training
    versions = ", ".join(f"{name} {number}" for name, number in training.versions.items()) or "not recorded"
    return [
        _list(
            [
                f"Model: {_md(find_kind(training.kind_settings.kind).describe(training.kind_settings))}; preset "
                f"{training.preset or 'none'}, seed {training.seed}",
                f"Front end: {_md(describe(model.features))}",
                f"Trained with: {_md(versions)}",
                f"SHA-256 of the file: {model_sha256(model)}",
                f"This card: made by gmmaudio {__version__} from the file of the model and the reports that it names.",
            ]
        )
    ]


def _scheme(report: CardReport) -> str:
    """Return the protocol of a report in words."""
    scheme = report.protocol.get("scheme")
    return scheme if isinstance(scheme, str) and scheme else "protocol not recorded"


def _percent(value: object) -> str:
    """Return a share in per cent."""
    share = number_of(value)
    return "–" if share is None else f"{100 * share:.1f} %"


def _ends(value: object) -> str:
    """Return an interval of shares in per cent."""
    ends = interval_of(value)
    return "none" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"


def _count(value: object) -> str:
    """Return a whole number."""
    number = number_of(value)
    return "–" if number is None else f"{number:.0f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *([_md(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(items: Iterable[str]) -> str:
    """Return a list of Markdown."""
    return "\n".join(f"- {item}" for item in items)


def _and(items: Sequence[str]) -> str:
    """Return items as a part of a sentence."""
    *others, last = items
    return f"{', '.join(others)} and {last}" if others else last


def _md(text: str) -> str:
    """Return a text in which nothing is markup, on one line."""
    return MARKUP.sub(r"\\\1", printable(" ".join(text.split())))
