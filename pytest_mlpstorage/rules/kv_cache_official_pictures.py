"""What a KV cache run of the official tool has to show: its options beside each other, and the trials of each where its ranks' files are.

The tool writes sums and percentiles and no course, so nothing is drawn over time; and its rates are by its own formula alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final, TypeAlias

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary, OptionSummary, RankResult
from pytest_mlpstorage.results.pictures import Chart, Distribution, Group, Picture, figure_text
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, StoredResult
from pytest_mlpstorage.rules.kv_cache_runs import option_ranks, published, with_summary
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["official_pictures"]

_Trials: TypeAlias = Sequence[Sequence[RankResult]]

_UNIT: Final = "GiB/s"
_MOST_TRIALS: Final = 24
_MOST: Final = 1e15
"""A rate or a time in ms from here on is none: sums of them would have no end, and means of them raise."""

_RATES: Final[Mapping[str, str]] = {"read": "read_gib_per_second", "write": "write_gib_per_second"}
_DEVICES: Final[Mapping[str, str]] = {"read": "device_read_p95_ms", "write": "device_write_p95_ms"}
_FIGURES: Final[Mapping[str, str]] = {
    "read_gib_per_second": "rate of reads",
    "write_gib_per_second": "rate of writes",
    "average_tokens_per_second": "tokens generated",
    "storage_read_p95_ms": "P95 of storage reads",
    "p95_latency_ms": "P95 of all storage I/O",
    "device_read_p95_ms": "“device” P95 of reads",
    "device_write_p95_ms": "“device” P95 of writes",
}
"""Field of an option → what its value is called where it cannot be drawn. A field that ends in ``_ms`` is a time."""

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


def _drawn(field: str, value: float | None) -> float | None:
    """A value that can be what its field says, else None. No time is 0 ms: the official tool writes that for one that it has not."""
    if value is None:
        return None
    return value if (_is_time(value) if field.endswith("_ms") else 0 <= value < _MOST) else None


def _is_time(milliseconds: float) -> bool:
    return 0 < milliseconds < _MOST


def _of(entry: OptionSummary, field: str) -> float | None:
    return _drawn(field, getattr(entry, field))


def _sentences(entries: Sequence[OptionSummary]) -> Iterator[str]:
    told = []
    for entry in entries:
        rates = {word: _of(entry, field) for word, field in _RATES.items()}
        known = [f"{word} {figure_text(rate)} {_UNIT}" for word, rate in rates.items() if rate is not None]
        told += [f"option {entry.number} {', '.join(known)}"] if known else []
    if told:
        yield f"As the official tool wrote it: {'; '.join(told)}."
        yield _FORMULA
    yield from _not_drawn(entries)
    if idle := _numbers(entry for entry in entries if entry.cpu_tier_ranks):
        yield f"Of option {idle} the summary lists ranks that kept nothing on storage, and have no time of it."
    if broken := _numbers(entry for entry in entries if entry.partial_failure):
        yield f"A part of option {broken} failed: its figures are of what was left."


def _numbers(entries: Iterable[OptionSummary]) -> str:
    return ", ".join(str(entry.number) for entry in entries)


def _not_drawn(entries: Sequence[OptionSummary]) -> Iterator[str]:
    """What charts do not show of which option, and why; a figure that no summary of an option holds is asked of none."""
    for field, name in _FIGURES.items():
        asked = _without_reads(entries) if field == "p95_latency_ms" else entries
        lacking = [entry for entry in asked if _of(entry, field) is None]
        values = [(entry, getattr(entry, field)) for entry in lacking]
        if zeros := _numbers(entry for entry, value in values if value == 0):
            yield f"The {name} of option {zeros} is 0 ms in the summary, as the tool writes where it has none: it is not drawn."
        if wrong := _numbers(entry for entry, value in values if value):
            yield f"The {name} of option {wrong} in the summary can be no such figure, and is not drawn."
        missing = _numbers(entry for entry, value in values if value is None)
        if missing and len(lacking) < len(asked):
            yield f"The summary holds no {name} of option {missing}."


def _without_reads(entries: Sequence[OptionSummary]) -> Sequence[OptionSummary]:
    """The options to show the P95 of all storage I/O of: none where each has that of reads, as the results table takes it; else all."""
    return () if all(_of(entry, "storage_read_p95_ms") is not None for entry in entries) else entries


def _of_options(entries: Sequence[OptionSummary]) -> Iterator[Chart]:
    """A value an option, from the summary, which is always there."""
    mean, highest = "All ranks together, mean of the trials.", "The highest of any rank in any trial."
    yield Chart("rate", _UNIT, _of_directions(entries, _RATES), "option", note=mean)
    yield Chart("tokens generated", "tokens/s", _of_each(entries, "average_tokens_per_second"), "option", note=mean)
    yield Chart("P95 of storage reads", "ms", _of_each(entries, "storage_read_p95_ms"), "option", note=highest)
    of_all = _of_each(_without_reads(entries), "p95_latency_ms")
    yield Chart("P95 of all storage I/O of a request", "ms", of_all, "option", note=highest)
    yield Chart("P95 of “device” reads and writes", "ms", _of_directions(entries, _DEVICES), "option", note=f"{highest} {_DEVICE}")


def _of_each(entries: Sequence[OptionSummary], field: str) -> tuple[Group, ...]:
    """The options that have the figure; of the others it is said that they have none."""
    return tuple(Group(f"option {entry.number}", (value,)) for entry in entries if (value := _of(entry, field)) is not None)


def _of_directions(entries: Sequence[OptionSummary], fields: Mapping[str, str]) -> tuple[Group, ...]:
    """Options are no course of anything: each value is a group of its own, which no line leads to."""
    return tuple(
        Group(f"{entry.number} {word}", (value,), about=word)
        for entry in entries
        for word, field in fields.items()
        if (value := _of(entry, field)) is not None
    )


def _of_trials(title: str, result: KVCacheResult, leaf: Leaf, summary: KVCacheSummary, entry: OptionSummary) -> Picture | NoEvidence:
    """What the ranks' files of one option show; why there is nothing where they are not all there."""
    ranks = option_ranks(result, leaf, summary, entry)
    if ranks.lacking is not None:
        return ranks.lacking
    trials = ranks.trials[:_MOST_TRIALS]
    spread = "The pale bar goes from the slowest rank to the quickest." if any(len(trial) > 1 for trial in trials) else ""
    sums = [Group(word, _sums(trials, field), _of(entry, field), about=word) for word, field in _RATES.items()]
    each = [_ranks(word, trials, field) for word, field in _RATES.items()]
    charts = [Chart("rate", _UNIT, _known(sums), "trial", note="The sum over all ranks; the mean is that of the summary.")]
    if spread:
        charts.append(Chart("rate of a rank", _UNIT, _known(each), "trial", note=f"The mean of the ranks. {spread}"))
    drawn = tuple(chart for chart in charts if chart.groups)
    times = tuple(_distributions(ranks.trials))
    if not drawn and not any(one.values for one in times):
        return NoEvidence(f"the files of the ranks of option {entry.number} hold no figure", leaf.relpath)
    says = tuple(_of_trials_in_words(ranks.trials, trials, timed=any(one.values for one in times)))
    return Picture(title, says, points=tuple(_POINTS.values()), distributions=times, charts=drawn, folded=True, of_times=_HIGHEST)


def _of_trials_in_words(there: _Trials, drawn: _Trials, *, timed: bool) -> Iterator[str]:
    ranks = len(there[0])
    yield f"{len(there)} trial{'' if len(there) == 1 else 's'} of {ranks} rank{'' if ranks == 1 else 's'} each, as each rank wrote it."
    if len(drawn) < len(there):
        yield f"The first {len(drawn)} trials are drawn one by one; the times are of all."
    for word, field in _RATES.items():
        unknown = [str(trial[0].name.trial) for trial, value in zip(drawn, _sums(drawn, field), strict=True) if value is None]
        if unknown:
            yield f"No sum of {word}s is drawn of trial {', '.join(unknown)}: not each of its ranks tells a rate that can be."
    wrong = sum(value is not None and not _is_time(value) for key in _keys() for value in _times(there, key))
    if wrong:
        are = " is" if wrong == 1 else "s are"
        yield f"In the ranks' files {wrong:,} percentile{are} 0 ms or no time at all, and left out."
    if timed:
        yield _DEVICE


def _known(groups: Iterable[Group]) -> tuple[Group, ...]:
    return tuple(group for group in groups if group.extremes)


def _values(trial: Sequence[RankResult], field: str) -> list[float]:
    return [value for rank in trial if (value := _drawn(field, getattr(rank, field))) is not None]


def _sums(trials: _Trials, field: str) -> tuple[float | None, ...]:
    """Of each trial the sum over its ranks, None where one of them does not tell."""
    return tuple(sum(found) if len(found := _values(trial, field)) == len(trial) else None for trial in trials)


def _ranks(name: str, trials: _Trials, field: str) -> Group:
    values = [_values(trial, field) for trial in trials]
    return Group(
        name,
        tuple(fmean(one) if one else None for one in values),
        lows=tuple(min(one) if one else None for one in values),
        highs=tuple(max(one) if one else None for one in values),
        about=name,
    )


def _keys() -> list[str]:
    return [f"{key}_{point}_ms" for key in _TIMES for point in _POINTS]


def _times(trials: _Trials, key: str) -> list[float | None]:
    return [rank.latencies_ms.get(key) for trial in trials for rank in trial]


def _distributions(trials: _Trials) -> Iterator[Distribution]:
    """Of all trials, whether each of them is drawn or not."""
    for key, (name, about) in _TIMES.items():
        found = {point: _times(trials, f"{key}_{point}_ms") for point in _POINTS}
        known = [[value for value in values if value is not None and _is_time(value)] for values in found.values()]
        if all(known):
            yield Distribution(name, tuple(map(max, known)), about)
        elif any(value is not None for values in found.values() for value in values):
            yield Distribution(name, about=about, why="the ranks' files do not hold all of these percentiles")
