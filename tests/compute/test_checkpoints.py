"""Results that are kept under keys: read again to the bit, computed where they are not there, whatever is kept."""

import numpy as np
import pytest

from gmmaudio.compute import RunContext, checkpoints, digest_of, recall, resume
from gmmaudio.errors import SettingError


class InMemory(dict):
    """Checkpoints in a dictionary."""

    def read(self, key):
        return self.get(digest_of(key))

    def write(self, key, arrays, record):
        self[digest_of(key)] = arrays, record


def describe(value):
    return {"value": np.array([value])}, {}


def restore(arrays, _record):
    return arrays["value"].item()


def test_a_result_is_computed_once_for_each_key():
    kept, computed = InMemory(), []

    def compute(n):
        computed.append(n)
        return n / 3

    def result(n):
        return resume(kept, {"n": n}, lambda: compute(n), describe, restore, least_s=0.0)

    assert [result(n) for n in (1, 2, 1, 2)] == [1 / 3, 2 / 3, 1 / 3, 2 / 3]
    assert computed == [1, 2]
    assert recall(kept, {"n": 2}, restore) == 2 / 3
    assert recall(kept, {"n": 3}, restore) is None


def test_without_checkpoints_everything_is_computed():
    assert resume(None, {}, lambda: 1.0, pytest.fail, pytest.fail) == 1.0
    assert recall(None, {}, pytest.fail) is None


@pytest.mark.parametrize("error", [KeyError("no"), ValueError("no"), TypeError("no"), SettingError("no")])
def test_an_entry_of_another_form_costs_its_computation(error):
    kept = InMemory()
    kept.write({}, {}, {"old": True})

    def refuse(_arrays, _record):
        raise error

    assert resume(kept, {}, lambda: 2.0, describe, refuse, least_s=0.0) == 2.0
    # and it is replaced
    assert recall(kept, {}, restore) == 2.0


@pytest.mark.parametrize(("least_s", "n_kept"), [(None, 0), (0.3, 0), (0.1, 1)])
def test_only_what_takes_long_is_kept(monkeypatch, least_s, n_kept):
    # two looks at the clock, 0.15 s apart
    ticks = iter([10.0, 10.15])
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: next(ticks))
    kept = InMemory()
    assert resume(kept, {}, lambda: 1.0, describe, restore, least_s=least_s) == 1.0
    assert len(kept) == n_kept


def test_a_digest_tells_types_shapes_bytes_and_plain_values_apart():
    one = np.arange(6.0)
    values = [(one,), (one.astype(np.float32),), (one.reshape(2, 3),), (one + 1,), (one, 1), (one, "1"), (1, one)]
    assert len({digest_of(*each) for each in values}) == len(values)
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    # by content, whatever the order in memory
    assert digest_of(np.asfortranarray(one.reshape(2, 3))) == digest_of(one.reshape(2, 3))


def test_a_line_is_said_where_progress_has_a_place_for_it():
    class Talking:
        def __init__(self):
            self.lines = []

        def __call__(self, items, _total, _stage, /):
            return items

        def say(self, line):
            self.lines.append(line)

    talking = Talking()
    RunContext(progress=talking).say("goes on")
    RunContext().say("not shown")
    assert talking.lines == ["goes on"]
