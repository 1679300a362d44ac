"""The work of profiles ``serving`` and ``replay``: their requests on the clock of a pass, whose window begins after the warm-up."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.events import NANOSECONDS_PER_SECOND
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.population import User
from pytest_mlpstorage.kvcache.replay import compile_replay
from pytest_mlpstorage.kvcache.serving import ServingOptions, compile_serving
from pytest_mlpstorage.kvcache.serving_job import ServingJob, TraceJob
from pytest_mlpstorage.kvcache.traces import Trace
from pytest_mlpstorage.kvcache.work import MOST_ENTRIES, Records, Schedule, schedule_sha256

if TYPE_CHECKING:
    from pytest_mlpstorage.kvcache.schedule import FloodOptions

__all__ = ["MOST_LOOKUPS", "read_trace", "serving_schedule"]

MOST_LOOKUPS: Final = 500_000
"""Chunks that the list of a closed loop may ask for: each takes some hundred bytes of memory, and time before it starts."""

_LEAST_WINDOW_NS: Final = NANOSECONDS_PER_SECOND


def serving_schedule(
    serving: ServingJob, model: KVModel, users: list[User], *, seed: int, duration_seconds: float, flood: FloodOptions
) -> Schedule:
    """The work of one rank. Times are after the start of the window, so that those of the warm-up are below 0.

    In a closed loop every request is there from the beginning. An open load that lasts longer than warm-up and window is cut at its
    end; ``parameters["requests_left_out"]`` tells by how many.
    """
    warmup, window = (round(seconds * NANOSECONDS_PER_SECOND) for seconds in (serving.warmup_seconds, duration_seconds))
    if serving.trace is None:
        schedule = _of_users(serving, model, users, seed, (warmup + window) / NANOSECONDS_PER_SECOND, flood)
    else:
        schedule = _of_trace(serving.trace, model, serving.chunk_tokens)
    if serving.load == "closed":
        if len(schedule.chunks) > MOST_LOOKUPS:
            raise ConfigurationError(
                f"the list of {len(schedule):,} requests asks for {len(schedule.chunks):,} chunks, more than are compiled beforehand",
                details={"allowed": f"{MOST_LOOKUPS:,}"},
                suggestion="a lower kvcache.load.requests, larger chunks (kvcache.policy.chunk_tokens), or load.model: open",
                code="MLPS-E115",
            )
        rows = schedule.requests.copy()
        rows["t_arrival_ns"] = -warmup
        return dataclasses.replace(schedule, requests=rows, duration_ns=window)
    # A rate goes on until the end, even where its last request comes a little before it.
    return _timed(schedule, warmup, window if serving.trace is None else min(window, schedule.duration_ns - warmup))


def read_trace(trace: TraceJob) -> Trace:
    """Read the file of a trace in its format; ConfigurationError names the line that is wrong."""
    if trace.format == "mooncake":
        from pytest_mlpstorage.kvcache.traces_mooncake import read_mooncake

        return read_mooncake(Path(trace.path))
    from pytest_mlpstorage.kvcache.traces_burstgpt import read_burstgpt

    return read_burstgpt(Path(trace.path))


def _of_users(serving: ServingJob, model: KVModel, users: list[User], seed: int, seconds: float, flood: FloodOptions) -> Schedule:
    rate = serving.rate_per_second
    options = ServingOptions(
        chunk_tokens=serving.chunk_tokens,
        prefix_probability=flood.prefix_probability,
        continue_probability=flood.continue_probability if flood.multi_turn else 0.0,
        max_turns=flood.max_turns,
    )
    # Rounded down: the last one must come before the end.
    requests = serving.requests if rate is None else max(1, int(rate * seconds))
    return compile_serving(model, users, effective_seed=seed, requests=requests, rate_per_second=rate, options=options)


def _of_trace(trace: TraceJob, model: KVModel, chunk_tokens: int) -> Schedule:
    """All passes over the trace, one after the other."""
    recorded = read_trace(trace)
    passes = [_chunked(compile_replay(recorded, model, speedup=trace.speedup, pass_number=k), chunk_tokens, k) for k in range(trace.passes)]
    first = passes[0]
    if trace.passes == 1:
        return first
    rows = np.concatenate([each.requests for each in passes])
    rows["t_arrival_ns"] += np.repeat(np.arange(len(passes)) * first.duration_ns, len(first))
    rows["entry"] = rows["conversation"] = np.arange(len(rows))
    chunks = np.concatenate([each.chunks for each in passes])
    begins = np.concatenate([first.first_chunk[:1], *(each.first_chunk[1:] + k * len(first.chunks) for k, each in enumerate(passes))])
    return dataclasses.replace(
        first,
        requests=rows,
        chunks=chunks,
        first_chunk=begins,
        duration_ns=first.duration_ns * len(passes),
        sha256=schedule_sha256({"work": "replay", "of": first.sha256, "passes": len(passes)}, rows, chunks, begins),
        parameters={**first.parameters, "passes": len(passes)},
    )


def _chunked(schedule: Schedule, chunk_tokens: int, pass_number: int) -> Schedule:
    """Where the trace names no blocks each prompt is cut into whole chunks of its own: what it shares with others is not known."""
    if schedule.chunk_tokens:
        return schedule
    counts = schedule.requests["context"].astype(np.int64) // chunk_tokens
    first = np.zeros(len(counts) + 1, "<i8")
    np.cumsum(counts, out=first[1:])
    total = int(first[-1])
    if (pass_number + 1) * total > MOST_ENTRIES:
        raise ConfigurationError(
            "the trace has more chunks than have numbers",
            details={"chunks": f"{(pass_number + 1) * total:,}", "allowed": f"{MOST_ENTRIES:,}"},
            suggestion="larger chunks, fewer passes or a shorter trace",
            code="MLPS-E115",
        )
    chunks: Records = (np.arange(total) + pass_number * total).astype("<u4")
    return dataclasses.replace(
        schedule,
        chunk_tokens=chunk_tokens,
        chunks=chunks,
        first_chunk=first,
        sha256=schedule_sha256({"work": "replay", "of": schedule.sha256, "chunk_tokens": chunk_tokens}, chunks, first),
        parameters={**schedule.parameters, "chunk_tokens": chunk_tokens},
    )


def _timed(schedule: Schedule, warmup: int, window: int) -> Schedule:
    """An open load on the clock of its window."""
    if window < _LEAST_WINDOW_NS:
        raise ConfigurationError(
            f"the requests arrive within {schedule.duration_ns / NANOSECONDS_PER_SECOND:.1f} s, and "
            f"{warmup / NANOSECONDS_PER_SECOND:g} s of that are warm-up: no second is left to measure",
            suggestion="a shorter kvcache.warmup, more passes over the trace, or a lower trace.speedup",
            code="MLPS-E115",
        )
    rows = schedule.requests.copy()
    rows["t_arrival_ns"] -= warmup
    kept = int(np.searchsorted(rows["t_arrival_ns"], window))
    if not kept:
        raise ConfigurationError(
            f"no request arrives within {(warmup + window) / NANOSECONDS_PER_SECOND:g} s of warm-up and window",
            suggestion="a higher kvcache.load.rate, or a longer kvcache.duration",
            code="MLPS-E115",
        )
    return dataclasses.replace(
        schedule,
        requests=rows[:kept],
        first_chunk=schedule.first_chunk[: kept + 1],
        chunks=schedule.chunks[: int(schedule.first_chunk[kept])],
        duration_ns=window,
        parameters={**schedule.parameters, "requests_left_out": len(rows) - kept},
    )
