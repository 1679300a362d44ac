"""Checkpointing plans: what a configuration becomes on given hosts, before anything is launched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import checkpointing_cases as cases
import pytest

from pytest_mlpstorage.dlio.capabilities import Capabilities
from pytest_mlpstorage.dlio.checks import check_workload
from pytest_mlpstorage.errors import ConfigurationError, DependencyError
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.workloads import checkpointing_sizing
from pytest_mlpstorage.workloads.checkpointing_engine import CheckpointEngine, choose_engine
from pytest_mlpstorage.workloads.checkpointing_job import make_job, overrides

plan_of, session_of, text, TINY = cases.plan_of, cases.session_of, cases.text, cases.TINY

EIGHT = "model: llama3-8b, accelerator: b200, accelerators: 8"
FORK = Capabilities(installed=True, version="3.0.2", flavour="mlcommons", commit="abc", folder="/nowhere", llm_checkpoint=True, subset=True)


@pytest.fixture(autouse=True)
def no_dlio(monkeypatch):
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: Capabilities(installed=False))


@pytest.mark.parametrize(
    ("model", "ranks", "gib", "largest"),
    [
        ("llama3-8b", 8, 104.7045, 12045637632 + 2007565312),
        ("llama3-70b", 64, 911.2121, 13103482368 + 2184120320),
        ("llama3-405b", 512, 5292.2487, 9513171840 + 3713269760),
        ("llama3-1t", 1024, 15426.5893, 13865244924 + 5425099680),
    ],
)
def test_the_table_of_the_rule_book_is_what_is_planned(tmp_path, model, ranks, gib, largest):
    plan = plan_of(tmp_path, f"model: {model}, accelerator: mi355, accelerators: {ranks}")
    assert round(plan.size.total_gib, 4) == gib
    assert max(plan.size.bytes_by_rank) == largest
    assert f"{gib:.4f} GiB" in "\n".join(plan.lines())


def test_the_lines_say_what_a_rank_a_host_and_all_write(tmp_path):
    names = "n1, n2"
    plan = plan_of(tmp_path, "model: llama3-70b, accelerator: b200, accelerators: 64", names=names, hosts=(256, 256))
    lines = "\n".join(plan.lines())
    assert plan.placement == (32, 32)
    assert sum(plan.host_bytes) == plan.total_bytes == 978406572032
    assert "a rank: 14.24 GiB; a host: 455.61 GiB of 32 ranks at most" in lines
    assert "both: writes 10 checkpoints (8.90 TiB), reads 10 (8.90 TiB)" in lines
    assert "64 × 180 GB for 911.2 GiB (4.3.4)" in lines
    assert "core-config-v1 hash: 3c53fe70d64f91d4" in lines


def test_ten_are_written_and_read_unless_told(tmp_path):
    plan = plan_of(tmp_path, EIGHT)
    (step,) = plan.case.steps
    assert (step.name, plan.counts(step)) == ("both", (10, 10))
    assert plan.bytes_to_write(step) == plan.bytes_to_read(step) == 10 * plan.total_bytes
    assert plan.leaf_parent(step) == tmp_path / "mlps-results/closed/acme/results/box/checkpointing/llama3-8b"


def test_separate_writes_in_one_run_and_reads_in_another(tmp_path):
    plan = plan_of(tmp_path, EIGHT, section="invocations: separate\nbetween_command: [/bin/flush, --all]")
    write, read = plan.case.steps
    assert [(step.name, plan.counts(step)) for step in (write, read)] == [("write", (10, 0)), ("read", (0, 10))]
    assert (plan.bytes_to_read(write), plan.bytes_to_write(read)) == (0, 0)
    assert "between them: /bin/flush --all, at most 30 s (4.7.1)" in "\n".join(plan.lines())
    recorded = plan.metadata(read, tmp_path / "20260101_000000")
    assert recorded.parameters["checkpoint"]["num_checkpoints_write"] == 0
    assert (recorded.args["num_checkpoints_write"], recorded.args["num_checkpoints_read"]) == (0, 10)


def test_the_sleep_before_each_checkpoint_is_expected(tmp_path):
    plan = plan_of(tmp_path, EIGHT)
    (step,) = plan.case.steps
    quick = plan_of(tmp_path, f"{EIGHT}, checkpoint.time_between_checkpoints: 0s", division="whatif")
    assert plan.expected_seconds(step) - quick.expected_seconds(step) == 20 * 5
    assert plan.expected_seconds(step) == pytest.approx(5 + 20 * plan.total_bytes / (250 * MIB) + 100)


def test_the_metadata_speaks_the_editions_vocabulary_and_names_the_engine(tmp_path):
    plan = plan_of(tmp_path, EIGHT)
    recorded = plan.metadata(plan.case.steps[0], tmp_path / "20260101_000000")
    assert recorded.override_parameters == {
        "checkpoint.num_checkpoints_write": 10,
        "checkpoint.num_checkpoints_read": 10,
        "checkpoint.checkpoint_folder": str(tmp_path / "mlps-data/llama3-8b"),
    }
    assert recorded.args["checkpoint_folder"] == str(tmp_path / "mlps-data")
    assert (recorded.benchmark_type, recorded.num_processes, recorded.accelerator) == ("checkpointing", 8, "b200")
    assert recorded.mlps["engine"]["name"] == "mlpstorage"
    assert recorded.mlps["checkpoint"]["bytes_by_host"] == [plan.total_bytes]
    assert recorded.verification == "CLOSED"


def test_a_whatif_leaf_says_that_it_is_not_for_submission(tmp_path):
    recorded = plan_of(tmp_path, EIGHT, division="whatif").metadata(plan_of(tmp_path, EIGHT).case.steps[0], tmp_path / "l")
    assert (recorded.verification, recorded.mlps["not_for_submission"]) == (None, True)


def test_a_folder_of_ones_own_gets_the_models_name_and_is_looked_at_and_locked(tmp_path):
    made = session_of(tmp_path, text(f"{EIGHT}, checkpoint.checkpoint_folder: /mnt/fast"))
    plan = made.plan(made.cases("checkpointing")[0])
    assert plan.folder == Path("/mnt/fast/llama3-8b")
    assert made.config.storage_dirs == (tmp_path / "mlps-data", Path("/mnt/fast"))


@pytest.mark.parametrize(
    ("given", "names", "placement"),
    [
        ("", "n1", (8,)),
        ("", "n1, n2, n3", (3, 3, 2)),
        ("", "n1:2, n2:6", (2, 6)),
        ("", "n1:6, n2:6", (6, 2)),
        ("", "n1:2, n2:2", (4, 4)),  # fewer slots than ranks: evenly, and mpirun oversubscribes
        (", accelerators_per_host: 4", "n1, n2, n3", (4, 4)),
        (", accelerators_per_host: 5", "n1, n2", (5, 3)),
    ],
)
def test_ranks_are_placed_as_told_else_by_slots_else_evenly(tmp_path, given, names, placement):
    hosts = (256,) * len(names.split(","))
    plan = plan_of(tmp_path, EIGHT + given, names=names, hosts=hosts)
    assert plan.placement == placement
    assert sum(plan.host_bytes) == plan.total_bytes
    job = make_job(plan, plan.case.steps[0], staged=tmp_path, scratch=tmp_path, write=False)
    if len(placement) > 1:
        assert [host.slots for host in job.hosts] == list(placement)


def test_too_few_accelerators_a_host_are_refused_with_the_least(tmp_path):
    with pytest.raises(ConfigurationError, match=r"accelerators_per_host: given 3, which is 6 on 2 host\(s\); allowed at least 4 for 8"):
        plan_of(tmp_path, f"{EIGHT}, accelerators_per_host: 3", names="n1, n2", hosts=(256, 256))


def test_an_open_job_with_fewer_ranks_is_a_subset_of_the_editions_copies(tmp_path):
    plan = plan_of(tmp_path, "model: llama3-70b, accelerator: b200, accelerators: 8", division="open")
    assert plan.data_parallel == 8
    assert round(plan.size.total_gib, 4) == 113.9015
    assert plan.overrides["checkpoint.mode"] == "subset"
    assert "subset of 8 copies" in "\n".join(plan.lines())


def test_closed_and_the_smallest_model_have_no_subset_of_their_own(tmp_path):
    assert plan_of(tmp_path, "model: llama3-70b, accelerator: b200, accelerators: 8").data_parallel is None
    assert plan_of(tmp_path, "model: llama3-8b, accelerator: b200, accelerators: 2", division="open").data_parallel is None
    assert plan_of(tmp_path, f"{EIGHT}, subset: true").data_parallel is None


def test_a_subset_that_the_user_describes_is_taken_as_it_is(tmp_path):
    entry = "model: llama3-70b, accelerator: b200, accelerators: 16, checkpoint.mode: subset, model.parallelism.data: 4"
    assert plan_of(tmp_path, entry, division="whatif").size.data_parallel == 4


def test_the_tiny_model_has_the_bytes_that_dlio_wrote(tmp_path):
    plan = plan_of(tmp_path, f"model: llama3-8b, accelerator: b200, accelerators: 2, {TINY}", division="whatif")
    assert plan.size.model_bytes_by_rank == (5900544, 5900544)
    assert plan.size.optimizer_bytes_per_rank == 35418624


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("model: llama3-405b, accelerator: b200, accelerators: 408", "408 ranks are no multiple of the 256"),
        (f"{EIGHT}, model.parallelism.pipeline: 2", "excludes pipeline parallelism"),
        (f"{EIGHT}, model.parallelism.zero_stage: 4", "no ZeRO stage 4"),
    ],
)
def test_what_cannot_be_dealt_out_is_planned_without_a_size(tmp_path, entry, words):
    plan = plan_of(tmp_path, entry)
    assert plan.size is None
    assert words in plan.size_problem
    assert words in plan.lines()[1]
    assert plan.total_bytes == plan.bytes_to_write(plan.case.steps[0]) == 0


def test_separate_needs_something_to_write_and_to_read(tmp_path):
    with pytest.raises(ConfigurationError, match="given separate, and nothing is to be read"):
        plan_of(tmp_path, f"{EIGHT}, checkpoint.num_checkpoints_read: 0", section="invocations: separate")
    with pytest.raises(ConfigurationError, match="given separate, and nothing is to be written"):
        plan_of(tmp_path, f"{EIGHT}, checkpoint.num_checkpoints_write: 0", section="invocations: separate")


# -- engines -------------------------------------------------------------------------------------------------------------


def test_dlio_measures_where_the_installed_one_can(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: FORK)
    plan = plan_of(tmp_path, EIGHT)
    job = make_job(plan, plan.case.steps[0], staged=tmp_path / "leaf", scratch=tmp_path / "s", write=False)
    assert plan.engine.record() == {
        "name": "dlio", "version": "3.0.2", "flavour": "mlcommons", "commit": "abc", "reader": "builtin", "generator": "builtin",
    }  # fmt: skip
    assert job.program[:6] == (
        "-m",
        "pytest_mlpstorage.dlio",
        "--mlps-ranks=8",
        f"--mlps-evidence={tmp_path}/s/evidence",
        "--mlps-cache-budget=60.000",
        "workload=llama3_8b",
    )
    assert overrides(plan, plan.case.steps[0]) == [f"++workload.checkpoint.checkpoint_folder={tmp_path}/mlps-data/llama3-8b"]
    assert f"++hydra.run.dir={tmp_path}/leaf" in job.program


def test_dlio_is_told_of_the_page_cache_where_it_reads(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: FORK)
    plan = plan_of(tmp_path, EIGHT, section="invocations: separate\ndrop_caches: false")
    told = [
        [
            word
            for word in make_job(plan, step, staged=tmp_path, scratch=tmp_path / "s", write=False).program
            if word.startswith(("--mlps-cache", "--mlps-keep"))
        ]
        for step in plan.case.steps
    ]
    assert told == [[], ["--mlps-cache-budget=43.437", "--mlps-keep-caches"]]


def test_our_program_measures_where_dlio_cannot_or_is_not_wanted(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, EIGHT)
    job = make_job(plan, plan.case.steps[0], staged=tmp_path, scratch=tmp_path / "s", write=False)
    assert job.program == ("-m", "pytest_mlpstorage.checkpointing", f"{tmp_path}/s/checkpoint_job.json")
    assert job.ranks == 8
    monkeypatch.setattr(checkpointing_sizing, "probe", lambda: FORK)
    assert plan_of(tmp_path, EIGHT, section="engine: mlpstorage").engine.is_own


@pytest.mark.parametrize(
    ("changes", "subset", "own"),
    [
        ({}, False, False),
        ({"llm_checkpoint": False}, False, True),
        ({"problem": "torch not installed"}, False, True),
        ({"subset": False}, False, False),
        ({"subset": False}, True, True),
    ],
)
def test_an_engine_is_chosen_by_what_the_probe_found(changes, subset, own):
    found = dataclasses.replace(FORK, **changes)
    assert choose_engine("auto", found, subset=subset).is_own is own
    if own:
        with pytest.raises(DependencyError, match="given dlio, and the installed DLIO does not write and read"):
            choose_engine("dlio", found, subset=subset)


def test_a_dlio_that_holds_its_tensors_takes_their_memory(tmp_path):
    streaming = tmp_path / "checkpointing/simple_streaming_checkpointing.py"
    holding = CheckpointEngine("dlio", Capabilities(installed=True, folder=str(tmp_path)))
    assert holding.rank_memory_bytes(13 * GIB) == 13 * GIB + 400 * MIB
    streaming.parent.mkdir()
    streaming.touch()
    assert holding.rank_memory_bytes(13 * GIB) == 400 * MIB
    assert CheckpointEngine("mlpstorage").rank_memory_bytes(13 * GIB) == 256 * MIB


def test_a_workload_that_only_writes_checkpoints_needs_no_tensorflow_of_dlio(tmp_path):
    check_workload(plan_of(tmp_path, EIGHT).parameters, kind="mlcommons", ranks=8, absent=("tensorflow",))


def test_every_effective_parameter_is_shown_with_its_origin(tmp_path):
    made = session_of(tmp_path, text("model: llama3-70b, accelerator: b200, accelerators: 8, checkpoint.fsync: true", division="open"))
    lines = [" ".join(line.split()) for line in made.show()]
    assert "checkpointing llama3-70b-b200: effective parameters" in lines
    assert "checkpoint.fsync True c.yaml:6:81" in lines
    assert "checkpoint.num_checkpoints_write 10 edition 3.0" in lines
    assert "checkpoint.mode subset computed: accelerators and data_dir" in lines
    assert f"checkpoint.checkpoint_folder {tmp_path}/mlps-data/llama3-70b computed: accelerators and data_dir" in lines
