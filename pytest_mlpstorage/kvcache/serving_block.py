"""``mlps.serving``: what only the profiles ``serving`` and ``replay`` have to tell, of a rank and of an option (kvcache.md §5.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND, NEVER, Events
from pytest_mlpstorage.kvcache.histogram import LogHistogram, exact_ms
from pytest_mlpstorage.kvcache.layout_chunk import chunk_file_bytes
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.rank_block import NULL_REASONS
from pytest_mlpstorage.kvcache.serving_job import ServingJob
from pytest_mlpstorage.kvcache.serving_runner import BACKLOG_MOST, ServingOutcome
from pytest_mlpstorage.kvcache.trust import Note
from pytest_mlpstorage.kvcache.window_view import requests_done
from pytest_mlpstorage.kvcache.work import Schedule
from pytest_mlpstorage.results.coerce import number

__all__ = ["KEY", "rank_serving", "serving_notes", "serving_of_ranks"]

KEY: Final = "serving"
"""Name of the part in a block."""

_SUMS: Final = (
    "requests",
    "requests_left_out",
    "chunk_lookups",
    "chunk_hits",
    "waiting_at_end",
    "in_service_at_end",
    "requests_per_second",
)
_HIGHEST: Final = ("backlog_share", "time_to_finish_s")
_SAME: Final = (
    "profile", "load", "latencies", "outstanding", "rate_per_second", "warmup_s", "layout", "rename", "order", "promotion",
    "chunk_tokens", "chunk_bytes", "chunk_file_bytes", "trace",
)  # fmt: skip
_HISTOGRAM: Final = "request_histogram"
_LATENCY: Final = "request_latency_ms"

_WHY_NULL: Final[Mapping[str, str]] = {
    "rate_per_second": "requests come when another one ends, or when the trace says",
    "time_to_finish_s": "not every request was served to its end",
    "backlog_share": "in a closed loop no request waits",
    "chunk_hit_rate": "no chunk was looked up",
    "trace": "the requests are those of no trace",
    _LATENCY: "no request ended in the window",
}


def rank_serving(
    serving: ServingJob, schedule: Schedule, model: KVModel, served: ServingOutcome, requests: Events, window_ns: int
) -> dict[str, Any]:
    """The part of one rank. A latency of a closed loop omits queueing, and its label says so."""
    done = requests_done(requests, window_ns)
    closed = serving.load == "closed"
    latencies = done["t_done"] - (done["t_dequeue"] if closed else done["t_intended"])
    histogram = LogHistogram()
    histogram.add(latencies)
    last = int(requests["t_done"].max(initial=NEVER))
    hits, misses = (int(requests[name].sum(dtype=np.int64)) for name in ("hits", "misses"))
    payload = model.entry_bytes(schedule.chunk_tokens)
    part = {
        "profile": serving.profile,
        "load": serving.load,
        "latencies": serving.latency_label,
        "outstanding": serving.outstanding,
        "rate_per_second": serving.rate_per_second,
        "warmup_s": serving.warmup_seconds,
        "requests": served.arrivals,
        "requests_left_out": schedule.parameters.get("requests_left_out", 0),
        "finished": served.finished,
        "time_to_finish_s": last / NANOSECONDS_PER_SECOND + serving.warmup_seconds if served.finished and last > NEVER else None,
        "requests_per_second": len(done) / (window_ns / NANOSECONDS_PER_SECOND),
        "waiting_at_end": served.waiting,
        "in_service_at_end": served.in_service,
        "backlog_share": None if closed else served.backlog_share,
        "chunk_lookups": hits + misses,
        "chunk_hits": hits,
        "chunk_hit_rate": hits / (hits + misses) if hits + misses else None,
        "layout": serving.layout,
        "rename": serving.rename,
        "order": serving.order,
        "promotion": serving.promotion,
        "chunk_tokens": schedule.chunk_tokens,
        "chunk_bytes": payload,
        "chunk_file_bytes": chunk_file_bytes(payload),
        "trace": _told_trace(serving),
        _LATENCY: exact_ms(latencies),
        _HISTOGRAM: histogram.to_json(),
    }  # fmt: skip
    return {**part, NULL_REASONS: _reasons(part)}


def _reasons(part: Mapping[str, Any]) -> dict[str, str]:
    """Why each value that is null is: all others are there unless a file of a rank was damaged."""
    return {key: _WHY_NULL.get(key, "not every rank tells it") for key, value in part.items() if value is None}


def _told_trace(serving: ServingJob) -> dict[str, Any] | None:
    """How the trace was played; its path is in the job file, and no business of a reader of the figures."""
    trace = serving.trace
    return None if trace is None else {"format": trace.format, "speedup": trace.speedup, "passes": trace.passes}


def serving_notes(serving: ServingJob, schedule: Schedule, served: ServingOutcome) -> tuple[Note, ...]:
    """What makes the load no measurement, and what its reader must know."""
    found = []
    if serving.load == "open" and served.backlog_share > BACKLOG_MOST:
        text = (
            f"the storage did not keep up: of {served.arrivals} requests {served.waiting} waited, besides {served.in_service} in service, "
            f"at the end of the window ({served.backlog_share:.1%}; at most {BACKLOG_MOST:.0%} may wait)"
        )
        found.append(Note("backlog", "error", text))
    if serving.load == "closed" and not served.finished:
        text = f"the window ended before the list of {served.arrivals} requests did, so there is no time to finish"
        found.append(Note("work_list", "info", text))
    left_out = schedule.parameters.get("requests_left_out", 0)
    if left_out:
        found.append(Note("trace", "info", f"{left_out} requests of the trace arrive after the window and were left out"))
    return tuple(found)


def serving_of_ranks(parts: Sequence[object]) -> dict[str, Any] | None:
    """The part of an option from those of its ranks and trials; None where one has none. Counts and rates are added up over all of them."""
    known = [part for part in parts if isinstance(part, Mapping)]
    if not known or len(known) != len(parts):
        return None
    found: dict[str, Any] = {}
    for key in _SAME:
        values = [part.get(key) for part in known]
        found[key] = values[0] if all(value == values[0] for value in values) else values
    for key in _SUMS:
        found[key] = _reduced(sum, known, key)
    for key in _HIGHEST:
        found[key] = _reduced(max, known, key)
    found["finished"] = all(part.get("finished") is True for part in known)
    lookups, hits = found["chunk_lookups"], found["chunk_hits"]
    found["chunk_hit_rate"] = hits / lookups if lookups and hits is not None else None
    histograms = [LogHistogram.from_json(part.get(_HISTOGRAM)) for part in known]
    sound = [histogram for histogram in histograms if histogram is not None]
    whole = LogHistogram.merged(sound) if len(sound) == len(histograms) else None
    found[_LATENCY] = None if whole is None else whole.ms()
    found[_HISTOGRAM] = None if whole is None else whole.to_json()
    return {**found, NULL_REASONS: _reasons(found)}


def _reduced(how: Any, parts: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [number(part.get(key)) for part in parts]
    known = [value for value in values if value is not None]
    return how(known) if known and len(known) == len(values) else None
