"""Plans: what a configuration becomes on given hosts, before anything is launched."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_mlpstorage.cluster.facts import ClusterFacts, host_facts
from pytest_mlpstorage.config import load_config
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.options import config_dirs
from pytest_mlpstorage.session import BenchmarkSession
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import Severity
from pytest_mlpstorage.workloads.registry import load_workloads
from pytest_mlpstorage.workloads.training_judge import preflight_rules

WORKLOADS = load_workloads()


def session(path, tmp_path, *assignments, hosts=(256,)):
    """A session of a configuration file on pretend hosts of so many GiB."""
    families = [workload.schema() for workload in WORKLOADS.values()]
    config = load_config(path, families=families, options={}, assignments=assignments, environ={}, invocation_dir=tmp_path)
    made = BenchmarkSession(config, WORKLOADS)
    real = host_facts([config.data_dir, config.results_dir])
    made._cluster = ClusterFacts(
        tuple(dataclasses.replace(real, name=f"h{i}", memory_bytes=gib * GIB) for i, gib in enumerate(hosts)), "test"
    )
    return made


def plans(path, tmp_path, *assignments, hosts=(256,)):
    made = session(path, tmp_path, *assignments, hosts=hosts)
    return [made.plan(case) for family in made.config.families for case in made.cases(family)]


def shipped(name):
    return next(folder / name for folder in config_dirs() if (folder / name).exists())


@pytest.fixture
def closed(tmp_path):
    path = tmp_path / "closed.yaml"
    path.write_text(
        "division: closed\nsubmitter: acme\nsystem: box\ntraining:\n  workloads:\n    - {model: unet3d, accelerator: b200, accelerators: 8}\n"
    )
    return path


def test_all_families_of_quick_together_are_planned_to_take_at_most_five_minutes(tmp_path):
    made = plans(shipped("quick.yaml"), tmp_path)
    assert sum(plan.expected_seconds(step) for plan in made for step in plan.case.steps if step.phase != "datasize") <= 300


def test_training_in_quick_is_planned_to_take_at_most_90_seconds_of_runs(tmp_path):
    made = [plan for plan in plans(shipped("quick.yaml"), tmp_path) if plan.case.family == "training"]
    assert sum(plan.expected_seconds(step) for plan in made for step in plan.case.steps if step.phase == "run") <= 90


def test_quick_is_marked_as_not_for_submission_in_its_metadata(tmp_path):
    for plan in plans(shipped("quick.yaml"), tmp_path):
        metadata = plan.metadata(plan.case.steps[-1], tmp_path / "leaf")
        assert metadata.mlps["not_for_submission"] is True
        assert metadata.verification is None


def test_the_worked_example_of_the_rule_book(closed, tmp_path):
    (plan,) = plans(closed, tmp_path)
    assert (plan.files, plan.dataset_bytes, plan.size.binding) == (28_000, 4_104_817_584_000, "steps")
    assert plan.steps_per_epoch == 500


def test_uneven_hosts_count_with_their_sum(closed, tmp_path):
    (plan,) = plans(closed, tmp_path, "training.workloads.0.accelerators=24", hosts=(256, 1024, 1024))
    assert (plan.size.minimum_files, plan.files, plan.size.binding) == (84_376, 84_384, "memory")


def test_a_closed_plan_breaks_no_rule_but_says_what_makes_it_open(closed, tmp_path):
    (plan,) = plans(closed, tmp_path)
    assert [f for f in preflight_rules(plan) if f.severity is Severity.ERROR] == []


def test_too_small_a_data_set_breaks_3_1_2_in_closed_before_any_io(closed, tmp_path):
    (plan,) = plans(closed, tmp_path, "dataset.num_files_train=27992")
    (finding,) = [f for f in preflight_rules(plan) if f.severity is Severity.ERROR]
    assert (finding.rule, finding.measured, finding.required) == ("3.1.2", 27992, 28000)


def test_an_open_key_in_closed_would_be_open(closed, tmp_path):
    (plan,) = plans(closed, tmp_path, "framework=tensorflow")
    (finding,) = [f for f in preflight_rules(plan) if f.severity is Severity.ERROR]
    assert finding.rule == "3.6.2"
    assert "would be OPEN" in finding.message


def test_files_that_do_not_divide_are_refused_with_the_nearest(closed, tmp_path):
    with pytest.raises(ConfigurationError, match=r"given 28001; it must be a multiple of the 8 accelerators"):
        plans(closed, tmp_path, "dataset.num_files_train=28001")


def test_the_recorded_overrides_speak_the_editions_vocabulary(closed, tmp_path):
    (plan,) = plans(closed, tmp_path, "reader.read_threads=16")
    recorded = plan.metadata(plan.case.steps[-1], Path("leaf")).override_parameters
    assert recorded == {
        "reader.read_threads": 16,
        "dataset.num_files_train": 28_000,
        "dataset.num_subfolders_train": 0,
        "dataset.data_folder": str(tmp_path / "mlps-data" / "unet3d"),
    }
