"""Recorded request streams as arrays, whichever format they came in (kvcache.md §5.3)."""

from __future__ import annotations

import dataclasses
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.kvcache.work import Records

__all__ = ["MOST_NS", "MOST_TOKENS", "TRACE_DTYPE", "Trace", "TraceRow", "bad_row", "block_hit_rate", "make_trace", "numbered_lines"]

TRACE_DTYPE: Final = np.dtype([("t_arrival_ns", "<i8"), ("session", "<u4"), ("context", "<u4"), ("generate", "<u4")])
"""One request of a trace; its arrival is counted from the first of the trace."""

MOST_TOKENS: Final = 2**32 - 1
MOST_NS: Final = 2**62
"""Longest time from the beginning of a trace: 146 years, so that no sum of two overflows."""


@dataclasses.dataclass(frozen=True)
class TraceRow:
    """One row as a reader found it. ``blocks`` are the names of its prefix blocks from the first token on, if the format has any."""

    t_ns: int
    session: int
    context: int
    generate: int
    blocks: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """The requests of a trace by arrival. Blocks of request *i* are ``blocks[first[i]:first[i + 1]]``, numbered as they first appear.

    ``block_tokens`` is 0 where the format names no blocks; ``out_of_order`` counts the rows that stood after a later one.
    """

    format: str
    requests: Records
    blocks: Records
    first: Records
    block_tokens: int = 0
    unique_blocks: int = 0
    out_of_order: int = 0

    def __len__(self) -> int:
        return len(self.requests)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a text file from 1, without their ends; ConfigurationError where the file cannot be read or a line is no text."""
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if "\0" in text:
                    bad_row(path, number, "a NUL character")
                yield number, text.rstrip("\r\n")
    except UnicodeDecodeError:
        bad_row(path, number, "no UTF-8 text")
    except OSError as error:
        raise ConfigurationError(f"the trace {path.name} cannot be read", details={"file": path}, cause=error, code="MLPS-E150") from error


def bad_row(path: Path, line: int, why: str) -> NoReturn:
    """Refuse a trace for one of its rows."""
    raise ConfigurationError(
        f"{path.name}:{line}: {why}", details={"file": path}, suggestion="mend or remove the row; nothing is skipped", code="MLPS-E150"
    )


def make_trace(form: str, rows: Sequence[TraceRow], block_tokens: int) -> Trace:
    """The rows in order of arrival, with blocks numbered anew."""
    order = sorted(range(len(rows)), key=lambda place: rows[place].t_ns)
    requests = np.zeros(len(rows), TRACE_DTYPE)
    numbers: dict[int, int] = {}
    blocks: list[int] = []
    first = np.zeros(len(rows) + 1, "<i8")
    start = rows[order[0]].t_ns if rows else 0
    for place, number in enumerate(order):
        row = rows[number]
        requests[place] = (row.t_ns - start, row.session, row.context, row.generate)
        blocks += [numbers.setdefault(block, len(numbers)) for block in row.blocks]
        first[place + 1] = len(blocks)
    late = sum(after.t_ns < before.t_ns for before, after in itertools.pairwise(rows))
    return Trace(form, requests, np.array(blocks, "<u4"), first, block_tokens, len(numbers), late)


def block_hit_rate(trace: Trace, capacity_blocks: int | None) -> float:
    """Share of block uses that find their block in a least-recently-used cache of that many blocks; None is a cache without limit."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for block in trace.blocks.tolist():
        if block in held:
            held.move_to_end(block)
            hits += 1
            continue
        held[block] = None
        if capacity_blocks is not None and len(held) > capacity_blocks:
            held.popitem(last=False)
    return hits / len(trace.blocks) if len(trace.blocks) else 0.0
