"""Reader of BurstGPT traces: CSV with token counts and no prefixes (kvcache.md §1.4, §5.3)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pytest_mlpstorage.kvcache.traces import MOST_NS, MOST_TOKENS, Trace, TraceRow, bad_row, make_trace, numbered_lines

__all__ = ["SYNTHETIC_USERS", "read_burstgpt"]

SYNTHETIC_USERS: Final = 1000
"""Users that take turns where the file names no session, as in the official tool."""

_SECOND_NS: Final = 10**9
_NEEDED: Final = ("Timestamp", "Request tokens", "Response tokens")
_SESSION: Final = "Session ID"
_DECIMAL: Final = re.compile(r"\d{1,18}(\.\d{0,30})?", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,10}", re.ASCII)


def read_burstgpt(path: Path) -> Trace:
    """The trace of that file; ConfigurationError with the line of the first bad row. Empty lines are none."""
    rows: list[TraceRow] = []
    sessions: dict[str, int] = {}
    for number, row in _records(path):
        session = sessions.setdefault(row[_SESSION], len(sessions)) if _SESSION in row else len(rows) % SYNTHETIC_USERS
        rows.append(
            TraceRow(
                t_ns=_time(row, path, number),
                session=session,
                context=_tokens(row, "Request tokens", 1, path, number),
                generate=_tokens(row, "Response tokens", 0, path, number),
            )
        )
    if not rows:
        bad_row(path, 1, "no request in the file")
    return make_trace("burstgpt", rows, 0)


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by the names of the head, each with its line. A row is one line: what spans several is a bad row."""
    head: list[str] | None = None
    for number, line in numbered_lines(path):
        try:
            cells = next(csv.reader([line], strict=True), [])
        except csv.Error as error:
            bad_row(path, number, f"no CSV: {error}")
        if head is None:
            head = [cell.strip() for cell in cells]
            missing = [name for name in _NEEDED if name not in head]
            if missing:
                bad_row(path, number, f"the head lacks {', '.join(missing)}")
        elif cells:
            if len(cells) != len(head):
                bad_row(path, number, f"{len(cells)} columns where the head has {len(head)}")
            yield number, dict(zip(head, cells, strict=True))
    if head is None:
        bad_row(path, 1, "the file is empty")


def _time(row: dict[str, str], path: Path, number: int) -> int:
    text = row["Timestamp"].strip()
    if not _DECIMAL.fullmatch(text) or float(text) >= MOST_NS // _SECOND_NS:
        bad_row(path, number, f"Timestamp is {text[:40]!r}; allowed seconds of at least 0")
    return round(float(text) * _SECOND_NS)


def _tokens(row: dict[str, str], name: str, least: int, path: Path, number: int) -> int:
    text = row[name].strip()
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= MOST_TOKENS:
        bad_row(path, number, f"{name} is {text[:40]!r}; allowed a whole number from {least} to {MOST_TOKENS}")
    return int(text)
