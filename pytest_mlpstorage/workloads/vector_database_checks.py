"""Own limits MLPS-VDB-01 to -10 on what a load and runs say of themselves: arithmetic on records, no rule of the book.

Each message begins with "own threshold". They can fail an item; the category of a result is the rule book's matter, so they have none
that changes it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import Category, Finding, Severity

if TYPE_CHECKING:
    from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan
    from pytest_mlpstorage.workloads.vector_database_thresholds import Threshold

__all__ = ["load_findings", "run_findings", "series_findings"]

_OWN: Final = "own threshold: "


def _finding(limit: Threshold, message: str, **more: Any) -> Finding:
    severity = more.pop("severity", limit.severity)
    return Finding(f"{_OWN}{message}", severity=severity, category=Category.CLOSED, rule=limit.id, **more)


def load_findings(plan: VectorPlan, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What a load breaks: rows (09), contrast of the data (05), parameters (10)."""
    limits = plan.thresholds
    rows, distinct = integer(value_at(summary, "mlps.load.rows")), value_at(summary, "mlps.load.distinct_ids")
    if rows != plan.rows or (distinct is not None and integer(distinct) != plan.rows):
        yield _finding(
            limits["MLPS-VDB-09"],
            "the collection does not hold every vector once",
            measured=f"{rows} rows, {distinct} distinct ids",
            required=plan.rows,
            file=file,
            field="mlps.load",
        )
    contrast, least = number(value_at(summary, "mlps.dataset.contrast")), limits["MLPS-VDB-05"]
    if contrast is not None and contrast < least.value:
        yield _finding(
            least,
            "the neighbours of a query hardly differ from other vectors, so recall tells little",
            measured=round(contrast, 3),
            required=least.value,
            file=file,
            field="mlps.dataset.contrast",
        )
    yield from _parameters(limits["MLPS-VDB-10"], summary, file)


def _parameters(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What the engine says back is what was asked; where it says nothing, nothing is known."""
    asked, said = value_at(summary, "mlps.engine.params_requested"), value_at(summary, "mlps.engine.params_effective")
    if not isinstance(asked, Mapping) or not isinstance(said, Mapping):
        return
    different = [f"{key} {said[key]}" for key in sorted(asked) if said.get(key) is not None and said[key] != asked[key]]
    if different:
        yield _finding(
            limit,
            "the engine uses other parameters than were asked for",
            measured=", ".join(different),
            required=", ".join(f"{key} {asked[key]}" for key in sorted(asked) if said.get(key) not in (None, asked[key])),
            file=file,
            field="mlps.engine.params_effective",
        )


def run_findings(plan: VectorPlan, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What one run breaks: recall (01), queries (02), reads (03), failures (04), working set (06), cold proof (08), parameters (10)."""
    limits = plan.thresholds
    scored = str(value_at(summary, "mlps.scored_phase"))
    phases = value_at(summary, "mlps.phases")
    by_name = {str(one.get("name")): one for one in phases if isinstance(one, Mapping)} if isinstance(phases, list) else {}
    main = by_name.get(scored, {})
    recall, queries = number(main.get("recall")), integer(main.get("queries"))
    if recall is None or recall < limits["MLPS-VDB-01"].value:
        yield _finding(
            limits["MLPS-VDB-01"],
            f"the {scored} phase found too few of the exact neighbours" if recall is not None else "nothing is known of the recall",
            measured=None if recall is None else round(recall, 4),
            required=limits["MLPS-VDB-01"].value,
            file=file,
            field="recall",
        )
    if queries is None or queries < limits["MLPS-VDB-02"].value:
        yield _finding(
            limits["MLPS-VDB-02"],
            f"the {scored} phase made too few searches",
            measured=queries,
            required=limits["MLPS-VDB-02"].value,
            file=file,
            field="query_count",
        )
    for name, phase in by_name.items():
        yield from _reads(plan, limits["MLPS-VDB-03"], name, phase, file)
        yield from _failures(limits["MLPS-VDB-04"], name, phase, file)
    yield from _working_set(plan, limits["MLPS-VDB-06"], summary, file)
    if "cold" in by_name:
        yield from _cold(plan, limits["MLPS-VDB-08"], summary, file)
    yield from _parameters(limits["MLPS-VDB-10"], summary, file)


def _reads(plan: VectorPlan, limit: Threshold, name: str, phase: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Searches that read no storage are no measurement of it; how much that weighs depends on where the index is meant to be read."""
    reads, device = number(phase.get("read_4kib_per_query")), number(phase.get("device_reads_per_query"))
    if reads is not None and reads >= limit.value:
        return
    residence = plan.family.residence
    weighs = residence == "disk" or (residence == "page-cache" and name == "cold")
    what = f"searches of the {name} phase read less from storage than {limit.value:g} × 4 KiB each"
    if reads is None:
        why = phase.get("process_not_applicable") or "nobody counted them"
        what = f"nothing is known of what searches of the {name} phase read ({why})"
    if residence == "page-cache" and name != "cold":
        what += ": the operating system's memory answered them"
    elif residence == "memory":
        what += ": the index is memory-resident, and its figures are no verdict on storage"
    yield _finding(
        limit,
        what,
        severity=limit.severity if weighs else Severity.INFO,
        measured=f"{reads:.2f} (device: {'unknown' if device is None else f'{device:.2f} reads'})" if reads is not None else None,
        required=limit.value,
        file=file,
        field="mlps.phases.read_4kib_per_query",
    )


def _failures(limit: Threshold, name: str, phase: Mapping[str, Any], file: str) -> Iterator[Finding]:
    failed, kinds = integer(phase.get("failed")) or 0, phase.get("failures")
    if failed <= limit.value:
        return
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) if isinstance(kinds, Mapping) else ""
    errors = phase.get("errors")
    first = next(iter(errors), "") if isinstance(errors, Mapping) else ""
    yield _finding(
        limit,
        f"searches of the {name} phase failed or came back short ({told})" + (f": {first}" if first else ""),
        measured=failed,
        required=f"at most {limit.value}",
        file=file,
        field="mlps.phases.failed",
    )


def _working_set(plan: VectorPlan, limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """An index that fits into memory is read from there after a lap. Only of engines that read through the operating system's cache."""
    if plan.family.residence != "page-cache":
        return
    size = number(value_at(summary, "mlps.memory.index_bytes"))
    host = plan.cluster.hosts[0]
    room = min(host.memory_bytes, host.memory_limit_bytes or host.memory_bytes)
    if size is not None and room and size / room < limit.value:
        yield _finding(
            limit,
            "the index fits into memory, so later searches read no storage",
            measured=f"{size / room:.3f} ({format_bytes(int(size))} of {format_bytes(room)})",
            required=limit.value,
            file=file,
            field="mlps.memory.index_bytes",
        )


def _cold(plan: VectorPlan, limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    verified = boolean(value_at(summary, "mlps.cold_proof.verified"))
    wanted = limit.value == "required" or (limit.value == "if-root" and os.geteuid() == 0)
    wanted = wanted and plan.family.residence != "memory"  # what is in memory once it is open is never cold
    if verified is True or limit.value == "no":
        return
    said = value_at(summary, "mlps.cold_proof.statement")
    yield _finding(
        limit,
        f"the cold phase is not verified: {said}" if isinstance(said, str) else "nothing says whether the cold phase was cold",
        severity=limit.severity if wanted else Severity.INFO,
        file=file,
        field="mlps.cold_proof",
    )


def series_findings(plan: VectorPlan, summaries: Sequence[Mapping[str, Any]], file: str) -> Iterator[Finding]:
    """How far the runs lie apart (07)."""
    limit = plan.thresholds["MLPS-VDB-07"]
    rates = [rate for summary in summaries if (rate := number(summary.get("throughput_qps"))) is not None]
    if len(rates) < 2:
        return
    mean = sum(rates) / len(rates)
    spread = math.sqrt(sum((rate - mean) ** 2 for rate in rates) / len(rates)) / mean if mean > 0 else 0.0
    if spread > limit.value:
        yield _finding(
            limit,
            "the rates of the runs lie far apart (coefficient of variation)",
            measured=round(spread, 3),
            required=f"at most {limit.value}",
            file=file,
            field="throughput_qps",
        )
