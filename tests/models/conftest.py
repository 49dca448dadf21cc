"""Mixtures, rows of clips, scores and models, shared by the tests of models."""

import hashlib
import json

import numpy as np
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from scipy.special import log_softmax, logsumexp, softmax
from scipy.stats import multivariate_normal

from gmmaudio import pipeline
from gmmaudio.compute import QUIET
from gmmaudio.corpus import Clip, plan_split
from gmmaudio.features import (
    design_tables,
    make_features,
)
from gmmaudio.findings import Finding
from gmmaudio.mixture import GaussianMixture
from gmmaudio.models import (
    Background,
    BlockGaussianSettings,
    ClipStatistics,
    FrameGmmSettings,
    Model,
    Recipe,
    SupervectorSettings,
    TrainingClip,
    TrainingRows,
    TrainingSummary,
    fit_calibration,
    fitting,
    gmm_scorer,
)
from gmmaudio.models.clip_statistics import NO_FRAMES, counted_trial
from gmmaudio.trials import Extracted, TrialSet, build_trial_set


def random_mixture(rng, k, d, covariance_type):
    """Return a mixture far from the origin, with correlated features where they can be."""
    if covariance_type == "diag":
        covariances = rng.uniform(0.3, 3.0, size=(k, d))
    else:
        roots = rng.normal(size=(k, d, d))
        covariances = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
    return GaussianMixture(
        rng.dirichlet(np.full(k, 3.0)), rng.normal(-20, 3, size=(k, d)), covariances, covariance_type
    )


def random_scorer(covariance_type="diag", seed=0):
    """Return a classifier of three labels with unlike numbers of components, and rows near them."""
    rng = np.random.default_rng(seed)
    mixtures = tuple(random_mixture(rng, k, 4, covariance_type) for k in (1, 3, 5))
    rows = np.concatenate([m.sample(700, rng) for m in mixtures])  # more than one block of 1,024
    return gmm_scorer(("a", "b", "c"), mixtures), rows


def scipy_scores(classifier, rows):
    """Return the log density of every row under every label, by scipy."""
    columns = []
    for mixture in classifier.mixtures:
        covariances = [np.diag(c) if c.ndim == 1 else c for c in mixture.covariances]
        each = [
            np.log(w) + multivariate_normal(m, c).logpdf(rows)
            for w, m, c in zip(mixture.weights, mixture.means, covariances, strict=True)
        ]
        columns.append(logsumexp(each, axis=0))
    return np.stack(columns, axis=1)


def labelled_clips(seed=0, n_clips=6, n_rows=60, d=3, labels=("a", "b", "c")):
    """Return rows of clips, label after label, each label in two clusters of its own."""
    rng = np.random.default_rng(seed)
    clips, names = [], []
    for label in labels:
        centres = rng.normal(scale=4.0, size=(2, d))
        for _ in range(n_clips):
            which = rng.integers(2, size=n_rows)
            clips.append((centres[which] + rng.normal(size=(n_rows, d))).astype(np.float32))
            names.append(label)
    return clips, names


def parameters(classifier):
    """Return all numbers of a classifier as one string of bytes."""
    parts = [(m.weights, m.means, m.covariances) for m in classifier.mixtures]
    return b"".join(array.tobytes() for part in parts for array in part)


BLOCKS = BlockGaussianSettings(n_pca=None, soft_clip=None, shrinkage=None)


VECTORS = SupervectorSettings(n_components=4, n_nuisance=2, tol=1e-4, variance_floor=1e-3, bigram_lag=0)


def clips_of(seed=0, n_labels=3, n_clips=8, n_rows=30, d=5):
    """Return rows of clips in correlated columns, their labels and groups of two clips."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d))
    rows, labels, groups = [], [], []
    for k in range(n_labels):
        centre = rng.normal(scale=1.5, size=d)
        for i in range(n_clips):
            rows.append(((centre + rng.normal(size=d) + rng.normal(size=(n_rows, d))) @ mixing).astype(np.float32))
            labels.append("abcdef"[k])
            groups.append(f"{k}-{i // 2}")
    return rows, labels, groups


def training_of(rows, labels, groups, n_warps=1):
    """Return rows of clips with labels and groups as a training set."""
    names = tuple(sorted(set(labels)))
    codes = np.array([names.index(label) for label in labels])
    return TrainingRows(tuple(rows), names, codes, tuple(groups), 0, QUIET, n_warps)


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(scale=0.1, size=n).astype(np.float32)


def speakers_of(label, tracts, seed=0):
    """Return clips of one label by speakers whose tract moves all they say, in three views that move it back."""
    rng, clips = np.random.default_rng((seed, label)), []
    for tract in tracts:
        # the labels share one of two sounds; the other lies a little further off
        said = rng.choice([-6.0, 6.0 + label], size=200)
        plain = said + tract + rng.normal(scale=0.5, size=200)
        clips.append(np.stack([plain, plain - 3.0, plain + 3.0], axis=1))
    return clips


def simulated(scale, n=600, n_labels=4, seed=0):
    """Return scores whose softmax, times ``scale``, is the truth, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, n_labels)) * 2 / scale
    share = np.exp(scale * scores)
    share /= share.sum(axis=1, keepdims=True)
    codes = np.array([rng.choice(n_labels, p=p) for p in share])
    return scores, codes, [str(i) for i in range(n)]


def fitted_recogniser(corpus, preset, **changes):
    """Return trials, recipe and recogniser of a small corpus."""
    clips, recipe = pipeline.read_corpus(corpus.plain), pipeline.make_recipe(preset, trial_s=0, **changes)
    trials = build_trial_set(clips.root, plan_split(clips.clips), recipe.trial_settings).trials
    return trials, recipe, fitting.fit_trials(trials, recipe, QUIET)


GOLDEN_LABELS = ("fado", "ραγα", "日本")


def golden_model():
    """Return the model in the golden file; every number is an exact binary fraction."""
    mixtures = []
    for i in range(3):
        weights = np.array([[0.25, 0.75], [0.5, 0.5], [0.875, 0.125]][i])
        means = (np.arange(14).reshape(2, 7) * (3 + i) % 9 - 4) / 4
        variances = 0.5 + (np.arange(14).reshape(2, 7) * (5 + i) % 8) / 8
        mixtures.append(GaussianMixture(weights, means, variances))
    features = make_features(
        sample_rate_hz=16000,
        window_s=0.025,
        hop_s=0.01,
        window="hamming",
        preemphasis=0.97,
        n_mels=23,
        fmin_hz=200.0,
        fmax_hz=3700.0,
        n_mfcc=3,
        sdc=(2, 1, 3, 2),
        gate_range_db=30.0,
        normalise="mean_variance",
    )
    training = TrainingSummary(
        preset="language",
        kind_settings=FrameGmmSettings(n_components=2, variance_floor=0.02),
        seed=7,
        trial_s=10.0,
        min_duration_s=0.25,
        seconds={label: 1.5 + i for i, label in enumerate(GOLDEN_LABELS)},
        rows={label: 100 + i for i, label in enumerate(GOLDEN_LABELS)},
        log_likelihood={label: -8.25 - i for i, label in enumerate(GOLDEN_LABELS)},
        clips=tuple(
            TrainingClip(f"{label}/1.wav", label, ["amália", None, "坂本"][i], f"{i:064x}")
            for i, label in enumerate(GOLDEN_LABELS)
        ),
        findings=(Finding("note", "information", "one clip only for 'fado'"),),
        versions={"gmmaudio": "0.1.0", "numpy": "2.0.0"},
        group_by="",
    )
    return Model(features, gmm_scorer(GOLDEN_LABELS, tuple(mixtures)), training)


def small_model(labels=("a", "b"), notes=(), covariance_type="diag"):
    """Return a model of two components over three features."""
    rng = np.random.default_rng(0)
    mixtures = []
    for _ in labels:
        covariances = rng.uniform(0.5, 2.0, size=(2, 3))
        if covariance_type in ("full", "tied"):
            covariances = np.array([np.diag(row) + 0.1 for row in covariances])
        if covariance_type in ("tied", "spherical"):
            covariances = covariances[0] if covariance_type == "tied" else covariances[:, 0]
        mixtures.append(GaussianMixture([0.25, 0.75], rng.normal(size=(2, 3)), covariances, covariance_type))
    training = TrainingSummary(
        preset=None,
        kind_settings=FrameGmmSettings(n_components=2, covariance_type=covariance_type),
        seed=3,
        trial_s=None,
        min_duration_s=0.5,
        seconds=dict.fromkeys(labels, 1.5),
        rows=dict.fromkeys(labels, 60),
        log_likelihood=dict.fromkeys(labels, -3.25),
        clips=tuple(TrainingClip(f"{label}/1.wav", label, None, 64 * "0") for label in labels),
        findings=tuple(Finding("a_text", "warning", note, "mind it") for note in notes),
        versions={"gmmaudio": "0.1.0"},
    )
    # small tables: a test flips every bit of the file
    features = make_features(sample_rate_hz=8000, window_s=0.004, hop_s=0.002, n_mels=4, fmax_hz=4000.0, n_mfcc=3)
    return Model(features, gmm_scorer(tuple(labels), tuple(mixtures)), training)


def small_statistics(labels=("a", "b"), n_groups=3, folder="", **changes):
    """Return statistics of one clip of each group of each label under a UBM of two components over three features."""
    features = make_features(sample_rate_hz=8000, window_s=0.004, hop_s=0.002, n_mels=4, fmax_hz=4000.0, n_mfcc=3)
    settings = SupervectorSettings(n_components=2, n_nuisance=0, bigram_lag=1)
    recipe = Recipe(features=features, kind_settings=settings, **changes)
    rng = np.random.default_rng(0)
    ubm = GaussianMixture([0.25, 0.75], rng.normal(size=(2, 3)), rng.uniform(0.5, 2.0, size=(2, 3)), "diag")
    background = Background(
        recipe, ubm, design_tables(features.frames), -3.25, (TrainingClip("u", "a", None, 64 * "0"),)
    )
    trials, vectors = [], []
    for label in labels:
        rng = np.random.default_rng((*label.encode(), *folder.encode()))
        for i in range(n_groups):
            clip = Clip(f"{folder}{label}/{i}.wav", label, group=f"{label}{i}", held_out_by=f"{label}{i}")
            sha256 = hashlib.sha256(clip.path.encode()).hexdigest()
            part = Extracted(clip, NO_FRAMES, 1.5, sha256, rng.integers(0, 2**63, 3, dtype=np.uint64), (), 8000)
            trials.append(counted_trial(clip.path, [part], 1.5, [60 + i]))
            rows = rng.normal(size=(60, 3)) + (ord(label[0]) - 97)
            vectors.append(background.vector(rows.astype(np.float32)))
    return ClipStatistics(background, TrialSet(trials, [], (), (), ()), np.stack(vectors), tuple(sorted(labels)))


def assert_same(one, other):
    """Check that two models are the same to the last bit."""
    assert one.features == other.features
    assert one.training == other.training
    assert one.scorer.labels == other.scorer.labels
    for a, b in zip(one.scorer.mixtures, other.scorer.mixtures, strict=True):
        assert a.covariance_type == b.covariance_type
        for part in ("weights", "means", "covariances"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part), strict=True)
    ours, theirs = one.front_end_tables().tensors(), other.front_end_tables().tensors()
    assert ours.keys() == theirs.keys()
    for name, table in ours.items():
        np.testing.assert_array_equal(table, theirs[name], strict=True)


def header_and_tensors(data):
    """Return the header and the tensors of a model file, read without the package."""
    size = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["gmmaudio"]), load_tensors(data)


def checksum(header, tensors):
    """Return the checksum as the format defines it: JSON with sorted keys, then each tensor by name."""
    rest = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(f"\0{name}\0{tensors[name].dtype.str}\0{tensors[name].shape}\0".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def sealed(header, tensors):
    """Return the bytes of a file with this content and the right checksum."""
    header = header | {"sha256": checksum(header, tensors)}
    return save_tensors(tensors, metadata={"gmmaudio": json.dumps(header)})


INF = float("inf")


# the search for a scale stops at steps of 1e-6 of its log
FOUND = 1e-5


def posterior_clips(seed, n=4000, n_labels=3, spread=2.0):
    """Return log posteriors, true labels drawn from them, and groups of one clip: perfectly calibrated scores."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=(n, n_labels))
    chances = softmax(logits, axis=1)
    true = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits, true, [str(i) for i in range(n)]


def few_clips(seed=0, n_labels=3, n_groups=4, n_each=5, shift=2.0):
    """Return overlapping scores of few groups, each of one label."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(n_labels), n_groups * n_each)
    scores = rng.normal(size=(len(true), n_labels))
    scores[np.arange(len(true)), true] += shift
    return scores, true, [str(i // n_each) for i in range(len(true))]


def temperature(scores, true, groups):
    return fit_calibration(scores, true, groups, method="temperature").scale


def loss_of(true, groups):
    """Return the log-loss of scores as a function, with labels, and groups within them, the same, by plain loops."""
    members = {}
    for i, (label, group) in enumerate(zip(true.tolist(), groups, strict=True)):
        members.setdefault(label, {}).setdefault(group, []).append(i)
    weights = np.zeros(len(true))
    for own in members.values():
        for clips in own.values():
            weights[clips] = 1 / (len(members) * len(own) * len(clips))
    return lambda scores: -float(weights @ log_softmax(scores, axis=1)[np.arange(len(true)), true])
