"""The blocks on Dask clusters: hashes that differ are shown, and sizes are scaled from what was measured."""

from results.cluster_views import cluster_text, iteration_text, scale_text

HOUR = {"part": "hour", "preset": "classic", "cpu_s": 3.6, "frame_bytes": 2e6, "row_bytes": 8e6}
VECTOR = {"part": "vector", "bytes": 30_000}
ITERATION = {"part": "iteration", "n_rows": 1000, "n_columns": 20, "groups": 3}
ITERATION |= {"parameters": 4000, "places": 1500, "statistics": 60_000}


def way(kind, name, sha256, killed=0):
    return {"part": "same", "kind": kind, "way": name, "sha256": sha256, "wall_s": 1.0, "killed": killed}


def test_models_that_differ_are_shown():
    rows = [way("frames", "-j 1", "a" * 64), way("frames", "Dask", "a" * 64, killed=2)]
    rows += [way("blocks", "-j 1", "b" * 64), way("blocks", "Dask", "c" * 64)]
    lines = cluster_text(rows).splitlines()
    assert lines[2:] == [
        "| frames | `aaaaaaaa` | `aaaaaaaa` | 2 | yes |",
        "| blocks | `bbbbbbbb` | `cccccccc` | 0 | **no** |",
    ]


def test_a_million_hours_are_a_million_times_one():
    text = scale_text([HOUR, VECTOR])
    # 1,000 core hours at 0.04, and 2 and 8 TB
    assert "| classic | 3.6 | 1,000 | 40 | 2.0 | 8.0 |" in text
    # an hour has 120 clips of 30 s
    assert "takes 30.0 kB: 3.6 TB for 120 million clips of 30 s." in text


def test_an_iteration_grows_with_its_rows_but_for_the_parameters():
    lines = iteration_text([ITERATION, HOUR]).splitlines()[2:]
    # 8 MB for an hour are 100,000 rows: 1e11 in all, 1e8 times as many as were measured
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0][1:] == ["1,000", "1e+11"]
    assert cells[1][1:] == ["3", "300,000,000"]
    assert cells[2][1:] == ["4.0", "4.0"]
    assert cells[3][1:] == ["0.0015", "150,000"]
