"""The checkpointing family: ranks write the checkpoints of a language model, and read them back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import FamilySchema, Origin, Setting, SuiteConfig
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.workloads.base import Case, Collected, Judged, Place, Step
from pytest_mlpstorage.workloads.checkpointing_settings import (
    CheckpointingEntry,
    CheckpointingSection,
    checkpoint_keys,
    checkpointing_rules,
    contradictions,
    known_to_the_edition,
)

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.launch.job import Job
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.verdict import Finding
    from pytest_mlpstorage.workloads.checkpointing_plan import CheckpointingPlan
    from pytest_mlpstorage.workloads.series import Series

__all__ = ["WORKLOAD", "CheckpointingWorkload"]

_STEPS = {
    "together": (Step("both", "run", 0),),
    "separate": (Step("write", "run", 0), Step("read", "run", 1)),
}


@dataclasses.dataclass(frozen=True)
class CheckpointingWorkload:
    """Checkpointing as the rule book defines it (rules 4.x); see :class:`pytest_mlpstorage.workloads.base.Workload`."""

    family: str = "checkpointing"

    def schema(self) -> FamilySchema:
        """``checkpointing:`` with its workloads; official keys are those of checkpoints and models that any known DLIO understands."""
        return FamilySchema(
            family=self.family,
            model=CheckpointingSection,
            official_keys=checkpoint_keys(),
            item_key="workloads",
            item_model=CheckpointingEntry,
            check=contradictions,
            entry_check=known_to_the_edition,
        )

    def cases(self, config: SuiteConfig) -> Sequence[Case]:
        """One case an entry of ``checkpointing.workloads``."""
        section = config.families[self.family]
        steps = _STEPS[_section(section.own).invocations]
        entries = [(item, _entry(item.own)) for item in section.items]
        return [Case(self.family, f"{entry.model}-{entry.accelerator}", entry.model, item, steps) for item, entry in entries]

    def defaults(self, config: SuiteConfig) -> Sequence[Setting]:  # noqa: ARG002 - the edition's numbers are parameters here
        """Nothing: what the edition gives stands among the parameters of each case."""
        return []

    def settings(self, case: Case, config: SuiteConfig) -> Sequence[Setting]:
        """The model's parameters with the user's laid over, each with its origin."""
        from pytest_mlpstorage.workloads.checkpointing_sizing import effective_overrides

        entry, rules = _entry(case.item.own), checkpointing_rules(config.edition)
        model = rules.model(entry.model)
        given = {key: setting.value for key, setting in case.item.parameters.items()}
        origin, computed = Origin("edition", f"edition {config.edition}"), Origin("computed", "accelerators and data_dir")
        merged = {key: Setting(key, value, origin) for key, value in dotted(model.parameters)}
        for key, value in effective_overrides(entry, model, rules, given, config).items():
            if key in case.item.parameters:
                merged[key] = dataclasses.replace(case.item.parameters[key], value=value)
            elif key not in merged or merged[key].value != value:
                merged[key] = Setting(key, value, computed)
        return [merged[key] for key in sorted(merged)]

    def plan(self, case: Case, config: SuiteConfig, cluster: ClusterFacts) -> CheckpointingPlan:
        """Sizes, parameters and placement of a case on these hosts."""
        from pytest_mlpstorage.workloads.checkpointing_sizing import make_plan

        section = _section(config.families[self.family].own)
        return make_plan(case, _entry(case.item.own), section, config, edition(config.edition), cluster)

    def preflight(self, plan: CheckpointingPlan) -> Iterator[Finding]:
        """Rules on the plan, engine, paths, space, memory and MPI, as findings with their ids."""
        from pytest_mlpstorage.workloads.checkpointing_preflight import preflight

        return preflight(plan)

    def hosts_used(self, plan: CheckpointingPlan) -> int:
        """Those that ranks were placed on."""
        return len(plan.placement)

    def places(self, plan: CheckpointingPlan) -> Sequence[Place]:
        """The checkpoints: a rank reads what another one has written."""
        return (Place(plan.base_folder, "checkpoint.checkpoint_folder", "hosts" if len(plan.placement) > 1 else "host"),)

    def packages(self, plan: CheckpointingPlan) -> Sequence[str]:
        """DLIO, where it is what measures."""
        return () if plan.engine.is_own else ("dlio-benchmark",)

    def host_findings(self, plan: CheckpointingPlan, number: int) -> Iterator[Finding]:
        """Space, memory and open files of one host."""
        from pytest_mlpstorage.workloads.checkpointing_preflight import host_findings

        return host_findings(plan, number)

    def found(self, plan: CheckpointingPlan, step: Step) -> str | None:
        """A finished run in the tree, or None."""
        from pytest_mlpstorage.workloads.checkpointing_state import found

        return found(plan, step)

    def job(self, plan: CheckpointingPlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job | None:
        """The launch of a run under the engine of the plan; with ``write`` its leaf gets its evidence first."""
        from pytest_mlpstorage.workloads.checkpointing_job import make_job

        return make_job(plan, step, staged=staged, scratch=scratch, write=write)

    def series(self, plan: CheckpointingPlan, *, forced: bool) -> Series:
        """The runs as they stand, and how far apart the edition lets them lie."""
        from pytest_mlpstorage.workloads.checkpointing_series import checkpointing_series

        return checkpointing_series(plan, forced=forced)

    def withdraw(self, plan: CheckpointingPlan) -> None:
        """Take the result's row out of the submitter's table, before its runs are set aside."""
        from pytest_mlpstorage.workloads.checkpointing_series import withdraw_row

        withdraw_row(plan)

    def require(self, plan: CheckpointingPlan, step: Step) -> None:
        """A reading run needs complete checkpoints, and the caller's command before it."""
        from pytest_mlpstorage.workloads.checkpointing_state import require

        require(plan, step)

    def prepare(self, plan: CheckpointingPlan, step: Step, *, run_id: str) -> tuple[str, ...]:  # noqa: ARG002 - nothing is marked
        """Nothing is half-made: checkpoints are counted before they are read."""
        return ()

    def collect(self, plan: CheckpointingPlan, step: Step, *, staged: Path, scratch: Path, outcome: Outcome) -> Collected:
        """Check that every checkpoint was written and read whole, and recompute the rates from the ranks' raw files."""
        from pytest_mlpstorage.workloads.checkpointing_collect import collect

        return collect(plan, step, staged=staged, scratch=scratch, outcome=outcome)

    def finish(self, plan: CheckpointingPlan, step: Step, *, leaf: Path, run_id: str, collected: Collected) -> None:
        """Nothing is marked: a finished run is its leaf."""

    def judge(self, plan: CheckpointingPlan) -> Judged | None:
        """Bring the result's tables up to date, read it back from the tree and judge it by the rule book."""
        from pytest_mlpstorage.workloads.checkpointing_judge import judge_checkpointing

        return judge_checkpointing(plan)

    def diagnose(self, stderr_tail: Sequence[str]) -> str | None:
        """What the engine says of the cause."""
        from pytest_mlpstorage.dlio.diagnose import diagnose

        return diagnose(stderr_tail)


def _entry(own: Any) -> CheckpointingEntry:
    assert isinstance(own, CheckpointingEntry)
    return own


def _section(own: Any) -> CheckpointingSection:
    assert isinstance(own, CheckpointingSection)
    return own


WORKLOAD = CheckpointingWorkload()
