"""What the official tool would have printed of a pass, worked out from our log of it (kvcache.md §5.8).

The tool counts a read when it begins and a write when it returns, takes its statistics long after the deadline, and divides by the time
it meant to run. Every figure under an official name comes from here, so that it compares with published ones and with nothing else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_MILLISECOND, NANOSECONDS_PER_SECOND, NEVER, Events
from pytest_mlpstorage.kvcache.histogram import percentile
from pytest_mlpstorage.kvcache.official_counters import by, cache_stats, turn_hits_and_misses
from pytest_mlpstorage.kvcache.qos import qos_metrics
from pytest_mlpstorage.results.coerce import JSONObject, Reading

__all__ = ["JOIN_NS", "OfficialPass", "late_lower_bound", "official_view", "statistics_time", "worker_ends"]

JOIN_NS: Final = 2 * NANOSECONDS_PER_SECOND
"""How long the tool waits for each of its threads before it takes its statistics without it."""

_POINTS: Final = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p999": 99.9, "p9999": 99.99}


@dataclasses.dataclass(frozen=True)
class OfficialPass:
    """What the view needs besides the logs. ``waited_ns``: from the start until the stop flag was set, normally the nominal duration.

    ``workers`` are numbered in the order of their creation. ``generator_end_ns``: when the generator of requests ended; the flag ends
    it at once unless something else is said.
    """

    waited_ns: int
    workers: int
    bytes_per_token: int
    seed: int
    generator_end_ns: int | None = None

    def __post_init__(self) -> None:
        if self.waited_ns <= 0:
            raise ValueError("a pass that did not wait has no rate")


def statistics_time(stop_ns: int, ends: Iterable[int | None]) -> int:
    """When statistics would be taken: every thread joined in turn, for at most 2 s; None is a thread that does not end.

    With None for each that is still at work it is the latest that it can become: until then a pass may drain.
    """
    now = stop_ns
    for end in ends:
        limit = now + JOIN_NS
        now = max(now, limit if end is None else min(end, limit))
    return now


def worker_ends(requests: Events, workers: int, stop_ns: int) -> list[int | None]:
    """When each worker ended after the flag: with its last request, at the flag where it was idle, never with one that was abandoned."""
    ends: list[int | None] = [stop_ns] * workers
    order = np.lexsort((requests["t_done"], requests["worker"]))
    for worker, done in zip(requests["worker"][order].tolist(), requests["t_done"][order].tolist(), strict=True):
        # Sorted, an abandoned request comes first of its worker, and nothing after it brings the worker to an end.
        if done == NEVER:
            ends[worker] = None
        elif ends[worker] is not None:
            ends[worker] = max(done, stop_ns)
    return ends


def official_view(events: Events, requests: Events, facts: OfficialPass) -> dict[str, Any]:
    """The rank's file as the tool would have written it, of a log of operations and one of requests, both by a clock from the start on."""
    stop = facts.waited_ns
    generator = stop if facts.generator_end_ns is None else facts.generator_end_ns
    taken = statistics_time(stop, [generator, *worker_ends(requests, facts.workers, stop)])
    recorded = requests[by(requests["t_done"], taken)]
    recorded = recorded[np.argsort(recorded["t_done"], kind="stable")]
    begun = requests[by(requests["t_dequeue"], taken)]
    elapsed = stop / NANOSECONDS_PER_SECOND
    lists = {
        "end_to_end": recorded["t_done"] - recorded["t_intended"],
        "storage_io": recorded["storage_ns"],
        "generation": recorded["generation_ns"],
    }
    tokens = int(recorded["generated_tokens"].sum(dtype=np.int64))
    storage_seconds = int(lists["storage_io"].sum()) / NANOSECONDS_PER_SECOND
    hits, misses = turn_hits_and_misses(events, taken)
    return {
        "requests_completed": len(recorded),
        "total_tokens_generated": tokens,
        "total_storage_io_latency": storage_seconds,
        "total_generation_latency": int(lists["generation"].sum()) / NANOSECONDS_PER_SECOND,
        "end_to_end_latencies": _seconds(lists["end_to_end"]),
        "storage_latencies": _seconds(lists["storage_io"]),
        "generation_latencies": _seconds(lists["generation"]),
        "throughput_timeline": [],
        "prefill_latencies": _seconds(recorded["prefill_ns"]),
        "decode_latencies": _seconds(recorded["decode_ns"]),
        "multi_turn_cache_hits": hits,
        "multi_turn_cache_misses": misses,
        "seed": facts.seed,
        "summary": {
            "total_requests": len(recorded),
            "total_tokens": tokens,
            "elapsed_time": elapsed,
            "avg_throughput_tokens_per_sec": tokens / elapsed,
            "total_storage_io_time": storage_seconds,
            "storage_throughput_tokens_per_sec": tokens / storage_seconds if storage_seconds else None,
            "requests_per_second": len(recorded) / elapsed,
            **{f"{name}_latency_ms": _points(values) for name, values in lists.items()},
            "cache_stats": cache_stats(events, requests, taken, elapsed, facts.bytes_per_token),
            "qos_metrics": qos_metrics(recorded),
            "prefix_cache_stats": _prefixes(begun, facts.bytes_per_token),
            "autoscaling_stats": [],
            "autoscaling_summary": None,
            "multi_turn_stats": {
                "cache_hits": hits,
                "cache_misses": misses,
                "hit_rate": hits / (hits + misses) if hits + misses else None,
            },
        },
    }


def _seconds(durations: npt.NDArray[np.int64]) -> list[float]:
    seconds: list[float] = (durations / NANOSECONDS_PER_SECOND).tolist()
    return seconds


def _points(durations: npt.NDArray[np.int64]) -> dict[str, float] | None:
    if not len(durations):
        return None
    points = {name: percentile(durations, percent) for name, percent in _POINTS.items()}
    return {name: value / NANOSECONDS_PER_MILLISECOND for name, value in {"mean": float(np.mean(durations)), **points}.items()}


def _prefixes(begun: Events, bytes_per_token: int) -> dict[str, int]:
    """A request with a system prompt is a hit, though its entry is never there; the prompt's tokens are "saved"."""
    saved = begun["prefix_tokens"]
    hits = int(np.count_nonzero(saved))
    return {
        "prefix_hits": hits,
        "prefix_misses": len(begun) - hits,
        "system_prompt_reuse": hits,
        "common_phrase_reuse": 0,
        "bytes_saved": int(saved.sum(dtype=np.int64)) * bytes_per_token,
    }


def late_lower_bound(raw: JSONObject) -> int | None:
    """How many requests of a rank's file ended after its window for certain: they took longer than it was. None where it does not say.

    All that can be known of a file of the official tool, which has no log of its operations.
    """
    fields = Reading(raw)
    elapsed = Reading(fields.mapping("summary") or {}).number("elapsed_time")
    taken = fields.numbers("end_to_end_latencies")
    return None if elapsed is None or taken is None else sum(seconds > elapsed for seconds in taken)
