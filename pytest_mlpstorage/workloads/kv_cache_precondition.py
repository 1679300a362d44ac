"""Before the first pass: the storage is filled as the user asks, or was filled as the user says, or nobody says (kvcache.md §5.11)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError, MLPStorageError, MPIError
from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.launch.supervisor import require_success, run_job
from pytest_mlpstorage.results.atomic import file_system_error, write_json
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import SCRATCH, STAGING
from pytest_mlpstorage.units import MIB, format_bytes, format_seconds
from pytest_mlpstorage.verdict import Category, Division, Finding, Severity
from pytest_mlpstorage.workloads.client_hosts import client_hosts
from pytest_mlpstorage.workloads.kv_cache_foreseen import usable_bytes
from pytest_mlpstorage.workloads.kv_cache_leftovers import clean_up
from pytest_mlpstorage.workloads.kv_cache_sizing import asked_dir

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import Launcher
    from pytest_mlpstorage.workloads.execute import Voice
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["precondition", "precondition_bytes", "precondition_findings", "precondition_record", "preconditioned", "what_precondition_does"]

_TIMES: Final = 2
"""Of the capacity that passes use, so that an array has neither free blocks nor old data that it knows."""

_FREE_VARIES: Final = (9, 10)
"""Without a capacity it is of what is free, which is never the same twice: what was written for this share of it still counts."""

_SLOWEST_BYTES_PER_SECOND: Final = 20 * MIB
"""Of one client; slower than this the launch is taken to hang."""

_GRACE_SECONDS: Final = 600.0


def precondition_findings(plan: KVCachePlan) -> Iterator[Finding]:
    """That nobody says that the storage was filled before (#413), as far as this plan does not fill it itself."""
    if plan.section.preconditioned or plan.section.precondition:
        return
    yield Finding(
        "nobody declares that the storage was filled before, and one that was not may be faster than it stays",
        severity=Severity.INFO if plan.config.division is Division.WHATIF else Severity.WARNING,
        category=Category.CLOSED,
        required="kvcache.precondition: true writes twice its capacity; kvcache.preconditioned: true declares that it was done",
        field="kvcache.preconditioned",
        rule="MLPS-KVC-1",
    )


def capacity_per_client(plan: KVCachePlan) -> int:
    """Bytes of storage that a client uses: what is set, else its share of what is free now."""
    if plan.capacity_bytes is not None:
        return plan.capacity_bytes
    free = min(host.mount(asked_dir(plan.section, plan.config)).free_bytes for host in plan.cluster.hosts[: plan.hosts])
    return usable_bytes(free) // plan.sharers


def precondition_record(plan: KVCachePlan) -> Mapping[str, Any] | None:
    """What was written by this item to this storage for as much capacity as is used now; None where nothing was."""
    path = _record(plan)
    raw = TreeFiles(plan.config.results_dir).json_object(path) if path.is_file() else None
    if raw is None:
        return None
    written = integer(raw.get("bytes_per_client"))
    wanted = _TIMES * capacity_per_client(plan)
    if plan.capacity_bytes is None:
        wanted = wanted * _FREE_VARIES[0] // _FREE_VARIES[1]
    return raw if written is not None and written >= wanted else None


def preconditioned(plan: KVCachePlan) -> str:
    """What the metadata says of it, in a word."""
    if plan.section.preconditioned:
        return "declared"
    return "written" if plan.section.precondition and precondition_record(plan) is not None else "not declared"


def what_precondition_does(plan: KVCachePlan) -> str:
    """One line for people."""
    if plan.section.preconditioned:
        return "the storage was filled before, as you declare"
    if not plan.section.precondition:
        return "the storage is not filled before"
    if (done := precondition_record(plan)) is not None:
        return f"done {done.get('ended')}, not repeated: {format_bytes(integer(done.get('bytes_per_client')) or 0)} a client"
    total = _TIMES * capacity_per_client(plan)
    return f"each of {plan.ranks} client(s) writes {format_bytes(total)}, twice what it uses, to {plan.cache_dir}, and removes it"


def precondition_bytes(plan: KVCachePlan) -> int:
    """Bytes that all clients would write together; 0 where it is not asked for, declared, or done."""
    if plan.section.preconditioned or not plan.section.precondition or precondition_record(plan) is not None:
        return 0
    return _TIMES * capacity_per_client(plan) * plan.ranks


def precondition(plan: KVCachePlan, *, launcher: Launcher, voice: Voice) -> None:
    """Fill the storage where that is asked for and was not done; raises BenchmarkExecutionError where it could not be."""
    if plan.section.preconditioned or not plan.section.precondition or precondition_record(plan) is not None:
        return
    from pytest_mlpstorage.kvcache.precondition import Precondition

    config, held = plan.config, capacity_per_client(plan)
    scratch = config.results_dir / STAGING / SCRATCH / secrets.token_hex(6)
    for folder in (asked_dir(plan.section, config), scratch):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_system_error("cannot make a folder that preconditioning works in", folder, error) from error
    work = Precondition(str(plan.cache_dir), str(scratch), _TIMES * held, held, plan.section.io.path)
    job = Job(
        ranks=plan.ranks,
        program=("-m", "pytest_mlpstorage.kvcache.precondition", str(scratch / "precondition.json")),
        env={"MLPS_PROGRESS": str(scratch / "progress.jsonl")},
        hosts=client_hosts(plan.config.cluster.hosts, plan.section.clients_per_host),
        cwd=scratch,
        mpi_args=config.launch.mpi_args,
        oversubscribe=config.launch.oversubscribe,
    )
    try:
        write_json(scratch / "precondition.json", dataclasses.asdict(work))
        outcome = run_job(
            launcher, job, stdout=scratch / "stdout.log", stderr=scratch / "stderr.log",
            deadline_seconds=_GRACE_SECONDS + _TIMES * held * plan.ranks / _SLOWEST_BYTES_PER_SECOND,
            heartbeat=voice.beat, heartbeat_seconds=config.launch.heartbeat_seconds, echo=voice.echo,
            diagnose=lambda lines: next((line for line in reversed(lines) if line.startswith("mlpstorage: ")), None),
        )  # fmt: skip
        require_success(outcome)
        _keep(plan, _told(plan, scratch), outcome.elapsed_seconds, voice)
    except BaseException as error:
        if not isinstance(error, MPIError):  # by which it is told that no rank began
            for line in _left_behind(plan, scratch, launcher):
                voice.say(f"left behind: {line}")
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _left_behind(plan: KVCachePlan, scratch: Path, launcher: Launcher) -> Sequence[str]:
    """Have removed what the ranks could not remove. What fails here is told, and hides nothing that failed before."""
    try:
        return clean_up(plan, scratch=scratch, launcher=launcher)
    except (MLPStorageError, OSError) as second:
        return (" ".join(str(second).split()),)


def _told(plan: KVCachePlan, scratch: Path) -> list[Mapping[str, Any]]:
    """What each rank says that it wrote: exit code 0 alone is no proof."""
    files = TreeFiles(scratch)
    found = [files.json_object(path) for rank in range(plan.ranks) if (path := scratch / f"precondition_rank_{rank}.json").is_file()]
    told = [raw for raw in found if raw is not None and integer(raw.get("bytes"))]
    if len(told) != plan.ranks:
        raise BenchmarkExecutionError(
            f"{plan.ranks - len(told)} of {plan.ranks} client(s) do not say that they filled the storage", code="MLPS-E540"
        )
    return told


def _keep(plan: KVCachePlan, told: list[Mapping[str, Any]], seconds: float, voice: Voice) -> None:
    written = [integer(one.get("bytes")) or 0 for one in told]
    record = {
        "cache_dir": str(plan.cache_dir),
        "hosts": [host.name for host in plan.config.cluster.hosts],
        "clients": plan.ranks,
        "bytes_per_client": min(written),
        "seconds": round(seconds, 1),
        "ended": datetime.now().isoformat(timespec="seconds"),
        "ranks": [dict(one) for one in told],
    }
    _record(plan).parent.mkdir(parents=True, exist_ok=True)
    write_json(_record(plan), record)
    voice.say(f"the storage was filled: {format_bytes(sum(written))} by {plan.ranks} client(s) in {format_seconds(seconds)}")


def _record(plan: KVCachePlan) -> Path:
    """One record for a storage and those who fill it."""
    who = [str(plan.cache_dir), [host.name for host in plan.config.cluster.hosts], plan.ranks]
    name = hashlib.sha256(json.dumps(who).encode()).hexdigest()[:16]
    return plan.config.results_dir / STAGING / "precondition" / f"{name}.json"
