"""The figures by which two results are compared: their official names, a short name to type, unit, and which way is better."""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Final, Literal, TypeAlias

from pytest_mlpstorage.results.places import Kind

__all__ = ["HEADLINES", "Better", "Headline", "headline_of", "short_names"]

Better: TypeAlias = Literal["higher", "lower"]


@dataclasses.dataclass(frozen=True)
class Headline:
    """One figure of a kind of result. ``pattern`` is the form of its names among a result's metrics; its group ``of`` tells several apart.

    ``unit`` is that of the value, empty for a fraction.
    """

    short: str
    pattern: str
    unit: str
    kind: Kind
    better: Better = "higher"


HEADLINES: Final = (
    Headline("train_au", r"train_mean_of_au_percentage", "%", "training"),
    Headline("train_throughput", r"train_(?:mean_of_throughput|throughput_mean)_samples_per_second", "samples/s", "training"),
    Headline("train_read_bandwidth", r"Read B/W \(GiB/s\)", "GiB/s", "training"),
    # Round 2.0 has one figure an accelerator; what round 1.0 calls MB is MiB.
    Headline("train_read_bandwidth", r"Read B/W \(MiB/s\)(?: on (?P<of>.+))?|train_throughput_mean_MB_per_second", "MiB/s", "training"),
    Headline("checkpoint_write_bandwidth", r"Checkpointing - Write B/W \(GiB/s\)", "GiB/s", "checkpointing"),
    Headline("checkpoint_write_duration", r"Checkpointing - Write Duration \(secs\)", "s", "checkpointing", "lower"),
    Headline("checkpoint_read_bandwidth", r"Checkpointing - Read B/W \(GiB/s\)", "GiB/s", "checkpointing"),
    Headline("checkpoint_read_duration", r"Checkpointing - Read Duration \(secs\)", "s", "checkpointing", "lower"),
    Headline("kv_throughput", r"KVCache (?P<of>.+) - Throughput \(tok/s\)", "tok/s", "kv_cache"),
    Headline("kv_read_bandwidth", r"KVCache (?P<of>.+) - Read B/W \(GiB/s\)", "GiB/s", "kv_cache"),
    Headline("kv_write_bandwidth", r"KVCache (?P<of>.+) - Write B/W \(GiB/s\)", "GiB/s", "kv_cache"),
    Headline("kv_read_latency_p95", r"KVCache (?P<of>.+) - P95 Read Latency \(ms\)", "ms", "kv_cache", "lower"),
    Headline("kv_device_read_latency_p95", r"KVCache (?P<of>.+) - P95 device read latency \(ms\)", "ms", "kv_cache", "lower"),
    Headline("kv_device_write_latency_p95", r"KVCache (?P<of>.+) - P95 device write latency \(ms\)", "ms", "kv_cache", "lower"),
    # What the storage completed in the window; only our own program tells it.
    Headline("kv_window_read_bandwidth", r"(?P<of>option \d+) read_gib_per_second", "GiB/s", "kv_cache"),
    Headline("kv_window_write_bandwidth", r"(?P<of>option \d+) write_gib_per_second", "GiB/s", "kv_cache"),
    Headline("vdb_throughput", r"mean of throughput_qps", "queries/s", "vector_database"),
    Headline("vdb_latency_p99", r"mean of p99_latency_ms", "ms", "vector_database", "lower"),
    Headline("vdb_recall", r"mean of recall", "", "vector_database"),
)
"""In the order in which they are shown."""


@functools.cache
def headline_of(name: str) -> tuple[Headline, str] | None:
    """What a metric of that name is, and which of several (an option, an accelerator; empty for the only one); None for no headline."""
    for headline in HEADLINES:
        match = re.fullmatch(headline.pattern, name)
        if match is not None:
            return headline, match.groupdict().get("of") or ""
    return None


def short_names() -> tuple[str, ...]:
    """The names to type, each once."""
    return tuple(dict.fromkeys(headline.short for headline in HEADLINES))
