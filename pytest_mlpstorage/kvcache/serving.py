"""The schedule compiler of profile ``serving``: prompts as chunks that are named by what they hold (kvcache.md §5.1, §5.3).

The users, their conversations and their sizes are those of the official work; what differs is what becomes of them. A later turn's prompt
is everything said before it, the answers included, and a further question, so it begins with the chunks of the turn before. A system
prompt is a real prefix: its chunks are the same in every conversation that begins with it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.population import User, offered_requests_per_second
from pytest_mlpstorage.kvcache.schedule import FloodOptions, compile_flood
from pytest_mlpstorage.kvcache.streams import WORK_LIST, words
from pytest_mlpstorage.kvcache.work import (
    FLAG_PREFIX,
    MOST_ENTRIES,
    PHASE_PREFILL_DECODE,
    PREFIX_WORDS,
    Records,
    Schedule,
    schedule_sha256,
)

__all__ = ["ServingOptions", "compile_serving"]

_NANOSECONDS: Final = 10**9
_HIGH: Final = np.uint64(32)
_PROMPTS: Final = len(PREFIX_WORDS) - 1


@dataclasses.dataclass(frozen=True)
class ServingOptions:
    """How prompts are made. A question after the first has the drawn context divided by ``later_turn_part``."""

    chunk_tokens: int = 256
    system_prompt_tokens: int = 2048
    prefix_probability: float = 0.2
    continue_probability: float = 0.8
    max_turns: int = 50
    later_turn_part: int = 8
    max_context_tokens: int = 131_072


def compile_serving(
    model: KVModel,
    population: Sequence[User],
    *,
    effective_seed: int,
    requests: int,
    rate_per_second: float | None = None,
    options: ServingOptions | None = None,
) -> Schedule:
    """So many requests in a fixed order; without a rate they have no times (closed loop), with one they arrive as a Poisson process."""
    options = options or ServingOptions()
    _refuse(population, requests, rate_per_second, options)
    rows = _asked(model, population, effective_seed, requests, options)
    order = np.argsort(rows["entry"], kind="stable")
    talks = rows[order]
    begins = talks["turn"] == 1
    talk = np.cumsum(begins) - 1
    prompt = (talks["flags"] & FLAG_PREFIX)[begins][talk]
    shared = options.system_prompt_tokens // options.chunk_tokens
    tokens = np.minimum(
        _prompts(talks, begins, talk, options) + np.where(prompt > 0, options.system_prompt_tokens, 0), options.max_context_tokens
    )
    counts = tokens // options.chunk_tokens
    common = np.where(prompt > 0, np.minimum(shared, counts), 0)
    # The last turn of a conversation has the most chunks of its own, and all turns share its numbers.
    most = np.zeros(talk[-1] + 1, np.int64)
    np.maximum.at(most, talk, counts - common)
    base = _PROMPTS * shared + np.cumsum(most) - most
    if base[-1] + most[-1] > MOST_ENTRIES:
        raise ConfigurationError(
            "the work has more chunks than have numbers",
            details={"chunks": f"{base[-1] + most[-1]:,}", "allowed": f"{MOST_ENTRIES:,}"},
            suggestion="larger chunks or fewer requests",
            code="MLPS-E115",
        )
    rows["conversation"][order], rows["context"][order], rows["flags"][order] = talk, tokens, prompt
    rows["phase"], rows["entry"] = PHASE_PREFILL_DECODE, np.arange(len(rows))
    rows["t_arrival_ns"] = _arrivals(effective_seed, requests, rate_per_second)
    back = np.argsort(order)
    chunks, first = _chunks(counts[back], common[back], ((prompt.astype(np.int64) - 1) * shared)[back], base[talk][back])
    identity: Mapping[str, object] = {
        "work": "serving",
        "model": model.key,
        "bytes_per_token": model.bytes_per_token,
        "users": len(population),
        "effective_seed": effective_seed,
        "chunk_tokens": options.chunk_tokens,
    }
    return Schedule(
        requests=rows,
        model_key=model.key,
        users=len(population),
        effective_seed=effective_seed,
        duration_ns=_duration(requests, rate_per_second),
        sha256=schedule_sha256(identity, rows, chunks, first),
        parameters={**identity, "requests": requests, "rate_per_second": rate_per_second, **dataclasses.asdict(options)},
        chunk_tokens=options.chunk_tokens,
        chunks=chunks,
        first_chunk=first,
    )


def _refuse(population: Sequence[User], requests: int, rate: float | None, options: ServingOptions) -> None:
    least = {
        "users": (len(population), 1),
        "requests": (requests, 1),
        "chunk_tokens": (options.chunk_tokens, 1),
        "later_turn_part": (options.later_turn_part, 1),
        "max_context_tokens": (options.max_context_tokens, 1),
        "system_prompt_tokens": (options.system_prompt_tokens, 0),
    }
    for name, (value, smallest) in least.items():
        if value < smallest:
            raise ConfigurationError(f"{name} is {value}", details={"allowed": f"{smallest} and more"}, code="MLPS-E111")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise ConfigurationError(f"the rate is {rate} requests/s", details={"allowed": "more than 0"}, code="MLPS-E111")


def _asked(model: KVModel, population: Sequence[User], effective_seed: int, requests: int, options: ServingOptions) -> Records:
    """The first so many requests of the flood of these users. A longer flood begins as a shorter one, so its length does not matter."""
    flood = FloodOptions(
        prefix_probability=options.prefix_probability, continue_probability=options.continue_probability, max_turns=options.max_turns
    )
    seconds = 1 + requests / offered_requests_per_second(population)
    while True:
        schedule = compile_flood(model, population, effective_seed=effective_seed, duration_seconds=seconds, options=flood)
        if len(schedule) >= requests:
            return schedule.requests[:requests].copy()
        seconds *= 2


def _prompts(talks: Records, begins: Records, talk: Records, options: ServingOptions) -> Records:
    """Tokens of each prompt without a system prompt. The rows stand by conversation and turn."""
    drawn = talks["context"].astype(np.int64) + np.array(PREFIX_WORDS)[talks["flags"] & FLAG_PREFIX]
    asked = np.where(begins, drawn, np.maximum(1, drawn // options.later_turn_part))
    answered = talks["generate"].astype(np.int64)
    said = np.cumsum(asked + answered)
    before = (said - asked - answered)[begins][talk]
    return np.asarray(said - answered - before)


def _chunks(counts: Records, common: Records, prompt: Records, own: Records) -> tuple[Records, Records]:
    """Chunks of all requests in a row, and where those of each begin. All is given by request in order of arrival."""
    first = np.zeros(len(counts) + 1, "<i8")
    np.cumsum(counts, out=first[1:])
    place = np.arange(first[-1]) - np.repeat(first[:-1], counts)
    shared = np.repeat(common, counts)
    chunks = np.where(place < shared, np.repeat(prompt, counts) + place, np.repeat(own, counts) + place - shared)
    return chunks.astype("<u4"), first


def _duration(requests: int, rate: float | None) -> int:
    return 0 if rate is None else max(1, round(requests / rate * _NANOSECONDS))


def _arrivals(effective_seed: int, requests: int, rate: float | None) -> Records:
    """Arrivals of a Poisson process, given their number: evenly drawn and sorted. No logarithm is rounded, so all machines agree."""
    duration = _duration(requests, rate)
    if not duration:
        return np.zeros(requests, np.int64)
    drawn = words(effective_seed, 0, WORK_LIST, requests)
    # duration × 32 bits overflows 64 bits from 4 s on: the whole seconds and the rest are taken apart.
    low = np.uint64(duration & 0xFFFF_FFFF)
    scaled = (drawn >> _HIGH) * np.uint64(duration >> 32) + ((drawn >> _HIGH) * low >> _HIGH)
    return np.sort(scaled.astype(np.int64))
