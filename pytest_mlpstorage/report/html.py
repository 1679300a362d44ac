"""What our page adds to pytest-html: verdicts first, a card a result, filters, the table of runs, four columns."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.report import charts
from pytest_mlpstorage.report.card_parts import meanings_html
from pytest_mlpstorage.report.cards import (
    Again,
    choices_of,
    failures_html,
    overview_html,
    package_html,
    result_html,
    submission_html,
    summary_html,
)
from pytest_mlpstorage.report.collector import Item, Verdicts
from pytest_mlpstorage.report.filters import SCRIPT, filter_bar
from pytest_mlpstorage.report.page_style import STYLE, kind_of
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.rule_rows import RuleRow, section_of
from pytest_mlpstorage.report.runs import RunRow
from pytest_mlpstorage.report.text import escaped, number

__all__ = ["COLUMNS", "SCRIPT", "STYLE", "TESTS_HEADING", "row_cells", "runs_html", "title", "verdicts_html"]

COLUMNS: Final = ("Verdict", "Measured", "Required", "Rule")
"""Headers of our columns, after the test's name."""

TESTS_HEADING: Final = '<section class="mlps" lang="en"><h2>Tests</h2></section>'
"""What stands above the table of pytest-html, after all of ours."""

_OPEN_RUNS: Final = 12
"""Most runs whose table stands open: five results of a quick run; a round has hundreds."""

_ITEM_KIND: Final = {"ok": "good", "warning": "wait", "would be INVALID": "note", "OPEN at best": "note"}
_LEADING_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def title(judged_division: str | None) -> str:
    """The page's title; a division without claims is named in it."""
    return "MLPerf Storage benchmark and rules" + (" — whatif, not for submission" if judged_division == "whatif" else "")


def verdicts_html(judged: Verdicts, failed: Sequence[Item] = (), *, again: Again | None = None, rerun: str = "") -> str:
    """Verdicts first: how many of each, what failed, a line and a card a result, then the submissions. All from the tree is escaped.

    ``again`` gives the command that measures a result once more, ``rerun`` is that which repeats what failed.
    """
    ids = [f"mlps-r{index}" for index in range(len(judged.results))]
    cards = "".join(result_html(result, id, again) for result, id in zip(judged.results, ids, strict=True))
    nothing = '<div class="mlps-card mlps-wait"><h3><span>? no result was judged</span></h3></div>'
    drawn = charts.STYLE if any(result.pictures for result in judged.results) else ""
    bar = filter_bar(choices_of(judged)) if judged.results or judged.submissions else ""
    names = itertools.chain.from_iterable(
        (*result.written["metrics"], *(result.facts.figures if result.facts else ())) for result in judged.results
    )
    first = f'<section class="mlps" lang="en" id="mlps-verdicts"><h2>Verdicts</h2>{summary_html(judged, failed)}'
    page = f"{STYLE}{drawn}{first}{bar}{overview_html(judged.results, ids)}</section>{failures_html(failed, rerun)}"
    page += f'<section class="mlps" lang="en"><h2>Results</h2>{cards or nothing}{meanings_html(names)}</section>'
    above = package_html(judged.package, judged.package_rules)
    above += "".join(submission_html(submission, f"mlps-s{index}") for index, submission in enumerate(judged.submissions))
    return page + (f'<section class="mlps" lang="en"><h2>Submissions</h2>{above}</section>' if above else "")


def runs_html(runs: Sequence[RunRow]) -> str:
    """The table of runs, folded where it is long; nothing where there is none."""
    if not runs:
        return ""
    figures = ("AU %", "samples/s", "MiB/s", "seconds")
    columns = ("Model", "Accelerator", "Run", *figures, "", "Leaf")
    head = "".join(f'<th scope="col"{_figure_class(name in figures)}>{name}</th>' for name in columns)
    table = f'<div class="mlps-scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(map(_run, runs))}</tbody></table></div>'
    if len(runs) > _OPEN_RUNS:
        table = f"<details><summary>{len(runs)} runs</summary>{table}</details>"
    return f'<section class="mlps" lang="en"><h2>Runs</h2>{table}</section>'


def _figure_class(is_figure: bool) -> str:
    return ' class="mlps-n"' if is_figure else ""


def _run(row: RunRow) -> str:
    texts = "".join(f"<td>{escaped(text, longest=80)}</td>" for text in (row.model, row.accelerator, row.run))
    values = (number(row.au_percent), number(row.samples_per_second), number(row.mib_per_second), number(row.seconds, 1))
    figures = "".join(f'<td class="mlps-n">{escaped(value)}</td>' for value in values)
    marks = "; ".join(filter(None, (row.mark, row.other)))
    color = ' class="mlps-text-bad"' if row.mark else ""
    return f"<tr>{texts}{figures}<td{color}>{escaped(marks)}</td><td><code>{escaped(row.leaf)}</code></td></tr>"


def row_cells(said: Facts | None, outcome: str = "") -> list[str]:
    """Our four cells of an item's row; empty ones for an item that is none of ours. ``outcome`` is pytest's, for the filters."""
    if said is None:
        said = Facts()
    rule = " ".join(part for part in (said.rule, said.rule_name) if part) or said.error
    verdict = said.verdict or ("found" if said.found else "")
    kind = _ITEM_KIND.get(verdict) or kind_of(verdict)
    came_of_it = RuleRow.of_item(said).outcome.replace(" ", "-") if said.rule_name else outcome
    marks = {"s": section_of(said.rule) if said.rule else "", "o": came_of_it}
    data = "".join(f' data-{key}="{escaped(value)}"' for key, value in marks.items() if value)
    color = f" mlps-text-{kind}" if verdict else ""
    return [
        f'<td class="col-verdict{color}"{data}>{escaped(verdict, longest=300)}</td>',
        *(
            f'<td class="col-{name}">{_sorted_by_number(text)}</td>'
            for name, text in (("measured", said.measured), ("required", said.required))
        ),
        f'<td class="col-rule">{escaped(rule, longest=300)}</td>',
    ]


def _sorted_by_number(text: str) -> str:
    """Text of a cell that sorts by the number that it begins with: the table compares texts alone, from their first character on."""
    found = _LEADING_NUMBER.match(text)
    if found is None:
        return escaped(text, longest=300)
    (bits,) = struct.unpack(">Q", struct.pack(">d", float(found[0].replace(",", "")) + 0.0))
    # Of two numbers the greater has the greater bits, once those of negative ones are turned round.
    key = bits ^ (0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else 1 << 63)
    return f"<span hidden>{key:016x}</span>{escaped(text, longest=300)}"
