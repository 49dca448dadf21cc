"""``gmmaudio compare``: two evaluations of the same clips -> how far apart they are."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gmmaudio.cli import options
from gmmaudio.cli.flags import with_flags
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.findings import Finding, at_level

if TYPE_CHECKING:
    from gmmaudio.evaluation import Comparison
    from gmmaudio.evaluation.comparison import ChangedClip

N_LISTED = 20
N_NAMED = 3
SAME_PROTOCOL = ("scheme", "trial_s")

Key = tuple[str, int]


@dataclass(frozen=True)
class Evaluation:
    """What ``evaluate`` or ``crossval`` wrote.

    Parameters
    ----------
    path : Path
        Where it was read.
    clips : mapping of (str, int) to mapping
        Name and repeat -> the clip as it was written.
    protocol : mapping
        How it was made; empty where unknown.
    warnings : tuple of str
        Its alarms and warnings.
    hashes : mapping of str to str
        Path -> SHA-256 of its sound, where that is known.
    """

    path: Path
    clips: Mapping[Key, Mapping[str, Any]]
    protocol: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)


@click.command(name="compare")
@click.argument("a", type=options.FILE)
@click.argument("b", type=options.FILE)
@click.option("--json", "json_path", type=options.FILE, metavar="FILE", help="Write everything as JSON; - is stdout.")
def command(a: Path, b: Path, json_path: Path | None) -> None:
    """Say whether B.json differs from A.json: two evaluations of the same clips, as --json of evaluate writes them."""
    from gmmaudio.cli.console import say
    from gmmaudio.cli.report_files import check_places
    from gmmaudio.evaluation import compare, printable
    from gmmaudio.files import check_writable, write_beside

    check_places([a, b], {"--json": json_path})
    if json_path is not None and str(json_path) != "-":
        check_writable(json_path)
    first, second = read_evaluation(a), read_evaluation(b)
    keys, warnings = pair(first, second)
    for warning in warnings:
        say(f"warning: {warning}")
    ours = [first.clips[key] for key in keys]
    found = compare(
        names=[name for name, _ in keys],
        true=[clip["label"] for clip in ours],
        units=[unit_of(clip) for clip in ours],
        predicted_a=[clip["predicted"] for clip in ours],
        predicted_b=[second.clips[key]["predicted"] for key in keys],
        repeats=[repeat for _, repeat in keys],
    )
    text = json.dumps(to_dict(found, first, second, warnings), indent=1, allow_nan=False)
    if str(json_path) == "-":
        click.echo(text)
        return
    if json_path is not None:
        with write_beside(json_path) as handle:
            handle.write(text.encode("utf-8"))
        say(f"wrote {json_path}")
    for line in lines_of(found, first, second):
        click.echo(printable(line))


def read_evaluation(path: Path) -> Evaluation:
    """Return an evaluation from its JSON file.

    Raises
    ------
    CorpusError
        If it cannot be read, is no such file, or names a clip twice.
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
    protocol = document.get("protocol")
    return Evaluation(
        path,
        clips,
        protocol if isinstance(protocol, dict) else {},
        _warnings(document),
        _hashes(document.get("run")),
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
    """Return whether a row has what a comparison needs."""
    if not isinstance(row, dict) or type(row.get("repeat", 0)) is not int:
        return False
    return all(isinstance(row.get(key), str) for key in ("name", "label", "predicted"))


def unit_of(clip: Mapping[str, Any]) -> str:
    """Return what the interval is drawn over: older files have no ``unit``, so the group, or the file.

    Examples
    --------
    >>> unit_of({"name": "c", "group": None, "paths": ["a.wav", "b.wav"]})
    'file a.wav'
    """
    for key in ("unit", "group"):
        if clip.get(key) is not None:
            return str(clip[key])
    paths = clip.get("paths")
    path = paths[0] if isinstance(paths, list) and paths else clip.get("path", clip["name"])
    return f"file {path}"


def pair(a: Evaluation, b: Evaluation) -> tuple[list[Key], list[str]]:
    """Return the clips that both evaluations have, in order, and warnings of what is not alike.

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
        ours, theirs = (side.clips[labels[0]]["label"] for side in (a, b))
        raise SettingError(
            f"true labels differ for {_some(labels, 'of the clips')}: the first is {ours} in A and {theirs} in B; "
            "compare two evaluations of the same corpus"
        )
    warnings = [
        f"protocols differ: {name} is {a.protocol.get(name)!r} in A and {b.protocol.get(name)!r} in B"
        for name in SAME_PROTOCOL
        if a.protocol.get(name) != b.protocol.get(name)
    ]
    shared = sorted(a.hashes.keys() & b.hashes.keys())
    other = [(path, 0) for path in shared if a.hashes[path] != b.hashes[path]]
    if other and a.protocol.get("settings") == b.protocol.get("settings"):
        warnings.append(f"the sound differs under the same name: {_some(other, 'files')}")
    warnings += [f"{name}: {text}" for name, side in (("A", a), ("B", b)) for text in side.warnings]
    regrouped = [key for key in keys if unit_of(a.clips[key]) != unit_of(b.clips[key])]
    if regrouped:
        warnings.append(f"groups differ for {_some(regrouped, 'of the clips')}; those of A are used")
    return keys, warnings


def _some(keys: Sequence[Key], where: str) -> str:
    """Return how many keys there are, and the first of them.

    Examples
    --------
    >>> _some([("a", 0), ("b", 2)], "only in A")
    '2 only in A (a, b in repeat 2)'
    """
    shown = [name + (f" in repeat {repeat}" if repeat else "") for name, repeat in keys[:N_NAMED]]
    shown += ["..."] if len(keys) > N_NAMED else []
    return f"{len(keys)} {where}" + (f" ({', '.join(shown)})" if shown else "")


def to_dict(found: Comparison, a: Evaluation, b: Evaluation, warnings: Sequence[str]) -> dict[str, Any]:
    """Return plain values for JSON."""
    made = {side: dict(own.protocol) for side, own in (("a", a), ("b", b))}
    figures = asdict(found)
    changed = [asdict(clip) | {"became": clip.became} for clip in found.changed]
    files = {"a": str(a.path), "b": str(b.path)}
    return (
        {"files": files, "headline": found.headline}
        | figures
        | {
            "changed": changed,
            "protocols": made,
            "warnings": list(warnings),
        }
    )


def lines_of(found: Comparison, a: Evaluation, b: Evaluation) -> list[str]:
    """Return the page, line by line."""
    repeats = f", {found.n_repeats} repeats" if found.n_repeats > 1 else ""
    first = ", first repeat only" if found.n_repeats > 1 else ""
    lines = [f"{name}: {side.path}{_command(side)}" for name, side in (("A", a), ("B", b))]
    lines += [
        f"{found.n} clips, {found.n_groups} groups{repeats}",
        "",
        f"{'':<18}{'A':>8}{'B':>8}{'B - A':>8}  95 % interval",
        _row("accuracy", found.accuracy_a, found.accuracy_b, found.interval),
        _row("balanced accuracy", found.balanced_accuracy_a, found.balanced_accuracy_b, found.balanced_interval),
        "",
        found.headline,
        f"Permutation test by group: p = {found.permutation_p:.2g} (exact; the one to trust where groups exist)",
        f"McNemar: p = {found.mcnemar_p:.2g} (exact; right only in A: {found.only_a_right}, only in B: "
        f"{found.only_b_right}{first}; takes clips as independent)",
        "",
        f"{len(found.changed)} predictions changed{':' * bool(found.changed)}",
    ]
    lines += [_line(clip) for clip in found.changed[:N_LISTED]]
    if len(found.changed) > N_LISTED:
        lines.append(f"  and {len(found.changed) - N_LISTED} more; --json has them all")
    return lines


def _command(side: Evaluation) -> str:
    """Return how an evaluation was made, in brackets, where that is known."""
    typed = side.protocol.get("command")
    return f" ({typed})" if typed else ""


def _row(name: str, a: float, b: float, interval: tuple[float, float] | None) -> str:
    """Return a line of the table, in per cent and points.

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
