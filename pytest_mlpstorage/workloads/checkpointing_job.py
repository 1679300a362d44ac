"""The launch of one checkpointing run under either engine, and the files that its leaf holds from before the launch."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pytest_mlpstorage.checkpointing.job import CheckpointJob
from pytest_mlpstorage.launch.job import Host, HostLike, Job
from pytest_mlpstorage.nested import dotted, plain, value_at
from pytest_mlpstorage.results.atomic import file_system_error, write_text
from pytest_mlpstorage.results.layout import DLIO_CONFIG
from pytest_mlpstorage.workloads.checkpointing_records import leaf_parameters
from pytest_mlpstorage.workloads.separation import write_separation
from pytest_mlpstorage.workloads.training_job import CONFIGS, EVIDENCE, hydra_value, write_launch_input

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = ["JOB_FILE", "make_job", "overrides"]

JOB_FILE = "checkpoint_job.json"

_PROOF_SHARE = 0.01
_PROOF_SECONDS = (0.5, 60.0)
"""Measuring the page cache may take this share of a run's time, within these bounds."""


def template_name(plan: CheckpointingPlan) -> str:
    """Name of the workload file, such as ``llama3_8b``."""
    return plan.model.replace("-", "_")


def overrides(plan: CheckpointingPlan, step: Step) -> list[str]:
    """The hydra overrides of a step: what differs from the workload file."""
    base = dict(dotted(plan.entry_model.parameters))
    changes = {**plan.overrides, **plan.step_parameters(step)}
    return [f"++workload.{key}={hydra_value(value)}" for key, value in sorted(changes.items()) if key not in base or base[key] != value]


def make_job(plan: CheckpointingPlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job:
    """The launch of a run; with ``write`` its input goes below ``scratch``, and its leaf gets what the rules read of it."""
    if write:
        _make_folder(plan)
        write_separation(plan.config, plan.folder, staged)
    program = _own(plan, step, staged, scratch, write=write) if plan.engine.is_own else _dlio(plan, step, staged, scratch, write=write)
    return Job(
        ranks=plan.ranks,
        program=program,
        env={"MLPS_PROGRESS": str(scratch / "progress.jsonl")},
        hosts=hosts_of(plan),
        cwd=scratch,
        mpi_args=plan.config.launch.mpi_args,
        oversubscribe=plan.config.launch.oversubscribe,
    )


def hosts_of(plan: CheckpointingPlan) -> tuple[HostLike, ...]:
    """The hosts with the ranks that each gets; a single host that was left to the launcher stays so."""
    hosts = plan.config.cluster.hosts
    if len(hosts) == 1 and hosts[0].slots is None:
        return hosts
    return tuple(Host(host.name, ranks) for host, ranks in zip(hosts, plan.placement, strict=False))


def _make_folder(plan: CheckpointingPlan) -> None:
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise file_system_error("cannot make the folder for checkpoints", plan.folder, error) from error


def _proof_seconds(plan: CheckpointingPlan, step: Step) -> float:
    least, most = _PROOF_SECONDS
    return min(most, max(least, _PROOF_SHARE * plan.expected_seconds(step)))


def _page_cache_options(plan: CheckpointingPlan, step: Step) -> list[str]:
    """What DLIO's ranks are told of the page cache, where they read."""
    if not plan.counts(step)[1]:
        return []
    budget = f"--mlps-cache-budget={_proof_seconds(plan, step):.3f}"
    return [budget] if plan.section.drop_caches else [budget, "--mlps-keep-caches"]


def _own(plan: CheckpointingPlan, step: Step, staged: Path, scratch: Path, *, write: bool) -> tuple[str, ...]:
    path = scratch / JOB_FILE
    if write:
        writes, reads = plan.counts(step)
        job = CheckpointJob(
            parameters=plain(plan.parameters),
            processes=plan.ranks,
            data_parallel=plan.data_parallel,
            folder=str(plan.folder),
            writes=writes,
            reads=reads,
            fsync=bool(value_at(plan.parameters, "checkpoint.fsync", False)),
            drop_caches=plan.section.drop_caches,
            rank_sync=bool(value_at(plan.parameters, "checkpoint.rank_sync", False)),
            seconds_between=plan.seconds_between,
            output_dir=str(staged),
            page_cache_budget_seconds=_proof_seconds(plan, step),
        )
        job.write(path)
        write_dlio_config(plan, step, staged)
    return ("-m", "pytest_mlpstorage.checkpointing", str(path))


def write_dlio_config(plan: CheckpointingPlan, step: Step, staged: Path) -> None:
    """The configuration as DLIO would have written it, and a log that says that it was not DLIO (2.1.25, 2.1.26)."""
    name, tasks = template_name(plan), overrides(plan, step)
    documents: dict[str, Any] = {
        "config.yaml": {"workload": leaf_parameters(plan, step)},
        "overrides.yaml": [f"workload={name}", *tasks],
        "hydra.yaml": {
            "hydra": {"run": {"dir": str(staged)}, "output_subdir": DLIO_CONFIG, "overrides": {"task": [f"workload={name}", *tasks]}}
        },
    }
    try:
        (staged / DLIO_CONFIG).mkdir()
    except OSError as error:
        raise file_system_error("cannot make a directory of the leaf", staged / DLIO_CONFIG, error) from error
    for file, document in documents.items():
        write_text(staged / DLIO_CONFIG / file, yaml.safe_dump(plain(document), sort_keys=False))
    engine = plan.engine.record()
    write_text(
        staged / "dlio.log",
        f"[INFO] {datetime.now().isoformat()} these checkpoints are written and read by the checkpoint program of pytest-mlpstorage "
        f"{engine['version']} and not by DLIO, which left no log; what each rank did stands in *_per_epoch_stats.json\n",
    )


def _dlio(plan: CheckpointingPlan, step: Step, staged: Path, scratch: Path, *, write: bool) -> tuple[str, ...]:
    configs, evidence, name = scratch / CONFIGS, scratch / EVIDENCE, template_name(plan)
    if write:
        write_launch_input(scratch, name, plain(plan.entry_model.parameters))
    return (
        "-m",
        "pytest_mlpstorage.dlio",
        f"--mlps-ranks={plan.ranks}",
        f"--mlps-evidence={evidence}",
        *_page_cache_options(plan, step),
        f"workload={name}",
        *overrides(plan, step),
        f"++hydra.run.dir={hydra_value(str(staged))}",
        f"++hydra.output_subdir={DLIO_CONFIG}",
        f"--config-dir={configs}",
    )
