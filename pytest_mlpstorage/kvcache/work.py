"""The work of a rank as arrays, and the checksum that says that two ranks did the same work (kvcache.md §5.3)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "COMPILER_VERSION",
    "FLAG_PREFIX",
    "FLAG_RAG",
    "MOST_ENTRIES",
    "OPERATION_DTYPE",
    "PHASE_DECODE",
    "PHASE_PREFILL",
    "PHASE_PREFILL_DECODE",
    "PREFIX_WORDS",
    "REQUEST_DTYPE",
    "RETRIEVAL_DTYPE",
    "Records",
    "Schedule",
    "earlier_entries",
    "schedule_sha256",
]

Records = npt.NDArray[Any]
"""A structured array; numpy has no type for its fields."""

COMPILER_VERSION: Final = 1
"""Counted up with each change that gives other work for the same input; part of the checksum."""

MOST_ENTRIES: Final = 2**24
"""Entries that the 24 bits of a stamp can tell apart."""

PHASE_PREFILL: Final = 0
PHASE_PREFILL_DECODE: Final = 1
PHASE_DECODE: Final = 2

FLAG_PREFIX: Final = 0b011
"""Bits that hold the number of the system prompt that the request begins with; 0 is none."""

FLAG_RAG: Final = 0b100
"""The request asks for chunks of a document (one row of ``Schedule.retrievals``)."""

REQUEST_DTYPE: Final = np.dtype(
    [
        ("t_arrival_ns", "<i8"),
        ("user", "<u4"),
        ("qos", "u1"),
        ("conversation", "<u4"),
        ("turn", "<u2"),
        ("phase", "u1"),
        ("context", "<u4"),
        ("generate", "<u4"),
        ("entry", "<u4"),
        ("flags", "u1"),
    ]
)
"""One request: its arrival after the start of the pass, ``turn`` from 1, ``context`` the tokens of its entry (a system prompt taken off).

Entries are numbered in the order (user, sequence), so the earlier turns of a conversation are the entries just below its own.
"""

PREFIX_WORDS: Final = (0, 5, 9, 6)
"""Words of each system prompt, by its number in the flags: so many tokens fewer has the context. The book says "5-9" only;
the third length is ours and moves no figure (one token in a thousand).
"""

RETRIEVAL_DTYPE: Final = np.dtype([("request", "<u4"), ("document", "<u4"), ("draw", "<u8")])
"""Which document a request with ``FLAG_RAG`` asks for, and the random word that chooses its chunks (``documents``)."""

OPERATION_DTYPE: Final = np.dtype(
    [("request", "<u4"), ("kind", "u1"), ("reason", "u1"), ("tier", "u1"), ("entry", "<u4"), ("bytes", "<u8"), ("depends_on", "<i8")]
)
"""One operation of a fixed work list, with kinds and reasons of ``events``; ``depends_on`` is the row to wait for, -1 for none."""


@dataclasses.dataclass(frozen=True, eq=False)
class Schedule:
    """What one rank is asked to do in one pass, in order of arrival.

    ``requests`` has ``REQUEST_DTYPE``. Where entries are shared chunks of ``chunk_tokens`` (0 where they are not), those of request *i*
    are ``chunks[first_chunk[i]:first_chunk[i + 1]]``. A duration of 0 ends with the work.
    ``parameters`` are the settings that it was compiled from, for the record. The entries below ``preloaded_entries``, of
    ``preloaded_tokens`` each, are there before the pass begins (decode only).
    """

    requests: Records
    model_key: str
    users: int
    effective_seed: int
    duration_ns: int
    sha256: str
    parameters: Mapping[str, object] = dataclasses.field(default_factory=dict)
    preloaded_entries: int = 0
    preloaded_tokens: int = 0
    retrievals: Records = dataclasses.field(default_factory=lambda: np.zeros(0, RETRIEVAL_DTYPE))
    chunk_tokens: int = 0
    chunks: Records = dataclasses.field(default_factory=lambda: np.zeros(0, "<u4"))
    first_chunk: Records = dataclasses.field(default_factory=lambda: np.zeros(1, "<i8"))

    def __len__(self) -> int:
        return len(self.requests)

    def chunks_of(self, request: int) -> Records:
        """Entries of that request where entries are shared chunks, first token first."""
        return self.chunks[self.first_chunk[request] : self.first_chunk[request + 1]]


def schedule_sha256(identity: Mapping[str, object], *arrays: Records) -> str:
    """Checksum over compiler version, identity and arrays, the same on every machine and in every process.

    The identity holds what the arrays do not show. Settings that they do show stay out, so that a new setting renames no old work.
    """
    digest = hashlib.sha256()
    head = {"compiler": COMPILER_VERSION, **identity}
    digest.update(json.dumps(head, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())
    for array in arrays:
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(json.dumps([repr(little.dtype.descr), len(little)]).encode())
        digest.update(little.view(np.uint8).data)
    return digest.hexdigest()


def earlier_entries(entry: int, turn: int) -> range:
    """Entries of the turns before this one in its conversation, the first turn first."""
    return range(entry - turn + 1, entry)
