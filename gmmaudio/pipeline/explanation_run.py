"""The explanation of a prediction for a file: its lead in parts, over time, and the training clips nearest to it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from gmmaudio.compute import Progress, RunContext, one_thread, quiet
from gmmaudio.corpus import Clip, Corpus
from gmmaudio.errors import CorpusError, SettingError
from gmmaudio.evaluation import FailedInput
from gmmaudio.features import FeatureStore, Rows, make_rows
from gmmaudio.features.gate import passing_frames
from gmmaudio.models import Model, TrainingClip
from gmmaudio.models.explanations import Explanation, WindowLead, answers_of, explain_rows, with_neighbours
from gmmaudio.models.nearest import KnownClip, centres_of
from gmmaudio.models.score_parts import Answers
from gmmaudio.models.silence import SilenceDetector
from gmmaudio.models.windows import WindowSettings, calibrated_window_s
from gmmaudio.pipeline.arguments import as_corpus, as_store
from gmmaudio.pipeline.classification import file_extraction, without_label
from gmmaudio.trials import Extracted, Extraction, extract_clip, extract_clips, fail_crashed, warn_of
from gmmaudio.values import checked


@checked
def explain(
    model: Model,
    path: str | os.PathLike[str],
    *,
    window_s: float | None = None,
    hop_s: float | None = None,
    corpus: str | os.PathLike[str] | Corpus | None = None,
    n_neighbours: int = 3,
    min_duration_s: float = 0.5,
    n_jobs: int | None = None,
    progress: Progress = quiet,
    cache: str | os.PathLike[str] | FeatureStore | None = None,
) -> Explanation:
    """Return the explanation of a model's prediction for a file: why the winner leads over the runner-up.

    The lead in their scores is divided exactly by column of the rows, by head, by row, and by component. A file that
    cannot be used, or holds too little sound, has a prediction that says so, and no lead.

    Parameters
    ----------
    model : Model
        The model.
    path : path-like
        Audio file.
    window_s, hop_s : float or None
        Length of the windows that are scored by themselves, and step between them, seconds, as for
        :class:`gmmaudio.models.windows.WindowSettings`; None takes the length of trials that the model was calibrated
        on, and half a window.
    corpus : path-like, Corpus or None
        The corpus that the model was trained on, among whose training clips and groups the neighbours of the components
        are looked for; None looks for none. A model file has no features of its training clips.
    n_neighbours : int
        Neighbours of each component at most.
    min_duration_s : float
        Shortest decoded length, seconds.
    n_jobs : int or None
        Worker processes for the corpus, 1 or more, or -1 for one each core; None takes threads for little work, and
        worker processes for much.
    progress : Progress
        Shows progress.
    cache : path-like, FeatureStore or None
        Folder where features are kept for other runs; None keeps none. The explanation does not depend on it.

    Returns
    -------
    Explanation
        The explanation.

    Raises
    ------
    SettingError
        If a setting is outside its bounds.
    CorpusError
        If there is no usable corpus, or none of its clips was trained on.

    Examples
    --------
    >>> import gmmaudio
    >>> model = gmmaudio.train("my_music", preset="genre", group_by="parent").model
    >>> found = gmmaudio.explain(model, "song.wav", corpus="my_music")
    >>> found.winner, found.runner_up, found.components[0].clips[0].name.startswith("metal")
    ('metal', 'jazz', True)
    >>> bool(abs(sum(part.lead for part in found.parts) - found.lead) < 1e-9)
    True
    """
    windows = own_windows(model, window_s, hop_s)
    if n_neighbours < 1:
        raise SettingError(f"`n_neighbours` is {n_neighbours}; expected 1 or more")
    store, run = as_store(cache), RunContext(n_jobs, progress)
    extraction = file_extraction(model.features, model.front_end_tables(), min_duration_s, store)
    explanation, rows = explain_file(model, extraction, Clip(os.fspath(path), ""), windows)
    if corpus is None or rows is None:
        return explanation
    labels = [model.scorer.labels.index(label) for label, _ in explanation.prediction.top(2)]
    answers = answers_of(model.scorer, rows, labels)
    known = _known_clips(model, as_corpus(corpus), answers, store, run)
    return with_neighbours(explanation, answers, known, n_neighbours)


def own_windows(model: Model, window_s: float | None = None, hop_s: float | None = None) -> WindowSettings:
    """Return the windows that are scored by themselves.

    Parameters
    ----------
    model : Model
        The model.
    window_s, hop_s : float or None
        As for :func:`explain`.

    Raises
    ------
    SettingError
        If one is outside its bounds.
    """
    model.check_of_sound()
    own_s = calibrated_window_s(model.training) if window_s is None else window_s
    return WindowSettings(own_s, own_s / 2 if hop_s is None else hop_s)


def explain_file(
    model: Model, extraction: Extraction, clip: Clip, windows: WindowSettings
) -> tuple[Explanation, Rows | None]:
    """Return the explanation of a file, and its rows; None where it has none.

    Parameters
    ----------
    model : Model
        The model.
    extraction : Extraction
        Settings under which the file is decoded.
    clip : Clip
        The file.
    windows : WindowSettings
        Windows that are scored by themselves.
    """
    function = partial(extract_clip, extraction)
    ((extracted, cache_notes),) = RunContext(1).map(function, [clip], "extracting features", on_crash=fail_crashed)
    warn_of(cache_notes)
    if isinstance(extracted, FailedInput):
        return Explanation(without_label(extracted)), None
    # on one thread, as files are classified: the same bits
    with one_thread():
        rows = make_rows([extracted.raw], model.features)
        return _of_file(model, extracted, rows, windows), rows


def _of_file(model: Model, extracted: Extracted, rows: Rows, windows: WindowSettings) -> Explanation:
    """Return the explanation of a file from its frames and rows, without neighbours."""
    explanation = explain_rows(model, rows)
    prediction = replace(
        explanation.prediction, path=extracted.clip.path, duration_s=extracted.duration_s, notes=extracted.notes
    )
    leads = _windows(model, extracted, explanation, windows)
    return replace(explanation, prediction=prediction, windows=leads, window_s=windows.window_s)


def _windows(
    model: Model, extracted: Extracted, explanation: Explanation, windows: WindowSettings
) -> tuple[WindowLead, ...]:
    """Return the lead in every window of a file, gated and normalised by itself; none where all of it is silent."""
    raw, frames_per_s = extracted.raw, model.features.frames.frames_per_s
    passed, silence = passing_frames(raw, model.features.rows), SilenceDetector(model.features)
    silence.add(raw)
    silence.finish()
    winner, runner_up = str(explanation.winner), str(explanation.runner_up)
    leads = []
    for first, last in _spans(len(raw), windows, frames_per_s):
        start_s, end_s = first / frames_per_s, min(last / frames_per_s, extracted.duration_s)
        if silence.share(first, last) == 1 or not passed[first:last].any():
            leads.append(WindowLead(start_s, end_s, None, None))
            continue
        prediction = model.predict(make_rows([raw.slice(first, last)], model.features))
        lead = prediction.scores[winner] - prediction.scores[runner_up]
        leads.append(WindowLead(start_s, end_s, lead, prediction.best_label))
    return tuple(leads)


def _spans(n_frames: int, windows: WindowSettings, frames_per_s: float) -> list[tuple[int, int]]:
    """Return the first frame of each window and the one after its last; the last window ends where the file ends."""
    size = min(n_frames, max(1, math.floor(windows.window_s * frames_per_s)))
    step = max(1, math.floor(windows.hop_s * frames_per_s))
    starts, last = list(range(0, n_frames - size + 1, step)), n_frames - size
    # a rest of less than half a step moves the last window, for one more would be nearly the same
    if last - starts[-1] > step / 2:
        starts.append(last)
    starts[-1] = last
    return [(start, start + size) for start in starts]


def _known_clips(
    model: Model, corpus: Corpus, answers: Mapping[str, Answers], store: FeatureStore | None, run: RunContext
) -> list[KnownClip]:
    """Return the training clips in a corpus that the components that answered may have for neighbours."""
    known = {(clip.path, clip.sha256): clip for clip in model.training.clips}
    paths = {path for path, _ in known}
    # a mixture of a label is compared with clips of that label, a UBM with all
    is_shared = any(each.is_shared for each in answers.values())
    wanted = [clip for clip in corpus.clips if clip.path in paths and (is_shared or clip.label in answers)]
    tables = model.front_end_tables()
    found = extract_clips(corpus.root, wanted, model.features, min_duration_s=0.0, tables=tables, store=store, run=run)
    trained = [
        (item, known[item.clip.path, item.sha256])
        for item in found
        if isinstance(item, Extracted) and (item.clip.path, item.sha256) in known
    ]
    if answers and not trained:
        raise CorpusError(
            f"{corpus.root}: none of its clips was trained on, by path and samples; name the corpus of the model"
        )
    return [_known_clip(model, item, clip) for item, clip in trained]


def _known_clip(model: Model, extracted: Extracted, clip: TrainingClip) -> KnownClip:
    """Return a training clip with the centres of its rows."""
    rows = make_rows([extracted.raw], model.features)
    (answers,) = answers_of(model.scorer, rows, [model.scorer.labels.index(clip.label)]).values()
    return KnownClip(clip.path, clip.label, clip.group, centres_of(answers))
