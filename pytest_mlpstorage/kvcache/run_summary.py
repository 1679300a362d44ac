"""``summary.json`` of a whole run, from the files of its ranks (results-formats.md §2.9)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.kvcache.aggregate import OptionFigures, RankFigures, aggregate_option
from pytest_mlpstorage.kvcache.option_block import block_problems, option_block
from pytest_mlpstorage.kvcache.rank_file import BLOCK
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_records import rank_names

__all__ = ["SCHEMA_VERSION", "OptionRun", "RunShape", "read_ranks", "run_summary"]

SCHEMA_VERSION: Final = "1.0"


@dataclasses.dataclass(frozen=True)
class RunShape:
    """How many took part. ``where`` is the path of the leaf as the summary shall tell it of files that are missing."""

    run_datetime: str
    hosts: int
    ranks_per_host: int
    trials: int
    where: str = ""

    @property
    def ranks(self) -> int:
        """All clients."""
        return self.hosts * self.ranks_per_host


@dataclasses.dataclass(frozen=True)
class OptionRun:
    """How one option went besides its files: ``has_memory``: tiers before storage could hold something; why a trial failed, by trial."""

    has_memory: bool
    failed: Mapping[int, str] = dataclasses.field(default_factory=dict)


def read_ranks(leaf: Path, option: int) -> dict[tuple[int, int], RankFigures]:
    """The files of an option's ranks that are there and can be read, by (trial, rank). A rank with two files has none that counts."""
    files = TreeFiles(leaf)
    names = [path.relative_to(leaf).as_posix() for path in leaf.glob(f"option_{option}/trial_*/rank_*/kvcache_results_*.json")]
    found: dict[tuple[int, int], RankFigures] = {}
    twice: set[tuple[int, int]] = set()
    for name in rank_names(names):
        place = (name.trial, name.rank)
        raw = files.json_object(leaf / name.name)
        if place in found:
            twice.add(place)
        if raw is not None:
            found[place] = RankFigures.from_json(raw, name, name.name)
    return {place: figures for place, figures in found.items() if place not in twice}


def run_summary(leaf: Path, shape: RunShape, options: Mapping[int, OptionRun]) -> tuple[dict[str, Any], dict[int, OptionFigures]]:
    """The content of ``summary.json``, and by option what it is made of.

    An option is partial where a client is missing, measured nothing, did other work in one trial than in another, or read what it had
    not written; such a run is not free of errors, and rule REP-KVC-1 does not publish it.
    """
    entries, made = {}, {}
    for number, run in sorted(options.items()):
        figures = aggregate_option(
            number,
            read_ranks(leaf, number),
            trials=shape.trials,
            ranks=shape.ranks,
            has_memory=run.has_memory,
            failed=run.failed,
            where=shape.where,
        )
        entry = {**figures.entry, BLOCK: option_block(figures)}
        entry["partial_failure"] = bool(figures.problems or block_problems(figures.sound))
        entries[str(number)], made[number] = entry, figures
    return {
        "schema_version": SCHEMA_VERSION,
        "run_datetime": shape.run_datetime,
        "npernode": shape.ranks_per_host,
        "host_count": shape.hosts,
        "total_ranks": shape.ranks,
        "trials_per_option": shape.trials,
        "options": entries,
        "partial_failure": any(entry["partial_failure"] for entry in entries.values()),
        "trial_failures": {
            str(number): {str(trial): why for trial, why in sorted(run.failed.items())} for number, run in options.items() if run.failed
        },
    }, made
