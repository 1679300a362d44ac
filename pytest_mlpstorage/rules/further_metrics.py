"""Metrics that stand beside the headlines: what identifies a result, how far its runs lie apart, both views of a KV cache run."""

from __future__ import annotations

from typing import Final

from pytest_mlpstorage.results.places import Kind
from pytest_mlpstorage.rules.metric_entry import OFFICIAL, Better, Headline

__all__ = ["FURTHER"]

_TABLE: Final = "the results table"
_OWN: Final = "this suite"


def _entry(
    kind: Kind, pattern: str, label: str, unit: str, definition: str, formula: str, source: str, *, better: Better = "higher"
) -> Headline:
    decimals = 3 if label.endswith(" recall") else None
    return Headline("", pattern, unit, kind, better, label, f"{definition}.", formula, source, decimals)


_TRAINING: Final = tuple(
    _entry(
        "training",
        f"train_throughput_stdev_{key}_per_second",
        f"standard deviation of the {what}",
        unit,
        "How far the runs lie apart",
        "population standard deviation over the runs",
        "edition 1.0",
        better="lower",
    )
    for key, what, unit in (("samples", "throughput", "samples/s"), ("MB", "read bandwidth", "MiB/s"))
)

_CHECKPOINTING: Final = (
    _entry(
        "checkpointing",
        "Checkpointing - Checkpoint Mode",
        "mode",
        "",
        "Whether a whole checkpoint was written (Full), or that of a part of the ranks (Subset)",
        "Subset where checkpoint.mode is subset in the parameters of a run",
        "4.3.6",
    ),
    _entry(
        "checkpointing",
        "Checkpointing - DP Instances",
        "data-parallel instances",
        "",
        "Copies of the model that train together in the edition's configuration",
        "processes of a closed run / processes of one instance",
        "4.3.6",
    ),
)

_FIRST_RUN: Final = "as the first run gave it, which is what the official report does"

_VECTOR: Final = (
    _entry(
        "vector_database", "VDB - # Client Nodes", "client hosts", "", "Hosts that searched", f"disk_io.host_count, {_FIRST_RUN}", _TABLE
    ),
    _entry("vector_database", "VDB - Vector Count", "vectors", "", "Vectors in the collection", f"num_vectors, {_FIRST_RUN}", "5.1.1"),
    _entry(
        "vector_database",
        "VDB - Vector Dimension",
        "dimensions of a vector",
        "",
        "Numbers in a vector",
        f"dimension, {_FIRST_RUN}",
        "5.1.1",
    ),
    _entry(
        "vector_database",
        "VDB - Queries per Sec",
        "search throughput of the first run",
        "queries/s",
        "Searches that all workers together had answered in a second",
        f"throughput_qps, {_FIRST_RUN}",
        _TABLE,
    ),
    _entry(
        "vector_database",
        r"VDB - Query Latency \(ms\)",
        "P99 search latency of the first run",
        "ms",
        "The time within which 99 of 100 searches were answered",
        f"p99_latency_ms, {_FIRST_RUN}",
        _TABLE,
        better="lower",
    ),
    _entry(
        "vector_database",
        "VDB - Recall Percentage",
        "recall of the first run",
        "%",
        "The share of the k nearest vectors that a search found, against an exact search",
        f"100 × recall, {_FIRST_RUN}",
        _TABLE,
    ),
    _entry(
        "vector_database",
        r"VDB - Read B/W \(GiB/s\)",
        "read bandwidth of the first run",
        "GiB/s",
        "Bytes that the storage of all hosts delivered in a second",
        f"disk_io.total_bytes_read_per_sec / 1024³, {_FIRST_RUN}",
        _TABLE,
    ),
    *(
        _entry(
            "vector_database", f"{word} {key}", f"{word} {what}", unit, f"The {word} value of any run", f"{form} {key} of the runs", _OWN
        )
        for key, what, unit in (
            ("throughput_qps", "search throughput", "queries/s"),
            ("p99_latency_ms", "P99 search latency", "ms"),
            ("recall", "recall", ""),
        )
        for word, form in (("lowest", "least"), ("highest", "greatest"))
    ),
    *(
        _entry(
            "vector_database",
            f"coefficient of variation of {key}",
            f"variation of the {what}",
            "",
            "How far the runs lie apart, as a part of their mean",
            "population standard deviation over the runs / mean",
            _OWN,
            better="lower",
        )
        for key, what in (("throughput_qps", "search throughput"), ("p99_latency_ms", "P99 search latency"), ("recall", "recall"))
    ),
)

_KV_CACHE: Final = (
    _entry("kv_cache", "KVCache - # Client Nodes", "client hosts", "", "Hosts on which clients ran", "host_count of the summary", _TABLE),
    _entry(
        "kv_cache",
        r"KVCache (?P<of>.+) - storage throughput \(tok/s\)",
        f"storage token throughput {OFFICIAL}",
        "tok/s",
        "Tokens over the time that all requests together waited for caches of any tier",
        "sum over the ranks of storage_throughput_tokens_per_sec in a trial, mean over the trials",
        "6.3.4.2",
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) tokens_per_second",
        "tokens in the window",
        "tok/s",
        "Tokens that all clients together generated in a second of the window of measurement",
        "tokens of requests served in the window / its length",
        _OWN,
    ),
    *(
        _entry(
            "kv_cache",
            rf"(?P<of>option \d+) official_over_window_{word}",
            f"official {word} bandwidth over that in the window",
            "×",
            f"How many times the true rate the official formula makes of {noun}",
            f"official {word} bandwidth / {word} bandwidth in the window",
            _OWN,
            better="lower",
        )
        for word, noun in (("read", "reads"), ("write", "writes"))
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) overload_factor",
        "overload",
        "×",
        "How many times more requests arrived in the window than were served in it",
        "requests that arrived / requests that ended in the window",
        _OWN,
        better="lower",
    ),
    *(
        _entry(
            "kv_cache",
            rf"(?P<of>option \d+) official_{word}_gib_per_second",
            f"official {word} bandwidth",
            "GiB/s",
            f"The {word} bandwidth of the option by the official formula",
            f"aggregated_{word}_bandwidth_gbps of the summary (which is GiB/s)",
            "6.3.4.1",
        )
        for word in ("read", "write")
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) official_tokens_per_second",
        "official token throughput",
        "tok/s",
        "Tokens a second of the option by the official formula",
        "aggregated_avg_throughput_tokens_per_sec of the summary",
        "6.3.4.2",
    ),
    *(
        _entry(
            "kv_cache",
            rf"(?P<of>option \d+) object_{word}_{key}_ms",
            f"{name} time to {word} an entry",
            "ms",
            f"The time within which {share} cache entries were {done}",
            "percentile over all entries of all clients and trials",
            _OWN,
            better="lower",
        )
        for word, done in (("load", "loaded"), ("store", "stored and durable"))
        for key, name, share in (("p50", "P50", "50 of 100"), ("p95", "P95", "95 of 100"), ("p999", "P99.9", "999 of 1000"))
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) requests_per_second",
        "requests served",
        "requests/s",
        "Requests that all clients together had served in a second of the window",
        "requests that ended in the window / its length; sum over clients, mean over trials",
        _OWN,
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) chunk_hit_rate",
        "hit rate",
        "",
        "The share of chunks that were found in the cache and loaded",
        "chunks found / chunks looked up",
        _OWN,
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) time_to_finish_s",
        "time to finish",
        "s",
        "Time until every request was served, of the slowest client",
        "end of the last request − begin",
        _OWN,
        better="lower",
    ),
    _entry(
        "kv_cache",
        r"(?P<of>option \d+) backlog_share",
        "backlog",
        "",
        "The share of the requests that had arrived and still waited at the end of the window, at the client with most of them",
        "requests waiting / requests that had arrived",
        _OWN,
        better="lower",
    ),
    *(
        _entry(
            "kv_cache",
            rf"(?P<of>option \d+) request_{label}_{key}_ms",
            f"{key.upper()} {words} of a request",
            "ms",
            f"The time within which {key[1:]} of 100 requests were served, {meant}",
            "percentile over the requests of all clients and trials",
            _OWN,
            better="lower",
        )
        for label, words, meant in (
            ("service", "service time", "counted from when a client began with them (closed loop)"),
            ("from_arrival", "time since arrival", "counted from when they were to arrive"),
        )
        for key in ("p50", "p95", "p99")
    ),
)

FURTHER: Final = (*_TRAINING, *_CHECKPOINTING, *_VECTOR, *_KV_CACHE)
"""Every metric that is no headline; none of them is compared."""
