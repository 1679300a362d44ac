"""The hosts of a launch in which each runs the same number of clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlpstorage.launch.job import Host

if TYPE_CHECKING:
    from pytest_mlpstorage.launch.job import HostLike

__all__ = ["client_hosts"]


def client_hosts(hosts: Sequence[HostLike], clients_per_host: int) -> tuple[HostLike, ...]:
    """The hosts with the clients that each gets; a single host that was left to the launcher stays so."""
    if len(hosts) == 1 and hosts[0].slots is None:
        return tuple(hosts)
    return tuple(Host(host.name, clients_per_host) for host in hosts)
