"""Own limits MLPS-VDB-01 to -10 of a plan, held against what its load and runs say of themselves.

The arithmetic is that of the rules of the same ids, by which a reviewer is shown the limits. Here they are this configuration's, and they
weigh in every division alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.rules.vector_own import LOAD_CHECKS, RUN_CHECKS, Check, spread

if TYPE_CHECKING:
    from pytest_mlpstorage.verdict import Finding
    from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan

__all__ = ["load_findings", "run_findings", "series_findings"]


def load_findings(plan: VectorPlan, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What a load breaks: rows (09), contrast of the data (05), parameters (10)."""
    return _findings(LOAD_CHECKS, plan, summary, file)


def run_findings(plan: VectorPlan, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What one run breaks: recall (01), queries (02), reads (03), failures (04), working set (06), cold proof (08), parameters (10)."""
    return _findings(RUN_CHECKS, plan, summary, file)


def series_findings(plan: VectorPlan, summaries: Sequence[Mapping[str, Any]], file: str) -> Iterator[Finding]:
    """How far the runs lie apart (07)."""
    rates = [rate for summary in summaries if (rate := number(summary.get("throughput_qps"))) is not None]
    return spread(plan.thresholds["MLPS-VDB-07"], rates, file)


def _findings(checks: Mapping[str, Check], plan: VectorPlan, summary: Mapping[str, Any], file: str) -> Iterator[Finding]:
    for id, check in checks.items():
        yield from check(plan.thresholds[id], summary, file)
