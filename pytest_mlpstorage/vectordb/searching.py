"""What a process does that searches, and the one that looks at the collection before a run; see :mod:`.worker` for the words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.vectordb.check import check_parameters, family_of
from pytest_mlpstorage.vectordb.datagen import data_of, engine_facts, peak_rss_bytes, require_whole
from pytest_mlpstorage.vectordb.job import ANSWERS, SAMPLES
from pytest_mlpstorage.vectordb.measure import PhasePlan, PhaseRun, WorkerLoop
from pytest_mlpstorage.vectordb.queries import QueryStream
from pytest_mlpstorage.vectordb.registry import engine as find_engine
from pytest_mlpstorage.vectordb.samples import WorkerSamples, save_worker

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.channel import Channel
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["answers_file", "prepare", "search"]

_NS: Final = 1e9


def answers_file(folder: Path, rank: int, number: int) -> Path:
    """Where a worker leaves what it answered first in each phase."""
    return folder / ANSWERS / f"answers-r{rank}-w{number}.npz"


def prepare(job: VectorJob, channel: Channel, _rank: int, _number: int) -> None:
    """Look at what is there before a run: that it is the data set, whole, of these dimensions; and do what the engine can to cool it."""
    where = channel.next()["where"]
    channel.say("progress", phase="look")
    engine = find_engine(job.engine)
    engine.attach(job.spec, where)
    try:
        stats = engine.stats()
        require_whole(job, stats)
        files = engine.index_files()
        facts = engine_facts(engine, job)
        evicted = engine.evict()
    finally:
        engine.close()
    channel.say(
        "ready",
        engine=facts,
        evicted=evicted,
        index_files=None if files is None else [str(path) for path in files],
        bytes_on_disk=dict(stats.bytes_on_disk),
    )


def search(job: VectorJob, channel: Channel, rank: int, number: int) -> None:
    """One client: everything that can be made before is made before; then each phase at the rank's word, and the records afterwards."""
    channel.say("progress", phase="prepare")
    engine, data = find_engine(job.engine), data_of(job)
    params = check_parameters(family_of(engine.capabilities(), job.family, job.engine), job.search, part="search", k=job.k)
    worker = rank * job.workers + number
    stream = QueryStream.prepare(data, job.stream_queries, run=job.run_number, worker=worker, workers=job.all_workers)
    channel.say("prepared")
    word = channel.next()
    channel.say("progress", phase="open")
    begun = time.perf_counter()
    searcher = engine.open(job.spec, word["where"], threads=job.threads)
    opened = time.perf_counter() - begun
    try:
        loop = WorkerLoop(searcher, stream, k=job.k, rows=data.rows, params=params.values, heart=channel.heart.cell)
        channel.say("opened", phase="open", seconds=opened, reads=engine.reads(), clamped=dict(params.clamped))
        runs = _phases(channel, loop)
        effective = dict(searcher.effective())
        channel.say("progress", phase="close")
    finally:
        searcher.close()
        engine.close()
    channel.say("progress", phase="save")
    folder = Path(job.output_dir)
    samples = WorkerSamples(np.concatenate([run.samples for run in runs]), rank, number, word["host"])
    save_worker(folder / SAMPLES, samples)
    _save_answers(answers_file(folder, rank, number), runs, job.recall_queries)
    channel.say("saved", phase="saved", requested=dict(params.values), effective=effective, peak_rss=peak_rss_bytes())


def _phases(channel: Channel, loop: WorkerLoop) -> list[PhaseRun]:
    """Each phase that the rank asks for, until it asks to close."""
    runs: list[PhaseRun] = []
    for word in channel.hear():
        if word["do"] == "close":
            break
        plan = PhasePlan(word["phase"], word["seconds"], word["queries"], wrap=word["wrap"])
        channel.say("progress", phase=plan.name)
        _wait_until(word["start_ns"])
        run = loop.run(plan)
        runs.append(run)
        channel.say("searched", phase=f"{plan.name} done", **_told(run))
    return runs


def _told(run: PhaseRun) -> dict[str, Any]:
    return {"count": len(run.samples), "wrapped": run.wrapped, "laps": run.laps, "errors": dict(run.errors)}


def _wait_until(moment_ns: int) -> None:
    left = (moment_ns - time.perf_counter_ns()) / _NS
    if left > 0:
        time.sleep(left)


def _save_answers(path: Path, runs: list[PhaseRun], most: int) -> None:
    """Numbers of the queries and the ids that came back, of the first ``most`` searches of each phase that succeeded."""
    columns: dict[str, Any] = {}
    for run in runs:
        first = run.succeeded[:most]
        columns[f"{run.name}_numbers"] = run.samples["query"][first]
        columns[f"{run.name}_ids"] = run.answers[first]
    try:
        with path.open("wb") as file:
            np.savez(file, **columns)
    except OSError as error:
        raise file_system_error("cannot write the answers of a worker", path, error) from error
