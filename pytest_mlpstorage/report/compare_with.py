"""``--mlps-compare=DIR|last``: finds for a result the earlier one of the same workload, and sets the two side by side."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, cast

from pytest_mlpstorage.report.compare import Comparison, compare
from pytest_mlpstorage.report.compare_limits import Limit, hold
from pytest_mlpstorage.results.coerce import integer
from pytest_mlpstorage.results.history import PastResult, last_run, measured_at, past_results
from pytest_mlpstorage.results.places import SubjectPlace
from pytest_mlpstorage.results.records import Result, StoredResult
from pytest_mlpstorage.results.tree import Tree, read_tree
from pytest_mlpstorage.rules.judging import edition_of
from pytest_mlpstorage.rules.repeats import figures_of

__all__ = ["LAST", "Comparer"]

LAST: Final = "last"
"""What stands for the newest result of the same submitter in the same results directory, set aside or under another system."""

_NEVER: Final = dt.datetime.min


@dataclasses.dataclass(frozen=True)
class _Identity:
    """What two results must share to be compared; None where a result does not say, which is like any."""

    benchmark: str
    model: str
    accelerator: str | None
    ranks: int | None

    def same(self, other: _Identity) -> bool:
        one, two = ((each.benchmark, each.model.lower()) for each in (self, other))
        return one == two and not any(self.unlike(other))

    def unlike(self, other: _Identity) -> Iterator[str]:
        """In what two of one model are other work, for people."""
        for what, mine, theirs in (("on", self.accelerator, other.accelerator), ("ranks:", self.ranks, other.ranks)):
            if mine is not None and theirs is not None and mine != theirs:
                yield f"{what} {theirs}, here {mine}"


def _identity(result: Result) -> _Identity:
    return _Identity(result.benchmark, result.model, result.accelerator, _ranks(result))


def _ranks(result: StoredResult) -> int | None:
    leaf = last_run(result)
    if leaf is None:
        return None
    if leaf.metadata is not None and leaf.metadata.num_processes is not None:
        return leaf.metadata.num_processes
    if leaf.summary is None:
        return None
    return leaf.summary.num_accelerators or integer(leaf.summary.raw.get("total_ranks"))


@dataclasses.dataclass
class Comparer:
    """Compares the results below ``results_dir`` with those of ``other`` (None: with the last of the same directory).

    ``limits`` are held against each comparison. ``now`` is the tree that is judged, where there is one.
    """

    results_dir: Path
    other: Path | None = None
    limits: tuple[Limit, ...] = ()
    edition: str | None = None
    now: Tree | None = None
    _trees: dict[Path, Tree] = dataclasses.field(default_factory=dict)
    _judged: tuple[PastResult, ...] | None = None

    @property
    def told(self) -> str:
        """With what is compared, and what fails, for the header."""
        limits = f"; fails if {', '.join(limit.text for limit in self.limits)}" if self.limits else ""
        return f"{self.other or f'the last result of the same workload in {self.results_dir}'}{limits}"

    def of(self, result: Result) -> Comparison:
        """Compare one result; where there is no earlier one the comparison says why."""
        found = self._earlier(result)
        if isinstance(found, str):
            comparison = Comparison(result.relpath, missing=found)
        else:
            past, before = found
            where = past.where if self.other is None else str(past.tree.root / past.place.relpath)
            aside = f" (set aside: {past.set_aside})" if past.home else ""
            comparison = compare(result, before, earlier=f"{where}{aside}")
        return hold(comparison, self.limits, result.benchmark)

    def at(self, relpath: str) -> Comparison:
        """Compare the result at a path below ``results_dir`` as it stands there now; one of no known kind is compared with nothing."""
        tree = read_tree(self.results_dir, edition=self.edition)
        place = tree.place(relpath)
        if place is None or not place.is_result:
            return Comparison(relpath, missing="results of this kind cannot be read back, so not compared either")
        # Not what the tree held at the start of the session: its benchmarks have set aside and added since.
        return dataclasses.replace(self, now=None).of(cast("Result", tree.load(place)))

    def _earlier(self, result: Result) -> tuple[PastResult, Result] | str:
        wanted, mine = _identity(result), measured_at(result) or _NEVER
        where = f"{self.other or self.results_dir}"
        near: list[str] = []
        candidates: list[tuple[tuple[int, dt.datetime], PastResult, Result]] = []
        later = False
        for past in self._past(result):
            if not _may_be(past.place, result):
                continue
            before = past.load()
            identity = _identity(before)
            if not wanted.same(identity):
                near += [f"{past.where} ({'; '.join(unlike)})"] if (unlike := [*wanted.unlike(identity)]) else []
                continue
            when = measured_at(before) or _NEVER
            if self.other is None and when >= mine:
                later = True
                continue
            if not figures_of(before, edition_of(before)):
                near.append(f"{past.where} (not all of its runs are there)")
                continue
            candidates.append(((self._likeness(past.place, result), when), past, before))
        if candidates:
            _, past, before = max(candidates, key=lambda candidate: candidate[0])
            return past, before
        what = f"{wanted.benchmark} {wanted.model}" + (f" on {wanted.accelerator}" if wanted.accelerator else "")
        ranks = f" with {wanted.ranks} ranks" if wanted.ranks is not None else ""
        text = f"no earlier result of {what}{ranks} is in {where}"
        if later:
            text += "; what is there was measured later than this one"
        return text + (f"; near, but other work or no whole result: {', '.join(_few(near))}" if near else "")

    def _past(self, result: StoredResult) -> Iterator[PastResult]:
        if self.other is None:
            for past in self._remembered():
                own = not past.home and past.place.relpath == result.relpath
                if not own and past.place.submitter == result.submitter:
                    yield past
            return
        if self.other not in self._trees:
            self._trees[self.other] = read_tree(self.other, edition=self.edition)
        tree = self._trees[self.other]
        yield from (PastResult(tree, place) for place in tree.result_places)

    def _remembered(self) -> Iterable[PastResult]:
        """What this tree remembers: looked through once where it is judged, and each time where runs are added to it."""
        if self.now is None:
            return past_results(self.results_dir, edition=self.edition)
        if self._judged is None:
            self._judged = tuple(past_results(self.results_dir, tree=self.now, edition=self.edition))
        return self._judged

    def _likeness(self, place: SubjectPlace, result: StoredResult) -> int:
        """Of several results in another tree, the one of the same system of the same submitter; in the same tree only time counts."""
        if self.other is None:
            return 0
        mine = (result.submitter, result.system, result.division)
        return sum(one == other for one, other in zip(mine, (place.submitter, place.system, place.division), strict=True))


def _may_be(place: SubjectPlace, result: StoredResult) -> bool:
    """By the path alone, so that a round of results is not read for each; only that of edition 3.0 names its model for certain."""
    if place.kind != result.benchmark:
        return False
    return place.layout != "3.0" or place.model.lower() == result.model.lower() or place.kind == "vector_database"


def _few(lines: Iterable[str]) -> list[str]:
    listed = list(lines)
    return listed if len(listed) <= 3 else [*listed[:3], f"… and {len(listed) - 3} more"]
