"""The change of a field that is proposed for every music file: what it has now, what a model says, and what to do."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gmmaudio.errors import MusicFileError, SettingError
from gmmaudio.music_tags import GENRE, LONGEST_VALUE, check_field, read_field
from gmmaudio.names import normal, respell, skeleton
from gmmaudio.pipeline.label_decisions import LabelDecision
from gmmaudio.pipeline.tag_writing import check_changeable

# what is done with a file
WRITE, SAME, KEPT, NONE, FAILED = "write", "same", "kept", "none", "failed"
# what no field should say, whatever labels a model has
NO_VALUES = ("unknown", "mixed", "error", "failed")


@dataclass(frozen=True)
class TagSettings:
    """Settings of a run that proposes values for a field.

    Parameters
    ----------
    field : str
        ``genre``, ``language``, or a name of one's own (:func:`gmmaudio.music_tags.check_field`).
    overwrite : bool
        Replace values that are there, all of them by one.
    values : mapping of str to str
        Label -> the text that is written for it; labels that are not named are written as they are.

    Raises
    ------
    SettingError
        If the field may not be written, or a text cannot be a value.

    Examples
    --------
    >>> TagSettings(values={"hiphop": "Hip-Hop"}).value_of("hiphop"), TagSettings().value_of("jazz")
    ('Hip-Hop', 'jazz')
    """

    field: str = GENRE
    overwrite: bool = False
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "field", check_field(self.field))
        for label, text in self.values.items():
            if not _is_value(text):
                raise SettingError(
                    f"`values` has {text!r} for {label!r}; expected 1 to {LONGEST_VALUE} characters that print"
                )

    def value_of(self, label: str) -> str:
        """Return the text that is written for a label.

        Parameters
        ----------
        label : str
            A label of the model.
        """
        return self.values.get(label, normal(label))

    def check_labels(self, labels: Sequence[str]) -> TagSettings:
        """Return the settings with labels spelt as a model spells them.

        Parameters
        ----------
        labels : sequence of str
            All labels of the model.

        Raises
        ------
        SettingError
            If another label is named.
        """
        spelt = dict(zip(respell(self.values, labels), self.values.values(), strict=True))
        unknown = sorted(set(spelt) - set(labels))
        if unknown:
            raise SettingError(f"`values` names {unknown[0]!r}; expected one of {', '.join(labels)}")
        return TagSettings(self.field, self.overwrite, spelt)


class TagProposal(NamedTuple):
    """What is proposed for a file.

    Parameters
    ----------
    path : str
        The file.
    action : {"write", "same", "kept", "none", "failed"}
        ``same``: it has the value already. ``kept``: it has another one, which stays. ``none``: there is no label.
        ``failed``: it cannot be used or changed.
    existing : tuple of str
        Values that the field has.
    value : str or None
        The value of the label.
    probability : float or None
        Probability of the label, 0..1.
    code : str or None
        Reason code where nothing is to be written.
    message : str
        The reason in words.
    """

    path: str
    action: str
    existing: tuple[str, ...] = ()
    value: str | None = None
    probability: float | None = None
    code: str | None = None
    message: str = ""


def propose_tags(paths: Sequence[str], decisions: Sequence[LabelDecision], settings: TagSettings) -> list[TagProposal]:
    """Return the proposal for every file; nothing is written.

    Parameters
    ----------
    paths : sequence of str
        The files.
    decisions : sequence of LabelDecision
        The label of each.
    settings : TagSettings
        The field, and what becomes of values that are there.

    Examples
    --------
    >>> proposal, = propose_tags(["song.wav"], [LabelDecision("metal", "metal", 0.9)], TagSettings())
    >>> proposal.action, proposal.existing, proposal.value
    ('write', (), 'metal')
    """
    seen: set[str] = set()
    proposals = []
    for path, decision in zip(paths, decisions, strict=True):
        real = os.path.realpath(path)
        if real in seen:
            proposals.append(TagProposal(path, NONE, code="twice", message="is named twice"))
            continue
        seen.add(real)
        proposals.append(_propose(path, decision, settings))
    return proposals


def _propose(path: str, decision: LabelDecision, settings: TagSettings) -> TagProposal:
    """Return the proposal for one file."""
    if decision.is_failure:
        return TagProposal(path, FAILED, code=decision.code, message=decision.message)
    try:
        return _compare(TagProposal(path, WRITE, read_field(path, settings.field)), decision, settings)
    except MusicFileError as error:
        return TagProposal(path, FAILED, code=error.code, message=error.message)
    except OSError as error:
        return TagProposal(path, FAILED, code="unreadable", message=f"cannot be read ({error.strerror})")


def _compare(known: TagProposal, decision: LabelDecision, settings: TagSettings) -> TagProposal:
    """Return the proposal for a file whose values are known."""
    if decision.label is None:
        return known._replace(action=NONE, code=decision.code, message=decision.reason())
    value = settings.value_of(decision.label)
    if value.casefold() in NO_VALUES:
        return known._replace(action=NONE, code="no_label", message=f"{value!r} says nothing of it")
    known = known._replace(value=value, probability=decision.probability)
    if len(known.existing) == 1 and skeleton(known.existing[0]) == skeleton(value):
        return known._replace(action=SAME)
    if known.existing and not settings.overwrite:
        return known._replace(action=KEPT, code="kept", message="has a value, which stays (`overwrite`)")
    if not _is_value(value):
        words = f"{value!r} is no value of a tag; write the label in another way (`values`)"
        raise MusicFileError("no_such_value", words)
    check_changeable(Path(os.path.realpath(known.path)))
    return known


def _is_value(text: str) -> bool:
    """Return whether a text may be the value of a field."""
    return bool(text.strip()) and text == text.strip() and text.isprintable() and len(text) <= LONGEST_VALUE
