"""Our own rules MLPS-VDB-01 to -10: the limits that this suite holds its vector databases against, shown to whoever reviews a result.

The book names most of what they ask and leaves it open (a least recall, a least number of queries, cold reads). They judge what this
suite recorded in its own block of a summary, by the limits that were recorded with it. Where those were less than the defaults, and only
the defaults are broken, that is a warning which says so. Of a result of another tool, which has no such block, nothing is said. A finding
of theirs can fail an item, and costs no verdict.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.records import Leaf, VectorDatabaseResult
from pytest_mlpstorage.results.vector_limits import Threshold, by_id, recorded
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.registry import RuleFunction, rule
from pytest_mlpstorage.rules.vector_own import LOAD_CHECKS, OWN, RUN_CHECKS, Check, spread
from pytest_mlpstorage.rules.vector_own_met import FOREIGN, LOADS_MET, RUNS_MET, Telling, spread_met
from pytest_mlpstorage.verdict import Division, Finding, NoEvidence, Severity

__all__: list[str] = []

_RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


def _own(id: str, name: str) -> Callable[[RuleFunction], RuleFunction]:
    return rule(id, name, subject=VectorDatabaseResult, editions=("3.0",), severity=_gravest(id))


def _gravest(id: str) -> Severity:
    """Parameters that did not take effect are an error where the result claims something."""
    return Severity.ERROR if id == "MLPS-VDB-10" else by_id(id).severity


def _said(leaves: Iterable[Leaf]) -> Iterator[tuple[str, Mapping[str, Any]] | NoEvidence]:
    """Path and content of the summary of each leaf that this suite made."""
    for leaf in leaves:
        summary = leaf.summary.raw if leaf.summary is not None else None
        block = value_at(summary, "mlps")
        ours = isinstance(block, Mapping) or (leaf.metadata is not None and bool(leaf.metadata.mlps))
        if leaf.planned or not ours:
            continue
        if summary is None or not isinstance(block, Mapping):
            pruned = "summary.json" in leaf.pruned
            yield NoEvidence("the summary has not what this suite recorded of the measurement", f"{leaf.relpath}/summary.json", pruned)
        else:
            yield f"{leaf.relpath}/summary.json", summary


def _held(division: Division, limit: Threshold, found: Callable[[Threshold], Iterator[Finding]]) -> Iterator[Finding]:
    """What a limit finds as it was recorded; where that is nothing, and its default finds something, that with a lesser weight."""
    default = by_id(limit.id)
    least = min((default.severity, Severity.WARNING), key=_RANK.__getitem__)
    weighs = dataclasses.replace(limit, severity=max((limit.severity, least), key=_RANK.__getitem__))
    findings = [*found(weighs)]
    yield from findings
    if findings or limit.value == default.value:
        return
    lesser = Severity.INFO if division is Division.WHATIF else least
    for finding in found(dataclasses.replace(default, severity=lesser)):
        told = f"{finding.message.removeprefix(OWN)} (it was measured with {limit.name} {limit.value})"
        severity = min((finding.severity, lesser), key=_RANK.__getitem__)
        yield dataclasses.replace(finding, message=f"{OWN}{told}", severity=severity)


def _of_runs(result: VectorDatabaseResult, id: str) -> Iterator[Finding | NoEvidence | Met]:
    return _of(result, result.runs, id, RUN_CHECKS[id], RUNS_MET[id])


def _of_loads(result: VectorDatabaseResult, id: str) -> Iterator[Finding | NoEvidence | Met]:
    return _of(result, result.datagen, id, LOAD_CHECKS[id], LOADS_MET[id])


def _of(result: VectorDatabaseResult, leaves: Iterable[Leaf], id: str, check: Check, tell: Telling) -> Iterator[Finding | NoEvidence | Met]:
    said = [*_said(leaves)]
    if not said:
        yield FOREIGN
    for item in said:
        if isinstance(item, NoEvidence):
            yield item
            continue
        file, summary = item
        limit = recorded(summary, id)
        findings = [*_held(result.division, limit, functools.partial(check, summary=summary, file=file))]
        yield from findings
        if all(finding.severity is Severity.INFO for finding in findings):
            yield from tell(limit, summary)


@_own("MLPS-VDB-01", "leastRecall")
def recall(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The phase of every run that gave the figures found at least 90 % of the exact neighbours."""
    yield from _of_runs(result, "MLPS-VDB-01")


@_own("MLPS-VDB-02", "leastQueries")
def queries(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The phase of every run that gave the figures made at least 10 000 searches that succeeded, of all processes together."""
    yield from _of_runs(result, "MLPS-VDB-02")


@_own("MLPS-VDB-03", "searchesReadStorage")
def reads(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """A search read at least 4 KiB from storage on average, in every phase of every run, by the counters of the engine's processes.

    An index that is read through the operating system's memory must do so in the cold phase; that its later searches do not is
    information. So it is of an index that is held in memory: whatever it was measured at is no verdict on storage.
    """
    yield from _of_runs(result, "MLPS-VDB-03")


@_own("MLPS-VDB-04", "noFailedSearches")
def failures(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """No search failed, came back with fewer neighbours than it was asked for, or with ids that are wrong, in any phase of any run."""
    yield from _of_runs(result, "MLPS-VDB-04")


@_own("MLPS-VDB-05", "leastContrast")
def contrast(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The vectors that were loaded tell a neighbour from any other: the mean distance is 1.5 times that of the last neighbour."""
    yield from _of_loads(result, "MLPS-VDB-05")


@_own("MLPS-VDB-06", "indexBeyondMemory")
def working_set(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """An index that is read through the operating system's memory was at least twice as large as that memory, where its host is known."""
    yield from _of_runs(result, "MLPS-VDB-06")


@_own("MLPS-VDB-07", "spreadOfRates")
def spread_of_rates(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The rates of the runs have a coefficient of variation of at most 10 %."""
    rates, summary, lacking = [], None, False
    for item in _said(result.runs):
        if isinstance(item, NoEvidence):
            yield item
            return
        file, summary = item
        if (rate := number(summary.get("throughput_qps"))) is not None:
            rates.append(rate)
        else:
            lacking = True
            yield NoEvidence("the summary has no usable throughput_qps", file)
    limit = recorded(summary, "MLPS-VDB-07")
    findings = [*_held(result.division, limit, lambda limit: spread(limit, rates, f"{result.relpath}/run"))]
    yield from findings
    if summary is None:
        yield FOREIGN
    elif not findings and not lacking:
        yield spread_met(limit, rates)


@_own("MLPS-VDB-08", "coldPhaseProved")
def cold_proof(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every cold phase is proved: its index was seen to be out of memory before it was opened, or each search reads past memory."""
    yield from _of_runs(result, "MLPS-VDB-08")


@_own("MLPS-VDB-09", "rowsAreWhole")
def rows(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The collection held every vector once, by the word of its engine after the load."""
    yield from _of_loads(result, "MLPS-VDB-09")


@_own("MLPS-VDB-10", "parametersTookEffect")
def parameters(result: VectorDatabaseResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """The engine used the parameters that it was asked for, as far as it says what it uses. An error where something is claimed."""
    yield from _of_loads(result, "MLPS-VDB-10")
    yield from _of_runs(result, "MLPS-VDB-10")
