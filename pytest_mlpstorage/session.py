"""What one pytest process knows of its benchmarks: configuration, cases, plans, and which phase has failed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlpstorage.config import Setting, SuiteConfig
from pytest_mlpstorage.errors import ConfigurationError, FileSystemError, MLPStorageError
from pytest_mlpstorage.host_ledger import HostLedger
from pytest_mlpstorage.workloads.base import Case, Plan, Step, Workload

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.facts import ClusterFacts
    from pytest_mlpstorage.cluster.survey import Survey
    from pytest_mlpstorage.launch.detect import Detection
    from pytest_mlpstorage.launch.job import Launcher
    from pytest_mlpstorage.workloads.series import Resumption

__all__ = ["BenchmarkSession"]


@dataclasses.dataclass
class BenchmarkSession:
    """The benchmarks of one configuration in this process. Cluster facts, launcher and plans are made when first asked."""

    config: SuiteConfig
    workloads: Mapping[str, Workload]
    dry_run: bool = False
    strict: bool = False
    rerun: str = ""
    _cases: dict[str, tuple[Case, ...]] = dataclasses.field(default_factory=dict)
    _plans: dict[str, Plan | MLPStorageError] = dataclasses.field(default_factory=dict)
    _resumptions: dict[str, Resumption] = dataclasses.field(default_factory=dict)
    _failed: dict[str, str] = dataclasses.field(default_factory=dict)
    _cluster: ClusterFacts | None = None
    _survey: Survey | None = None
    _detection: Detection | None = None

    def __post_init__(self) -> None:
        self.hosts = HostLedger(self)

    @property
    def surveyed(self) -> Survey | None:
        """What the hosts have said, where they were asked already."""
        return self._survey

    def cases(self, family: str | None) -> tuple[Case, ...]:
        """Cases of one family; with None those of every family that has no module of its own in ``benchmarks/``."""
        if family is None:
            return tuple(case for name in self.config.families if name not in BUILT_IN for case in self.cases(name))
        if family not in self.config.families:
            return ()
        if family not in self._cases:
            self._cases[family] = tuple(self.workloads[family].cases(self.config))
        return self._cases[family]

    def workload(self, case: Case) -> Workload:
        """The workload that a case belongs to."""
        return self.workloads[case.family]

    def launcher(self) -> Launcher:
        """The MPI launcher; raises DependencyError or MPIError where there is none."""
        return self.detection().launcher

    def detection(self) -> Detection:
        """The launcher and what was tried before it; raises as ``launcher`` does."""
        if self._detection is None:
            from pytest_mlpstorage.launch.detect import detect_launcher

            self._detection = detect_launcher(self.config.launch.launcher)
        return self._detection

    def cluster(self) -> ClusterFacts:
        """Facts of every host, asked once a session; raises MPIError that names each host which does not answer."""
        if self._cluster is None:
            self._cluster = (self._survey or self.survey(write=False)).require()
        return self._cluster

    def survey(self, *, write: bool) -> Survey:
        """What every host says, asked once a session; ``write``: whether it can use its directories too, which a dry run never tries."""
        write = write and not self.dry_run
        if self._survey is None or (write and not self._survey.tried):
            try:
                self._survey = self._ask(write)
            except OSError as error:
                raise FileSystemError(
                    "a directory of the configuration cannot be looked at",
                    details={"data_dir": self.config.data_dir, "results_dir": self.config.results_dir},
                    cause=error,
                    suggestion="choose another directory",
                    code="MLPS-E412",
                ) from error
        return self._survey

    def _ask(self, write: bool) -> Survey:
        from pytest_mlpstorage.cluster.survey import planned_survey, survey_hosts

        cluster, paths = self.config.cluster, [*self.config.storage_dirs, self.config.results_dir]
        if cluster.collect == "declared":
            if not self.dry_run:
                raise ConfigurationError(
                    "cluster.collect: declared is for a dry run: what is measured must say on what hosts it was",
                    suggestion="--mlps-dry-run, or cluster.collect: mpi, or ssh",
                    code="MLPS-E113",
                )
            return planned_survey(cluster.hosts, paths, cluster.memory_per_host_bytes or 0)
        over_ssh = cluster.ssh if cluster.collect == "ssh" else None
        return survey_hosts(
            None if self._local() or over_ssh else self.launcher(),
            cluster.hosts,
            paths,
            write=write,
            declared_memory_bytes=cluster.memory_per_host_bytes,
            mpi_args=self.config.launch.mpi_args,
            ssh=over_ssh,
        )

    def _local(self) -> bool:
        from pytest_mlpstorage.launch.job import is_local

        hosts = self.config.cluster.hosts
        return len(hosts) <= 1 and all(is_local(host.name) for host in hosts)

    def plan(self, case: Case) -> Plan:
        """The plan of a case, made once; a plan that cannot be made raises the same error each time."""
        key = f"{case.family}:{case.id}"
        if key not in self._plans:
            try:
                self._plans[key] = self.workload(case).plan(case, self.config, self.cluster())
            except MLPStorageError as error:
                self._plans[key] = error
        plan = self._plans[key]
        if isinstance(plan, MLPStorageError):
            raise plan
        return plan

    def resumption(self, case: Case) -> Resumption:
        """What stands of a case in the results tree and what is to be done, decided once; raises what its plan raises."""
        key = f"{case.family}:{case.id}"
        if key not in self._resumptions:
            from pytest_mlpstorage.workloads.series import Resumption

            self._resumptions[key] = Resumption(self.workload(case), self.plan(case), self.config, rerun=self.rerun)
        return self._resumptions[key]

    def step(self, case: Case, name: str) -> Step:
        """The step of a case by name."""
        for step in case.steps:
            if step.name == name:
                return step
        raise ConfigurationError(
            f"{case.id} has no step {name!r}", details={"steps": ", ".join(s.name for s in case.steps)}, code="MLPS-E114"
        )

    def failed(self, case: Case) -> str | None:
        """Why the later phases of this case are not worth trying, or None."""
        return self._failed.get(f"{case.family}:{case.id}")

    def mark_failed(self, case: Case, phase: str) -> None:
        """Remember the first phase of a case that failed."""
        self._failed.setdefault(f"{case.family}:{case.id}", phase)

    def origins(self) -> Sequence[str]:
        """The settings that neither the edition nor a default decided, each with where it came from. A password is hidden."""
        from pytest_mlpstorage.vectordb.address import address_shown

        set_by_somebody = [setting for setting in self.config.settings if setting.origin.kind not in ("default", "edition")]
        return [f"{s.key} = {address_shown(s.value) if isinstance(s.value, str) else s.value} ({s.origin})" for s in set_by_somebody]

    def show(self) -> Sequence[str]:
        """Every effective value with its origin: the configuration's, then each case's parameters. A password is hidden."""
        from pytest_mlpstorage.config import show
        from pytest_mlpstorage.vectordb.address import address_shown

        def told(setting: Setting) -> Setting:
            value = setting.value
            return dataclasses.replace(setting, value=address_shown(value)) if isinstance(value, str) else setting

        defaults = [setting for family in self.config.families for setting in self.workloads[family].defaults(self.config)]
        known = self.config.with_settings(defaults)
        lines = list(show(dataclasses.replace(known, settings=tuple(map(told, known.settings)))))
        for family in self.config.families:
            for case in self.cases(family):
                lines += ["", f"{family} {case.id}: effective parameters"]
                lines += _table(self.workloads[family].settings(case, self.config))
        return lines


def _table(settings: Sequence[Setting]) -> list[str]:
    width = max((len(s.key) for s in settings), default=0)
    values = max((len(_text(s.value)) for s in settings), default=0)
    return [f"  {s.key:<{width}}  {_text(s.value):<{min(values, 40)}}  {s.origin}" for s in settings]


def _text(value: Any) -> str:
    return str(value)


BUILT_IN = ("training", "checkpointing", "kvcache", "vectordb")
"""Families whose items have a module of their own; the others share ``benchmarks/test_workloads.py``."""
