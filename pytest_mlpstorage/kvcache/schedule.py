"""The schedule compiler of the official work: users who ask whether they are served or not (kvcache.md §1.2 to §1.4, §5.3)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.population import User
from pytest_mlpstorage.kvcache.streams import CONVERSATION, PREFIX, RAG, SIZES, THINK, Words, fractions, integers, words
from pytest_mlpstorage.kvcache.work import (
    FLAG_PREFIX,
    FLAG_RAG,
    MOST_ENTRIES,
    PHASE_DECODE,
    PHASE_PREFILL,
    PHASE_PREFILL_DECODE,
    PREFIX_WORDS,
    REQUEST_DTYPE,
    RETRIEVAL_DTYPE,
    Records,
    Schedule,
    schedule_sha256,
)

__all__ = ["FloodOptions", "compile_flood"]

_NANOSECONDS: Final = 10**9
_SHORTEST_WAIT, _WAIT_RANGE = 0.8, 0.4
_DECODE_ENTRIES_PER_USER: Final = 10
_DECODE_TOKENS: Final = 2048


@dataclasses.dataclass(frozen=True)
class FloodOptions:
    """What OPEN may change of the official request stream; the defaults are the sanctioned work.

    ``smallest_part``: a request takes at least the user's tokens divided by it.
    """

    mode: Literal["both", "prefill", "decode"] = "both"
    multi_turn: bool = True
    continue_probability: float = 0.8
    max_turns: int = 50
    prefix_probability: float = 0.2
    rag: bool = False
    rag_probability: float = 0.1
    rag_documents: int = 10
    prefill_only_from_tokens: int = 10_000
    smallest_part: int = 4


def compile_flood(
    model: KVModel, population: Sequence[User], *, effective_seed: int, duration_seconds: float, options: FloodOptions | None = None
) -> Schedule:
    """Every request that these users send in that time, on the wall clock from the start of the pass.

    Each user and purpose has a stream of its own, so neither more users nor another distribution change what the others do. What a
    machine's arithmetic could round in another way is done in whole numbers.
    """
    options = options or FloodOptions()
    if effective_seed < 0:
        raise ConfigurationError(f"seed {effective_seed} is no seed", details={"allowed": "0 and more"}, code="MLPS-E111")
    if not (math.isfinite(duration_seconds) and duration_seconds > 0):
        raise ConfigurationError(
            f"a pass of the duration {duration_seconds} s has no requests", details={"allowed": "more than 0 s"}, code="MLPS-E111"
        )
    duration_ns = round(duration_seconds * _NANOSECONDS)
    arrivals = _arrivals(population, effective_seed, duration_ns)
    counts = [len(times) for times in arrivals]
    rows = np.zeros(sum(counts), REQUEST_DTYPE)
    if len(rows):
        rows["t_arrival_ns"] = np.concatenate(arrivals)
        _fill(rows, population, counts, effective_seed, options)
    retrieved = _retrievals(rows, counts, effective_seed, options) if options.rag and len(rows) else np.zeros(len(rows), RETRIEVAL_DTYPE)
    # The rows stand by user and sequence; a stable sort keeps that order among arrivals of the same nanosecond.
    order = np.argsort(rows["t_arrival_ns"], kind="stable")
    rows = rows[order]
    asked = np.flatnonzero(rows["flags"] & FLAG_RAG)
    retrievals = retrieved[order][asked]
    retrievals["request"] = asked
    preloaded = _DECODE_ENTRIES_PER_USER * len(population) if options.mode == "decode" else 0
    identity: Mapping[str, object] = {
        "work": "flood",
        "model": model.key,
        "bytes_per_token": model.bytes_per_token,
        "users": len(population),
        "effective_seed": effective_seed,
        "duration_ns": duration_ns,
        "preloaded_entries": preloaded,
    }
    return Schedule(
        requests=rows,
        model_key=model.key,
        users=len(population),
        effective_seed=effective_seed,
        duration_ns=duration_ns,
        sha256=schedule_sha256(identity, rows, retrievals),
        parameters={**identity, **dataclasses.asdict(options)},
        preloaded_entries=preloaded,
        preloaded_tokens=_DECODE_TOKENS if preloaded else 0,
        retrievals=retrievals,
    )


def _arrivals(population: Sequence[User], effective_seed: int, duration_ns: int) -> list[Records]:
    """Arrival times (ns) of each user: sums of its think time × U(0.8, 1.2), as long as the pass lasts."""
    arrivals, total = [], 0
    for user in population:
        think_ns = user.think_seconds * _NANOSECONDS
        if not (math.isfinite(think_ns) and think_ns >= 1):
            raise ConfigurationError(
                f"user {user.index} has the think time {user.think_seconds} s", details={"allowed": "1 ns and more"}, code="MLPS-E111"
            )
        most = duration_ns // max(1, int(think_ns * _SHORTEST_WAIT)) + 1
        total += int(duration_ns / think_ns)
        if total > MOST_ENTRIES:
            raise ConfigurationError(
                "the pass has more requests than its entries have numbers",
                details={"most": f"{MOST_ENTRIES:,}"},
                suggestion="fewer users, a shorter pass or longer think times",
                code="MLPS-E115",
            )
        drawn = words(effective_seed, user.index, THINK, most)
        gaps = np.rint(think_ns * (_SHORTEST_WAIT + _WAIT_RANGE * fractions(drawn))).astype(np.int64)
        times = np.cumsum(gaps)
        arrivals.append(times[: np.searchsorted(times, duration_ns)])
    return arrivals


def _fill(rows: Records, population: Sequence[User], counts: Sequence[int], effective_seed: int, options: FloodOptions) -> None:
    """Everything of the rows (by user and sequence) but the time of arrival."""

    def of_users(values: Sequence[int]) -> Records:
        return np.repeat(np.array(values, np.uint64), counts)

    rows["user"] = of_users([user.index for user in population])
    rows["qos"] = of_users([user.qos_number for user in population])
    sizes = _drawn(population, counts, effective_seed, SIZES, 2)
    context = _size(sizes[:, 0], of_users([user.context_tokens for user in population]), options)
    rows["generate"] = _size(sizes[:, 1], of_users([user.generate_tokens for user in population]), options)
    rows["phase"] = np.where(context >= options.prefill_only_from_tokens, PHASE_PREFILL, PHASE_PREFILL_DECODE)
    _converse(rows, population, counts, effective_seed, options)
    if options.prefix_probability > 0:
        draws = _drawn(population, counts, effective_seed, PREFIX, 2)
        chosen = integers(draws[:, 1], np.uint64(1), np.uint64(len(PREFIX_WORDS) - 1))
        rows["flags"] |= np.where(fractions(draws[:, 0]) < options.prefix_probability, chosen, 0).astype(np.uint8)
        context = np.maximum(1, context.astype(np.int64) - np.array(PREFIX_WORDS)[rows["flags"] & FLAG_PREFIX])
    rows["context"] = context
    rows["entry"] = np.arange(len(rows))
    if options.mode == "prefill":
        rows["phase"] = PHASE_PREFILL
    elif options.mode == "decode":
        there = np.uint64(_DECODE_ENTRIES_PER_USER * len(population) - 1)
        rows["entry"] = integers(_drawn(population, counts, effective_seed, CONVERSATION, 2)[:, 1], np.uint64(0), there)
        rows["phase"], rows["context"] = PHASE_DECODE, _DECODE_TOKENS


def _drawn(population: Sequence[User], counts: Sequence[int], effective_seed: int, purpose: int, each: int) -> Words:
    """So many random words for each request, one row a request."""
    drawn = [words(effective_seed, user.index, purpose, each * count) for user, count in zip(population, counts, strict=True)]
    return np.concatenate(drawn).reshape(-1, each)


def _size(drawn: Words, most: Records, options: FloodOptions) -> Records:
    most = np.maximum(most, np.uint64(1))
    return integers(drawn, np.maximum(most // np.uint64(options.smallest_part), np.uint64(1)), most)


def _converse(rows: Records, population: Sequence[User], counts: Sequence[int], effective_seed: int, options: FloodOptions) -> None:
    """Turns and conversations: each request continues its user's conversation or begins one, and so does the one after the last turn."""
    begins = np.ones(len(rows), bool)
    if options.multi_turn:
        begins = fractions(_drawn(population, counts, effective_seed, CONVERSATION, 2)[:, 0]) >= options.continue_probability
        firsts = np.cumsum([0, *counts[:-1]])
        begins[firsts[np.array(counts) > 0]] = True
    place = np.arange(len(rows))
    since = place - np.maximum.accumulate(np.where(begins, place, 0))
    rows["turn"] = since % options.max_turns + 1
    rows["conversation"] = np.cumsum(rows["turn"] == 1) - 1


def _retrievals(rows: Records, counts: Sequence[int], effective_seed: int, options: FloodOptions) -> Records:
    """Document and draw of each request, marking in its flags those that ask for one."""
    users, present = np.unique(rows["user"]).tolist(), [count for count in counts if count]
    draws = np.concatenate([words(effective_seed, user, RAG, 3 * count) for user, count in zip(users, present, strict=True)]).reshape(-1, 3)
    rows["flags"] |= np.where(fractions(draws[:, 0]) < options.rag_probability, FLAG_RAG, 0).astype(np.uint8)
    retrieved = np.zeros(len(rows), RETRIEVAL_DTYPE)
    retrieved["document"] = integers(draws[:, 1], np.uint64(0), np.uint64(options.rag_documents - 1))
    retrieved["draw"] = draws[:, 2]
    return retrieved
