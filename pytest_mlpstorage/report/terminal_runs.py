"""The runs on the terminal: those of training with their figures, those of other families with what they measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final

from pytest_mlpstorage.report.lines import Line, cut
from pytest_mlpstorage.report.runs import RunRow
from pytest_mlpstorage.report.text import number, plain

__all__ = ["run_lines"]

_MOST: Final = 60
"""Most runs shown; a merged tree has thousands."""

_NUMBERS: Final = frozenset({"AU %", "samples/s", "MiB/s", "seconds"})
_LEAST_CUT: Final = 24
"""A last column is cut to what is left of the line, and never to less than this."""


def run_lines(runs: Sequence[RunRow], *, verbosity: int, width: int) -> Iterator[Line]:
    """A table for training and one for the rest. From ``-v`` on with the leaf of each run, from ``-vv`` on with its command."""
    shown = [row for row in runs if verbosity > 0 or _says_something(row)]
    whose = _whose(shown)
    for of_training in (True, False):
        rows = [row for row in shown[:_MOST] if _of_training(row) == of_training]
        if rows:
            yield Line("")
            yield from _table(rows, whose, of_training=of_training, verbosity=verbosity, width=width)
    if len(shown) > _MOST:
        yield Line(f"… and {len(shown) - _MOST} more runs")


def _of_training(row: RunRow) -> bool:
    return row.other == "" and any(value is not None for value in (row.au_percent, row.samples_per_second, row.mib_per_second))


def _says_something(row: RunRow) -> bool:
    """Whether a run is more than a calculation that took no time."""
    return _of_training(row) or bool(row.mark or row.other) or row.seconds is None


def _whose(rows: Sequence[RunRow]) -> dict[str, str]:
    """Leaf → submitter and system, where the runs are of more than one."""
    found = {}
    for row in rows:
        parts = PurePosixPath(row.leaf).parts
        at = parts.index("results") if "results" in parts else 0
        found[row.leaf] = "/".join((parts[at - 1], parts[at + 1])) if 0 < at < len(parts) - 1 else ""
    return found if len(set(found.values())) > 1 else {}


def _table(rows: Sequence[RunRow], whose: dict[str, str], *, of_training: bool, verbosity: int, width: int) -> Iterator[Line]:
    names = ["system", "model", "accelerator", "run"]
    names += ["AU %", "samples/s", "MiB/s", "seconds", ""] if of_training else ["seconds", "measured"]
    names += ["leaf"] if verbosity > 0 else []
    cells = [_cells(row, whose, names) for row in rows]
    columns = [column for column in range(len(names)) if any(line[column] for line in cells)]
    widths = {column: max(len(line[column]) for line in (names, *cells)) for column in columns}
    last = columns[-1]
    room = max(width - sum(widths[column] + 2 for column in columns[:-1]), _LEAST_CUT)
    for row, line in zip((None, *rows), (names, *cells), strict=True):
        texts = [f"{line[c]:>{widths[c]}}" if names[c] in _NUMBERS else f"{line[c]:<{widths[c]}}" for c in columns[:-1]]
        end = line[last] if verbosity > 0 else cut(line[last].rjust(widths[last]) if names[last] in _NUMBERS else line[last], room)
        yield Line("  ".join((*texts, end)).rstrip(), {"bold": True} if row is None else {})
        if row is not None and verbosity > 1 and row.command:
            yield Line(f"    $ {plain(row.command, longest=20_000)}")


def _cells(row: RunRow, whose: dict[str, str], names: Sequence[str]) -> list[str]:
    every = {
        "system": plain(whose.get(row.leaf, ""), longest=30),
        "model": plain(row.model, longest=40),
        "accelerator": plain(row.accelerator, longest=20),
        "run": plain(row.run, longest=20),
        "AU %": number(row.au_percent),
        "samples/s": number(row.samples_per_second),
        "MiB/s": number(row.mib_per_second),
        "seconds": number(row.seconds, 1),
        "": plain(row.mark, longest=120),
        "measured": plain(", ".join(filter(None, (row.mark, row.other))), longest=200),
        "leaf": plain(row.leaf),
    }
    return [every[name] for name in names]
