"""What a checkpoint job leaves for the rules: the files of DLIO, with its keys, from the times of all ranks."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import platform
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, Final

import pytest_mlpstorage
from pytest_mlpstorage.checkpointing.job import ENGINE, CheckpointJob
from pytest_mlpstorage.cluster.procfs import read_text
from pytest_mlpstorage.editions.checkpoint_sizing import CheckpointSize
from pytest_mlpstorage.results.atomic import file_system_error, write_json
from pytest_mlpstorage.results.checkpoint_metric import PHASES, CheckpointPhase
from pytest_mlpstorage.units import GIB, KIB

__all__ = ["HostRecord", "RankRecord", "Timed", "epoch_stats", "host_record", "rank_output", "summary", "write_report"]

_DONE: Final[Mapping[CheckpointPhase, str]] = {"save": "write", "load": "read"}


@dataclasses.dataclass(frozen=True)
class Timed:
    """One checkpoint as one rank timed it: ``start`` in seconds since 1970, ``seconds`` by a clock that never jumps.

    ``cpu_seconds`` are those of the rank and its threads, in and out of the kernel.
    """

    phase: CheckpointPhase
    number: int
    start: float
    seconds: float
    cpu_seconds: float = 0.0

    @property
    def end(self) -> float:
        """When the rank was done with its part."""
        return self.start + self.seconds


@dataclasses.dataclass(frozen=True)
class HostRecord:
    """One host as DLIO describes it."""

    hostname: str
    cpu_count: int
    processor: str
    cpuinfo: Mapping[str, str]
    meminfo: Mapping[str, str]

    @property
    def memory_gib(self) -> float:
        """Memory of the host, 0 where it does not tell."""
        value = self.meminfo.get("MemTotal", "").split()
        return int(value[0]) * KIB / GIB if value and value[0].isdecimal() else 0.0


@dataclasses.dataclass(frozen=True)
class RankRecord:
    """What one rank tells rank 0 at the end. ``leads``: it is the first of its host. ``bytes`` are its own of one checkpoint."""

    rank: int
    leads: bool
    host: HostRecord
    start: float
    end: float
    bytes: int
    checkpoints: tuple[Timed, ...]
    peak_rss_bytes: int = 0

    def timed(self, phase: CheckpointPhase) -> tuple[Timed, ...]:
        """The checkpoints of a phase in the order in which they were made."""
        return tuple(checkpoint for checkpoint in self.checkpoints if checkpoint.phase == phase)


def host_record() -> HostRecord:
    """Describe the host that this runs on: its first processor stands for all."""
    processors = read_text("/proc/cpuinfo").split("\n\n")
    return HostRecord(
        hostname=socket.gethostname(),
        cpu_count=sum(block.startswith("processor") for block in processors),
        processor=platform.machine(),
        cpuinfo=_pairs(processors[0], leave_out="processor"),
        meminfo=_pairs(read_text("/proc/meminfo")),
    )


def _pairs(text: str, leave_out: str = "") -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() != leave_out}


def _time(seconds: float) -> str:
    """The wall clock of this site without a zone, as DLIO writes it."""
    return dt.datetime.fromtimestamp(seconds).isoformat(timespec="microseconds")


def epoch_stats(rank: RankRecord, size: CheckpointSize) -> dict[str, Any]:
    """``<rank>_per_epoch_stats.json``: each checkpoint of a rank. As in DLIO the rate is that of a whole checkpoint in its time."""
    made = {
        f"{timed.phase}_ckpt{timed.number}": {
            "start": _time(timed.start),
            "end": _time(timed.end),
            "duration": timed.seconds,
            "throughput": size.total_gib / timed.seconds,
        }
        for timed in rank.checkpoints
    }
    return {"1": {"start": _time(rank.start), **made, "end": _time(rank.end)}}


def rank_output(rank: RankRecord) -> dict[str, Any]:
    """``<rank>_output.json``: the rank's host; what only training has is empty."""
    host = rank.host
    training: dict[str, Any] = {name: {} for name in ("load", "proc", "throughput", "au", "compute")}
    return {
        "host_memory_GB": host.memory_gib,
        "host_cpu_count": host.cpu_count,
        "host_processor_name": host.processor,
        "potential_caching": 1,
        "host_cpuinfo": dict(host.cpuinfo),
        "host_meminfo": dict(host.meminfo),
        "1": {"start": _time(rank.start), **training, "end": _time(rank.end)},
        "hostname": host.hostname,
    }


def summary(job: CheckpointJob, size: CheckpointSize, ranks: Sequence[RankRecord]) -> dict[str, Any]:
    """``summary.json``: rank 0's means as DLIO forms them, and in ``mlps`` the rates from the first start to the last end.

    There is no data set, so the counts of its files are 0.
    """
    first = ranks[0]
    leaders = [rank.host for rank in ranks if rank.leads]
    per_host = size.total_gib / len(leaders)
    metric: dict[str, float] = {}
    for phase in PHASES:
        metric |= _means(phase, first.timed(phase), size)
    return {
        "start": _time(first.start),
        "num_accelerators": len(ranks),
        "num_hosts": len(leaders),
        "hostname": first.host.hostname,
        "metric": {**metric, "checkpoint_size_GB": size.total_gib},
        "num_files_train": 0,
        "num_files_eval": 0,
        "num_samples_per_file": 0,
        "host_cpu_count": [host.cpu_count for host in leaders],
        "host_processor_name": first.host.processor,
        "potential_caching": [int(host.memory_gib >= per_host) for host in leaders],
        "host_cpuinfo": dict(first.host.cpuinfo),
        "host_meminfo": dict(first.host.meminfo),
        "host_memory_GB": [host.memory_gib for host in leaders],
        "data_size_per_host_GB": per_host,
        "epochs": 0,
        "end": _time(first.end),
        "mlps": {
            "engine": ENGINE,
            "version": pytest_mlpstorage.__version__,
            "run_id": job.run_id,
            "fsync": job.fsync,
            "direct": job.direct,
            "rank_sync": job.rank_sync,
            "peak_rss_bytes": max(rank.peak_rss_bytes for rank in ranks),
            **{_DONE[phase]: _span(phase, size, ranks) for phase in PHASES if first.timed(phase)},
        },
    }


def _means(phase: CheckpointPhase, made: Sequence[Timed], size: CheckpointSize) -> dict[str, float]:
    if not made:
        return {}
    seconds = [timed.seconds for timed in made]
    rates = [size.total_gib / each for each in seconds]
    return {
        f"{phase}_checkpoint_io_mean_GB_per_second": fmean(rates),
        f"{phase}_checkpoint_io_stdev_GB_per_second": pstdev(rates),
        f"{phase}_checkpoint_duration_mean_seconds": fmean(seconds),
        f"{phase}_checkpoint_duration_stdev_seconds": pstdev(seconds),
    }


def _span(phase: CheckpointPhase, size: CheckpointSize, ranks: Sequence[RankRecord]) -> dict[str, Any]:
    """Rates of all ranks together: each checkpoint lasts from its first rank's start to its last rank's end.

    Clocks of several hosts need not agree: ``start_spread_seconds`` is the most that the starts of one checkpoint lay apart, and
    every rank starts when it leaves the same barrier.
    """
    by_checkpoint = list(zip(*(rank.timed(phase) for rank in ranks), strict=True))
    spans = [(min(timed.start for timed in made), max(timed.end for timed in made)) for made in by_checkpoint]
    seconds = [end - start for start, end in spans]
    return {
        "bytes_per_second_span": size.total_bytes * len(spans) / sum(seconds),
        "bytes": size.total_bytes * len(spans),
        "seconds": sum(seconds),
        "first_start": _time(spans[0][0]),
        "last_end": _time(spans[-1][1]),
        "start_spread_seconds": max(max(timed.start for timed in made) - min(timed.start for timed in made) for made in by_checkpoint),
        "checkpoint_seconds": seconds,
        "cpu_seconds": sum(timed.cpu_seconds for made in by_checkpoint for timed in made),
    }


def write_report(job: CheckpointJob, size: CheckpointSize, ranks: Sequence[RankRecord]) -> None:
    """Write the files of all ranks, which rank 0 alone can be sure to put in the right place, and last the summary."""
    folder = Path(job.output_dir)
    for rank in ranks:
        for name, content in (("per_epoch_stats", epoch_stats(rank, size)), ("output", rank_output(rank))):
            path = folder / f"{rank.rank}_{name}.json"
            try:
                path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")
            except OSError as error:
                raise file_system_error(f"cannot write {path}: {error.strerror}", path, error) from error
    write_json(folder / "summary.json", summary(job, size, ranks))
