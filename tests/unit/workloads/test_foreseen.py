"""What a dry run says of a step before it: what is known, what is not, and never a rate that nobody measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.options import config_dirs
from pytest_mlpstorage.session import BenchmarkSession
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.workloads.base import Step
from pytest_mlpstorage.workloads.foreseen import UNKNOWN, Foreseen, Space, foreseen
from pytest_mlpstorage.workloads.kv_cache_precondition import precondition_bytes
from pytest_mlpstorage.workloads.registry import load_workloads

WORKLOADS = load_workloads()
OWN = ("submitter=acme", "system=box", "data_dir=data", "results_dir=results")


def plans(name, tmp_path, *assignments, hosts=(256,)):
    """The plans of a shipped configuration on pretend hosts of so many GiB, by family and model."""
    path = next(folder / name for folder in config_dirs() if (folder / name).exists())
    families = [workload.schema() for workload in WORKLOADS.values()]
    config = load_config(path, families=families, options={}, assignments=assignments, environ={}, invocation_dir=tmp_path)
    made = BenchmarkSession(config, WORKLOADS)
    real = host_facts([*config.storage_dirs, config.results_dir])
    made._cluster = ClusterFacts(
        tuple(dataclasses.replace(real, name=f"h{i}", memory_bytes=gib * GIB) for i, gib in enumerate(hosts)), "test"
    )
    return {(family, case.model): made.plan(case) for family in config.families for case in made.cases(family)}


def step_of(plan, name):
    return next(step for step in plan.case.steps if step.name == name)


def test_a_training_run_takes_its_computing_and_at_most_what_the_lowest_valid_utilization_makes_of_it(tmp_path):
    plan = plans("closed.yaml", tmp_path, *OWN)["training", "unet3d"]
    known = foreseen(plan, step_of(plan, "1"))
    assert known.least_seconds == pytest.approx(5 * plan.steps_per_epoch * 0.162)
    assert known.most_seconds == pytest.approx(known.least_seconds / 0.9)
    assert (known.write_bytes, known.read_bytes) == (0, 5 * plan.epoch_bytes)
    assert known.rank_memory_bytes == plan.rank_memory_bytes
    assert known.host_memory_bytes == 8 * plan.rank_memory_bytes
    assert known.space is None
    (time,) = (line for line in known.lines() if line.startswith("takes"))
    assert f"5 epochs × {plan.steps_per_epoch} steps × 0.162 s" in time
    assert "90 %" in time


def test_an_experiment_has_no_lowest_valid_utilization(tmp_path):
    plan = plans("quick.yaml", tmp_path)["training", "unet3d"]
    known = foreseen(plan, step_of(plan, "1"))
    assert known.most_seconds is None
    assert known.time() == "unknown, at least 2.4 s"


def test_how_long_generating_takes_nobody_knows(tmp_path):
    plan = plans("quick.yaml", tmp_path)["training", "unet3d"]
    known = foreseen(plan, step_of(plan, "datagen"))
    assert known.time() == UNKNOWN
    assert (known.write_bytes, known.read_bytes) == (280 * MIB, 0)
    assert known.space == Space(plan.config.data_dir, "training:unet3d", int(280 * MIB * 1.02))


def test_of_checkpoints_bytes_memory_and_sleeps_are_known_and_the_rest_is_not(tmp_path):
    plan = plans("closed.yaml", tmp_path, *OWN)["checkpointing", "llama3-8b"]
    known = foreseen(plan, plan.case.steps[0])
    assert known.write_bytes == known.read_bytes == 10 * plan.total_bytes
    assert known.time() == "unknown, at least 1 min 40 s"
    assert known.host_memory_bytes == 8 * known.rank_memory_bytes
    assert known.space.needed_bytes == int(10 * plan.total_bytes * 1.01)
    quick = plans("quick.yaml", tmp_path)["checkpointing", "llama3-8b"]
    assert foreseen(quick, quick.case.steps[0]).time() == UNKNOWN


def test_a_checkpoint_that_cannot_be_sized_is_unknown_and_says_why(tmp_path):
    plan = plans("quick.yaml", tmp_path)["checkpointing", "llama3-8b"]
    plan = dataclasses.replace(plan, size=None, size_problem="3 ranks hold no copy")
    lines = foreseen(plan, plan.case.steps[0]).lines()
    assert lines[0] == "writes   unknown: 3 ranks hold no copy"
    assert lines[2] == "memory   unknown: 3 ranks hold no copy"


def test_a_pass_of_the_kv_cache_has_times_and_moves_what_is_measured(tmp_path):
    plan = plans("closed.yaml", tmp_path, *OWN)["kvcache", "llama3.1-8b"]
    first, later = (foreseen(plan, step_of(plan, name)) for name in ("option1-trial0", "option2-trial0"))
    assert (first.least_seconds, first.most_seconds) == (480, 882)
    assert (later.least_seconds, later.most_seconds) == (570, 772)
    assert first.write_bytes is first.read_bytes is None
    assert first.lines()[0] == "writes   unknown: as much as this storage completes in 300 s"
    assert later.rank_memory_bytes == first.rank_memory_bytes + 4 * GIB
    assert first.space.needed_bytes is None
    quick = plans("quick.yaml", tmp_path)["kvcache", "llama3.1-8b"]
    assert foreseen(quick, quick.case.steps[0]).space.needed_bytes == -(-quick.capacity_bytes * 2 * 100 // 95)


def test_what_filling_the_storage_before_writes_is_known(tmp_path):
    plan = plans("quick.yaml", tmp_path, "kvcache.precondition=true")["kvcache", "llama3.1-8b"]
    assert precondition_bytes(plan) == 2 * plan.capacity_bytes * plan.ranks
    assert precondition_bytes(plans("quick.yaml", tmp_path)["kvcache", "llama3.1-8b"]) == 0


def test_of_vectors_the_bytes_and_the_steady_phase_are_known(tmp_path):
    plan = next(plan for (family, _), plan in plans("quick.yaml", tmp_path).items() if family == "vectordb")
    load, run = (foreseen(plan, step_of(plan, name)) for name in ("datagen", "1"))
    assert load.write_bytes == plan.raw_bytes + plan.index_bytes
    assert load.time() == UNKNOWN
    assert load.space.needed_bytes == 2 * load.write_bytes
    assert run.time() == "unknown, at least 5.0 s"
    assert (run.write_bytes, run.read_bytes) == (0, None)
    assert run.host_memory_bytes == 2 * plan.process_memory_bytes


def test_the_plan_of_a_plug_in_that_says_no_more_is_told_under_its_name():
    plan = SimpleNamespace(bytes_to_write=lambda _: 5, bytes_to_read=lambda _: 6, expected_seconds=lambda _: 90.0)
    lines = foreseen(plan, Step("1", "run")).lines()
    assert lines[:2] == ["writes   5 B", "reads    6 B"]
    assert lines[2].startswith("memory   unknown")
    assert lines[3] == "takes    unknown: its workload expects 1 min 30 s, and does not say what that is made of"


def test_no_line_of_what_is_foreseen_names_a_rate(tmp_path):
    for name, settings in (("quick.yaml", ()), ("closed.yaml", OWN), ("open.yaml", OWN)):
        settings = (*settings, "vectordb.workloads.0.uri=http://host:19530") if name == "closed.yaml" else settings
        for plan in plans(name, tmp_path, *settings).values():
            steps = [step for step in plan.case.steps if step.phase != "datasize"]
            text = "\n".join(line for step in steps for line in foreseen(plan, step).lines())
            assert "/s" not in text
            assert [line.split()[0] for line in text.splitlines()] == ["writes", "reads", "memory", "takes"] * len(steps)


def test_known_times_are_told_as_one_where_they_are():
    assert Foreseen(0, 0, 30.0, 30.0).time() == "30.0 s"
    assert Foreseen(0, 0, 30.0, 60.0).time() == "30.0 s to 1 min 00 s"
    assert Foreseen(0, 0, 30.0, space=Space(Path("/a"), "k")).to_json()["space"]["needed_bytes"] is None
