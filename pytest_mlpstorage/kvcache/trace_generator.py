"""A small generator of conversation traces, fitted to the public figures of the Mooncake conversation trace (kvcache.md §5.3).

No row of a real trace is in it. Fitted are the numbers of requests, of blocks and of different blocks, and the hit rates of
least-recently-used caches of 1k, 10k, 30k, 50k and any number of blocks; arrival times and answers are plausible and no more.
"""

from __future__ import annotations

import bisect
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from pytest_mlpstorage.kvcache.streams import TRACE, fractions, words
from pytest_mlpstorage.kvcache.traces import Trace, TraceRow, make_trace

__all__ = ["BLOCK_TOKENS", "FITTED_REQUESTS", "conversation_trace", "write_mooncake"]

BLOCK_TOKENS: Final = 512
FITTED_REQUESTS: Final = 12_031

_HOUR_NS: Final = 3600 * 10**9
_MILLISECOND_NS: Final = 10**6
_DRAWS: Final = 6

# How far back, in block uses, the conversation lies that a request goes on with: a share of the requests up to each distance,
# even in the logarithm between two.
_REACH: Final = ((300, 0.0), (1_100, 0.006), (12_000, 0.485), (43_000, 0.86), (77_000, 0.957), (200_000, 1.0))
_CONTINUES: Final = 0.369
_NEW_BLOCKS: Final = 18.45
_ADDED_BLOCKS: Final = 9.0
_SPREAD: Final = 0.9
_ANSWER_TOKENS: Final = 340.0


def conversation_trace(seed: int = 1, requests: int = FITTED_REQUESTS) -> Trace:
    """So many requests of conversations that all begin with one common block, as rows of the format with prefix blocks."""
    return make_trace("mooncake", list(_rows(seed, requests)), BLOCK_TOKENS)


def _rows(seed: int, requests: int) -> Iterator[TraceRow]:
    draws = fractions(words(seed, 0, TRACE, _DRAWS * requests)).reshape(-1, _DRAWS).tolist()
    gap = _HOUR_NS // FITTED_REQUESTS
    used, now, named = 0, 0, 1
    # Conversations by their last use: when (in block uses), session and blocks; a bisection finds the one that lies so far back.
    ages: list[int] = []
    talks: list[tuple[int, tuple[int, ...]]] = []
    sessions = 0
    for go_on, reach, size, spread, answer, wait in draws:
        now += int(-math.log(1 - wait) * gap) // _MILLISECOND_NS * _MILLISECOND_NS
        blocks: tuple[int, ...] = (0,)
        mean, session = _NEW_BLOCKS, sessions
        place = bisect.bisect_right(ages, used - _back(reach)) - 1 if go_on < _CONTINUES else -1
        if place >= 0:
            del ages[place]
            session, blocks = talks.pop(place)
            mean = _ADDED_BLOCKS
        else:
            sessions += 1
        fresh = max(1, round(_lognormal(mean, size, spread)))
        blocks = (*blocks, *range(named, named + fresh))
        named += fresh
        used += len(blocks)
        ages.append(used)
        talks.append((session, blocks))
        yield TraceRow(now, session, len(blocks) * BLOCK_TOKENS, max(1, round(-math.log(1 - answer) * _ANSWER_TOKENS)), blocks)


def _back(share: float) -> int:
    """The distance (block uses) that this share of the continued requests does not reach over."""
    for (near, below), (far, above) in itertools.pairwise(_REACH):
        if share <= above:
            return int(near * (far / near) ** ((share - below) / (above - below)))
    raise AssertionError("a share is below 1")


def _lognormal(mean: float, first: float, second: float) -> float:
    normal = math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)
    return mean * math.exp(_SPREAD * normal - _SPREAD**2 / 2)


def write_mooncake(trace: Trace, path: Path) -> None:
    """Write a trace as JSON lines in the format of the public traces."""
    with path.open("w", encoding="utf-8") as file:
        for place, row in enumerate(trace.requests):
            blocks = trace.blocks[trace.first[place] : trace.first[place + 1]]
            line = {
                "timestamp": int(row["t_arrival_ns"]) // _MILLISECOND_NS,
                "input_length": int(row["context"]),
                "output_length": int(row["generate"]),
                "hash_ids": np.asarray(blocks).tolist(),
            }
            file.write(json.dumps(line) + "\n")
