"""Facts gathered by ranks under a real mpirun."""

from __future__ import annotations

import json

import pytest

from pytest_mlpstorage.cluster.collect import MARK
from pytest_mlpstorage.cluster.facts import HostFacts
from pytest_mlpstorage.errors import DependencyError
from pytest_mlpstorage.launch.detect import find_launcher
from pytest_mlpstorage.launch.job import Job, Launcher
from pytest_mlpstorage.launch.supervisor import run_job

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def launcher() -> Launcher:
    try:
        return find_launcher()
    except DependencyError as error:
        pytest.skip(str(error))


@pytest.fixture
def gather(launcher, tmp_path):
    def gather(*arguments):
        job = Job(2, ("-m", "pytest_mlpstorage.cluster", *arguments))
        return run_job(launcher, job, stdout=tmp_path / "o", stderr=tmp_path / "e", deadline_seconds=60)

    return gather


def test_two_ranks_of_one_host_give_one_entry(gather, tmp_path):
    out = tmp_path / "facts.json"
    assert gather("--out", str(out), "--ranks", "2", "/").cause == ""
    entries = json.loads(out.read_text())
    assert len(entries) == 1
    assert HostFacts.from_json(entries[0]).mount("/").target == "/"


def test_facts_come_as_one_line_of_standard_output(gather, tmp_path):
    assert gather("--out", "-").cause == ""
    lines = [line for line in (tmp_path / "o").read_text().splitlines() if MARK in line]
    assert len(json.loads(lines[0].partition(MARK)[2])) == 1


def test_another_number_of_ranks_than_asked_for_aborts_all(gather):
    outcome = gather("--out", "-", "--ranks", "3")
    assert outcome.returncode == 3
    assert any("3 ranks were asked for, and MPI says 2" in line for line in outcome.stderr_tail)


def test_a_file_that_cannot_be_written_aborts_all(gather, tmp_path):
    outcome = gather("--out", str(tmp_path / "no" / "folder"))
    assert outcome.returncode == 3
    assert outcome.elapsed_seconds < 10


def test_each_host_says_whether_its_two_directories_lie_on_one_filesystem(gather, tmp_path):
    for name in ("data", "results"):
        (tmp_path / name).mkdir()
    assert gather("--out", "-", "--separation", str(tmp_path / "data"), str(tmp_path / "results")).cause == ""
    (line,) = [line for line in (tmp_path / "o").read_text().splitlines() if MARK in line]
    (entry,) = json.loads(line.partition(MARK)[2])
    assert (entry["same_filesystem"], entry["probed_by_rank"]) == (True, 0)


def test_a_directory_that_a_host_does_not_have_ends_the_probe_with_its_name(gather, tmp_path):
    outcome = gather("--out", "-", "--separation", str(tmp_path / "gone"), str(tmp_path))
    assert outcome.returncode == 3
    assert any("gone" in line for line in outcome.stderr_tail)


CLOCKS = """
import json, sys, time
from mpi4py import MPI
from pytest_mlpstorage.cluster.clocks import clock_offsets
ranks, hour = MPI.COMM_WORLD, 3_600 * 10**9
found = clock_offsets(ranks, [f"kernel {rank}" for rank in range(ranks.size)], ranks.allgather, lambda: time.time_ns() + ranks.rank * hour)
if ranks.rank == 0:
    print(json.dumps([[offset.offset_ns - rank * hour, offset.error_ns] for rank, offset in enumerate(found)]))
"""


def test_clocks_that_are_hours_apart_are_known_to_within_what_is_said(launcher, tmp_path):
    (tmp_path / "clocks.py").write_text(CLOCKS)
    outcome = run_job(launcher, Job(4, (str(tmp_path / "clocks.py"),)), stdout=tmp_path / "o", stderr=tmp_path / "e", deadline_seconds=60)
    assert outcome.cause == "", (tmp_path / "e").read_text()
    found = json.loads((tmp_path / "o").read_text())
    assert found[0] == [0, 0]
    assert all(abs(wrong) <= unknown < 10**9 for wrong, unknown in found)
