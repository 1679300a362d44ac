"""Reading what a load or a run left: exit code 0 is no proof, so every count is checked before a leaf may stand in the tree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.errors import BenchmarkExecutionError
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.workloads.base import Collected
from pytest_mlpstorage.workloads.vector_database_checks import run_findings
from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.workloads.base import Step

__all__ = ["collect", "phase_of"]


def _bad(message: str, **details: object) -> BenchmarkExecutionError:
    return BenchmarkExecutionError(message, details=details, code="MLPS-E542")


def collect(plan: VectorPlan, step: Step, *, staged: Path, outcome: Outcome) -> Collected:
    """Check a finished load or run and return its figures. Raises BenchmarkExecutionError for anything less."""
    path = staged / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _bad("the ranks ended with 0 but left no usable summary.json", cause=error) from error
    wrong = [
        f"{key}: {value_at(summary, key)!r} instead of {wanted!r}"
        for key, wanted in (
            ("num_vectors", plan.rows),
            ("dimension", plan.dim),
            ("index_type", plan.entry.index_type),
            ("database.database", plan.entry.engine),
        )
        if value_at(summary, key) != wanted
    ]
    if wrong:
        raise _bad("what was measured is not what was planned", differences="; ".join(wrong))
    mlps = summary["mlps"]
    taken = {key: mlps[key] for key in ("engine", "dataset") if key in mlps}
    if step.phase == "datagen":
        return _load(plan, summary, taken)
    found = _run(plan, staged, summary)
    notes = [*mlps.get("notes", ()), *(f"{finding.severity.value}: {finding.line()}" for finding in run_findings(plan, summary, ""))]
    return Collected({**found, "launch_seconds": outcome.elapsed_seconds}, tuple(notes), taken, _headline(summary))


def _load(plan: VectorPlan, summary: Mapping[str, Any], taken: Mapping[str, Any]) -> Collected:
    if summary.get("inserted_vectors") != plan.rows:
        raise _bad("the load did not insert every vector", inserted=summary.get("inserted_vectors"), wanted=plan.rows)
    metrics = {
        name: value
        for name, key in (("load_seconds", "seconds"), ("build_seconds", "build_seconds"))
        if (value := number(value_at(summary, f"mlps.load.{key}"))) is not None
    }
    contrast = number(value_at(taken, "dataset.contrast"))
    sizes = value_at(summary, "mlps.load.bytes_on_disk")
    if isinstance(sizes, Mapping):
        metrics["bytes_on_disk"] = float(sum(size for size in sizes.values() if isinstance(size, int)))
    if contrast is not None:
        metrics["contrast"] = contrast
    said = f"{plan.rows} vectors in {metrics.get('load_seconds', 0):.1f} s, index built in {metrics.get('build_seconds', 0):.1f} s"
    notes = () if contrast is None else (f"contrast of data and queries {contrast:.2f}",)
    return Collected(metrics, notes, taken, said)


def _run(plan: VectorPlan, staged: Path, summary: Mapping[str, Any]) -> dict[str, float]:
    """The figures, which must be those that the workers' samples give when they are computed anew."""
    from pytest_mlpstorage.vectordb.job import SAMPLES
    from pytest_mlpstorage.vectordb.run_files import official_figures
    from pytest_mlpstorage.vectordb.samples import phase_statistics, read_workers

    workers = read_workers(staged / SAMPLES) if (staged / SAMPLES).is_dir() else []
    if len(workers) != plan.processes:
        raise _bad(f"{len(workers)} of {plan.processes} processes left their samples", folder=staged / SAMPLES)
    scored = str(value_at(summary, "mlps.scored_phase"))
    offsets = value_at(summary, "mlps.clock_offsets_ns")
    ahead = {host: offset for host, offset in offsets.items() if isinstance(offset, int)} if isinstance(offsets, Mapping) else {}
    again = official_figures(phase_statistics(workers, scored, offsets_ns=ahead))
    different = [f"{key}: {summary.get(key)!r} instead of {value!r}" for key, value in again.items() if summary.get(key) != value]
    if different:
        raise _bad("the summary does not follow from the samples", differences="; ".join(different))
    if not summary.get("query_count"):
        failed = phase_of(summary, scored) or {}
        kinds = failed.get("failures")
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) if isinstance(kinds, Mapping) else ""
        raise _bad(
            f"own threshold MLPS-VDB-04: no search of the {scored} phase succeeded ({told or 'none was made'})",
            errors="; ".join(map(str, failed.get("errors") or ())) or "none was raised",
        )
    _overlap(phase_of(summary, scored) or {}, scored)
    metrics: dict[str, float] = {}
    for key in ("throughput_qps", "recall", "mean_latency_ms", "median_latency_ms", "p99_latency_ms", "query_count", "total_time_seconds"):
        value = number(summary.get(key))
        if value is not None:
            metrics[key] = value
    for name in ("cold", "steady"):
        phase = phase_of(summary, name)
        for key in ("qps", "recall", "read_4kib_per_query", "device_reads_per_query"):
            value = number(phase.get(key)) if phase is not None else None
            if value is not None:
                metrics[f"{name}_{key}"] = value
    return metrics


def _overlap(phase: Mapping[str, Any], name: str) -> None:
    """Rates of hosts are added only where the hosts searched at the same time (§8.4)."""
    from pytest_mlpstorage.vectordb.samples import OVERLAP_LEAST

    hosts, overlap = number(phase.get("hosts")) or 1, number(phase.get("window_overlap"))
    if hosts > 1 and (overlap is None or overlap < OVERLAP_LEAST):
        raise _bad(
            f"the {name} phases of the hosts do not lie at the same time, so their rates cannot be added",
            overlap="unknown" if overlap is None else f"{overlap:.0%}",
            required=f"at least {OVERLAP_LEAST:.0%}",
        )


def phase_of(summary: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """One entry of ``mlps.phases``."""
    phases = value_at(summary, "mlps.phases")
    found = [one for one in phases if isinstance(one, Mapping) and one.get("name") == name] if isinstance(phases, list) else []
    return found[0] if found else None


def _headline(summary: Mapping[str, Any]) -> str:
    """Rate, recall, and reads of both phases: where they drop from the cold one to the steady one, memory answered the later searches."""
    recall = number(summary.get("recall"))
    reads = {name: number((phase_of(summary, name) or {}).get("read_4kib_per_query")) for name in ("cold", "steady")}
    told = [f"{name} {count:.1f}" for name, count in reads.items() if count is not None]
    words = [f"{number(summary.get('throughput_qps')) or 0:.0f} QPS"]
    words += [f"recall@{value_at(summary, 'mlps.dataset.k')} {recall:.3f}"] if recall is not None else []
    words += [f"reads of 4 KiB a query: {', '.join(told)}"] if told else []
    marks = value_at(summary, "mlps.marks")
    return ", ".join([*words, *(marks if isinstance(marks, list) else [])])
