"""Storage is filled before the first pass, once, where that is asked for; what is said and recorded of it."""

from __future__ import annotations

import dataclasses

import kv_cache_cases as cases
import pytest
from kv_cache_cases import plan_of

from pytest_mlpstorage.errors import BenchmarkExecutionError, FileSystemError, MPIError
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.verdict import Category, Severity
from pytest_mlpstorage.workloads import kv_cache_precondition
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD


class Voices:
    beat = echo = None

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def filled(plan, monkeypatch, ranks=1, **more):
    """The item, with a launch that does in this process what its ranks would do."""
    from pytest_mlpstorage.kvcache import precondition as program

    started = []

    def run_job(_launcher, job, **_how):
        started.append(job)
        for rank in range(ranks):
            monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(rank))
            assert program.main([job.program[-1]]) == 0
        return type("Outcome", (), {"returncode": 0, "elapsed_seconds": 2.0})()

    monkeypatch.setattr(kv_cache_precondition, "run_job", run_job)
    monkeypatch.setattr(kv_cache_precondition, "require_success", lambda _outcome: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    voice = Voices()
    WORKLOAD.precondition(plan, launcher=None, voice=voice, **more)
    return started, voice.lines


SMALL = "  precondition: true\n  capacity: 8MiB\n" + cases.CLOSED


def test_twice_the_capacity_is_written_once_recorded_and_removed(tmp_path, monkeypatch):
    plan = dataclasses.replace(plan_of(tmp_path, SMALL, division="open"), cache_dir=tmp_path / "data" / "kv_cache")
    assert "writes 16.00 MiB, twice what it uses" in WORKLOAD.what_precondition_does(plan)
    assert kv_cache_precondition.preconditioned(plan) == "not declared"
    started, lines = filled(plan, monkeypatch)
    assert len(started) == 1
    assert "the storage was filled: 16.00 MiB by 1 client(s)" in lines[0]
    record = kv_cache_precondition.precondition_record(plan)
    assert (record["bytes_per_client"], record["clients"], record["ranks"][0]["bytes_held"]) == (16 * MIB, 1, 8 * MIB)
    assert not (tmp_path / "data" / "kv_cache").exists()
    assert list((plan.config.results_dir / ".mlps" / "scratch").iterdir()) == []
    assert kv_cache_precondition.preconditioned(plan) == "written"
    assert filled(plan, monkeypatch) == ([], [])
    assert "not repeated: 16.00 MiB a client" in WORKLOAD.what_precondition_does(plan)
    assert kv_cache_precondition.precondition_record(dataclasses.replace(plan, capacity_bytes=9 * MIB)) is None
    assert list(WORKLOAD.precondition_findings(plan)) == []


def test_a_client_that_does_not_say_what_it_wrote_is_an_error_and_nothing_is_recorded(tmp_path, monkeypatch):
    plan = dataclasses.replace(plan_of(tmp_path, SMALL, division="open"), cache_dir=tmp_path / "data" / "kv_cache")
    with pytest.raises(BenchmarkExecutionError, match="1 of 1 client"):
        filled(plan, monkeypatch, ranks=0)
    assert kv_cache_precondition.precondition_record(plan) is None
    assert list((plan.config.results_dir / ".mlps" / "scratch").iterdir()) == []


def test_storage_that_nobody_declares_filled_is_a_warning_and_in_whatif_information(tmp_path):
    def findings(section="", division="closed"):
        return list(WORKLOAD.precondition_findings(plan_of(tmp_path, section + cases.CLOSED, division=division)))

    (finding,) = findings()
    assert (finding.rule, finding.severity, finding.category) == ("MLPS-KVC-1", Severity.WARNING, Category.CLOSED)
    assert findings(division="whatif")[0].severity is Severity.INFO
    assert findings("  preconditioned: true\n") == findings("  precondition: true\n") == []


def test_what_is_declared_or_not_wanted_writes_nothing(tmp_path, monkeypatch):
    for section, words in (("  preconditioned: true\n", "as you declare"), ("", "is not filled before")):
        plan = plan_of(tmp_path, section + cases.CLOSED)
        assert words in WORKLOAD.what_precondition_does(plan)
        assert filled(plan, monkeypatch) == ([], [])
    assert kv_cache_precondition.preconditioned(plan_of(tmp_path, "  preconditioned: true\n" + cases.CLOSED)) == "declared"


def test_without_a_capacity_it_is_the_share_of_what_is_free(tmp_path):
    plan = plan_of(tmp_path, "  precondition: true\n  clients_per_host: 2\n" + cases.CLOSED)
    free = plan.cluster.hosts[0].mount(plan.config.data_dir).free_bytes
    assert free > GIB
    assert kv_cache_precondition.capacity_per_client(plan) == free * 95 // 100 // 2


def test_what_was_written_for_a_small_capacity_does_not_fill_the_whole_storage(tmp_path, monkeypatch):
    plan = dataclasses.replace(plan_of(tmp_path, SMALL, division="open"), cache_dir=tmp_path / "data" / "kv_cache")
    filled(plan, monkeypatch)
    whole = dataclasses.replace(plan, capacity_bytes=None)
    assert kv_cache_precondition.preconditioned(whole) == "not declared"
    assert "twice what it uses" in WORKLOAD.what_precondition_does(whole)
    free = kv_cache_precondition.capacity_per_client(whole)
    monkeypatch.setattr(kv_cache_precondition, "capacity_per_client", lambda _plan: 8 * MIB + 8 * MIB // 20)
    assert kv_cache_precondition.preconditioned(whole) == "written", "what is free varies a little"
    assert free > 100 * 8 * MIB


@pytest.mark.parametrize(
    ("failure", "asked"),
    [(MPIError("no rank could be started"), 0), (BenchmarkExecutionError("a rank failed"), 1), (KeyboardInterrupt(), 1)],
)
def test_whatever_ends_the_filling_is_told_and_its_folder_is_removed(failure, asked, tmp_path, monkeypatch):
    plan = dataclasses.replace(plan_of(tmp_path, SMALL, division="open"), cache_dir=tmp_path / "data" / "kv_cache")
    cleaned, voice = [], Voices()

    def run_job(*_arguments, **_how):
        raise failure

    def clean_up(*_arguments, **_how):
        cleaned.append(plan)
        raise MPIError("no host answers")

    monkeypatch.setattr(kv_cache_precondition, "run_job", run_job)
    monkeypatch.setattr(kv_cache_precondition, "clean_up", clean_up)
    with pytest.raises(type(failure)) as caught:
        WORKLOAD.precondition(plan, launcher=None, voice=voice)
    assert caught.value is failure
    assert len(cleaned) == len(voice.lines) == asked
    assert all("left behind: " in line and "no host answers" in line for line in voice.lines)
    assert list((plan.config.results_dir / ".mlps" / "scratch").iterdir()) == []


def test_a_cache_that_cannot_be_made_leaves_no_folder_either(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    plan = plan_of(tmp_path, SMALL, division="open")
    monkeypatch.setattr(kv_cache_precondition, "asked_dir", lambda *_: tmp_path / "file" / "data")
    with pytest.raises(FileSystemError, match="cannot make"):
        WORKLOAD.precondition(plan, launcher=None, voice=Voices())
    assert list(plan.config.results_dir.glob(".mlps/scratch/*")) == []
