"""Both views of a run or of one pass: ours of the window, the official tool's beside it with its factor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.files import TreeFiles

__all__ = ["both_views", "official_rates", "shown", "view_of"]

_OURS = {
    "read_gib_per_second": "storage_read_bandwidth_window_gibps",
    "write_gib_per_second": "storage_write_bandwidth_window_gibps",
    "tokens_per_second": "tokens_in_window_per_s",
    "official_over_window_read": "official_over_window_read",
    "official_over_window_write": "official_over_window_write",
    "overload_factor": "overload_factor",
}
_OFFICIAL = {
    "official_read_gib_per_second": "aggregated_read_bandwidth_gbps",
    "official_write_gib_per_second": "aggregated_write_bandwidth_gbps",
    "official_tokens_per_second": "aggregated_avg_throughput_tokens_per_sec",
}
_SERVING = ("requests_per_second", "chunk_hit_rate", "time_to_finish_s", "backlog_share")
_REQUEST_P95 = {
    "request_service_p95_ms": "p95 {:.0f} ms of service time, closed loop",
    "request_from_arrival_p95_ms": "p95 {:.0f} ms from the intended arrival",
}
_LATENCIES = {"object_load": "object_load_latency_ms", "object_store": "object_store_latency_ms"}


def view_of(entry: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one entry of ``options``; what has no sample is absent."""
    block = entry.get("mlps")
    block = block if isinstance(block, Mapping) else {}
    found = {name: number(block.get(key)) for name, key in _OURS.items()}
    found |= {name: number(entry.get(key)) for name, key in _OFFICIAL.items()}
    for name, key in _LATENCIES.items():
        latencies = block.get(key)
        if isinstance(latencies, Mapping):
            found |= {f"{name}_{p}_ms": number(latencies.get(p)) for p in ("p50", "p95", "p999")}
    part = block.get("serving")
    if isinstance(part, Mapping):
        # Other work than the official: what its formula makes of it means nothing.
        found = {name: value for name, value in found.items() if not name.startswith("official_") and name != "overload_factor"}
        found |= {name: number(part.get(name)) for name in _SERVING}
        trials, rate = number(entry.get("trial_count")), found["requests_per_second"]
        # The part adds up the clients of all trials.
        found["requests_per_second"] = rate / trials if rate is not None and trials else rate
        latencies = part.get("request_latency_ms")
        label = "service" if part.get("load") == "closed" else "from_arrival"
        if isinstance(latencies, Mapping):
            found |= {f"request_{label}_{p}_ms": number(latencies.get(p)) for p in ("p50", "p95", "p99")}
    return {name: value for name, value in found.items() if value is not None}


def both_views(leaf: Path) -> dict[str, float]:
    """The figures of every option of a run, ``option 1 read_gib_per_second`` and so on."""
    summary = TreeFiles(leaf).json_object(leaf / "summary.json") or {}
    options = summary.get("options")
    entries = options.items() if isinstance(options, Mapping) else ()
    return {
        f"option {option} {name}": value
        for option, entry in sorted(entries)
        if isinstance(entry, Mapping)
        for name, value in view_of(entry).items()
    }


def shown(views: Mapping[str, float]) -> str:
    """The column *Measured*: read and write in the window with the official figure as a multiple of each, option by option."""
    options = sorted({name.split()[1] for name in views})
    parts = []
    for option in options:
        rates = [
            f"{word} {views[key]:.3g} GiB/s{_times(views.get(f'option {option} official_over_window_{word}'))}"
            for word in ("read", "write")
            if (key := f"option {option} {word}_gib_per_second") in views
        ]
        served = f"option {option} requests_per_second"
        rates += [f"{views[served]:.3g} requests/s"] if served in views else []
        rates += [text.format(views[key]) for name, text in _REQUEST_P95.items() if (key := f"option {option} {name}") in views]
        only_official = official_rates(views, f"option {option} ") if not rates else ""
        parts += [f"option {option}: {', '.join(rates) or only_official}"] if rates or only_official else []
    return "; ".join(parts)


def official_rates(views: Mapping[str, float], before: str = "") -> str:
    """The official figures where nothing else is known, as of the official program itself."""
    rates = [f"{word} {views[key]:.3g} GiB/s" for word in ("read", "write") if (key := f"{before}official_{word}_gib_per_second") in views]
    return f"{', '.join(rates)} by the official formula" if rates else ""


def _times(factor: float | None) -> str:
    return f" (official × {factor:.2f})" if factor is not None else ""
