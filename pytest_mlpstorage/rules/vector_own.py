"""What the own limits MLPS-VDB-01 to -10 find in what a load and runs say of themselves: arithmetic on the block ``mlps`` of a summary.

Each message begins with "own threshold". Their findings can fail an item; the category of a result is the rule book's matter, so they
have none that changes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.results.vector_limits import Threshold
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.units import format_bytes
from pytest_mlpstorage.verdict import Category, Finding, Severity

__all__ = [
    "LOAD_CHECKS",
    "OWN",
    "RUN_CHECKS",
    "Check",
    "index_and_memory",
    "phases_of",
    "residence_of",
    "scored_phase",
    "spread",
    "variation",
]

OWN: Final = "own threshold: "

_NO_PHASE: Final = "no phase is recorded"
_RESIDENT: Final = ": the index is memory-resident, and its figures are no verdict on storage"

_KINDS: Final = 6
_ERROR_CHARACTERS: Final = 300


class Check(Protocol):
    """What a limit finds in a summary, of which the path of its file is repeated."""

    def __call__(self, limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
        """Yield what breaks the limit."""


def _finding(limit: Threshold, message: str, **more: Any) -> Finding:
    severity = more.pop("severity", limit.severity)
    return Finding(f"{OWN}{message}", severity=severity, category=Category.CLOSED, rule=limit.id, **more)


def phases_of(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The phases of a run by name."""
    phases = value_at(summary, "mlps.phases")
    return {str(one.get("name")): one for one in phases if isinstance(one, Mapping)} if isinstance(phases, list) else {}


def scored_phase(summary: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """The phase whose figures are the official ones."""
    name = value_at(summary, "mlps.scored_phase")
    return (name, phases_of(summary).get(name, {})) if isinstance(name, str) else ("scored", {})


def residence_of(summary: Mapping[str, Any]) -> str:
    """Where a search reads by the word of the engine's plug-in; the device, of which most is wanted, where it does not say."""
    said = value_at(summary, "mlps.engine.residence")
    return said if said in ("page-cache", "memory") and isinstance(said, str) else "disk"


def index_and_memory(summary: Mapping[str, Any]) -> tuple[float, float] | None:
    """Bytes of the index and of the memory that may hold it; None where either is not known."""
    size, host, group = (number(value_at(summary, f"mlps.memory.{key}")) for key in ("index_bytes", "host_bytes", "limit"))
    room = host if group is None or host is None else min(host, group)  # a limit of a client alone says nothing of the engine's host
    return (size, room) if size is not None and room is not None and room > 0 else None


def _recall(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    name, phase = scored_phase(summary)
    recall = number(phase.get("recall"))
    if recall is None or recall < limit.value:
        yield _finding(
            limit,
            f"the {name} phase found too few of the exact neighbours" if recall is not None else "nothing is known of the recall",
            measured=None if recall is None else round(recall, 4),
            required=limit.value,
            file=file,
            field="recall",
        )


def _queries(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    name, phase = scored_phase(summary)
    queries = integer(phase.get("queries"))
    if queries is None or queries < limit.value:
        message = f"the {name} phase made too few searches"
        yield _finding(limit, message, measured=queries, required=limit.value, file=file, field="query_count")


def _reads(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """Searches that read no storage are no measurement of it; how much that weighs depends on where the index is meant to be read."""
    residence, phases = residence_of(summary), phases_of(summary)
    if not phases:
        memory = residence == "memory"
        yield _finding(
            limit,
            f"nothing is known of what searches read ({_NO_PHASE})" + (_RESIDENT if memory else ""),
            severity=Severity.INFO if memory else limit.severity,
            required=limit.value,
            file=file,
            field="mlps.phases",
        )
    for name, phase in phases.items():
        reads, device = number(phase.get("read_4kib_per_query")), number(phase.get("device_reads_per_query"))
        if reads is not None and reads >= limit.value and residence != "memory":
            continue
        weighs = residence == "disk" or (residence == "page-cache" and name == "cold")
        what = f"searches of the {name} phase read less from storage than {limit.value:g} × 4 KiB each"
        if reads is None:
            why = phase.get("process_not_applicable")
            what = f"nothing is known of what searches of the {name} phase read ({shown(why) or 'nobody counted them'})"
        elif reads >= limit.value:
            what = f"whatever searches of the {name} phase read"
        if residence == "page-cache" and name != "cold":
            what += ": the operating system's memory answered them" if reads is not None else ""
        elif residence == "memory":
            what += _RESIDENT
        yield _finding(
            limit,
            what,
            severity=limit.severity if weighs else Severity.INFO,
            measured=f"{reads:.2f} (device: {'unknown' if device is None else f'{device:.2f} reads'})" if reads is not None else None,
            required=limit.value,
            file=file,
            field="mlps.phases.read_4kib_per_query",
        )


def _failures(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    phases, most = phases_of(summary), f"at most {limit.value}"
    if not phases:
        yield _finding(limit, f"nothing is known of failed searches ({_NO_PHASE})", required=most, file=file, field="mlps.phases")
    for name, phase in phases.items():
        failed, kinds, errors = integer(phase.get("failed")), phase.get("failures"), phase.get("errors")
        if failed is None or failed < 0:
            message, measured = f"nothing is known of failed searches of the {name} phase", shown(phase.get("failed"))
            yield _finding(limit, message, measured=measured, required=most, file=file, field="mlps.phases.failed")
            continue
        if failed <= limit.value:
            continue
        told = ", ".join(f"{shown(count)} {kind}" for kind, count in [*kinds.items()][:_KINDS]) if isinstance(kinds, Mapping) else ""
        first = next(iter(errors), "")[:_ERROR_CHARACTERS] if isinstance(errors, Mapping) else ""
        yield _finding(
            limit,
            f"searches of the {name} phase failed or came back short ({told})" + (f": {first}" if first else ""),
            measured=failed,
            required=most,
            file=file,
            field="mlps.phases.failed",
        )


def _contrast(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    contrast = number(value_at(summary, "mlps.dataset.contrast"))
    if contrast is not None and contrast < limit.value:
        yield _finding(
            limit,
            "the neighbours of a query hardly differ from other vectors, so recall tells little",
            measured=round(contrast, 3),
            required=limit.value,
            file=file,
            field="mlps.dataset.contrast",
        )


def _working_set(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """An index that fits into memory is read from there after a lap. Only of engines that read through the operating system's cache."""
    if residence_of(summary) != "page-cache":
        return
    known = index_and_memory(summary)
    if known is not None and known[0] < limit.value * known[1]:
        size, room = known
        yield _finding(
            limit,
            "the index fits into memory, so later searches read no storage",
            measured=f"{size / room:.3f} ({format_bytes(int(size))} of {format_bytes(int(room))})",
            required=limit.value,
            file=file,
            field="mlps.memory.index_bytes",
        )


def _cold(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    if "cold" not in phases_of(summary) or boolean(value_at(summary, "mlps.cold_proof.verified")) is True or limit.value == "no":
        return
    by_root = boolean(value_at(summary, "mlps.cold_proof.root")) is not False
    # What is in memory once it is open is never cold.
    wanted = (limit.value == "required" or by_root) and residence_of(summary) != "memory"
    said = value_at(summary, "mlps.cold_proof.statement")
    yield _finding(
        limit,
        f"the cold phase is not verified: {said}" if isinstance(said, str) else "nothing says whether the cold phase was cold",
        severity=limit.severity if wanted else Severity.INFO,
        file=file,
        field="mlps.cold_proof",
    )


def _rows(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    declared, rows = integer(summary.get("num_vectors")), integer(value_at(summary, "mlps.load.rows"))
    distinct = value_at(summary, "mlps.load.distinct_ids")
    if rows is None or rows != declared or (distinct is not None and integer(distinct) != declared):
        yield _finding(
            limit,
            "the collection does not hold every vector once",
            measured=f"{shown(rows)} rows, {shown(distinct)} distinct ids",
            required=declared,
            file=file,
            field="mlps.load",
        )


def _parameters(limit: Threshold, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What the engine says back is what was asked; where it says nothing, nothing is known."""
    asked, said = value_at(summary, "mlps.engine.params_requested"), value_at(summary, "mlps.engine.params_effective")
    if not isinstance(asked, Mapping) or not isinstance(said, Mapping):
        return
    different = [key for key in sorted(asked) if said.get(key) is not None and said[key] != asked[key]]
    if different:
        yield _finding(
            limit,
            "the engine uses other parameters than were asked for",
            measured=", ".join(f"{key} {shown(said[key])}" for key in different),
            required=", ".join(f"{key} {shown(asked[key])}" for key in different),
            file=file,
            field="mlps.engine.params_effective",
        )


RUN_CHECKS: Final[Mapping[str, Check]] = {
    "MLPS-VDB-01": _recall,
    "MLPS-VDB-02": _queries,
    "MLPS-VDB-03": _reads,
    "MLPS-VDB-04": _failures,
    "MLPS-VDB-06": _working_set,
    "MLPS-VDB-08": _cold,
    "MLPS-VDB-10": _parameters,
}
"""What each limit finds in a run."""

LOAD_CHECKS: Final[Mapping[str, Check]] = {"MLPS-VDB-05": _contrast, "MLPS-VDB-09": _rows, "MLPS-VDB-10": _parameters}
"""What each limit finds in a load."""


def variation(rates: Sequence[float]) -> float | None:
    """The coefficient of variation of the rates of the runs; None of fewer than two, and where their mean is not above 0."""
    largest = max(map(abs, rates), default=0.0)
    if len(rates) < 2 or not largest:
        return None
    # It is the same of rates of any unit: in that of the largest no sum and no square is beyond what a float holds.
    parts = [rate / largest for rate in rates]
    mean = sum(parts) / len(parts)
    return math.sqrt(sum((part - mean) * (part - mean) for part in parts) / len(parts)) / mean if mean > 0 else None


def spread(limit: Threshold, rates: Sequence[float], file: str) -> Iterator[Finding]:
    """How far the rates of the runs lie apart (MLPS-VDB-07)."""
    cv = variation(rates)
    if cv is None and len(rates) > 1:
        yield _finding(
            limit,
            "the rates of the runs are not above 0 on average, so that nothing tells how far they lie apart",
            measured=sum(rate / len(rates) for rate in rates),
            required="above 0",
            file=file,
            field="throughput_qps",
        )
    elif cv is not None and cv > limit.value:
        yield _finding(
            limit,
            "the rates of the runs lie far apart (coefficient of variation)",
            measured=round(cv, 3),
            required=f"at most {limit.value}",
            file=file,
            field="throughput_qps",
        )
