"""Mutations of model files, and what may come of them: refused, or read as exactly what the bytes say.

A file whose checksum was not computed anew is refused, or its model is the one that was written, to the last bit. One
with the right checksum is refused, or every number of its header and tensors is that of the model which was read, saved
again as it stood; and its scores of rows of usual sizes, and its probabilities, are finite.
"""

import copy
import json
import math

import numpy as np

from gmmaudio.cli import info
from gmmaudio.errors import ModelFileError
from gmmaudio.features import Rows, raw_frames
from gmmaudio.json_text import to_json
from gmmaudio.models import load_model, to_bytes
from tests.fuzz.mutations import NUMBERS, damage, flipped_bits, moved_piece, mutate_values, mutated_tensor
from tests.models.conftest import checksum, header_and_tensors, sealed

# rows near what was trained on, silence, and rows far from it
SCALES = (0.0, 1.0, 100.0, 1_000.0)
N_ROWS = 30


# --- mutations -----------------------------------------------------------------------------------------------------


def mutate_kept(content, rng):
    """Return the bytes of a model file with other bytes, values or descriptions of tensors, and the old checksum."""
    kind = rng.integers(5)
    if kind == 0:
        return damage(content, rng)
    if kind == 1:
        return flipped_bits(content, rng)
    if kind == 2:
        return moved_piece(content, rng)
    if kind == 3:
        return _with_described(content, rng)
    header, tensors = header_and_tensors(content)
    return _written(content, mutate_values(header, rng), tensors)


def mutate_sealed(content, rng):
    """Return the bytes of a model file with other values or tensors, and the right checksum."""
    kind, (header, tensors) = rng.integers(5), header_and_tensors(content)
    if kind == 0:
        return _resealed(_with_described(content, rng))
    if kind in (1, 2):
        header = mutate_values(header, rng)
    if kind in (2, 3):
        for name in rng.choice(sorted(tensors), size=rng.integers(1, 3)):
            other = mutated_tensor(tensors[name], rng) if name in tensors else None
            tensors = {key: tensor for key, tensor in tensors.items() if key != name}
            tensors |= {} if other is None else {name: other}
    if kind == 4:
        header = _with_other_number(header, rng)
    try:
        return sealed(header, tensors)
    except (TypeError, ValueError, UnicodeEncodeError):
        return mutate_sealed(content, rng)


def _with_other_number(header, rng):
    """Return a header in which one number is a little, or very, different."""
    header = copy.deepcopy(header)
    places = [
        (holder, key)
        for holder in _holders(header)
        for key in (holder if isinstance(holder, dict) else range(len(holder)))
        if isinstance(holder[key], int | float) and not isinstance(holder[key], bool)
    ]
    holder, key = places[rng.integers(len(places))]
    factors = (-1, 0, 0.5, 2, 1 + 1e-9, 1e30, 1e-30)
    holder[key] = type(holder[key])(holder[key] * factors[rng.integers(len(factors))])
    return header


def _holders(value):
    """Yield every dictionary and list within plain values."""
    if isinstance(value, dict | list):
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


def _with_described(content, rng):
    """Return a file in which tensors are described otherwise: names exchanged, other places, shapes or types."""
    size = int.from_bytes(content[:8], "little")
    described = json.loads(content[8 : 8 + size])
    names = [name for name in described if name != "__metadata__"]
    one, other = (described[names[i]] for i in rng.integers(len(names), size=2))
    kind = rng.integers(6)
    if kind == 0:
        fields = ("dtype", "shape", "data_offsets")[: rng.integers(1, 4)]
        for field in fields:
            one[field], other[field] = other[field], one[field]
    elif kind == 1:
        one["shape"] = [int(n) for n in rng.choice(NUMBERS, size=rng.integers(4))]
    elif kind == 2:
        one["shape"] = one["shape"][::-1] if rng.random() < 0.5 else [1, *one["shape"]]
    elif kind == 3:
        one["dtype"] = str(rng.choice(["F32", "F64", "I32", "I64", "U32", "BF16", "F16", "BOOL", "U8"]))
    elif kind == 4:
        one["data_offsets"] = [int(n) for n in rng.choice([*NUMBERS, *one["data_offsets"]], size=2)]
    else:
        one["data_offsets"] = [n + int(rng.integers(-8, 9)) for n in one["data_offsets"]]
    text = json.dumps(described).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _written(content, header, tensors):
    """Return a file with another header and the checksum that this header states; the old one where none can be."""
    try:
        from safetensors.numpy import save

        return save(tensors, metadata={"gmmaudio": json.dumps(header)})
    except (TypeError, ValueError, UnicodeEncodeError):
        return content


def _resealed(content):
    """Return a file with the checksum of what safetensors reads in it; as it is where that reads nothing."""
    size = int.from_bytes(content[:8], "little")
    described = json.loads(content[8 : 8 + size])
    try:
        header, tensors = header_and_tensors(content)
        header["sha256"] = checksum(header, tensors)
    except Exception:  # noqa: BLE001 - it reads nothing, for any reason
        return content
    described["__metadata__"]["gmmaudio"] = json.dumps(header)
    text = json.dumps(described).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


# --- what may come of them -----------------------------------------------------------------------------------------


def outcome_of(path, original, *, is_sealed):
    """Return "refused", "as written" or "as it says" for a model file, after its model was used; anything else raises.

    Parameters
    ----------
    path : Path
        The file.
    original : bytes
        The file that it was made from.
    is_sealed : bool
        Whether its checksum was computed anew.
    """
    content = path.read_bytes()
    try:
        model = load_model(path)
    except ModelFileError as error:
        text = str(error)
        assert text.strip(), "no message"
        assert len(text.splitlines()) == 1, f"message of several lines: {text[:300]!r}"
        return "refused"
    again = to_bytes(model)
    if not is_sealed:
        path.write_bytes(original)
        assert again == to_bytes(load_model(path)), "a damaged file was read as another model"
        return "as written"
    _use(model)
    path.write_bytes(again)
    assert to_bytes(load_model(path)) == again, "a model that was saved again is another one"
    found = _differences(content, again)
    assert not found, f"numbers of the file that the model does not have: {found[:3]}"
    return "as it says"


def _use(model):
    """Use all that a model can do; every number that comes out is one."""
    values = np.random.default_rng(7).normal(size=(N_ROWS, model.scorer.n_features))
    for scale in SCALES:
        rows = Rows((scale * values).astype(np.float32), np.arange(N_ROWS, dtype=np.float32))
        answer = model.predict(rows)
        assert all(map(math.isfinite, answer.scores.values())), f"scores {answer.scores}"
        if answer.probability is not None:
            total = sum(answer.probability.values())
            assert math.isclose(total, 1.0, rel_tol=1e-9), f"probabilities {answer.probability}"
    if model.tables is not None:
        samples = np.random.default_rng(7).uniform(-1, 1, 3 * model.features.frames.n_fft).astype(np.float32)
        frames = raw_frames([samples], model.features.frames, model.tables).values
        assert np.isfinite(frames).all(), "frames that are not finite"
    assert all(isinstance(line, str) for line in info._lines(model))
    json.loads(to_json(info._everything(model)), parse_constant=_refuse)


def _refuse(word):
    raise AssertionError(f"{word} is no JSON")


def _differences(content, again):
    """Return the places of a file whose numbers differ from those of its model, saved again.

    Headers before 2.0 have other names for the same things, so that only their tensors are compared.
    """
    (header, tensors), (kept, kept_tensors) = header_and_tensors(content), header_and_tensors(again)
    names = [name for name, tensor in tensors.items() if not _is_same(tensor, kept_tensors.get(name))]
    if not header["format_version"].startswith("2."):
        return names
    # a later minor version may have more keys
    known = {key: value for key, value in header.items() if key in kept and key not in ("sha256", "format_version")}
    return [*names, *_unlike(known, kept, "")]


def _is_same(one, other):
    """Return whether two tensors are the same bits, of one type and shape."""
    return (
        other is not None and one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def _unlike(one, other, place):
    """Yield the places of plain values that are lacking or of another value in others, which may have more keys."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key, value in one.items():
            yield from _unlike(value, other[key], f"{place}.{key}") if key in other else [f"{place}.{key} is not there"]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _unlike(first, second, f"{place}[{i}]")
    elif one != other or isinstance(one, bool) is not isinstance(other, bool):
        yield f"{place}: {one!r:.60} in the file, {other!r:.60} in the model"
