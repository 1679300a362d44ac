"""The headline figures of a result in words: a label, the value with its unit and, where the edition has one, the limit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.editions import edition, edition_names
from pytest_mlpstorage.report.headline_text import Limit, Spread, spread_text, told_metric, value_text, wide
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.results.coerce import number
from pytest_mlpstorage.rules.headlines import HEADLINES, OFFICIAL, Headline, headline_of

__all__ = ["figures_of", "official_beside"]

_FIRST: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "training": (("train_au", "train_throughput", "train_read_bandwidth"),),
    "checkpointing": (("checkpoint_write_bandwidth", "checkpoint_read_bandwidth"),),
    "kv_cache": (("kv_read_bandwidth", "kv_write_bandwidth", "kv_throughput"),),
    "vector_database": (("vdb_throughput", "vdb_latency_p99", "vdb_recall"),),
}
"""Kind of result → the figures that are shown first, by their short names; of several choices the first that a result has."""

_BESIDE: Final[Mapping[str, str]] = {
    "kv_window_read_bandwidth": "kv_read_bandwidth",
    "kv_window_write_bandwidth": "kv_write_bandwidth",
}
"""What the storage completed in the window, which only our own program knows, and what the official formula makes of the same."""

_OPTION: Final = re.compile(r"option (\d{1,6})", re.ASCII)

_Known = tuple[Headline, str, object, str]
"""A headline, what part of the result it is of, its value and its text."""


def figures_of(
    written: Mapping[str, Any],
    *,
    every: bool = False,
    limits: Mapping[str, Limit] | None = None,
    spreads: Mapping[str, Spread] | None = None,
) -> list[str]:
    """Texts such as ``AU 97.1 % (at least 90 %)``, of a result as verdicts.json has it; those of one option stand in one text.

    Rates of the window lead, with what the official formula makes of them beside them; figures of that formula are called so. Options
    stand in the order of the edition. Without ``every`` only the figures that matter most. A result of which no headline is known shows
    its metrics by their official names. ``limits`` are those that its headlines are held against, ``spreads`` how far the runs behind
    them lie apart, by the same names; a spread is told where it is wide.
    """
    metrics = written.get("metrics") or {}
    held, apart = limits or {}, spreads or {}
    known: list[_Known] = [
        (*found, value, _text(found[0], value, held.get(name), spread_text(name, wide(value, apart.get(name)))))
        for name, value in metrics.items()
        if (found := headline_of(name)) is not None
    ]
    if not known:
        return [" ".join(told_metric(name, value)) for name, value in metrics.items()]
    known.sort(key=lambda one: HEADLINES.index(one[0]))
    if not every:
        known = _most_important(str(written.get("benchmark_type")), known)
    options = _options(str(written.get("edition")))
    parts: dict[int | str, list[_Known]] = {}
    for one in known:
        parts.setdefault(_part(one[1], options), []).append(one)
    alone = [text for *_, text in parts.pop("", [])]
    order = sorted(parts, key=lambda part: (isinstance(part, str), part if isinstance(part, int) else 0, str(part)))
    return [*alone, *(_part_text(parts[part]) for part in order)]


def official_beside(metrics: Mapping[str, Any], edition_name: str) -> dict[str, str]:
    """Name of a rate of the window → what the official formula makes of it: ``by the official formula 4.63 GiB/s, 2.12 ×``."""
    options = _options(edition_name)
    known = {name: found for name in metrics if (found := headline_of(name)) is not None}
    official = {(entry.short, _part(of, options)): metrics[name] for name, (entry, of) in known.items() if entry.official}
    told = {}
    for name, (entry, of) in known.items():
        counterpart = (_BESIDE.get(entry.short, ""), _part(of, options))
        if counterpart in official:
            told[name] = _beside(entry, official[counterpart], metrics[name])
    return told


def _options(edition_name: str) -> dict[str, int]:
    """What the groups of the results table are options of, in an edition that has a KV cache."""
    book = edition(edition_name).kv_cache if edition_name in edition_names() else None
    return {option.result_group: number for number, option in book.options.items()} if book is not None else {}


def _part(of: str, options: Mapping[str, int]) -> int | str:
    """The number of an option, whichever of its names is given; another part of a result keeps its name."""
    match = _OPTION.fullmatch(of)
    return int(match[1]) if match is not None else options.get(of, of)


def _most_important(kind: str, known: list[_Known]) -> list[_Known]:
    window = any(one[0].short in _BESIDE for one in known)
    choices = [(*_BESIDE, *_BESIDE.values())] if window else _FIRST.get(kind, ())
    for names in choices:
        if chosen := [one for one in known if one[0].short in names]:
            return chosen
    return known


def _part_text(known: Sequence[_Known]) -> str:
    """One option: its own figures, each with that of the official formula beside it, then what else that formula makes."""
    official = {entry.short: (value, text) for entry, _, value, text in known if entry.official}
    own = []
    for entry, _, value, text in known:
        if not entry.official:
            counterpart = official.pop(_BESIDE.get(entry.short, ""), None)
            own.append(text + (f" ({_beside(entry, counterpart[0], value)})" if counterpart is not None else ""))
    rest = ", ".join(text.replace(f" {OFFICIAL}", "", 1) for _, text in official.values())
    of = next((of for entry, of, _, _ in known if not entry.official), known[0][1])
    if not own:
        return f"{plain(of)}, {OFFICIAL}: {rest}"
    return f"{plain(of)}: {', '.join(own)}" + (f"; {OFFICIAL} {rest}" if rest else "")


def _beside(entry: Headline, official: object, value: object) -> str:
    one, other = _number(official), _number(value)
    factor = f", {one / other:.2f} ×" if one is not None and other else ""
    return f"{OFFICIAL} {value_text(entry, official)}{factor}"


def _number(value: object) -> float | None:
    return None if isinstance(value, str) else number(value)


def _text(headline: Headline, value: object, limit: Limit | None, spread: str) -> str:
    held = f"{limit.words} {headline.unit}".rstrip() if limit is not None and _number(value) is not None else ""
    beside = "; ".join(filter(None, (held, spread)))
    return f"{headline.label} {value_text(headline, value, limit)}" + (f" ({beside})" if beside else "")
