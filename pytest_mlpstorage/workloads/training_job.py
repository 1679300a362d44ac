"""The command of a DLIO launch: hydra overrides in the edition's vocabulary, and the files it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.nested import value_at
from pytest_mlpstorage.results.atomic import file_system_error, write_text

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["CONFIGS", "EVIDENCE", "PAGE_CACHE_SHARE", "hydra_value", "make_job", "overrides", "write_launch_input"]

CONFIGS = "configs"
EVIDENCE = "evidence"

PAGE_CACHE_SHARE = 0.01
"""Part of a run's expected time that measuring the page cache may cost."""

# What hydra's grammar reads as a plain string; anything else is quoted.
_PLAIN = re.compile(r"^[A-Za-z_/.][A-Za-z0-9_/.\-]*$")
_WORDS = frozenset({"null", "true", "false", "nan", "inf"})


def hydra_value(value: Any) -> str:
    """A value in hydra's override grammar; strings with blanks or signs are quoted."""
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(hydra_value(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{hydra_value(v)}" for k, v in value.items()) + "}"
    text = str(value)
    if _PLAIN.match(text) and text.lower() not in _WORDS:
        return text
    # In quotes a backslash counts only before a quote or at the end.
    inner = re.sub(r"(\\*)'", lambda found: found[1] * 2 + "\\'", text)
    tail = len(inner) - len(inner.rstrip("\\"))
    return f"'{inner}{chr(92) * tail}'"


def overrides(plan: TrainingPlan, step: Step) -> list[str]:
    """The hydra overrides of a step: what differs from the workload file, no translation for an older DLIO."""
    changes = dict(plan.overrides)
    workflow = {"generate_data": False, "train": True}
    if step.phase == "datagen":
        workflow = {"generate_data": True, "train": False, "checkpoint": False}
        changes = {**plan.datagen_changes, **changes}
    for key, value in workflow.items():
        if value_at(plan.parameters, f"workflow.{key}") is not value:
            changes[f"workflow.{key}"] = value
    if value_at(plan.parameters, "workflow.checkpoint") is True and step.phase == "run":
        changes.setdefault("checkpoint.checkpoint_folder", str(plan.config.data_dir / "checkpoints" / plan.model))
    return [f"++workload.{key}={hydra_value(value)}" for key, value in sorted(changes.items())]


def _page_cache_options(plan: TrainingPlan, step: Step) -> list[str]:
    """What the ranks of a run are told of the page cache: the time that it may cost, and whether to drop the data from it."""
    if step.phase != "run":
        return []
    budget = f"--mlps-cache-budget={plan.expected_seconds(step) * PAGE_CACHE_SHARE:.3f}"
    return [budget] if plan.drops_caches else [budget, "--mlps-keep-caches"]


def write_launch_input(scratch: Path, name: str, parameters: Mapping[str, Any]) -> None:
    """Make the folders of a DLIO launch, and the workload file ``name`` in them. Raises FileSystemError."""
    try:
        (scratch / CONFIGS / "workload").mkdir(parents=True)
        (scratch / EVIDENCE).mkdir()
    except OSError as error:
        raise file_system_error("cannot make the folders of a launch", scratch, error) from error
    write_text(scratch / CONFIGS / "workload" / f"{name}.yaml", yaml.safe_dump(parameters, sort_keys=False))


def make_job(plan: TrainingPlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job:
    """``mpirun … python -m pytest_mlpstorage.dlio`` for datagen or a run.

    The workload file is made from the edition's template below ``scratch``; the working directory is there too, because
    registry DLIO creates its checkpoint folder even with checkpoints off.
    """
    configs = scratch / CONFIGS
    evidence = scratch / EVIDENCE
    if write:
        write_launch_input(scratch, plan.template.name, plan.template.copy_parameters())
    program = [
        "-m",
        "pytest_mlpstorage.dlio",
        f"--mlps-ranks={plan.ranks}",
        f"--mlps-evidence={evidence}",
        *_page_cache_options(plan, step),
        f"workload={plan.template.name}",
        *overrides(plan, step),
        f"++hydra.run.dir={hydra_value(str(staged))}",
        "++hydra.output_subdir=dlio_config",
        f"--config-dir={configs}",
    ]
    return Job(
        ranks=plan.ranks,
        program=tuple(program),
        env={"MLPS_PROGRESS": str(scratch / "progress.jsonl")},
        hosts=plan.config.cluster.hosts,
        cwd=scratch,
        mpi_args=plan.config.launch.mpi_args,
        oversubscribe=plan.config.launch.oversubscribe,
    )
