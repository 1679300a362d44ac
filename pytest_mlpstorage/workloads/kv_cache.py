"""The KV cache family: every client stores and loads the caches of its users' conversations, option by option."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_mlpstorage.config import FamilySchema, ItemConfig, Setting, SuiteConfig
from pytest_mlpstorage.workloads.base import Case, Collected, Judged, Place, Step
from pytest_mlpstorage.workloads.kv_cache_settings import (
    FAMILY,
    KVCacheEntry,
    KVCacheSection,
    contradictions,
    known_to_the_edition,
    kv_cache_rules,
)

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.launch.job import Job, Launcher
    from pytest_mlpstorage.launch.supervisor import Outcome
    from pytest_mlpstorage.verdict import Finding
    from pytest_mlpstorage.workloads.base import Workload
    from pytest_mlpstorage.workloads.execute import Voice
    from pytest_mlpstorage.workloads.kv_cache_plan import KVCachePlan

__all__ = ["WORKLOAD", "KVCacheWorkload"]


@dataclasses.dataclass(frozen=True)
class KVCacheWorkload:
    """The KV cache as the rule book defines it (rules 6.x); see :class:`pytest_mlpstorage.workloads.base.Workload`.

    One case, because one run of all options is one result; a step is one pass. How finished passes become one leaf is said in
    :mod:`pytest_mlpstorage.workloads.kv_cache_series`.
    """

    family: str = FAMILY

    def schema(self) -> FamilySchema:
        """``kvcache:`` with its options; every key is its own, named as the official flag of the same meaning."""
        return FamilySchema(
            family=self.family,
            model=KVCacheSection,
            official_keys={},
            item_key="options",
            item_model=KVCacheEntry,
            check=contradictions,
            entry_check=known_to_the_edition,
        )

    def cases(self, config: SuiteConfig) -> Sequence[Case]:
        """One case of every option × trial, in order."""
        family, rules = config.families[self.family], kv_cache_rules(config.edition)
        trials = _section(family.own).trials or rules.trials
        names = [f"option{_entry(item.own).option}-trial{trial}" for item in family.items for trial in range(trials)]
        steps = tuple(Step(name, "run", index) for index, name in enumerate(names))
        return [Case(self.family, rules.workload_identity, rules.workload_identity, ItemConfig(family.own, {}), steps)]

    def defaults(self, config: SuiteConfig) -> Sequence[Setting]:  # noqa: ARG002 - the edition's numbers are the options' here
        """Nothing: what the edition gives stands among the settings of the case."""
        return []

    def settings(self, case: Case, config: SuiteConfig) -> Sequence[Setting]:  # noqa: ARG002 - there is one case
        """Every parameter of every option, and the sequence, each with its origin."""
        from pytest_mlpstorage.workloads.kv_cache_sizing import option_settings

        return option_settings(config, kv_cache_rules(config.edition))

    def plan(self, case: Case, config: SuiteConfig, cluster: ClusterFacts) -> KVCachePlan:
        """Parameters of every pass on these hosts."""
        from pytest_mlpstorage.workloads.kv_cache_sizing import make_plan

        return make_plan(case, _section(config.families[self.family].own), config, cluster)

    def preflight(self, plan: KVCachePlan) -> Iterator[Finding]:
        """Rules on the plan, paths, direct I/O, space, memory and MPI, as findings with their ids."""
        from pytest_mlpstorage.workloads.kv_cache_preflight import preflight

        return preflight(plan)

    def hosts_used(self, plan: KVCachePlan) -> int:
        """Every host."""
        return plan.hosts

    def places(self, plan: KVCachePlan) -> Sequence[Place]:
        """The cache, which each host may have for itself."""
        from pytest_mlpstorage.workloads.kv_cache_sizing import asked_dir

        return (Place(asked_dir(plan.section, plan.config), "kvcache.cache_dir", "hosts" if plan.shared_cache else "host"),)

    def packages(self, plan: KVCachePlan) -> Sequence[str]:  # noqa: ARG002 - the same of each plan
        """None but this package."""
        return ()

    def host_findings(self, plan: KVCachePlan, number: int) -> Iterator[Finding]:
        """Space, memory and open files of one host."""
        from pytest_mlpstorage.workloads.kv_cache_preflight import host_findings

        return host_findings(plan, number)

    def found(self, plan: KVCachePlan, step: Step) -> str | None:
        """A finished pass, in its series or in the run in the tree, or None."""
        from pytest_mlpstorage.workloads.kv_cache_series import found

        return found(plan, step)

    def job(self, plan: KVCachePlan, step: Step, *, staged: Path, scratch: Path, write: bool) -> Job | None:
        """The launch of a pass; with ``write`` its leaf gets its evidence first."""
        from pytest_mlpstorage.workloads.kv_cache_job import make_job

        return make_job(plan, step, staged=staged, scratch=scratch, write=write)

    def require(self, plan: KVCachePlan, step: Step) -> None:
        """Nothing: a pass reads only what it wrote."""

    def prepare(self, plan: KVCachePlan, step: Step, *, run_id: str) -> tuple[str, ...]:  # noqa: ARG002 - nothing is marked
        """Nothing is half-made: each rank marks, empties and removes its own directory."""
        from pytest_mlpstorage.workloads.kv_cache_series import of_other_code

        earlier = of_other_code(plan, step)
        return () if earlier is None else (f"{step.name}: {earlier.name} was measured by other code than runs now, and does not count",)

    def collect(
        self,
        plan: KVCachePlan,
        step: Step,
        *,
        staged: Path,
        scratch: Path,  # noqa: ARG002 - every evidence is in the leaf
        outcome: Outcome,
    ) -> Collected:
        """Check that every client measured, what it had written, and the work of the other trials."""
        from pytest_mlpstorage.workloads.kv_cache_collect import collect

        return collect(plan, step, staged=staged, outcome=outcome)

    def finish(self, plan: KVCachePlan, step: Step, *, leaf: Path, run_id: str, collected: Collected) -> None:
        """Nothing is marked: a finished pass is its leaf."""

    def clean_up(self, plan: KVCachePlan, step: Step, *, scratch: Path, launcher: Launcher) -> Sequence[str]:  # noqa: ARG002 - of any step
        """Remove the directories of ranks that were killed, on each host, as far as they carry our token and nobody holds them."""
        from pytest_mlpstorage.workloads.kv_cache_leftovers import clean_up

        return clean_up(plan, scratch=scratch, launcher=launcher)

    def own_code(self, config: SuiteConfig) -> tuple[Path, ...]:
        """The user's copy of the official program, where that measures: it is what CLOSED demands in the image of a leaf's code."""
        section = _section(config.families[self.family].own)
        return (Path(section.official_path),) if section.engine == "official" and section.official_path is not None else ()

    def precondition_findings(self, plan: KVCachePlan) -> Iterator[Finding]:
        """That nobody says that the storage was filled before."""
        from pytest_mlpstorage.workloads.kv_cache_precondition import precondition_findings

        return precondition_findings(plan)

    def precondition_bytes(self, plan: KVCachePlan) -> int:
        """Bytes that filling the storage would write."""
        from pytest_mlpstorage.workloads.kv_cache_precondition import precondition_bytes

        return precondition_bytes(plan)

    def what_precondition_does(self, plan: KVCachePlan) -> str:
        """What fills the storage before the first pass."""
        from pytest_mlpstorage.workloads.kv_cache_precondition import what_precondition_does

        return what_precondition_does(plan)

    def precondition(self, plan: KVCachePlan, *, launcher: Launcher, voice: Voice) -> None:
        """Write twice the capacity that is used, where that is asked for and was not done."""
        from pytest_mlpstorage.workloads.kv_cache_precondition import precondition

        precondition(plan, launcher=launcher, voice=voice)

    def judge(self, plan: KVCachePlan) -> Judged | None:
        """Make a whole series the run's leaf, read it back from the tree and judge it by the rule book."""
        from pytest_mlpstorage.workloads.kv_cache_judge import judge_kv_cache

        return judge_kv_cache(plan, cast("Workload", self))

    def diagnose(self, stderr_tail: Sequence[str]) -> str | None:
        """The line by which a rank says why it ends the job."""
        return next((line.strip() for line in reversed(stderr_tail) if line.startswith("mlpstorage: ") and "ends the job" in line), None)


def _entry(own: Any) -> KVCacheEntry:
    assert isinstance(own, KVCacheEntry)
    return own


def _section(own: Any) -> KVCacheSection:
    assert isinstance(own, KVCacheSection)
    return own


WORKLOAD = KVCacheWorkload()
