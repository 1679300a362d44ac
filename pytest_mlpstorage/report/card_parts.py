"""The parts of a card: figures with limits, what ran, why the verdict is what it is, rules by section, and commands. All escaped."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.report.headline_text import Limit, Spread, spread_text, told_metric, value_text
from pytest_mlpstorage.report.result_facts import ColdReads, ResultFacts
from pytest_mlpstorage.report.rule_rows import OUTCOMES, SECTIONS, Outcome, RuleRow, section_of
from pytest_mlpstorage.report.text import escaped
from pytest_mlpstorage.rules.headlines import METRICS, Headline, metric_of
from pytest_mlpstorage.rules.registry import rule_order

__all__ = [
    "WORDS",
    "cold_reads_html",
    "command_html",
    "figures_html",
    "meanings_html",
    "names_html",
    "others_html",
    "ran_html",
    "reasons_html",
    "rules_html",
]

_SHOWN: Final = 5
"""Most reasons that stand open; a card must be read at a glance."""

_MOST: Final = 200
"""Most lines of a list; the rest is in verdicts.json."""

_LONGEST_MESSAGE: Final = 400
_OPTION: Final = "option "
_COLD: Final[Mapping[str, tuple[str, str]]] = {"proved": ("good", "✓"), "refuted": ("bad", "✗"), "unavailable": ("wait", "?")}

_OUTCOMES: Final[Mapping[Outcome, tuple[str, str, str]]] = {
    "failed": ("bad", "✗", "failed"),
    "would fail": ("note", "~", "would fail as a submission"),
    "warned": ("wait", "!", "with a warning"),
    "not verified": ("wait", "?", "not verified"),
    "noted": ("note", "·", "with a note"),
    "human": ("wait", "☐", "for a person to decide"),
    "passed": ("good", "✓", "passed"),
    "not asked": ("soft", "–", "not asked"),
}
"""Color, mark and words of each outcome."""

WORDS: Final[Mapping[Outcome, str]] = {outcome: words for outcome, (_, _, words) in _OUTCOMES.items()}
"""Outcome → what it is called on the page, in its filter too."""

_BY_ID: Final[Mapping[Outcome, str]] = {"passed": "Passed", "not asked": "Not asked", "human": "For a person to decide"}
"""Outcomes whose rules are told by their ids alone on a page of very many cards."""

_RULE: Final = re.compile(r"^(.{0,80}?)\[([^\]]{1,60})\] ", re.DOTALL)
_PLACE: Final = re.compile(r"; in ([^;]+)$")


# -- figures ------------------------------------------------------------------------------------------------------------


def figures_html(facts: ResultFacts) -> str:
    """The headlines: those of the whole result as large figures, those of its parts (options) as a table."""
    known = [(entry, part, name) for name in facts.figures if (found := metric_of(name)) is not None for entry, part in [found]]
    known.sort(key=lambda one: METRICS.index(one[0]))
    alone = [(entry, name) for entry, part, name in known if not part]
    tiles = "".join(_tile(entry, facts.figures[name], facts.limits.get(name), name, facts.spreads.get(name)) for entry, name in alone)
    groups = list(_groups([one for one in known if one[1]]))
    tables = "".join(_parts_table(group, facts, captioned=len(groups) > 1) for group in groups)
    doubt = f"✗ Not what the records of its ranks give ({facts.contradicted}): see the rules below"
    told = f'<p class="mlps-text-bad">{escaped(doubt)}</p>' if facts.contradicted and (tiles or tables) else ""
    return told + (f'<dl class="mlps-figures">{tiles}</dl>' if tiles else "") + tables


def _tile(entry: Headline, value: float, limit: Limit | None, name: str, spread: Spread | None) -> str:
    notes = [_limit_html(entry, value, limit), escaped(spread_text(name, spread))]
    told = "".join(f"<small>{note}</small>" for note in notes if note)
    return f"<div><dt>{escaped(entry.label)}</dt><dd><b>{escaped(value_text(entry, value, limit))}</b>{told}</dd></div>"


def _limit_html(entry: Headline, value: float, limit: Limit | None) -> str:
    """Whether a figure keeps its limit, and whose that is; nothing without one."""
    if limit is None:
        return ""
    kind, mark = ("good", "✓") if limit.keeps(value) else ("bad", "✗")
    words = f"{limit.words} {entry.unit}".rstrip()
    return f'<span class="mlps-text-{kind}">{mark} {escaped(words)}</span> ({escaped(limit.rule)})'


_Known = tuple[Headline, str, str]


def _groups(known: Sequence[_Known]) -> Iterator[list[_Known]]:
    """Figures whose parts are the same kind of thing: the groups of the results table, the options of our own program."""
    by_form = sorted(known, key=lambda one: one[1].startswith(_OPTION), reverse=True)
    yield from (list(group) for _, group in itertools.groupby(by_form, key=lambda one: one[1].startswith(_OPTION)))


def _parts_table(group: Sequence[_Known], facts: ResultFacts, *, captioned: bool) -> str:
    parts = list(dict.fromkeys(part for _, part, _ in group))
    entries = list(dict.fromkeys(entry for entry, _, _ in group))
    names = {(entry, part): name for entry, part, name in group}
    head = "".join(f'<th scope="col" class="mlps-n">{escaped(part, longest=80)}</th>' for part in parts)
    body = "".join(
        f'<tr><th scope="row">{escaped(entry.label)}</th>'
        + "".join(_part_cell(names.get((entry, part)), entry, facts) for part in parts)
        + "</tr>"
        for entry in entries
    )
    of_window = group[0][1].startswith(_OPTION)
    words = "What storage completed in the window" if of_window else "By the official formula"
    caption = f"<caption>{words}</caption>" if captioned else ""
    return f'<div class="mlps-scroll"><table>{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _part_cell(name: str | None, entry: Headline, facts: ResultFacts) -> str:
    if name is None:
        return '<td class="mlps-n">none</td>'
    value, limit = facts.figures[name], facts.limits.get(name)
    notes = (_limit_html(entry, value, limit), escaped(spread_text(name, facts.spreads.get(name))))
    below = "".join(f'<br><small class="mlps-soft">{note}</small>' for note in notes if note)
    return f'<td class="mlps-n"><b>{escaped(value_text(entry, value, limit))}</b>{below}</td>'


def others_html(metrics: Mapping[str, Any], shown: Iterable[str]) -> str:
    """Every metric that is not among the headlines, folded, with its name in the tables."""
    left = {name: value for name, value in metrics.items() if name not in set(shown)}
    if not left:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(label)}</th><td class="mlps-n">{escaped(text)}</td><td><code>{escaped(name)}</code></td></tr>'
        for name in sorted(left, key=_order)
        for label, text in [told_metric(name, left[name])]
    )
    head = '<thead><tr><th scope="col">Figure</th><th scope="col" class="mlps-n">Value</th><th scope="col">Official name</th></tr></thead>'
    summary = f"<summary>{len(left)} more figure{'' if len(left) == 1 else 's'}</summary>"
    return f'<details class="mlps-more">{summary}<div class="mlps-scroll"><table>{head}<tbody>{rows}</tbody></table></div></details>'


def _order(name: str) -> tuple[int, str]:
    known = metric_of(name)
    return (METRICS.index(known[0]), known[1]) if known is not None else (len(METRICS), name)


def meanings_html(names: Iterable[str]) -> str:
    """What each figure of the page means and how it is formed, once, folded; nothing where none is known."""
    entries = {known[0] for name in names if (known := metric_of(name)) is not None}
    if not entries:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escaped(entry.label)}</th><td>{escaped(entry.unit)}</td>'
        f'<td class="mlps-wrap">{escaped(entry.definition)}</td><td class="mlps-wrap">{escaped(entry.formula)}</td>'
        f"<td>{escaped(entry.source)}</td></tr>"
        for entry in sorted(entries, key=METRICS.index)
    )
    head = "".join(f'<th scope="col">{word}</th>' for word in ("Figure", "Unit", "What it means", "How it is formed", "Rule or source"))
    return (
        '<details class="mlps mlps-more"><summary>What the figures mean</summary><div class="mlps-scroll">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


# -- what ran, and how ----------------------------------------------------------------------------------------------------


def ran_html(ran: Sequence[tuple[str, str]]) -> str:
    """What was run, in one line of labels and texts."""
    told = "".join(f"<div><dt>{escaped(label)}</dt><dd>{escaped(text)}</dd></div>" for label, text in ran)
    return f'<dl class="mlps-ran">{told}</dl>' if told else ""


def cold_reads_html(cold: ColdReads | None) -> str:
    """One line: whether what was read came from the storage."""
    if cold is None:
        return ""
    kind, mark = _COLD[cold.state]
    return f'<p>Cold reads: <b class="mlps-text-{kind}">{mark} {cold.state}</b>: {escaped(cold.text)}</p>'


def command_html(again: str, executed: str) -> str:
    """How to measure it again: the command of this suite, else what its own tool recorded."""
    if again:
        return f"<details><summary>Measure it again</summary><pre>{escaped(again, longest=4_000)}</pre></details>"
    if executed:
        return f"<details><summary>The command that its tool recorded</summary><pre>{escaped(executed, longest=4_000)}</pre></details>"
    return ""


# -- why ----------------------------------------------------------------------------------------------------------------


def reasons_html(shown: Sequence[str], folded: Sequence[str] = (), *, what: str = "finding") -> str:
    """Lines that tell why: of each rule one stands open, of the first few rules; the others are folded."""
    first = {rule[2] if (rule := _RULE.match(line)) is not None else line: line for line in reversed(shown)}
    ones = [line for line in dict.fromkeys(shown) if line in first.values()]
    open_lines, more = ones[:_SHOWN], [*ones[_SHOWN:], *(line for line in shown if line not in ones), *folded]
    summary = f"<summary>{len(more)} more {what}{'' if len(more) == 1 else 's'}</summary>"
    return _list(open_lines) + (f'<details class="mlps-more">{summary}{_list(more)}</details>' if more else "")


def _list(lines: Sequence[str]) -> str:
    items = [f"<li>{_line(line)}</li>" for line in lines[:_MOST]]
    if len(lines) > _MOST:
        items.append(f"<li>… and {len(lines) - _MOST} more, see verdicts.json</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _line(line: str) -> str:
    """A finding's line with its rule in bold and its place on a line of its own."""
    rule, place = _RULE.match(line), _PLACE.search(line)
    end = place.start() if place is not None else len(line)
    words = f"{escaped(rule[1])}<b>{escaped(rule[2])}</b> {escaped(line[rule.end() : end])}" if rule is not None else escaped(line[:end])
    return words + (f"<br><code>{escaped(place[1])}</code>" if place is not None else "")


# -- rules ----------------------------------------------------------------------------------------------------------------


def rules_html(rows: Sequence[RuleRow], family: str, *, short: bool = False) -> str:
    """The rules by section: how many passed, failed, were not verified or are for people; folded, each with measured and required.

    ``short``: of those that passed or are for people the ids alone, whose names stand once on the page.
    """
    sections: dict[str, list[RuleRow]] = {}
    for row in rows:
        sections.setdefault(section_of(row.id, family), []).append(row)
    return "".join(_section(SECTIONS[key], sections[key], short=short) for key in SECTIONS if key in sections)


def names_html(rows: Iterable[RuleRow]) -> str:
    """What the rules are called of which cards have the ids alone, and what a person must look at; once, folded."""
    told = {(row.id, row.name, row.message if row.outcome == "human" else "") for row in rows if row.outcome in _BY_ID}
    if not told:
        return ""
    body = "".join(
        f'<tr><th scope="row"><b>{escaped(id)}</b> {escaped(name)}</th>'
        f'<td class="mlps-wrap">{escaped(look_at, longest=_LONGEST_MESSAGE)}</td></tr>'
        for id, name, look_at in sorted(told, key=lambda one: (rule_order(one[0]), one))
    )
    head = '<th scope="col">Rule</th><th scope="col">What a person must look at</th>'
    return (
        '<details class="mlps" id="mlps-names"><summary>What the rules are called, and what only a person can decide</summary>'
        f'<div class="mlps-scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def _section(title: str, rows: Sequence[RuleRow], *, short: bool) -> str:
    counts = Counter(row.outcome for row in rows)
    told = ", ".join(
        f'<span class="mlps-text-{kind}">{mark}&nbsp;{counts[outcome]}&nbsp;{words}</span>'
        for outcome in OUTCOMES
        if counts[outcome]
        for kind, mark, words in [_OUTCOMES[outcome]]
    )
    apart = _BY_ID if short else {}
    shown = "".join(map(_rule, (row for row in rows if row.outcome not in apart)))
    head = "".join(f'<th scope="col">{word}</th>' for word in ("Rule", "Outcome", "Measured", "Required", "What was found"))
    # The filters find in the names below the results what the ids stand for.
    also = "".join(
        f'<p class="mlps-ids">{words}: {", ".join(escaped(row.id) for row in rows if row.outcome == outcome)}</p>'
        for outcome, words in apart.items()
        if counts[outcome]
    )
    table = (
        f'<div class="mlps-scroll"><table class="mlps-stack"><thead><tr>{head}</tr></thead><tbody>{shown}</tbody></table></div>'
        if shown
        else ""
    )
    return f"<details><summary>{escaped(title)}: {told}</summary>{table}{also}</details>"


def _rule(row: RuleRow) -> str:
    kind, mark, words = _OUTCOMES[row.outcome]
    cells = "".join(f'<td class="mlps-tight">{escaped(text, longest=200)}</td>' for text in (row.measured, row.required))
    return (
        f'<tr><th scope="row"><b>{escaped(row.id)}</b> {escaped(row.name)}</th>'
        f'<td><span class="mlps-text-{kind}">{mark} {words}</span></td>{cells}'
        f'<td class="mlps-wrap">{escaped(row.message, longest=_LONGEST_MESSAGE)}</td></tr>'
    )
