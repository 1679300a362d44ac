"""What our page adds to pytest-html: verdicts first, a card a result, filters, the table of runs, four columns."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Final

from pytest_mlpstorage.report import charts
from pytest_mlpstorage.report.card_parts import meanings_html, names_html
from pytest_mlpstorage.report.cards import (
    CARD_END,
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
from pytest_mlpstorage.report.page_style import MANY_STYLE, STYLE, kind_of
from pytest_mlpstorage.report.picture_budget import drawn_within
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.rule_rows import RuleRow, section_of
from pytest_mlpstorage.report.runs import RunRow
from pytest_mlpstorage.report.text import escaped, number
from pytest_mlpstorage.verdict import Verdict, amounts

__all__ = ["COLUMNS", "MOST_BYTES", "SCRIPT", "STYLE", "TESTS_HEADING", "row_cells", "runs_html", "title", "verdicts_html"]

COLUMNS: Final = ("Verdict", "Measured", "Required", "Rule")
"""Headers of our columns, after the test's name."""

TESTS_HEADING: Final = (
    '<section class="mlps" lang="en"><h2>Tests</h2>'
    '<p class="mlps-paper">On paper without tests that passed, unless a filter chose them: '
    "cards name their rules, and the page has each.</p></section>"
)
"""What stands above the table of pytest-html, after all of ours."""

MOST_BYTES: Final = 5_000_000
"""Of a page with charts: what mails take and browsers open at once. Charts end there; cards do not, which are for every result."""

_CHARTS: Final = 3_000_000
_REST: Final = 60_000
"""Bytes of the page that nobody counts one by one: script and style of pytest-html, our script, the environment."""

_LONG_CARDS: Final = 100
"""Most results and submissions whose cards name each rule."""

_OPEN_RUNS: Final = 12
"""Most runs whose table stands open: five results of a quick run; a round has hundreds."""

_ITEM_KIND: Final = {"ok": "good", "warning": "wait", "would be INVALID": "note", "OPEN at best": "note"}
_LEADING_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def title(judged_division: str | None) -> str:
    """The page's title; a division without claims is named in it."""
    return "MLPerf Storage benchmark and rules" + (" — whatif, not for submission" if judged_division == "whatif" else "")


def verdicts_html(
    judged: Verdicts, failed: Sequence[Item] = (), *, again: Again | None = None, rerun: str = "", taken: int = 0, left_out: str = ""
) -> str:
    """Verdicts first: how many of each, what failed, a line and a card a result, then the submissions. All from the tree is escaped.

    ``again`` gives the command that measures a result once more, ``rerun`` is that which repeats what failed. ``taken`` are the bytes of
    the page that are not ours here: charts have what is left. ``left_out`` says what the table of tests lacks.
    """
    ids = [f"mlps-r{index}" for index in range(len(judged.results))]
    short = len(judged.results) + len(judged.submissions) > _LONG_CARDS
    bare = [result_html(result, id, again, short=short) for result, id in zip(judged.results, ids, strict=True)]
    above = package_html(judged.package, judged.package_rules)
    above += "".join(submission_html(one, f"mlps-s{index}", short=short) for index, one in enumerate(judged.submissions))
    nothing = '<div class="mlps-card mlps-wait"><h3><span>? no result was judged</span></h3></div>'
    style = charts.STYLE if any(result.pictures for result in judged.results) else ""
    style += MANY_STYLE if short else ""
    bar = filter_bar(choices_of(judged)) if judged.results or judged.submissions else ""
    names = itertools.chain.from_iterable(
        (*result.written["metrics"], *(result.facts.figures if result.facts else ())) for result in judged.results
    )
    rows = (row for one in (*judged.results, *judged.submissions) for rows in one.rules.values() for row in rows)
    below = meanings_html(names) + (names_html(rows) if short else "")
    first = f"{bar}{overview_html(judged.results, ids)}</section>{failures_html(failed, rerun)}"
    others = sum(len(text.encode()) for text in (*bare, above, below, first, STYLE, style))
    room = min(_CHARTS, MOST_BYTES - taken - others - _REST)
    broken = [result.written["verdict"] == Verdict.INVALID.value for result in judged.results]
    drawn, without = drawn_within([result.pictures for result in judged.results], room, broken)
    cards = "".join(f"{card.removesuffix(CARD_END)}{pictures}{CARD_END}" for card, pictures in zip(bare, drawn, strict=True))
    page = f'{STYLE}{style}<section class="mlps" lang="en" id="mlps-verdicts"><h2>Verdicts</h2>{summary_html(judged, failed)}'
    larger = taken + others + _REST + sum(len(pictures.encode()) for pictures in drawn) > MOST_BYTES
    page += f"{_left_out(short, without, left_out, larger=larger)}{first}"
    page += f'<section class="mlps" lang="en"><h2>Results</h2>{cards or nothing}{below}</section>'
    return page + (f'<section class="mlps" lang="en"><h2>Submissions</h2>{above}</section>' if above else "")


def _left_out(short: bool, charts_left_out: Mapping[int, int], rows_left_out: str, *, larger: bool) -> str:
    """What a page of very many results does not show, and where it is; nothing where all is there."""
    told = []
    if charts_left_out:
        told.append(
            f"{sum(charts_left_out.values()):,} pictures of {len(charts_left_out):,} results are not drawn, to keep the page small: "
            "first are those of INVALID results, then what was measured, then one launch of each. "
            "To see those of one result, ask for it alone: the same command with -k and a part of its path."
        )
    if short:
        told.append(
            f"More than {_LONG_CARDS} results and submissions: cards give rules that passed or are for a person by their ids, explained "
            "once below the results; what those that passed measured stands in the rows of the table of tests. "
            "Figures beyond the headlines are in verdicts.json and verdicts.csv (--mlps-output)."
        )
    told += [rows_left_out] if rows_left_out else []
    if larger:
        told.append(f"The page has more than {MOST_BYTES // 10**6} MB all the same: each result has its card, and what failed is whole.")
    lines = "".join(f"<li>{escaped(sentence)}</li>" for sentence in told)
    return f'<ul class="mlps-soft" id="mlps-left-out">{lines}</ul>' if told else ""


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
    leaf = f'<td class="mlps-leaf"><code>{escaped(row.leaf)}</code></td>'
    return f"<tr>{texts}{figures}<td{color}>{escaped(marks)}</td>{leaf}</tr>"


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
            for name, text in zip(("measured", "required"), amounts(said.measured, said.required), strict=True)
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
