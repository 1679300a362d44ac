"""What a rank leaves of a pass: its file, both views of it, from the logs that the pass has written."""

from __future__ import annotations

import contextlib
import dataclasses
import resource
from pathlib import Path

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.kvcache.aggregate import RankFigures
from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND, REQUEST_EVENT_DTYPE, Events, read_events
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.official_view import OfficialPass, official_view
from pytest_mlpstorage.kvcache.rank_block import rank_block
from pytest_mlpstorage.kvcache.rank_facts import Measured, evidence, facts
from pytest_mlpstorage.kvcache.rank_file import BLOCK, write_rank_file
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.kv_cache_records import RankName
from pytest_mlpstorage.units import KIB

__all__ = ["report"]


def report(job: KVCacheJob, rank: int, schedule: Schedule, measured: Measured) -> None:
    """Leave the file of this rank. BenchmarkExecutionError for a rank that measured nothing: it leaves none, and ends the job."""
    operations, requests = read_events(job.operations_log(rank)), read_events(job.requests_log(rank), REQUEST_EVENT_DTYPE)
    model = job.workload.models[job.model]
    official = official_view(
        operations, requests, OfficialPass(measured.outcome.window_ns, job.workers, model.bytes_per_token, schedule.effective_seed)
    )
    known, reasons = facts(job, schedule, measured, peak_rss_bytes())
    block = rank_block(
        measured.account, operations, requests, official["summary"]["cache_stats"],
        arrivals_in_window=_arrivals(job, schedule, requests, measured), facts=known, reasons=reasons,
    )  # fmt: skip
    if job.serving is not None and measured.served is not None:
        from pytest_mlpstorage.kvcache.serving_block import KEY, rank_serving

        block[KEY] = rank_serving(job.serving, schedule, model, measured.served, requests, measured.outcome.window_ns)
    figures = RankFigures.from_json({**official, BLOCK: block}, RankName(job.option, job.trial, rank, ""))
    nothing = figures.measured_nothing(has_memory=bool(job.gpu_memory_bytes or job.cpu_memory_bytes))
    if nothing:
        raise BenchmarkExecutionError(
            f"rank {rank} measured nothing: {nothing}",
            details={
                "requests begun": len(requests),
                "window_s": job.duration_seconds,
                "ended_s": measured.outcome.ended_ns / NANOSECONDS_PER_SECOND,
            },
            suggestion="a longer duration, fewer users or smaller contexts, so that requests end before the pass does",
            code="MLPS-E541",
        )
    write_json(job.evidence_file(rank), evidence(job, schedule, measured, dataclasses.asdict(measured.outcome)))
    write_rank_file(job.rank_file(rank), official, block)


def _arrivals(job: KVCacheJob, schedule: Schedule, requests: Events, measured: Measured) -> int:
    """Requests that came in the window: in a closed loop those that were begun in it, none of which waited."""
    times = schedule.requests["t_arrival_ns"]
    if job.serving is not None and job.serving.load == "closed":
        times = requests["t_intended"]
    return int(((times >= 0) & (times < measured.outcome.window_ns)).sum())


def peak_rss_bytes() -> int:
    """The most memory that this process had. Not that of ``getrusage``, which begins with what its parent had when it forked."""
    with contextlib.suppress(OSError, ValueError, IndexError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * KIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
