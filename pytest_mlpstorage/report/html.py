"""What our page adds to pytest-html: verdicts first, the table of runs, four columns, a style for light and dark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_mlpstorage.report import charts
from pytest_mlpstorage.report.collector import JudgedResult, Verdicts
from pytest_mlpstorage.report.pictures import picture_html, untold
from pytest_mlpstorage.report.reasons import split
from pytest_mlpstorage.report.records import Facts
from pytest_mlpstorage.report.runs import RunRow
from pytest_mlpstorage.report.text import escaped, number

__all__ = ["COLUMNS", "STYLE", "row_cells", "runs_html", "title", "verdicts_html"]

COLUMNS = ("Verdict", "Measured", "Required", "Rule")
"""Headers of our columns, after the test's name."""

_LONGEST_REASONS = 40

STYLE = """<style>
:root{--mlps-ink:#1c2430;--mlps-soft:#566070;--mlps-page:#fff;--mlps-card:#f6f8fa;--mlps-line:#d5dbe3;
--mlps-good:#1a7f37;--mlps-bad:#c21f2d;--mlps-wait:#8a5a00;--mlps-note:#0b5cad}
@media (prefers-color-scheme:dark){:root{--mlps-ink:#e3e8ef;--mlps-soft:#9aa7b6;--mlps-page:#14181e;--mlps-card:#1d232c;
--mlps-line:#37414e;--mlps-good:#4cc46a;--mlps-bad:#ff7b82;--mlps-wait:#e3b341;--mlps-note:#6cb6ff}
body .logwrapper,body .logwrapper .logexpander{background:#1d232c}}
body{display:flex;flex-direction:column;background:var(--mlps-page);color:var(--mlps-soft);font:13px/1.45 system-ui,sans-serif;
margin:0 auto;padding:1.2rem 1.6rem;max-width:1500px;width:calc(100% - 3.2rem)}
h1,h2,body p,body .logwrapper .log{color:var(--mlps-ink)} a{color:var(--mlps-note)}
body .logwrapper .log{font:12px/1.4 ui-monospace,monospace}
#environment-header,#environment{order:9} footer{order:10}
#environment{align-self:flex-start} #environment td,#results-table,#results-table th,#results-table td{border-color:var(--mlps-line)}
#environment tr:nth-child(odd){background:var(--mlps-card)} #results-table{color:var(--mlps-ink)}
span.passed,.passed .col-result{color:var(--mlps-good)} span.failed,span.error,.failed .col-result,.error .col-result{color:var(--mlps-bad)}
span.skipped,.skipped .col-result{color:var(--mlps-wait)}
#results-table .col-testId{overflow-wrap:anywhere}
#results-table td.col-measured,#results-table td.col-required{overflow-wrap:anywhere;max-width:22em}
#results-table .col-verdict{white-space:nowrap;font-weight:600}
.summary__data>h2{display:none}
.mlps{color:var(--mlps-ink);margin:.4rem 0 1.2rem} .mlps h2{margin:1.2rem 0 .5rem}
.mlps-card{background:var(--mlps-card);border:1px solid var(--mlps-line);border-left:5px solid var(--mlps-note);border-radius:6px;
padding:.7rem 1rem;margin:.6rem 0}
.mlps-card h3{margin:0;font-size:17px;letter-spacing:.02em} .mlps-card p{margin:.15rem 0 0}
.mlps-card code,.mlps table code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}
.mlps-card ul{margin:.5rem 0 0;padding-left:1.2rem} .mlps-card li{margin:.15rem 0;overflow-wrap:anywhere}
.mlps-card details{margin-top:.4rem;color:var(--mlps-soft)} .mlps-card summary{cursor:pointer}
.mlps-good{border-left-color:var(--mlps-good)} .mlps-good h3,.mlps-text-good{color:var(--mlps-good)}
.mlps-bad{border-left-color:var(--mlps-bad)} .mlps-bad h3,.mlps-text-bad{color:var(--mlps-bad)}
.mlps-wait{border-left-color:var(--mlps-wait)} .mlps-wait h3,.mlps-text-wait{color:var(--mlps-wait)}
.mlps-note h3,.mlps-text-note{color:var(--mlps-note)}
.mlps-figures{display:flex;flex-wrap:wrap;gap:.3rem 1.8rem;margin-top:.45rem} .mlps-figures b{font-variant-numeric:tabular-nums}
.mlps-figures span{color:var(--mlps-soft)}
.mlps-scroll{overflow-x:auto} .mlps table{border-collapse:collapse}
.mlps th{text-align:left;color:var(--mlps-soft);font-weight:600;border-bottom:2px solid var(--mlps-line)}
.mlps th,.mlps td{padding:.3rem .8rem .3rem 0;white-space:nowrap} .mlps td{border-bottom:1px solid var(--mlps-line)}
.mlps .mlps-n{text-align:right;font-variant-numeric:tabular-nums}
</style>"""

_KIND = {"CLOSED": "good", "OPEN": "good", "INVALID": "bad", "NOT VERIFIED": "wait", "WHATIF": "note"}
_ITEM_KIND = {"ok": "good", "warning": "wait", "would be INVALID": "note", "OPEN at best": "note"}


def _kind(headline: str) -> str:
    return _KIND.get(headline.split(" (")[0], "note")


def title(judged_division: str | None) -> str:
    """The page's title; a division without claims is named in it."""
    return "MLPerf Storage benchmark and rules" + (" — whatif, not for submission" if judged_division == "whatif" else "")


def verdicts_html(judged: Verdicts) -> str:
    """A card a result: verdict, path, metrics, and why it is no better; then the submissions. All from the tree is escaped."""
    cards = "".join(_card(result) for result in judged.results)
    nothing = '<div class="mlps-card mlps-wait"><h3>no result was judged</h3></div>'
    drawn = charts.STYLE if any(result.pictures for result in judged.results) else ""
    page = f'{STYLE}{drawn}<section class="mlps"><h2>Verdicts</h2>{cards or nothing}</section>'
    above = "".join(_submission(submission) for submission in judged.submissions)
    if judged.package:
        above = f'<div class="mlps-card mlps-note"><h3>the package</h3>{_list(judged.package)}</div>{above}'
    return page + (f'<section class="mlps"><h2>Submissions</h2>{above}</section>' if above else "")


def _submission(judged: JudgedResult) -> str:
    written = judged.written
    counts = Counter(written["results"].values())
    results = ", ".join(f"{count} {escaped(verdict)}" for verdict, count in sorted(counts.items())) or "no results"
    who = f"{escaped(written['submitter'])}, {escaped(written['division'])}, edition {escaped(written['edition'])}"
    return (
        f'<div class="mlps-card mlps-{_kind(judged.headline)}"><h3>{escaped(judged.headline)}</h3>'
        f"<p><b>{who}</b>, profile {escaped(written['profile'])} · {results}</p><p><code>{escaped(judged.path)}</code></p>"
        + _list(judged.reasons)
        + "</div>"
    )


def _card(result: JudgedResult) -> str:
    written = result.written
    what = " on ".join(escaped(written[key]) for key in ("model", "accelerator") if written.get(key))
    who = "{submitter}, system {system}, {division}, edition {edition}".format(**{key: escaped(value) for key, value in written.items()})
    metrics = untold(written["metrics"], result.pictures)
    figures = "".join(f"<div><span>{escaped(name)}</span> <b>{escaped(number(value, 3))}</b></div>" for name, value in metrics.items())
    shown, folded = split(written, result.reasons)
    details = f"<details><summary>{len(folded)} findings</summary>{_list(folded)}</details>" if folded else ""
    return (
        f'<div class="mlps-card mlps-{_kind(result.headline)}"><h3>{escaped(result.headline)}</h3>'
        f"<p><b>{escaped(written['benchmark_type'])} {what}</b> · {who}</p><p><code>{escaped(result.path)}</code></p>"
        + (f'<div class="mlps-figures">{figures}</div>' if figures else "")
        + _list(shown)
        + details
        + "".join(picture_html(picture) for picture in result.pictures)
        + "</div>"
    )


def _list(lines: Sequence[str]) -> str:
    items = [f"<li>{escaped(line)}</li>" for line in lines[:_LONGEST_REASONS]]
    if len(lines) > _LONGEST_REASONS:
        items.append(f"<li>… and {len(lines) - _LONGEST_REASONS} more, see verdicts.json</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""


def runs_html(runs: Sequence[RunRow]) -> str:
    """The table of runs, or nothing where there is none."""
    if not runs:
        return ""
    figures = ("AU %", "samples/s", "MiB/s", "seconds")
    head = "".join(
        f'<th class="mlps-n">{name}</th>' if name in figures else f"<th>{name}</th>"
        for name in ("Model", "Accelerator", "Run", *figures, "", "Leaf")
    )
    body = "".join(_run(row) for row in runs)
    return f'<section class="mlps"><h2>Runs</h2><div class="mlps-scroll"><table><tr>{head}</tr>{body}</table></div></section>'


def _run(row: RunRow) -> str:
    texts = "".join(f"<td>{escaped(text, longest=80)}</td>" for text in (row.model, row.accelerator, row.run))
    values = (number(row.au_percent), number(row.samples_per_second), number(row.mib_per_second), number(row.seconds, 1))
    figures = "".join(f'<td class="mlps-n">{escaped(value)}</td>' for value in values)
    marks = "; ".join(filter(None, (row.mark, row.other)))
    color = ' class="mlps-text-bad"' if row.mark else ""
    return f"<tr>{texts}{figures}<td{color}>{escaped(marks)}</td><td><code>{escaped(row.leaf)}</code></td></tr>"


def row_cells(said: Facts | None) -> list[str]:
    """Our four cells of an item's row; empty ones for an item that is none of ours."""
    if said is None:
        said = Facts()
    rule = " ".join(part for part in (said.rule, said.rule_name) if part) or said.error
    verdict = said.verdict or ("found" if said.found else "")
    kind = _ITEM_KIND.get(verdict) or _kind(verdict)
    columns = (("verdict", verdict), ("measured", said.measured), ("required", said.required), ("rule", rule))
    return [
        f'<td class="col-{name}{f" mlps-text-{kind}" if name == "verdict" and text else ""}">{escaped(text, longest=300)}</td>'
        for name, text in columns
    ]
