"""Both views of a run or of one pass: ours of the window, the official tool's beside it with its factor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.results.files import TreeFiles

__all__ = ["both_views", "shown", "view_of"]

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
    """The column *Measured*: read and write in the window, option by option."""
    options = sorted({name.split()[1] for name in views})
    parts = []
    for option in options:
        rates = [f"{word} {views[key]:.3g}" for word in ("read", "write") if (key := f"option {option} {word}_gib_per_second") in views]
        parts += [f"option {option}: {', '.join(rates)} GiB/s"] if rates else []
    return "; ".join(parts)
