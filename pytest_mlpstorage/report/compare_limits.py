"""``--mlps-fail-if='train_au<-2%'``: limits on a difference, read from what the user wrote and held against a comparison."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_mlpstorage.config import did_you_mean
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.report.compare import Change, Comparison, shown
from pytest_mlpstorage.rules.headlines import HEADLINES, Headline, headline_of, short_names
from pytest_mlpstorage.units import GIB, MIB
from pytest_mlpstorage.verdict import Category, Finding

__all__ = ["OPTION", "Limit", "hold", "limit_findings", "read_limits"]

OPTION: Final = "--mlps-fail-if"

_FORM: Final = re.compile(r"(?P<name>[^<>]+?)\s*(?P<relation>[<>])\s*(?P<amount>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>\S.*)?\Z")

_UNITS: Final[Mapping[str, Mapping[str, float]]] = {
    "%": {"pp": 1.0},
    "": {"pp": 0.01},
    "GiB/s": {"GiB/s": 1.0, "MiB/s": MIB / GIB, "GB/s": 1e9 / GIB, "MB/s": 1e6 / GIB},
    "MiB/s": {"GiB/s": GIB / MIB, "MiB/s": 1.0, "GB/s": 1e9 / MIB, "MB/s": 1e6 / MIB},
    "ms": {"s": 1000.0, "ms": 1.0, "us": 0.001},
    "s": {"s": 1.0, "ms": 0.001, "us": 1e-6},
    "samples/s": {"samples/s": 1.0},
    "tok/s": {"tok/s": 1.0},
    "queries/s": {"queries/s": 1.0, "qps": 1.0},
}
"""Unit of a headline → units in which a difference of it may be given, and what one of them is in the headline's own."""


@dataclasses.dataclass(frozen=True)
class Limit:
    """One limit on the difference to an earlier result. ``text`` is as it was written; ``unit`` ``%`` is of the earlier value."""

    text: str
    name: str
    falls: bool
    amount: float
    unit: str

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of results that have such a figure."""
        return frozenset(headline.kind for headline in _headlines(self.name))

    def of(self, comparison: Comparison) -> tuple[Change, ...]:
        """The figures that it speaks of: all of a short name, one of an official name."""
        return tuple(change for change in comparison.changes if self.name in (change.short, change.label, change.name))

    def broken_by(self, change: Change) -> str:
        """What is wrong where the difference is beyond the limit, or cannot be formed; empty where it is within."""
        value = change.percent if self.unit == "%" else change.difference
        if value is None:
            why = change.weight() if change.difference is None else "it was 0 before, of which there is no percentage"
            return f"{change.label} cannot be compared: {why}"
        limit = self.amount if self.unit == "%" else self.amount * _UNITS[change.unit][self.unit]
        if not (value < limit if self.falls else value > limit):
            return ""
        return f"{change.label} {change.change()}: {shown(change.before)} before, {shown(change.now)} now ({change.unit or 'a fraction'})"


def _headlines(name: str) -> tuple[Headline, ...]:
    by_short = tuple(headline for headline in HEADLINES if f"{name} ".startswith(f"{headline.short} "))
    known = headline_of(name)
    return by_short or ((known[0],) if known is not None else ())


def read_limits(given: Sequence[str]) -> tuple[Limit, ...]:
    """The limits of every option; several may stand in one, with commas. Raises ConfigurationError for the first that is none."""
    return tuple(_read(part.strip()) for text in given for part in text.split(","))


def _read(text: str) -> Limit:
    match = _FORM.match(text)
    if match is None:
        raise ConfigurationError(
            f"{OPTION}={text}: given {text!r}; allowed a metric, < or >, and a difference with its unit, such as 'train_au<-2%' "
            "(fails where it fell by more than 2 %) or 'vdb_latency_p99>+5ms'",
            code="MLPS-E130",
        )
    name, unit = match["name"].strip(), (match["unit"] or "").strip()
    headlines = _headlines(name)
    if not headlines:
        raise ConfigurationError(
            f"{OPTION}={text}: no metric {name!r} can be compared; allowed {', '.join(short_names())}, or a name from verdicts.json"
            + did_you_mean(name, short_names()),
            code="MLPS-E114",
        )
    allowed = {"%": 1.0}
    for headline in headlines:
        allowed |= _UNITS[headline.unit]
    if unit not in allowed:
        what = f"unknown unit {unit!r}" if unit else "a unit is missing"
        raise ConfigurationError(
            f"{OPTION}={text}: {what}; allowed of {name}: {', '.join(allowed)} (% is of the earlier value)", code="MLPS-E130"
        )
    amount = float(match["amount"])
    if not math.isfinite(amount):
        raise ConfigurationError(f"{OPTION}={text}: a number of that many digits is beyond all measure", code="MLPS-E130")
    return Limit(text, name, match["relation"] == "<", amount, unit)


def hold(comparison: Comparison, limits: Sequence[Limit], kind: str) -> Comparison:
    """Hold the limits that speak of this kind of result against a comparison; those of other kinds leave no trace in it."""
    broken: dict[str, str] = {}
    kept: list[str] = []
    for limit in limits:
        if kind not in limit.kinds:
            continue
        changes = limit.of(comparison)
        found = [text for change in changes if (text := limit.broken_by(change))]
        if comparison.missing:
            found = [f"there is no earlier result to hold it against: {comparison.missing}"]
        elif not changes:
            found = [f"neither this result nor the earlier one has {limit.name}"]
        if found:
            broken[limit.text] = "; ".join(found)
        else:
            kept.append(limit.text)
    return dataclasses.replace(comparison, broken=broken, kept=tuple(kept))


def limit_findings(comparison: Comparison) -> Iterator[Finding]:
    """Each broken limit as a finding that fails an item and costs no verdict: the rule book knows nothing of it."""
    beside = f"; compared with {comparison.earlier}" if comparison.earlier else ""
    for text, why in comparison.broken.items():
        yield Finding(f"{why}{beside}", category=Category.CLOSED, required=f"not {text}", rule=OPTION)
