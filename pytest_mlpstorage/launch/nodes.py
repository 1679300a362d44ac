"""The hosts of a job as Slurm names and orders them, inside an allocation."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Final

from pytest_mlpstorage.config.allocation import NoHosts, find_allocation
from pytest_mlpstorage.launch.job import HostLike, Job, is_local, placed

__all__ = ["BESIDE_OTHERS", "WITHOUT_ALLOCATION", "in_allocation", "in_slurms_order", "node_of_each_rank"]

WITHOUT_ALLOCATION: Final = ("env", "-u", "SLURM_JOB_ID", "-u", "SLURM_JOBID")
"""What makes a program take no notice of the allocation that it runs in."""

BESIDE_OTHERS: Final = ("env", "-u", "TMPDIR", "SLURM_OVERLAP=1")
"""What makes the srun that an mpirun starts its daemons by go ahead where pytest is a step of the allocation itself.

srun passes the environment on, and the daemons would make the run's folder for temporary files on their hosts, where nobody removes it.
"""


def in_allocation() -> bool:
    """Whether this process runs in an allocation, where mpirun takes its hosts from it and starts its daemons by srun."""
    return find_allocation(os.environ) is not None


def node_of_each_rank(job: Job) -> list[str]:
    """The node of rank 0, 1, 2 …; a host that is named ``localhost`` has a name in Slurm too."""
    return [_node(name) for name, count in placed(job.ranks, job.hosts) for _ in range(count)]


def in_slurms_order(hosts: Sequence[HostLike]) -> list[HostLike]:
    """The hosts in the order of the allocation, those that are not of it last; as they are outside of one."""
    allocation = find_allocation(os.environ)
    try:
        names = [name for name, _ in allocation.hosts()] if allocation is not None else []
    except NoHosts:
        names = []
    order = {name: number for number, name in enumerate(names)}
    return sorted(hosts, key=lambda host: order.get(_node(host.name), len(order)))


def _node(name: str) -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname().partition(".")[0] if is_local(name) else name
