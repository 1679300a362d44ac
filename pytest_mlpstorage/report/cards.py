"""The cards of the page, one a result and one a submission, what failed besides, and the list of all verdicts above them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.report.card_parts import (
    WORDS,
    cold_reads_html,
    command_html,
    figures_html,
    others_html,
    ran_html,
    reasons_html,
    rules_html,
)
from pytest_mlpstorage.report.collector import Item, JudgedResult, Verdicts
from pytest_mlpstorage.report.figures import figures_of
from pytest_mlpstorage.report.headline_text import told_headlines, wide
from pytest_mlpstorage.report.page_style import MARKS, kind_of
from pytest_mlpstorage.report.reasons import split
from pytest_mlpstorage.report.result_facts import ResultFacts
from pytest_mlpstorage.report.rule_rows import OUTCOMES, SECTIONS, RuleRow, section_of
from pytest_mlpstorage.report.text import escaped
from pytest_mlpstorage.rules.headlines import headline_of
from pytest_mlpstorage.verdict import Verdict

__all__ = [
    "CARD_END",
    "FAMILIES",
    "Again",
    "choices_of",
    "failures_html",
    "overview_html",
    "package_html",
    "result_html",
    "submission_html",
    "summary_html",
]

Again = Callable[[Mapping[str, Any], str], str]
"""Gives the command that measures a result again, from what its leaf kept and its path; a sentence where there is none."""

FAMILIES: Final[Mapping[str, str]] = {
    "training": "Training",
    "checkpointing": "Checkpointing",
    "vector_database": "Vector database",
    "kv_cache": "KV cache",
    "submission": "Submissions and the package",
}

CARD_END: Final = "</article>"
"""What a card ends with: before it pictures have their place."""

_SUBMISSION: Final = "submission"
_FAILURES: Final = 20
_LONGEST_FAILURE: Final = 12_000
_HINTS: Final = ("  next:", "  evidence:")
"""Beginnings of the lines of an error that say what to do and where to look."""

_HEADLINES: Final = 4
_WHO: Final[Mapping[str, str]] = {"submitter": "", "system": "system ", "division": "", "edition": "edition "}
_NO_SUBMISSION: Final = "division whatif: not a submission"


# -- above the cards ------------------------------------------------------------------------------------------------------


def summary_html(judged: Verdicts, failed: Sequence[Item]) -> str:
    """One sentence: how many results there are of each verdict, and what failed besides."""
    parts = [_counted(judged.results, "result")]
    if judged.submissions:
        parts.append(_counted(judged.submissions, "submission"))
    if failed:
        told = f'<b class="mlps-text-bad">✗ {len(failed)} test{"" if len(failed) == 1 else "s"} failed</b>'
        parts.append(f'<a href="#mlps-failed">{told}</a>' if any(not item.facts.of_rules for item in failed) else told)
    return f'<p class="mlps-sum">{"; ".join(parts)}.</p>'


def _counted(results: Sequence[JudgedResult], what: str) -> str:
    counts = Counter(str(result.written["verdict"]) for result in results)
    listed = ", ".join(
        f'<b class="mlps-text-{kind_of(verdict.value)}">{MARKS[kind_of(verdict.value)]} {counts[verdict.value]} {verdict.value}</b>'
        for verdict in Verdict
        if counts[verdict.value]
    )
    return f"{len(results) or 'No'} {what}{'' if len(results) == 1 else 's'}{f': {listed}' if listed else ''}"


def failures_html(failed: Sequence[Item], rerun: str) -> str:
    """What failed that is no rule's finding: those stand in the cards of what they were found in."""
    items = [item for item in failed if not item.facts.of_rules]
    if not items:
        return ""
    told = "".join(map(_failure, items[:_FAILURES]))
    more = f"<p>… and {len(items) - _FAILURES} more, see the table of tests.</p>" if len(items) > _FAILURES else ""
    again = f"<p>Again, only those: <code>{escaped(rerun)}</code></p>" if rerun else ""
    return f'<section class="mlps" lang="en" id="mlps-failed"><h2>What failed</h2>{told}{more}{again}</section>'


def _failure(item: Item) -> str:
    """The sentence that says what is wrong, what to do next and where its evidence is; the rest is folded where it is long."""
    name = escaped(item.nodeid.rpartition("::")[2])
    said = item.text.splitlines()
    hints = [line.strip() for line in said[1:] if line.startswith(_HINTS)]
    whole = "\n".join(map(escaped, item.text[:_LONGEST_FAILURE].splitlines()))
    rest = f"<details><summary>All that it said</summary><pre>{whole}</pre></details>" if len(said) > len(hints) + 1 else ""
    told = "".join(f"<p>{escaped(line)}</p>" for line in (item.message, *hints))
    return f'<div class="mlps-card mlps-bad"><h3><span>✗ FAILED</span> <small>{name}</small></h3>{told}{rest}</div>'


def overview_html(results: Sequence[JudgedResult], ids: Sequence[str]) -> str:
    """A line a result that leads to its card; nothing where there is one only."""
    if len(results) < 2:
        return ""
    rows = "".join(
        f'<tr data-for="{id}"><td><b class="mlps-text-{kind_of(result.headline)}">{_marked(result.headline)}</b></td>'
        f'<th scope="row"><a href="#{id}">{_name(result.written)}</a></th>'
        f'<td class="mlps-wrap">{_few(result)}</td>'
        f'<td class="mlps-wrap">{escaped(result.written["submitter"])} {escaped(result.written["system"])}</td></tr>'
        for result, id in zip(results, ids, strict=True)
    )
    head = "".join(f'<th scope="col">{word}</th>' for word in ("Verdict", "Result", "Figures", "Of"))
    return f'<div class="mlps-scroll"><table class="mlps-stack mlps-list"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _few(result: JudgedResult) -> str:
    """The figures that matter most; those of several options as the terminal has them, one text an option."""
    facts = result.facts
    figures = facts.figures if facts is not None else result.written["metrics"]
    if any((known := headline_of(name)) is not None and known[1] for name in figures):
        told = figures_of({**result.written, "metrics": figures}, limits=result.limits, spreads=result.spreads)
    else:
        spreads = {name: one for name, spread in result.spreads.items() if (one := wide(figures.get(name), spread)) is not None}
        told = [f"{label} {text}" for label, text in told_headlines(figures, limits=result.limits, spreads=spreads)]
    more = f"; … {len(told) - _HEADLINES} more" if len(told) > _HEADLINES else ""
    return "; ".join(map(escaped, told[:_HEADLINES])) + more


def choices_of(judged: Verdicts) -> dict[str, dict[str, str]]:
    """What the filters offer: what there is on the page."""
    every = (*judged.results, *judged.submissions)
    verdicts = {str(one.written["verdict"]) for one in every}
    families = {_family(one.written) for one in every}
    rows = [(section, row.outcome) for one in every for section, row in _sections(one)]
    return {
        "verdict": {verdict.value: verdict.value for verdict in Verdict if verdict.value in verdicts},
        "family": {key: words for key, words in FAMILIES.items() if key in families},
        "section": {key: words for key, words in SECTIONS.items() if any(section == key for section, _ in rows)},
        "outcome": {_token(outcome): WORDS[outcome] for outcome in OUTCOMES if any(one == outcome for _, one in rows)},
    }


# -- cards ----------------------------------------------------------------------------------------------------------------


def result_html(result: JudgedResult, id: str, again: Again | None, pictures: str = "", *, short: bool = False) -> str:
    """The card of one result with its ``pictures``; ``short``: on a page of very many, without what stands elsewhere."""
    written, facts = result.written, result.facts
    # That it is no submission stands in its verdict.
    shown, folded = split(written, [line for line in result.reasons if line != _NO_SUBMISSION])
    who = ", ".join(f"{word}{escaped(written[key])}" for key, word in _WHO.items() if written.get(key))
    told = facts if facts is not None else ResultFacts(figures=_figures(written["metrics"]))
    command = again(told.again, result.path) if again is not None and told.again is not None else ""
    body = (
        f'<p class="mlps-soft">{who} · <code>{escaped(result.path)}</code></p>'
        + (figures_html(told) or f'<p class="mlps-soft">No headline figure: {_unformed(told)}.</p>')
        + ran_html(told.ran)
        + cold_reads_html(told.cold_reads)
        + reasons_html(shown, folded)
        + "".join(_rules(rows, _family(written), short=short) for rows in result.rules.values())
        + ("" if short else others_html(written["metrics"], told.figures))
        + command_html(command, told.executed)
        + pictures
    )
    return _card(result, id, _name(written), body)


def _unformed(told: ResultFacts) -> str:
    """Why there is no figure: runs that have one each form none of the result where they are not as many as the edition asks for."""
    runs = dict(told.ran).get("runs")
    if not runs:
        return "its runs do not give one"
    asked = "not as many of them finished as it asks for, or a figure is missing"
    return f"the edition forms none of these runs ({escaped(runs)}): {asked}"


def _rules(rows: Sequence[RuleRow], family: str, *, short: bool) -> str:
    return f"<h4>Rules by section</h4>{rules_html(rows, family, short=short)}" if rows else ""


def _figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}


def submission_html(judged: JudgedResult, id: str, *, short: bool = False) -> str:
    """The card of one submission: its results by verdict, and the rules on it and on its system descriptions."""
    written = judged.written
    counts = Counter(written["results"].values())
    results = ", ".join(f"{count} {escaped(verdict)}" for verdict, count in sorted(counts.items())) or "no results"
    body = f'<p class="mlps-soft"><code>{escaped(judged.path)}</code></p><p>{results}, profile {escaped(written["profile"])}</p>'
    body += reasons_html(judged.reasons)
    for path, rows in judged.rules.items():
        about = "" if path == judged.path else f'<p class="mlps-soft">Of <code>{escaped(path)}</code>:</p>'
        body += about + rules_html(rows, _SUBMISSION, short=short)
    return _card(
        judged, id, f"{escaped(written['submitter'])}, {escaped(written['division'])}, edition {escaped(written['edition'])}", body
    )


def package_html(lines: Sequence[str], rows: Sequence[RuleRow]) -> str:
    """What was found at the top of the tree, which counts for no single result; nothing where nothing was."""
    if not lines and not any(row.outcome not in ("passed", "not asked", "human") for row in rows):
        return ""
    inside = f"<h3>the package</h3>{reasons_html(lines)}{rules_html(rows, _SUBMISSION)}"
    return f'<div class="mlps-card mlps-note" data-package>{inside}</div>'


def _card(judged: JudgedResult, id: str, name: str, body: str) -> str:
    kind, written = kind_of(judged.headline), judged.written
    tokens = " ".join(sorted({f"{section}:{_token(row.outcome)}" for section, row in _sections(judged)}))
    case = judged.facts.again.get("case") if judged.facts is not None and judged.facts.again is not None else ""
    data = {"path": judged.path, "case": case or "", "verdict": written["verdict"], "family": _family(written), "rules": tokens}
    attributes = " ".join(f'data-{key}="{escaped(value)}"' for key, value in data.items())
    return (
        f'<article class="mlps-card mlps-{kind}" id="{id}" aria-labelledby="{id}-h" {attributes}>'
        f'<h3 id="{id}-h"><span>{_marked(judged.headline)}</span> <small>{name}</small></h3>{body}{CARD_END}'
    )


def _marked(headline: str) -> str:
    return f'<span aria-hidden="true">{MARKS[kind_of(headline)]}</span> {escaped(headline)}'


def _name(written: Mapping[str, Any]) -> str:
    family = str(written["benchmark_type"])
    what = " on ".join(escaped(written[key]) for key in ("model", "accelerator") if written.get(key))
    return f"{escaped(FAMILIES.get(family, family))}: {what}"


def _family(written: Mapping[str, Any]) -> str:
    return str(written.get("benchmark_type", _SUBMISSION))


def _sections(judged: JudgedResult) -> Iterator[tuple[str, RuleRow]]:
    family = _family(judged.written)
    for row in itertools.chain.from_iterable(judged.rules.values()):
        yield section_of(row.id, family), row


def _token(outcome: str) -> str:
    return outcome.replace(" ", "-")
