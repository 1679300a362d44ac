"""The last section on the terminal: verdicts, runs, where the files are, what to do next."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping, Sequence

from pytest_mlpstorage.report.collector import Item, JudgedResult
from pytest_mlpstorage.report.reasons import split
from pytest_mlpstorage.report.runs import RunRow
from pytest_mlpstorage.report.text import number, plain

__all__ = ["Line", "rerun_command", "summary_lines", "verdict_color"]

_REASONS = 8
"""Most reasons shown of one result; the rest is in verdicts.json and in the failures above."""

_RUNS = 60
"""Most runs shown; a merged tree has thousands."""


@dataclasses.dataclass(frozen=True)
class Line:
    """One line and how it is marked up."""

    text: str
    markup: Mapping[str, bool] = dataclasses.field(default_factory=dict)


def verdict_color(headline: str) -> str:
    """Color name of a verdict: green is claimed and holds, red fails, yellow says that something is missing."""
    word = headline.split(" (")[0]
    return {"CLOSED": "green", "OPEN": "green", "INVALID": "red", "NOT VERIFIED": "yellow"}.get(word, "cyan")


def summary_lines(
    judged: Sequence[JudgedResult], runs: Sequence[RunRow], failed: Sequence[Item], *, files: Mapping[str, str], rerun: str
) -> Iterator[Line]:
    """The section's lines. ``files``: what → where. ``rerun``: the command that repeats what failed."""
    width = max((len(result.headline) for result in judged), default=0)
    for result in judged:
        accelerator = result.written.get("accelerator")
        where = f"{plain(result.path)}{f' on {plain(accelerator)}' if accelerator else ''}"
        yield Line(f"{result.headline:<{width}}  {where}", {verdict_color(result.headline): True, "bold": True})
        metrics = ", ".join(f"{plain(name)} {number(value, 3)}" for name, value in result.written["metrics"].items())
        if metrics:
            yield Line(f"    {metrics}")
        reasons, _ = split(result.written, result.reasons)
        yield from (Line(f"    {plain(reason)}") for reason in reasons[:_REASONS])
        if len(reasons) > _REASONS:
            yield Line(f"    … and {len(reasons) - _REASONS} more")
    yield from _runs(runs)
    if any(result.written["division"] == "whatif" for result in judged):
        yield Line("")
        yield Line(
            "whatif: not for submission. No verdict is claimed; what the rules found above is information.", {"yellow": True, "bold": True}
        )
    if files:
        yield Line("")
        names = max(len(what) for what in files)
        yield from (Line(f"{what:<{names}}  {plain(where)}") for what, where in files.items())
    if failed:
        yield Line("")
        yield Line(f"{len(failed)} failed; again, only those: {plain(rerun)}")


def _runs(runs: Sequence[RunRow]) -> Iterator[Line]:
    if not runs:
        return
    header = ("model", "accelerator", "run", "AU %", "samples/s", "MiB/s", "seconds", "", "leaf")
    rows = [
        (
            plain(row.model, longest=40),
            plain(row.accelerator, longest=20),
            plain(row.run, longest=20),
            number(row.au_percent),
            number(row.samples_per_second),
            number(row.mib_per_second),
            number(row.seconds, 1),
            plain(", ".join(filter(None, (row.mark, row.other))), longest=120),
            plain(row.leaf),
        )
        for row in runs[:_RUNS]
    ]
    columns = [column for column in range(len(header)) if any(row[column] for row in rows)]
    widths = {column: max(len(line[column]) for line in (header, *rows)) for column in columns}
    figures = range(3, 7)
    yield Line("")
    for line in (header, *rows):
        cells = [f"{line[c]:>{widths[c]}}" if c in figures else f"{line[c]:<{widths[c]}}" for c in columns]
        yield Line("  ".join(cells).rstrip(), {"bold": True} if line is header else {})
    if len(runs) > _RUNS:
        yield Line(f"… and {len(runs) - _RUNS} more runs")


def rerun_command(arguments: Sequence[str], paths: Sequence[str], failed: Sequence[Item], *, has_cache: bool, root: str = "") -> str:
    """The shortest command that repeats what failed: ``--lf`` where pytest remembers it, else the node ids for the ``paths``.

    ``root`` is the way from where pytest was started to the root of the node ids, empty where it is the same.
    """
    options = [a for a in arguments if a not in ("--lf", "--last-failed")]
    if has_cache:
        return shlex.join(["pytest", "--lf", *options])
    return shlex.join(["pytest", *(a for a in options if a not in paths), *(f"{root}{item.nodeid}" for item in failed)])
