"""Logs of a pass written by hand: times in seconds, sizes in GiB, everything else nothing unless it is said."""

from __future__ import annotations

import numpy as np

from pytest_mlpstorage.kvcache.events import EVENT_DTYPE, NEVER, REQUEST_EVENT_DTYPE, Kind, Reason, Tier

GIB = 1024**3
S = 10**9

_ALREADY_NUMBERS = {"gib"}


def _record(dtype, values):
    row = np.zeros((), dtype)
    for name in dtype.names:
        if name.startswith("t_") or name == "durable":
            row[name] = NEVER
    for name, value in values.items():
        row[name] = value
    return row.item()


def ns(seconds):
    return NEVER if seconds is None else round(seconds * S)


def operation(kind, start, end, gib=1.0, *, tier=Tier.STORAGE, host=0.0, device=None, **more):
    """One operation from start to end; its first byte is submitted at once, its time is the device's but for ``host``."""
    spent = 0 if end is None else end - start - host
    values = {
        "kind": kind,
        "tier": tier,
        "bytes": round(gib * GIB),
        "t_queue": ns(start),
        "t_start": ns(start),
        "t_submit": ns(start),
        "t_complete": ns(end),
        "durable": ns(end) if kind in (Kind.WRITE, Kind.EVICT_WRITE) else NEVER,
        "host_ns": ns(host),
        "device_ns": ns(spent if device is None else device),
    }
    return _record(EVENT_DTYPE, values | more)


def read(start, end, gib=1.0, **more):
    return operation(Kind.READ, start, end, gib, **{"reason": Reason.DECODE, **more})


def write(start, end, gib=1.0, **more):
    return operation(Kind.WRITE, start, end, gib, **{"reason": Reason.PREFILL, **more})


def miss(when, **more):
    return operation(Kind.MISS, when, when, 0, **more)


def request(intended, dequeue, done, *, storage=0.0, generation=0.0, prefill=0.0, decode=0.0, tokens=0, **more):
    values = {
        "t_intended": ns(intended),
        "t_dequeue": ns(dequeue),
        "t_done": ns(done),
        "storage_ns": ns(storage),
        "generation_ns": ns(generation),
        "prefill_ns": ns(prefill),
        "decode_ns": ns(decode),
        "generated_tokens": tokens,
    }
    return _record(REQUEST_EVENT_DTYPE, values | more)


def events(*rows):
    return np.array(list(rows), EVENT_DTYPE)


def requests(*rows):
    return np.array(list(rows), REQUEST_EVENT_DTYPE)
