"""The last section on the terminal: verdicts, runs, where the files are, what to do next."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_mlpstorage.report.collector import Item, Verdicts
from pytest_mlpstorage.report.compare_told import comparison_lines
from pytest_mlpstorage.report.pictures import picture_in_short, picture_lines, untold
from pytest_mlpstorage.report.reasons import split
from pytest_mlpstorage.report.runs import RunRow
from pytest_mlpstorage.report.text import number, plain
from pytest_mlpstorage.verdict import Verdict

__all__ = ["Line", "rerun_command", "summary_lines", "verdict_color"]

_REASONS = 8
"""Most reasons shown of one result; the rest is in verdicts.json and in the failures above."""

_DRAWN = 4
"""Most results whose pictures are drawn; of more the page shows them, and here are their first sentences."""

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


def summary_lines(judged: Verdicts, failed: Sequence[Item], *, files: Mapping[str, str], rerun: str) -> Iterator[Line]:
    """The section's lines. ``files``: what → where. ``rerun``: the command that repeats what failed."""
    width = max((len(result.headline) for result in (*judged.results, *judged.submissions)), default=0)
    drawn = sum(any(not picture.folded for picture in result.pictures) for result in judged.results) <= _DRAWN
    for result in judged.results:
        accelerator = result.written.get("accelerator")
        where = f"{plain(result.path)}{f' on {plain(accelerator)}' if accelerator else ''}"
        yield Line(f"{plain(result.headline):<{width}}  {where}", {verdict_color(result.headline): True, "bold": True})
        shown = untold(result.written["metrics"], result.pictures)
        metrics = ", ".join(f"{plain(name)} {number(value, 3)}" for name, value in shown.items())
        if metrics:
            yield Line(f"    {metrics}")
        reasons, _ = split(result.written, result.reasons)
        yield from _reasons(reasons)
        for picture in result.pictures:
            if picture.folded:
                continue
            yield Line("")
            yield from (Line(f"    {line}") for line in (picture_lines if drawn else picture_in_short)(picture))
    yield from _runs(judged.runs)
    if judged.resumed:
        yield Line("")
        yield from (Line(plain(line, longest=2_000)) for line in judged.resumed)
    yield from _submissions(judged, width)
    yield from (Line(text, {color: True} if color else {}) for text, color in comparison_lines(judged.compared))
    if any(result.written["division"] == "whatif" for result in judged.results):
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


def _reasons(reasons: Sequence[str]) -> Iterator[Line]:
    yield from (Line(f"    {plain(reason)}") for reason in reasons[:_REASONS])
    if len(reasons) > _REASONS:
        yield Line(f"    … and {len(reasons) - _REASONS} more")


def _submissions(judged: Verdicts, width: int) -> Iterator[Line]:
    """The submissions, what was found at the top of the tree, and how many there are of each verdict."""
    if not judged.submissions:
        return
    yield Line("")
    for submission in judged.submissions:
        results = submission.written["results"]
        color = {verdict_color(submission.headline): True, "bold": True}
        yield Line(
            f"{plain(submission.headline):<{width}}  submission {plain(submission.path)}: {_counted(results.values(), 'result')}", color
        )
        yield from _reasons([reason for reason in submission.reasons if not reason.startswith(tuple(f"{path}: " for path in results))])
    if judged.package:
        yield Line("the package, which counts for no single result", {"bold": True})
        yield from _reasons(judged.package)
    yield Line("")
    verdicts = [[str(one.written["verdict"]) for one in many] for many in (judged.results, judged.submissions)]
    yield Line(f"{_counted(verdicts[0], 'result')}; {_counted(verdicts[1], 'submission')}", {"bold": True})


def _counted(verdicts: Iterable[str], what: str) -> str:
    counts = Counter(verdicts)
    total = sum(counts.values())
    listed = ", ".join(f"{counts[verdict.value]} {verdict.value}" for verdict in Verdict if counts[verdict.value])
    return f"{total} {what}{'' if total == 1 else 's'}{f' ({listed})' if listed else ''}"


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
