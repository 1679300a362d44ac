"""Files of ranks made with the package's own accounts and views, of small passes written by hand."""

from __future__ import annotations

import copy
import functools

import numpy as np
from kv_logs import GIB, S, events, read, request, requests, write

from pytest_mlpstorage.kvcache import io
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.aggregate import RankFigures, aggregate_option
from pytest_mlpstorage.kvcache.events import Kind
from pytest_mlpstorage.kvcache.official_view import OfficialPass, official_view
from pytest_mlpstorage.kvcache.rank_block import rank_block
from pytest_mlpstorage.results.kv_cache_records import RankName

WINDOW = 10 * S
MIB = 1024**2

FACTS = {
    "engine": "native",
    "profile": "mlc-v3",
    "comparable": False,
    "comparable_reasons": ["direct path"],
    "kernel_read_gib": 3.0,
    "kernel_write_gib": 2.0,
    "direct": "proved",
    "dio_align": 512,
    "filesystem": "ext4",
    "storage": "storage",
    "durability": "fsync",
    "chunk_bytes": MIB,
    "queue_depth": 1,
    "backend": "psync",
    "client_cpu_seconds_per_gib": 0.05,
    "client_bound": False,
    "peak_rss_mib": 120.0,
    "verified_bytes": 3 * GIB,
    "verify_level": "stamps",
    "verify_errors": 0,
    "schedule_sha256": "ab" * 32,
}


def small_pass(slower=0.0, base=0):
    """One write of 1 GiB, two reads of it in the window, a third that goes on after it. ``slower`` seconds each."""
    w = 1 + slower
    log = events(
        write(0, w, request=base, entry=base),
        read(w, 2 * w, request=base, entry=base),
        read(2 * w, 3 * w, request=base, entry=base),
        read(9, 11 + slower, request=base + 1, entry=base),
        write(9.5, 10.5, request=base + 2, entry=base + 1),
    )
    asked = requests(
        request(0, 0.5, 3 * w, worker=0, user=0, request=base, tokens=100, storage=3 * w, prefill=w, decode=2 * w, qos=0),
        request(4, 8, 11 + slower, worker=1, user=1, request=base + 1, tokens=50, storage=2 + slower, decode=2, qos=2),
        request(5, 9, 10.5, worker=2, user=2, request=base + 2, tokens=10, storage=1, prefill=1, qos=1),
    )
    account = WindowAccount(WINDOW)
    for row in log:
        begin, end = int(row["t_submit"]), int(row["t_complete"])
        steps = begin + np.arange(65, dtype=np.int64) * ((end - begin) // 64)
        sizes = np.full(64, int(row["bytes"]) // 64, np.int64)
        kind = io.READ if row["kind"] == Kind.READ else io.WRITE
        account(kind, sizes, steps[:-1], steps[1:], end)
    return log, asked, account


@functools.lru_cache(maxsize=64)
def _content(rank, slower, facts):
    log, asked, account = small_pass(slower)
    official = official_view(log, asked, OfficialPass(WINDOW, 3, 131072, 42 + rank))
    given = {**FACTS, **dict(facts)}
    block = rank_block(account, log, asked, official["summary"]["cache_stats"], arrivals_in_window=30, facts=given)
    return official, block


def rank_content(rank=0, slower=0.0, **facts):
    official, block = _content(rank, slower, tuple(sorted(facts.items())))
    return {**official, "mlps": block}


def figures(trial=0, rank=0, slower=0.0, change=None, **facts):
    raw = rank_content(rank, slower, **facts)
    if change is not None:
        raw = change(raw)
    name = RankName(1, trial, rank, f"option_1/trial_{trial}/rank_{rank}/kvcache_results_x.json")
    return RankFigures.from_json(raw, name, name.name)


def numbers(read, write=1.0, average=10.0, storage=1.0, *, entries=5, requests=9, moved=8.0, **more):
    """A change of a rank's file to these official figures."""

    def change(raw):
        raw = copy.deepcopy(raw)
        raw["summary"] |= {
            "avg_throughput_tokens_per_sec": average,
            "storage_throughput_tokens_per_sec": storage,
            "total_requests": requests,
        }
        stats = raw["summary"]["cache_stats"]
        stats |= {
            "tier_storage_read_bandwidth_gbps": read,
            "tier_storage_write_bandwidth_gbps": write,
            "storage_entries": entries,
            "tier_storage_kv_bytes_read_gb": moved,
        }
        for key, value in more.items():
            if value is None:
                stats.pop(key, None)
            else:
                stats[key] = value
        return raw

    return change


def option(found, *, trials=2, ranks=2, has_memory=False, **more):
    by_place = {(f.result.name.trial, f.result.name.rank): f for f in found}
    return aggregate_option(1, by_place, trials=trials, ranks=ranks, has_memory=has_memory, **more)


def whole(**last):
    """Two trials of two ranks; ``last`` changes the last rank of the last trial."""
    changes = [numbers(1.0), numbers(2.0, 3.0), numbers(4.0, 5.0, storage_read_device_p95_ms=7000.0), numbers(8.0, **last)]
    return [figures(trial=n // 2, rank=n % 2, change=change) for n, change in enumerate(changes)]


def sound_evidence(*notes, **more):
    """What a rank records of a pass that is in order; ``notes`` as (check, level, message)."""
    return {
        "target": {"storage": "storage"},
        "direct": {"direct": "proved", "read_ratio": 1.0, "write_ratio": 1.0},
        "window_overlap": 1.0,
        "notes": [{"check": check, "level": level, "message": message} for check, level, message in notes],
        **more,
    }
