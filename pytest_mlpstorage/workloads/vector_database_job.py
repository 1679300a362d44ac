"""The launch of a load or a run, and the files that its leaf holds from before the launch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_mlpstorage.launch.job import Job
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.workloads.client_hosts import client_hosts
from pytest_mlpstorage.workloads.separation import write_separation
from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan
from pytest_mlpstorage.workloads.vector_database_records import storage_backend
from pytest_mlpstorage.workloads.vector_database_state import may_replace, read_state

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.job import VectorJob
    from pytest_mlpstorage.workloads.base import Step

__all__ = ["JOB_FILE", "PROGRESS_FILE", "job_of", "make_job"]

JOB_FILE: Final = "vector_database_job.json"
PROGRESS_FILE: Final = "progress.jsonl"
"""Below the scratch folder of a step: how far its first rank is."""


def make_job(plan: VectorPlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job:
    """The launch of a step; with ``write`` its job file goes below ``scratch``, and a run's leaf gets the record of filesystems.

    One rank loads: an embedded engine has one writer, and rows come in order. All clients search.
    """
    path = scratch / JOB_FILE
    if write:
        for folder in (plan.folder, plan.store):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise file_system_error("cannot make a directory of the collection", folder, error) from error
        if step.phase == "run" and plan.entry.uri is None:
            write_separation(plan.config, plan.config.data_dir, staged)
        job_of(plan, step, staged).write(path)
    ranks, hosts = 1 if step.phase == "datagen" else plan.ranks, plan.config.cluster.hosts
    return Job(
        ranks=ranks,
        program=("-m", "pytest_mlpstorage.vectordb", str(path)),
        env={"MLPS_PROGRESS": str(scratch / PROGRESS_FILE)},
        hosts=hosts[:1] if ranks == 1 else client_hosts(hosts, plan.section.clients_per_host),
        cwd=scratch,
        mpi_args=plan.config.launch.mpi_args,
        oversubscribe=plan.config.launch.oversubscribe,
    )


def job_of(plan: VectorPlan, step: Step, staged: Path) -> VectorJob:
    """What the ranks are to do."""
    from pytest_mlpstorage.vectordb.job import DataSource, VectorJob

    section, state = plan.section, read_state(plan)
    where = plan.entry.uri or ("" if plan.own_server else str(plan.folder))
    return VectorJob(
        phase="datagen" if step.phase == "datagen" else "run",
        engine=plan.entry.engine,
        name=plan.name,
        family=plan.entry.index_type,
        output_dir=str(staged),
        store_dir=str(plan.store),
        where=where,
        server_dir=str(plan.folder / "server") if plan.own_server else "",
        data=DataSource(section.generator, plan.rows, plan.dim, section.seed, section.sigma, section.queries),
        metric=plan.metric,
        shards=plan.shards,
        build=dict(plan.build),
        search=dict(plan.search),
        k=section.k,
        processes=1 if step.phase == "datagen" else plan.ranks,
        workers=plan.workers,
        run_number=step.index,
        cold_queries=section.cold_queries,
        cold_seconds=plan.cold_seconds,
        runtime_seconds=plan.runtime_seconds,
        recall_queries=section.recall_queries,
        stream_queries=plan.stream_queries,
        load_deadline_seconds=plan.load_deadline_seconds,
        build_deadline_seconds=plan.build_deadline_seconds,
        answer_deadline_seconds=plan.answer_deadline_seconds,
        open_deadline_seconds=plan.open_deadline_seconds,
        drop_caches="auto" if section.drop_caches else "no",
        replace=step.phase == "datagen" and may_replace(plan),
        dataset_sha256=state.dataset_sha256 if step.phase == "run" else "",
        dataset_fingerprint=state.dataset_fingerprint if step.phase == "run" else "",
        dataset_contrast=state.contrast if step.phase == "run" else None,
        storage_backend=storage_backend(plan),
        thresholds={one.name: one.to_json() for one in plan.thresholds.values()},
    )
