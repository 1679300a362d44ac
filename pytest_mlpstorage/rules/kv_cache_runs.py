"""Which run of a KV cache result counts, and what its rules read of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.editions.families import KVCacheEdition
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_records import OLDER_SUMMARY, KVCacheSummary, OptionSummary, RankName, RankResult, rank_names
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, LeafMetadata, ReadProblem
from pytest_mlpstorage.rules.leaf_memory import LeafMemory
from pytest_mlpstorage.verdict import NoEvidence

__all__ = [
    "OptionRanks",
    "cache_book",
    "faults",
    "older_summary",
    "option_ranks",
    "published",
    "rank_results",
    "ranks_of",
    "summary_of",
    "with_metadata",
    "with_summary",
]


def cache_book(edition: Edition) -> KVCacheEdition:
    """What an edition says of the KV cache; only rules of editions that have it may ask."""
    assert edition.kv_cache is not None
    return edition.kv_cache


@dataclasses.dataclass(frozen=True)
class _Summary:
    record: KVCacheSummary | None
    problems: tuple[ReadProblem, ...] = ()


def older_summary(leaf: Leaf) -> str | None:
    """Name of the summary under its older name, where a leaf has one."""
    return next((name for name in sorted(leaf.files) if OLDER_SUMMARY.match(name)), None)


def _read_summary(leaf: Leaf, root: Path) -> _Summary:
    if leaf.summary is not None:
        return _Summary(KVCacheSummary.from_json(leaf.summary.raw, leaf.summary.path))
    name = older_summary(leaf)
    files = TreeFiles(root)
    raw = files.json_object(leaf.path / name) if name else None
    record = KVCacheSummary.from_json(raw, f"{leaf.relpath}/{name}") if raw is not None else None
    return _Summary(record, tuple(files.problems))


_SUMMARIES: Final = LeafMemory(_read_summary, kept=16)


def summary_of(result: KVCacheResult, leaf: Leaf) -> _Summary:
    """The summary of a run under either of its names, and what stood in the way of reading it."""
    return _SUMMARIES.of(leaf, result.root)


def faults(summary: KVCacheSummary | None) -> tuple[str, ...]:
    """Why a run is not free of errors (REP-KVC-1); nothing for one that is."""
    if summary is None:
        return ("it has no summary that could be read",)
    found = []
    partial = [option.number for option in summary.options.values() if option.partial_failure]
    if summary.partial_failure or partial:
        which = f" (option {', '.join(map(str, partial))})" if partial else ""
        found.append(f"a part of it failed{which}")
    # Of what shape this is was never published: whatever is there is a trial that failed.
    if summary.trial_failures:
        found.append("a trial ended with an error")
    missing = sum(option.missing_files for option in summary.options.values())
    if missing:
        found.append(f"{missing} files of ranks are missing")
    return tuple(found)


def published(result: KVCacheResult) -> Leaf | None:
    """The run that a result publishes, which all other rules judge: the latest free of errors, else the latest (REP-KVC-1).

    The performance profile, by which the official report groups too, is no level of the path: runs of one result share it.
    """
    sound = tuple(leaf for leaf in result.runs if not faults(summary_of(result, leaf).record))
    return next(reversed(sound or result.runs), None)


def _no_run(result: KVCacheResult) -> NoEvidence:
    return NoEvidence("there is no run", f"{result.relpath}/run")


def with_metadata(result: KVCacheResult) -> tuple[Leaf, LeafMetadata] | NoEvidence:
    """The published run with its metadata."""
    leaf = published(result)
    if leaf is None:
        return _no_run(result)
    return NoEvidence("metadata could not be read", leaf.relpath) if leaf.metadata is None else (leaf, leaf.metadata)


def with_summary(result: KVCacheResult) -> tuple[Leaf, KVCacheSummary] | NoEvidence:
    """The published run with its summary."""
    leaf = published(result)
    if leaf is None:
        return _no_run(result)
    record = summary_of(result, leaf).record
    return NoEvidence("the summary could not be read", leaf.relpath) if record is None else (leaf, record)


def _read_ranks(leaf: Leaf, root: Path) -> tuple[RankResult, ...]:
    files = TreeFiles(root)
    found = []
    for name in rank_names(leaf.files - leaf.pruned):
        raw = files.json_object(leaf.path / name.name)
        if raw is not None:
            found.append(RankResult.from_json(raw, name, f"{leaf.relpath}/{name.name}"))
    return tuple(found)


# The files of a large run hold 80 MB, so what was read of them is kept for no more than the result at hand.
_RANKS: Final = LeafMemory(_read_ranks, kept=2)


def rank_results(result: KVCacheResult, leaf: Leaf) -> tuple[RankResult, ...]:
    """Every file of a rank that could be read, by option, trial and rank."""
    return _RANKS.of(leaf, result.root)


def ranks_of(leaf: Leaf) -> tuple[RankName, ...]:
    """Every file of a rank that is there, pruned or not."""
    return rank_names(leaf.files)


@dataclasses.dataclass(frozen=True)
class OptionRanks:
    """The ranks' results of one option, by trial; ``lacking`` says why they are not all there, None where they are."""

    trials: tuple[tuple[RankResult, ...], ...]
    lacking: NoEvidence | None


def option_ranks(result: KVCacheResult, leaf: Leaf, summary: KVCacheSummary, option: OptionSummary) -> OptionRanks:
    """What the ranks of one option measured, as many ranks and trials as the summary says took part."""
    by_trial: dict[int, dict[int, RankResult]] = {}
    for item in rank_results(result, leaf):
        if item.name.option == option.number:
            by_trial.setdefault(item.name.trial, {})[item.name.rank] = item
    ranks = summary.total_ranks if option.rank_count is None else option.rank_count
    trials = summary.trials_per_option if option.trial_count is None else option.trial_count
    whole = trials == len(by_trial) > 0 and all(len(part) == ranks for part in by_trial.values())
    # These files are large, and publishers prune them as they do logs, which costs nobody a verdict.
    pruned = any(name.option == option.number for name in rank_names(leaf.pruned))
    why = " (pruned by their publisher)" if pruned else ""
    lacking = NoEvidence(f"the files of the ranks of option {option.number} could not all be read{why}", leaf.relpath, pruned)
    return OptionRanks(
        tuple(tuple(part[rank] for rank in sorted(part)) for _trial, part in sorted(by_trial.items())), None if whole else lacking
    )
