"""Mutations of files and of plain values: one engine for all readers, driven by a random generator."""

import copy
import json
import math
import re

import numpy as np

from tests.models.conftest import header_and_tensors, sealed

BYTES = (0, 1, 0x7F, 0x80, 0xFF)
# sizes, rates and counts that headers hold
NUMBERS = np.array(
    [
        *(0, 1, 2, 3, 65, 0x7F, 0xFF, 0xFFFF, 0x10000, 96_000, 2**24, 2**30, 0x7FFFFFF0, 0x7FFFFFFF, 0x80000000),
        *(0xFFFFFFF0, 0xFFFFFFFF, 2**32, 2**33 + 1, 2**53, 2**62, 2**63 - 1),
    ]
)
HOSTILE_VALUES = (
    *(None, True, False, 0, -1, 5, 2**31, 10**9, 10**40, 0.5, -0.0, 1e-300, 1e300, math.inf, -math.inf, math.nan),
    *("", "x", "\0", "\ud800", "../x", "/dev/zero", "1", "=1+1", "\x1b[2J", "x" * 5_000),
    *([], [None], [[]], {}, {"a": 1}, [1.0] * 200),
)
HOSTILE_CELLS = (
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "-1",
        "1,5",
        "\uff11",
        '"',
        '""',
        "'",
        "\0",
        "\x1b[2J",
        "=1+1",
        "x" * 200_000,
    ),
    *("e\u0301", "\u200b", "../x", "/dev/zero", "0", "1" * 400, "\ufeff", "\u2028", "sep=;", "#"),
)


def damage(content, rng):
    """Return the bytes with a random piece cut off, dropped or overwritten; headers are hit as often as sound."""
    content = bytearray(content)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(content[: rng.integers(len(content))])
    if kind == 1:
        at = rng.integers(len(content))
        return bytes(content[:at] + content[at + rng.integers(1, 200) :])
    reach = len(content) if kind == 2 else min(len(content), 120)
    for _ in range(rng.integers(1, 6)):
        content[rng.integers(reach)] = rng.choice([*BYTES, rng.integers(256)])
    return bytes(content)


def mutate_container(content, rng):
    """Return the bytes of an audio file damaged, joined, with more in between, or with other numbers in its header."""
    kind = rng.integers(9)
    if kind == 0:
        return content + content[rng.integers(len(content) // 2) :]
    if kind == 1:
        at = int(rng.integers(len(content)))
        return content[:at] + rng.bytes(int(rng.integers(1, 5_000))) + content[at:]
    if kind in (2, 3):
        return _other_number(content, rng, is_aligned=kind == 2)
    if kind == 4:
        tag = b"ID3\x04\0\0" + bytes(rng.integers(0, 128, size=4, dtype=np.uint8).tolist())
        return tag + bytes(int(rng.integers(200))) + content
    if kind == 5:
        return moved_piece(content, rng)
    if kind == 6:
        return flipped_bits(content, rng)
    return damage(damage(content, rng) or content, rng) if kind == 7 else damage(content, rng)


def _other_number(content, rng, *, is_aligned):
    """Return the bytes with a size, rate or count of the header replaced; in text, with other digits."""
    text = [match.span() for match in re.finditer(rb"[0-9]+(?=\s)", content[:400])]
    if text and not is_aligned and rng.random() < 0.5:
        first, last = text[rng.integers(len(text))]
        return content[:first] + str(int(rng.choice(NUMBERS))).encode() + content[last:]
    width = 4 if is_aligned else int(rng.choice([1, 2, 4, 8]))
    step = width if is_aligned else 1
    at = step * int(rng.integers(max(1, min(len(content), 400) // step)))
    number = int(rng.choice(NUMBERS)) % 256**width
    return content[:at] + number.to_bytes(width, ("little", "big")[rng.integers(2)]) + content[at + width :]


def moved_piece(content, rng):
    """Return the bytes with a copy of a piece put over another place, or between others."""
    first, at = (int(rng.integers(len(content))) for _ in range(2))
    piece = content[first : first + int(rng.integers(1, 600))]
    return content[:at] + piece + content[at + (len(piece) if rng.random() < 0.5 else 0) :]


def flipped_bits(content, rng):
    """Return the bytes with bits flipped anywhere, one in some hundreds of bytes."""
    values = np.frombuffer(content, np.uint8).copy()
    where = rng.integers(len(values), size=1 + len(values) // int(rng.choice([100, 1_000, 10_000])))
    values[where] ^= (1 << rng.integers(8, size=len(where))).astype(np.uint8)
    return values.tobytes()


def mutate_table(content, rng):
    """Return the bytes of a CSV table with a cell, a row, a column, the separator or the encoding changed."""
    kind = rng.integers(6)
    if kind == 0:
        return damage(content, rng)
    rows = [line.split(",") for line in content.decode().split("\n")]
    row = rows[rng.integers(len(rows) if kind < 3 else 1)]
    if kind in (1, 2):
        row[rng.integers(len(row))] = str(rng.choice(HOSTILE_CELLS))
    elif kind == 3:
        column = int(rng.integers(len(row)))
        rows = [[*cells[:column], *cells[column + 1 :]] if rng.random() < 0.9 else cells for cells in rows]
    elif kind == 4:
        rows += [rows[i] for i in rng.integers(len(rows), size=3)]
    separator, end = str(rng.choice([",", ";", "\t", ", ", "|"])), str(rng.choice(["\n", "\r\n", "\r", "\n\n"]))
    encoding = str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
    return end.join(separator.join(cells) for cells in rows).encode(encoding, "ignore")


def mutate_json(content, rng):
    """Return the bytes of a JSON file damaged, or with other values in it."""
    if rng.random() < 0.1:
        return damage(content, rng)
    return json.dumps(mutate_values(json.loads(content), rng)).encode()


def mutate_run(content, rng):
    """Return the bytes of a report with other values in the record of its run."""
    document = json.loads(content)
    return json.dumps(document | {"run": mutate_values(document["run"], rng)}).encode()


def mutate_values(document, rng):
    """Return plain values with some of them replaced, removed, doubled or exchanged."""
    document = copy.deepcopy(document)
    for _ in range(rng.integers(1, 4)):
        holder, key = _random_place(document, rng)
        if holder is None:
            continue
        kind = rng.integers(6)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif kind == 2:
            other, name = _random_place(document, rng)
            holder[key] = None if other is None else copy.deepcopy(other[name])
        elif kind == 3 and isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(HOSTILE_VALUES[rng.integers(len(HOSTILE_VALUES))])
    return document


def _random_place(document, rng):
    """Return a random dictionary or list within plain values, and a key of it: at any depth with equal chance."""
    holder, key = None, None
    value = document
    while isinstance(value, dict | list) and value:
        holder = value
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[rng.integers(len(keys))]
        value = holder[key]
        if rng.random() < 0.3:
            break
    return holder, key


def mutate_model(content, rng):
    """Return the bytes of a model file with other values in its header or its tensors, and the right checksum."""
    if rng.random() < 0.1:
        return damage(content, rng)
    header, tensors = header_and_tensors(content)
    if rng.random() < 0.6:
        header = mutate_values(header, rng)
    else:
        name = sorted(tensors)[rng.integers(len(tensors))]
        tensors[name] = mutated_tensor(tensors[name], rng)
        if tensors[name] is None:
            del tensors[name]
    try:
        return sealed(header, tensors)
    except (TypeError, ValueError, UnicodeEncodeError):
        return content


def mutated_tensor(tensor, rng):
    """Return a tensor with a value, its type or its shape changed; None leaves it out."""
    kind = rng.integers(5)
    tensor = np.array(tensor)
    if kind == 0 and tensor.size:
        with np.errstate(all="ignore"):
            values = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e300, 1e-300, 1e30]).astype(tensor.dtype)
        tensor.flat[rng.integers(tensor.size)] = rng.choice(values)
        return tensor
    if kind == 1:
        return tensor.astype(rng.choice(["float16", "float32", "int64", "uint8", "bool"]))
    if kind == 2:
        return tensor[tuple(slice(0, rng.integers(0, n + 1)) for n in tensor.shape)]
    return np.zeros((0, *tensor.shape[1:])) if kind == 3 else None
