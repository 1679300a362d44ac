"""The official program as engine of the suite, by stand-ins of it: what is asked of the plan, what it records, and that CLOSED can be reached."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import kv_cache_cases as cases
import pytest
from kv_cache_cases import do, plan_of
from official_stand_in import write_copy

from pytest_mlpstorage.cluster.mounts import mount_of
from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError
from pytest_mlpstorage.kvcache.official_job import OfficialJob
from pytest_mlpstorage.launch.supervisor import Outcome
from pytest_mlpstorage.results.tree import read_tree
from pytest_mlpstorage.results.tree_hash import tree_hash
from pytest_mlpstorage.rules import evaluate
from pytest_mlpstorage.rules.kv_cache_commands import passes_of, recorded_options
from pytest_mlpstorage.verdict import Severity
from pytest_mlpstorage.workloads import execute as execution
from pytest_mlpstorage.workloads import kv_cache_official, kv_cache_preflight, stamping
from pytest_mlpstorage.workloads.kv_cache import WORKLOAD

QUICK = "  start_delay: 0s\n  end_delay: 0s\n  inter_option_delay: 0s\n  trials: 1\n"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A copy is asked once a process; here each test has its own. No ranks are tried: that has tests of its own."""
    kv_cache_official._copy.cache_clear()
    monkeypatch.setattr(kv_cache_preflight, "mpi_findings", lambda _config, _ranks: iter(()))
    monkeypatch.delenv("LD_PRELOAD", raising=False)


def engine(folder, form="program", *, delays=False):
    return f"  engine: official\n  official_path: {write_copy(folder / 'copy', form, delays=delays)}\n"


def told(plan, rule="MLPS-KVC-5"):
    return [f for f in kv_cache_preflight.preflight(plan) if f.rule == rule]


class Launch:
    """Stands for the launch: ranks one after the other, without idle times."""

    def __init__(self, monkeypatch):
        self.jobs, self.words = [], ""
        monkeypatch.setattr(execution, "run_job", self)
        monkeypatch.setattr(stamping, "running_code", lambda _workload: (Path(__file__),))

    def __call__(self, _launcher, job, *, stdout, stderr, run_id, **_options):
        path = Path(job.program[-1])
        asked = OfficialJob.load(path)
        self.jobs.append(asked)
        dataclasses.replace(asked, pause_seconds=0.0, start_delay_seconds=0.0, end_delay_seconds=0.0).write(path)
        for rank in range(asked.processes):
            ranks = {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_SIZE": str(asked.processes)}
            told = {"STAND_IN": self.words, "STAND_IN_SECONDS": "0.2", **(ranks if asked.processes > 1 else {})}
            done = subprocess.run([sys.executable, *job.program], env={**os.environ, **told}, capture_output=True, text=True, check=False)
            stdout.write_text(done.stdout)
            stderr.write_text(done.stderr)
            assert done.returncode == 0, done.stderr
        now = dt.datetime.now().astimezone()
        return Outcome(0, None, 1.0, None, None, "", (), ("mpirun", "x"), run_id, (), now, now)


@pytest.fixture
def launch(monkeypatch):
    return Launch(monkeypatch)


@pytest.fixture
def elsewhere(tmp_path):
    """A folder on another filesystem than the cache is on, as results must be."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other filesystem to put results on")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield folder


def test_the_sanctioned_work_by_the_official_program_is_closed(tmp_path, elsewhere, launch):
    plan = plan_of(tmp_path, engine(tmp_path, "wrapper") + cases.CLOSED, top=f"results_dir: {elsewhere}/results\n")
    assert [f for f in kv_cache_preflight.preflight(plan) if f.severity is Severity.ERROR] == []
    assert told(plan, "MLPS-ENGINE-1") == []
    do(plan)
    judged = WORKLOAD.judge(plan)
    (result,) = read_tree(plan.config.results_dir).results
    found = {e.rule.id: [f.line() for f in e.findings if f.category.value != "CLOSED"] for e in evaluate(result)}
    wrong = {rule: lines for rule, lines in found.items() if lines and rule.startswith(("6.", "REP-KVC", "MLPS-"))}
    assert wrong == {}
    assert judged is not None
    assert "by the official formula" in judged.measured
    (leaf,) = (plan.result_dir() / "run").iterdir()
    summary = json.loads((leaf / "summary.json").read_text())
    block = summary["options"]["1"]["mlps"]
    assert (block["engine"], block["comparable"], block["comparable_reasons"]) == ("official", True, [])
    assert block["storage_read_bandwidth_window_gibps"] is None
    assert "no log of its operations" in block["null_reasons"]["storage_read_bandwidth_window_gibps"]
    assert block["kernel_read_gib"] is None or block["kernel_read_gib"] > 0
    (image,) = (plan.config.results_dir / "code-images").glob("code-*")
    assert (image / "copy" / "kv-cache.py").read_bytes() == (tmp_path / "copy/kv-cache.py").read_bytes()
    metadata = result.runs[0].metadata
    assert metadata.mlps["engine"]["md5_tree_v2"] == tree_hash(tmp_path / "copy").digest
    assert metadata.args["kvcache_bin_path"] == str(tmp_path / "copy")


@pytest.mark.parametrize("form", ["program", "wrapper", "table"])
def test_every_form_is_recorded_so_that_the_rules_find_the_work_of_the_option_in_it(form, tmp_path):
    plan = plan_of(tmp_path, engine(tmp_path, form) + cases.CLOSED)
    assert [f.line() for f in kv_cache_preflight.preflight(plan) if f.rule.startswith("6.")] == [
        f.line() for f in kv_cache_preflight.preflight(plan_of(tmp_path)) if f.rule.startswith("6.")
    ]
    metadata = plan.metadata(plan.case.steps[0], tmp_path / "20260102_030405")
    (command,) = passes_of(metadata)
    assert (command.option, command.trial) == (1, 0)
    assert command.by_table == (form == "table")
    assert command.foreign_config is None
    assert recorded_options(metadata, 1)
    assert command.program == str(tmp_path / "copy" / ("kv-cache.py" if form == "program" else "mlperf_wrapper.py"))


def test_a_pass_is_told_everything_and_the_pause_between_options_is_ours(tmp_path):
    plan = plan_of(tmp_path, engine(tmp_path, "wrapper", delays=True) + cases.CLOSED)
    first, later = (kv_cache_official.official_job(plan, plan.case.steps[n], tmp_path / "o", "20260102_030405") for n in (0, 3))
    assert (first.pause_seconds, later.pause_seconds) == (0, 90)
    assert dict(zip(*[iter(later.arguments(0))] * 2, strict=True)) == {
        "--rank-output-base": str(tmp_path / "o"),
        "--rank-cache-base": str(plan.cache_dir),
        "--seed-base": "42",
        "--config": str(tmp_path / "copy/config.yaml"),
        "--model": "llama3.1-8b",
        "--num-users": "100",
        "--duration": "300",
        "--gpu-mem-gb": "0",
        "--cpu-mem-gb": "4",
        "--max-concurrent-allocs": "16",
        "--generation-mode": "none",
        "--start-delay": "90",
        "--end-delay": "90",
    }
    assert (later.closed, later.memory, first.memory) == (True, True, False)


def test_two_clients_with_changed_keys_become_a_run_that_says_what_was_changed(tmp_path, launch):
    launch.words = "late"
    section = engine(tmp_path, "wrapper", delays=True) + QUICK + "  clients_per_host: 2\n  num_users: 4\n  options:\n    - option: 1\n"
    plan = plan_of(tmp_path, section, division="whatif")
    (done,) = do(plan)
    assert any("not to be compared with figures of the official tool: num_users, trials" in note for note in done.collected.notes)
    assert any("at least 2 requests ended after the window" in note for note in done.collected.notes)
    assert done.collected.headline.endswith("by the official formula")
    assert WORKLOAD.judge(plan) is not None
    assert WORKLOAD.found(plan, plan.case.steps[0]) is not None


def test_reads_that_never_came_from_storage_end_the_pass(tmp_path, launch):
    launch.words = "warm"
    plan = plan_of(tmp_path, engine(tmp_path) + QUICK + "  num_users: 4\n  options:\n    - option: 1\n", division="whatif")
    plan = dataclasses.replace(plan, options=(dataclasses.replace(plan.options[0], largest_entry_bytes=0),))
    if mount_of(tmp_path).is_memory_fs:
        pytest.skip("the folder of tests has no storage below it that is counted")
    with pytest.raises(BenchmarkExecutionError, match="bytes read where"):
        do(plan)


def test_a_table_that_cannot_be_told_the_parameters_is_passed_by(tmp_path):
    plan = plan_of(tmp_path, engine(tmp_path, "table") + "  num_users: 4\n  options:\n    - option: 1\n", division="open")
    assert plan.official.form == "program"
    assert any("is started with the changed ones" in f.message for f in told(plan))
    assert plan_of(tmp_path, engine(tmp_path, "table") + cases.CLOSED).official.form == "table"


def test_a_wrapper_that_takes_no_idle_times_keeps_the_edition_s_and_says_so(tmp_path):
    section = engine(tmp_path, "wrapper") + QUICK + "  options:\n    - option: 1\n"
    plan = plan_of(tmp_path, section, division="open")
    assert (plan.sequence.start_delay_seconds, plan.sequence.end_delay_seconds) == (90, 90)
    (finding,) = [f for f in told(plan) if "keeps its own" in f.message]
    assert (finding.severity, finding.measured) == (Severity.WARNING, "start_delay: 0s, end_delay: 0s")
    plan = plan_of(tmp_path, engine(tmp_path / "b", "wrapper", delays=True) + QUICK + "  options:\n    - option: 1\n", division="open")
    assert plan.sequence.start_delay_seconds == 0
    assert [f for f in told(plan) if "keeps its own" in f.message] == []


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("  engine: official\n", r"c.yaml:5:11: kvcache.engine: the official program is the user's own copy"),
        ("  official_path: /x\n", r"c.yaml:5:18: kvcache.official_path: has no effect without engine: official"),
        ("  engine: official\n  official_path: /none\n", r"c.yaml:6:18: kvcache.official_path: /none holds no kv-cache.py"),
        ("COPY  io: {chunk: 1MiB}\n", r"kvcache.io.chunk: the official program moves its bytes in its own way"),
        ("COPY  io: {path: buffered}\n", r"kvcache.io.path: the official program moves"),
        ("WRAPPER  capacity: 1GiB\n", r"kvcache.capacity: mlperf_wrapper.py of this copy takes no --storage-capacity-gb"),
    ],
)
def test_what_the_official_program_cannot_be_told_is_refused_at_its_place(section, words, tmp_path):
    section = section.replace("COPY", engine(tmp_path)) if "COPY" in section else section
    section = section.replace("WRAPPER", engine(tmp_path, "wrapper")) if "WRAPPER" in section else section
    with pytest.raises(ConfigurationError, match=words):
        plan_of(tmp_path, section + cases.CLOSED, division="open")


def test_a_library_before_all_others_is_an_error_in_closed_where_it_is_declared_and_told_where_it_is_not(tmp_path, monkeypatch):
    shim = "  official_preload: /x/shim.so\n"
    (finding,) = [f for f in told(plan_of(tmp_path, engine(tmp_path) + shim + cases.CLOSED)) if "declare" in f.message]
    assert (finding.severity, finding.measured) == (Severity.ERROR, "/x/shim.so")
    (finding,) = [f for f in told(plan_of(tmp_path, engine(tmp_path) + shim + cases.CLOSED, division="open")) if "declare" in f.message]
    assert finding.severity is Severity.WARNING
    monkeypatch.setenv("LD_PRELOAD", "/y/other.so")
    (finding,) = [f for f in told(plan_of(tmp_path, engine(tmp_path) + cases.CLOSED)) if "LD_PRELOAD" in f.message]
    assert (finding.severity, finding.measured) == (Severity.INFO, "/y/other.so")


def test_another_copy_is_another_series(tmp_path):
    one = plan_of(tmp_path, engine(tmp_path) + cases.CLOSED).fingerprint
    assert plan_of(tmp_path, engine(tmp_path) + cases.CLOSED).fingerprint == one
    (tmp_path / "copy/more.py").write_text("x = 1\n")
    kv_cache_official._copy.cache_clear()
    assert plan_of(tmp_path, engine(tmp_path) + cases.CLOSED).fingerprint != one
    assert plan_of(tmp_path).fingerprint != one


def test_the_plan_says_which_program_measures(tmp_path):
    plan = plan_of(tmp_path, engine(tmp_path, "wrapper") + cases.CLOSED)
    assert f"by the official program, {tmp_path}/copy/mlperf_wrapper.py ({tree_hash(tmp_path / 'copy').digest})" in plan.lines()[0]
    (line,) = [line for line in plan.lines() if "every client starts in option1-trial0" in line]
    assert f"{tmp_path}/copy/mlperf_wrapper.py --rank-output-base" in line
    assert "--num-users 200" in line
    assert any("memory" in f.message and f.severity is Severity.WARNING for f in told(plan))


@pytest.mark.parametrize(
    ("section", "hosts", "clients"),
    [
        ("", 1, ()),
        ("  clients_per_host: 2\n", 1, (2,)),
        ("  shared_cache: false\n", 3, ()),
        ("  shared_cache: true\n", 3, (3,)),
        ("  shared_cache: true\n  capacity: 1GiB\n", 3, ()),
    ],
)
def test_clients_that_each_take_what_is_free_on_one_storage_are_told_together(section, hosts, clients, tmp_path):
    names = ", ".join(f"h{number}" for number in range(hosts))
    plan = plan_of(tmp_path, engine(tmp_path) + section + cases.CLOSED, names=names, hosts=(256,) * hosts)
    found = [finding.message for finding in told(plan) if "95 %" in finding.message]
    assert [f"each of the {count} clients" in message for count, message in zip(clients, found, strict=True)] == [True] * len(clients)
