"""The last section on the terminal: verdicts, runs, where the files are, what to do next.

As pytest users expect: ``-q`` the verdicts alone, without it what a reader needs in ten seconds, ``-v`` every finding and leaf with its
file, ``-vv`` the commands too.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.compare_told import comparison_lines
from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.lines import Line, wrapped
from pytest_mlpstorage.report.pictures import picture_in_short, picture_lines
from pytest_mlpstorage.report.reasons import split
from pytest_mlpstorage.report.terminal_runs import run_lines
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.rules.headlines import headline_of
from pytest_mlpstorage.verdict import Verdict

__all__ = ["Line", "rerun_command", "summary_lines", "verdict_color"]

_INDENT: Final = "    "
_REASONS: Final = 8
"""Most reasons shown of one result without ``-v``; the rest is in verdicts.json and in the failures above."""

_LONGEST_COMMAND: Final = 2_000
_DRAWN: Final = 4
"""Most results whose pictures are drawn; of more the page shows them, and here are their first sentences."""

_FACTOR: Final = re.compile(r"\d ×")
"""What a figure by the official formula has beside it where the true one is known."""
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"
_SAID_BY_HEADLINE: Final = frozenset({"division whatif: not a submission", "open division"})
_PLACE: Final = re.compile(r"; in [^;]*?( \(×\d+\))?$")


def verdict_color(headline: str) -> str:
    """Color name of a verdict: green is claimed and holds, red fails, yellow says that something is missing."""
    word = headline.split(" (")[0]
    return {"CLOSED": "green", "OPEN": "green", "INVALID": "red", "NOT VERIFIED": "yellow"}.get(word, "cyan")


def summary_lines(
    judged: Verdicts, failed: Sequence[Item], *, files: Mapping[str, str], rerun: str, verbosity: int = 0, width: int = 100
) -> Iterator[Line]:
    """The section's lines. ``files``: what → where. ``rerun``: the command that repeats what failed. ``width`` in characters."""
    longest = max((len(result.headline) for result in (*judged.results, *judged.submissions)), default=0)
    drawn = sum(any(not picture.folded for picture in result.pictures) for result in judged.results) <= _DRAWN
    for result in judged.results:
        yield from _verdict(result, longest, width)
        if verbosity < 0:
            continue
        yield from _figures(result, verbosity, width)
        shown, folded = split(result.written, result.reasons)
        yield from _reasons([*shown, *folded] if verbosity > 0 else shown, verbosity, width)
        if verbosity > 0:
            yield from _pictures(result, width, drawn=drawn)
    if verbosity >= 0:
        yield from run_lines(judged.runs, verbosity=verbosity, width=width)
        if judged.resumed:
            yield Line("")
            yield from (Line(text) for line in judged.resumed for text in wrapped(plain(line, longest=2_000), width))
    yield from _submissions(judged, longest, verbosity, width)
    yield from (Line(text, {color: True} if color else {}) for text, color in comparison_lines(judged.compared))
    if verbosity >= 0:
        yield from _afterwards(judged, files, verbosity)
    if failed:
        yield Line("")
        # A command that has to be cut is none.
        again = (
            f"again, only those: {plain(rerun)}" if len(rerun) <= _LONGEST_COMMAND else "pytest's cache, which is off, would repeat them"
        )
        yield Line(f"{len(failed)} failed; {again}")


def _verdict(result: JudgedResult, longest: int, width: int) -> Iterator[Line]:
    accelerator = result.written.get("accelerator")
    where = f"{plain(result.path)}{f' on {plain(accelerator)}' if accelerator else ''}"
    markup = {verdict_color(result.headline): True, "bold": True}
    line = f"{plain(result.headline):<{longest}}  {where}"
    if len(line) <= width:
        yield Line(line, markup)
        return
    yield Line(plain(result.headline), markup)
    yield Line(f"{_INDENT}{where}", {"bold": True})


def _figures(result: JudgedResult, verbosity: int, width: int) -> Iterator[Line]:
    """The figures in a line, those of the options of a result in a line each."""
    pictures = [picture for picture in result.pictures if not picture.folded and picture.says]
    if verbosity == 0 and pictures and not _in_the_window(result):
        # The official formula counts work that ended after the window; the sentence says what the storage did in it.
        for picture in pictures:
            yield from map(Line, wrapped(f"{plain(picture.title)}: {plain(picture.says[0])}", width, indent=_INDENT))
        return
    texts = figures_of(result.told, every=verbosity > 0, limits=result.limits, spreads=result.spreads)
    alone = [text for text in texts if ": " not in text]
    for text in filter(None, (", ".join(map(_unbroken, alone)), *(_unbroken(text) for text in texts if ": " in text))):
        yield from (Line(line.replace(_NO_BREAK, " ")) for line in wrapped(text, width, indent=_INDENT, hanging=""))
    for picture in pictures if verbosity == 0 else ():
        part = f"{picture.title.partition(':')[0]}: "
        # Where the factor stands beside a figure it is not told again.
        if picture.caution and not any(text.startswith(part) and _FACTOR.search(text) for text in texts):
            yield from map(Line, wrapped(plain(part + picture.caution), width, indent=_INDENT))


def _unbroken(figures: str) -> str:
    """Figures that are broken after a comma only, so that a value and its unit stay together."""
    return figures.replace(" ", _NO_BREAK).replace(f",{_NO_BREAK}", ", ")


def _in_the_window(result: JudgedResult) -> bool:
    return any(found is not None and found[0].short.startswith("kv_window") for found in map(headline_of, result.told["metrics"]))


def _reasons(reasons: Sequence[str], verbosity: int, width: int) -> Iterator[Line]:
    """Reasons why a verdict is no better; without ``-v`` the first ones, and without the files that they were read from."""
    told = [plain(reason) for reason in reasons]
    if verbosity <= 0:
        told = list(_alike(_without_place(reason) for reason in told if reason not in _SAID_BY_HEADLINE))
    shown = told if verbosity > 0 else told[:_REASONS]
    yield from (Line(line) for reason in shown for line in wrapped(reason, width, indent=_INDENT))
    if len(told) > len(shown):
        yield Line(f"{_INDENT}… and {len(told) - len(shown)} more (-v)")


def _alike(reasons: Iterable[str]) -> Iterator[str]:
    """The first of each that differ in what was measured or required only, and how many more there are."""
    groups: dict[str, list[str]] = {}
    for reason in dict.fromkeys(reasons):
        groups.setdefault(reason.partition("; ")[0] if "[" in reason else reason, []).append(reason)
    for first, *more in groups.values():
        yield first + (f"; and {len(more)} more like it" if more else "")


def _without_place(reason: str) -> str:
    return _PLACE.sub(r"\1", reason)


def _pictures(result: JudgedResult, width: int, *, drawn: bool) -> Iterator[Line]:
    for picture in result.pictures:
        if picture.folded:
            continue
        yield Line("")
        for line in (picture_lines if drawn else picture_in_short)(picture):
            # A drawing is as wide as it is; only sentences are broken.
            texts = [_INDENT + line] if len(line) + 4 <= width or "┤" in line else wrapped(line, width, indent=_INDENT)
            yield from map(Line, texts)


def _submissions(judged: Verdicts, longest: int, verbosity: int, width: int) -> Iterator[Line]:
    """The submissions, what was found at the top of the tree, and how many there are of each verdict."""
    if not judged.submissions:
        return
    yield Line("")
    for submission in judged.submissions:
        results = submission.written["results"]
        color = {verdict_color(submission.headline): True, "bold": True}
        yield Line(
            f"{plain(submission.headline):<{longest}}  submission {plain(submission.path)}: {_counted(results.values(), 'result')}", color
        )
        if verbosity >= 0:
            own = [reason for reason in submission.reasons if not reason.startswith(tuple(f"{path}: " for path in results))]
            shown, folded = split(submission.written, own)
            yield from _reasons([*shown, *folded] if verbosity > 0 else shown, verbosity, width)
    if judged.package and verbosity >= 0:
        yield Line("the package, which counts for no single result", {"bold": True})
        yield from _reasons(judged.package, verbosity, width)
    yield Line("")
    verdicts = [[str(one.written["verdict"]) for one in many] for many in (judged.results, judged.submissions)]
    yield Line(f"{_counted(verdicts[0], 'result')}; {_counted(verdicts[1], 'submission')}", {"bold": True})


def _counted(verdicts: Iterable[str], what: str) -> str:
    counts = Counter(verdicts)
    total = sum(counts.values())
    listed = ", ".join(f"{counts[verdict.value]} {verdict.value}" for verdict in Verdict if counts[verdict.value])
    return f"{total} {what}{'' if total == 1 else 's'}{f' ({listed})' if listed else ''}"


def _afterwards(judged: Verdicts, files: Mapping[str, str], verbosity: int) -> Iterator[Line]:
    """What the verdicts are worth, and where more of them is to be found."""
    if any(result.written["division"] == "whatif" for result in judged.results):
        yield Line("")
        yield Line(
            "whatif: not for submission. No verdict is claimed; what the rules found above is information.", {"yellow": True, "bold": True}
        )
    if verbosity == 0 and judged.results:
        drawn = any(not picture.folded for result in judged.results for picture in result.pictures)
        yield Line(f"-v: every finding with its file, each run's folder{', rates by the second and times' if drawn else ''}; -vv: commands")
    if files:
        yield Line("")
        names = max(len(what) for what in files)
        yield from (Line(f"{what:<{names}}  {plain(where)}") for what, where in files.items())


def rerun_command(arguments: Sequence[str], paths: Sequence[str], failed: Sequence[Item], *, has_cache: bool, root: str = "") -> str:
    """The shortest command that repeats what failed: ``--lf`` where pytest remembers it, else the node ids for the ``paths``.

    ``root`` is the way from where pytest was started to the root of the node ids, empty where it is the same.
    """
    options = [a for a in arguments if a not in ("--lf", "--last-failed")]
    if has_cache:
        return shlex.join(["pytest", "--lf", *options])
    return shlex.join(["pytest", *(a for a in options if a not in paths), *(f"{root}{item.nodeid}" for item in failed)])
