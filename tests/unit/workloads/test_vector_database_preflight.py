"""What preflight says of a vector database plan before any I/O, naming the rule, what was given and what is allowed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from vector_database_cases import MILVUS, PGVECTOR, SMALL, plan_of

from pytest_mlpstorage.vectordb import probe
from pytest_mlpstorage.verdict import Severity
from pytest_mlpstorage.workloads import vector_database_preflight as preflight
from pytest_mlpstorage.workloads import vector_database_server as server
from pytest_mlpstorage.workloads.base import Collected
from pytest_mlpstorage.workloads.vector_database_state import begin_load, finish_load

REAL_RUN = subprocess.run


@pytest.fixture(autouse=True)
def answer(monkeypatch):
    """No ranks are tried and no engine is asked: what it would answer is put here."""
    said = {"version": {}}
    monkeypatch.setattr(preflight, "mpi_findings", lambda _config, _ranks: iter(()))

    def run(command, **more):
        assert command[1:4] == ["-m", "pytest_mlpstorage.vectordb.probe", command[-1]]
        if "raise" in said:
            raise said["raise"]
        return subprocess.CompletedProcess(command, said.get("code", 0), said.get("text", json.dumps(said)), "a crash")

    monkeypatch.setattr(server.subprocess, "run", run)
    return said


def told(plan):
    return list(preflight.preflight(plan))


def errors(plan):
    return [finding for finding in told(plan) if finding.severity is Severity.ERROR]


def one(plan, rule, severity=None):
    (finding,) = [f for f in told(plan) if f.rule == rule and severity in (None, f.severity)]
    return finding


@pytest.mark.parametrize("division", ["open", "whatif"])
def test_a_sound_plan_is_refused_by_nothing_and_says_what_its_result_can_be(tmp_path, division):
    plan = plan_of(tmp_path, SMALL.replace("duration: 5s", "duration: 30s").replace("runs: 2", "runs: 5"), division=division)
    assert errors(plan) == []
    assert one(plan, "MLPS-ENGINE-1").severity is Severity.INFO


def test_closed_refuses_another_database_and_too_short_a_run_by_the_rules(tmp_path):
    rules = {finding.rule for finding in errors(plan_of(tmp_path, SMALL, division="closed"))}
    assert {"5.6.2", "5.6.4"} & rules == {"5.6.2"}
    assert {"5.3.1", "RC-VDB-2"} <= rules


def test_closed_takes_milvus_with_the_parameters_that_it_allows(tmp_path, answer):
    answer |= {"there": False, "attach": {"message": "there is no such collection", "details": {}}}
    section = MILVUS.replace("}\n", ", index: {max_degree: 64}, run: {num_query_processes: 4}}\n")
    assert errors(plan_of(tmp_path, section, division="closed")) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"message": "zvec is not installed", "details": {}, "suggestion": "pip install"}, "zvec is not installed"),
        ({"code": -11, "text": ""}, "zvec cannot be asked: its process ended with -11"),
        ({"raise": subprocess.TimeoutExpired("x", 30)}, "zvec did not answer within 25 s"),
    ],
)
def test_an_engine_that_cannot_be_used_is_one_error(tmp_path, answer, said, words):
    answer |= said
    (finding,) = errors(plan_of(tmp_path))
    assert finding.rule == "MLPS-VDB-ENGINE-1"
    assert words in finding.message


def test_a_server_that_cannot_be_reached_is_an_error_and_a_missing_collection_is_none(tmp_path, answer):
    section = "  runs: 5\n" + MILVUS
    answer |= {
        "there": False,
        "attach": {"message": "the Milvus server cannot be reached", "details": {"cause": "refused"}, "suggestion": ""},
    }
    assert [finding.message for finding in errors(plan_of(tmp_path, section))] == ["the Milvus server cannot be reached"]
    answer["attach"] = {"message": "there is no such collection", "details": {}}
    assert errors(plan_of(tmp_path, section)) == []


def test_a_collection_that_was_loaded_and_is_not_there_is_an_error(tmp_path, answer):
    answer |= {"there": False, "attach": {"message": "there is no such collection", "details": {}}}
    plan = plan_of(tmp_path, MILVUS)
    begin_load(plan, "r1")
    finish_load(plan, plan.leaf_parent(plan.case.steps[0]) / "20261126_010203", "r1", Collected({}))
    assert [finding.message for finding in errors(plan)] == ["there is no such collection"]


def test_a_mark_of_another_collection_is_no_word_on_this_one(tmp_path, answer):
    answer |= {"there": False, "attach": {"message": "there is no such collection", "details": {}}}
    other = plan_of(tmp_path, MILVUS)
    begin_load(other, "r1")
    finish_load(other, other.leaf_parent(other.case.steps[0]) / "20261126_010203", "r1", Collected({}))
    larger = plan_of(tmp_path, f"  num_vectors: 60000\n{MILVUS}")
    elsewhere = plan_of(tmp_path, MILVUS.replace("127.0.0.1", "127.0.0.2"))
    assert errors(larger) == errors(elsewhere) == [], "each is to be loaded"
    answer |= {"there": True, "attach": None}
    for plan in (larger, elsewhere):
        (finding,) = errors(plan)
        assert "nothing says that this suite made it" in finding.message


def test_a_strangers_collection_is_not_touched_and_one_begun_by_us_is_loaded_anew(tmp_path, answer):
    answer |= {"there": True, "attach": None}
    plan = plan_of(tmp_path, MILVUS)
    (finding,) = errors(plan)
    assert "nothing says that this suite made it" in finding.message
    begin_load(plan, "r1")
    assert errors(plan) == []


@pytest.mark.parametrize(
    ("section", "more", "rule", "words"),
    [
        (SMALL, {"free": 10**6}, "MLPS-SPACE-1", "too little free space for 5000 vectors × 32"),
        (SMALL, {"free": 10**6}, "MLPS-SPACE-2", "the samples of 2 runs"),
        (SMALL, {"available": 0.05}, "MLPS-MEMORY-1", "1 searching process(es)"),
        (SMALL, {"fstype": "tmpfs"}, "MLPS-PATH-1", "is in memory, not on storage"),
    ],
)
def test_what_the_machine_lacks_is_an_error(tmp_path, section, more, rule, words):
    assert any(finding.rule == rule and words in finding.message for finding in errors(plan_of(tmp_path, section, **more)))


def test_only_the_host_that_loads_is_to_have_memory_for_a_load(tmp_path):
    plan = plan_of(tmp_path, MILVUS, names="h0, h1", hosts=(256, 256), available=0.4)
    loading = [finding for finding in told(plan) if "building the index" in finding.message]
    assert [(finding.message.split()[0], finding.severity) for finding in loading] == [("h0", Severity.WARNING)]


def test_database_and_results_on_one_filesystem_is_an_error_where_something_is_claimed(tmp_path):
    assert one(plan_of(tmp_path, separate=False), "MLPS-PATH-2").severity is Severity.WARNING
    assert one(plan_of(tmp_path, separate=False, division="open"), "MLPS-PATH-2").severity is Severity.ERROR


def test_a_server_of_the_suite_serves_one_host(tmp_path):
    plan = plan_of(tmp_path, PGVECTOR, names="h0, h1", hosts=(256, 256))
    assert "reached from its own host only" in one(plan, "MLPS-VDB-PLAN-3").message


def test_an_embedded_database_is_searched_from_one_host_only(tmp_path):
    plan = plan_of(tmp_path, SMALL, names="h0, h1", hosts=(256, 256))
    found = one(plan, "MLPS-VDB-PLAN-4")
    assert "zvec is embedded" in found.message
    assert (found.measured, found.severity) == ("2 hosts", Severity.ERROR)
    assert "MLPS-VDB-PLAN-4" not in {finding.rule for finding in told(plan_of(tmp_path, SMALL))}


def test_an_index_in_memory_is_told_to_be_no_measure_of_storage(tmp_path):
    assert "no verdict on storage" in one(plan_of(tmp_path, SMALL.replace("DISKANN", "HNSW"), division="open"), "MLPS-VDB-03").message


def test_an_engine_that_prints_what_is_no_text_is_heard_all_the_same(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nprintf '\\377\\376 noise\\n' | tee /dev/stderr\necho '{\"message\": \"it broke\"}'\n")
    program.chmod(0o755)
    plan = plan_of(tmp_path, SMALL)
    monkeypatch.setattr(server.subprocess, "run", REAL_RUN)
    monkeypatch.setattr(server.sys, "executable", str(program))
    (finding,) = preflight._engine(plan)
    assert finding.message == "it broke"


def test_the_probe_tells_versions_and_the_error_of_an_engine_that_is_not_there(capfd, monkeypatch):
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("{}"))
    assert probe.main(["no_such_engine"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["kind"] == "ConfigurationError"
    assert "no vector database engine is called 'no_such_engine'" in said["message"]
