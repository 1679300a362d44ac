"""The training family: DLIO generates a data set, then emulated accelerators read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import FamilySchema, KeySpec, Origin, Setting, SuiteConfig
from pytest_mlpstorage.dlio.keys import official_keys
from pytest_mlpstorage.editions import edition
from pytest_mlpstorage.nested import dotted
from pytest_mlpstorage.workloads.base import Case, Collected, Judged, Step
from pytest_mlpstorage.workloads.training_settings import TrainingEntry, TrainingSection, known_to_the_edition, one_accelerator_a_model

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.launch.job import Job
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.verdict import Finding
    from pytest_mlpstorage.workloads.series import Series
    from pytest_mlpstorage.workloads.training_plan import TrainingPlan

__all__ = ["WORKLOAD", "TrainingWorkload"]


@dataclasses.dataclass(frozen=True)
class TrainingWorkload:
    """Training as the rule book defines it (rules 3.x); see :class:`pytest_mlpstorage.workloads.base.Workload`."""

    family: str = "training"

    def schema(self) -> FamilySchema:
        """``training:`` with its workloads; official keys are those that any known DLIO understands."""
        keys = {
            name: KeySpec(type=key.type, engines=key.engines, help=key.help, minimum=key.minimum) for name, key in official_keys().items()
        }
        return FamilySchema(
            family=self.family,
            model=TrainingSection,
            official_keys=keys,
            item_key="workloads",
            item_model=TrainingEntry,
            check=one_accelerator_a_model,
            entry_check=known_to_the_edition,
        )

    def cases(self, config: SuiteConfig) -> Sequence[Case]:
        """One case an entry of ``training.workloads``."""
        section = config.families[self.family]
        assert isinstance(section.own, TrainingSection)
        rules = edition(config.edition).training
        warmups = rules.warmup_runs if section.own.warmup_runs is None else section.own.warmup_runs
        measured = rules.measured_runs if section.own.measured_runs is None else section.own.measured_runs
        names = ["warmup" if warmups == 1 else f"warmup{i + 1}" for i in range(warmups)] + [str(i + 1) for i in range(measured)]
        steps = (Step("datasize", "datasize"), Step("datagen", "datagen"), *(Step(name, "run", i) for i, name in enumerate(names)))
        entries = [(item, _entry(item.own)) for item in section.items]
        return [Case(self.family, f"{entry.model}-{entry.accelerator}", entry.model, item, steps) for item, entry in entries]

    def defaults(self, config: SuiteConfig) -> Sequence[Setting]:
        """The edition's numbers of runs."""
        rules, origin = edition(config.edition).training, Origin("edition", f"edition {config.edition}")
        return [Setting(f"{self.family}.{key}", getattr(rules, key), origin) for key in ("warmup_runs", "measured_runs")]

    def settings(self, case: Case, config: SuiteConfig) -> Sequence[Setting]:
        """The template's parameters with the user's laid over, each with its origin."""
        entry = _entry(case.item.own)
        template = edition(config.edition).training.template(entry.model, entry.accelerator)
        origin = Origin("edition", f"edition {config.edition}")
        merged = {key: Setting(key, value, origin) for key, value in dotted(template.parameters)}
        merged.update(case.item.parameters)
        if "dataset.num_files_train" not in case.item.parameters:
            merged["dataset.num_files_train"] = Setting("dataset.num_files_train", "(sized by datasize)", Origin("computed", "datasize"))
        merged["dataset.data_folder"] = Setting("dataset.data_folder", str(config.data_dir / case.model), Origin("computed", "data_dir"))
        return [merged[key] for key in sorted(merged)]

    def plan(self, case: Case, config: SuiteConfig, cluster: ClusterFacts) -> TrainingPlan:
        """Sizes and parameters of a case on these hosts."""
        from pytest_mlpstorage.workloads.training_sizing import make_plan

        return make_plan(case, _entry(case.item.own), config, edition(config.edition), cluster)

    def preflight(self, plan: TrainingPlan) -> Iterator[Finding]:
        """Engine, paths, space and memory, as findings under ``MLPS-`` ids."""
        from pytest_mlpstorage.workloads.training_preflight import preflight

        return preflight(plan)

    def found(self, plan: TrainingPlan, step: Step) -> str | None:
        """A finished phase in the tree, or None."""
        from pytest_mlpstorage.workloads.training_state import found

        return found(plan, step)

    def job(self, plan: TrainingPlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job | None:
        """The DLIO launch of datagen or a run; with ``write`` a run's leaf gets its evidence first."""
        from pytest_mlpstorage.workloads.training_evidence import write_run_evidence
        from pytest_mlpstorage.workloads.training_job import make_job

        if write and step.phase == "run":
            write_run_evidence(plan, staged)
        return None if step.phase == "datasize" else make_job(plan, step, staged=staged, scratch=scratch, write=write)

    def series(self, plan: TrainingPlan, *, forced: bool) -> Series:
        """The runs as they stand, and how far apart the edition lets them lie."""
        from pytest_mlpstorage.workloads.training_series import training_series

        return training_series(plan, forced=forced)

    def withdraw(self, plan: TrainingPlan) -> None:
        """Take the result's row out of the submitter's table, before its runs are set aside."""
        from pytest_mlpstorage.workloads.training_series import withdraw_row

        withdraw_row(plan)

    def require(self, plan: TrainingPlan, step: Step) -> None:
        """A run needs the complete data set of its plan, data generation a folder that holds no other."""
        from pytest_mlpstorage.workloads.training_state import require_dataset, require_room

        if step.phase == "run":
            require_dataset(plan)
        elif step.phase == "datagen":
            require_room(plan)

    def prepare(self, plan: TrainingPlan, step: Step, *, run_id: str) -> tuple[str, ...]:
        """Mark the data set as half-made before its first byte."""
        from pytest_mlpstorage.workloads.training_state import begin_datagen

        return begin_datagen(plan, run_id) if step.phase == "datagen" else ()

    def collect(self, plan: TrainingPlan, step: Step, *, staged: Path, scratch: Path, outcome: Outcome) -> Collected:
        """Check that DLIO did all it was asked, and recompute its figures from the ranks' raw files."""
        from pytest_mlpstorage.workloads.training_collect import collect

        return collect(plan, step, staged=staged, scratch=scratch, outcome=outcome)

    def finish(self, plan: TrainingPlan, step: Step, *, leaf: Path, run_id: str, collected: Collected) -> None:
        """Mark the data set as complete."""
        from pytest_mlpstorage.workloads.training_state import finish_datagen

        if step.phase == "datagen":
            finish_datagen(plan, leaf, run_id, collected)

    def judge(self, plan: TrainingPlan) -> Judged | None:
        """Bring the result's tables up to date, read it back from the tree and judge it by the rule book."""
        from pytest_mlpstorage.workloads.training_judge import judge_training

        return judge_training(plan)

    def diagnose(self, stderr_tail: Sequence[str]) -> str | None:
        """What DLIO or torch say of the cause."""
        from pytest_mlpstorage.dlio.diagnose import diagnose

        return diagnose(stderr_tail)


def _entry(own: Any) -> TrainingEntry:
    assert isinstance(own, TrainingEntry)
    return own


WORKLOAD = TrainingWorkload()
