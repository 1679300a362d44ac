"""The ``mlps`` block of one option: window-true rates summed over ranks, latencies of the whole population of ranks and trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, pstdev
from typing import Any, Final

from pytest_mlpstorage.kvcache.aggregate import OptionFigures, RankFigures
from pytest_mlpstorage.kvcache.histogram import LogHistogram
from pytest_mlpstorage.kvcache.rank_block import FACTS, LATENCIES, STEADINESS, Block
from pytest_mlpstorage.kvcache.rank_values import moved_nothing, numbers, told
from pytest_mlpstorage.kvcache.series import ByteSeries
from pytest_mlpstorage.kvcache.serving_block import KEY as SERVING
from pytest_mlpstorage.kvcache.serving_block import serving_of_ranks
from pytest_mlpstorage.results.coerce import integer

__all__ = ["block_problems", "option_block", "window_overlap"]

_DIRECTIONS: Final = ("read", "write")
_TIERS: Final[Mapping[str, str]] = {
    "read": "aggregated_read_bandwidth_gbps",
    "write": "aggregated_write_bandwidth_gbps",
}

_COUNTS: Final = (
    "requests_in_window",
    "arrivals_in_window",
    "write_not_durable_bytes",
    "late_operations",
    "late_bytes",
    "verified_bytes",
    "verify_errors",
    "read_gib",
    "write_gib",
    "kernel_read_gib",
    "kernel_write_gib",
    "eviction_read_gib",
    "eviction_write_gib",
)
"""Values that add up over ranks and trials."""

_HIGHEST: Final = ("peak_rss_mib", "client_cpu_seconds_per_gib", "resident_fraction_before_read")
"""Values of which the worst rank's tells most."""

_FROM_WORST: Final[Mapping[str, Sequence[object]]] = {
    "client_bound": (True, False),
    "comparable": (False, True),
    "direct": ("refuted", "unproved", "proved"),
}
"""Values of which one rank's spoils those of all, the worst first."""

_PER_RANK: Final = ("schedule_sha256", "executed_sha256")
"""Values that are each rank's own; the first is the same in every trial."""

_NOT_EVERY_RANK: Final = "not every rank has it"
_NOT_ADDED: Final = "the series of its ranks cannot be added"

Trials = Sequence[Sequence[RankFigures]]


def option_block(figures: OptionFigures) -> dict[str, Any]:
    """The block of an option from those of its ranks. Of an option that failed there is nothing but the reasons."""
    block, trials = Block(), figures.sound
    ranks = [rank for trial in trials for rank in trial]
    problems = (*figures.problems, *block_problems(trials))
    block.values["problems"] = list(problems)
    if figures.problems or not ranks:
        return block.to_json()
    series = {direction: _series(trials, direction) for direction in _DIRECTIONS}
    for direction in _DIRECTIONS:
        _rates(block, direction, trials, figures.entry.get(_TIERS[direction]))
    _mean_of_sums(block, "tokens_in_window_per_s", trials)
    for key in _COUNTS:
        of_all = told(ranks, key)
        block.put(key, of_all.sum(), of_all.why_none)
    served, arrived = block.values["requests_in_window"], block.values["arrivals_in_window"]
    block.put("overload_factor", arrived / served if served and arrived is not None else None, "no request ended in the window")
    _latencies(block, ranks)
    block.put("served_by_class", _sum_by_name([rank.block.get("served_by_class") for rank in ranks]), _NOT_EVERY_RANK)
    for key in _HIGHEST:
        of_all = told(ranks, key)
        block.put(key, of_all.most(), of_all.why_none)
    block.put("late_requests_lower_bound", _sum(rank.late_lower_bound for rank in ranks), "not every rank told its latencies")
    distances = told(ranks, "reuse_distance_histogram")
    whole = None if distances.unknown else _sum_of_distances(distances.values)
    block.put("reuse_distance_histogram", whole, _NOT_EVERY_RANK if distances.values else distances.why_none)
    for key, order in _FROM_WORST.items():
        # What was not asked to move anything proves nothing of storage, and takes nothing from what the others prove.
        values = [rank.block.get(key) for rank in ranks if not (key == "direct" and moved_nothing(rank))]
        known = bool(values) and all(value in order for value in values)
        block.put(key, min(values, key=order.index) if known else None, _NOT_EVERY_RANK if values else "no rank moved a byte")
    for key in (*FACTS, "window_s"):
        if key not in block.values and key not in _PER_RANK:
            _common(block, key, ranks)
    for key in _PER_RANK:
        # By rank the values of its trials: one where they are the same.
        block.values[key] = {
            str(number): list(dict.fromkeys(_text(rank.block.get(key)) for rank in ranks if rank.result.name.rank == number))
            for number in sorted({rank.result.name.rank for rank in ranks})
        }
    _steadiness(block, series)
    if any(SERVING in rank.block for rank in ranks):
        block.put(SERVING, serving_of_ranks([rank.block.get(SERVING) for rank in ranks]), _NOT_EVERY_RANK)
    return block.to_json()


def _steadiness(block: Block, series: Mapping[str, Sequence[ByteSeries | None]]) -> None:
    """The series of each trial, and how steady they were; a null says why by the trial that it is of."""
    trials = range(len(series[_DIRECTIONS[0]]))
    block.values["series_1s"] = [{d: None if (part := series[d][n]) is None else part.to_json() for d in _DIRECTIONS} for n in trials]
    block.reasons |= {f"series_1s[{n}].{d}": _NOT_ADDED for d in _DIRECTIONS for n in trials if series[d][n] is None}
    for key, why_none in STEADINESS.items():
        block.values[key] = {d: [None if part is None else getattr(part, key) for part in series[d]] for d in _DIRECTIONS}
        block.reasons |= {
            f"{key}.{d}[{n}]": _NOT_ADDED if series[d][n] is None else why_none
            for d in _DIRECTIONS
            for n in trials
            if block.values[key][d][n] is None
        }


def _rates(block: Block, direction: str, trials: Trials, official: float | None) -> None:
    key = f"storage_{direction}_bandwidth_window_gibps"
    sums = _mean_of_sums(block, key, trials)
    mean = block.values[key]
    block.values[f"{key}_by_trial"] = sums
    block.reasons |= {f"{key}_by_trial[{n}]": told(trials[n], key).why_none for n, value in enumerate(sums) if value is None}
    known = [value for value in sums if value is not None]
    spread = 100 * pstdev(known) / mean if mean and len(known) > 1 else None
    block.put(f"{key}_cv_percent", spread, "fewer than two trials have a rate")
    factor = official / mean if mean and official is not None else None
    block.put(f"official_over_window_{direction}", factor, "there is no rate in the window")


def _mean_of_sums(block: Block, key: str, trials: Trials) -> list[float | None]:
    """Set a key to the mean over the trials of the sum over the ranks; the sum of each trial. One in which nothing moved counts as such."""
    of_trials = [told(trial, key) for trial in trials]
    sums = [of_trial.sum() for of_trial in of_trials]
    known = [0.0 if value is None else value for value in sums]
    lacking = next((one for one in of_trials if one.unknown), next((one for one in of_trials if one.sum() is None), None))
    whole = any(value is not None for value in sums) and not any(one.unknown or (one.values and one.sum() is None) for one in of_trials)
    block.put(key, fmean(known) if whole else None, (lacking and lacking.why_none) or _NOT_EVERY_RANK)
    return sums


def _latencies(block: Block, ranks: Sequence[RankFigures]) -> None:
    merged: dict[str, Any] = {}
    for name, key in LATENCIES.items():
        parts = [LogHistogram.from_json(_mapping(rank.block.get("histograms")).get(name)) for rank in ranks]
        known = [part for part in parts if part is not None]
        whole = LogHistogram.merged(known) if len(known) == len(parts) else None
        lacking = "a rank has no histogram of it" if whole is None else "no rank has a sample"
        block.put(key, whole.ms() if whole is not None else None, lacking)
        merged[name] = whole.to_json() if whole is not None else None
    block.values["histograms"] = merged


def _series(trials: Trials, direction: str) -> list[ByteSeries | None]:
    """The sum of the ranks second by second, of each trial; None where they cannot be added."""
    found: list[ByteSeries | None] = []
    for trial in trials:
        parts = [ByteSeries.from_json(_mapping(rank.block.get("series_1s")).get(direction)) for rank in trial]
        known = [part for part in parts if part is not None]
        same = len(known) == len(parts) and len({part.window_ns for part in known}) == 1
        found.append(ByteSeries.merged(known) if same else None)
    return found


def _common(block: Block, key: str, ranks: Sequence[RankFigures]) -> None:
    """A fact that the ranks agree on is told once, else all the answers are."""
    values: list[object] = []
    for rank in ranks:
        value = rank.block.get(key)
        if value not in values:
            values.append(value)
    block.put(key, values[0] if len(values) == 1 else values, told(ranks, key).why_none)


def block_problems(trials: Trials) -> tuple[str, ...]:
    """What must not be though every rank measured: other work in one trial than in another, data that was not what had been written."""
    found = []
    work: dict[int, set[object]] = {}
    for trial in trials:
        for rank in trial:
            name = rank.result.name
            work.setdefault(name.rank, set()).add(str(rank.block.get("schedule_sha256")))
            errors = integer(rank.block.get("verify_errors"))
            if errors:
                found.append(f"trial {name.trial}: rank {name.rank} read {errors} sectors that were not what it had written")
    found += [f"rank {rank} had other work in one trial than in another" for rank, sums in sorted(work.items()) if len(sums) > 1]
    return tuple(found)


def window_overlap(starts_ns: Sequence[int], window_ns: int, unknown_ns: int = 0) -> float:
    """The share of the window in which every rank measured, by their starts on one clock that is known to within ``unknown_ns``."""
    return max(0.0, 1 - (max(starts_ns) - min(starts_ns) + unknown_ns) / window_ns)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _sum(values: Iterable[object]) -> float | None:
    known = numbers(values)
    return None if known is None else sum(known)


def _sum_of_distances(parts: Sequence[object]) -> dict[str, Any] | None:
    """The reads of all ranks by the same distances; None where one has none, or others."""
    found = [_mapping(part) for part in parts]
    below, lists = [part.get("below_gib") for part in found], [part.get("reads") for part in found]
    reads = [each for each in lists if isinstance(each, list)]
    if not reads or len(reads) != len(found) or any(each != below[0] for each in below) or len(set(map(len, reads))) != 1:
        return None
    sums = [_sum(column) for column in zip(*reads, strict=True)]
    more = {key: _sum(part.get(key) for part in found) for key in ("reads_beyond", "reads_of_unused")}
    return None if None in (*sums, *more.values()) else {"below_gib": below[0], "reads": sums, **more}


def _sum_by_name(parts: Sequence[object]) -> dict[str, float] | None:
    names = dict.fromkeys(name for part in parts for name in _mapping(part))
    sums = {name: _sum(_mapping(part).get(name) for part in parts) for name in names}
    known = {name: value for name, value in sums.items() if value is not None}
    return known if known and len(known) == len(sums) else None
