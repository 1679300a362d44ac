"""The launch of one pass, and the files that its leaf holds from before the launch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.workloads.client_hosts import client_hosts
from pytest_mlpstorage.workloads.kv_cache_changes import work_changes
from pytest_mlpstorage.workloads.kv_cache_official import official_job
from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan, place_of
from pytest_mlpstorage.workloads.kv_cache_serving import OFFICIAL_WORK, durability_of, serving_of
from pytest_mlpstorage.workloads.kv_cache_sizing import asked_dir
from pytest_mlpstorage.workloads.separation import write_separation

if TYPE_CHECKING:
    from pytest_mlpstorage.kvcache.job import KVCacheJob
    from pytest_mlpstorage.workloads.base import Step

__all__ = ["JOB_FILE", "job_of", "make_job"]

JOB_FILE = "kv_cache_job.json"


def make_job(plan: KVCachePlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job:
    """The launch of a pass; with ``write`` its leaf gets the job file, which stays, and the record of filesystems.

    Idle times are waits inside of the pass: every rank keeps them, and its progress line tells what is left of them.
    """
    option, trial = place_of(step)
    output, data = staged / f"option_{option}" / f"trial_{trial}", asked_dir(plan.section, plan.config)
    path = output / JOB_FILE
    if write:
        for folder in (output, data):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise file_system_error("cannot make a directory of a pass", folder, error) from error
        write_separation(plan.config, data, staged)
        if plan.official is not None:
            official_job(plan, step, output, staged.name).write(path)
        else:
            job_of(plan, step, output, staged.name).write(path)
    return Job(
        ranks=plan.ranks,
        program=("-m", "pytest_mlpstorage.kvcache" if plan.official is None else "pytest_mlpstorage.kvcache.official", str(path)),
        env={"MLPS_PROGRESS": str(scratch / "progress.jsonl")},
        hosts=client_hosts(plan.config.cluster.hosts, plan.section.clients_per_host),
        cwd=scratch,
        mpi_args=plan.config.launch.mpi_args,
        oversubscribe=plan.config.launch.oversubscribe,
    )


def job_of(plan: KVCachePlan, step: Step, output: Path, run_datetime: str) -> KVCacheJob:
    """What the ranks are to do; the pause between options is idle time before the first pass of the later one."""
    from pytest_mlpstorage.kvcache.job import KVCacheJob

    number, trial = place_of(step)
    option, io = plan.option(step), plan.section.io
    return KVCacheJob(
        option=number,
        trial=trial,
        model=option.model,
        users=option.users,
        cache_dir=str(plan.cache_dir),
        output_dir=str(output),
        run_datetime=run_datetime,
        processes=plan.ranks,
        seed=plan.sequence.seed,
        duration_seconds=option.duration_seconds,
        start_delay_seconds=plan.delay_before(step),
        end_delay_seconds=plan.sequence.end_delay_seconds,
        gpu_memory_bytes=option.gpu_bytes,
        cpu_memory_bytes=option.cpu_bytes,
        max_concurrent_allocations=option.allocations,
        generation_mode=cast("Any", option.generation_mode),
        io_path=io.path,
        chunk_bytes=plan.chunk_bytes or 0,
        verify=cast("Any", io.verify),
        durability=cast("Any", durability_of(plan.section)),
        compressible_fraction=io.compressible_fraction,
        capacity_bytes=plan.capacity_bytes,
        shared_cache=plan.shared_cache,
        workload=plan.workload,
        pass_no=step.index,
        serving=serving_of(plan, option),
        changed=work_changes(plan, option) if plan.section.profile == OFFICIAL_WORK else (),
    )
