"""The Markdown file of ``$GITHUB_STEP_SUMMARY``: verdicts first, then what failed, then where the rest is; never more than GitHub takes."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.junit_cases import sentence
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.results.atomic import file_system_error
from pytest_mlpstorage.verdict import Finding, Severity, Verdict, amounts

__all__ = ["LIMIT_BYTES", "write_step_summary"]

LIMIT_BYTES: Final = 1024 * 1024
"""GitHub drops the whole summary of a step that is longer."""

_RESERVED_BYTES: Final = 8 * 1024
"""For what stands around the tables, and for the artefacts."""

_LONGEST_CELL: Final = 300
_MOST_FIGURES: Final = 4
_FAILURES_SHARE: Final = 0.4
_SUBMISSIONS_SHARE: Final = 0.2
_MORE: Final = "… and {} more"


def write_step_summary(path: Path, whole: Verdicts, failed: Sequence[Item], files: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Add the summary to the file at ``path``; raises FileSystemError where that cannot be.

    What others wrote into the file before counts against GitHub's limit too, and rows that have no room are counted instead.
    """
    try:
        if path.is_fifo():  # opening it would wait for a reader for ever
            raise OSError(errno.EINVAL, "it is a named pipe")
        before = path.stat().st_size if path.exists() else 0
        text = _summary(whole, failed, files, environ, room=LIMIT_BYTES - before)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise file_system_error("cannot add to the step summary", path, error) from error


def _summary(whole: Verdicts, failed: Sequence[Item], files: Mapping[str, str], environ: Mapping[str, str], *, room: int) -> str:
    judged = sorted(whole.results, key=_worst_first)
    head = ["### MLPerf Storage", "", _counted(judged, whole.submissions), ""]
    foot = [*_artefacts(files, environ), ""]
    tables_room = room - _bytes([*head, *foot]) - _RESERVED_BYTES
    if tables_room < 0:
        return "" if room < _bytes(head) else "\n".join(head) + "\n"
    names = ("rule", "what is wrong", "measured", "required", "in")
    rules = _table(names, _failures(failed), int(tables_room * _FAILURES_SHARE), "#### What failed")
    above = _table(("verdict", "submission", "results"), map(_submission_row, whole.submissions), int(tables_room * _SUBMISSIONS_SHARE))
    tables_room -= _bytes([*rules, *above])
    verdicts = _table(("verdict", "result", "headline figures"), map(_verdict_row, judged), tables_room)
    return "\n".join([*head, *verdicts, *above, *rules, *foot]) + "\n"


def _worst_first(result: JudgedResult) -> tuple[int, str]:
    order = [Verdict.INVALID, Verdict.NOT_VERIFIED, Verdict.OPEN, Verdict.CLOSED, Verdict.WHATIF]
    return order.index(Verdict(result.written["verdict"])), result.path


def _counted(results: Sequence[JudgedResult], submissions: Sequence[JudgedResult]) -> str:
    parts = []
    for what, judged in (("result", results), ("submission", submissions)):
        counts = Counter(str(one.written["verdict"]) for one in judged)
        named = ", ".join(f"{counts[verdict.value]} {verdict.value}" for verdict in Verdict if counts[verdict.value])
        if judged:
            parts.append(f"{len(judged)} {what}{'' if len(judged) == 1 else 's'}: {named}")
    return "; ".join(parts) or "No result was judged."


def _verdict_row(result: JudgedResult) -> tuple[str, ...]:
    accelerator = result.written.get("accelerator")
    where = f"{plain(result.path)}{f' on {plain(accelerator)}' if accelerator else ''}"
    return (
        f"**{_markdown(result.headline)}**",
        _markdown(where),
        _headlines(figures_of(result.told, limits=result.limits, spreads=result.spreads)),
    )


def _headlines(figures: Sequence[str]) -> str:
    """The figures of a result, those of its options below each other; of very many the first ones."""
    told = list(map(_markdown, figures[:_MOST_FIGURES]))
    more = [f"… {len(figures) - _MOST_FIGURES} more"] if len(figures) > _MOST_FIGURES else []
    return ("<br>" if any(": " in text for text in figures) else "; ").join([*told, *more])


def _submission_row(submission: JudgedResult) -> tuple[str, ...]:
    counts = Counter(map(str, submission.written["results"].values()))
    results = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "none"
    return f"**{_markdown(submission.headline)}**", _markdown(submission.path), _markdown(results)


def _failures(failed: Sequence[Item]) -> Iterator[tuple[str, ...]]:
    """A row a finding that failed an item; an item that failed for something else has one of its own."""
    for item in failed:
        told = [finding for finding in item.facts.findings if finding.severity is Severity.ERROR]
        if told:
            yield from (_finding_row(finding) for finding in told)
        else:
            yield _markdown(item.facts.rule or item.facts.error), _markdown(sentence(item.message)), "", "", _markdown(item.nodeid)


def _finding_row(finding: Finding) -> tuple[str, ...]:
    told = (_markdown(text) for text in amounts(finding.measured, finding.required))
    place = ":".join(filter(None, (finding.file, finding.field)))
    times = f" (×{finding.count})" if finding.count > 1 else ""
    return _markdown(finding.rule), _markdown(finding.message + times), *told, _markdown(place)


def _artefacts(files: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """The names of the reports, and the page of the run where its artefacts are to be found."""
    names = [f"{_markdown(what)} {_markdown(Path(where).name)}" for what, where in files.items() if what != "results"]
    server, repository, run = (plain(environ.get(name, "")) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"))
    if names:
        yield f"Reports: {', '.join(names)}."
    if server and repository and run.isdigit():
        yield f"[Artefacts of this run]({server}/{repository}/actions/runs/{run}#artifacts)"


def _table(names: Sequence[str], rows: Iterator[tuple[str, ...]], room: int, title: str = "") -> list[str]:
    """A table of at most ``room`` bytes, by whole rows, and how many have no place; nothing where there is no row."""
    lines = [*([title, ""] if title else []), f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]
    left, before, more = room - _bytes(lines) - _bytes(["", _MORE.format(10**9), ""]), len(lines), 0
    for row in rows:
        line = f"| {' | '.join(row)} |"
        if more or _bytes([line]) > left:
            more += 1
            continue
        lines.append(line)
        left -= _bytes([line])
    if len(lines) == before and not more:
        return []
    return [*lines, "", *([_MORE.format(f"{more:,}"), ""] if more else [])]


def _bytes(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _markdown(text: object) -> str:
    """Text of a table cell that makes neither markup nor another cell."""
    safe = plain(text, longest=_LONGEST_CELL).replace("&", "&#38;")
    for character in "\\`*_[]<>|~@":
        safe = safe.replace(character, f"&#{ord(character)};")
    return safe
