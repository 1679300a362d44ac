"""One run of searches as a rank leads it: look, cool, open, the cold phase, the steady phase, and then the leaf's files (§8)."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.cluster.procfs import memory_bytes
from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.page_cache import make_cold
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.vectordb.cold import Cooling, DirectFiles, cool, direct_files
from pytest_mlpstorage.vectordb.datagen import data_of
from pytest_mlpstorage.vectordb.hosts import host_identity, host_labels
from pytest_mlpstorage.vectordb.job import ANSWERS, SAMPLES
from pytest_mlpstorage.vectordb.run_files import RunFacts, write_run
from pytest_mlpstorage.vectordb.witnesses import ReadCount, reads_between, snapshot
from pytest_mlpstorage.vectordb.workers import Crew, Worker

if TYPE_CHECKING:
    from pytest_mlpstorage.ranks.world import World
    from pytest_mlpstorage.vectordb.engine import ProcessIdentity
    from pytest_mlpstorage.vectordb.job import VectorJob
    from pytest_mlpstorage.vectordb.place import Place
    from pytest_mlpstorage.vectordb.progress import Progress

__all__ = ["run_searches"]

_PREPARE_SECONDS: Final = 3600.0
"""Our own work before a run: making the queries."""

_SAVE_SECONDS: Final = 300.0
_START_NS: Final = 100_000_000
"""The word to begin is out everywhere in a tenth of a second; all begin then."""

_COOL_SECONDS: Final = 20.0


@dataclasses.dataclass
class _Run:
    job: VectorJob
    file: Path
    world: World
    place: Place
    progress: Progress
    hosts: tuple[str, ...]

    @property
    def leads(self) -> bool:
        """Whether this rank is the first on its host: it looks at the host's counters and cools its memory."""
        return self.hosts.index(self.host) == self.world.rank

    @property
    def host(self) -> str:
        """This rank's host."""
        return self.hosts[self.world.rank]

    def fingerprint(self) -> str:
        """That of the vectors, which every host makes as the one did that loaded them; BenchmarkExecutionError where one does not."""
        made = self.world.all(data_of(self.job).fingerprint() if self.leads else "")
        loaded = self.job.dataset_fingerprint or made[0]
        others = [host for host, one in zip(self.hosts, made, strict=True) if one and one != loaded]
        if others and self.world.rank == 0:
            raise BenchmarkExecutionError(
                f"{', '.join(others)} makes other vectors than were loaded, so no answer can be compared",
                details={"loaded": loaded, "made": ", ".join(sorted({*made} - {"", loaded}))},
                suggestion="load and search on hosts of one type with one release of numpy, or load anew: --mlps-rerun=datagen",
                code="MLPS-E543",
            )
        return loaded

    def prepared(self) -> dict[str, Any]:
        """What one process of rank 0 saw of the collection, for all."""
        found: dict[str, Any] = {}
        where = self.place.start()
        if self.world.rank == 0:
            self.progress.say("look at the collection")
            worker = Worker(self.file, "prepare", 0, 0, engine=self.job.engine)
            with Crew([worker]) as crew:
                crew.say(where=where)
                (found,) = crew.wait("ready", self.job.open_deadline_seconds)
        return self.world.all(found)[0]

    def cooled(self, files: Sequence[Path] | None, evicted: str, *, embedded: bool) -> Cooling | None:
        """Take the index out of this host's memory; another rank's host is its own. The files of a server are where they were seen."""
        if not (self.leads if embedded else self.world.rank == 0):
            return None
        running = not embedded and not self.place.own_server
        if self.job.drop_caches == "auto":
            return dataclasses.replace(cool(files, evicted=evicted), running=running)
        return Cooling(evicted, make_cold([*files], drop=False, budget_seconds=_COOL_SECONDS) if files else None, running)

    def phase(self, crew: Crew, name: str, seen: _Seen) -> _PhaseSeen:
        """One phase of all workers of all ranks, with what was read while it lasted."""
        job, world = self.job, self.world
        cold = name == "cold"
        seconds = job.cold_seconds if cold else job.runtime_seconds
        begin = snapshot(seen.processes, seen.path) if seen.witness else None
        world.barrier(crew.look)
        start = time.perf_counter_ns() + _START_NS
        crew.say(do="phase", phase=name, seconds=seconds, queries=job.cold_queries if cold else None, wrap=not cold, start_ns=start)
        began = time.monotonic()
        self.progress.say(name)
        told = crew.wait(
            "searched",
            seconds + job.answer_deadline_seconds,
            search_deadline=job.answer_deadline_seconds,
            idle=lambda: self.progress.say(name, step=int(min(seconds, time.monotonic() - began)), steps=int(seconds)),
        )
        world.barrier(crew.look)
        reads = reads_between(begin, snapshot(seen.processes, seen.path)) if begin is not None else None
        world.barrier(crew.look)  # no rank lets its workers go before the first of the host has seen their counters
        return _PhaseSeen(told, reads)


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What of the engine can be seen on this host: its processes, and a path on its device.

    ``witness``: this rank counts what is read here. A server is read on one host; what others count is not what its searches read.
    """

    processes: tuple[ProcessIdentity, ...] | None
    path: Path | None
    witness: bool


@dataclasses.dataclass(frozen=True)
class _PhaseSeen:
    told: list[dict[str, Any]]
    reads: ReadCount | None


def run_searches(job: VectorJob, file: Path, world: World, place: Place, progress: Progress) -> None:
    """Lead this rank's workers through a run; rank 0 writes the leaf."""
    run = _Run(job, file, world, place, progress, host_labels(world.all(host_identity())))
    load = os.getloadavg()[0]
    fingerprint = run.fingerprint()
    found = run.prepared()
    files = None if found["index_files"] is None else [Path(path) for path in found["index_files"]]
    if world.rank == 0:
        _make_folders(Path(job.output_dir))
    world.barrier()
    progress.say("prepare queries")
    with Crew([Worker(file, "search", world.rank, number, engine=job.engine) for number in range(job.workers)]) as crew:
        crew.wait("prepared", _PREPARE_SECONDS)
        world.barrier(crew.look)
        place.stop()
        progress.say("cool")
        embedded = found["engine"]["form"] == "embedded"
        cooling = run.cooled(files, found["evicted"], embedded=embedded)
        where = place.start()
        world.barrier(crew.look)
        progress.say("open")
        crew.say(where=where, host=run.host)
        opened = crew.wait("opened", job.open_deadline_seconds)
        seen = _seen(run, opened, files, embedded=embedded)
        direct = direct_files(seen.processes or (), files) if seen.witness else DirectFiles(0, 0)
        phases = {name: run.phase(crew, name, seen) for name in job.phases}
        crew.say(do="close")
        saved = crew.wait("saved", lambda phase: _SAVE_SECONDS if phase == "save" else job.answer_deadline_seconds)
    memory = memory_bytes().get("MemTotal") if seen.processes is not None else None
    gathered = world.all((cooling, direct, phases, opened, saved, load, memory))
    offsets = {host: clock.offset_ns for host, clock in zip(run.hosts, world.clocks(), strict=True)}
    if world.rank == 0:
        progress.say("exact answers")
        write_run(job, _facts(found, gathered, offsets, fingerprint), tell=lambda part: progress.say(f"exact answers {part:.0%}"))
    world.barrier()


def _facts(found: Mapping[str, Any], gathered: Sequence[Any], offsets: Mapping[str, int], fingerprint: str) -> RunFacts:
    """What all ranks saw, together."""
    coolings, directs, phases, opened, saved, loads, memories = zip(*gathered, strict=True)
    reads: dict[str, ReadCount] = {}
    told: dict[str, list[dict[str, Any]]] = {}
    for of_rank in phases:
        for name, one in of_rank.items():
            told.setdefault(name, []).extend(one.told)
            if one.reads is not None:
                reads[name] = reads[name] + one.reads if name in reads else one.reads
    kept = [cooling for cooling in coolings if cooling is not None]
    worst = next((cooling for cooling in kept if not cooling.cold), kept[0])
    together = DirectFiles(0, 0)
    for direct in directs:
        together += direct
    return RunFacts(
        engine=found["engine"],
        bytes_on_disk=found["bytes_on_disk"],
        cooling=worst,
        direct=together,
        reads=reads,
        told=told,
        opened=[one for of_rank in opened for one in of_rank],
        saved=[one for of_rank in saved for one in of_rank],
        offsets_ns=offsets,
        fingerprint=fingerprint,
        load=max(loads),
        host_bytes=min((size for size in memories if size is not None), default=None),
    )


def _seen(run: _Run, opened: Sequence[Mapping[str, Any]], files: Sequence[Path] | None, *, embedded: bool) -> _Seen:
    """What can be seen here. Where nobody sees the processes of a server, the first rank says why."""
    processes = _processes(run, opened)
    by_rank = run.world.all(processes)
    first = next((rank for rank, found in enumerate(by_rank) if found is not None), 0)
    witness = run.leads if embedded else run.world.rank == run.hosts.index(run.hosts[first])
    return _Seen(processes, _on_device(run.job, files, embedded=embedded), witness)


def _processes(run: _Run, opened: Sequence[Mapping[str, Any]]) -> tuple[ProcessIdentity, ...] | None:
    """The engine's processes on this host, as the workers of all ranks here name them. They were all opened when this is asked."""
    mine = [None if one["reads"] is None else tuple((pid, start) for pid, start in one["reads"]) for one in opened]
    everywhere = run.world.all(mine)
    here = [reads for rank, of_rank in enumerate(everywhere) if run.hosts[rank] == run.host for reads in of_rank]
    return None if any(reads is None for reads in here) else tuple(sorted({who for reads in here for who in reads or ()}))


def _on_device(job: VectorJob, files: Sequence[Path] | None, *, embedded: bool) -> Path | None:
    """A path on the device that holds the collection. The address of a server is none: it may be longer than a name can be."""
    folder = job.server_dir or (job.where if embedded else "")
    path = next(iter(files or ()), Path(folder) if folder else None)
    return path if path is not None and path.exists() else None


def _make_folders(output: Path) -> None:
    for name in (SAMPLES, ANSWERS):
        try:
            (output / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise file_system_error("cannot make a folder of the leaf", output / name, error) from error
