"""What keeps a host from doing its part: in itself, and for each case that is to run there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_mlpstorage.cluster.surroundings import versions
from pytest_mlpstorage.verdict import Category, Finding, Severity
from pytest_mlpstorage.workloads.base import HostedWorkload, Place

if TYPE_CHECKING:
    from pytest_mlpstorage.cluster.survey import Survey
    from pytest_mlpstorage.config import SuiteConfig
    from pytest_mlpstorage.workloads.base import Plan, Workload

__all__ = ["CANNOT_BE_ASKED", "case_findings", "host_findings", "hosts_of", "unplanned_findings"]

CANNOT_BE_ASKED = "MLPS-HOST-1"
_TEMPORARY = "MLPS-HOST-2"
_USABLE = "MLPS-PATH-4"
_SHARED = "MLPS-PATH-5"
_PACKAGE = "MLPS-HOST-4"
_OF_A_CASE = ("dlio-benchmark",)
"""What hosts may differ in where no case that runs there needs it."""


def host_findings(survey: Survey, name: str) -> Iterator[Finding]:
    """What is wrong with a host whatever is to run there; ``name`` is one of ``survey.names``."""
    why = survey.cluster.unreachable.get(name)
    if why is not None:
        yield Finding(f"{name} cannot be asked: {why}", field="cluster.hosts", rule=CANNOT_BE_ASKED)
        return
    if survey.apart is not None:
        yield Finding(
            f"{name} answers alone, and not together with the other hosts: {survey.apart.message}",
            required=survey.apart.suggestion or None,
            field="cluster.hosts",
            rule=CANNOT_BE_ASKED,
        )
    for each in survey.cluster.disagreements:
        if name in each.hosts and each.about not in _OF_A_CASE:
            yield each.finding()
    probe = survey.probes.get(name)
    if probe is None:
        return
    if probe.temporary:
        yield Finding(
            f"{name} has no directory for temporary files: {probe.temporary}",
            required="a directory that can be written: TMPDIR, or /tmp",
            field="TMPDIR",
            rule=_TEMPORARY,
        )
    if probe.shared_memory:
        yield Finding(
            f"{name} has no shared memory, by which read workers hand over their batches: {probe.shared_memory}",
            severity=Severity.WARNING,
            category=Category.CLOSED,
            required="a memory filesystem at /dev/shm that can be written",
            rule=_TEMPORARY,
        )


def hosts_of(workload: Workload, plan: Plan, names: Sequence[str]) -> tuple[str, ...]:
    """The hosts that run ranks of a plan, by their declared names: the first ones."""
    return tuple(names[: workload.hosts_used(plan)] if isinstance(workload, HostedWorkload) else names)


def case_findings(workload: Workload, plan: Plan, config: SuiteConfig, survey: Survey, name: str) -> Iterator[Finding]:
    """What a host lacks for one case that runs there: places, and what its family counts (memory, space, open files)."""
    own = workload.places(plan) if isinstance(workload, HostedWorkload) else ()
    yield from _places((*own, _results(config)), survey, name)
    if isinstance(workload, HostedWorkload):
        yield from _packages(workload.packages(plan), survey, name)
        yield from workload.host_findings(plan, survey.names.index(name))


def _packages(wanted: Sequence[str], survey: Survey, name: str) -> Iterator[Finding]:
    """Packages that a host lacks or has otherwise; what this one lacks is told by the preflight that needs it."""
    host = survey.cluster.host(name)
    if host is None or not host.versions or survey.here:
        return
    for package in wanted:
        theirs, ours = host.versions.get(package, ""), versions().get(package, "")
        if ours and theirs != ours:
            yield Finding(
                f"{name} has {'another' if theirs else 'no'} {package}",
                measured=theirs or "none",
                required=f"{ours}, as here",
                field="cluster.hosts",
                rule=_PACKAGE,
            )


def unplanned_findings(config: SuiteConfig, survey: Survey, name: str) -> Iterator[Finding]:
    """What can be said of the directories on a host while no case can be planned: some host has not answered."""
    tested = [Place(path, "data_dir" if path == config.data_dir else "a directory under test", "host") for path in config.storage_dirs]
    yield from _places((*tested, _results(config)), survey, name)


def _results(config: SuiteConfig) -> Place:
    """Every rank writes its part of a leaf, and reads what pytest has put beside it."""
    return Place(config.results_dir, "results_dir", "run")


def _places(places: Sequence[Place], survey: Survey, name: str) -> Iterator[Finding]:
    probe = survey.probes.get(name)
    if probe is None:
        return
    for place in places:
        found = probe.path(place.path)
        where = f" on {name}" if len(survey.names) > 1 or not survey.here else ""
        if found.problem:
            yield Finding(
                f"{place.key}{where}: {found.problem}",
                measured=str(place.path),
                required="a directory that can be written",
                field=place.key,
                rule=_USABLE,
            )
        elif (place.seen_by != "host" and found.as_first is False) or (place.seen_by == "run" and found.as_pytest is False):
            other = survey.names[0] if found.as_first is False else "the host of pytest"
            there = "it is another directory" if found.exists else f"it is not there, {found.there} is"
            yield Finding(
                f"{place.key}{where} is not the directory that {other} has under this name: {there}",
                measured=str(place.path),
                required="one directory that every host sees",
                field=place.key,
                rule=_SHARED,
            )
