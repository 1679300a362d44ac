"""A case at a second start: what is kept of it is found, what counts no more is set aside, and the rest is done in order."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pytest_mlpstorage.errors import FileSystemError
from pytest_mlpstorage.results.files import TreeFiles
from pytest_mlpstorage.results.layout import STAGING, is_timestamp
from pytest_mlpstorage.results.superseded import supersede
from pytest_mlpstorage.results.sweep import UNFINISHED
from pytest_mlpstorage.results.writer import REASON
from pytest_mlpstorage.verdict import Division
from pytest_mlpstorage.workloads.execute import BEGAN, INTERRUPTED
from pytest_mlpstorage.workloads.resume import RERUN, Failure, Limit, SeriesPlan, Standing, plan_series
from pytest_mlpstorage.workloads.stamping import list_leaf

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.workloads.base import Case, Plan, Step, Workload

__all__ = ["Resumption", "Series", "SeriesWorkload", "SettlingWorkload", "failures_in"]

_TIMESTAMP_FORMAT = "%Y%m%d_%H%M%S"


@dataclasses.dataclass(frozen=True)
class Series:
    """The runs of a case as a family describes them for resuming; see :mod:`pytest_mlpstorage.workloads.resume`.

    ``tables`` are files made from the leaves (relative to the results directory), set aside with them.
    """

    leaves: Sequence[Standing]
    limits: Sequence[Limit] = ()
    warmups: int = 0
    broken: str = ""
    tables: Sequence[str] = ()


@runtime_checkable
class SeriesWorkload(Protocol):
    """What a family adds whose runs belong together; without it ``Workload.found`` decides for each step alone."""

    def series(self, plan: Any, *, forced: bool) -> Series:
        """The run leaves as they stand. Raises FileSystemError where they are of another plan, unless ``forced``."""

    def withdraw(self, plan: Any) -> None:
        """Called before the runs are set aside: take back what the tables of the submission claim from them."""


@runtime_checkable
class SettlingWorkload(Protocol):
    """What a family adds whose finished step may lack a last mark, because it was killed before it."""

    def settle(self, plan: Any, step: Step) -> None:
        """Called when a step was found, and never in a dry run, for which ``found`` only looks: write what is lacking."""


def failures_in(results_dir: Path, parent: str) -> list[Failure]:
    """Runs below ``parent`` that failed by themselves, by the evidence that is kept.

    What a person or a dead host ended is none, and neither is a start that ended before any rank began: it measured nothing, and the
    runs beside it are consecutive all the same (2.1.18). Their gap counts in any case.
    """
    files, found = TreeFiles(results_dir), []
    base = results_dir / STAGING / "failed"
    for name in files.listing(base).directories if base.is_dir() else ():
        record = files.json_object(base / name / REASON) or {}
        where, _, leaf = str(record.get("intended") or "").rpartition("/")
        reason = str(record.get("reason") or "no reason is kept")
        details = record.get("details")
        if reason in (INTERRUPTED, UNFINISHED) or (isinstance(details, Mapping) and details.get(BEGAN) is False):
            continue
        if where == parent and (named := _time(leaf)) is not None:
            found.append(Failure(named, reason))
    return found


def _time(name: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(name, _TIMESTAMP_FORMAT) if is_timestamp(name) else None
    except ValueError:
        return None


class Resumption:
    """One case in one session. What it decides it decides once, at the first run: what this session adds is never judged by it."""

    def __init__(self, workload: Workload, plan: Plan, config: SuiteConfig, *, rerun: str = "") -> None:
        self._workload, self._plan, self._config = workload, plan, config
        self._forced = RERUN.get(rerun, ())
        self._why_forced = f"--mlps-rerun={rerun}" if rerun else ""
        self._series: SeriesPlan | None = None
        self._about: Series | None = None
        self._done: dict[str, str] = {}
        self._moved = False
        # A first start has nothing to explain.
        self._fresh = not self._standing_paths([step.phase for step in plan.case.steps])

    @property
    def _case(self) -> Case:
        return self._plan.case

    def found(self, step: Step) -> str | None:
        """Where a step stands finished, or None. Raises FileSystemError where what is there contradicts the plan."""
        if step.name in self._done:  # somebody's plug-in runs items twice
            return self._done[step.name]
        series = self._runs(step)
        if series is not None:
            index = series.steps.index(step.name)
            if index < len(series.kept):
                return series.kept[index].relpath + (f" ({series.note})" if series.note and index == len(series.kept) - 1 else "")
            return None
        return None if step.phase in self._forced else self._workload.found(self._plan, step)

    def why(self, step: Step) -> str:
        """Why a step that is not found is done: words for people, empty where it was never done before."""
        if self._fresh:
            return ""
        series = self._runs(step)
        if series is not None:
            return series.why or "missing"
        return self._why_forced if step.phase in self._forced else "missing"

    def refuse(self, step: Step) -> None:
        """Raise FileSystemError where a step cannot be the next of its series; nothing has been moved yet then."""
        series = self._runs(step)
        if series is None:
            self._refuse_forcing(step)
            return
        todo = [name for name in series.todo if name not in self._done]
        if todo and todo[0] != step.name:
            before = todo[: todo.index(step.name)] if step.name in todo else todo
            raise FileSystemError(
                f"run {step.name} of {self._case.id} cannot be done before {_words(before)}: which run is which follows from their order",
                details={
                    "standing": f"{len(series.steps) - len(todo)} of {len(series.steps)}",
                    **({"why": series.why} if series.why else {}),
                },
                suggestion=f"run them together: pytest benchmarks/ -k 'test_run and {self._case.id}'",
                code="MLPS-E433",
            )

    def _refuse_forcing(self, step: Step) -> None:
        """Where a phase is done again, its first step sets the old leaves aside; a later one alone would pull them from under itself."""
        earlier = [s.name for s in self._case.steps[: self._case.steps.index(step)] if s.phase == step.phase and s.name not in self._done]
        if step.phase in self._forced and earlier:
            raise FileSystemError(
                f"{step.name} of {self._case.id} cannot be done again without {', '.join(earlier)}, which comes before it",
                suggestion=f"run them together: pytest benchmarks/ -k {self._case.id} {self._why_forced}",
                code="MLPS-E433",
            )

    def clear(self, step: Step) -> tuple[str, ...]:
        """Move out of the tree what counts no more, once; returns what a person should know. To be called before a step is done."""
        lines: list[str] = []
        series = self._runs(step)
        if series is not None:
            if not self._moved and series.aside:
                assert self._about is not None
                lines.append(self._move({one.leaf.relpath: one.reason for one in series.aside}, self._about.tables))
            self._moved = True
        elif step.phase in self._forced and not any(s.name in self._done for s in self._case.steps if s.phase == step.phase):
            # What comes after the phase rests on it, so it goes at the same time: an end in between must not leave it standing.
            later = self._forced[self._forced.index(step.phase) :]
            paths = dict.fromkeys(self._standing_paths(later), self._why_forced)
            if paths:
                lines.append(self._move(paths, ()))
        return tuple(lines)

    def tidy(self, step: Step) -> tuple[str, ...]:
        """Where every run is kept, move out of the tree what stands beside them and does not count."""
        series = self._runs(step)
        return self.clear(step) if series is not None and series.complete and series.aside and not self._moved else ()

    def settle(self, step: Step) -> None:
        """Have written what a step lacks that was found; not to be called in a dry run."""
        if step.name not in self._done and isinstance(self._workload, SettlingWorkload):
            self._workload.settle(self._plan, step)

    def done(self, step: Step, leaf: Path) -> None:
        """Remember a step that was carried out, with its leaf."""
        self._done[step.name] = leaf.relative_to(self._config.results_dir).as_posix()

    def would_move(self, step: Step) -> tuple[str, ...]:
        """What ``clear`` would move, for a dry run."""
        series = self._runs(step)
        if series is not None:
            return tuple(one.leaf.relpath for one in series.aside) if not self._moved else ()
        return tuple(self._standing_paths((step.phase,))) if step.phase in self._forced else ()

    # -- how ----------------------------------------------------------------------------------------------------------

    def _runs(self, step: Step) -> SeriesPlan | None:
        """The plan of the runs; None for another phase, and for a family that says nothing of its series."""
        workload = self._workload
        if step.phase != "run" or not isinstance(workload, SeriesWorkload):
            return None
        if self._series is None:
            forced = self._why_forced if "run" in self._forced else ""
            about = self._about = workload.series(self._plan, forced=bool(forced))
            parent = self._plan.leaf_parent(step).relative_to(self._config.results_dir).as_posix()
            self._series = plan_series(
                [s.name for s in self._case.steps if s.phase == "run"],
                about.leaves,
                limits=about.limits,
                now=dt.datetime.now(),
                binding=self._config.division is not Division.WHATIF,
                failures=failures_in(self._config.results_dir, parent),
                warmups=about.warmups,
                broken=about.broken,
                forced=forced,
            )
        return self._series

    def _standing_paths(self, phases: Sequence[str]) -> list[str]:
        """Leaves of these phases that stand in the tree."""
        root = self._config.results_dir
        parents = dict.fromkeys(self._plan.leaf_parent(step) for step in self._case.steps if step.phase in phases)
        listed = [(parent, TreeFiles(root).listing(parent).directories) for parent in parents if parent.is_dir()]
        return [(parent / name).relative_to(root).as_posix() for parent, names in listed for name in names if is_timestamp(name)]

    def _move(self, reasons: Mapping[str, str], tables: Sequence[str]) -> str:
        if isinstance(self._workload, SeriesWorkload) and any("/datasize/" not in path and "/datagen/" not in path for path in reasons):
            self._workload.withdraw(self._plan)
        home = supersede(self._config.results_dir, reasons, tables=tables)
        list_leaf(self._config)  # the manifest lists what stands in the tree
        why = "; ".join(dict.fromkeys(reasons.values()))
        leaves = f"{len(reasons)} leaves are" if len(reasons) > 1 else f"{next(iter(reasons))} is"
        return f"{leaves} set aside, in {home}: {why}"


def _words(names: Sequence[str]) -> str:
    return f"run {names[0]}" if len(names) == 1 else f"runs {', '.join(names)}"
