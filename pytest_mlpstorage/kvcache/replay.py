"""The schedule compiler of a recorded trace (kvcache.md §1.4, §5.1, §5.3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.models import KVModel
from pytest_mlpstorage.kvcache.population import QOS
from pytest_mlpstorage.kvcache.schedule import FloodOptions
from pytest_mlpstorage.kvcache.traces import MOST_NS, Trace
from pytest_mlpstorage.kvcache.work import MOST_ENTRIES, PHASE_PREFILL, PHASE_PREFILL_DECODE, REQUEST_DTYPE, Schedule, schedule_sha256

__all__ = ["compile_replay"]

_CLASS: Final = QOS.index("batch")


def compile_replay(trace: Trace, model: KVModel, *, speedup: float = 1.0, pass_number: int = 0) -> Schedule:
    """One pass over the trace, its gaps divided by ``speedup``; 0 leaves no gap.

    A further pass has entries and chunks of its own, so it writes again what the pass before has left. Traces say nothing of classes:
    all requests are of the class ``batch``. Where the trace names prefix blocks they are the chunks, otherwise each row has one entry.
    """
    if not (math.isfinite(speedup) and speedup >= 0):
        raise ConfigurationError(f"the speed-up of the trace is {speedup}", details={"allowed": "0 (no gaps) and more"}, code="MLPS-E111")
    rows = np.zeros(len(trace), REQUEST_DTYPE)
    times = trace.requests["t_arrival_ns"] / speedup if speedup else np.zeros(len(trace))
    if len(times) and times[-1] >= MOST_NS:
        raise ConfigurationError(
            f"the speed-up {speedup} stretches the trace over more than a century", details={"allowed": "a larger one"}, code="MLPS-E115"
        )
    shared = trace.block_tokens > 0
    names = trace.unique_blocks if shared else len(trace)
    if (pass_number + 1) * names > MOST_ENTRIES:
        raise ConfigurationError(
            "the trace has more entries than have numbers",
            details={"entries": f"{(pass_number + 1) * names:,}", "allowed": f"{MOST_ENTRIES:,}"},
            suggestion="fewer passes or a shorter trace",
            code="MLPS-E115",
        )
    rows["t_arrival_ns"] = np.rint(times)
    rows["user"], rows["context"], rows["generate"] = trace.requests["session"], trace.requests["context"], trace.requests["generate"]
    rows["qos"], rows["turn"] = _CLASS, 1
    rows["conversation"] = np.arange(len(trace))
    rows["entry"] = rows["conversation"] + (0 if shared else pass_number * names)
    rows["phase"] = np.where(rows["context"] >= FloodOptions().prefill_only_from_tokens, PHASE_PREFILL, PHASE_PREFILL_DECODE)
    chunks = (trace.blocks + pass_number * names).astype("<u4")
    identity: Mapping[str, object] = {
        "work": "replay",
        "format": trace.format,
        "model": model.key,
        "bytes_per_token": model.bytes_per_token,
        "chunk_tokens": trace.block_tokens,
    }
    return Schedule(
        requests=rows,
        model_key=model.key,
        users=len(np.unique(rows["user"])),
        effective_seed=0,
        duration_ns=int(rows["t_arrival_ns"][-1]) + 1 if len(rows) else 0,
        sha256=schedule_sha256(identity, rows, chunks, trace.first),
        parameters={**identity, "speedup": speedup, "pass": pass_number},
        chunk_tokens=trace.block_tokens,
        chunks=chunks,
        first_chunk=trace.first,
    )
