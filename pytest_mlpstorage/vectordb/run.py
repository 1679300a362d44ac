"""One run of searches as a rank leads it: look, cool, open, the cold phase, the steady phase, and then the leaf's files (§8)."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.page_cache import make_cold
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.vectordb.cold import Cooling, DirectFiles, cool, direct_files
from pytest_mlpstorage.vectordb.datagen import data_of
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
        return self.hosts.index(self.hosts[self.world.rank]) == self.world.rank

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

    def cooled(self, files: Sequence[Path] | None, evicted: str, *, running: bool) -> Cooling:
        """Take the index out of this host's memory; another rank's host is its own."""
        if not self.leads:
            return Cooling(evicted, None)
        if self.job.drop_caches == "auto":
            return dataclasses.replace(cool(files, evicted=evicted), running=running)
        return Cooling(evicted, make_cold([*files], drop=False, budget_seconds=_COOL_SECONDS) if files else None, running)

    def phase(self, crew: Crew, name: str, seen: _Seen) -> _PhaseSeen:
        """One phase of all workers of all ranks, with what was read while it lasted."""
        job, world = self.job, self.world
        cold = name == "cold"
        seconds = job.cold_seconds if cold else job.runtime_seconds
        begin = snapshot(seen.processes, seen.path) if self.leads else None
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
    """What of the engine can be seen on this host: its processes, and a path on its device."""

    processes: tuple[ProcessIdentity, ...] | None
    path: Path | None


@dataclasses.dataclass(frozen=True)
class _PhaseSeen:
    told: list[dict[str, Any]]
    reads: ReadCount | None


def run_searches(job: VectorJob, file: Path, world: World, place: Place, progress: Progress) -> None:
    """Lead this rank's workers through a run; rank 0 writes the leaf."""
    run = _Run(job, file, world, place, progress, tuple(world.all(socket.gethostname())))
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
        cooling = run.cooled(files, found["evicted"], running=not embedded and not place.own_server)
        where = place.start()
        world.barrier(crew.look)
        progress.say("open")
        crew.say(where=where)
        opened = crew.wait("opened", job.open_deadline_seconds)
        seen = _Seen(_processes(run, opened), _on_device(job, files, embedded=embedded))
        direct = direct_files(seen.processes or (), files) if run.leads else DirectFiles(0, 0)
        phases = {name: run.phase(crew, name, seen) for name in job.phases}
        crew.say(do="close")
        saved = crew.wait("saved", lambda phase: _SAVE_SECONDS if phase == "save" else job.answer_deadline_seconds)
    gathered = world.all((cooling if run.leads else None, direct, phases, opened, saved, load))
    offsets = {clock.host: clock.offset_ns for clock in world.clocks()}
    if world.rank == 0:
        progress.say("exact answers")
        write_run(job, _facts(found, gathered, offsets, fingerprint), tell=lambda part: progress.say(f"exact answers {part:.0%}"))
    world.barrier()


def _facts(found: Mapping[str, Any], gathered: Sequence[Any], offsets: Mapping[str, int], fingerprint: str) -> RunFacts:
    """What all ranks saw, together."""
    coolings, directs, phases, opened, saved, loads = zip(*gathered, strict=True)
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
    )


def _processes(run: _Run, opened: Sequence[Mapping[str, Any]]) -> tuple[ProcessIdentity, ...] | None:
    """The engine's processes on this host, as the workers of all ranks here name them. They were all opened when this is asked."""
    mine = [None if one["reads"] is None else tuple((pid, start) for pid, start in one["reads"]) for one in opened]
    everywhere = run.world.all(mine)
    here = [reads for rank, of_rank in enumerate(everywhere) if run.hosts[rank] == run.hosts[run.world.rank] for reads in of_rank]
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
