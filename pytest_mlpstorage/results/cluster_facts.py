"""What the hosts of a run were when they were asked, all together."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from pytest_mlpstorage.results.host_agreement import Disagreement, disagreements
from pytest_mlpstorage.results.host_facts import HostFacts

__all__ = ["ClusterFacts", "now"]


def now() -> str:
    """This moment, UTC, as ISO 8601 in seconds."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass(frozen=True)
class ClusterFacts:
    """All hosts of a run, in the order in which they were declared.

    ``method`` is how they were asked: ``local``, ``mpi`` or ``ssh``; ``… + declared memory``; ``declared``: nobody was asked.
    ``unreachable`` has the hosts that did not answer by the name that was declared, and why; a cluster that is planned for has none.
    """

    hosts: tuple[HostFacts, ...]
    method: str
    collected: str = dataclasses.field(default_factory=now)
    unreachable: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def total_memory_bytes(self) -> int:
        """Memory of all hosts together."""
        return sum(host.memory_bytes for host in self.hosts)

    @property
    def min_memory_bytes(self) -> int:
        """Memory of the smallest host."""
        return min(host.memory_bytes for host in self.hosts)

    @property
    def max_memory_bytes(self) -> int:
        """Memory of the largest host."""
        return max(host.memory_bytes for host in self.hosts)

    @property
    def total_cores(self) -> int:
        """Physical cores of all hosts together."""
        return sum(host.cores for host in self.hosts)

    @functools.cached_property  # each host, plan and leaf asks for it
    def disagreements(self) -> tuple[Disagreement, ...]:
        """What the hosts do not agree on, clocks and networks too."""
        return disagreements(self.hosts)

    @property
    def host_consistency_issues(self) -> tuple[str, ...]:
        """What the machines themselves do not agree on, one sentence each: values, and which hosts have them."""
        return tuple(each.message for each in self.disagreements if each.of_machines)

    def host(self, declared: str) -> HostFacts | None:
        """The host that a name of the configuration means: by that name, by what it calls itself, or because there is only one."""
        for attempt in range(3):
            found = [host for host in self.hosts if (host.declared, host.name, host.name.partition(".")[0])[attempt] == declared]
            if len(found) == 1:
                return found[0]
        return self.hosts[0] if len(self.hosts) == 1 and not self.unreachable else None

    def system_info(self) -> dict[str, Any]:
        """``system_info`` of v3.0 metadata (rules.md §1.5)."""
        return {
            "total_memory_bytes": self.total_memory_bytes,
            "total_cores": self.total_cores,
            "num_hosts": len(self.hosts),
            "min_memory_bytes": self.min_memory_bytes,
            "max_memory_bytes": self.max_memory_bytes,
            "collection_method": self.method,
            "collection_timestamp": self.collected,
            "hosts": [host.system_info() for host in self.hosts],
            "host_consistency_issues": list(self.host_consistency_issues),
        }
