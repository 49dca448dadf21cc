"""Vectors that are given beside sound: the trials that have some, what a run on them cannot be asked for, findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gmmaudio.corpus import Clip
from gmmaudio.errors import RowsError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.findings import Finding
from gmmaudio.models import Model, Prediction
from gmmaudio.models.vector_head import needs_vectors
from gmmaudio.trials import (
    ClipVectors,
    GivenRows,
    GivenVectors,
    as_failure,
    check_same_vectors,
    read_vectors,
)


def vectors_of(
    vectors: GivenVectors | None,
    rows: GivenRows | None,
    clips: Sequence[Clip],
    *,
    robustness: bool = False,
    learning_curve: bool = False,
) -> ClipVectors | None:
    """Return the vectors of the clips of a training or a cross-validation; None where none are given.

    Parameters
    ----------
    vectors : GivenVectors or None
        The vectors.
    rows : GivenRows or None
        Rows that are given in place of sound.
    clips : sequence of Clip
        The clips.
    robustness : bool
        Whether clips are degraded too.
    learning_curve : bool
        Whether parts of the training sets are trained on too.

    Raises
    ------
    CorpusError
        If no clip has vectors that can be used.
    SettingError
        If they have no name, or the run asks for what vectors do not have.

    Examples
    --------
    >>> vectors_of(GivenVectors({"a.wav": [0.0, 1.0]}, "ours"), None, [Clip("a.wav", "jazz")]).frames.n_columns
    2
    """
    if vectors is None:
        return None
    check_beside_sound(rows, robustness=robustness)
    if learning_curve:
        raise SettingError(
            "`learning_curve` trains on parts that are too small for probabilities, by which sound and `vectors` are "
            "joined; leave it out"
        )
    return read_vectors(vectors, clips)


def check_beside_sound(rows: GivenRows | None, *, robustness: bool = False) -> None:
    """Raise SettingError where vectors are given beside rows, or are to be those of degraded clips.

    Parameters
    ----------
    rows : GivenRows or None
        Rows that are given in place of sound.
    robustness : bool
        Whether clips are degraded.

    Examples
    --------
    >>> check_beside_sound(None)
    """
    if rows is not None:
        raise SettingError(
            "`vectors` go beside sound, and `rows` stand in its place; leave one of them out, or put the vectors' "
            "columns among those of the rows"
        )
    if robustness:
        raise SettingError(
            "`robustness` degrades sound, and the vectors that are given are those of clips as they are; leave it out, "
            "or make vectors of degraded files and score these with evaluate"
        )


def model_vectors(
    model: Model, vectors: GivenVectors | None, rows: GivenRows | None, clips: Sequence[Clip], *, robustness: bool
) -> ClipVectors | None:
    """Return the vectors of the clips that a model is evaluated on; None where it takes none.

    Parameters
    ----------
    model : Model
        The model.
    vectors : GivenVectors or None
        The vectors.
    rows : GivenRows or None
        Rows that are given in place of sound.
    clips : sequence of Clip
        The clips.
    robustness : bool
        Whether clips are degraded too.

    Raises
    ------
    CorpusError
        If no clip has vectors that can be used.
    SettingError
        If the model takes vectors and none are given, or the other way round, or it takes others.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", gmmaudio.make_recipe(n_components=1)).model
    >>> model_vectors(model, None, None, [], robustness=True) is None
    True
    """
    check_model_vectors(model, vectors)
    if vectors is None or model.vector_head is None:
        return None
    check_beside_sound(rows, robustness=robustness)
    return read_vectors(vectors, clips, model.vector_head.frames)


def check_model_vectors(model: Model, vectors: GivenVectors | None) -> None:
    """Raise SettingError where a model takes vectors and none are given, or the other way round, or it takes others.

    Parameters
    ----------
    model : Model
        The model.
    vectors : GivenVectors or None
        The vectors.
    """
    head = model.vector_head
    if head is None:
        if vectors is not None:
            raise SettingError(
                "`vectors` are given, and the model has no head on vectors; leave them out, or train a model with them"
            )
        return
    if vectors is None:
        raise SettingError(needs_vectors(head))
    check_same_vectors(vectors, head.frames)


def join_given(
    model: Model,
    vectors: GivenVectors,
    of_sound: Iterable[Prediction],
    priors: Mapping[str, float] | None,
    failure: Callable[[FailedInput], Prediction],
) -> Iterator[Prediction]:
    """Yield the predictions of a model for clips, of which the sound was scored already.

    Parameters
    ----------
    model : Model
        The model, with a second head.
    vectors : GivenVectors
        The vectors.
    of_sound : iterable of Prediction
        Predictions for the sound.
    priors : mapping of str to float or None
        Their class priors.
    failure : callable
        The prediction for a clip whose vectors cannot be used.
    """
    recogniser = model.recogniser
    with vectors.open() as reader:
        for prediction in of_sound:
            if not prediction.scores:
                # the sound alone cannot be used: that is the reason
                yield prediction
                continue
            try:
                values = reader.read(Clip(prediction.path, ""))
                yield recogniser.join_vectors(prediction, values, priors)
            except RowsError as error:
                yield failure(FailedInput(prediction.path, error.code, str(error)))
            except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
                yield failure(as_failure(prediction.path, error))


def vectors_record(vectors: GivenVectors | None, read: ClipVectors | None) -> dict[str, Any]:
    """Return place, name and content of vectors for the record of a run; empty where there are none.

    Parameters
    ----------
    vectors : GivenVectors or None
        The vectors.
    read : ClipVectors or None
        Those of the clips.

    Examples
    --------
    >>> vectors_record(None, None)
    {}
    """
    if vectors is None or read is None:
        return {}
    return {
        "vectors": {
            "place": None if vectors.path is None else str(vectors.path),
            "vectors_name": read.frames.rows_name,
            "vectors_column": vectors.vectors_column,
            "n_columns": read.frames.n_columns,
            "sha256": read.sha256(),
        }
    }


def check_vectors(read: ClipVectors | None, *, in_report: bool = False) -> tuple[Finding, ...]:
    """Return the finding that vectors were given beside sound; none where there are none.

    Parameters
    ----------
    read : ClipVectors or None
        The vectors of the clips.
    in_report : bool
        Whether clips would be cut to other lengths without vectors.

    Examples
    --------
    >>> check_vectors(None)
    ()
    """
    if read is None:
        return ()
    left_out = "; clips are not cut to other lengths, for the vectors are of whole clips" if in_report else ""
    frames = read.frames
    return (
        Finding(
            "given_vectors",
            "information",
            f"vectors of {frames.rows_name!r} ({frames.n_columns} columns) were given beside the sound, and "
            "probabilities are the mean of both: whether what made them was itself trained on clips of this corpus, or "
            f"on their speakers or artists, is not known here{left_out}",
            "compare with a corpus that is newer than it",
        ),
    )
