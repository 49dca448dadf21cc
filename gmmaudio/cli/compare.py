"""``gmmaudio compare``: the paired comparison of two evaluations of the same clips."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options
from gmmaudio.cli.flags import with_flags
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.findings import Finding, at_level
from gmmaudio.json_text import to_json
from gmmaudio.names import respell
from gmmaudio.values import shown

if TYPE_CHECKING:
    from gmmaudio.evaluation import Comparison
    from gmmaudio.evaluation.comparison import ChangedClip

N_LISTED = 20
N_NAMED = 3
SAME_PROTOCOL = ("scheme", "trial_s")

Key = tuple[str, int]


@dataclass(frozen=True)
class Evaluation:
    """An evaluation, as ``evaluate`` or ``crossval`` wrote it.

    Parameters
    ----------
    path : Path
        Its file.
    clips : mapping of (str, int) to mapping
        Name and repeat -> the clip as it was written.
    protocol : mapping
        How the predictions were made; empty where unknown.
    warnings : tuple of str
        Its alarms and warnings.
    hashes : mapping of str to str
        Path -> SHA-256 of its samples, where that is known.
    root : str
        Folder that the paths are relative to, where that is known.
    """

    path: Path
    clips: Mapping[Key, Mapping[str, Any]]
    protocol: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    root: str = ""

    @property
    def paths(self) -> Iterator[str]:
        """The files of the clips, as they are written."""
        for clip in self.clips.values():
            paths = clip.get("paths")
            for path in paths if isinstance(paths, list) else [clip.get("path")]:
                if isinstance(path, str):
                    yield path


@click.command(name="compare")
@click.argument("a", type=options.FILE)
@click.argument("b", type=options.FILE)
@click.option("--json", "json_path", type=options.FILE, metavar="FILE", help="Write everything as JSON; - is stdout.")
@options.quiet
def command(a: Path, b: Path, json_path: Path | None, is_quiet: bool) -> None:
    """Compare A.json with B.json: two evaluations of the same clips, as --json of evaluate and crossval writes them."""
    from gmmaudio.cli.console import say
    from gmmaudio.cli.output_paths import OutputPaths
    from gmmaudio.cli.progress_display import show_progress
    from gmmaudio.evaluation import compare
    from gmmaudio.names import printable
    from gmmaudio.outputs import write_together

    outputs = OutputPaths({"--json": None if str(json_path) == "-" else json_path})
    outputs.check(a, b)
    first = respell_evaluation(read_evaluation(a))
    second = respell_evaluation(read_evaluation(b), first)
    for side in (first, second):
        outputs.keep_named(side.paths, "", side.root)
    keys, warnings = pair_clips(first, second)
    for warning in warnings:
        say(f"warning: {warning}")
    rows = [first.clips[key] for key in keys]
    with show_progress(is_quiet=is_quiet) as progress:
        comparison = compare(
            names=[name for name, _ in keys],
            true=[clip["label"] for clip in rows],
            units=[resampling_unit(clip) for clip in rows],
            predicted_a=[clip["predicted"] for clip in rows],
            predicted_b=[second.clips[key]["predicted"] for key in keys],
            repeats=[repeat for _, repeat in keys],
            progress=progress,
        )
    text = to_json(to_dict(comparison, first, second, warnings), indent=1)
    if str(json_path) == "-":
        click.echo(text)
        return
    if json_path is not None:
        write_together([(json_path, text.encode("utf-8"))])
        say(f"wrote {json_path}")
    for line in comparison_lines(comparison, first, second):
        click.echo(printable(line))


def read_evaluation(path: Path) -> Evaluation:
    """Return an evaluation from its JSON file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    CorpusError
        If it cannot be read, is no JSON of a report, or names a clip twice.
    """
    from gmmaudio.evaluation.report_file import EXPECTED, read_report

    document = read_report(path)
    rows = document.get("clips")
    if not isinstance(rows, list) or not all(map(_is_clip, rows)):
        raise CorpusError(f"{path}: has no list of clips with name, label and predicted; {EXPECTED}")
    if not rows:
        raise CorpusError(f"{path}: has no clips; {EXPECTED}")
    clips: dict[Key, Mapping[str, Any]] = {}
    for row in rows:
        key = row["name"], row.get("repeat", 0)
        if key in clips:
            raise CorpusError(f"{path}: names clip {key[0]} twice in repeat {key[1]}; {EXPECTED}")
        clips[key] = row
    protocol, run = document.get("protocol"), document.get("run")
    root = run.get("root") if isinstance(run, dict) else None
    return Evaluation(
        path,
        clips,
        protocol if isinstance(protocol, dict) else {},
        _warnings(document),
        _hashes(run),
        root if isinstance(root, str) else "",
    )


def _warnings(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the alarms and warnings of a report, options by their flags; what is none of them is left out."""
    rows = document.get("findings")
    findings = []
    for row in rows if isinstance(rows, list) else []:
        with contextlib.suppress(TypeError, SettingError):
            findings.append(Finding.of(row))
    return tuple(with_flags(str(finding)) for finding in at_level(findings, "alarm", "warning"))


def _hashes(run: object) -> dict[str, str]:
    """Return the content hashes of a recorded run; nothing where there are none."""
    rows = run.get("manifest") if isinstance(run, dict) else None
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {str(row.get("path")): row["sha256"] for row in known if isinstance(row.get("sha256"), str)}


def _is_clip(row: object) -> bool:
    """Return whether a row has the keys that a comparison needs."""
    if not isinstance(row, dict) or type(row.get("repeat", 0)) is not int:
        return False
    return all(isinstance(row.get(key), str) for key in ("name", "label", "predicted"))


def respell_evaluation(side: Evaluation, known: Evaluation | None = None) -> Evaluation:
    """Return an evaluation whose clips, labels and units have one spelling for each NFC form.

    Parameters
    ----------
    side : Evaluation
        As it was read.
    known : Evaluation or None
        Evaluation whose spelling goes before.
    """
    clips, before = list(side.clips.values()), list(known.clips.values()) if known else []
    spelt = {
        name: respell([read(clip) for clip in clips], [read(clip) for clip in before])
        for name, read in (("name", itemgetter("name")), ("unit", resampling_unit))
    }
    labels = respell(
        [clip[key] for clip in clips for key in ("label", "predicted")],
        [clip[key] for clip in before for key in ("label", "predicted")],
    )
    keys = [(name, repeat) for name, (_, repeat) in zip(spelt["name"], side.clips, strict=True)]
    if len(set(keys)) < len(keys):
        # two files whose names differ by the normal form alone are two clips
        keys = list(side.clips)
    respelt = [
        clip | {"label": labels[2 * i], "predicted": labels[2 * i + 1], "unit": spelt["unit"][i]}
        for i, clip in enumerate(map(dict, clips))
    ]
    hashes = zip(respell(side.hashes, known.hashes if known else ()), side.hashes.values(), strict=True)
    return replace(side, clips=dict(zip(keys, respelt, strict=True)), hashes=dict(hashes))


def resampling_unit(clip: Mapping[str, Any]) -> str:
    """Return the unit that the bootstrap draws: older files have no ``unit``, so the group, or the file.

    Parameters
    ----------
    clip : mapping
        A clip of a report's JSON.

    Examples
    --------
    >>> resampling_unit({"name": "c", "group": None, "paths": ["a.wav", "b.wav"]})
    'file a.wav'
    """
    for key in ("unit", "group"):
        if clip.get(key) is not None:
            return str(clip[key])
    paths = clip.get("paths")
    path = paths[0] if isinstance(paths, list) and paths else clip.get("path", clip["name"])
    return f"file {path}"


def pair_clips(a: Evaluation, b: Evaluation) -> tuple[list[Key], list[str]]:
    """Return the clips that both evaluations have, in order, and warnings where the evaluations differ.

    Parameters
    ----------
    a, b : Evaluation
        Of the same clips.

    Raises
    ------
    SettingError
        If one has clips that the other has not, or they differ in a true label.
    """
    only_a, only_b = sorted(a.clips.keys() - b.clips.keys()), sorted(b.clips.keys() - a.clips.keys())
    if only_a or only_b:
        raise SettingError(
            f"the clips differ: {_some(only_a, 'only in A')}; {_some(only_b, 'only in B')}; compare two evaluations "
            "of the same clips"
        )
    keys = sorted(a.clips)
    labels = [key for key in keys if a.clips[key]["label"] != b.clips[key]["label"]]
    if labels:
        label_a, label_b = (side.clips[labels[0]]["label"] for side in (a, b))
        raise SettingError(
            f"true labels differ for {_some(labels, 'of the clips')}: the first is {label_a} in A and {label_b} in B; "
            "compare two evaluations of the same corpus"
        )
    warnings = [
        f"protocols differ: {name} is {shown(a.protocol.get(name))} in A and {shown(b.protocol.get(name))} in B"
        for name in SAME_PROTOCOL
        if a.protocol.get(name) != b.protocol.get(name)
    ]
    shared = sorted(a.hashes.keys() & b.hashes.keys())
    changed = [(path, 0) for path in shared if a.hashes[path] != b.hashes[path]]
    if changed and a.protocol.get("settings") == b.protocol.get("settings"):
        warnings.append(f"the audio differs under the same name: {_some(changed, 'files')}")
    warnings += [f"{name}: {text}" for name, side in (("A", a), ("B", b)) for text in side.warnings]
    regrouped = [key for key in keys if resampling_unit(a.clips[key]) != resampling_unit(b.clips[key])]
    if regrouped:
        warnings.append(f"groups differ for {_some(regrouped, 'of the clips')}; those of A are used")
    return keys, warnings


def _some(keys: Sequence[Key], where: str) -> str:
    """Return the number of keys, and the first of them.

    Examples
    --------
    >>> _some([("a", 0), ("b", 2)], "only in A")
    '2 only in A (a, b in repeat 2)'
    """
    shown = [name + (f" in repeat {repeat}" if repeat else "") for name, repeat in keys[:N_NAMED]]
    shown += ["..."] if len(keys) > N_NAMED else []
    return f"{len(keys)} {where}" + (f" ({', '.join(shown)})" if shown else "")


def to_dict(comparison: Comparison, a: Evaluation, b: Evaluation, warnings: Sequence[str]) -> dict[str, Any]:
    """Return plain values for JSON.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    a, b : Evaluation
        The two evaluations.
    warnings : sequence of str
        Differences between the evaluations, and the alarms and warnings of each.
    """
    protocols = {"a": dict(a.protocol), "b": dict(b.protocol)}
    changed = [asdict(clip) | {"became": clip.became} for clip in comparison.changed]
    files = {"a": str(a.path), "b": str(b.path)}
    return (
        {"files": files, "headline": comparison.headline}
        | asdict(comparison)
        | {
            "changed": changed,
            "protocols": protocols,
            "warnings": list(warnings),
        }
    )


def comparison_lines(comparison: Comparison, a: Evaluation, b: Evaluation) -> list[str]:
    """Return the text of a comparison, line by line.

    Parameters
    ----------
    comparison : Comparison
        The comparison.
    a, b : Evaluation
        The two evaluations.
    """
    repeats = f", {comparison.n_repeats} repeats" if comparison.n_repeats > 1 else ""
    first = ", first repeat only" if comparison.n_repeats > 1 else ""
    lines = [f"{name}: {side.path}{_command(side)}" for name, side in (("A", a), ("B", b))]
    lines += [
        f"{comparison.n} clips, {comparison.n_groups} groups{repeats}",
        "",
        f"{'':<18}{'A':>8}{'B':>8}{'B - A':>8}  95 % interval",
        _row("accuracy", comparison.accuracy_a, comparison.accuracy_b, comparison.interval),
        _row(
            "balanced accuracy",
            comparison.balanced_accuracy_a,
            comparison.balanced_accuracy_b,
            comparison.balanced_interval,
        ),
        "",
        comparison.headline,
        f"Group-level permutation test: p = {comparison.permutation_p:.2g} (exact; valid where clips of a group are "
        "dependent)",
        f"McNemar: p = {comparison.mcnemar_p:.2g} (exact; correct only in A: {comparison.only_a_right}, only in B: "
        f"{comparison.only_b_right}{first}; assumes that clips are independent)",
        "",
        f"{len(comparison.changed)} predictions changed{':' * bool(comparison.changed)}",
    ]
    lines += [_line(clip) for clip in comparison.changed[:N_LISTED]]
    if len(comparison.changed) > N_LISTED:
        lines.append(f"  and {len(comparison.changed) - N_LISTED} more; --json has them all")
    return lines


def _command(side: Evaluation) -> str:
    """Return the command of an evaluation, in brackets, where it is known."""
    line = side.protocol.get("command")
    return f" ({line})" if line else ""


def _row(name: str, a: float, b: float, interval: tuple[float, float] | None) -> str:
    """Return a line of the table, in per cent and percentage points.

    Examples
    --------
    >>> _row("accuracy", 0.5, 0.75, (0.1, 0.4))
    'accuracy             50.0 %  75.0 %   +25.0  +10.0 to +40.0'
    """
    between = "none: one group only" if interval is None else " to ".join(f"{100 * end:+.1f}" for end in interval)
    return f"{name:<18}{100 * a:>7.1f} %{100 * b:>6.1f} %{100 * (b - a):>+8.1f}  {between}"


def _line(clip: ChangedClip) -> str:
    """Return the line of a clip that changed."""
    repeat = f" in repeat {clip.repeat}" if clip.repeat else ""
    became = clip.became if clip.became == "wrong otherwise" else f"became {clip.became}"
    return f"  {became}: {clip.name}{repeat}, {clip.label}: A {clip.predicted_a}, B {clip.predicted_b}"
