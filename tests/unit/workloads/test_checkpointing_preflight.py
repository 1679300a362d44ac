"""What preflight refuses of a checkpointing plan, before any I/O, naming the rule, what was given and what is allowed."""

from __future__ import annotations

import dataclasses
import time

import checkpointing_cases as cases
import pytest

from pytest_mlpstorage.dlio.capabilities import Capabilities
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Finding, Severity
from pytest_mlpstorage.workloads import checkpointing_preflight, checkpointing_sizing

plan_of = cases.plan_of

EIGHT = "model: llama3-8b, accelerator: b200, accelerators: 8"
TINY = f"model: llama3-8b, accelerator: b200, accelerators: 2, {cases.TINY}"


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """Neither DLIO nor ranks are asked: what they say has tests of its own."""
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: Capabilities(installed=False))
    monkeypatch.setattr(checkpointing_preflight, "mpi_findings", lambda _config, _ranks: iter(()))


def errors(plan):
    return [finding for finding in checkpointing_preflight.preflight(plan) if finding.severity is Severity.ERROR]


def one(plan, rule):
    (finding,) = [finding for finding in checkpointing_preflight.preflight(plan) if finding.rule == rule]
    return finding


def test_a_plan_as_the_edition_has_it_is_refused_by_nothing_and_says_that_it_is_open_at_best(tmp_path):
    plan = plan_of(tmp_path, EIGHT)
    assert errors(plan) == []
    assert "what measured is not DLIO" in one(plan, "MLPS-ENGINE-1").message


@pytest.mark.parametrize(("model", "ranks", "hosts"), [("llama3-70b", 64, 8), ("llama3-405b", 512, 64), ("llama3-1t", 1024, 128)])
def test_the_larger_models_are_refused_by_nothing_either(tmp_path, model, ranks, hosts):
    names = ", ".join(f"n{i}:8" for i in range(hosts))
    plan = plan_of(tmp_path, f"model: {model}, accelerator: mi355, accelerators: {ranks}", names=names, hosts=(256,) * hosts)
    assert errors(plan) == []


def test_405b_with_408_ranks(tmp_path):
    begun = time.monotonic()
    found = errors(plan_of(tmp_path, "model: llama3-405b, accelerator: b200, accelerators: 408", names="a:408", available=10**4))
    assert time.monotonic() - begun < 5
    assert [(f.rule, f.measured, f.required) for f in found] == [("4.6.1", 408, 512), ("MLPS-CKPT-1", 408, "512")]
    assert all("408" in f.line() and "512" in f.line() for f in found)


def test_405b_with_408_ranks_is_no_open_run_and_no_whatif_run_without_copies_either(tmp_path):
    entry = "model: llama3-405b, accelerator: b200, accelerators: 408"
    (first, *_) = errors(plan_of(tmp_path, entry, division="open", names="a:408", available=10**4))
    assert (first.rule, first.measured, first.required) == ("4.6.4", 408, "a positive multiple of 256")


def test_whatif_too_refuses_ranks_that_a_checkpoint_cannot_be_dealt_out_to(tmp_path):
    entry = "model: llama3-70b, accelerator: mi355, accelerators: 66"
    (found,) = errors(plan_of(tmp_path, entry, division="whatif"))
    assert (found.rule, found.measured, found.required) == ("MLPS-CKPT-1", 66, "a positive multiple of 8")
    assert "66 ranks are no multiple of the 8 that hold one copy" in found.message


def test_8b_with_16_ranks(tmp_path):
    (found,) = errors(plan_of(tmp_path, "model: llama3-8b, accelerator: b200, accelerators: 16"))
    assert (found.rule, found.measured, found.required) == ("4.6.1", 16, 8)
    assert "under open/ the result would be OPEN" in found.message


def test_four_accelerators_a_host_are_one_too_few(tmp_path):
    (found,) = errors(plan_of(tmp_path, EIGHT, names="a:4, b:4", hosts=(256, 256)))
    assert (found.rule, found.measured, found.required) == ("4.6.2", "8 accelerators on 2 host(s)", "more than 4 on each host")
    assert errors(plan_of(tmp_path, f"{EIGHT}, accelerators_per_host: 8", names="a:4, b:4", hosts=(256, 256))) == []


def test_the_subset_form_of_another_model(tmp_path):
    found = errors(plan_of(tmp_path, "model: llama3-70b, accelerator: b200, accelerators: 64, subset: true"))
    assert {f.rule for f in found} == {"4.3.5"}
    found = errors(plan_of(tmp_path, "model: llama3-70b, accelerator: b200, accelerators: 8, subset: true", division="open"))
    assert [(f.rule, f.required) for f in found if f.rule == "RC-CKP-5"] == [("RC-CKP-5", "llama3-8b with 8 ranks")]
    assert errors(plan_of(tmp_path, f"{EIGHT}, subset: true")) == []


def test_accelerators_without_room_for_a_checkpoint(tmp_path):
    entry = "model: llama3-1t, accelerator: a100, accelerators: 8, checkpoint.mode: subset, model.parallelism.data: 2"
    plan = plan_of(tmp_path, entry, division="whatif")
    found = one(plan, "RC-CKP-4")
    assert (found.measured, found.required) == ("8 × 80 GB", "18000 GB")


def test_accelerators_whose_memory_is_less_than_what_they_write(tmp_path):
    entry = "model: llama3-8b, accelerator: a100, accelerators: 1"
    found = one(plan_of(tmp_path, entry, division="whatif"), "4.3.4")
    assert (found.measured, found.required) == ("104.7", "at most 80")


@pytest.mark.parametrize(
    ("given", "rule", "measured", "required"),
    [
        ("checkpoint.fsync: false", "4.3.2", "False", "checkpoint.fsync true"),
        ("checkpoint.num_checkpoints_write: 11", "SUB-CKP-1", "11", 10),
        ("checkpoint.num_checkpoints_read: 9", "SUB-CKP-1", "9", 10),
        ("model.num_layers: 33", "4.6.3", "33", "32"),
        ("checkpoint.time_between_checkpoints: 0s", "4.6.3", "0.0", "5"),
    ],
)
def test_what_closed_does_not_let_a_user_change(tmp_path, given, rule, measured, required):
    found = errors(plan_of(tmp_path, f"{EIGHT}, {given}"))
    (finding,) = [f for f in found if f.rule == rule]
    assert (str(finding.measured), str(finding.required)) == (measured, str(required))


def test_a_host_with_too_little_memory(tmp_path):
    (found,) = errors(plan_of(tmp_path, EIGHT, available=1.99))
    assert (found.rule, found.measured, found.required) == ("MLPS-MEMORY-1", "1.99 GiB", "about 2.00 GiB")
    assert errors(plan_of(tmp_path, EIGHT, available=2)) == []


def test_the_memory_of_each_host_is_held_against_its_own_ranks(tmp_path):
    found = errors(plan_of(tmp_path, EIGHT, names="a:2, b:6", hosts=(256, 256), available=1))
    assert [(f.rule, f.message.split()[0]) for f in found if f.rule == "MLPS-MEMORY-1"] == [("MLPS-MEMORY-1", "h1")]


def test_a_limit_on_memory_counts_as_its_memory(tmp_path):
    plan = plan_of(tmp_path, EIGHT)
    host = dataclasses.replace(plan.cluster.hosts[0], memory_limit_bytes=GIB)
    plan = dataclasses.replace(plan, cluster=dataclasses.replace(plan.cluster, hosts=(host,)))
    assert one(plan, "MLPS-MEMORY-1").measured == "1.00 GiB"
    declared = dataclasses.replace(host, memory_limit_bytes=None, memory_declared=True, memory_bytes=GIB // 2)
    plan = dataclasses.replace(plan, cluster=dataclasses.replace(plan.cluster, hosts=(declared,)))
    assert one(plan, "MLPS-MEMORY-1").measured == "512.00 MiB"


def test_results_on_the_storage_under_test(tmp_path):
    plan = plan_of(tmp_path, EIGHT, separate=False)
    (found,) = errors(plan)
    assert (found.rule, found.required, found.field) == ("MLPS-PATH-2", "two file systems (rule 4.4.2)", "results_dir")
    whatif = plan_of(tmp_path, TINY, division="whatif", separate=False)
    assert errors(whatif) == []
    assert one(whatif, "MLPS-PATH-2").severity is Severity.WARNING


def test_checkpoints_in_memory(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, TINY, division="whatif")
    (host,) = plan.cluster.hosts
    mounts = tuple(dataclasses.replace(m, fstype="tmpfs") if m.path.endswith("mlps-data") else m for m in host.mounts)
    plan = dataclasses.replace(plan, cluster=dataclasses.replace(plan.cluster, hosts=(dataclasses.replace(host, mounts=mounts),)))
    (found,) = errors(plan)
    assert (found.rule, found.measured) == ("MLPS-PATH-1", "tmpfs")


def test_a_full_disk(tmp_path):
    plan = plan_of(tmp_path, EIGHT, free=GIB)
    (found,) = errors(plan)
    assert (found.rule, found.measured, found.required) == ("MLPS-SPACE-1", "1.00 GiB", "1.03 TiB")
    assert "10 checkpoints of 104.71 GiB" not in found.message
    assert "10 checkpoints of 104.70 GiB" in found.message


def test_space_for_all_checkpoints_and_a_hundredth_more_is_enough(tmp_path):
    plan = plan_of(tmp_path, TINY, division="whatif")
    needed = int(10 * plan.total_bytes * 1.01)
    assert errors(plan_of(tmp_path, TINY, division="whatif", free=needed)) == []
    assert [f.rule for f in errors(plan_of(tmp_path, TINY, division="whatif", free=needed - 1))] == ["MLPS-SPACE-1"]


def test_what_is_written_over_needs_no_space(tmp_path):
    plan = plan_of(tmp_path, TINY, division="whatif", free=20 * 1024**2)
    assert [f.rule for f in errors(plan)] == ["MLPS-SPACE-1"]
    for number in range(1, 11):
        folder = plan.folder / f"global_epoch1_step{number}"
        folder.mkdir(parents=True)
        for rank in (0, 1):
            with (folder / f"zero_pp_rank_{rank}_mp_rank_0_optim_states.pt").open("wb") as file:
                file.truncate(35418624)
            with (folder / f"zero_pp_rank_{rank}_mp_rank_0_model_states.pt").open("wb") as file:
                file.truncate(5900544)
    assert errors(plan) == []


def test_a_run_that_only_reads_needs_no_space(tmp_path):
    entry = f"{TINY}, checkpoint.num_checkpoints_write: 0"
    assert errors(plan_of(tmp_path, entry, division="whatif", free=20 * 1024**2)) == []


def test_a_full_disk_of_results(tmp_path):
    found = errors(plan_of(tmp_path, TINY, division="whatif", free=1024))
    assert [f.rule for f in found] == ["MLPS-SPACE-1", "MLPS-SPACE-2"]
    assert found[1].required == "16.12 MiB"


def test_folders_that_cannot_be_made(tmp_path):
    (tmp_path / "mlps-data").write_text("a file")
    (found,) = errors(plan_of(tmp_path, EIGHT))
    assert (found.rule, found.field) == ("MLPS-PATH-4", "checkpoint.checkpoint_folder")
    assert "is no directory" in found.message


def test_a_parameter_that_our_program_would_ignore(tmp_path):
    (found,) = errors(plan_of(tmp_path, f"{TINY}, checkpoint.recovery_rank_shift: true", division="whatif"))
    assert (found.rule, found.field) == ("MLPS-CKPT-2", "checkpoint.recovery_rank_shift")
    assert "c.yaml:6:" in found.message


def test_an_mpi_that_does_not_start_is_found_here(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointing_preflight, "mpi_findings", lambda _config, ranks: iter([Finding(f"no {ranks}", rule="MLPS-MPI-1")]))
    assert [(f.rule, f.message) for f in errors(plan_of(tmp_path, EIGHT))] == [("MLPS-MPI-1", "no 8")]


def test_where_the_ranks_cannot_be_none_is_tried(tmp_path, monkeypatch):
    def never(config, ranks):
        raise AssertionError

    monkeypatch.setattr(checkpointing_preflight, "mpi_findings", never)
    errors(plan_of(tmp_path, "model: llama3-405b, accelerator: b200, accelerators: 408"))


def test_a_submitter_that_nobody_filled_in_is_warned_of(tmp_path):
    assert one(plan_of(tmp_path, EIGHT, "system=my-system"), "MLPS-NAME-1").severity is Severity.WARNING


def test_no_checkpoint_folder_is_made(tmp_path):
    list(checkpointing_preflight.preflight(plan_of(tmp_path, EIGHT)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml"]
