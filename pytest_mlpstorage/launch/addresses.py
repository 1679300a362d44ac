"""Addresses of hosts, and where this one waits for those that call from the hosts of a job."""

from __future__ import annotations

import ipaddress
import socket

from pytest_mlpstorage.errors import MPIError
from pytest_mlpstorage.launch.job import Job, is_local, runs_here

__all__ = ["addresses_of", "is_address", "listen", "own_address"]


def own_address(job: Job) -> str:
    """This host's address as the job's hosts see it: loopback where all ranks run here, so that nobody else can connect.

    A name that leads to loopback is another name of this host (Debian gives its full one 127.0.1.1), and says nothing of the others.
    Raises MPIError for a host whose name leads nowhere.
    """
    address = "127.0.0.1"
    for host in () if runs_here(job) else job.hosts:
        if not is_local(host.name):
            try:
                address = _address_towards(host.name)
            except (OSError, UnicodeError) as error:  # the latter: of no form that a name may have
                raise MPIError(
                    f"host {host.name} cannot be reached by name",
                    suggestion="check cluster.hosts and the name service",
                    cause=error,
                    code="MLPS-E320",
                ) from error
            if not ipaddress.ip_address(address).is_loopback:
                break
    return address


def listen(address: str, *, here: bool, backlog: int) -> socket.socket:
    """Wait on a port that the kernel gives, for callers of ``address``; nobody else can where all are ``here``. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server((address if here else "", 0), family=family, backlog=backlog)


def is_address(name: str) -> bool:
    """Whether a name of a host is an address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def addresses_of(name: str) -> set[str]:
    """What the name service says of a host, without zones; none where nobody knows it. A service that is down takes its time."""
    try:
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def _address_towards(host: str) -> str:
    family, kind, _, _, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(address)  # sends nothing: the kernel only chooses the way
        return str(probe.getsockname()[0])
