"""Files of ranks made with the package's own accounts and views, of small passes written by hand."""

from __future__ import annotations

import functools

import numpy as np
from kv_logs import GIB, S, events, read, request, requests, write

from pytest_mlpstorage.kvcache import io
from pytest_mlpstorage.kvcache.accounting import WindowAccount
from pytest_mlpstorage.kvcache.aggregate import RankFigures
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
