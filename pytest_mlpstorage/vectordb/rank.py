"""One rank of a job: it starts the processes that touch the engine, keeps them together with those of other ranks, and writes the leaf."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.vectordb.leaf_files import write_datagen
from pytest_mlpstorage.vectordb.place import Place
from pytest_mlpstorage.vectordb.progress import Progress
from pytest_mlpstorage.vectordb.registry import engine as find_engine
from pytest_mlpstorage.vectordb.workers import Crew, DeadlineError, Worker

if TYPE_CHECKING:
    from pytest_mlpstorage.ranks.world import World
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["run_rank"]

_ABANDON_SECONDS: Final = 40.0
_OTHER_PHASES_SECONDS: Final = 3600.0
"""Phases of a load that are our own work: the self-check and the contrast."""


@contextlib.contextmanager
def _placed(job: VectorJob, world: World) -> Iterator[Place]:
    place = Place(job, world)
    try:
        yield place
    finally:
        place.stop()


def run_rank(job: VectorJob, file: Path, world: World) -> None:
    """Do this rank's part of a job. Raises what ends the job."""
    path = os.environ.get("MLPS_PROGRESS")
    progress = Progress(Path(path) if path and world.rank == 0 else None)
    with _placed(job, world) as place:
        if job.phase == "datagen":
            if world.rank == 0:
                _load(job, file, place, progress)
            world.barrier()
        else:
            from pytest_mlpstorage.vectordb.run import run_searches

            run_searches(job, file, world, place, progress)


def _load(job: VectorJob, file: Path, place: Place, progress: Progress) -> None:
    """One process loads and builds: an embedded engine has one writer, and a server gets its rows in order."""
    progress.say("start")
    where = place.start()
    worker = Worker(file, "build", 0, 0, engine=job.engine)
    limits = {"load": job.load_deadline_seconds, "build": job.build_deadline_seconds}
    limits |= dict.fromkeys(("create", "count"), job.open_deadline_seconds)
    try:
        with Crew([worker]) as crew:
            crew.say(where=where)
            (found,) = crew.wait(
                "done", lambda phase: limits.get(phase, _OTHER_PHASES_SECONDS), tell=lambda said: _tell(progress, job, said)
            )
    except DeadlineError as error:
        if find_engine(job.engine).capabilities().form == "server" and not place.own_server:
            _abandon(job, file, where, error)
        raise
    write_datagen(job, found)


def _abandon(job: VectorJob, file: Path, where: str, error: DeadlineError) -> None:
    """Drop what a server would go on building without end; what keeps it from that is said with the error."""
    try:
        with Crew([Worker(file, "abandon", 0, 0, engine=job.engine)]) as crew:
            crew.say(where=where)
            crew.wait("done", _ABANDON_SECONDS)
    except BenchmarkExecutionError as left:
        error.details["left on the server"] = f"{job.spec.name}: {left.message}"


def _tell(progress: Progress, job: VectorJob, said: Mapping[str, Any]) -> None:
    phase, fraction = str(said.get("phase")), said.get("fraction")
    if phase == "load":
        progress.say("load", step=said.get("rows", 0), steps=job.data.rows)
    elif isinstance(fraction, int | float):
        progress.say(f"{phase} {fraction:.0%}")
    else:
        progress.say(phase)
