"""gmmaudio compare: what it prints, and what it refuses."""

import json

import pytest

from gmmaudio.evaluation import (
    compare,
)

# --- the command -------------------------------------------------------------------------------------------------


def row_of(name, label, predicted, **others):
    place = {"path": f"{name}.wav", "group": f"g{name[0]}", "unit": f"g{name[0]}", "source": None, "fold": "0"}
    return place | {"name": name, "label": label, "predicted": predicted, "repeat": 0, "scores": {}} | others


def write(path, clips, **protocol):
    protocol = {"scheme": "4 folds by group", "trial_s": None, "command": f"gmmaudio crossval {path.stem}"} | protocol
    path.write_text(json.dumps({"accuracy": 0.5, "protocol": protocol, "clips": clips}))
    return path


@pytest.fixture
def pair(tmp_path):
    """Two evaluations of 24 clips in 8 groups: B mends every clip 2, breaks a0 and calls b0 otherwise."""
    names = [f"{group}{i}" for group in "abcdefgh" for i in range(3)]
    a = [row_of(name, "x", "y" if name[1] == "2" or name == "b0" else "x") for name in names]
    b = [row | {"predicted": {"a0": "z", "b0": "z"}.get(row["name"], "x")} for row in a]
    return write(tmp_path / "a.json", a), write(tmp_path / "b.json", b[::-1])


def change(file, /, **changes):
    """Rewrite keys of every clip, None taking them out."""
    document = json.loads(file.read_text())
    for clip in document["clips"]:
        for key, value in changes.items():
            clip.pop(key, None)
            if value is not None:
                clip[key] = value(clip) if callable(value) else value
    file.write_text(json.dumps(document))


def test_the_page(command, pair):
    done = command("compare", *pair)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"A: {pair[0]} (gmmaudio crossval a)"
    assert lines[1] == f"B: {pair[1]} (gmmaudio crossval b)"
    assert lines[2] == "24 clips, 8 groups"
    assert lines[5].split()[:6] == ["accuracy", "62.5", "%", "91.7", "%", "+29.2"]
    assert lines[6].startswith("balanced accuracy    62.5 %  91.7 %   +29.2  +")
    assert lines[8].startswith("B is better by 29.2 percentage points (95 % interval ")
    assert lines[8].endswith("): the interval does not hold 0")
    # groups differ by 1, seven times, and by 0: 2 of 128 swaps are as far
    assert "p = 0.016 (exact; valid where clips of a group are dependent)" in lines[9]
    words = "exact; correct only in A: 1, only in B: 8; assumes that clips are independent"
    assert lines[10] == f"McNemar: p = 0.039 ({words})"
    assert lines[12:15] == [
        "10 predictions changed:",
        "  became wrong: a0, x: A x, B z",
        "  became right: a2, x: A y, B x",
    ]
    assert lines[-1] == "  wrong otherwise: b0, x: A y, B z"


def test_everything_as_json_on_stdout_and_in_a_file(command, pair, tmp_path):
    done = command("compare", *pair, "--json", "-")
    found = json.loads(done.out)
    expected = compare(
        *zip(
            *((c["name"], "x", c["unit"], c["predicted"]) for c in json.loads(pair[0].read_text())["clips"]),
            strict=True,
        ),
        [c["predicted"] for c in json.loads(pair[1].read_text())["clips"][::-1]],
    )
    assert found["interval"] == list(expected.interval)
    assert found["permutation_p"] == expected.permutation_p
    assert found["headline"] == expected.headline
    assert len(found["changed"]) == 10
    assert found["changed"][0] == {
        "name": "a0", "repeat": 0, "label": "x", "predicted_a": "x", "predicted_b": "z", "became": "wrong",
    }  # fmt: skip
    assert found["protocols"]["b"]["command"] == "gmmaudio crossval b"
    assert found["files"] == {"a": str(pair[0]), "b": str(pair[1])}
    place = tmp_path / "found.json"
    done = command("compare", *pair, "--json", place)
    assert json.loads(place.read_text()) == found
    assert done.err == f"wrote {place}\n"
    assert "B is better" in done.out


def test_at_most_20_changed_clips_are_listed_and_all_are_in_json(command, tmp_path):
    clips = [row_of(f"{i:02}", "x", "x") for i in range(30)]
    a = write(tmp_path / "a.json", clips)
    b = write(tmp_path / "b.json", [clip | {"predicted": "y"} for clip in clips])
    lines = command("compare", a, b).out.splitlines()
    assert sum(line.startswith("  became wrong: ") for line in lines) == 20
    assert lines[-1] == "  and 10 more; --json has them all"
    assert len(json.loads(command("compare", a, b, "--json", "-").out)["changed"]) == 30


def test_an_evaluation_against_itself(command, pair):
    done = command("compare", pair[0], pair[0])
    assert done.code == 0
    assert "A and B are equally accurate" in done.out
    assert done.out.splitlines()[-1] == "0 predictions changed"


def test_one_group(command, pair):
    change(pair[0], unit="g")
    change(pair[1], unit="g")
    assert "none: one group only" in command("compare", *pair).out


def test_repeats_are_paired_by_number(command, tmp_path):
    clips = [row_of(f"{i}", "x", "xy"[(i + r) % 2], repeat=r) for r in range(2) for i in range(6)]
    a, b = write(tmp_path / "a.json", clips), write(tmp_path / "b.json", clips[::-1])
    done = command("compare", a, b)
    assert "6 clips, 6 groups, 2 repeats" in done.out
    words = "exact; correct only in A: 0, only in B: 0, first repeat only; assumes that clips are independent"
    assert f"({words})" in done.out
    assert "0 predictions changed" in done.out


def test_clips_that_differ_are_2_and_named(command, pair):
    document = json.loads(pair[1].read_text())
    document["clips"] = [c for c in document["clips"] if c["name"][0] not in "ab"] + [row_of("zz", "x", "x", repeat=4)]
    pair[1].write_text(json.dumps(document))
    done = command("compare", *pair)
    assert (done.code, done.out) == (2, "")
    assert "the clips differ: 6 only in A (a0, a1, a2, ...); 1 only in B (zz in repeat 4); compare two" in done.err


def test_true_labels_that_differ_are_2_and_named(command, pair):
    change(pair[1], label=lambda clip: "q" if clip["name"] in ("c1", "d1") else "x")
    done = command("compare", *pair)
    assert done.code == 2
    assert "true labels differ for 2 of the clips (c1, d1): the first is x in A and q in B" in done.err


def test_groups_that_differ_are_those_of_a_with_a_warning(command, pair):
    before = json.loads(command("compare", *pair, "--json", "-").out)
    change(pair[1], unit=lambda clip: clip["name"])
    done = command("compare", *pair, "--json", "-")
    assert done.err == "warning: groups differ for 24 of the clips (a0, a1, a2, ...); those of A are used\n"
    after = json.loads(done.out)
    assert after["interval"] == before["interval"]
    assert after["warnings"] == [done.err.removeprefix("warning: ").strip()]
    assert json.loads(command("compare", *pair[::-1], "--json", "-").out)["n_groups"] == 24


def test_files_without_units_use_the_group_then_the_file(command, pair):
    for path in pair:
        change(path, unit=None)
    assert "24 clips, 8 groups" in command("compare", *pair).out
    for path in pair:
        change(path, group=None)
    assert "24 clips, 24 groups" in command("compare", *pair).out
    for path in pair:
        change(path, path=None, paths=lambda clip: [f"{clip['name'][0]}.wav", clip["name"]])
    assert "24 clips, 8 groups" in command("compare", *pair).out


def test_protocols_that_differ_are_named(command, pair):
    document = json.loads(pair[1].read_text())
    document["protocol"] |= {"scheme": "held-out split", "trial_s": 10.0}
    pair[1].write_text(json.dumps(document))
    assert command("compare", *pair).err.splitlines() == [
        "warning: protocols differ: scheme is '4 folds by group' in A and 'held-out split' in B",
        "warning: protocols differ: trial_s is None in A and 10.0 in B",
    ]


def test_hostile_names_do_not_drive_the_terminal(command, tmp_path):
    name = "a\x1b[31m\n\u202e\udcff"
    clips = [row_of("k", "x", "x"), row_of(name, "l\x1b", "m\x07", path="p")]
    a = write(tmp_path / "a.json", clips, command="gmmaudio \x1b]0;")
    b = write(tmp_path / "b.json", [clips[0], clips[1] | {"predicted": "n\r"}], scheme="\x1b[2J")
    done = command("compare", a, b)
    assert done.code == 0
    for text in (done.out, done.err):
        assert all(c.isprintable() for c in text.replace("\n", ""))
    assert "wrong otherwise: a\\x1b[31m\\n\\u202e\\udcff, l\\x1b: A m\\x07, B n\\r" in done.out
    assert json.loads(command("compare", a, b, "--json", "-").out)["changed"][0]["name"] == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("\xff\xfe", "cannot be read as JSON"),
        ('{"clips": [], "accuracy": NaN}', "cannot be read as JSON"),
        ("[]", "is not the JSON of a report"),
        ("{}", "has no list of clips with name, label and predicted"),
        ('{"clips": {}}', "has no list of clips"),
        ('{"clips": [3]}', "has no list of clips"),
        ('{"clips": [{"name": "a", "label": "x"}]}', "has no list of clips"),
        ('{"clips": [{"name": "a", "label": "x", "predicted": 3}]}', "has no list of clips"),
        ('{"clips": [{"name": "a", "label": "x", "predicted": "x", "repeat": "1"}]}', "has no list of clips"),
        ('{"clips": []}', "has no clips"),
    ],
)
def test_a_file_that_is_no_evaluation_is_3(command, pair, tmp_path, text, message):
    bad = tmp_path / "bad.json"
    bad.write_bytes(text.encode("latin-1"))
    for files in ((bad, pair[1]), (pair[0], bad)):
        done = command("compare", *files)
        assert (done.code, done.out) == (3, "")
        assert f"bad.json: {message}" in done.err
        assert "expected the JSON of a report, as evaluate and crossval write it" in done.err


def test_a_file_that_is_missing_or_names_a_clip_twice_is_3(command, pair, tmp_path):
    done = command("compare", tmp_path / "none.json", pair[1])
    assert done.code == 3
    assert "none.json: cannot be read (No such file or directory)" in done.err
    twice = write(tmp_path / "twice.json", [row_of("k", "x", "x"), row_of("k", "x", "y")])
    done = command("compare", twice, pair[1])
    assert done.code == 3
    assert "names clip k twice in repeat 0" in done.err


def test_a_place_that_cannot_be_written_is_4_before_anything_is_read(command, tmp_path):
    done = command("compare", "a", "b", "--json", tmp_path / "none" / "c.json")
    assert done.code == 4
    assert "is not there; make it first" in done.err


def test_what_crossval_writes_can_be_compared(command, corpus, tmp_path):
    places = [tmp_path / f"{seed}.json" for seed in (0, 1)]
    for seed, place in enumerate(places):
        done = command("crossval", corpus.plain, "--folds", 3, "--components", 2, "--seed", seed, "--json", place)
        assert done.code == 0, done.err
    done = command("compare", *places)
    assert done.code == 0
    assert "18 clips, 9 groups" in done.out


def test_warnings_and_other_sound_under_one_name_are_carried_over(command, corpus, tmp_path):
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    words = ("crossval", corpus.root, "--components", "2", "--folds", "3", "--durations", "none", "--json")
    for path in (a, b):
        assert command(*words, path).code == 0
    said = command("compare", a, b)
    assert "warning: A: groups unknown: this metric may be optimistic" in said.err
    assert "the audio differs" not in said.err
    report = json.loads(b.read_text())
    report["run"]["manifest"][0]["sha256"] = 64 * "0"
    b.write_text(json.dumps(report))
    assert "warning: the audio differs under the same name: 1 files (high/ann/0.wav)" in command("compare", a, b).err


def test_numbers_too_large_for_json_are_no_report(command, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"clips": [{"name": "a", "label": "b", "predicted": "b", "x": 1e999}]}')
    said = command("compare", path, path)
    assert (said.code, "cannot be read as JSON" in said.err) == (3, True)


NFC, NFD = "Zo\u00e9", "Zoe\u0301"


def test_names_are_compared_in_nfc(command, pair, tmp_path):
    a, b = ([json.loads(file.read_text())["clips"]] for file in pair)
    sides = []
    for (rows,), name in ((a, NFC), (b, NFD)):
        renamed = [
            row
            | {"name": row["name"] + name, "group": row["group"] + name, "unit": row["unit"] + name}
            | {key: row[key].replace("x", name) for key in ("label", "predicted")}
            for row in rows
        ]
        sides.append(write(tmp_path / f"{len(sides)}.json", renamed))
    done, plain = command("compare", *sides, "--json", "-"), command("compare", *pair, "--json", "-")
    assert (done.code, done.err) == (0, "")
    one, other = json.loads(done.out), json.loads(plain.out)
    numbers = ("n", "n_groups", "accuracy_a", "accuracy_b", "difference", "interval", "permutation_p", "mcnemar_p")
    assert [one[key] for key in numbers] == [other[key] for key in numbers]
    assert {clip["label"] for clip in one["changed"]} == {NFC}


def test_two_clips_whose_names_differ_by_the_normal_form_alone_stay_two(command, tmp_path):
    rows = [row_of(name, "x", "x") for name in (NFC, NFD, "a", "b")]
    files = write(tmp_path / "a.json", rows), write(tmp_path / "b.json", rows)
    done = command("compare", *files, "--json", "-")
    assert json.loads(done.out)["n"] == 4
