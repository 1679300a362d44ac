"""What a KV cache run of the official tool has to show: its options beside each other, and the trials of each where its ranks' files are.

The tool writes sums and percentiles and no course, so nothing is drawn over time; and its rates are by its own formula alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary, OptionSummary, RankResult
from pytest_mlpstorage.results.pictures import Chart, Distribution, Group, Picture, figure_text
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, StoredResult
from pytest_mlpstorage.rules.kv_cache_runs import option_ranks, published, with_summary
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["official_pictures"]

_UNIT: Final = "GiB/s"
_MOST_TRIALS: Final = 24
_POINTS: Final[Mapping[str, str]] = {"p50": "P50", "p95": "P95", "p99": "P99", "p999": "P99.9"}

_TIMES: Final[Mapping[str, tuple[str, str]]] = {
    "storage_read": ("entry read", "read"),
    "storage_read_device": ("read, “device” part", "read"),
    "storage_write": ("entry written", "write"),
    "storage_write_device": ("write, “device” part", "write"),
}
"""Beginning of the keys of a distribution in a rank's file → its name, and the direction that it is of."""

_FORMULA: Final = (
    "The official formula counts work that ended after the window and divides by the window alone, "
    "so these rates can be above what storage gave; its files do not tell by how much."
)
_DEVICE: Final = (
    "What the tool calls “device” is of a write its fsync alone, and of a read the loading through the page cache: "
    "no time of the device, and not to be compared with that of another engine."
)
_HIGHEST: Final = (
    "Each percentile is the highest that any rank reported in any trial, as rule 6.3.4 takes the P95: "
    "percentiles of ranks cannot be added up; logarithmic."
)


def official_pictures(result: StoredResult, edition: Edition) -> list[Picture]:
    """The options beside each other, then the trials of each; of a run with our own records, which tell more, none."""
    if not isinstance(result, KVCacheResult):
        return []
    run = published(result)
    if run is None or run.planned:
        return []
    found = with_summary(result)
    if isinstance(found, NoEvidence):
        return [_nothing(found.reason)]
    leaf, summary = found
    entries = [entry for entry in summary.options.values() if not entry.raw.get("mlps")]
    if not entries:
        return [] if summary.options else [_nothing("its summary holds no option")]
    charts = tuple(chart for chart in _of_options(entries) if any(group.extremes for group in chart.groups))
    if not charts:
        return [_nothing("its summary holds no figure of any option")]
    book = edition.kv_cache.options if edition.kv_cache is not None else {}
    pictures: list[Picture] = []
    lacking: dict[str, list[int]] = {}
    for entry in entries:
        name = f"option {entry.number}: {book[entry.number].name}" if entry.number in book else f"option {entry.number}"
        made = _of_trials(f"{name}, trial by trial", result, leaf, summary, entry)
        if isinstance(made, Picture):
            pictures.append(made)
        else:
            lacking.setdefault(made.reason.replace(f" of option {entry.number}", ""), []).append(entry.number)
    not_drawn = (f"No trial of option {', '.join(map(str, options))} is drawn: {why}." for why, options in lacking.items())
    says = (*_sentences(entries), *not_drawn)
    return [Picture("Options beside each other", says, charts=charts, folded=True, opened=True), *pictures]


def _nothing(why: str) -> Picture:
    return Picture("The run", (f"Nothing is drawn: {why}.",), folded=True, opened=True)


def _sentences(entries: Sequence[OptionSummary]) -> Iterator[str]:
    told = []
    for entry in entries:
        rates = {"read": entry.read_gib_per_second, "write": entry.write_gib_per_second}
        known = [f"{word} {figure_text(rate)} {_UNIT}" for word, rate in rates.items() if rate is not None]
        told += [f"option {entry.number} {', '.join(known)}"] if known else []
    if told:
        yield f"As the official tool wrote it: {'; '.join(told)}."
        yield _FORMULA
    broken = [str(entry.number) for entry in entries if entry.partial_failure]
    if broken:
        yield f"A part of option {', '.join(broken)} failed: its figures are of what was left."


def _of_options(entries: Sequence[OptionSummary]) -> Iterator[Chart]:
    """A value an option, from the summary, which is always there."""
    mean, highest = "All ranks together, mean of the trials.", "The highest of any rank in any trial."
    rates = {"read": "read_gib_per_second", "write": "write_gib_per_second"}
    devices = {"read": "device_read_p95_ms", "write": "device_write_p95_ms"}
    yield Chart("rate", _UNIT, _of_directions(entries, rates), "option", note=mean)
    yield Chart("tokens generated", "tokens/s", _of_each(entries, "average_tokens_per_second"), "option", note=mean)
    if all(entry.storage_read_p95_ms is not None for entry in entries):
        yield Chart("P95 of storage reads", "ms", _of_each(entries, "storage_read_p95_ms"), "option", note=highest)
    else:
        yield Chart("P95 of all storage I/O of a request", "ms", _of_each(entries, "p95_latency_ms"), "option", note=highest)
    yield Chart("P95 of “device” reads and writes", "ms", _of_directions(entries, devices), "option", note=f"{highest} {_DEVICE}")


def _of_each(entries: Sequence[OptionSummary], field: str) -> tuple[Group, ...]:
    return tuple(Group(f"option {entry.number}", (getattr(entry, field),)) for entry in entries)


def _of_directions(entries: Sequence[OptionSummary], fields: Mapping[str, str]) -> tuple[Group, ...]:
    """Options are no course of anything: each value is a group of its own, which no line leads to."""
    return tuple(
        Group(f"{entry.number} {word}", (getattr(entry, field),), about=word) for entry in entries for word, field in fields.items()
    )


def _of_trials(title: str, result: KVCacheResult, leaf: Leaf, summary: KVCacheSummary, entry: OptionSummary) -> Picture | NoEvidence:
    """What the ranks' files of one option show; why there is nothing where they are not all there."""
    ranks = option_ranks(result, leaf, summary, entry)
    if ranks.lacking is not None:
        return ranks.lacking
    trials = ranks.trials[:_MOST_TRIALS]
    spread = "The pale bar goes from the slowest rank to the quickest." if any(len(trial) > 1 for trial in trials) else ""
    sums = (
        Group("read", _sums(trials, "read_gib_per_second"), entry.read_gib_per_second, about="read"),
        Group("write", _sums(trials, "write_gib_per_second"), entry.write_gib_per_second, about="write"),
    )
    each = (_ranks("read", trials, "read_gib_per_second"), _ranks("write", trials, "write_gib_per_second"))
    charts = [Chart("rate", _UNIT, sums, "trial", note="The sum over all ranks; the mean is that of the summary.")]
    if spread:
        charts.append(Chart("rate of a rank", _UNIT, each, "trial", note=f"The mean of the ranks. {spread}"))
    drawn = tuple(chart for chart in charts if any(group.extremes for group in chart.groups))
    times = tuple(_distributions(trials))
    if not drawn and not any(one.values for one in times):
        return NoEvidence(f"the files of the ranks of option {entry.number} hold no figure", leaf.relpath)
    counted = f"{len(trials)} trial{'' if len(trials) == 1 else 's'} of {len(trials[0])} rank{'' if len(trials[0]) == 1 else 's'} each"
    more = [f"The first {len(trials)} of {len(ranks.trials)} trials are drawn."] if len(ranks.trials) > len(trials) else []
    says = (f"{counted[0].upper()}{counted[1:]}, as each rank wrote it.", *more, *([_DEVICE] if any(one.values for one in times) else []))
    return Picture(title, says, points=tuple(_POINTS.values()), distributions=times, charts=drawn, folded=True, of_times=_HIGHEST)


def _values(trial: Sequence[RankResult], field: str) -> list[float]:
    return [value for rank in trial if (value := getattr(rank, field)) is not None]


def _sums(trials: Sequence[Sequence[RankResult]], field: str) -> tuple[float | None, ...]:
    """Of each trial the sum over its ranks, None where one of them does not tell."""
    return tuple(sum(found) if len(found := _values(trial, field)) == len(trial) else None for trial in trials)


def _ranks(name: str, trials: Sequence[Sequence[RankResult]], field: str) -> Group:
    values = [_values(trial, field) for trial in trials]
    return Group(
        name,
        tuple(fmean(one) if one else None for one in values),
        lows=tuple(min(one) if one else None for one in values),
        highs=tuple(max(one) if one else None for one in values),
        about=name,
    )


def _distributions(trials: Sequence[Sequence[RankResult]]) -> Iterator[Distribution]:
    for key, (name, about) in _TIMES.items():
        found = [[rank.latencies_ms.get(f"{key}_{point}_ms") for trial in trials for rank in trial] for point in _POINTS]
        known = [[value for value in of_point if value is not None] for of_point in found]
        if all(known):
            yield Distribution(name, tuple(map(max, known)), about)
        elif any(known):
            yield Distribution(name, about=about, why="the ranks' files do not hold all of these percentiles")
