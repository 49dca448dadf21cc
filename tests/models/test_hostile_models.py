"""Model files from an unknown hand, with a right checksum: every field and tensor replaced by hostile values.

A file is refused with one clear line, or its model gives finite scores and valid JSON.
"""

import copy
import json
import math
from pathlib import Path

import numpy as np
import pytest

from gmmaudio.cli import info
from gmmaudio.errors import ModelFileError
from gmmaudio.features import Rows, raw_frames
from gmmaudio.json_text import to_json
from gmmaudio.models import explain_rows, from_bytes, heads, to_bytes
from tests.models.conftest import header_and_tensors, sealed

GOLDEN = Path(__file__).parents[1] / "golden"
# every format and every kind, with one head and with two; the others are in the slow part
QUICK = (
    "model-1.0-frames-full",
    "model-1.3-supervector-views",
    "model-1.4-blocks-mean",
    "model-1.4-supervector-trained",
    "model-2.0-blocks-shared",
    "model-2.0-supervector-warps",
)
EVERY = sorted(path.stem for path in GOLDEN.glob("model-*-*.safetensors"))
DEEP = json.loads("[" * 40 + "]" * 40)
FIELD_VALUES = (
    *(None, True, False, 0, -1, 1, 2**63, 10**30, 10**400, 0.5, -0.5, 1e308, 5e-324, math.nan, math.inf, -math.inf),
    *(
        "",
        "x",
        "1",
        "NaN",
        "diag",
        "\ud800",
        "\x1b[2J",
        "a\nb",
        [],
        {},
        [[]],
        [None],
        {"kind": "linear"},
        [1, "x"],
        DEEP,
    ),
)
# keys whose content nobody knows beforehand: other texts, numbers and tables are as good
FREE = ("sha256", "format_version")


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    """Make distances between labels cheap: whether they are finite does not depend on the number of samples."""
    monkeypatch.setattr(heads, "N_SAMPLES", 10)


def parts(name):
    return header_and_tensors((GOLDEN / f"{name}.safetensors").read_bytes())


def outcome(data):
    """Return the message with which a file is refused, or None after its model has scored rows and was described."""
    try:
        model = from_bytes(data)
    except ModelFileError as error:
        assert str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 600
        return str(error)
    values = np.random.default_rng(7).normal(size=(30, model.scorer.n_features)).astype(np.float32)
    for times in (1.0, 100.0):
        rows = Rows((times * values).astype(np.float32), np.arange(30, dtype=np.float32))
        answer = model.predict(rows)
        assert all(map(math.isfinite, answer.scores.values()))
        assert len(answer.scores) == len(model.scorer.labels) > 1
        if answer.probability is not None:
            assert math.isclose(sum(answer.probability.values()), 1.0, rel_tol=1e-9)
    # of the rows far from what was trained on
    assert all(math.isfinite(part.lead) for part in explain_rows(model, rows).parts)
    assert np.isfinite(model.scorer.label_distances()[0]).all()
    if model.tables is not None:
        samples = np.random.default_rng(7).uniform(-1, 1, 3 * model.features.frames.n_fft).astype(np.float32)
        assert np.isfinite(raw_frames([samples], model.features.frames, model.tables).values).all()
    assert all(isinstance(line, str) for line in info._lines(model))
    json.loads(to_json(info._everything(model)), parse_constant=pytest.fail)
    from_bytes(to_bytes(model))
    return None


def places(value, most, path=()):
    """Yield the path of every field, of the first ``most`` items of a list."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:most]) if isinstance(value, list) else ()
    for key, each in items:
        if key not in FREE:
            yield from places(each, most, (*path, key))


def replaced(header, path, value):
    changed = copy.deepcopy(header)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def check_fields(name, most, values, step):
    header, tensors = parts(name)
    cases = [(path, value) for path in places(header, most) for value in values]
    refused = sum(outcome(sealed(replaced(header, *case), tensors)) is not None for case in cases[::step])
    # most of it is nonsense, and is called so
    assert refused > 0.6 * len(cases[::step])


@pytest.mark.parametrize("name", QUICK)
def test_a_hostile_field_is_refused_or_changes_no_score_to_nonsense(name):
    # a step that has no factor in common with the number of values reaches all of them
    check_fields(name, 1, FIELD_VALUES, 17)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_hostile_field_is_refused_or_changes_no_score_to_nonsense(name):
    check_fields(name, 2, FIELD_VALUES, 1)


@pytest.mark.parametrize("name", QUICK)
def test_a_field_that_is_missing_or_unknown_is_refused_or_has_a_default(name):
    header, tensors = parts(name)
    for path in places(header, 1):
        changed = replaced(header, path, None)
        inner = changed
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        outcome(sealed(changed, tensors))
        if isinstance(inner, dict) and len(path) > 1 and path[1] not in ("tuning", "versions"):
            unknown = replaced(header, (*path[:-1], "unheard_of"), 1)
            assert outcome(sealed(unknown, tensors)) is not None, path


def test_a_key_that_is_there_twice_is_refused():
    header, tensors = parts("model-1.4-frames")
    data = sealed(header, tensors)
    size = int.from_bytes(data[:8], "little")
    text = data[8 : 8 + size].decode()
    for old, new in (
        (r"\"labels\":", r"\"labels\": [], \"labels\":"),
        (r"\"seed\":", r"\"seed\": 1, \"seed\":"),
        ('"__metadata__":', '"__metadata__":{},"__metadata__":'),
    ):
        assert text.count(old) == 1
        twice = text.replace(old, new).encode()
        with pytest.raises(ModelFileError, match="is there twice"):
            from_bytes(len(twice).to_bytes(8, "little") + twice + data[8 + size :])


# Tensors.


def spoiled_numbers(tensor):
    """Yield a tensor with one number, and with all, replaced by hostile ones."""
    whole = (0, 1, -1, 2**16, 2**31 - 1, -(2**31))
    numbers = (np.nan, np.inf, -np.inf, 0.0, -1.0, 3e38, -3e38, 1e-45, 1e300, 5e-324, -1e300)
    for value in numbers if tensor.dtype.kind == "f" else whole:
        with np.errstate(over="ignore"):
            yield np.full_like(tensor, value)
            one = tensor.copy()
            one.flat[-1:] = value
            yield one


def spoiled_shapes(tensor):
    """Yield a tensor in other shapes, and as other types."""
    yield tensor[:0]
    yield tensor[..., :0]
    yield tensor[:-1]
    yield tensor[..., :-1]
    yield np.concatenate([tensor, tensor])
    yield np.concatenate([tensor, tensor], axis=-1)
    yield tensor[None]
    yield tensor.ravel()
    yield np.zeros((), tensor.dtype)
    yield np.zeros((2**20, 0), tensor.dtype)
    if tensor.ndim == 2:
        yield tensor.T.copy()
    for dtype in ("float16", "float32", "float64", "int64", "int8", "bool"):
        if tensor.dtype != dtype:
            yield np.nan_to_num(tensor, posinf=0.0).astype(dtype)


def check_tensors(name):
    header, tensors = parts(name)
    for key, tensor in tensors.items():
        for spoiled in (*spoiled_numbers(tensor), *spoiled_shapes(tensor)):
            with np.errstate(all="ignore"):
                said = outcome(sealed(header, {**tensors, key: spoiled}))
            # a model may have any number of nuisance directions, and mel bands of any width
            kept = {"transform.directions": slice(1, None), "front_end.mel_weights": slice(2)}.get(key, slice(None))
            fits = spoiled.shape[kept] == tensor.shape[kept] and spoiled.dtype == tensor.dtype
            fits &= spoiled.size > 0 or key == "transform.directions"
            if not fits or np.isnan(spoiled).any():
                assert said is not None, (key, spoiled.dtype, spoiled.shape)
        without = {name: each for name, each in tensors.items() if name != key}
        assert outcome(sealed(header, without)) is not None
        assert outcome(sealed(header, {**without, f"{key}x": tensor})) is not None
    for extra in ("x", "7.means", "transform.x", "1:x", "2:coefficients", ""):
        assert outcome(sealed(header, {**tensors, extra: np.zeros(2)})) is not None, extra


@pytest.mark.parametrize("name", QUICK)
def test_a_hostile_tensor_is_refused_or_changes_no_score_to_nonsense(name):
    check_tensors(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_hostile_tensor_is_refused_or_changes_no_score_to_nonsense(name):
    check_tensors(name)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64", "I64", "BOOL", "F4", "x", 5, None])
def test_a_tensor_of_a_type_that_numpy_may_not_know_is_refused(dtype):
    header, tensors = parts("model-1.4-frames")
    data = sealed(header, tensors)
    size = int.from_bytes(data[:8], "little")
    described = json.loads(data[8 : 8 + size])
    described["0.means"]["dtype"] = dtype
    text = json.dumps(described).encode()
    with pytest.raises(ModelFileError, match="expected the types F32, F64, I32"):
        from_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


# The command.


@pytest.mark.parametrize("verb", ["classify", "evaluate", "info", "info --json"])
def test_a_hostile_model_ends_a_command_with_one_line_before_the_first_file(command, tmp_path, verb):
    header, tensors = parts("model-1.4-blocks-mean")
    matrix = np.full_like(tensors["transform.matrix"], np.nan)
    path = tmp_path / "hostile.gmm"
    path.write_bytes(sealed(header, {**tensors, "transform.matrix": matrix}))
    done = command(*verb.split(), path, *([] if verb.startswith("info") else [tmp_path / "gone"]))
    said = "holds no usable model (the tensor matrix holds nan; expected numbers of -1e+50 to 1e+50); train again"
    assert (done.code, done.out, done.err) == (3, "", f"gmmaudio: {path}: {said}\n")
