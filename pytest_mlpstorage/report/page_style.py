"""The style of our part of the page: light and dark, on paper and on a narrow window; what a color says, a word or a mark says too."""

from __future__ import annotations

from typing import Final

__all__ = ["MANY_STYLE", "MARKS", "STYLE", "kind_of"]

_KINDS: Final = {"CLOSED": "good", "OPEN": "good", "INVALID": "bad", "NOT VERIFIED": "wait", "WHATIF": "note"}

MARKS: Final = {"good": "✓", "bad": "✗", "wait": "?", "note": "~"}
"""A mark for each kind of verdict, for who cannot tell their colors apart."""


def kind_of(headline: str) -> str:
    """What colors and marks go with a verdict: ``good``, ``bad``, ``wait`` or ``note``."""
    return _KINDS.get(headline.split(" (")[0], "note")


MANY_STYLE: Final = "<style>@media screen{.mlps-card{content-visibility:auto;contain-intrinsic-size:auto 400px}}</style>"
"""For a page of very many cards: what is not in the window is not laid out."""

STYLE: Final = """<style>
:root{color-scheme:light dark;--mlps-ink:#1c2430;--mlps-soft:#566070;--mlps-page:#fff;--mlps-card:#f6f8fa;--mlps-line:#d5dbe3;
--mlps-good:#1a7f37;--mlps-bad:#c21f2d;--mlps-wait:#8a5a00;--mlps-note:#0b5cad;--mlps-deep:#eceff3}
@media screen and (prefers-color-scheme:dark){:root{--mlps-ink:#e3e8ef;--mlps-soft:#a3afbd;--mlps-page:#14181e;--mlps-card:#1d232c;
--mlps-line:#37414e;--mlps-good:#4cc46a;--mlps-bad:#ff7b82;--mlps-wait:#e3b341;--mlps-note:#6cb6ff;--mlps-deep:#12161b}
body .logwrapper,body .logwrapper .logexpander{background:#1d232c}}
body{display:flex;flex-direction:column;background:var(--mlps-page);color:var(--mlps-soft);font:13px/1.45 system-ui,sans-serif;
margin:0 auto;padding:1.2rem 1.6rem;max-width:1500px;width:calc(100% - 3.2rem);min-width:0}
h1,h2,body p,body .logwrapper .log{color:var(--mlps-ink)} a{color:var(--mlps-note)}
body h1{margin:.2rem 0 .3rem} body>p{margin:0;color:var(--mlps-soft)}
:focus-visible{outline:2px solid var(--mlps-note);outline-offset:2px}
body .logwrapper .log{font:12px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
#environment-header,#environment{order:9} footer{order:10}
#environment{align-self:flex-start;max-width:100%} #environment td{overflow-wrap:anywhere}
#environment td,#results-table,#results-table th,#results-table td{border-color:var(--mlps-line)}
#environment tr:nth-child(odd){background:var(--mlps-card)} #results-table{color:var(--mlps-ink)}
span.passed,.passed .col-result{color:var(--mlps-good)} span.failed,span.error,.failed .col-result,.error .col-result{color:var(--mlps-bad)}
body span:is(.skipped,.xfailed,.rerun,.retried),:is(.skipped,.xfailed,.rerun) .col-result{color:var(--mlps-wait)}
body span.xpassed,.xpassed .col-result{color:var(--mlps-bad)} body .collapse button{color:var(--mlps-note)}
#results-table .col-testId{overflow-wrap:anywhere;min-width:14em}
#results-table td.col-measured,#results-table td.col-required{overflow-wrap:anywhere;max-width:22em}
#results-table .col-verdict{white-space:nowrap;font-weight:600} #results-table td.col-rule{overflow-wrap:anywhere}
.summary__data>h2,.summary__spacer{display:none} body .controls{flex-wrap:wrap;gap:.4rem} .mlps-out{display:none!important}
@media screen{.mlps-paper{display:none}}
.mlps{color:var(--mlps-ink);margin:.2rem 0 1.2rem} .mlps h2{margin:1.2rem 0 .5rem;font-size:18px}
.mlps-sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.mlps-sum{font-size:15px;margin:.3rem 0 .7rem} .mlps-sum b{white-space:nowrap}
.mlps-card{background:var(--mlps-card);border:1px solid var(--mlps-line);border-left:5px solid var(--mlps-note);border-radius:6px;
padding:.7rem 1rem;margin:.6rem 0;scroll-margin-top:1rem}
.mlps-card h3{margin:0;font-size:17px} .mlps-card p{margin:.15rem 0 0;overflow-wrap:anywhere}
.mlps-card h4{margin:.7rem 0 0;font-size:14px} .mlps-card h3 span{letter-spacing:.02em}
.mlps-card h3 small{font-size:15px;font-weight:600;color:var(--mlps-ink)}
.mlps code,.mlps pre{font:12px ui-monospace,monospace;overflow-wrap:anywhere}
.mlps pre{background:var(--mlps-deep);padding:.5rem .7rem;margin:.3rem 0 0;white-space:pre-wrap;border-radius:4px}
.mlps-card ul{margin:.5rem 0 0;padding-left:1.2rem} .mlps-card li{margin:.2rem 0;overflow-wrap:anywhere}
.mlps-soft,.mlps-text-soft,.mlps-card li code{color:var(--mlps-soft)}
.mlps details{margin-top:.35rem} .mlps summary{cursor:pointer;width:fit-content} .mlps summary:hover{text-decoration:underline}
.mlps details[open]>summary{margin-bottom:.2rem}
.mlps-good{border-left-color:var(--mlps-good)} .mlps-good h3>span,.mlps-text-good{color:var(--mlps-good)}
.mlps-bad{border-left-color:var(--mlps-bad);border-left-style:double;border-left-width:7px}
.mlps-bad h3>span,.mlps-text-bad{color:var(--mlps-bad)}
.mlps-wait{border-left-color:var(--mlps-wait);border-left-style:dashed} .mlps-wait h3>span,.mlps-text-wait{color:var(--mlps-wait)}
.mlps-note h3>span,.mlps-text-note{color:var(--mlps-note)}
.mlps-figures{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:.6rem 0 .2rem} .mlps-figures div{min-width:8em}
.mlps-figures dt{color:var(--mlps-soft)} .mlps-figures dd{margin:0;font-variant-numeric:tabular-nums}
.mlps-figures dd b{font-size:19px;font-weight:600} .mlps-figures dd small{display:block;font-size:12px;color:var(--mlps-soft)}
.mlps-ran{display:flex;flex-wrap:wrap;gap:.15rem 1.4rem;margin:.45rem 0 0}
.mlps-ran div{display:flex;gap:.4em} .mlps-ran dt{color:var(--mlps-soft)} .mlps-ran dd{margin:0}
.mlps-scroll{overflow-x:auto} .mlps table{border-collapse:collapse} .mlps caption{text-align:left;color:var(--mlps-soft);padding:.2rem 0}
.mlps th{text-align:left;color:var(--mlps-soft);font-weight:600;border-bottom:2px solid var(--mlps-line)}
.mlps th,.mlps td{padding:.3rem .9rem .3rem 0;white-space:nowrap;vertical-align:top} .mlps td{border-bottom:1px solid var(--mlps-line)}
.mlps tbody th{color:inherit;font-weight:inherit;border-bottom:1px solid var(--mlps-line)}
.mlps td.mlps-wrap,.mlps th.mlps-wrap{white-space:normal;overflow-wrap:anywhere;min-width:14em;max-width:60em}
.mlps-list td:last-child{font-size:12px;color:var(--mlps-soft)} .mlps .mlps-list :is(td,th){padding-top:.15rem;padding-bottom:.15rem}
.mlps td.mlps-tight{white-space:normal;overflow-wrap:anywhere;max-width:20em}
.mlps .mlps-n{text-align:right;font-variant-numeric:tabular-nums}
.mlps-filter{display:flex;flex-wrap:wrap;gap:.5rem .9rem;align-items:end;margin:.8rem 0;padding:.6rem .8rem;
border:1px solid var(--mlps-line);border-radius:6px;background:var(--mlps-card)} .mlps-filter[hidden]{display:none}
.mlps-filter label{display:flex;flex-direction:column;font-size:12px;color:var(--mlps-soft)}
.mlps-filter select,.mlps-filter input,.mlps-filter button{font:inherit;font-size:13px;color:var(--mlps-ink);background:var(--mlps-page);
border:1px solid var(--mlps-soft);border-radius:4px;padding:.25rem .45rem;min-height:1.9rem}
.mlps-filter input{min-width:15em} .mlps-filter output{flex-basis:100%}
@media screen and (max-width:900px){body{padding:.8rem;width:calc(100% - 1.6rem)} #results-table{display:block;overflow-x:auto}
.mlps-figures{gap:.4rem 1.2rem} .mlps-filter input{min-width:8em}
.mlps-stack thead{display:none} .mlps-stack tr{display:block;border-bottom:1px solid var(--mlps-line);padding:.3rem 0}
.mlps-stack td,.mlps-stack tbody th{display:block;border:0;padding:.05rem 0;white-space:normal}
.mlps .mlps-stack td.mlps-tight{max-width:none}
.mlps-stack:not(.mlps-list) td:is(:nth-of-type(2),:nth-of-type(3)):not(:empty)::before{color:var(--mlps-soft);content:"measured: "}
.mlps-stack:not(.mlps-list) td:nth-of-type(3):not(:empty)::before{content:"required: "}}
@media print{@page{margin:12mm}
:root{color-scheme:light;--mlps-ink:#000;--mlps-soft:#333;--mlps-page:#fff;--mlps-card:#fff;--mlps-line:#999;
--mlps-good:#0a5c22;--mlps-bad:#99101c;--mlps-wait:#6b4600;--mlps-note:#083f78;--mlps-deep:#fff}
.mlps-filter,.controls,.filter,.summary__reload,.logwrapper,.media,.extras-row{display:none!important}
body{max-width:none;width:auto;padding:0;font-size:11px} body,.mlps,.summary,.summary__data{display:block}
a{color:inherit;text-decoration:none} a[href^="http"]::after{content:" (" attr(href) ")"}
.mlps-scroll,#results-table{overflow:visible} .mlps summary{list-style:none} .mlps summary::-webkit-details-marker{display:none}
.mlps-card{box-decoration-break:clone;-webkit-box-decoration-break:clone}
.mlps figure,.mlps tr,.mlps li,.mlps-figures div,#results-table tr{break-inside:avoid}
.mlps h2,.mlps h3,.mlps h4,.mlps summary,.mlps caption,.mlps-lead{break-after:avoid} thead{display:table-header-group}
.mlps :is(th,td):is(th,td,.mlps-wrap,.mlps-tight){white-space:normal;padding:.15rem .6rem .15rem 0;overflow-wrap:break-word;min-width:0}
.mlps-stack tbody th{overflow-wrap:anywhere} .mlps-stack:not(.mlps-list) tbody th{min-width:13em} .mlps-stack td.mlps-tight{min-width:12em}
.mlps-list td:first-child b{white-space:nowrap}
.mlps-pictures{zoom:.8} .mlps-picture .mlps-tall{zoom:.75} .mlps td.mlps-leaf{min-width:24em} .mlps-picture figcaption{font-size:13px}
#results-table{width:100%;font-size:10px} #results-table :is(th,td){padding:2px 4px}
#results-table :is([data-column-type=duration],.col-duration,.col-links,th:not([data-column-type])){display:none}
html:not(.mlps-filtered) #results-table tbody.passed{display:none} #results-table .col-testId{min-width:0;width:45%}
#results-table td.col-rule{overflow-wrap:normal;width:22%}
#results-table .sortable::before,#results-table td.col-result::after{display:none}}
</style>"""
