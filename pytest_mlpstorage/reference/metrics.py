"""The page of the figures that results are judged and compared by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pytest_mlpstorage.reference.markdown import code, plain
from pytest_mlpstorage.results.places import Kind
from pytest_mlpstorage.rules.headlines import METRICS, Headline

__all__ = ["metrics_page", "official_name"]

_FAMILIES: Final[Mapping[Kind, str]] = {
    "training": "Training",
    "checkpointing": "Checkpointing",
    "kv_cache": "KV cache",
    "vector_database": "Vector database",
}

_ONE_OF_SEVERAL: Final = re.compile(r"\(\?P<of>[^()]*(?:\([^()]*\)[^()]*)*\)")
_OPTIONAL: Final = re.compile(r"\(\?:([^()|]*)\)\?")
_EITHER: Final = re.compile(r"\(\?:([^()]*)\)")


def metrics_page() -> list[str]:
    """The lines of the page, title first."""
    lines = [
        "Metrics",
        "The figures of a result, with one entry each. `verdicts.json`, `verdicts.csv` and JUnit have them by their official names, the",
        "terminal and the report by the words of the headings; `--mlps-fail-if` takes the short name. `…` in a name stands for the option,",
        "or the accelerator, that a figure is of. A figure that cannot be had is absent, and never 0. A source is the id of a",
        "[rule](../rules.md), or says where else it comes from.",
    ]
    for kind, title in _FAMILIES.items():
        lines += ["", f"## {title}"]
        lines += [line for metric in METRICS if metric.kind == kind for line in _entry(metric)]
    return lines


def official_name(metric: Headline) -> str:
    """The form of its names for people: a part that tells several apart, or may be missing, as ``…``; other forms after ``or``."""
    text = _ONE_OF_SEVERAL.sub("…", metric.pattern)
    text = _OPTIONAL.sub(r"[\1]", text)
    groups = _EITHER.search(text)
    forms = [text[: groups.start()] + choice + text[groups.end() :] for choice in groups[1].split("|")] if groups else text.split("|")
    return " or ".join(code(re.sub(r"\\(.)", r"\1", form)) for form in forms)


def _entry(metric: Headline) -> Iterator[str]:
    yield from ("", f"### {plain(metric.label)}" + (f" ({metric.unit})" if metric.unit else ""), "")
    yield f"{plain(metric.definition)}"
    yield ""
    named = f"* official name {official_name(metric)}" + (f"; short name {code(metric.short)}" if metric.short else "")
    yield named
    if metric.short:
        yield f"* {metric.better} is better"
    if metric.formula:
        yield f"* formed: {plain(metric.formula)}"
    if metric.source:
        yield f"* source: {plain(metric.source)}"
