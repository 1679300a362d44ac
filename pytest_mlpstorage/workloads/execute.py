"""One step of a workload, from an empty staged leaf to a leaf in its place, or to kept evidence of a failure."""

from __future__ import annotations

import dataclasses
import secrets
import shlex
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import SuiteConfig
from pytest_mlpstorage.errors import MLPStorageError, MPIError
from pytest_mlpstorage.launch.sampling import Sampling
from pytest_mlpstorage.launch.supervisor import Beat, Outcome, require_success, run_job
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.results.layout import SCRATCH, STAGING, is_timestamp, metadata_name, output_name
from pytest_mlpstorage.results.provenance import PROVENANCE
from pytest_mlpstorage.results.records import LeafMetadata
from pytest_mlpstorage.results.time_series import TIME_SERIES
from pytest_mlpstorage.results.writer import LeafWriter
from pytest_mlpstorage.units import format_seconds
from pytest_mlpstorage.workloads.again import AGAIN, again_record
from pytest_mlpstorage.workloads.base import CleaningWorkload, Collected, Plan, Step, Workload, records_name
from pytest_mlpstorage.workloads.cluster_record import write_cluster_info
from pytest_mlpstorage.workloads.stamping import keep_code, list_leaf, stamp_leaf

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import Launcher

__all__ = ["BEGAN", "DEADLINE_FACTOR", "DEADLINE_GRACE_SECONDS", "INTERRUPTED", "Done", "Voice", "deadline_seconds", "execute"]

DEADLINE_FACTOR = 3.0
DEADLINE_GRACE_SECONDS = 600.0
TIMESTAMP_FORMAT = "%Y%m%d_%H%M%S"
INTERRUPTED = "interrupted from the keyboard"
"""The reason kept with the evidence of a step that a person ended: no failure of what was measured."""

BEGAN = "began"
"""In the evidence of a step that failed: whether a rank of it had begun. What failed before was no run."""

UNREMARKABLE_SECONDS = 60.0
"""Steps that end within one second push the names after them forward by a second each."""


@dataclasses.dataclass(frozen=True)
class Voice:
    """Where a running step speaks: ``beat`` each heartbeat, ``echo`` the program's own lines (None: not wanted)."""

    beat: Callable[[Beat], None] | None = None
    echo: Callable[[str], None] | None = None
    say: Callable[[str], None] = lambda _text: None


@dataclasses.dataclass(frozen=True)
class Done:
    """A step that was carried out: its leaf, what was measured and what the launch cost."""

    leaf: Path
    collected: Collected
    outcome: Outcome | None


def deadline_seconds(expected_seconds: float, configured_seconds: float | None) -> float:
    """The configured deadline, else 3 × expected + 10 min (design §5)."""
    return configured_seconds if configured_seconds is not None else DEADLINE_FACTOR * expected_seconds + DEADLINE_GRACE_SECONDS


def execute(workload: Workload, plan: Plan, step: Step, *, config: SuiteConfig, launcher: Launcher, voice: Voice) -> Done:
    """Carry out one step. Nothing appears at its final path unless the step was finished and checked.

    Raises BenchmarkExecutionError for a run that failed or did not leave what a finished run leaves; the staged leaf is
    then kept under ``.mlps/failed`` with its logs and the reason, and the error names it. KeyboardInterrupt passes
    through after the same.
    """
    started = datetime.now()
    run_id = secrets.token_hex(6)
    writer = LeafWriter.create_next(config.results_dir, plan.leaf_parent(step), run_id=run_id, now=started)
    scratch = config.results_dir / STAGING / SCRATCH / run_id
    metadata = dataclasses.replace(plan.metadata(step, writer.final), invocation_start_time=started)
    outcome: Outcome | None = None
    launched = False
    try:
        _make(scratch)
        write_cluster_info(writer, plan)
        code = keep_code(config, workload)
        job = workload.job(plan, step, staged=writer.path, scratch=scratch, write=True)
        for line in workload.prepare(plan, step, run_id=run_id):
            voice.say(line)
        if job is None:
            collected = Collected({})
        else:
            launched = True
            outcome = run_job(
                launcher,
                job,
                stdout=writer.path / output_name(records_name(workload), step.phase, "stdout"),
                stderr=writer.path / output_name(records_name(workload), step.phase, "stderr"),
                deadline_seconds=deadline_seconds(plan.expected_seconds(step), config.launch.deadline_seconds),
                heartbeat=voice.beat,
                heartbeat_seconds=config.launch.heartbeat_seconds,
                stall_warning_seconds=config.launch.stall_warning_seconds,
                stall_abort_seconds=config.launch.stall_abort_seconds,
                run_id=run_id,
                echo=voice.echo,
                diagnose=workload.diagnose,
                sampling=_sampling(config, writer.path),
            )
            require_success(outcome)
            collected = workload.collect(plan, step, staged=writer.path, scratch=scratch, outcome=outcome)
            collected = dataclasses.replace(collected, notes=(*outcome.warnings, *collected.notes))
        collected = dataclasses.replace(collected, notes=(*_from_the_future(writer.final, started), *collected.notes))
        finished = _write_metadata(writer, workload, metadata, outcome, collected, run_id, again_record(config, plan.case))
        stamp_leaf(writer.path, code, finished, config.edition, in_tree=STAGING not in writer.final.relative_to(config.results_dir).parts)
        leaf = writer.commit()
    except BaseException as error:
        # Whatever ends the step, Ctrl-C included, its evidence is kept and the same error goes on.
        try:
            # An MPIError of the launch says that no rank began.
            began = outcome is not None or (launched and not isinstance(error, MPIError))
            _keep_evidence(writer, error, {BEGAN: began, **_evidence(metadata, outcome)})
        finally:
            if began:
                _clean_up(workload, plan, step, error, scratch=scratch, launcher=launcher, say=voice.say)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    workload.finish(plan, step, leaf=leaf, run_id=run_id, collected=collected)
    list_leaf(config)
    return Done(leaf, collected, outcome)


def _sampling(config: SuiteConfig, staged: Path) -> Sampling | None:
    """The time series that a launch is to leave in its leaf, of the disks below the paths under test; None where none is wanted."""
    interval_seconds = config.launch.sample_interval_seconds
    if not interval_seconds:
        return None
    return Sampling(interval_seconds, tuple(map(str, config.storage_dirs)), staged / TIME_SERIES)


def _from_the_future(leaf: Path, now: datetime) -> tuple[str, ...]:
    """What to say of a leaf that had to be named later than it is, because the order of names is the order of runs."""
    ahead_seconds = (datetime.strptime(leaf.name, TIMESTAMP_FORMAT) - now).total_seconds()
    if ahead_seconds <= UNREMARKABLE_SECONDS:
        return ()
    newest = max((entry.name for entry in leaf.parent.iterdir() if is_timestamp(entry.name)), default=leaf.name)
    return (
        f"this leaf is named {leaf.name}, which is {format_seconds(ahead_seconds)} from now: {newest} is dated in the future, and a later "
        "run needs a later name; look at the clock of this host",
    )


def _make(scratch: Path) -> None:
    try:
        scratch.mkdir(parents=True)
    except OSError as error:
        raise file_system_error("cannot make the folder that a step works in", scratch, error) from error


def _keep_evidence(writer: LeafWriter, error: BaseException, found: dict[str, Any]) -> None:
    """Move the staged leaf to the failed evidence and name it in the error.

    Where that fails too (the disk is full, say), the error that ended the step is still the one to be told, and Ctrl-C still ends
    the session; the leaf stays where it is, and the next start moves it.
    """
    told = found | {"code": error.code} if isinstance(error, MLPStorageError) else found
    try:
        where = str(writer.fail(_reason(error), told))
    except (MLPStorageError, OSError) as second:
        where = f"{writer.outcome or writer.path} ({' '.join(str(second).split())})"
    if isinstance(error, MLPStorageError):
        error.details["evidence"] = where


def _clean_up(
    workload: Workload, plan: Plan, step: Step, error: BaseException, *, scratch: Path, launcher: Launcher, say: Callable[[str], None]
) -> None:
    """Have what the ranks could not remove removed, and say what stays. What fails here is told, and hides nothing that failed before."""
    if not isinstance(workload, CleaningWorkload):
        return
    try:
        left = tuple(workload.clean_up(plan, step, scratch=scratch, launcher=launcher))
    except (MLPStorageError, OSError) as second:
        left = (" ".join(str(second).split()),)
    for line in left:
        say(f"left behind: {line}")
    if left and isinstance(error, MLPStorageError):
        error.details["left behind"] = "; ".join(left)


def _reason(error: BaseException) -> str:
    if isinstance(error, MLPStorageError):
        return error.message
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return f"{type(error).__name__}: {error}"


def _evidence(metadata: LeafMetadata, outcome: Outcome | None) -> dict[str, Any]:
    found: dict[str, Any] = {"metadata": metadata.to_json()}
    if outcome is not None:
        found |= _launch_records(outcome)
    return found


def _launch_records(outcome: Outcome) -> dict[str, Any]:
    series = {} if outcome.series is None else {"time_series": outcome.series.to_json()}
    return {"launch": _launch_record(outcome), **series}


def _launch_record(outcome: Outcome) -> dict[str, Any]:
    return {
        "command": list(outcome.command),
        "returncode": outcome.returncode,
        "signal": outcome.signal,
        "cause": outcome.cause,
        "failed_rank": outcome.failed_rank,
        "failed_host": outcome.failed_host,
        "elapsed_seconds": outcome.elapsed_seconds,
    }


def _write_metadata(
    writer: LeafWriter,
    workload: Workload,
    metadata: LeafMetadata,
    outcome: Outcome | None,
    collected: Collected,
    run_id: str,
    again: Mapping[str, Any],
) -> LeafMetadata:
    mlps = {**metadata.mlps, **collected.mlps, "run_id": run_id, "metrics": dict(collected.metrics), "notes": list(collected.notes)}
    mlps[AGAIN] = dict(again)
    if outcome is not None:
        mlps |= _launch_records(outcome)
    ended = datetime.now()
    final = dataclasses.replace(
        metadata,
        invocation_end_time=ended,
        runtime_seconds=(ended - started).total_seconds() if (started := metadata.invocation_start_time) else None,
        executed_command=shlex.join(outcome.command) if outcome else "",
        provenance_file=PROVENANCE,
        mlps=mlps,
    )
    writer.write_json(metadata_name(records_name(workload), writer.final.name), final.to_json())
    return final
