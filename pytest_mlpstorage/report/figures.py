"""The headline figures of a result in words: a label, the value with its unit and, where the edition has one, the limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pytest_mlpstorage.editions import edition, edition_names
from pytest_mlpstorage.report.headline_text import Limit, told_metric, value_text
from pytest_mlpstorage.report.text import plain
from pytest_mlpstorage.rules.headlines import HEADLINES, Headline, headline_of
from pytest_mlpstorage.rules.runs import required_utilization_percent

__all__ = ["figures_of"]

_FIRST: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "training": (("train_au", "train_throughput", "train_read_bandwidth"),),
    "checkpointing": (("checkpoint_write_bandwidth", "checkpoint_read_bandwidth"),),
    # What the storage completed in the window says more than the official formula; only our own program knows it.
    "kv_cache": (
        ("kv_window_read_bandwidth", "kv_window_write_bandwidth"),
        ("kv_read_bandwidth", "kv_write_bandwidth", "kv_throughput"),
    ),
    "vector_database": (("vdb_throughput", "vdb_latency_p99", "vdb_recall"),),
}
"""Kind of result → the figures that are shown first, by their short names; of several choices the first that a result has."""


def figures_of(written: Mapping[str, Any], *, every: bool = False) -> list[str]:
    """Texts such as ``AU 97.1 % (at least 90 %)``, of a result as verdicts.json has it; those of one option stand in one text.

    Without ``every`` only the figures that matter most. A result of which no headline is known shows its metrics by their official names.
    """
    metrics = written.get("metrics") or {}
    known: list[tuple[Headline, str, object]] = [(*found, value) for name, value in metrics.items() if (found := headline_of(name))]
    if not known:
        return [" ".join(told_metric(name, value)) for name, value in metrics.items()]
    known.sort(key=lambda one: HEADLINES.index(one[0]))
    if not every:
        known = _most_important(str(written.get("benchmark_type")), known)
    groups: dict[str, list[str]] = {}
    for headline, of, value in known:
        groups.setdefault(of, []).append(_text(headline, value, written))
    alone = groups.pop("", [])
    return [*alone, *(f"{plain(of)}: {', '.join(texts)}" for of, texts in sorted(groups.items()))]


def _most_important(kind: str, known: list[tuple[Headline, str, object]]) -> list[tuple[Headline, str, object]]:
    for names in _FIRST.get(kind, ()):
        if chosen := [one for one in known if one[0].short in names]:
            return chosen
    return known


def _text(headline: Headline, value: object, written: Mapping[str, Any]) -> str:
    limit = _limit(headline, written)
    held = f" ({limit.words} {headline.unit}".rstrip() + ")" if limit is not None else ""
    return f"{headline.label} {value_text(headline, value, limit)}{held}"


def _limit(headline: Headline, written: Mapping[str, Any]) -> Limit | None:
    """The limit that the edition sets for a figure; None where it sets none."""
    name = str(written.get("edition"))
    if headline.short != "train_au" or name not in edition_names():
        return None
    required = required_utilization_percent(edition(name), str(written.get("model")))
    return Limit(required, "3.3.2") if required is not None else None
