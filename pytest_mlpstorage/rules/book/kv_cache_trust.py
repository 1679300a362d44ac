"""Our own rule on what a KV cache run measured: the storage, or something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_evidence import EVIDENCE, MEMORY, RankEvidence, evidence_names, folded
from pytest_mlpstorage.results.records import KVCacheResult, Leaf
from pytest_mlpstorage.rules.kv_cache_runs import published, ranks_of
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.verdict import Category, Finding, NoEvidence, Severity

__all__: list[str] = []

_UNPROVED: Final = "unproved"
_COUNTED: Final = "kernel_bytes"


@rule("MLPS-TRUST-1", "storageWasMeasured", subject=KVCacheResult, editions=("3.0",))
def storage_was_measured(result: KVCacheResult, _edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """What each client recorded of itself proves that storage was measured, and neither memory nor the client.

    Judged by the records that this suite leaves beside the clients' files. What a client found to be an error is one here: reads that
    the kernel did not see go to storage, entries that lay in memory before they were read. What it found worth a warning is one here:
    a library between it and its system calls, a client that was the limit itself, one that began late. What was measured in memory, or
    by our own engine where no counter proves that the page cache was bypassed, says nothing of storage: such a run is OPEN at best. Of
    a run of another tool, which leaves no such records, nothing is said.
    """
    leaf = published(result)
    if leaf is None:
        yield NoEvidence("there is no run", f"{result.relpath}/run")
        return
    mlps = leaf.metadata.mlps if leaf.metadata is not None else {}
    names = evidence_names(leaf.files)
    if not mlps and not names:
        yield NotAsked("a run of another tool", "asked of runs of this suite")
        return
    evidence: list[RankEvidence] = []
    files = TreeFiles(result.root)
    for name, place in names.items():
        one = RankEvidence.from_json(None if name in leaf.pruned else files.json_object(leaf.path / name), place)
        if one.problem:
            pruned = name in leaf.pruned
            why = "was pruned by its publisher" if pruned else one.problem.replace("it cannot", "cannot")
            yield NoEvidence(f"what a client recorded of itself {why}", f"{leaf.relpath}/{name}", pruned)
        evidence.append(one)
    yield from _absent(leaf, names)
    yield from _findings(leaf, evidence, native=_engine(mlps) != "official")


def _absent(leaf: Leaf, names: Mapping[str, tuple[int, int, int]]) -> Iterator[NoEvidence]:
    there = set(names.values())
    lacking = [name for name in ranks_of(leaf) if (name.option, name.trial, name.rank) not in there]
    if lacking:
        first = f"{leaf.relpath}/{lacking[0].name}".rpartition("/")[0]
        yield NoEvidence(f"{len(lacking)} clients left no {EVIDENCE}", first)


def _findings(leaf: Leaf, evidence: Sequence[RankEvidence], *, native: bool) -> Iterator[Finding | Met]:
    """One finding for what clients say by one check, with the words of the first and the number of those who say it."""
    sound = bool(evidence)
    by_place = {(one.option, one.trial, one.rank): one for one in evidence}
    for note in folded(evidence):
        places = [place for place in note.places if not (note.check == _COUNTED and by_place[place].memory)]
        if not places:  # that a filesystem in memory has no counter is no second thing
            continue
        unproved = note.check == _COUNTED and note.level is Severity.WARNING and any(by_place[p].direct == _UNPROVED for p in places)
        says_nothing = note.check == MEMORY or (native and unproved)
        sound = sound and note.level is Severity.INFO and not says_nothing
        option, trial, rank = places[0]
        yield Finding(
            next(message for message, said_by in note.messages if places[0] in said_by),
            severity=note.level,
            category=Category.INVALID if note.level is Severity.ERROR else Category.OPEN if says_nothing else Category.CLOSED,
            measured=f"{len(places)} of {len(evidence)} records of clients",
            file=f"{leaf.relpath}/option_{option}/trial_{trial}/rank_{rank}/{EVIDENCE}",
            field="notes",
        )
    if sound:
        yield Met(f"{len(evidence)} records of clients", "no error and no warning in any client's record")


def _engine(mlps: Mapping[str, object]) -> object:
    engine = mlps.get("engine")
    return engine.get("name") if isinstance(engine, Mapping) else engine
