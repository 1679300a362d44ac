"""The one table of metrics: official names, labels, units, definitions and formulas; first those by which two results are compared."""

from __future__ import annotations

import functools
import re
from typing import Final

from pytest_mlpstorage.rules.further_metrics import FURTHER
from pytest_mlpstorage.rules.metric_entry import OFFICIAL, Better, Headline

__all__ = ["HEADLINES", "METRICS", "OFFICIAL", "Better", "Headline", "headline_of", "metric_of", "short_names"]

HEADLINES: Final = (
    # Round 2.0 has one figure an accelerator, of utilization and of bandwidth.
    Headline(
        "train_au",
        r"train_mean_of_au_percentage(?: on (?P<of>.+))?",
        "%",
        "training",
        label="AU",
        definition="Accelerator utilization: the share of a run in which the emulated accelerators computed and did not wait for data.",
        formula="100 × computing time / (wall time − time of the excluded first step); mean over ranks, then epochs, then measured runs",
        source="3.3.8",
        decimals=1,
    ),
    Headline(
        "train_throughput",
        r"train_(?:mean_of_throughput|throughput_mean)_samples_per_second",
        "samples/s",
        "training",
        label="throughput",
        definition="Samples that all ranks together read and computed on in a second.",
        formula="sum over the ranks in an epoch; mean over epochs, then over the measured runs (edition 1.0: over all five)",
        source="3.3.8",
    ),
    Headline(
        "train_read_bandwidth",
        r"Read B/W \(GiB/s\)",
        "GiB/s",
        "training",
        label="read bandwidth",
        definition="Bytes of samples that all ranks together read in a second, each sample counted with its recorded length.",
        formula="mean over the measured runs of train_io_mean_MB_per_second (which is MiB/s), divided by 1024",
        source="3.3.8",
    ),
    # What round 1.0 calls MB is MiB.
    Headline(
        "train_read_bandwidth",
        r"Read B/W \(MiB/s\)(?: on (?P<of>.+))?|train_throughput_mean_MB_per_second",
        "MiB/s",
        "training",
        label="read bandwidth",
        definition="Bytes of samples that all ranks together read in a second, each sample counted with its recorded length.",
        formula="mean over the five runs of train_io_mean_MB_per_second (which is MiB/s)",
        source="editions 1.0 and 2.0",
    ),
    Headline(
        "checkpoint_write_bandwidth",
        r"Checkpointing - Write B/W \(GiB/s\)",
        "GiB/s",
        "checkpointing",
        label="write bandwidth",
        definition="Bytes of a checkpoint over the time that writing it took.",
        formula="mean over the checkpoints of a run of size / duration by the clock of rank 0, then over the runs that wrote; "
        "edition 2.0: size / (last rank's end − first rank's start)",
        source="4.3.6",
    ),
    Headline(
        "checkpoint_write_duration",
        r"Checkpointing - Write Duration \(secs\)",
        "s",
        "checkpointing",
        "lower",
        label="time to write",
        definition="Time that writing one checkpoint took.",
        formula="mean of save_checkpoint_duration_mean_seconds over the runs that wrote; edition 2.0: of the longest rank's time",
        source="4.3.6",
    ),
    Headline(
        "checkpoint_read_bandwidth",
        r"Checkpointing - Read B/W \(GiB/s\)",
        "GiB/s",
        "checkpointing",
        label="read bandwidth",
        definition="Bytes of a checkpoint over the time that reading it took.",
        formula="mean over the checkpoints of a run of size / duration by the clock of rank 0, then over the runs that read; "
        "edition 2.0: size / (last rank's end − first rank's start)",
        source="4.3.6",
    ),
    Headline(
        "checkpoint_read_duration",
        r"Checkpointing - Read Duration \(secs\)",
        "s",
        "checkpointing",
        "lower",
        label="time to read",
        definition="Time that reading one checkpoint took.",
        formula="mean of load_checkpoint_duration_mean_seconds over the runs that read; edition 2.0: of the longest rank's time",
        source="4.3.6",
    ),
    # What the storage completed in the window; only our own program tells it. It leads, and the official formula stands beside it.
    Headline(
        "kv_window_read_bandwidth",
        r"(?P<of>option \d+) read_gib_per_second",
        "GiB/s",
        "kv_cache",
        label="read bandwidth in the window",
        definition="Bytes that the storage delivered to all clients together in a second of the window of measurement.",
        formula="bytes of the chunks whose read was completed in the window / its length; sum over the clients, mean over the trials",
        source="this suite",
    ),
    Headline(
        "kv_window_write_bandwidth",
        r"(?P<of>option \d+) write_gib_per_second",
        "GiB/s",
        "kv_cache",
        label="write bandwidth in the window",
        definition="Bytes that became durable for all clients together in a second of the window of measurement.",
        formula="the same of the chunks of entries that became durable in the window",
        source="this suite",
    ),
    Headline(
        "kv_throughput",
        r"KVCache (?P<of>.+) - Throughput \(tok/s\)",
        "tok/s",
        "kv_cache",
        label=f"token throughput {OFFICIAL}",
        official=True,
        definition="Tokens that all clients together generated in a second, by the official formula.",
        formula="sum over the ranks of avg_throughput_tokens_per_sec in a trial, mean over the trials",
        source="6.3.4.2",
    ),
    Headline(
        "kv_read_bandwidth",
        r"KVCache (?P<of>.+) - Read B/W \(GiB/s\)",
        "GiB/s",
        "kv_cache",
        label=f"read bandwidth {OFFICIAL}",
        official=True,
        definition="Bytes that all clients together read from the storage in a second, by the official formula.",
        formula="sum over the ranks of tier_storage_read_bandwidth_gbps (which is GiB/s) in a trial, mean over the trials",
        source="6.3.4.1",
    ),
    Headline(
        "kv_write_bandwidth",
        r"KVCache (?P<of>.+) - Write B/W \(GiB/s\)",
        "GiB/s",
        "kv_cache",
        label=f"write bandwidth {OFFICIAL}",
        official=True,
        definition="Bytes that all clients together wrote to the storage in a second, by the official formula.",
        formula="sum over the ranks of tier_storage_write_bandwidth_gbps (which is GiB/s) in a trial, mean over the trials",
        source="6.3.4.1",
    ),
    Headline(
        "kv_read_latency_p95",
        r"KVCache (?P<of>.+) - P95 Read Latency \(ms\)",
        "ms",
        "kv_cache",
        "lower",
        label=f"P95 read latency {OFFICIAL}",
        official=True,
        definition="The time within which the storage I/O of 95 of 100 requests was done, as the results table has it.",
        formula="as the summary gives it: aggregated_storage_read_p95_ms, else aggregated_p95_latency_ms, which is of all storage I/O",
        source="the results table",
    ),
    Headline(
        "kv_device_read_latency_p95",
        r"KVCache (?P<of>.+) - P95 device read latency \(ms\)",
        "ms",
        "kv_cache",
        "lower",
        label=f"P95 device read latency {OFFICIAL}",
        official=True,
        definition="The time within which 95 of 100 reads of a cache entry were done, of the client that was slowest.",
        formula="highest storage_read_device_p95_ms of any rank in any trial",
        source="6.3.4.3",
    ),
    Headline(
        "kv_device_write_latency_p95",
        r"KVCache (?P<of>.+) - P95 device write latency \(ms\)",
        "ms",
        "kv_cache",
        "lower",
        label=f"P95 device write latency {OFFICIAL}",
        official=True,
        definition="The time within which 95 of 100 cache entries were made durable, of the client that was slowest.",
        formula="highest storage_write_device_p95_ms of any rank in any trial",
        source="6.3.4.3",
    ),
    Headline(
        "vdb_throughput",
        r"mean of throughput_qps",
        "queries/s",
        "vector_database",
        label="search throughput",
        definition="Searches that all workers together had answered in a second.",
        formula="searches / (last end − first begin) of a run; mean over the runs, because the rules do not say how five become one",
        source="5.3.4",
    ),
    Headline(
        "vdb_latency_p99",
        r"mean of p99_latency_ms",
        "ms",
        "vector_database",
        "lower",
        label="P99 search latency",
        definition="The time within which 99 of 100 searches were answered.",
        formula="percentile over all searches of a run; mean over the runs, because the rules do not say how five become one",
        source="5.3.4",
    ),
    Headline(
        "vdb_recall",
        r"mean of recall",
        "",
        "vector_database",
        label="recall",
        definition="The share of the k nearest vectors that a search found, against an exact search.",
        formula="|answer ∩ exact top k| / k, mean over the searches of a run; mean over the runs",
        source="5.3.2",
        decimals=3,
    ),
)
"""In the order in which they are shown."""

METRICS: Final = (*HEADLINES, *FURTHER)
"""Every metric that a result of this suite's families can have."""


@functools.cache
def metric_of(name: str) -> tuple[Headline, str] | None:
    """What a metric of that name is, and which of several (an option, an accelerator; empty for the only one); None for an unknown one."""
    for entry in METRICS:
        match = re.fullmatch(entry.pattern, name)
        if match is not None:
            return entry, match.groupdict().get("of") or ""
    return None


def headline_of(name: str) -> tuple[Headline, str] | None:
    """The same of the metrics by which results are compared; None for any other."""
    found = metric_of(name)
    return found if found is not None and found[0].short else None


def short_names() -> tuple[str, ...]:
    """The names to type, each once."""
    return tuple(dict.fromkeys(headline.short for headline in HEADLINES))
