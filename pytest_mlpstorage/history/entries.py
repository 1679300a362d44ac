"""The entries of a history: each result of a tree with its id, when it was measured, its verdict and how to have it measured again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pytest_mlpstorage.config import nearest
from pytest_mlpstorage.errors import ConfigurationError
from pytest_mlpstorage.results.history import PastResult, last_run, measured_at, past_results
from pytest_mlpstorage.results.records import Result
from pytest_mlpstorage.results.tree import Tree
from pytest_mlpstorage.rules.judging import edition_of, said_of
from pytest_mlpstorage.rules.repeats import Figure, figures_of
from pytest_mlpstorage.rules.verdicts import Speaker, judge_result

__all__ = ["FAMILIES", "SET_ASIDE", "Entry", "Filter", "entries_of", "find_entry", "read_since", "with_verdict"]

SET_ASIDE: Final = "SET ASIDE"
"""What stands for the verdict of a result that counts no more."""

FAMILIES: Final[Mapping[str, str]] = {
    "training": "training",
    "checkpointing": "checkpointing",
    "kvcache": "kv_cache",
    "vectordb": "vector_database",
}
"""Names of families in a configuration, and of their directories in a tree; both are understood."""

_AGO: Final = re.compile(r"(\d{1,6})\s*(min|h|d|w)\Z")
_UNITS: Final[Mapping[str, dt.timedelta]] = {
    "min": dt.timedelta(minutes=1),
    "h": dt.timedelta(hours=1),
    "d": dt.timedelta(days=1),
    "w": dt.timedelta(weeks=1),
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One result that is remembered. ``when`` is None where nothing tells; ``verdict`` is empty where nobody asked for it."""

    id: str
    past: PastResult
    result: Result
    when: dt.datetime | None
    verdict: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, Figure]:
        """Its headlines, by their official names."""
        return figures_of(self.result, edition_of(self.result))

    @property
    def mlps(self) -> Mapping[str, Any]:
        """What this package recorded of its last run, beside what the rule book asks for."""
        leaf = last_run(self.result)
        return leaf.metadata.mlps if leaf is not None and leaf.metadata is not None else {}


@dataclasses.dataclass(frozen=True)
class Filter:
    """What is asked for; None and empty ask for everything. Words are found anywhere in a name, in any case."""

    family: str = ""
    model: str = ""
    system: str = ""
    since: dt.datetime | None = None
    verdict: str = ""

    def takes(self, past: PastResult, when: dt.datetime | None) -> bool:
        """Whether a result is asked for, by all but its verdict."""
        place = past.place
        if self.family and place.kind != self.family:
            return False
        if self.system.lower() not in place.system.lower():
            return False
        return self.since is None or (when is not None and when >= self.since)


def read_since(text: str, now: dt.datetime | None = None) -> dt.datetime:
    """A point in time from ``2026-11-26``, ``2026-11-26 10:00`` or an age such as ``7d``; raises ConfigurationError."""
    ago = _AGO.match(text.strip())
    try:
        if ago is not None:
            return (now or dt.datetime.now()) - int(ago[1]) * _UNITS[ago[2]]
        return dt.datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except (ValueError, OverflowError):  # an age can be greater than that of the calendar
        raise ConfigurationError(
            f"--since={text}: no time; allowed 2026-11-26, '2026-11-26 10:00', or an age such as 90min, 12h, 7d, 4w", code="MLPS-E130"
        ) from None


def entries_of(results_dir: Path, wanted: Filter, *, judged: bool = True) -> list[Entry]:
    """The results below a directory that are asked for, newest first. To judge them takes as long as ``rules/`` does."""
    found: list[Entry] = []
    ids: Counter[str] = Counter()
    say: dict[Path, Speaker] = {}
    for past in past_results(results_dir):
        result = past.load()
        leaf, when = last_run(result), measured_at(result)
        if leaf is None:
            continue
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{result.model}-{leaf.name}")
        ids[name] += 1  # before anything is left out: an id means the same result whatever is asked for
        if not wanted.takes(past, when) or wanted.model.lower() not in result.model.lower():
            continue
        entry = Entry(name if ids[name] == 1 else f"{name}-{ids[name]}", past, result, when)
        if past.home or judged or wanted.verdict:
            entry = with_verdict(entry, say)
        if wanted.verdict and entry.verdict.lower() != wanted.verdict.lower():
            continue
        found.append(entry)
    return sorted(found, key=lambda entry: entry.when or dt.datetime.min, reverse=True)


def with_verdict(entry: Entry, say: dict[Path, Speaker]) -> Entry:
    """An entry with its verdict and the reasons. ``say`` keeps what the rules have said of each tree, for the next entry."""
    past = entry.past
    if past.home:
        return dataclasses.replace(entry, verdict=SET_ASIDE, reasons=(past.set_aside,))
    judgement = judge_result(past.tree, past.place, say.setdefault(past.tree.root, _speaker(past.tree)))
    return dataclasses.replace(entry, verdict=judgement.verdict.value, reasons=judgement.reasons)


def _speaker(tree: Tree) -> Speaker:
    """Asks the rules about each subject once, however many results rest on it."""
    return functools.cache(lambda place: said_of(tree.load(place)))


def find_entry(entries: Iterable[Entry], given: str) -> Entry:
    """The entry of an id, or of the beginning or the end of one; raises ConfigurationError where it is none, or of several."""
    listed = list(entries)
    exact = [entry for entry in listed if entry.id == given]
    found = exact or [entry for entry in listed if entry.id.startswith(given) or entry.id.endswith(given)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"{given!r} begins or ends several ids: {', '.join(entry.id for entry in found[:8])}", code="MLPS-E114")
    near = nearest(given, [entry.id for entry in listed])
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise ConfigurationError(f"no result has the id {given!r}; without --show and --rerun all are listed{hint}", code="MLPS-E114")
