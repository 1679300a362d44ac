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
from pytest_mlpstorage.results.kv_cache_evidence import EVIDENCE, RankEvidence
from pytest_mlpstorage.results.kv_cache_records import KVCacheSummary, OptionSummary
from pytest_mlpstorage.results.pictures import Distribution, Line, Panel, Picture, Span
from pytest_mlpstorage.results.records import KVCacheResult, Leaf, StoredResult
from pytest_mlpstorage.rules.activity import Activity, Begin
from pytest_mlpstorage.rules.kv_cache_client import evidence_of
from pytest_mlpstorage.rules.kv_cache_runs import with_summary
from pytest_mlpstorage.rules.kv_cache_serving import request_times, serving_part
from pytest_mlpstorage.rules.kv_cache_told import UNIT, caution_of, option_sentences, why_unknown
from pytest_mlpstorage.verdict import NoEvidence

__all__ = ["kv_cache_activities", "kv_cache_pictures"]

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

_DIRECTIONS: Final = ("read", "write")

_MOST_PANELS: Final = 12
_MOST_STEPS: Final = 600
"""What a page still shows: a run of three trials of five minutes is shown in whole."""

_WINDOW: Final = "Rates are those of the window; what came before and after it is not in them."


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
        evidence = evidence_of(result, leaf, option) if block.get("client_bound") is True and native else []
        made.append(_picture(title, entry, block, evidence, native=native))
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
            of_storage = dataclasses.replace(panel, name="storage", unit=UNIT)
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


def _picture(title: str, entry: OptionSummary, block: Mapping[str, Any], evidence: Sequence[RankEvidence], *, native: bool) -> Picture:
    serving = serving_part(block)
    says = (*option_sentences(entry, block, evidence, native=native), *_left_out(block))
    return Picture(
        title,
        says,
        caution=caution_of(says),
        unit=UNIT,
        panels=tuple(_panels(block)),
        points=tuple(_POINTS.values()),
        distributions=tuple(_distributions(block)) if serving is None else (request_times(serving, tuple(_POINTS)), *_distributions(block)),
        of_times="All operations that ended in the window, of all clients and trials; logarithmic.",
    )


def _left_out(block: Mapping[str, Any]) -> Iterator[str]:
    drawn = block.get("series_1s")
    if isinstance(drawn, list) and len(drawn) > _MOST_PANELS:
        yield f"The first {_MOST_PANELS} of {len(drawn)} trials are drawn."


def _panels(block: Mapping[str, Any]) -> Iterator[Panel]:
    """A panel a trial; a trial whose ranks could not be added has none."""
    from pytest_mlpstorage.kvcache.series import ByteSeries  # numpy, which no other result needs

    trials = block.get("series_1s")
    if not isinstance(trials, list):
        return
    for trial, each in enumerate(trials[:_MOST_PANELS]):
        read = {word: ByteSeries.from_json(each.get(word)) for word in _DIRECTIONS} if isinstance(each, Mapping) else {}
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
            yield Distribution(name, about=about, why=why_unknown(block, key))
