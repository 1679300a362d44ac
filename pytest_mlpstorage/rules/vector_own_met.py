"""What is told of the own limits MLPS-VDB-01 to -10 where a load or run breaks none: its figure, and the limit that it was held against.

The checks themselves also serve whoever measures; this is for those who read why a rule passed. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.results.vector_limits import Threshold
from pytest_mlpstorage.results.vector_records import value_at
from pytest_mlpstorage.rules.vector_own import index_and_memory, phases_of, residence_of, scored_phase, variation
from pytest_mlpstorage.rules.vector_runs import at_least
from pytest_mlpstorage.rules.wording import shown
from pytest_mlpstorage.verdict import amounts

__all__ = ["FOREIGN", "LOADS_MET", "RUNS_MET", "Telling", "spread_met"]

Telling: TypeAlias = Callable[[Threshold, Mapping[str, Any]], Iterator[Met]]
"""What is told of a limit and a summary that does not break it."""

FOREIGN: Final = NotAsked("not measured by this suite", "asked of what this suite measured")
"""What is told where no leaf holds the block of this suite."""

_ASKED: Final = {"no": "if asked for (cold_proof no)", "if-root": "if root ran it (cold_proof if-root)"}

_IN_MEMORY: Final = NotAsked("index held in memory", "asked of an index on storage")


def _recall(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    recall = number(scored_phase(summary)[1].get("recall"))
    if recall is not None:
        yield at_least(recall, limit.value, "a recall of at least")


def _queries(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    queries = integer(scored_phase(summary)[1].get("queries"))
    if queries is not None:
        yield Met(f"{shown(queries)} searches", f"at least {shown(limit.value)} searches that succeeded")


def _reads(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    residence, phases = residence_of(summary), phases_of(summary)
    if residence == "memory":
        yield _IN_MEMORY
        return
    for phase in phases.values():
        reads = number(phase.get("read_4kib_per_query"))
        if reads is not None and reads >= limit.value:
            yield at_least(reads, limit.value, "reads of 4 KiB a search: at least")
        else:  # of a later phase through the operating system's memory, which is said and weighs nothing
            yield NotAsked(f"a later phase {'not counted' if reads is None else 'read less'}", "asked of the cold phase only")


def _failures(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    for phase in phases_of(summary).values():
        failed = integer(phase.get("failed"))
        if failed is not None and failed >= 0:
            yield Met(f"{shown(failed)} failed", f"at most {shown(limit.value)} failed searches in each phase")


def _contrast(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    contrast = number(value_at(summary, "mlps.dataset.contrast"))
    if contrast is None:
        yield NotAsked("no contrast recorded", "asked where it is recorded")
    else:
        yield at_least(contrast, limit.value, "a contrast of distances of at least")


def _working_set(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    if residence_of(summary) != "page-cache":
        yield NotAsked("index not read through the page cache", "asked where it is read through it")
        return
    known = index_and_memory(summary)
    if known is None:
        yield NotAsked("size of index or memory not known", "asked where both are known")
    else:
        yield at_least(known[0] / known[1], limit.value, "an index / memory ratio of at least")


def _cold(limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    if "cold" not in phases_of(summary):
        yield NotAsked("no cold phase", "asked where there is one")
    elif boolean(value_at(summary, "mlps.cold_proof.verified")) is True:
        yield Met("verified", f"cold phase verified (cold_proof {limit.value})")
    elif residence_of(summary) == "memory":
        yield _IN_MEMORY
    else:
        yield Met("not verified", f"cold phase verified {_ASKED.get(limit.value, '')}")


def _rows(_limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    rows, distinct = integer(value_at(summary, "mlps.load.rows")), value_at(summary, "mlps.load.distinct_ids")
    ids = "ids not counted" if distinct is None else f"{shown(distinct)} distinct ids"
    yield Met(f"{shown(rows)} rows, {ids}", f"{shown(integer(summary.get('num_vectors')))} rows, as many distinct ids if counted")


def _parameters(_limit: Threshold, summary: Mapping[str, Any]) -> Iterator[Met]:
    asked, said = value_at(summary, "mlps.engine.params_requested"), value_at(summary, "mlps.engine.params_effective")
    if not isinstance(asked, Mapping) or not isinstance(said, Mapping):
        asked, said = {}, {}
    if known := [key for key in asked if said.get(key) is not None]:
        yield Met(f"{len(known)} of {len(asked)} parameters told back", "each as it was asked for")
    else:
        yield NotAsked("the engine tells none back", "asked of those that it tells back")


RUNS_MET: Final[Mapping[str, Telling]] = {
    "MLPS-VDB-01": _recall,
    "MLPS-VDB-02": _queries,
    "MLPS-VDB-03": _reads,
    "MLPS-VDB-04": _failures,
    "MLPS-VDB-06": _working_set,
    "MLPS-VDB-08": _cold,
    "MLPS-VDB-10": _parameters,
}
"""What is told of each limit and a run."""

LOADS_MET: Final[Mapping[str, Telling]] = {"MLPS-VDB-05": _contrast, "MLPS-VDB-09": _rows, "MLPS-VDB-10": _parameters}
"""What is told of each limit and a load."""


def spread_met(limit: Threshold, rates: Sequence[float]) -> Met:
    """What is told of the rates of the runs (MLPS-VDB-07)."""
    cv = variation(rates)
    if cv is None:
        return NotAsked(f"{len(rates)} rates", "asked of two rates and more")
    measured, most = amounts(cv, limit.value)
    return Met(measured, f"a coefficient of variation of at most {most}")
