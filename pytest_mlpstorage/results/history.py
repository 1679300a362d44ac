"""The results that a tree remembers: those that stand in it, and those that were set aside in ``.mlps/superseded``. No database."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from pytest_mlpstorage.results.files import TreeFiles, is_directory
from pytest_mlpstorage.results.layout import STAGING, is_timestamp
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.records import Leaf, Result, StoredResult
from pytest_mlpstorage.results.superseded import SUPERSEDED
from pytest_mlpstorage.results.tree import Tree, read_tree
from pytest_mlpstorage.results.writer import REASON

__all__ = ["PastResult", "last_run", "measured_at", "past_results"]

_TIMESTAMP_FORMAT = "%Y%m%d_%H%M%S"


@dataclasses.dataclass(frozen=True)
class PastResult:
    """A result that is remembered. ``home`` is the directory of ``.mlps/superseded`` that holds it, empty for one in the tree."""

    tree: Tree
    place: SubjectPlace
    home: str = ""

    def load(self) -> Result:
        """Read it."""
        return cast("Result", self.tree.load(self.place))

    @property
    def set_aside(self) -> str:
        """Why it counts no more; empty for one that stands in the tree."""
        if not self.home:
            return ""
        leaves = (TreeFiles(self.tree.root).json_object(self.tree.root / REASON) or {}).get("leaves")
        reasons = [str(leaf.get("reason")) for leaf in leaves if isinstance(leaf, dict)] if isinstance(leaves, list) else []
        return "; ".join(dict.fromkeys(reasons)) or "no reason is kept"

    @property
    def where(self) -> str:
        """Its path for people, relative to the results directory."""
        return f"{STAGING}/{SUPERSEDED}/{self.home}/{self.place.relpath}" if self.home else self.place.relpath


def past_results(results_dir: Path, *, tree: Tree | None = None, edition: str | None = None) -> Iterator[PastResult]:
    """Every result below a results directory, those that stand first. ``tree`` spares a second look at what stands."""
    standing = tree if tree is not None else read_tree(results_dir, edition=edition)
    yield from (PastResult(standing, place) for place in standing.result_places)
    base = results_dir / STAGING / SUPERSEDED
    for name in TreeFiles(results_dir).listing(base).directories if is_directory(base) else ():
        aside = read_tree(base / name, edition=edition)
        yield from (PastResult(aside, place, name) for place in aside.result_places)


def last_run(result: StoredResult) -> Leaf | None:
    """The latest run of a result."""
    return result.runs[-1] if result.runs else None


def measured_at(result: StoredResult) -> dt.datetime | None:
    """When its latest run began, by the clock of its site: the name of the leaf, else what the run recorded; None where nothing tells."""
    leaf = last_run(result)
    if leaf is None:
        return None
    if is_timestamp(leaf.name):
        try:
            return dt.datetime.strptime(leaf.name, _TIMESTAMP_FORMAT)
        except ValueError:  # digits that are no date
            return None
    start = leaf.summary.start if leaf.summary is not None else None
    return start.replace(tzinfo=None) if start is not None else None
