"""What preflight refuses of a KV cache plan, before any I/O, naming the rule, what was given and what is allowed."""

from __future__ import annotations

import dataclasses

import kv_cache_cases as cases
import pytest
from kv_cache_cases import plan_of

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.kvcache import probe
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Finding, Severity
from pytest_mlpstorage.workloads import kv_cache_preflight


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """No ranks are tried: that has tests of its own."""
    monkeypatch.setattr(kv_cache_preflight, "mpi_findings", lambda _config, _ranks: iter(()))


def told(plan):
    return list(kv_cache_preflight.preflight(plan))


def errors(plan):
    return [finding for finding in told(plan) if finding.severity is Severity.ERROR]


def one(plan, rule, severity=None):
    (finding,) = [f for f in told(plan) if f.rule == rule and severity in (None, f.severity)]
    return finding


def test_a_plan_as_the_edition_has_it_is_refused_by_nothing_and_says_that_it_is_open_at_best(tmp_path):
    plan = plan_of(tmp_path)
    assert errors(plan) == []
    finding = one(plan, "MLPS-ENGINE-1")
    assert (finding.severity, finding.file) == (Severity.INFO, "the plan")
    assert "CLOSED needs the official code image" in finding.message


@pytest.mark.parametrize(
    ("section", "rule", "words"),
    [
        ("  num_users: 8\n", "6.3.1.1", "was run with another num-users"),
        ("  duration: 5s\n", "6.3.1.1", "was run with another duration"),
        ("  trials: 2\n", "6.3.2.1", "another number of trials"),
        ("  seed: 1\n", "6.3.2.1", "another seed"),
        ("  inter_option_delay: 0s\n", "6.3.2.1", "another pause between options"),
        ("  capacity: 500GiB\n", "6.6.1", "--storage-capacity-gb may not be varied"),
        ("  io: {path: buffered}\n", "6.6.1", "io.path may not be varied"),
    ],
)
def test_closed_refuses_what_is_not_the_editions_by_the_rule_that_would(section, rule, words, tmp_path):
    assert words in "\n".join(f.message for f in errors(plan_of(tmp_path, section + cases.CLOSED)) if f.rule == rule)


def test_in_whatif_what_the_rules_say_is_information(tmp_path):
    plan = plan_of(tmp_path, "  num_users: 8\n" + cases.CLOSED, division="whatif")
    assert errors(plan) == []
    assert any(f.rule == "6.3.1.1" and f.severity is Severity.INFO for f in told(plan))


def test_cache_and_results_on_one_filesystem_are_an_error_and_in_whatif_a_warning(tmp_path):
    assert [f.rule for f in errors(plan_of(tmp_path, separate=False))] == ["MLPS-PATH-2"]
    assert one(plan_of(tmp_path, division="whatif", separate=False), "MLPS-PATH-2").severity is Severity.WARNING


def test_a_cache_in_memory_is_an_error_and_in_whatif_a_warning(tmp_path):
    (finding,) = errors(plan_of(tmp_path, fstype="tmpfs"))
    assert (finding.rule, finding.measured) == ("MLPS-PATH-1", "tmpfs")
    assert one(plan_of(tmp_path, division="whatif", fstype="tmpfs"), "MLPS-PATH-1").severity is Severity.WARNING


def test_a_directory_that_is_a_file_is_refused_and_not_probed(tmp_path, monkeypatch):
    (tmp_path / "mlps-data").write_text("")
    monkeypatch.setattr(probe, "probe_target", lambda _folder: pytest.fail("probed"))
    (finding,) = errors(plan_of(tmp_path))
    assert (finding.rule, finding.field) == ("MLPS-PATH-4", "kvcache.cache_dir")


def test_a_filesystem_without_direct_io_is_refused_with_the_way_out(tmp_path, monkeypatch):
    real = probe.probe_target(tmp_path)
    monkeypatch.setattr(probe, "probe_target", lambda _folder: dataclasses.replace(real, direct=False, reason="open with O_DIRECT: no"))
    (finding,) = errors(plan_of(tmp_path))
    assert (finding.rule, finding.required) == ("MLPS-DIRECT-1", "O_DIRECT, or kvcache.io.path: buffered")
    assert "open with O_DIRECT: no" in finding.message


def test_a_probe_that_fails_is_told(tmp_path, monkeypatch):
    def broken(_folder):
        raise FileSystemError("cannot find out", cause=OSError("no space"))

    monkeypatch.setattr(probe, "probe_target", broken)
    (finding,) = errors(plan_of(tmp_path))
    assert (finding.rule, finding.message) == ("MLPS-DIRECT-1", "cannot find out: no space")


def test_the_probe_leaves_nothing_and_makes_nothing(tmp_path):
    plan = plan_of(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert told(plan)
    assert sorted(tmp_path.iterdir()) == before


def test_buffered_io_is_told_and_not_probed(tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "probe_target", lambda _folder: pytest.fail("probed"))
    plan = plan_of(tmp_path, "  io: {path: buffered}\n" + cases.CLOSED, division="open")
    assert one(plan, "MLPS-DIRECT-1").severity is Severity.INFO


ONE = "  clients_per_host: 2\n  options:\n    - option: 1\n"
WRITES = 16 * 25000 * 131072
"""Entries that option 1 writes at once, of the longest contexts."""


@pytest.mark.parametrize(
    ("free", "severity"),
    [
        (2 * WRITES / 0.95 + 2, None),
        (2 * WRITES / 0.95 - 2, Severity.WARNING),
        (2 * WRITES / 16 / 0.95 + 2, Severity.WARNING),
        (2 * WRITES / 16 / 0.95 - 2, Severity.ERROR),
    ],
)
def test_a_client_needs_room_for_what_it_writes_at_once_and_cannot_do_with_less_than_one_entry(free, severity, tmp_path):
    found = [f.severity for f in told(plan_of(tmp_path, ONE, free=int(free))) if f.rule == "MLPS-SPACE-1" and "at once" in f.message]
    assert found == ([] if severity is None else [severity])


def test_a_capacity_that_is_not_there_is_refused(tmp_path):
    plan = plan_of(tmp_path, "  capacity: 60GiB\n" + ONE, division="open", free=120 * GIB)
    finding = one(plan, "MLPS-SPACE-1", Severity.ERROR)
    assert (finding.field, finding.measured) == ("kvcache.capacity", "120.00 GiB")
    assert [
        f for f in errors(plan_of(tmp_path, "  capacity: 57GiB\n" + ONE, division="open", free=120 * GIB)) if f.rule == "MLPS-SPACE-1"
    ] == []


@pytest.mark.parametrize(("shared", "told_of"), [("true", 1), ("false", 0)])
def test_a_filesystem_that_hosts_share_has_room_for_the_clients_of_all_of_them(tmp_path, shared, told_of):
    section = f"  shared_cache: {shared}\n  capacity: 50GiB\n{ONE}"
    plan = plan_of(tmp_path, section, division="open", names="h0, h1, h2", hosts=(256,) * 3, free=120 * GIB, fstype="nfs", source="nas:/x")
    found = [finding for finding in errors(plan) if finding.rule == "MLPS-SPACE-1"]
    assert len(found) == told_of
    assert all("of each of the 6 client(s) that use it" in finding.message for finding in found)


def test_results_need_room_for_the_files_of_every_rank(tmp_path):
    assert "MLPS-SPACE-2" in [f.rule for f in errors(plan_of(tmp_path, free=2**20))]


def test_memory_for_the_tier_of_option_2_is_asked_for_on_every_host(tmp_path):
    finding = one(plan_of(tmp_path, "  clients_per_host: 2\n" + cases.CLOSED, available=8.9), "MLPS-MEMORY-1")
    assert "2 client(s) of option 2" in finding.message
    assert finding.required == "about 9.00 GiB"
    assert errors(plan_of(tmp_path, "  clients_per_host: 2\n" + cases.CLOSED, available=9)) == []


def test_keys_of_a_workload_file_without_effect_are_named(tmp_path):
    (tmp_path / "w.yaml").write_text("generation_timing: {fast: 0.1}\nautoscaler: {min_users: 1}\n")
    plan = plan_of(tmp_path, "  workload_config: w.yaml\n" + cases.CLOSED, division="open")
    found = {f.field: f.message for f in told(plan) if f.rule == "MLPS-KVC-2"}
    assert "has one here" in found["generation_timing.fast"]
    assert found["autoscaler.min_users"] == "autoscaler.min_users has no effect here"


def test_ranks_that_do_not_start_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(kv_cache_preflight, "mpi_findings", lambda _config, ranks: iter([Finding(f"no job of {ranks}", rule="MLPS-MPI-1")]))
    assert one(plan_of(tmp_path, ONE), "MLPS-MPI-1").message == "no job of 2"
