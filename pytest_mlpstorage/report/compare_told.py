"""Comparisons for people and machines: the section on the terminal, the table and the column of the page, properties of JUnit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pytest_mlpstorage.report.compare import Change, Comparison, shown, verdict_line
from pytest_mlpstorage.report.compare_limits import OPTION, Limit, limit_findings
from pytest_mlpstorage.report.compare_with import Comparer
from pytest_mlpstorage.report.records import COMPARED, Property, encode
from pytest_mlpstorage.report.text import escaped, plain
from pytest_mlpstorage.results.atomic import write_json
from pytest_mlpstorage.verdict import Finding

__all__ = ["COLUMN", "cell", "compared_findings", "comparison_html", "comparison_lines", "record_comparison", "unheld", "write_comparisons"]

COLUMN: Final = "Change"
"""Header of the column that a page has where results are compared."""

_DIFFERING: Final = 8
_COLOR: Final[Mapping[str, str]] = {"better": "green", "worse": "red"}
_KIND: Final[Mapping[str, str]] = {"better": "good", "worse": "bad"}


def record_comparison(properties: list[Property], comparison: Comparison) -> None:
    """Add a comparison to an item's properties: whole for our reports, and in words for the viewers of JUnit files."""
    properties.append((COMPARED, encode(comparison.to_json())))
    properties.append(("mlps_compared_with", plain(comparison.earlier or comparison.missing)))
    properties += [(f"mlps_change {plain(change.label)}", plain(change.line())) for change in comparison.changes]


def compared_findings(comparer: Comparer, relpath: str, properties: list[Property]) -> tuple[Finding, ...]:
    """Compare the result at a path as it stands in the tree now, record it, and give the limits that the difference breaks."""
    comparison = comparer.at(relpath)
    record_comparison(properties, comparison)
    return tuple(limit_findings(comparison))


def comparison_lines(compared: Sequence[Comparison]) -> Iterator[tuple[str, str]]:
    """Lines for the terminal, each with the name of its color or nothing."""
    for comparison in compared:
        yield "", ""
        if comparison.missing:
            yield f"{plain(comparison.path)}: not compared: {plain(comparison.missing)}", "yellow"
        else:
            yield f"{plain(comparison.path)} compared with {plain(comparison.earlier)}, {_when(comparison)}", ""
        yield from _rows(comparison.changes)
        if comparison.differs:
            more = len(comparison.differs) - _DIFFERING
            listed = [*map(plain, comparison.differs[:_DIFFERING]), *([f"… and {more} more"] if more > 0 else [])]
            yield f"    also different: {'; '.join(listed)}", ""
        for limit, why in comparison.broken.items():
            yield f"    {OPTION}={plain(limit)}: {plain(why)}", "red"


def _when(comparison: Comparison) -> str:
    return f"measured {comparison.when}" if comparison.when else "which does not say when it was measured"


def _rows(changes: Sequence[Change]) -> Iterator[tuple[str, str]]:
    rows = [(plain(c.label), c.change(), c.direction, shown(c.before), "->", shown(c.now), c.unit, c.weight(), _color(c)) for c in changes]
    widths = [max(len(row[column]) for row in rows) for column in range(8)] if rows else []
    for row in rows:
        label, change, *rest = (f"{text:<{width}}" for text, width in zip(row, widths, strict=False))
        yield "    " + "  ".join((label, f"{change.strip():>{widths[1]}}", *rest)).rstrip(), row[-1]


def _color(change: Change) -> str:
    return _COLOR.get(change.direction, "") if change.beyond_spread else ""


def comparison_html(compared: Sequence[Comparison]) -> str:
    """A table for each comparison, below the runs; nothing where nothing was compared. All from the tree is escaped."""
    if not compared:
        return ""
    return f'<section class="mlps"><h2>Compared with earlier results</h2>{"".join(map(_table, compared))}</section>'


def _table(comparison: Comparison) -> str:
    kind = "bad" if comparison.broken else "wait" if comparison.missing else "note"
    if comparison.missing:
        what = f"<p>not compared: {escaped(comparison.missing)}</p>"
    else:
        what = f"<p>with <code>{escaped(comparison.earlier)}</code>, {escaped(_when(comparison))}</p>"
    broken = "".join(f"<li>{OPTION}={escaped(limit)}: {escaped(why)}</li>" for limit, why in comparison.broken.items())
    differs = f"<p>also different: {escaped('; '.join(comparison.differs))}</p>" if comparison.differs else ""
    names = '<th>Metric</th><th class="mlps-n">Change</th><th></th><th>Before</th><th>Now</th><th></th><th></th>'
    head = f"<tr>{names}</tr>" if comparison.changes else ""
    rows = "".join(map(_row, comparison.changes))
    return (
        f'<div class="mlps-card mlps-{kind}" data-of="{escaped(comparison.path)}"><p><code>{escaped(comparison.path)}</code></p>{what}'
        f'<div class="mlps-scroll"><table>{head}{rows}</table></div>{differs}' + (f"<ul>{broken}</ul>" if broken else "") + "</div>"
    )


def _row(change: Change) -> str:
    kind = _KIND.get(change.direction) if change.beyond_spread else None
    mark = f' class="mlps-text-{kind}"' if kind else ""
    texts = (shown(change.before), shown(change.now), change.unit, change.weight())
    cells = "".join(f"<td>{escaped(text)}</td>" for text in texts)
    return (
        f'<tr><td>{escaped(change.label)}</td><td class="mlps-n">{escaped(change.change())}</td>'
        f"<td{mark}>{escaped(change.direction)}</td>{cells}</tr>"
    )


def cell(comparison: Comparison | None) -> str:
    """The cell of one item's row."""
    if comparison is None:
        return '<td class="col-change"></td>'
    kind = "bad" if comparison.broken else "wait" if comparison.missing else ""
    text = "no earlier result" if comparison.missing else verdict_line(comparison.changes)
    mark = f" mlps-text-{kind}" if kind else ""
    return f'<td class="col-change{mark}">{escaped(text, longest=200)}</td>'


def unheld(limits: Sequence[Limit], compared: Sequence[Comparison]) -> list[str]:
    """What to say of limits that were held against no result at all: those must not pass for kept ones."""
    held = {text for comparison in compared for text in (*comparison.broken, *comparison.kept)}
    return [
        f"{OPTION}={limit.text} was held against nothing: no result of {' or '.join(sorted(limit.kinds))} was compared in this session"
        for limit in limits
        if limit.text not in held
    ]


def write_comparisons(folder: Path, compared: Sequence[Comparison]) -> Path:
    """Write ``comparison.json`` beside the verdicts; raises FileSystemError where that cannot be."""
    path = folder / "comparison.json"
    write_json(path, [comparison.to_json() for comparison in compared])
    return path
