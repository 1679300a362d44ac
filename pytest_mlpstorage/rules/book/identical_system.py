"""The rule that what ran is the system that is described (2.1.9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from pytest_mlpstorage.editions import Edition
from pytest_mlpstorage.met import Met, NotAsked
from pytest_mlpstorage.results.coerce import boolean, integer, number
from pytest_mlpstorage.results.records import CheckpointingResult, StoredResult, Summary, SystemDescription, TrainingResult
from pytest_mlpstorage.rules.registry import rule
from pytest_mlpstorage.rules.runs import with_summary
from pytest_mlpstorage.verdict import Finding, NoEvidence

__all__: list[str] = []


def _identical_system(result: StoredResult, edition: Edition) -> Iterator[Finding | NoEvidence | Met]:
    """Every run ran on the clients that the system description names: as many hosts, with the memory that it states.

    Memory is compared where all clients are of one kind, within the edition's tolerance. A system that does not support several hosts
    was run from one. What either side does not state is not compared.
    """
    description = result.description
    if description is None or description.document is None:
        reason = "there is no system description" if description is None else "the system description could not be read"
        yield NoEvidence(reason, result.relpath if description is None else description.relpath)
        return
    listed = description.value("system_under_test.clients")
    clients = [client for client in listed if isinstance(client, Mapping)] if isinstance(listed, list) else []
    for run in with_summary(result):
        if isinstance(run, NoEvidence):
            yield run
            continue
        leaf, summary = run
        file = summary.path or leaf.relpath
        hosts = summary.num_hosts
        if hosts is None:
            yield Met("num_hosts not recorded", "hosts compared where a run records them")
        else:
            yield from _hosts(hosts, clients, file)
            several = boolean(description.value("system_under_test.solution.capabilities.multi_host"))
            if hosts > 1 and several is False:
                yield Finding(
                    "a run used several hosts, and the system is described as one that does not support them",
                    measured=hosts,
                    required="1 host, or capabilities.multi_host true",
                    file=file,
                    field="num_hosts",
                )
            elif several is not None:
                yield Met(f"multi_host {str(several).lower()}", "multi_host true where a run uses more than 1 host")
        if len(clients) == 1:
            yield from _memory(summary, clients[0], edition, description, file)


def _hosts(hosts: int, clients: list[Mapping[str, Any]], file: str) -> Iterator[Finding | Met]:
    quantities = [integer(client.get("quantity")) for client in clients]
    described = [quantity for quantity in quantities if quantity is not None]
    if not described or len(described) < len(quantities):
        yield NotAsked(f"{hosts} hosts", "compared where the number of all clients is described")
    elif hosts == sum(described):
        yield Met(f"{hosts} hosts", f"{sum(described)} clients in the description")
    else:
        yield Finding(
            "a run did not use the clients that the system description names",
            measured=f"{hosts} hosts",
            required=f"{sum(described)} clients in the description",
            file=file,
            field="num_hosts",
        )


def _memory(
    summary: Summary, client: Mapping[str, Any], edition: Edition, described: SystemDescription, file: str
) -> Iterator[Finding | Met]:
    chassis = client.get("chassis")
    capacity = number(chassis.get("memory_capacity")) if isinstance(chassis, Mapping) else None
    total, hosts, tolerance = number(summary.total_host_memory_gib), summary.num_hosts, edition.client_memory_tolerance
    if capacity is None or total is None or tolerance is None or hosts is None or hosts < 1:
        return
    # Of the memory that a summary lists by host only the sum is right, so the mean is compared. As decimals, so that the limit passes.
    mean, stated = Fraction(str(total)) / hosts, Fraction(str(capacity))
    if abs(mean - stated) > Fraction(str(tolerance)) * stated:
        yield Finding(
            f"the hosts of a run do not have the memory that {described.relpath} states",
            measured=f"{float(mean):.2f} GiB a host",
            required=f"{float(stated):g} GiB ± {tolerance:.0%}",
            file=file,
            field="host_memory_GB",
        )
    else:
        yield Met(f"{float(mean):.6g} GiB", f"{float(stated):g} GiB ± {tolerance:.0%} a host")


for _subject in (TrainingResult, CheckpointingResult):
    rule("2.1.9", "identicalSystemConfig", subject=_subject, editions=("3.0",))(_identical_system)
