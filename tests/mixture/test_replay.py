"""A fit that is called again: the same bits from its checkpoints, whatever is there of them, and nothing done twice."""

import copy

import numpy as np
import pytest

from gmmaudio.compute import checkpoints as checkpoints_module
from gmmaudio.compute import digest_of
from gmmaudio.errors import SettingError
from gmmaudio.mixture import fit_gmm, replay
from gmmaudio.mixture.fit_rows import FitRows


class InMemory(dict):
    """Checkpoints in a dictionary, by the text of the key."""

    def read(self, key):
        return self.get(digest_of(key))

    def write(self, key, arrays, record):
        self[digest_of(key)] = copy.deepcopy((dict(arrays), {**record, "kind": key["kind"]}))

    def of_kind(self, kind):
        return [name for name, (_, record) in self.items() if record["kind"] == kind]


@pytest.fixture(autouse=True)
def keep_all(monkeypatch):
    """Keep what takes no time, too."""
    monkeypatch.setattr(checkpoints_module, "LEAST_S", 0.0)
    monkeypatch.setattr(replay, "PASS_S", 0.0)


@pytest.fixture
def passes(monkeypatch):
    """The mixtures under which the rows were gone through, in order."""
    seen, real = [], FitRows.statistics

    def watched(self, mixture, *arguments):
        seen.append(mixture)
        return real(self, mixture, *arguments)

    monkeypatch.setattr(FitRows, "statistics", watched)
    return seen


def rows_of(seed=0, n=600, d=3, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, d)) + rng.integers(0, 3, size=(n, 1)) * 4).astype(dtype)


MISSING = np.where(np.random.default_rng(1).random((600, 3)) < 0.1, np.nan, rows_of(dtype=np.float64))
FAR = np.concatenate([rows_of(dtype=np.float64), [[1e9, 0.0, 0.0]]])
WEIGHTS = np.random.default_rng(2).random(600)
# four components of which EM re-seeds one: two starts on one row
RESEEDED = np.repeat([[0.0], [1.0], [50.0], [51.0], [100.0]], [40, 40, 40, 40, 1], axis=0)
CASES = {
    **{kind: (rows_of(), {"covariance_type": kind}) for kind in ("diag", "full", "tied", "spherical")},
    "float64": (rows_of(dtype=np.float64), {}),
    "weighted": (rows_of(), {"weights": WEIGHTS}),
    "missing": (MISSING, {}),
    "far": (FAR, {"variance_floor": 1e-6}),
    "accelerated": (rows_of(), {"accelerate": True, "tol": 1e-7}),
    "several starts": (rows_of(), {"n_init": 3, "init": "random", "tol": 1e-3}),
    "reseeded": (RESEEDED, {"init": "random", "n_init": 4, "tol": 0.0, "max_iter": 12}),
    "all iterations": (rows_of(), {"tol": 0.0, "max_iter": 7}),
    "no iteration": (rows_of(), {"max_iter": 0}),
}


def bits(fitted):
    """Return all that a fit gives as bytes and plain values."""
    mixture, trace = fitted
    return [mixture.weights.tobytes(), mixture.means.tobytes(), mixture.covariances.tobytes(), repr(trace)]


@pytest.mark.parametrize("name", CASES)
def test_a_fit_is_the_same_bits_without_checkpoints_and_with_empty_full_and_some(name, passes):
    rows, settings = CASES[name]

    def fit(checkpoints=None):
        passes.clear()
        return bits(fit_gmm(rows, 4, **settings, rng=np.random.default_rng(5), checkpoints=checkpoints))

    plain, kept = fit(), InMemory()
    n_passes = len(passes)
    assert fit(kept) == plain
    # one mixture may come twice
    assert 0 < len(passes) <= n_passes
    # finished: no pass
    assert fit(kept) == plain
    assert passes == []
    # every iteration was done, and the end was not kept
    for lost in kept.of_kind("end of EM"):
        del kept[lost]
    assert fit(kept) == plain
    assert passes == []
    # some were lost
    for lost in [*kept.of_kind("end of EM"), *kept.of_kind("sums of EM")[1::3]]:
        del kept[lost]
    assert fit(kept) == plain
    if n_passes > 1:
        assert 0 < len(passes) < n_passes


def test_the_cases_hold_what_they_are_named_for():
    def trace_of(name):
        rows, settings = CASES[name]
        return fit_gmm(rows, 4, **settings, rng=np.random.default_rng(5))[1]

    assert trace_of("reseeded").reseeded or trace_of("reseeded").taken_back
    assert trace_of("far").stretched
    assert trace_of("accelerated").n_iter > 4


class KilledError(Exception):
    """The end of a run, from its callback."""


def test_a_killed_fit_goes_on_from_its_last_iteration(passes):
    rows, kept, done = rows_of(), InMemory(), []
    plain = bits(fit_gmm(rows, 4, tol=0.0, max_iter=9))
    n_passes = len(passes)

    def stop(step):
        done.append(step.iteration)
        if step.iteration == 5:
            raise KilledError

    with pytest.raises(KilledError):
        fit_gmm(rows, 4, tol=0.0, max_iter=9, callback=stop, checkpoints=kept)
    passes.clear()
    done.clear()
    again = fit_gmm(rows, 4, tol=0.0, max_iter=9, callback=lambda step: done.append(step.iteration), checkpoints=kept)
    assert bits(again) == plain
    # the start and five iterations were read
    assert len(passes) == n_passes - 6
    assert done == list(range(10))


def test_of_a_finished_fit_the_callback_sees_the_end():
    rows, kept, steps = rows_of(), InMemory(), []
    mixture, trace = fit_gmm(rows, 4, checkpoints=kept)
    again, _ = fit_gmm(rows, 4, checkpoints=kept, callback=steps.append)
    assert [step.iteration for step in steps] == [trace.n_iter]
    assert steps[0].log_likelihood == trace.log_likelihoods[-1]
    assert steps[0].mixture.means.tobytes() == again.means.tobytes() == mixture.means.tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"n_components": 3},
        {"weights": WEIGHTS},
        {"weights": np.full(600, 2)},
        {"covariance_type": "spherical"},
        {"init": "random"},
        {"n_init": 2},
        {"max_iter": 3},
        {"tol": 1e-2},
        {"variance_floor": 0.5},
        {"accelerate": True},
        {"rng": 7},
        {"X": rows_of(1)},
        {"X": rows_of(dtype=np.float64)},
        {"X": rows_of()[::-1]},
        {"X": rows_of()[:599]},
    ],
    ids=repr,
)
def test_checkpoints_of_another_fit_are_not_taken_for_those_of_this_one(changes):
    def fit(checkpoints=None, **changes):
        settings = {"X": rows_of(), "n_components": 4, "max_iter": 20, "tol": 1e-5, "rng": 5} | changes
        rng = np.random.default_rng(settings.pop("rng"))
        return bits(fit_gmm(**settings, rng=rng, checkpoints=checkpoints))

    kept = InMemory()
    first = fit(kept)
    assert fit(kept, **changes) == fit(**changes)
    assert fit(kept) == first


def test_the_same_rows_are_known_however_they_are_divided_and_worked_on(passes, tmp_path):
    rows, kept = rows_of(n=9000), InMemory()
    plain = bits(fit_gmm(rows, 2, max_iter=3, checkpoints=kept))
    np.save(tmp_path / "rows.npy", rows)
    passes.clear()
    for source in ([rows[:100], rows[100:]], lambda: iter([rows[:8500], rows[8500:]]), [tmp_path / "rows.npy"]):
        assert bits(fit_gmm(source, 2, max_iter=3, checkpoints=kept)) == plain
    assert bits(fit_gmm(rows, 2, max_iter=3, checkpoints=kept, n_threads=2)) == plain
    assert bits(fit_gmm(rows, 2, max_iter=3, checkpoints=kept, mapper=map)) == plain
    assert passes == []


def test_rows_in_another_order_of_memory_are_other_rows():
    rows = rows_of(dtype=np.float64)
    one, other = (FitRows.of(each, None, "diag", with_digest=True) for each in (rows, np.asfortranarray(rows)))
    assert one.digest != other.digest
    assert FitRows.of(rows, None, "diag").digest == ""


@pytest.mark.parametrize("kind", ["sums of EM", "end of EM"])
@pytest.mark.parametrize(
    "spoil", [lambda arrays: arrays.clear(), lambda arrays: arrays.update(means=np.ones(2), n=np.ones(2))]
)
def test_entries_of_another_form_cost_only_time(kind, spoil):
    rows, kept = rows_of(), InMemory()
    plain = bits(fit_gmm(rows, 4, checkpoints=kept))
    for entry in kept.of_kind("end of EM"):
        if kind == "sums of EM":
            del kept[entry]
    for arrays, record in kept.values():
        if record["kind"] == kind:
            spoil(arrays)
    assert bits(fit_gmm(rows, 4, checkpoints=kept)) == plain


def test_short_passes_and_fits_are_not_kept(monkeypatch):
    monkeypatch.setattr(replay, "PASS_S", 3600.0)
    kept = InMemory()
    fit_gmm(rows_of(), 4, checkpoints=kept)
    assert len(kept.of_kind("end of EM")) == len(kept) == 1
    monkeypatch.setattr(checkpoints_module, "LEAST_S", 3600.0)
    kept.clear()
    fit_gmm(rows_of(), 4, checkpoints=kept)
    assert kept == {}


@pytest.mark.parametrize("bad", ["folder", 3, {}])
def test_what_cannot_read_and_write_is_refused(bad):
    with pytest.raises(SettingError, match="expected an object that can read and write, or None"):
        fit_gmm(rows_of(), 2, checkpoints=bad)
