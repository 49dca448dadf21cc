"""Synthetic inputs of any size for the growth of cost: clips, trials, predictions and fingerprints, without sound."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmmaudio.corpus import Clip, Fingerprint, plan_split
from gmmaudio.evaluation import Protocol, ScoredClip
from gmmaudio.features import RawFrames, Rows
from gmmaudio.trials import Extracted, Segment, Trial

CLIPS_OF_GROUP = 10
N_SOURCES = 4
ACCURACY = 0.7
DURATION_S = 6.0
N_ANCHORS = 24
N_PATTERNS, MUSIC_SHARE, SPEECH_SHARE, WRONG_SIGN = 200, 0.035, 0.3, 0.12
COPY_WRONG_SIGN = 0.04
ONE = np.zeros(1, dtype=np.float32)
NO_FRAMES = RawFrames(np.zeros((1, 13), dtype=np.float32), ONE, ONE)
NO_ROWS = Rows(np.zeros((1, 13), dtype=np.float32), ONE)


@dataclass(frozen=True)
class SyntheticCorpus:
    """A corpus of equal groups, every label in groups of its own and in all sources.

    Parameters
    ----------
    n_clips, n_labels : int
        Its size.
    seed : int
        Of the predictions.
    """

    n_clips: int
    n_labels: int
    seed: int = 0

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Return all labels."""
        return tuple(f"label {i:04d}" for i in range(self.n_labels))

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """Return the clips, each with its group, source and fold."""
        clips = []
        for i in range(self.n_clips):
            group = i // CLIPS_OF_GROUP
            path = f"group {group:06d}/{i:07d}.wav"
            extra = {"fold": str(group % 5)}
            source = f"source {i % N_SOURCES}"
            clips.append(Clip(path, self.label_of(i), f"speaker {group:06d}", source, extra=extra))
        return plan_split(clips)

    def label_of(self, i: int) -> str:
        """Return the label of a clip."""
        return self.labels[i // CLIPS_OF_GROUP % self.n_labels]

    def trials(self, prints: list[Fingerprint] | None = None) -> list[Trial]:
        """Return a trial of every clip, without frames."""
        trials = []
        for i, clip in enumerate(self.clips):
            # one clip in a hundred is the copy of another
            sha256 = f"{i - (i % 100 == 99):064x}"
            fingerprint = np.zeros(0, dtype=np.uint64) if prints is None else prints[i]
            item = Extracted(clip, NO_FRAMES, DURATION_S, sha256, fingerprint, sample_rate_hz=16_000)
            trials.append(Trial(clip.path, (Segment(item, 0, 1, DURATION_S),), NO_ROWS, DURATION_S))
        return trials

    @cached_property
    def predicted(self) -> tuple[str, ...]:
        """Return predictions, of which some are wrong."""
        rng = np.random.default_rng(self.seed)
        wrong, guess = rng.random(self.n_clips) > ACCURACY, rng.integers(self.n_labels, size=self.n_clips)
        return tuple(self.labels[guess[i]] if wrong[i] else self.label_of(i) for i in range(self.n_clips))

    def scored(self, *, probabilities: bool = True) -> tuple[ScoredClip, ...]:
        """Return predictions with scores and probabilities, or decisions alone."""
        rng = np.random.default_rng(1)
        scored = []
        for i, clip in enumerate(self.clips):
            bare = ScoredClip(
                name=clip.path,
                paths=(clip.path,),
                label=clip.label,
                group=clip.group,
                unit=str(clip.group),
                source=clip.source,
                fold=clip.extra["fold"],
                repeat=0,
                predicted=self.predicted[i],
                scores={},
                duration_s=DURATION_S,
            )
            scored.append(self._with_scores(bare, rng) if probabilities else bare)
        return tuple(scored)

    def _with_scores(self, clip: ScoredClip, rng: np.random.Generator) -> ScoredClip:
        """Return a prediction with scores that agree with it."""
        scores = rng.normal(size=self.n_labels)
        best = self.labels.index(clip.predicted)
        scores[best] = scores.max() + 0.5
        shares = np.exp(scores - scores.max())
        values = zip(scores.tolist(), (shares / shares.sum()).tolist(), strict=True)
        pairs = dict(zip(self.labels, values, strict=True))
        return replace(
            clip, scores={k: s for k, (s, _) in pairs.items()}, probability={k: p for k, (_, p) in pairs.items()}
        )

    @property
    def protocol(self) -> Protocol:
        """Return how the predictions were made."""
        return Protocol("synthetic folds", "group", 0, ("0", "1", "2", "3", "4"), 1, self.labels, ())


def synthetic_prints(n_clips: int) -> list[Fingerprint]:
    """Return fingerprints that collide as often as those of recorded music and speech; every hundredth is a copy.

    Half are like music of 30 s: 24 anchors, of which 9 % are one of 2,000 patterns with each sign wrong by a chance of
    5 %, so that bytes of signs are equal about 7 times as often as random ones. Half are like speech of some seconds: 1
    to 7 anchors, of which 30 % are such patterns, about 70 times as often.

    Parameters
    ----------
    n_clips : int
        Number of clips.
    """
    rng = np.random.default_rng(0)
    patterns = random_signs(rng, N_PATTERNS)
    prints: list[Fingerprint] = []
    for start in range(0, n_clips, 10_000):
        n = min(10_000, n_clips - start)
        is_speech = np.arange(start, start + n) % 2 == 1
        hashes = random_signs(rng, (n, N_ANCHORS))
        known = rng.random(hashes.shape) < np.where(is_speech, SPEECH_SHARE, MUSIC_SHARE)[:, None]
        hashes[known] = patterns[rng.integers(len(patterns), size=known.sum())] ^ wrong_signs(rng, known.sum())
        clock = np.sort(rng.integers(0, 256, hashes.shape), axis=1).astype(np.uint64)
        sizes = np.where(is_speech, rng.integers(1, 8, n), N_ANCHORS)
        prints += [row[:k] for row, k in zip(hashes << np.uint64(8) | clock, sizes.tolist(), strict=True)]
    for i in range(99, n_clips, 100):
        prints[i] = prints[i - 50] ^ (wrong_signs(rng, len(prints[i - 50]), COPY_WRONG_SIGN) << np.uint64(8))
    return prints


def random_signs(rng: np.random.Generator, shape: int | tuple[int, ...]) -> Fingerprint:
    """Return random signs of sub-fingerprints, without a clock."""
    return rng.integers(0, 2**56, shape, dtype=np.uint64)


def wrong_signs(rng: np.random.Generator, n: int, share: float = WRONG_SIGN) -> Fingerprint:
    """Return n masks of signs, each of which is set by a chance."""
    masks = np.zeros(n, dtype=np.uint64)
    for bit in range(56):
        masks |= (rng.random(n) < share).astype(np.uint64) << np.uint64(bit)
    return masks
