"""A service under load: a second of it; ``benchmarks.service_load`` has the numbers."""

import os
import subprocess
import sys

import pytest
import soundfile

pytest.importorskip("uvicorn", reason="needs the serve extra")

from benchmarks import service_load
from results.service_views import service_load_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def test_the_time_of_a_process_and_its_children_are_found():
    before = service_load.cpu_s(os.getpid())
    sum(i * i for i in range(2_000_000))
    assert service_load.cpu_s(os.getpid()) > before
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in service_load.children_of(os.getpid())


@pytest.mark.slow
def test_a_second_of_load_has_answers_and_no_other_statuses(model_file, corpus, tmp_path):
    clip = (corpus.root / "low" / "cy" / "0.wav").read_bytes()
    assert soundfile.info(corpus.root / "low" / "cy" / "0.wav").duration == 1.0
    with service_load.serving(model_file, tmp_path) as (process, port):
        cpu = service_load.measure_cpu(process, port, clip, 5)
        load = service_load.measure_load(process, port, [clip], [b"none"], 2, 20, 2.0)
    assert set(load["statuses"]) <= {"200", "415", "503"}
    assert load["broken"] == 0
    assert cpu["worker_cpu_ms"] < 150
    assert "one of 20 half-open connections" in service_load_text([cpu, load])
