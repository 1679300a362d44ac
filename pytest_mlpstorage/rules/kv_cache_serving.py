"""What profiles ``serving`` and ``replay`` of the KV cache have to tell in words: their load, their hits, their own latencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.pictures import Distribution
from pytest_mlpstorage.units import format_bytes

__all__ = ["request_times", "serving_part", "serving_sentences"]

_LATENCY: Final = "request_latency_ms"


def serving_part(block: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of an option's block that only these profiles have; None of the official work."""
    part = block.get("serving")
    return part if isinstance(part, Mapping) and part else None


def serving_sentences(part: Mapping[str, Any], trials: int | None) -> Iterator[str]:
    """How the load came, whether the storage kept up, and what was found in the cache.

    Rates and counts in ``part`` are sums over all clients and ``trials``.
    """
    rate, outstanding, asked = (number(part.get(key)) for key in ("requests_per_second", "outstanding", "rate_per_second"))
    if part.get("load") == "closed":
        load = "closed loop" + (f", {outstanding:g} requests outstanding at each client" if outstanding is not None else "")
    else:
        load = "requests arrive" + (f" at {asked:g} a second at each client" if asked is not None else " as the trace says")
    done = (
        f"; {rate / trials:,.4g} requests a second were served in the window, by all clients together"
        if rate is not None and trials
        else ""
    )
    yield f"Profile {part.get('profile')}, which is other work than the rule book's: {load}{done}."
    requests, finish = number(part.get("requests")), number(part.get("time_to_finish_s"))
    if part.get("finished") is True and requests is not None and finish is not None:
        yield f"All {requests:,.0f} requests were done after {finish:,.4g} s, by the slowest client."
    backlog = number(part.get("backlog_share"))
    if backlog is not None:
        yield f"At the end of the window {backlog:.1%} of the requests that had arrived waited, besides those in service."
    hits, lookups = number(part.get("chunk_hit_rate")), number(part.get("chunk_lookups"))
    if hits is not None and lookups is not None:
        size = number(part.get("chunk_bytes"))
        of = f" of {format_bytes(int(size))} each" if size is not None and 0 <= size < 2**62 else ""
        yield f"{hits:.1%} of {lookups:,.0f} chunks{of} were found in the cache and loaded, the others stored."


def request_times(part: Mapping[str, Any], points: Sequence[str]) -> Distribution:
    """The latency of requests under the label that says what it leaves out."""
    times, label = part.get(_LATENCY), part.get("latencies")
    values = [number(times.get(point)) for point in points] if isinstance(times, Mapping) else []
    known = [value for value in values if value is not None]
    name = f"request: {label}" if isinstance(label, str) else "request"
    if not known or len(known) != len(values):
        return Distribution(name, why="no request ended in the window")
    return Distribution(name, tuple(known))
