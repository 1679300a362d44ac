"""Reader of Mooncake traces: JSON lines with prefix blocks of 512 tokens (kvcache.md §5.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.kvcache.traces import MOST_NS, MOST_TOKENS, Trace, TraceRow, bad_row, make_trace, numbered_lines

__all__ = ["BLOCK_TOKENS", "read_mooncake"]

BLOCK_TOKENS: Final = 512
_MILLISECOND_NS: Final = 10**6


def read_mooncake(path: Path) -> Trace:
    """The trace of that file; ConfigurationError with the line of the first bad row. Empty lines are none.

    The last block of a request may hold fewer than 512 tokens; the format counts it as one, and so do we.
    """
    rows: list[TraceRow] = []
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
        except (ValueError, RecursionError):
            bad_row(path, number, "no JSON")
        if not isinstance(raw, dict):
            bad_row(path, number, "no JSON object")
        rows.append(
            TraceRow(
                t_ns=_time(raw, path, number),
                session=len(rows),
                context=_whole(raw, "input_length", 1, path, number),
                generate=_whole(raw, "output_length", 0, path, number),
                blocks=_blocks(raw, path, number),
            )
        )
    if not rows:
        bad_row(path, 1, "no request in the file")
    return make_trace("mooncake", rows, BLOCK_TOKENS)


def _value(raw: dict[str, Any], key: str, path: Path, number: int) -> Any:
    if key not in raw:
        bad_row(path, number, f"{key} is missing")
    return raw[key]


def _time(raw: dict[str, Any], path: Path, number: int) -> int:
    value = _value(raw, "timestamp", path, number)
    # What is no number compares false on both sides.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < MOST_NS // _MILLISECOND_NS:
        bad_row(path, number, f"timestamp is {_shown(value)}; allowed milliseconds of at least 0")
    return round(value * _MILLISECOND_NS)


def _whole(raw: dict[str, Any], key: str, least: int, path: Path, number: int) -> int:
    value = _value(raw, key, path, number)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MOST_TOKENS:
        bad_row(path, number, f"{key} is {_shown(value)}; allowed a whole number from {least} to {MOST_TOKENS}")
    return value


def _blocks(raw: dict[str, Any], path: Path, number: int) -> tuple[int, ...]:
    value = _value(raw, "hash_ids", path, number)
    if not isinstance(value, list) or not value:
        bad_row(path, number, f"hash_ids is {_shown(value)}; allowed a list of at least one block")
    for block in value:
        if not isinstance(block, int) or isinstance(block, bool) or block < 0:
            bad_row(path, number, f"hash_ids holds {_shown(block)}; allowed whole numbers of at least 0")
    if len(set(value)) < len(value):
        bad_row(path, number, "hash_ids names a block twice; a block stands for all tokens before it, so it cannot")
    return tuple(value)


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**18 else "a number of more than 18 digits"
    return text if len(text) <= 40 else f"{text[:37]}…"
