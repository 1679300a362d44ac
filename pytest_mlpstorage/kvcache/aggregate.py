"""One option over its ranks and trials, exactly as rules 6.3.4.1 to 6.3.4.3 form it.

A rank that is missing, cannot be read or measured nothing fails its option. It never counts as 0.0: a sum that lacks a client is
no figure of the option, so there is then none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_mlpstorage.kvcache.official_view import late_lower_bound
from pytest_mlpstorage.results.coerce import JSONObject, Reading
from pytest_mlpstorage.results.kv_cache_records import RankName, RankResult

__all__ = ["OptionFigures", "RankFigures", "aggregate_option"]


@dataclasses.dataclass(frozen=True)
class RankFigures:
    """What the summary needs of the file of one rank: what our records and the rules read of it, and the rest under its own names."""

    result: RankResult
    requests: int | None
    storage_io_p95_ms: float | None
    storage_read_p95_ms: float | None
    moved_gib: float | None
    late_lower_bound: int | None
    block: JSONObject

    @classmethod
    def from_json(cls, raw: JSONObject, name: RankName, path: str = "") -> RankFigures:
        """From the content of a rank's file."""
        top = Reading(raw)
        summary = Reading(top.mapping("summary") or {})
        cache = Reading(summary.mapping("cache_stats") or {})
        moved = [cache.number(f"tier_storage_kv_bytes_{word}_gb") for word in ("read", "written")]
        known = [value for value in moved if value is not None]
        return cls(
            result=RankResult.from_json(raw, name, path),
            requests=top.integer("requests_completed") if "total_requests" not in summary.raw else summary.integer("total_requests"),
            storage_io_p95_ms=Reading(summary.mapping("storage_io_latency_ms") or {}).number("p95"),
            storage_read_p95_ms=cache.number("storage_read_p95_ms"),
            moved_gib=sum(known) if len(known) == len(moved) else None,
            late_lower_bound=late_lower_bound(raw),
            block=top.mapping("mlps") or {},
        )

    def measured_nothing(self, *, has_memory: bool) -> str:
        """Why this is no measurement, "" where it is one. With memory before it, storage may have had nothing to do."""
        if not self.requests:
            return "it completed no request"
        figures = (self.result.read_gib_per_second, self.result.write_gib_per_second)
        if self.moved_gib is None or None in figures:
            return "its file lacks the bytes or rates of storage"
        if not self.moved_gib and not has_memory:
            return "it moved no byte from or to storage"
        if self.result.storage_tokens_per_second is None or self.result.average_tokens_per_second is None:
            return "its file lacks tokens a second"
        return ""


@dataclasses.dataclass(frozen=True)
class OptionFigures:
    """One entry of ``options``, and why it has no figures; "" where it has them. ``sound`` are the ranks that measured, by trial."""

    entry: dict[str, Any]
    problems: tuple[str, ...]
    sound: tuple[tuple[RankFigures, ...], ...]


Measure = Callable[[RankFigures], "float | None"]

_SUMS: Mapping[str, Measure] = {
    "aggregated_read_bandwidth_gbps": lambda rank: rank.result.read_gib_per_second,
    "aggregated_write_bandwidth_gbps": lambda rank: rank.result.write_gib_per_second,
    "aggregated_avg_throughput_tokens_per_sec": lambda rank: rank.result.average_tokens_per_second,
    "aggregated_storage_throughput_tokens_per_sec": lambda rank: rank.result.storage_tokens_per_second,
}
"""Figures that are summed over the ranks of a trial; the option's is the mean over its trials."""

_HIGHEST: Mapping[str, Measure] = {
    "aggregated_p95_latency_ms": lambda rank: rank.storage_io_p95_ms,
    "aggregated_storage_read_p95_ms": lambda rank: rank.storage_read_p95_ms,
    "aggregated_device_read_p95_ms": lambda rank: rank.result.device_read_p95_ms,
    "aggregated_device_write_p95_ms": lambda rank: rank.result.device_write_p95_ms,
}
"""Figures that are the highest of any rank in any trial. Where one is absent from a rank that kept entries on storage (all of them came by
demotion, which the tool does not time), it is absent from the summary: the tool would say 0.0."""


def aggregate_option(
    option: int,
    found: Mapping[tuple[int, int], RankFigures],
    *,
    trials: int,
    ranks: int,
    has_memory: bool,
    failed: Mapping[int, str] | None = None,
    where: str = "",
) -> OptionFigures:
    """Reduce the files of an option, by (trial, rank), to its entry in the summary.

    ``failed`` holds by trial why one did not end well. ``where`` is the path of the leaf, as ``missing_files`` shall tell it.
    """
    problems = [f"trial {trial} failed: {why}" for trial, why in sorted((failed or {}).items())]
    missing, sound = [], []
    for trial in range(trials):
        of_trial = []
        for rank in range(ranks):
            place = f"option_{option}/trial_{trial}/rank_{rank}"
            figures = found.get((trial, rank))
            nothing = "" if figures is None else figures.measured_nothing(has_memory=has_memory)
            if figures is None:
                missing.append(f"{where}/{place}" if where else place)
                problems.append(f"trial {trial}: rank {rank} left no file of results")
            elif nothing:
                problems.append(f"trial {trial}: rank {rank} measured nothing: {nothing}")
            else:
                of_trial.append(figures)
        sound.append(tuple(of_trial))
    foreign = sorted(place for place in found if place[0] not in range(trials) or place[1] not in range(ranks))
    problems += [f"trial {trial}: there is a file of rank {rank}, which took no part" for trial, rank in foreign]
    entry: dict[str, Any] = {"option": option, **_figures(sound, whole=not problems)}
    entry |= {
        "rank_count": ranks,
        "trial_count": trials,
        "partial_failure": bool(problems),
        "missing_files": missing,
        "cpu_tier_ranks": _without_storage(sound, ranks),
    }
    return OptionFigures(entry, tuple(problems), tuple(sound))


def _figures(trials: Sequence[Sequence[RankFigures]], *, whole: bool) -> dict[str, float | None]:
    if not whole:
        return dict.fromkeys(_SUMS)
    figures: dict[str, float | None] = {key: _mean_of_sums(trials, measure) for key, measure in _SUMS.items()}
    highest = {key: _highest(trials, measure) for key, measure in _HIGHEST.items()}
    return figures | {key: value for key, value in highest.items() if value is not None}


def _mean_of_sums(trials: Sequence[Sequence[RankFigures]], measure: Measure) -> float | None:
    """The sum over the ranks of each trial, averaged over the trials. Every rank has the value: one without it measured nothing."""
    sums = [sum(value for rank in trial if (value := measure(rank)) is not None) for trial in trials]
    return sum(sums) / len(sums) if sums else None


def _highest(trials: Sequence[Sequence[RankFigures]], measure: Measure) -> float | None:
    """The highest of any rank; a rank whose storage held nothing need not have one, and where none has one there is no figure."""
    values = [(measure(rank), rank.result.storage_entries) for trial in trials for rank in trial]
    if any(value is None and entries != 0 for value, entries in values):
        return None
    return max((value for value, _entries in values if value is not None), default=None)


def _without_storage(trials: Sequence[Sequence[RankFigures]], ranks: int) -> list[int]:
    """Ranks that kept nothing on storage in every trial that they measured in."""
    entries: dict[int, list[int | None]] = {}
    for trial in trials:
        for figures in trial:
            entries.setdefault(figures.result.name.rank, []).append(figures.result.storage_entries)
    return [rank for rank in range(ranks) if entries.get(rank) and not any(count != 0 for count in entries[rank])]
