"""The work of a pass as a trace: ``python -m pytest_mlpstorage.kvcache.export_trace JOB.json OUT``.

A pass leaves its job beside its ranks' folders. What is written is what the pass was asked to do (:mod:`pytest_mlpstorage.kvcache.export`),
not what it came to: nothing is moved, and no cluster is needed.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.commands import CommandParser, exit_code
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.documents import make_documents
from pytest_mlpstorage.kvcache.export import official_trace, write_fio_iolog
from pytest_mlpstorage.kvcache.job import KVCacheJob
from pytest_mlpstorage.kvcache.policy import TierPolicy
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.results.atomic import file_system_error

__all__ = ["EXIT_CODES", "export", "main", "parser"]

FORMS: Final = ("official", "fio")
EXIT_CODES: Final[Mapping[str, str]] = {
    "0": "written",
    "1": "what is said was not read to its end (`| head`)",
    "4": "wrong use, a job that cannot be read or has no such trace, or a file or standard output that cannot be written",
}

_EVERYTHING: Final = 2**62


def parser() -> CommandParser:
    """What stands on the line."""
    parser = CommandParser(prog="python -m pytest_mlpstorage.kvcache.export_trace", description="The work of a pass as a trace.")
    parser.add_argument("job", metavar="JOB", type=Path, help="kv_cache_job.json of a pass")
    parser.add_argument("out", metavar="OUT", type=Path, help="file to write")
    parser.add_argument("--form", choices=FORMS, default="official", help="official: CSV of --io-trace-log; fio: iolog 3")
    parser.add_argument("--rank", metavar="N", type=int, default=0, help="whose work")
    parser.add_argument("--seconds", metavar="S", type=float, help="only of requests that arrive so early (default: all)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Write the trace that the arguments ask for; returns the exit code."""
    return exit_code(lambda: _main(parser().parse_args(argv)))


def _main(asked: argparse.Namespace) -> int:
    count = export(KVCacheJob.load(asked.job), asked.out, form=asked.form, rank=asked.rank, seconds=asked.seconds)
    sys.stdout.write(f"{asked.out}: the work of {count} requests of rank {asked.rank}\n")
    return 0


def export(job: KVCacheJob, out: Path, *, form: str = "official", rank: int = 0, seconds: float | None = None) -> int:
    """Write the trace of one rank; how many requests are in it. Without a capacity storage keeps everything."""
    if not 0 <= rank < job.processes:
        raise ConfigurationError(f"the job has ranks 0 to {job.processes - 1}, not {rank}", code="MLPS-E115")
    schedule = job.schedule(rank)
    if schedule.chunk_tokens:
        raise ConfigurationError("the work of this pass is shared chunks, which these forms of traces do not know", code="MLPS-E115")
    how = _how(job, schedule)  # of the whole pass: its documents are numbered after its requests
    if seconds is not None:
        early = int((schedule.requests["t_arrival_ns"] < seconds * 1e9).sum())
        schedule = dataclasses.replace(schedule, requests=schedule.requests[:early])
    model = job.workload.models[job.model]
    limits = [job.gpu_memory_bytes, job.cpu_memory_bytes, job.capacity_bytes or _EVERYTHING]
    policy = TierPolicy(limits, eviction=job.workload.eviction)
    try:
        if form == "fio":
            write_fio_iolog(out, schedule, model, policy, **how)
        else:
            with out.open("w", encoding="ascii") as lines:
                lines.writelines(official_trace(schedule, model, policy, **how))
    except OSError as error:
        raise file_system_error("cannot write the trace", out, error) from error
    return len(schedule)


def _how(job: KVCacheJob, schedule: Schedule) -> dict[str, Any]:
    """What of the job shapes operations, and stands not in the schedule."""
    workload = job.workload
    how: dict[str, Any] = {"decode_batch": workload.decode_batch, "max_conversations": workload.max_conversations}
    if job.rag:
        first = max(len(schedule), schedule.preloaded_entries)
        how["documents"] = make_documents(
            workload.models[job.model],
            effective_seed=schedule.effective_seed,
            count=job.rag_documents,
            first_entry=first,
            options=workload.rag,
        )
        how |= {"top_k": workload.rag.top_k_chunks, "distribution": workload.rag.retrieval_distribution}
    return how


if __name__ == "__main__":
    raise SystemExit(main())
