"""The vector database family: vectors loaded and indexed once, then searched by many processes, run after run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import FamilySchema, Origin, Setting, SuiteConfig
from pytest_mlpstorage.workloads.base import Case, Collected, Judged, Place, Step
from pytest_mlpstorage.workloads.vector_database_settings import (
    FAMILY,
    OFFICIAL_KEYS,
    VectorEntry,
    VectorSection,
    contradictions,
    known_to_the_edition,
    vector_rules,
)

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.launch.job import Job, Launcher
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.verdict import Finding
    from pytest_mlpstorage.workloads.series import Series
    from pytest_mlpstorage.workloads.vector_database_plan import VectorPlan

__all__ = ["WORKLOAD", "VectorDatabaseWorkload"]


@dataclasses.dataclass(frozen=True)
class VectorDatabaseWorkload:
    """Vector search as the rule book defines it (rules 5.x); see :class:`pytest_mlpstorage.workloads.base.Workload`."""

    family: str = FAMILY
    benchmark: str = "vector_database"

    def schema(self) -> FamilySchema:
        """``vectordb:`` with its workloads; official keys are those of the rule book that can be set here."""
        return FamilySchema(
            family=self.family,
            model=VectorSection,
            official_keys=OFFICIAL_KEYS,
            item_key="workloads",
            item_model=VectorEntry,
            check=contradictions,
            entry_check=known_to_the_edition,
        )

    def cases(self, config: SuiteConfig) -> Sequence[Case]:
        """One case an entry of ``vectordb.workloads``: a load, then the runs."""
        section = config.families[self.family]
        assert isinstance(section.own, VectorSection)
        runs = section.own.runs or vector_rules(config.edition).runs
        steps = (Step("datagen", "datagen"), *(Step(str(number + 1), "run", number) for number in range(runs)))
        entries = [(item, _entry(item.own)) for item in section.items]
        return [Case(self.family, f"{e.engine}-{e.index_type}", f"{e.engine}_{e.index_type}", item, steps) for item, e in entries]

    def defaults(self, config: SuiteConfig) -> Sequence[Setting]:
        """The edition's number of runs and the time of a run."""
        rules, origin = vector_rules(config.edition), Origin("edition", f"edition {config.edition}")
        duration = f"{rules.default_runtime_seconds}s"
        return [Setting(f"{self.family}.runs", rules.runs, origin), Setting(f"{self.family}.duration", duration, origin)]

    def settings(self, case: Case, config: SuiteConfig) -> Sequence[Setting]:
        """The parameters of data set, index, search and run, each with its origin."""
        from pytest_mlpstorage.workloads.vector_database_sizing import case_settings

        return case_settings(case, config)

    def plan(self, case: Case, config: SuiteConfig, cluster: ClusterFacts) -> VectorPlan:
        """Data set, index and clients of a case on these hosts."""
        from pytest_mlpstorage.workloads.vector_database_sizing import make_plan

        own = config.families[self.family].own
        assert isinstance(own, VectorSection)
        return make_plan(case, own, config, cluster)

    def preflight(self, plan: VectorPlan) -> Iterator[Finding]:
        """Rules on the plan, engine, paths, space, memory and MPI, as findings with their ids."""
        from pytest_mlpstorage.workloads.vector_database_preflight import preflight

        return preflight(plan)

    def hosts_used(self, plan: VectorPlan) -> int:
        """Every host."""
        return plan.hosts

    def places(self, plan: VectorPlan) -> Sequence[Place]:
        """The database, what is known of it, and its exact answers."""
        return (Place(plan.config.data_dir, "data_dir", "run"),)

    def packages(self, plan: VectorPlan) -> Sequence[str]:  # noqa: ARG002 - the same of each plan
        """None that is compared: the engine is asked by a process of its own."""
        return ()

    def host_findings(self, plan: VectorPlan, number: int) -> Iterator[Finding]:
        """Space, memory and open files of one host."""
        from pytest_mlpstorage.workloads.vector_database_preflight import host_findings

        return host_findings(plan, number)

    def found(self, plan: VectorPlan, step: Step) -> str | None:
        """A finished phase in the tree, or None."""
        from pytest_mlpstorage.workloads.vector_database_state import found

        return found(plan, step)

    def settle(self, plan: VectorPlan, step: Step) -> None:
        """Mark a collection that was found whole but for its mark."""
        from pytest_mlpstorage.workloads.vector_database_state import mark_collection

        if step.phase == "datagen":
            mark_collection(plan)

    def series(self, plan: VectorPlan, *, forced: bool) -> Series:
        """The runs as they stand."""
        from pytest_mlpstorage.workloads.vector_database_series import vector_series

        return vector_series(plan, forced=forced)

    def withdraw(self, plan: VectorPlan) -> None:
        """Take the result's row out of the submitter's table."""
        from pytest_mlpstorage.workloads.vector_database_series import withdraw_row

        withdraw_row(plan)

    def job(self, plan: VectorPlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job | None:
        """The launch of a load or a run; with ``write`` a run's leaf gets its evidence first."""
        from pytest_mlpstorage.workloads.vector_database_job import make_job

        return make_job(plan, step, staged=staged, scratch=scratch, write=write)

    def require(self, plan: VectorPlan, step: Step) -> None:
        """A run needs the whole collection of its plan."""
        from pytest_mlpstorage.workloads.vector_database_state import require_collection

        if step.phase == "run":
            require_collection(plan)

    def prepare(self, plan: VectorPlan, step: Step, *, run_id: str) -> tuple[str, ...]:
        """Mark the collection as begun before its first row."""
        from pytest_mlpstorage.workloads.vector_database_state import begin_load

        return begin_load(plan, run_id) if step.phase == "datagen" else ()

    def clean_up(self, plan: VectorPlan, step: Step, *, scratch: Path, launcher: Launcher) -> Sequence[str]:  # noqa: ARG002 - nothing is launched
        """Drop what an unfinished load left on a server that is not ours."""
        from pytest_mlpstorage.workloads.vector_database_server import clear_away

        return clear_away(plan, scratch) if step.phase == "datagen" else ()

    def collect(
        self,
        plan: VectorPlan,
        step: Step,
        *,
        staged: Path,
        scratch: Path,  # noqa: ARG002 - every evidence is in the leaf
        outcome: Outcome,
    ) -> Collected:
        """Check that everything was loaded or searched, and compute the figures anew from the samples."""
        from pytest_mlpstorage.workloads.vector_database_collect import collect

        return collect(plan, step, staged=staged, outcome=outcome)

    def finish(self, plan: VectorPlan, step: Step, *, leaf: Path, run_id: str, collected: Collected) -> None:
        """Mark the collection as complete."""
        from pytest_mlpstorage.workloads.vector_database_state import finish_load

        if step.phase == "datagen":
            finish_load(plan, leaf, run_id, collected)

    def judge(self, plan: VectorPlan) -> Judged | None:
        """Read the result back from the tree and judge it by the rule book and by own limits."""
        from pytest_mlpstorage.workloads.vector_database_judge import judge_vector_database

        return judge_vector_database(plan)

    def diagnose(self, stderr_tail: Sequence[str]) -> str | None:
        """The line by which a rank says why it ends the job."""
        return next((line.strip() for line in reversed(stderr_tail) if line.startswith("mlpstorage: ") and "ends the job" in line), None)


def _entry(own: Any) -> VectorEntry:
    assert isinstance(own, VectorEntry)
    return own


WORKLOAD = VectorDatabaseWorkload()
