"""One rank's pass: its work compiled, its folder made, the requests served, and what was measured left in the folder of the pass."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.errors import BenchmarkExecutionError, ConfigurationError, FileSystemError, MPIError, code_of_os
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.buffers import Arena, arena_soon
from pytest_mlpstorage.kvcache.documents import make_documents
from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND, REQUEST_EVENT_DTYPE, EventLog
from pytest_mlpstorage.kvcache.io import Stop
from pytest_mlpstorage.kvcache.io_gpu import ModelledGPU
from pytest_mlpstorage.kvcache.io_memory import MemoryTarget
from pytest_mlpstorage.kvcache.io_threads import ObjectTarget
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.layout import ObjectLayout
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.probe import TargetProbe, probe_target
from pytest_mlpstorage.kvcache.progress import Progress
from pytest_mlpstorage.kvcache.rank_directory import RankDirectory
from pytest_mlpstorage.kvcache.runner import FloodRunner, Pace
from pytest_mlpstorage.kvcache.stamps import Content
from pytest_mlpstorage.kvcache.tiers import Tiers
from pytest_mlpstorage.kvcache.trust import kernel_bytes
from pytest_mlpstorage.kvcache.trust_client import SwitchInterval, WakeProbe
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.ranks.world import LEAST_OVERLAP, World

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget
    from pytest_mlpstorage.kvcache.rank_facts import Measured

__all__ = ["Rank"]

_FREE_SHARE: Final = (95, 100)
_LEAD_SECONDS: Final = 1


class Rank:
    """A rank of a job; each rank of the world runs the same job.

    What is needed only after the pass is loaded after it, so that the first byte does not wait for it.
    """

    def __init__(self, job: KVCacheJob, world: World, arena: Future[Arena] | None = None) -> None:
        if world.size != job.processes:
            raise MPIError(f"the KV cache job is for {job.processes} ranks, but {world.size} were started", code="MLPS-E330")
        self._job, self._world = job, world
        self._arena = arena or arena_soon(*job.arena)
        path = os.environ.get("MLPS_PROGRESS") if world.rank == 0 else None
        self._progress = Progress(Path(path) if path else None, f"option {job.option} trial {job.trial}", world.size)
        self._stop = Stop()

    def run(self) -> None:
        """Do all of it. Raises MLPStorageError for what a user can understand; then nothing that was measured counts."""
        job, world = self._job, self._world
        self._make_folder()
        schedule = job.schedule(world.rank)
        cache = Path(job.cache_dir)
        was_there = cache.exists()
        # Nobody writes to the cache before all know that they can leave what they find, and have their work.
        world.barrier()
        with RankDirectory(job.cache_dir, world.rank) as directory:
            measured = self._measure(schedule, directory.path)
            self._progress.say("clean-up")
        from pytest_mlpstorage.kvcache.rank_report import report

        report(job, world.rank, schedule, measured)
        world.barrier()
        if not was_there:
            # Whoever made it could not remove it while another rank's folder was in it.
            with contextlib.suppress(OSError):
                cache.rmdir()
        self._progress.wait("end delay", job.end_delay_seconds)

    def _make_folder(self) -> None:
        output, folder = Path(self._job.output_dir), self._job.rank_folder(self._world.rank)
        if not (output.is_dir() and os.access(output, os.W_OK | os.X_OK)):
            raise FileSystemError(
                f"the results cannot be written to {output}: on {socket.gethostname()} it is no folder that can be written to",
                suggestion="the results directory must be the same on all hosts",
                code="MLPS-E411",
            )
        try:
            folder.mkdir()
        except OSError as error:
            raise FileSystemError(f"cannot make {folder}: {error.strerror}", cause=error, code=code_of_os(error)) from error

    def _capacity(self, probe: TargetProbe) -> int:
        """Bytes that this rank may keep on storage: what the job says, else its share of what is free."""
        job, world = self._job, self._world
        here = (socket.gethostname(), probe.mount.device)
        places = world.all((here, probe.mount.free_bytes))
        if job.capacity_bytes is not None:
            return job.capacity_bytes
        of_ours = [free for place, free in places if job.shared_cache or place == here]
        capacity = min(of_ours) * _FREE_SHARE[0] // _FREE_SHARE[1] // len(of_ours)
        if capacity <= 0:
            raise ConfigurationError(
                f"nothing is free on the filesystem of {job.cache_dir}", suggestion="free space, or choose another", code="MLPS-E115"
            )
        return capacity

    def _measure(self, schedule: Schedule, place: Path) -> Measured:
        job, world, stop = self._job, self._world, self._stop
        probe = probe_target(place)
        capacity = self._capacity(probe)
        model, chunk = job.workload.models[job.model], job.arena[1]
        account = WindowAccount(schedule.duration_ns, makes_durable=job.durability != "none")
        with contextlib.ExitStack() as stack:
            arena = stack.enter_context(self._arena.result())
            content = Content(arena.stretch, verify=job.verify, compressible_fraction=job.compressible_fraction, rank=world.rank)
            layout = self._layout(place, model)
            direct = job.io_path == "direct" and probe.direct
            buffered = None if direct else self._buffered(layout, arena, content, account)
            storage = buffered or ObjectTarget(layout, arena, content, durability=job.durability, sink=account, stop=stop, unit=probe.unit)
            memory = MemoryTarget(job.cpu_memory_bytes, arena, content) if job.cpu_memory_bytes else None
            if memory is not None:
                stack.callback(memory.close)
            operations = stack.enter_context(EventLog(job.operations_log(world.rank)))
            requests = stack.enter_context(EventLog(job.requests_log(world.rank), REQUEST_EVENT_DTYPE))
            policy = TierPolicy(
                [job.gpu_memory_bytes, job.cpu_memory_bytes, capacity], eviction=job.workload.eviction,
                order=job.serving.order if job.serving is not None else "lru",
            )  # fmt: skip
            kept: dict[str, Any] = {
                "memory": memory, "gpu": ModelledGPU() if job.gpu_memory_bytes else None, "stop": stop, "window_ns": schedule.duration_ns,
                "pass_no": job.stamp_pass, "most_writes": job.max_concurrent_allocations, "durable": account.makes_durable,
            }  # fmt: skip

            def beat(seconds: float, served: int) -> None:
                if job.warmup_seconds and seconds < 0:
                    self._progress.say("warm-up", wait_seconds=round(-seconds, 1), requests=served)
                self._progress.run(seconds, job.duration_seconds, account.read_bytes + account.written_bytes, served)

            pace, serving = self._pace(schedule), None
            if job.serving is None:
                tiers = Tiers(policy, storage, operations, **kept)
                runner = FloodRunner(schedule, model, tiers, requests, pace, stop=stop, heartbeat=beat)
            else:
                from pytest_mlpstorage.kvcache.serving_rank import serving_runner

                runner = serving = serving_runner(
                    job.serving, schedule, model, policy, storage, operations, kept, requests, pace, account, stop=stop, heartbeat=beat
                )
            self._progress.wait("start delay", job.start_delay_seconds)
            before = kernel_bytes(probe.mount)
            preloaded = runner.preload()
            clocks = world.clocks()
            self._progress.say("start")
            world.barrier()
            # One moment for all by the clock of rank 0. Barriers let ranks go one after the other, on a busy host far apart.
            moment = world.all(time.perf_counter_ns())[0] + _LEAD_SECONDS * NANOSECONDS_PER_SECOND
            moment += round(job.warmup_seconds * NANOSECONDS_PER_SECOND)
            account.start_ns = moment + clocks[world.rank].offset_ns
            with SwitchInterval(), WakeProbe() as wake:
                cpu = time.process_time()
                outcome = runner.run(account.start_ns)
                cpu = time.process_time() - cpu
            after = kernel_bytes(probe.mount)
        from pytest_mlpstorage.kvcache.option_block import window_overlap
        from pytest_mlpstorage.kvcache.rank_facts import Measured

        # What the clocks say of the starts is judged when nobody measures any more.
        starts = [moment + late for late in world.all(max(0, outcome.ready_ns))]
        unknown = max(clock.error_ns for clock in clocks)
        overlap = window_overlap(starts, schedule.duration_ns, unknown)
        if overlap < LEAST_OVERLAP:
            raise BenchmarkExecutionError(
                f"the ranks measured together for {overlap:.1%} of the window only ({LEAST_OVERLAP:.0%} wanted)",
                details={
                    "late_ms": [round((start - moment) / 1e6, 1) for start in starts],
                    "clocks_differ_by_up_to_ms": round(unknown / 1e6, 2),
                },
                suggestion="see whether a host or its network is overloaded",
                code="MLPS-E541",
            )
        served = None
        if serving is not None:
            from pytest_mlpstorage.kvcache.serving_rank import steady_window

            served = serving.result
            outcome = steady_window(account, outcome, world.all(served.steady_ns))
        return Measured(
            probe=probe, direct=direct, capacity_bytes=capacity, chunk_bytes=chunk, account=account, outcome=outcome,
            asked=preloaded.moved + outcome.load.moved, before=before, after=after, cpu_s=cpu, wake=wake, clocks=tuple(clocks),
            starts_ns=tuple(starts), overlap=overlap, residency=buffered.residency if buffered is not None else None,
            ranks_here=sum(clock.host == socket.gethostname() for clock in clocks), served=served,
            warmup_s=job.warmup_seconds,
        )  # fmt: skip

    def _layout(self, place: Path, model: KVModel) -> ObjectLayout:
        def shape(size: int) -> tuple[int, ...]:
            return model.shape(size // model.bytes_per_token)

        serving = self._job.serving
        if serving is None or serving.layout == "object":
            return ObjectLayout(place, shape)
        from pytest_mlpstorage.kvcache.layout_chunk import ChunkLayout

        return ChunkLayout(place, shape, rename=serving.rename)

    def _pace(self, schedule: Schedule) -> Pace:
        job, workload = self._job, self._job.workload
        documents = (
            make_documents(
                workload.models[job.model], effective_seed=schedule.effective_seed, count=job.rag_documents,
                first_entry=max(len(schedule), schedule.preloaded_entries), options=workload.rag,
            ) if job.rag else ()
        )  # fmt: skip
        return Pace(
            job.workers, job.seconds_per_token, workload.decode_batch, workload.max_conversations, documents=documents, rag=workload.rag
        )

    def _buffered(self, layout: ObjectLayout, arena: Arena, content: Content, account: WindowAccount) -> BufferedTarget:
        from pytest_mlpstorage.kvcache.io_buffered import BufferedTarget

        return BufferedTarget(layout, arena, content, durability=self._job.durability, sink=account, stop=self._stop)
