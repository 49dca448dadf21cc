"""Classification of files: predictions of a model, in the order of the files."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from gmmaudio.audio import AudioNote, Samples, read_blocks
from gmmaudio.compute import QUIET, Cluster, Progress, RunContext, one_thread, quiet
from gmmaudio.corpus import Clip
from gmmaudio.errors import WorkerError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import (
    FeatureSettings,
    FeatureStore,
    FrontEndTables,
    Rows,
    design_tables,
    frame_chunks,
    make_rows,
)
from gmmaudio.models import Model, Prediction
from gmmaudio.models.long_clips import predict_chunks
from gmmaudio.models.windows import WindowSettings
from gmmaudio.pipeline.arguments import as_clip, as_clips, as_store
from gmmaudio.pipeline.own_rows import check_model_rows
from gmmaudio.pipeline.second_head import check_model_vectors, join_given
from gmmaudio.trials import (
    Answer,
    ClipCache,
    Extraction,
    GivenRows,
    GivenVectors,
    RowExtraction,
    as_failure,
    check_lengths,
    extract_clip,
    extract_rows,
    fail_crashed,
    sound_s,
    warn_of,
)
from gmmaudio.values import checked

T = TypeVar("T")


# about how long a file is from which its frames are not kept, seconds
STREAMED_S = 600.0
# reason codes of readable audio that is too short or too quiet to classify: its status is "unknown"
TOO_LITTLE_SOUND = ("silent", "too_short")


@dataclass(frozen=True, eq=False)
class FileRows:
    """The rows of one file.

    Parameters
    ----------
    path : str
        The path that was passed.
    rows : Rows
        Rows, gated and normalised over the file.
    duration_s : float
        Decoded length, seconds.
    notes : tuple of AudioNote
        What is to be said of the file: damaged places, joined recordings, channels that cancel.
    """

    path: str
    rows: Rows
    duration_s: float
    notes: tuple[AudioNote, ...] = ()


@checked
def classify(
    model: Model,
    paths: Iterable[str | os.PathLike[str]],
    *,
    priors: Mapping[str, float] | None = None,
    trial_s: float | None = None,
    same_sources: bool = False,
    min_duration_s: float = 0.5,
    rows: GivenRows | None = None,
    vectors: GivenVectors | None = None,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    cluster: Cluster | None = None,
) -> Iterator[Prediction]:
    """Return an iterator over the predictions of a model for files, in the order of the paths.

    A file that cannot be used gives a prediction with the status ``error``, and stops nothing. A file longer than three
    trials of the model is divided as a timeline is: it has one label, or the status ``mixed`` and shares.

    Parameters
    ----------
    model : Model
        The model.
    paths : iterable of path-like
        Audio files, or names of clips in ``rows``. Those of an iterator are read as they arrive: predictions that are
        ready do not wait for the next path.
    priors : mapping of str to float or None
        Class priors, as for :meth:`gmmaudio.models.Recogniser.predict`.
    trial_s : float or None
        Length of the trials that long files are divided into, seconds; 0 scores each file as one; None takes the length
        that the model was calibrated on.
    same_sources : bool
        The files are of the very recording sources that the model was trained on: give the probabilities that hold for
        these (:meth:`gmmaudio.models.Model.in_domain`), without caveats.
    min_duration_s : float
        Shortest decoded length, seconds.
    rows : GivenRows or None
        Rows of another program, in place of sound (:class:`gmmaudio.GivenRows`); None reads the sound.
    vectors : GivenVectors or None
        Vectors of another program, by the paths of the files, for a model with a second head
        (:class:`gmmaudio.GivenVectors`).
    n_jobs : int or None
        Worker processes, 1 or more, or -1 for one each core; None takes threads for little work, and worker processes
        for much. The predictions do not depend on it.
    progress : Progress
        Shows progress.
    time_limit_s : float or None
        Time that a worker process may take for a file, seconds; None: 60 s and more for large files; 0: no limit. With
        a limit that is named, one job is one worker process.
    memory_limit : int or None
        Memory that a worker process may take for a file, bytes, likewise; None: half of the machine's, at least 1 GiB.
    cache : path-like, FeatureStore or None
        Folder where features are kept for other runs (:class:`gmmaudio.features.FeatureStore`); None keeps none. The
        predictions do not depend on it.
    cluster : Cluster or None
        Dask cluster whose workers read the files, instead of this computer's; likewise.

    Returns
    -------
    iterator of Prediction
        One for each path.

    Raises
    ------
    SettingError
        If the priors do not match the labels of the model, or a setting is outside its bounds; or the model has a
        second head and no vectors are given, or others than it takes.
    WorkerError
        If worker processes cannot be started.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> for answer in gmmaudio.classify(model, ["song.wav", "gone.wav"]):
    ...     print(answer.path, answer.status, answer.label, answer.message)
    song.wav ok metal None
    gone.wav error None is not there; check the path
    """
    model = model.in_domain() if same_sources else model
    if priors is not None:
        model.recogniser.prior_of(priors)
    if trial_s:
        WindowSettings(trial_s, trial_s)
    clips = map(as_clip, paths) if isinstance(paths, Iterator) else as_clips(paths)
    run = RunContext(n_jobs, progress, time_limit_s, memory_limit, cluster=cluster)
    check_model_vectors(model, vectors)
    if rows is not None:
        check_model_rows(model, rows)
        return _classify_rows(model, priors, rows, clips, min_duration_s, run)
    extraction = file_extraction(model.features, model.front_end_tables(), min_duration_s, as_store(cache), run)
    function = partial(classify_file, model.of_sound, priors, trial_s, extraction)
    # asked for where all clips are there
    estimate = partial(extraction.estimate_work, clips if isinstance(clips, list) else [])
    limits = extraction.limits_of
    results = _warned(run.map(function, clips, "classifying", on_crash=_fail_crashed, estimate=estimate, limits=limits))
    if vectors is None:
        return results
    # in this process, in the order of the files: a lookup and two small products
    return join_given(model, vectors, results, priors, without_label)


@checked
def read_rows(
    features: FeatureSettings,
    paths: Sequence[str | os.PathLike[str]],
    *,
    min_duration_s: float = 0.5,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
    cluster: Cluster | None = None,
) -> Iterator[FileRows | FailedInput]:
    """Return an iterator over the rows of each file, or its failure, in the order of the paths.

    Parameters
    ----------
    features : FeatureSettings
        The front end.
    paths : sequence of path-like
        Audio files.
    min_duration_s : float
        Shortest decoded length, seconds.
    n_jobs : int or None
        Worker processes, 1 or more, or -1 for one each core; None takes threads for little work, and worker processes
        for much. The rows do not depend on it.
    progress : Progress
        Shows progress.
    time_limit_s : float or None
        Time that a worker process may take for a file, seconds; None: 60 s and more for large files; 0: no limit. With
        a limit that is named, one job is one worker process.
    memory_limit : int or None
        Memory that a worker process may take for a file, bytes, likewise; None: half of the machine's, at least 1 GiB.
    cache : path-like, FeatureStore or None
        Folder where features are kept for other runs (:class:`gmmaudio.features.FeatureStore`); None keeps none. The
        rows do not depend on it.
    cluster : Cluster or None
        Dask cluster whose workers read the files, instead of this computer's; likewise.

    Returns
    -------
    iterator of FileRows or FailedInput
        One for each path.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.
    WorkerError
        If worker processes cannot be started.

    Examples
    --------
    >>> from gmmaudio.features import make_features
    >>> song, gone = read_rows(make_features(n_mfcc=5), ["song.wav", "gone.wav"])
    >>> song.rows.values.shape, gone.code
    ((280, 5), 'vanished')
    """
    clips, run = as_clips(paths), RunContext(n_jobs, progress, time_limit_s, memory_limit, cluster=cluster)
    extraction = file_extraction(features, design_tables(features.sound_frames), min_duration_s, as_store(cache), run)
    function, estimate = partial(_rows, extraction), partial(extraction.estimate_work, clips)
    limits = extraction.limits_of
    return _warned(
        run.map(function, clips, "extracting features", on_crash=fail_crashed, estimate=estimate, limits=limits)
    )


def file_extraction(
    features: FeatureSettings,
    tables: FrontEndTables,
    min_duration_s: float,
    store: FeatureStore | None,
    run: RunContext = QUIET,
    *,
    max_duration_s: float = math.inf,
) -> Extraction:
    """Return the settings under which files are decoded, checked.

    Parameters
    ----------
    features : FeatureSettings
        The front end.
    tables : FrontEndTables
        Its tables.
    min_duration_s : float
        Shortest decoded length, seconds.
    store : FeatureStore or None
        Where frames are kept.
    run : RunContext
        Tells where the workers are.
    max_duration_s : float
        Longest decoded length, seconds.

    Raises
    ------
    SettingError
        If the length is outside its bounds.

    Examples
    --------
    >>> features = FeatureSettings()
    >>> file_extraction(features, design_tables(features.frames), 0.5, None).fingerprints
    False
    """
    check_lengths(min_duration_s)
    cache = None if store is None else ClipCache.of(store, features.sound_frames, tables)
    return Extraction(
        run.locate(Path()),
        features,
        min_duration_s,
        tables=tables,
        cache=cache,
        fingerprints=False,
        max_duration_s=max_duration_s,
    )


def _warned(results: Iterable[Answer[T]]) -> Iterator[T]:
    """Yield results, and warn at the end of what is to be said of the cache."""
    notes: dict[str, None] = {}
    for result, of_cache in results:
        notes.update(dict.fromkeys(of_cache))
        yield result
    warn_of(notes)


def _rows(extraction: Extraction, clip: Clip) -> Answer[FileRows | FailedInput]:
    """Return the rows of one file, or its failure, and what is to be said of the cache."""
    extracted, notes = extract_clip(extraction, clip)
    if isinstance(extracted, FailedInput):
        return Answer(extracted, notes)
    rows = make_rows([extracted.raw], extraction.features)
    return Answer(FileRows(clip.path, rows, extracted.duration_s, extracted.notes), notes)


def classify_file(
    model: Model, priors: Mapping[str, float] | None, trial_s: float | None, extraction: Extraction, clip: Clip
) -> Answer[Prediction]:
    """Return the prediction for one file, and what is to be said of the cache.

    Parameters
    ----------
    model : Model
        The model.
    priors : mapping of str to float or None
        Class priors.
    trial_s : float or None
        Length of the trials that a long file is divided into, seconds.
    extraction : Extraction
        Settings under which the file is decoded.
    clip : Clip
        The file.
    """
    is_long = sound_s(extraction.root / clip.path, clip) > STREAMED_S
    if model.calibration is not None and (is_long or extraction.cache is None):
        return Answer(_classify_stream(model, priors, trial_s, extraction, clip))
    extracted, notes = extract_clip(extraction, clip)
    if isinstance(extracted, FailedInput):
        return Answer(without_label(extracted), notes)
    try:
        prediction = predict_chunks(model, [extracted.raw], priors, window_s=trial_s)
    except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
        return Answer(without_label(as_failure(clip.path, error)), notes)
    known = replace(prediction, path=clip.path, duration_s=extracted.duration_s, notes=extracted.notes)
    return Answer(known, notes)


def _classify_rows(
    model: Model,
    priors: Mapping[str, float] | None,
    rows: GivenRows,
    clips: Iterable[Clip],
    min_duration_s: float,
    run: RunContext,
) -> Iterator[Prediction]:
    """Yield the predictions for clips whose rows are given."""
    extraction = RowExtraction(model.features, min_duration_s, model.scorer.takes_missing)
    for extracted in extract_rows(rows, clips, extraction, run=run):
        if isinstance(extracted, FailedInput):
            yield without_label(extracted)
            continue
        path = extracted.clip.path
        try:
            # on one thread, as files are classified: the same bits
            with one_thread():
                prediction = model.predict(make_rows([extracted.raw], model.features), priors)
        except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
            yield without_label(as_failure(path, error))
            continue
        yield replace(prediction, path=path, duration_s=extracted.duration_s if extracted.is_timed else None)


def _classify_stream(
    model: Model, priors: Mapping[str, float] | None, trial_s: float | None, extraction: Extraction, clip: Clip
) -> Prediction:
    """Return the prediction for one file whose frames are not kept: memory does not grow with it."""
    notes, n_samples, frames = list[AudioNote](), 0, model.features.sound_frames

    def blocks() -> Iterator[Samples]:
        nonlocal n_samples
        path, shortest_s = extraction.root / clip.path, extraction.min_duration_s
        for block in read_blocks(
            path,
            frames.sample_rate_hz,
            min_duration_s=shortest_s,
            max_duration_s=extraction.max_duration_s,
            on_note=notes.append,
        ):
            n_samples += len(block)
            yield block

    try:
        prediction = predict_chunks(model, frame_chunks(blocks(), frames, extraction.tables), priors, window_s=trial_s)
    except Exception as error:  # noqa: BLE001 - an unexpected error at one file must not stop the others
        return without_label(as_failure(clip.path, error))
    return replace(prediction, path=clip.path, duration_s=n_samples / frames.sample_rate_hz, notes=tuple(notes))


def _fail_crashed(clip: Clip, error: WorkerError) -> Answer[Prediction]:
    """Return the prediction for a file whose worker process died."""
    return Answer(without_label(fail_crashed(clip, error).result))


def without_label(failed: FailedInput) -> Prediction:
    """Return the prediction for a file that failed.

    Parameters
    ----------
    failed : FailedInput
        The failure.

    Examples
    --------
    >>> without_label(FailedInput("a.wav", "silent", "holds no sound")).status
    'unknown'
    """
    status = "unknown" if failed.code in TOO_LITTLE_SOUND else "error"
    return Prediction(failed.path, status, code=failed.code, message=failed.message)
