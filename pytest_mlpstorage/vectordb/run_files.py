"""The files of a run: figures of its phases out of the samples alone, recall against exact answers, and what was read."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.cluster.procfs import cgroup_memory_limit_bytes
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.results.vector_records import CONFIG, RECALL, STATISTICS, VERDICT
from pytest_mlpstorage.vectordb.cold import ColdProof, Cooling, DirectFiles, cold_proof
from pytest_mlpstorage.vectordb.datagen import data_of
from pytest_mlpstorage.vectordb.generator import contrast
from pytest_mlpstorage.vectordb.job import ANSWERS, SAMPLES
from pytest_mlpstorage.vectordb.leaf_files import SCHEMA, SUMMARY, collection_facts, config_file, engine_block
from pytest_mlpstorage.vectordb.run_recall import PhaseRecall, recall_of_phases
from pytest_mlpstorage.vectordb.samples import OVERLAP_LEAST, PhaseStatistics, phase_statistics, read_workers
from pytest_mlpstorage.vectordb.witnesses import ReadCount

if TYPE_CHECKING:
    from pytest_mlpstorage.vectordb.generator import Dataset
    from pytest_mlpstorage.vectordb.job import VectorJob

__all__ = ["RunFacts", "official_figures", "scored_phase", "write_run"]

_TIES_WORTH_A_WARNING: Final = 0.001


@dataclasses.dataclass(frozen=True)
class RunFacts:
    """What the ranks saw of a run. By phase: what was read on all hosts, and what each worker told.

    ``fingerprint`` is that of the vectors, which all hosts make alike; ``load`` is the load average at the start. ``host_bytes`` is the
    memory of the host on which the engine's processes were seen (the smallest of several); None where they were seen on none.
    """

    engine: Mapping[str, Any]
    bytes_on_disk: Mapping[str, int]
    cooling: Cooling
    direct: DirectFiles
    reads: Mapping[str, ReadCount]
    told: Mapping[str, Sequence[Mapping[str, Any]]]
    opened: Sequence[Mapping[str, Any]]
    saved: Sequence[Mapping[str, Any]]
    offsets_ns: Mapping[str, int]
    fingerprint: str
    load: float
    host_bytes: int | None = None


def scored_phase(phases: Sequence[str]) -> str:
    """The phase whose figures are the official ones."""
    return "steady" if "steady" in phases else phases[-1]


def write_run(job: VectorJob, facts: RunFacts, *, tell: Callable[[float], None] = lambda _part: None) -> None:
    """Write every file of a run's leaf but its metadata; the workers' answers are not kept."""
    folder, data = Path(job.output_dir), data_of(job)
    workers = read_workers(folder / SAMPLES)
    statistics = {name: phase_statistics(workers, name, offsets_ns=facts.offsets_ns) for name in job.phases}
    recalls = recall_of_phases(job, data, tell)
    proof = _proof(facts, statistics)
    phases = {name: _phase(statistics[name], recalls.phases.get(name), facts, name) for name in job.phases}
    scored = scored_phase(job.phases)
    figures = official_figures(statistics[scored])
    recall = recalls.phases.get(scored)
    write_json(
        folder / SUMMARY,
        {
            **collection_facts(job),
            **figures,
            "recall": None if recall is None else recall.exact,
            "disk_io": _disk_io(facts, statistics[scored], scored),
            "mlps": {
                "schema": SCHEMA,
                "scored_phase": scored,
                "engine": _engine(job, facts),
                "dataset": _dataset(job, data, facts.fingerprint),
                "phases": list(phases.values()),
                "clock_offsets_ns": dict(facts.offsets_ns),
                # What to add to a time of the samples (less its host's offset) for nanoseconds since 1970 by the clock of this host.
                "clock_epoch_ns": time.time_ns() - time.perf_counter_ns(),
                "open": {"seconds": [one["seconds"] for one in facts.opened], "counted": "apart from both phases"},
                "cold_proof": proof.to_json(),
                "memory": {
                    "peak_rss": max(one["peak_rss"] for one in facts.saved),
                    "index_bytes": facts.bytes_on_disk.get("index", sum(facts.bytes_on_disk.values())),
                    "dataset_bytes": job.data.rows * job.data.dim * 4,
                    "host_bytes": facts.host_bytes,
                    "limit": cgroup_memory_limit_bytes(),
                },
                "thresholds": job.to_json()["thresholds"],
                "marks": ["memory-resident"] if facts.engine["residence"] == "memory" else [],
                "notes": _notes(facts, statistics, recalls.phases, scored),
            },
        },
    )
    _side_files(job, folder, figures, recalls.phases, scored, facts, statistics)
    shutil.rmtree(folder / ANSWERS, ignore_errors=True)


def official_figures(found: PhaseStatistics) -> dict[str, Any]:
    """Rate, count and latencies of a phase by the official keys; None where nobody can say."""
    latency = found.latency_ms
    return {
        "throughput_qps": found.qps,
        "total_time_seconds": found.seconds,
        "query_count": found.queries,
        "mean_latency_ms": latency.get("mean"),
        "median_latency_ms": latency.get("p50"),
        **{f"{name}_latency_ms": latency.get(name) for name in ("p95", "p99", "p999", "p9999")},
    }


def _phase(found: PhaseStatistics, recall: PhaseRecall | None, facts: RunFacts, name: str) -> dict[str, Any]:
    told, reads = facts.told.get(name, ()), facts.reads.get(name)
    errors: dict[str, int] = {}
    for one in told:
        for text, count in one["errors"].items():
            errors[text] = errors.get(text, 0) + count
    return {
        **found.to_json(),
        "recall": None if recall is None else recall.exact,
        "recall_tie": None if recall is None else recall.with_ties,
        "recall_queries": 0 if recall is None else recall.queries,
        **(reads.per_query(found.queries + found.failed) if reads is not None else {}),
        "wrapped": any(one["wrapped"] for one in told),
        "laps": max((one["laps"] for one in told), default=0.0),
        "errors": errors,
    }


def _engine(job: VectorJob, facts: RunFacts) -> dict[str, Any]:
    saved = facts.saved[0]
    seen = facts.opened[0]["reads"] is not None
    method = "none" if not seen else "own process" if facts.engine["form"] == "embedded" else "processes of the server on this host"
    asked = {**job.build, **saved["requested"]}
    return engine_block(facts.engine, requested=asked, effective=saved["effective"], method=method)


def _dataset(job: VectorJob, data: Dataset, fingerprint: str) -> dict[str, Any]:
    """What the load found of the data set; where it is not known, all rows are made once more to find it."""
    known = bool(job.dataset_sha256)
    return {
        **data.describe(),
        "sha256": job.dataset_sha256 if known else data.sha256(),
        "fingerprint": fingerprint,
        "k": job.k,
        "contrast": job.dataset_contrast if known else contrast(data, k=job.k),
    }


def _proof(facts: RunFacts, statistics: Mapping[str, PhaseStatistics]) -> ColdProof:
    reads: dict[str, float | None] = {}
    for name, one in facts.reads.items():
        found = statistics[name]
        reads[name] = one.per_query(found.queries + found.failed)["read_4kib_per_query"]
    return cold_proof(
        facts.cooling, facts.direct, facts.engine["residence"], cold_reads=reads.get("cold"), steady_reads=reads.get("steady")
    )


def _disk_io(facts: RunFacts, found: PhaseStatistics, scored: str) -> dict[str, Any]:
    """Bytes a second by the processes' counters, else by the device's."""
    reads = facts.reads.get(scored)
    size = None if reads is None else reads.process_bytes if reads.process_bytes is not None else reads.device_bytes
    return {
        "total_bytes_read_per_sec": size / found.seconds if size is not None and found.seconds else None,
        "total_bytes_read": size,
        "host_count": found.hosts,
    }


def _notes(facts: RunFacts, statistics: Mapping[str, PhaseStatistics], recalls: Mapping[str, PhaseRecall], scored: str) -> list[str]:
    """What a reader of the figures must know."""
    notes = []
    cores = os.cpu_count() or 1
    if facts.load > cores:
        notes.append(f"load average {facts.load:.1f} on {cores} cores at the start: something else was running")
    for name, reads in facts.reads.items():
        if reads.disagreement:
            notes.append(f"{name} phase: {reads.disagreement}")
    for name, found in statistics.items():
        if name == "steady" and found.drifting:
            notes.append(
                f"{name} phase is drifting: {found.halves[0]:.0f} and {found.halves[1]:.0f} QPS in its halves" if found.halves else ""
            )
        if found.hosts > 1 and (found.overlap is None or found.overlap < OVERLAP_LEAST):
            shared = "nothing" if found.overlap is None else f"{found.overlap:.0%}"
            notes.append(f"{name} phase: the windows of the hosts have {shared} in common, so their rates cannot be added")
    notes += [
        f"the exact answers of the phase {name} are not kept and will be computed again: {one.unsaved}"
        for name, one in recalls.items()
        if one.unsaved
    ]
    recall = recalls.get(scored)
    if recall is not None and recall.with_ties - recall.exact > _TIES_WORTH_A_WARNING:
        notes.append(f"recall is {recall.exact:.4f}, and {recall.with_ties:.4f} where rows as good as the last neighbour count too")
    if facts.engine["residence"] == "memory":
        notes.append("memory-resident index: searches read no storage, these figures are no verdict on storage")
    return [note for note in notes if note]


def _side_files(
    job: VectorJob,
    folder: Path,
    figures: Mapping[str, Any],
    recalls: Mapping[str, PhaseRecall],
    scored: str,
    facts: RunFacts,
    statistics: Mapping[str, PhaseStatistics],
) -> None:
    """The files that the official tool leaves beside a summary."""
    recall = recalls.get(scored)
    evaluated = 0 if recall is None else recall.queries
    by_phase = {name: dataclasses.asdict(one) for name, one in recalls.items()}
    stats = {
        "recall_at_k": None if recall is None else recall.exact,
        "mean_recall": None if recall is None else recall.exact,
        "min_recall": None if recall is None else recall.least,
        "max_recall": None if recall is None else recall.most,
        "recall_with_ties": None if recall is None else recall.with_ties,
        "k": job.k,
        "num_queries_evaluated": evaluated,
        "phases": by_phase,
    }
    write_json(folder / CONFIG, config_file(job))
    write_json(folder / RECALL, stats)
    write_json(
        folder / STATISTICS,
        {
            "total_queries": figures["query_count"],
            **figures,
            "failed_batches": statistics[scored].failed,
            "recall": stats,
            "disk_io": _disk_io(facts, statistics[scored], scored),
        },
    )
    valid = evaluated > 0 and bool(recall and recall.exact > 0)
    write_json(
        folder / VERDICT,
        {
            "result": "valid" if valid else "invalid",
            "valid": valid,
            "num_queries_evaluated": evaluated,
            "flat_setup": {
                "ok": True,
                "coverage": 1.0,
                "total_vectors": job.data.rows,
                "copied_vectors": job.data.rows,
                "reused": all(one.found for one in recalls.values()) if recalls else False,
                "reason": "exact answers were computed outside the engine, from the generator's vectors, all of them",
            },
        },
    )
