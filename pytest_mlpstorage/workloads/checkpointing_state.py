"""Which runs of a checkpointing case stand in the results tree, and what a run needs: a size, checkpoints, and the hand-over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlpstorage.checkpointing.shards import shard_files
from pytest_mlpstorage.config.suite import SuiteConfig
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointShape
from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, FileSystemError
from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.manifest import CURRENT_LAYOUT, declared_edition
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.reader import read_checkpointing
from pytest_mlpstorage.results.records import CheckpointingResult, Leaf
from pytest_mlpstorage.units import format_seconds, parse_duration
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.checkpointing_handover import hand_over
from pytest_mlpstorage.workloads.checkpointing_records import leaf_parameters
from pytest_mlpstorage.workloads.checkpointing_settings import FOLDER

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.base import Step
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan

__all__ = [
    "checkpoint_folder",
    "files_by_checkpoint",
    "files_of_checkpoints",
    "found",
    "is_whole",
    "overwritten_bytes",
    "read_result",
    "refuse_foreign",
    "require",
    "space_bytes",
    "step_of",
]


SPACE_MARGIN = 1.01
"""File systems need some room of their own beyond the files' bytes."""


def read_result(plan: CheckpointingPlan) -> CheckpointingResult:
    """The result as it stands in the tree now; one without leaves where there is none."""
    config: SuiteConfig = plan.config
    root = config.results_dir
    relpath = plan.result_dir().relative_to(root).as_posix()
    edition = declared_edition(TreeFiles(root), root / config.division.value / config.submitter) or CURRENT_LAYOUT
    names = {"submitter": config.submitter, "system": config.system, "model": plan.model}
    return read_checkpointing(SubjectPlace("checkpointing", relpath, config.division, edition, **names), root=root)


def _leaves(plan: CheckpointingPlan) -> list[Leaf]:
    return [leaf for leaf in read_result(plan).runs if leaf.metadata is not None]


def _differences(plan: CheckpointingPlan, step: Step, leaf: Leaf) -> list[str]:
    assert leaf.metadata is not None
    mine, theirs = dict(dotted(leaf_parameters(plan, step))), dict(dotted(leaf.metadata.parameters))
    found = [
        f"{key}: {theirs.get(key)!r} in the tree, {mine.get(key)!r} planned"
        for key in sorted((mine.keys() | theirs.keys()) - {FOLDER})
        if str(mine.get(key)) != str(theirs.get(key))
    ]
    for what, recorded, planned in (
        ("num_processes", leaf.metadata.num_processes, plan.ranks),
        ("accelerator", leaf.metadata.accelerator, plan.accelerator),
    ):
        if str(recorded) != str(planned):
            found.append(f"{what}: {recorded} in the tree, {planned} planned")
    return found


def _gap_is_over(plan: CheckpointingPlan, written: Leaf) -> float | None:
    """Seconds since the writing run ended where a result can no longer have them, else None. Nothing is claimed in whatif."""
    limit = plan.rules.failover_gap_seconds
    ended = written.metadata.invocation_end_time if written.metadata is not None else None
    if limit is None or ended is None or plan.config.division is Division.WHATIF:
        return None
    gap = (datetime.now() - ended).total_seconds()
    return gap if gap > limit else None


def step_of(leaf: Leaf) -> str:
    """The step that a leaf says it is; empty where it does not say."""
    step: object = leaf.metadata.mlps.get("step") if leaf.metadata is not None else None
    return step if isinstance(step, str) else ""


def refuse_foreign(plan: CheckpointingPlan, leaf: Leaf) -> None:
    """Raise FileSystemError for a leaf that was made with other parameters than its step of this plan has."""
    if leaf.metadata is None:
        return
    steps = {step.name: step for step in plan.case.steps}
    step = steps.get(step_of(leaf), plan.case.steps[0])
    different = _differences(plan, step, leaf)
    if different:
        raise FileSystemError(
            f"{leaf.relpath} was made with other parameters; one result holds the runs of one workload only",
            details={"differences": "; ".join(different)},
            suggestion="give what you try out a name of its own, which keeps both results side by side: --mlps-set system=NAME",
            code="MLPS-E432",
        )


def found(plan: CheckpointingPlan, step: Step) -> str | None:
    """The leaf of a step, or None. Raises FileSystemError where what is there contradicts the plan."""
    leaves = _leaves(plan)
    for leaf in leaves:
        refuse_foreign(plan, leaf)
    return next((leaf.relpath for leaf in leaves if step_of(leaf) == step.name), None)


def require(plan: CheckpointingPlan, step: Step) -> None:
    """What must hold before a step's leaf is begun: a size, and for a reading run the checkpoints, the hand-over and the gap.

    The caller's command is run here, so that what it takes lies between the two runs and in neither of them. Raises
    ConfigurationError, FileSystemError or BenchmarkExecutionError.
    """
    if plan.size is None:
        raise ConfigurationError(
            f"{plan.case.id} cannot run: {plan.size_problem}", suggestion="its preflight item names the rule", code="MLPS-E115"
        )
    if step.name != "read":
        if plan.counts(step)[0] == 0:
            _require_checkpoints(plan, step)
        return
    written = next((leaf for leaf in reversed(_leaves(plan)) if step_of(leaf) == "write"), None)
    ended = written.metadata.invocation_end_time if written is not None and written.metadata is not None else None
    if written is None or ended is None:
        raise FileSystemError(
            f"no run that wrote the checkpoints of {plan.case.id} is in the results tree",
            suggestion=f"run its item first: pytest benchmarks/ -k 'test_run and {plan.case.id}'",
            code="MLPS-E434",
        )
    _require_checkpoints(plan, step)
    gap, limit = _gap_is_over(plan, written), plan.rules.failover_gap_seconds
    if gap is not None:
        raise BenchmarkExecutionError(
            f"the checkpoints of {plan.case.id} were written {format_seconds(gap)} ago, and {limit:g} s may pass (4.7.1)",
            suggestion=f"run both items together, which writes them anew: pytest benchmarks/ -k 'test_run and {plan.case.id}'",
            code="MLPS-E550",
        )
    handover = hand_over(
        plan.section.between_command,
        ended,
        deadline_seconds=parse_duration(plan.section.between_deadline),
        environment={
            "MLPS_CHECKPOINT_FOLDER": str(plan.folder),
            "MLPS_MODEL": plan.model,
            "MLPS_HOSTS": ",".join(host.name for host in plan.config.cluster.hosts[: len(plan.placement)]),
        },
    )
    gap = _gap_is_over(plan, written)
    if gap is not None:
        raise BenchmarkExecutionError(
            f"the command between writing and reading took {format_seconds(handover.seconds)}: {format_seconds(gap)} passed since the "
            f"writing run ended, and {limit:g} s may pass (4.7.1); nothing was read",
            details={"command": " ".join(handover.command or ())},
            suggestion="make it quicker; division: whatif measures with a longer gap",
            code="MLPS-E550",
        )
    plan.handovers[step.name] = handover


def files_by_checkpoint(plan: CheckpointingPlan) -> Mapping[str, int]:
    """Names and bytes of the files of one checkpoint."""
    shape = CheckpointShape.from_parameters(plan.parameters)
    by_rank = shard_files(shape, plan.ranks, plan.data_parallel)
    return {file.name: file.bytes for files in by_rank for file in files}


def checkpoint_folder(plan: CheckpointingPlan, number: int) -> Path:
    """Where one checkpoint stands; numbers count from 1."""
    return plan.folder / f"global_epoch1_step{number}"


def overwritten_bytes(plan: CheckpointingPlan, writes: int) -> int:
    """Bytes of earlier files that so many checkpoints are written over, as far as this process sees them."""
    names, total = tuple(files_by_checkpoint(plan)), 0
    for number in range(1, writes + 1):
        for name in names:
            try:
                total += (checkpoint_folder(plan, number) / name).stat().st_size
            except OSError:
                continue  # not there, or not to be looked at: then it frees nothing
    return total


def space_bytes(plan: CheckpointingPlan, writes: int, *, free_bytes: int = 0) -> int:
    """Bytes that must be free for so many checkpoints, which earlier ones make room for.

    The earlier ones are thousands of files, and are not looked for where ``free_bytes`` do without their room.
    """
    needed = int(writes * plan.total_bytes * SPACE_MARGIN)
    return needed if needed <= free_bytes else max(0, needed - overwritten_bytes(plan, writes))


def files_of_checkpoints(plan: CheckpointingPlan, count: int) -> Iterator[tuple[int, Path, int, int | None]]:
    """Every file of the first ``count`` checkpoints: number, path, bytes by the formula, and bytes that it has (None: it is not there).

    Raises FileSystemError for one that cannot be looked at.
    """
    wanted = files_by_checkpoint(plan)
    for number in range(1, count + 1):
        for name, size in wanted.items():
            path = checkpoint_folder(plan, number) / name
            try:
                there = path.stat().st_size
            except FileNotFoundError:
                there = None
            except OSError as error:
                raise file_system_error("a checkpoint cannot be looked at", path, error) from error
            yield number, path, size, there


def is_whole(plan: CheckpointingPlan, there: int | None, wanted: int) -> bool:
    """Whether a file of a checkpoint has its bytes; torch puts a header before the tensors, so DLIO's files may be larger."""
    return there is not None and (there == wanted if plan.engine.is_own else there >= wanted)


def _require_checkpoints(plan: CheckpointingPlan, step: Step) -> None:
    """Raise FileSystemError unless every file that the step reads is there with its bytes."""
    if not plan.seen_here:
        return
    for number, path, size, there in files_of_checkpoints(plan, plan.counts(step)[1]):
        if not is_whole(plan, there, size):
            raise FileSystemError(
                f"checkpoint {number} of {plan.case.id} is not complete: {path} "
                + ("is not there" if there is None else f"has {there} bytes instead of {size}"),
                suggestion=f"write the checkpoints first: pytest benchmarks/ -k 'test_run and {plan.case.id}'",
                code="MLPS-E434",
            )
