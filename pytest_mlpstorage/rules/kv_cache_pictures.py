"""What a KV cache run has to show, option by option: the true rates second by second, the official figures beside them, and times.

Only a run whose summary holds our block (``mlps``) has anything to show: a summary of the official tool has sums and no course.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.kv_cache_evidence import EVIDENCE
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary, OptionSummary
from pytest_mlpstorage.results.pictures import Distribution, Line, Panel, Picture, Span
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, StoredResult
from pytest_mlpstorage.rules.activity import Activity, Begin
from pytest_mlpstorage.rules.kv_cache_runs import with_summary
from pytest_mlpstorage.rules.kv_cache_serving import request_times, serving_part, serving_sentences
from pytest_mlpstorage.units import GIB
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["kv_cache_activities", "kv_cache_pictures"]

_UNIT: Final = "GiB/s"
_POINTS: Final[Mapping[str, str]] = {"mean": "mean", "p50": "P50", "p95": "P95", "p99": "P99", "p999": "P99.9", "max": "max"}

_TIMES: Final[Mapping[str, tuple[str, str]]] = {
    "object_load_latency_ms": ("entry loaded", "read"),
    "object_store_latency_ms": ("entry stored, durable", "write"),
    "chunk_read_latency_ms": ("chunk read", "read"),
    "chunk_write_latency_ms": ("chunk written", "write"),
    "queue_age_ms": ("request waited in the queue", ""),
    "service_ms": ("request in service", ""),
    "eviction_ms": ("eviction step", ""),
}
"""Key of a distribution → its name, and the direction of storage that it is of."""

_MOST_PANELS: Final = 12
_MOST_STEPS: Final = 600
"""What a page still shows: a run of three trials of five minutes is shown in whole."""

_SAME: Final = 0.005
"""A factor that is no further from 1 makes no difference to tell."""

_FORMULA: Final = "The official formula"
_WHY: Final = ": it counts work that ended after the window, and divides by the window alone."

_OVERLOADED: Final = 1.05
"""A backlog that is no larger tells nothing of the queue."""

_WHOLE: Final = 100
"""From here on a fraction of a millisecond is noise."""

_WINDOW: Final = "Rates are those of the window; what came before and after it is not in them."
_NOT_TESTED: Final = "caches in the storage itself are not tested"

_OFFICIAL: Final[Mapping[str, str]] = {"read": "aggregated_read_bandwidth_gbps", "write": "aggregated_write_bandwidth_gbps"}


def kv_cache_pictures(result: StoredResult, edition: Edition) -> list[Picture]:
    """A picture of each option of a run of ours; none of any other result."""
    if not isinstance(result, KVCacheResult):
        return []
    found = with_summary(result)
    if isinstance(found, NoEvidence):
        return []
    leaf, summary = found
    book = edition.kv_cache.options if edition.kv_cache is not None else {}  # a tree of an older edition may hold such a run
    engine = leaf.metadata.mlps.get("engine") if leaf.metadata is not None else None
    native = not isinstance(engine, Mapping) or engine.get("name") != "official"
    made = []
    for option, entry, block in _blocks(summary):
        name = book[option].name if option in book else ""
        serving = serving_part(block)
        name = name if serving is None else f"profile {serving.get('profile')}"
        title = f"option {option}: {name}" if name else f"option {option}"
        made.append(_picture(title, entry, block, native=native))
    return made


def _blocks(summary: KVCacheSummary) -> Iterator[tuple[int, OptionSummary, Mapping[str, Any]]]:
    """Each option that a run of ours did, with our block of it."""
    for option, entry in summary.options.items():
        block = entry.raw.get("mlps")
        if isinstance(block, Mapping) and block:
            yield option, entry, block


def kv_cache_activities(result: StoredResult, edition: Edition) -> list[Activity]:  # noqa: ARG001 - each family is asked the same way
    """The rates of each pass of a run of ours, and when its window was."""
    found = with_summary(result) if isinstance(result, KVCacheResult) else NoEvidence("of another family", "")
    if isinstance(found, NoEvidence):
        return []
    leaf, summary = found
    made = []
    for option, _, block in _blocks(summary):
        for panel in _panels(block):
            launch = f"option{option}-{panel.name.replace(' ', '')}"
            window = Span("window", 0.0, panel.seconds)
            title = f"Option {option}, {panel.name} over time"
            of_storage = dataclasses.replace(panel, name="storage", unit=_UNIT)
            begin = _begin(result, leaf, f"option_{option}/{panel.name.replace(' ', '_')}/rank_0/{EVIDENCE}")
            made.append(Activity(leaf, title, (of_storage,), (window,), (_WINDOW,), launch, begin, panel.axis))
    return made


def _begin(result: StoredResult, leaf: Leaf, name: str) -> Begin:
    """When the window of a pass began, by the clock of the first client's host."""
    raw = TreeFiles(result.root).json_object(leaf.path / name) if name in leaf.files - leaf.pruned else None
    starts = raw.get("starts_ns") if raw is not None else None
    start = number(starts[0]) if isinstance(starts, list) and starts else None
    of_epoch = number(raw.get("clock_epoch_ns")) if raw is not None else None
    host = raw.get("host") if raw is not None else None
    epoch = (start + of_epoch) / 1e9 if start is not None and of_epoch is not None else None
    return Begin(epoch_seconds=epoch, host=host if isinstance(host, str) else None)


def _picture(title: str, entry: OptionSummary, block: Mapping[str, Any], *, native: bool) -> Picture:
    serving = serving_part(block)
    says = tuple(_sentences(entry, block, native=native))
    return Picture(
        title,
        says,
        caution=next((sentence.removesuffix(_WHY) for sentence in says if sentence.startswith(_FORMULA) and sentence.endswith(_WHY)), ""),
        unit=_UNIT,
        panels=tuple(_panels(block)),
        points=tuple(_POINTS.values()),
        distributions=tuple(_distributions(block)) if serving is None else (request_times(serving, tuple(_POINTS)), *_distributions(block)),
        of_times="All operations that ended in the window, of all clients and trials; logarithmic.",
    )


def _sentences(entry: OptionSummary, block: Mapping[str, Any], *, native: bool) -> Iterator[str]:
    rates = {word: number(block.get(f"storage_{word}_bandwidth_window_gibps")) for word in _OFFICIAL}
    window, ranks, trials = number(block.get("window_s")), entry.rank_count, entry.trial_count
    where = f"in the window of {window:g} s" if window is not None else "in the window"
    whose = f"{_counted(ranks, 'client')} together, {'mean of ' if trials and trials > 1 else ''}{_counted(trials, 'trial')}"
    true = [f"{word} {rate:.3g} {_UNIT}" for word, rate in rates.items() if rate is not None]
    if true:
        yield f"True rate: {', '.join(true)}: what storage completed {where}, {_counted_writes(block)} ({whose})."
    for word, rate in rates.items():
        if rate is None:
            yield f"No true rate to {word}: {_why(block, f'storage_{word}_bandwidth_window_gibps')}."
    waiting = number(block.get("write_not_durable_bytes"))
    if waiting:
        besides = f"Besides, {waiting / GIB:.3g} GiB written in the window were of entries not durable at its end, and count for nothing"
        moved = sum(rate or 0.0 for rate in rates.values()) + waiting / GIB / window / trials if window and trials else None
        yield f"{besides}." if moved is None else f"{besides}; with them storage moved {moved:.3g} {_UNIT} in all."
    serving = serving_part(block)
    if serving is not None:
        # The official figures are of the rule book's work; of another they say nothing.
        yield from serving_sentences(serving, trials)
    else:
        yield from _official(entry, block, rates, native=native)
    tokens = number(block.get("tokens_in_window_per_s"))
    official_tokens = entry.average_tokens_per_second if serving is None else None
    if tokens is not None:
        beside = f", by the official formula {official_tokens:,.4g}" if official_tokens is not None else ""
        yield f"Tokens generated: {tokens:,.4g} a second{beside}."
    if serving is None:
        yield from _load(block)
    yield from _trust(block)
    drawn = block.get("series_1s")
    if isinstance(drawn, list) and len(drawn) > _MOST_PANELS:
        yield f"The first {_MOST_PANELS} of {len(drawn)} trials are drawn."


def _counted_writes(block: Mapping[str, Any]) -> str:
    return (
        "writes when they were done: nothing was forced to disk" if block.get("durability") == "none" else "writes once they were durable"
    )


def _official(entry: OptionSummary, block: Mapping[str, Any], rates: Mapping[str, float | None], *, native: bool) -> Iterator[str]:
    """What the official formula makes of the same run."""
    told, apart = [], False
    for word, key in _OFFICIAL.items():
        official, rate = number(entry.raw.get(key)), rates[word]
        if official is None:
            continue
        factor = official / rate if rate else None
        apart = apart or (factor is not None and abs(factor - 1) > _SAME)
        told.append(f"{word} {official:.3g} {_UNIT}" + (f" ({factor:.2f} × the true rate)" if factor is not None else ""))
    if told:
        would = "would have said" if native else "said"
        yield f"{_FORMULA} {would} {', '.join(told)}{_WHY if apart else '.'}"
    late = number(block.get("late_requests_lower_bound"))
    if late and not native:  # of ours the true rate says more
        yield f"At least {late:,.0f} of the requests that these figures count ended after the window."
    yield from _table(entry)


def _table(entry: OptionSummary) -> Iterator[str]:
    """Latencies and the rate that rule 6.3.4 and the results table take of this run, which are not of its whole population."""
    highest = {
        "of all storage I/O of a request": entry.p95_latency_ms if entry.storage_read_p95_ms is None else None,
        "of storage reads": entry.storage_read_p95_ms,
        "of device reads": entry.device_read_p95_ms,
        "of device writes": entry.device_write_p95_ms,
    }
    told = [f"{_ms(value)} {of}" for of, value in highest.items() if value is not None]
    if told:
        yield f"The official P95s are the highest of any client in any trial ({', '.join(told)}); the times below are of all of them."
    tokens = entry.storage_tokens_per_second
    if tokens is not None:
        yield f"The official storage throughput is {tokens:,.4g} tokens a second of all requests' waiting for caches of any tier."


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if abs(value) >= _WHOLE else f"{value:.3g} ms"


def _load(block: Mapping[str, Any]) -> Iterator[str]:
    ended, arrived, factor = (number(block.get(key)) for key in ("requests_in_window", "arrivals_in_window", "overload_factor"))
    if ended is None or arrived is None:
        return
    if arrived and not ended:
        yield f"{arrived:,.0f} requests arrived and none was served in the window: no time of a request is told."
        return
    if factor is None or factor <= _OVERLOADED:
        yield f"{ended:,.0f} of {arrived:,.0f} requests that arrived were served in the window."
        return
    yield (
        f"{arrived:,.0f} requests arrived and {ended:,.0f} were served in the window ({factor:.3g} × overload): "
        "the time in the queue is that of the load, the time in service that of client and storage."
    )


def _trust(block: Mapping[str, Any]) -> Iterator[str]:
    direct, filesystem = block.get("direct"), block.get("filesystem")
    where = f", on {filesystem}" if isinstance(filesystem, str) else ""
    if block.get("storage") == "memory":
        yield f"Storage: none, for {filesystem} lies in memory."
    elif block.get("backend") == "buffered":
        resident = number(block.get("resident_fraction_before_read"))
        why = f"what of it lay in it is not known: {_why(block, 'resident_fraction_before_read')}"
        lay = why if resident is None else f"{resident:.1%} of what was read lay in it"
        yield f"Storage: through the page cache, each entry dropped from it before it was read ({lay}){where}; {_NOT_TESTED}."
    elif isinstance(direct, str):
        said = {
            "proved": "direct I/O, proved by the kernel's counters",
            "unproved": "direct I/O could not be proved: no counter of the kernel tells",
            "refuted": "direct I/O is refuted by the kernel's counters: figures may be of memory",
        }.get(direct, f"direct I/O: {direct}")
        yield f"Storage: {said}{where}; {_NOT_TESTED}."
    if block.get("client_bound") is True:
        yield "The client was the limit, not the storage: see the ranks' evidence.json."
    if block.get("comparable") is False:
        reasons = block.get("comparable_reasons")
        listed = ", ".join(map(str, reasons)) if isinstance(reasons, list) else reasons
        yield f"Not to be compared with figures of the official tool ({listed})."


def _panels(block: Mapping[str, Any]) -> Iterator[Panel]:
    """A panel a trial; a trial whose ranks could not be added has none."""
    from pytest_mlpstorage.kvcache.series import ByteSeries  # numpy, which no other result needs

    trials = block.get("series_1s")
    if not isinstance(trials, list):
        return
    for trial, each in enumerate(trials[:_MOST_PANELS]):
        read = {word: ByteSeries.from_json(each.get(word)) for word in _OFFICIAL} if isinstance(each, Mapping) else {}
        known = {word: one for word, one in read.items() if one is not None}
        if known:
            seconds = max(one.window_ns for one in known.values()) / 10**9
            step = math.ceil(seconds / _MOST_STEPS)
            lines = [_line(word, one.gib_per_second, one.rates_gib_per_second(), step) for word, one in known.items()]
            yield Panel(f"trial {trial}", seconds, tuple(lines), float(step))


def _line(word: str, mean: float, rates: Sequence[float], step: int) -> Line:
    """The mean of each ``step`` seconds, and the least and the greatest second of them."""
    parts = [rates[begin : begin + step] for begin in range(0, len(rates), step)]
    if step == 1:
        return Line(word, mean, tuple(rates))
    return Line(word, mean, tuple(map(fmean, parts)), tuple(map(min, parts)), tuple(map(max, parts)))


def _distributions(block: Mapping[str, Any]) -> Iterator[Distribution]:
    for key, (name, about) in _TIMES.items():
        times = block.get(key)
        values = [number(times.get(point)) for point in _POINTS] if isinstance(times, Mapping) else []
        known = [value for value in values if value is not None]
        if known and len(known) == len(values):
            yield Distribution(name, tuple(known), about)
        else:
            yield Distribution(name, about=about, why=_why(block, key))


def _why(block: Mapping[str, Any], key: str) -> str:
    reasons = block.get("null_reasons")
    return str(reasons.get(key, "the summary does not say")) if isinstance(reasons, Mapping) else "the summary does not say"


def _counted(count: int | None, what: str) -> str:
    return f"an unknown number of {what}s" if count is None else f"{count} {what}{'' if count == 1 else 's'}"
