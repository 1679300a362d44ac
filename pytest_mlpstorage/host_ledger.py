"""What is wrong with which host, who was told of it, and which cases must wait for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pytest_mlpstorage.errors import MLPStorageError
from pytest_mlpstorage.workloads.base import Case

if TYPE_CHECKING:
    from pytest_mlpstorage.session import BenchmarkSession
    from pytest_mlpstorage.verdict import Finding

__all__ = ["HostFault", "HostLedger"]


@dataclasses.dataclass(frozen=True)
class HostFault:
    """One thing that is wrong with a host. ``cases`` are the ids of those that it concerns; None: whatever runs there."""

    finding: Finding
    cases: tuple[str, ...] | None = None

    def line(self) -> str:
        """The fault for people, with the cases where it does not concern all."""
        return self.finding.line() + (f" (for {', '.join(self.cases)})" if self.cases is not None else "")

    def concerns(self, case: Case) -> bool:
        """Whether a case cannot do without what is missing."""
        return self.cases is None or case.id in self.cases


class HostLedger:
    """The hosts of one session. An item of a host tells its faults; where it was not selected, the preflights of the cases do.

    A case waits for the hosts that run its ranks, and for every host that did not answer: nothing can be planned without its memory.
    """

    def __init__(self, session: BenchmarkSession) -> None:
        self._session = session
        self._selected: tuple[Case, ...] | None = None
        self._faults: dict[str, tuple[HostFault, ...]] = {}
        self._failing: dict[str, tuple[HostFault, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the configuration's hosts, each once."""
        return tuple(dict.fromkeys(host.name for host in self._session.config.cluster.hosts)) or ("localhost",)

    def select(self, cases: Iterable[Case]) -> None:
        """These cases are to run, and so the hosts need what they need; where there are none, all of the configuration count."""
        self._selected = tuple({f"{case.family}:{case.id}": case for case in cases}.values()) or None

    def faults(self, name: str) -> tuple[HostFault, ...]:
        """All that is wrong with a host, found out once; asks the hosts. Raises an MLPStorageError where nobody can be asked."""
        if name not in self._faults:
            self._faults[name] = tuple(self._find(name))
        return self._faults[name]

    def told(self, name: str, failing: Iterable[HostFault]) -> None:
        """The item of a host has told its faults, and failed for these."""
        self._failing[name] = tuple(failing)

    def was_told(self, finding: Finding) -> bool:
        """Whether the item of a host has told this already."""
        return any(fault.finding == finding for name in self._failing for fault in self._faults.get(name, ()))

    def untold(self, case: Case) -> list[Finding]:
        """What nobody has told of the hosts of a case: their items were not selected."""
        names = [name for name in self._of(case) if name not in self._failing]
        return [fault.finding for name in names for fault in self.faults(name) if fault.concerns(case)]

    def in_the_way(self, case: Case) -> str:
        """Why a case need not be tried: a host that it needs has failed, and why; empty where none has."""
        for name, faults in self._failing.items():
            for fault in faults:
                if fault.concerns(case) and (self.cannot_plan or name in self._of(case)):
                    return f"host {name} failed: {fault.finding.message}"
        return ""

    @property
    def cannot_plan(self) -> bool:
        """Whether the hosts were asked, and not all of them answered."""
        survey = self._session.surveyed
        return survey is not None and (survey.apart is not None or bool(survey.cluster.unreachable))

    def _of(self, case: Case) -> tuple[str, ...]:
        """The hosts that run ranks of a case; all of them where it cannot be planned."""
        from pytest_mlpstorage.workloads.host_checks import hosts_of

        try:
            return hosts_of(self._session.workload(case), self._session.plan(case), self.names)
        except MLPStorageError:
            return self.names

    def _find(self, name: str) -> Iterator[HostFault]:
        from pytest_mlpstorage.workloads.host_checks import case_findings, host_findings, unplanned_findings

        session = self._session
        survey = session.survey(write=True)
        yield from map(HostFault, host_findings(survey, name))
        if self.cannot_plan:
            yield from map(HostFault, unplanned_findings(session.config, survey, name))
            return
        concerned: dict[Finding, list[str]] = {}
        for case in self._cases():
            if name not in self._of(case) or session.config.blanks(case.family):
                continue
            try:
                plan = session.plan(case)
            except MLPStorageError:
                continue  # its own preflight tells why
            for finding in case_findings(session.workload(case), plan, session.config, survey, name):
                concerned.setdefault(finding, []).append(case.id)
        for finding, cases in concerned.items():
            yield HostFault(finding, tuple(dict.fromkeys(cases)))

    def _cases(self) -> tuple[Case, ...]:
        if self._selected is not None:
            return self._selected
        return tuple(case for family in self._session.config.families for case in self._session.cases(family))
